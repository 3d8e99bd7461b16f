/* Convolution in narrow numbers: what fits what, and how the work is cut. */
#include "conv2d_narrow.h"

#include "require.h"

#define ENOUGH_CHUNKS 24 /* so that a few threads end at about the same time */

static int64_t whole_steps(int64_t bytes) { return scion_divide_up(bytes, NARROW_STEP) * NARROW_STEP; }

narrow_depth conv2d_narrow_depth(int64_t rows, int64_t row, const conv2d_unit *unit) {
  narrow_depth d = {.rows = rows, .row = row, .pitch = unit->strips && row >= NARROW_STEP ? whole_steps(row) : row};
  d.padded = whole_steps(rows * d.pitch);
  return d;
}

int64_t conv2d_narrow_packed(const narrow_depth *depth, int64_t out_channels) {
  return depth->padded * (scion_divide_up(out_channels, NARROW_TILE) * NARROW_TILE);
}

scion_status conv2d_narrow_require_packed(const char *kernel, const scion_tensor *packed, int64_t bytes) {
  char text[SCION_SHAPE_TEXT];
  int64_t size = (int64_t)scion_dtype_size(packed->dtype);
  if (!scion_tensor_contiguous(packed) || scion_tensor_elements(packed) * size != bytes)
    return scion_fail(SCION_MISUSE, "%s: packed weights are %s, but the kernel has %lld elements when packed", kernel,
                      scion_shape_text(packed, text, sizeof text), (long long)(bytes / size));
  return SCION_OK;
}

scion_status conv2d_narrow_require_kernel(const char *kernel, const scion_tensor *w, const scion_tensor *scale) {
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32(kernel, "kernel", w));
  if (w->dims != 4 || scion_tensor_elements(w) == 0)
    return scion_fail(SCION_MISUSE, "%s: a kernel is [kh, kw, Ci, Co] without empty dimensions, not %s", kernel,
                      scion_shape_text(w, text, sizeof text));
  return scion_require_vector(kernel, "scale", scale, w->shape[3]);
}

scion_status conv2d_narrow_require_pack(const char *kernel, const scion_tensor *w, const scion_tensor *scale, const scion_tensor *packed,
                                        scion_dtype dtype, const conv2d_unit *unit, narrow_depth *depth) {
  SCION_TRY(conv2d_narrow_require_kernel(kernel, w, scale));
  SCION_TRY(scion_require_dtype(kernel, "packed", packed, dtype));
  *depth = conv2d_narrow_depth(w->shape[0], w->shape[1] * w->shape[2] * (int64_t)scion_dtype_size(dtype), unit);
  return conv2d_narrow_require_packed(kernel, packed, conv2d_narrow_packed(depth, w->shape[3]));
}

scion_status conv2d_narrow_require_depth(const char *kernel, const scion_window *window, const scion_tensor *x, const scion_tensor *y) {
  int64_t depth;
  if (x->shape[3] < 1 || y->shape[3] < 1) return scion_fail(SCION_MISUSE, "%s: images without channels", kernel);
  if (__builtin_mul_overflow((int64_t)window->kernel[0] * window->kernel[1], x->shape[3] * (int64_t)scion_dtype_size(x->dtype), &depth) ||
      depth > INT64_MAX / 128 / scion_divide_up(y->shape[3], NARROW_TILE))
    return scion_fail(SCION_MISUSE, "%s: a window of %dx%d over %lld channels is too large", kernel, window->kernel[0],
                      window->kernel[1], (long long)x->shape[3]);
  return SCION_OK;
}

static scion_status require_operands(const char *kernel, const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                     const scion_tensor *addend, const scion_tensor *y, const scion_window *window,
                                     conv2d_narrow_job *job) {
  SCION_TRY(scion_require_window(kernel, window, "x", x, "y", y, scion_tensor_channels(y)));
  SCION_TRY(scion_require_vector(kernel, "bias", bias, y->shape[3]));
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (addend && !scion_tensor_same_shape(addend, y))
    return scion_fail(SCION_MISUSE, "%s: y is %s, but addend is %s, and they should have one shape", kernel, scion_shape_text(y, a, sizeof a),
                      scion_shape_text(addend, b, sizeof b));
  SCION_TRY(conv2d_narrow_require_depth(kernel, window, x, y));
  job->depth = conv2d_narrow_depth(window->kernel[0], window->kernel[1] * x->shape[3] * (int64_t)scion_dtype_size(x->dtype), job->unit);
  return conv2d_narrow_require_packed(kernel, packed, conv2d_narrow_packed(&job->depth, y->shape[3]));
}

/* Bytes of a strip for so many pixels, whose rows have so many columns: those under their windows, and what a unit reads behind them. */
static int64_t strip_bytes(const conv2d_narrow_job *job, int64_t columns, int64_t pixels) {
  return (pixels + (job->window.kernel[0] - 1) * columns + job->window.kernel[1]) * job->channels + NARROW_STEP;
}

bool conv2d_narrow_strip(const scion_window *w, const int64_t size[2], const int64_t grid[2], int64_t strip[2]) {
  for (int axis = 0; axis < 2; axis++) {
    int64_t behind = grid[axis] - 1 + w->kernel[axis] - w->before[axis] - size[axis]; /* pixels that windows reach past the image */
    if (w->stride[axis] != 1 || w->dilation[axis] != 1 || w->before[axis] < 0 || w->before[axis] >= w->kernel[axis] || behind >= w->kernel[axis]) return false;
    strip[axis] = size[axis] + (w->before[axis] > behind ? w->before[axis] : behind);
    if (strip[axis] < grid[axis]) return false;
  }
  return strip[0] * strip[1] <= 2 * grid[0] * grid[1]; /* else most of it would be padding */
}

/* Whether the left side is read from strips. What fills up a row of the depth meets the pixels behind it, times zero. */
static bool make_strips(conv2d_narrow_job *job, int64_t images) {
  int64_t strip[2];
  if (!job->unit->strips || job->depth.pitch % NARROW_STEP || job->depth.rows == 0) return false;
  if (!conv2d_narrow_strip(&job->window, job->size, job->grid, strip)) return false;
  job->block = NARROW_STRIP_PIXELS;
  while (job->block > NARROW_BLOCK && images * strip[0] * strip[1] < job->block * ENOUGH_CHUNKS) job->block /= 2;
  while (job->block > NARROW_BLOCK && strip_bytes(job, strip[1], job->block) > NARROW_STRIP_BYTES) job->block /= 2;
  if (strip_bytes(job, strip[1], job->block) > NARROW_STRIP_BYTES) return false;
  job->pixels = images * strip[0] * strip[1], job->strip[0] = strip[0], job->strip[1] = strip[1];
  return true;
}

/* Blocks of pixels; where there are few of them, smaller blocks, and groups of panels that share one. Of both sides one should stay near: a
 * matrix unit waits for loads if both come from the second-level cache, and not if one does (38 and 24 ns for four products). */
scion_status conv2d_narrow_grid(conv2d_narrow_job *job) {
  if (!make_strips(job, job->pixels)) {
    job->pixels *= job->grid[0] * job->grid[1];
    job->block = NARROW_PIXELS;
    while (job->block > NARROW_BLOCK && job->pixels < job->block * ENOUGH_CHUNKS) job->block /= 2;
  }
  int64_t blocks = scion_divide_up(job->pixels, job->block), panels = scion_divide_up(job->out_channels, NARROW_BLOCK);
  job->group_panels = blocks < ENOUGH_CHUNKS ? scion_divide_up(panels * blocks, ENOUGH_CHUNKS) : panels;
  if (job->group_panels > NARROW_GROUP) job->group_panels = NARROW_GROUP;
  if (job->group_panels < 1) job->group_panels = 1;
  job->groups = scion_divide_up(panels, job->group_panels);
  const int64_t panel_bytes = job->depth.padded * NARROW_BLOCK, block_bytes = job->window.kernel[0] * (NARROW_BLOCK + job->window.kernel[1]) * job->channels;
  job->pixels_first = panel_bytes > NARROW_NEAR && block_bytes <= NARROW_NEAR && panel_bytes * job->group_panels <= NARROW_FAR;
  return scion_parallel_for(blocks * job->groups, SIMD_CHOOSE(conv2d_narrow_chunk), job);
}

scion_status conv2d_narrow_run(const char *kernel, conv2d_narrow_job *job, const scion_tensor *x, const scion_tensor *packed,
                               const scion_tensor *bias, const scion_tensor *addend, const scion_tensor *y,
                               const scion_window *window, scion_activation activation) {
  SCION_TRY(scion_require_activation(kernel, activation));
  SCION_TRY(require_operands(kernel, x, packed, bias, addend, y, window, job));
  const int64_t size = (int64_t)scion_dtype_size(x->dtype);
  job->window = *window, job->activation = activation;
  job->x = x->data, job->x_stride = x->row_stride * size, job->channels = x->shape[3] * size, job->packed = packed->data;
  for (int axis = 0; axis < 2; axis++) job->size[axis] = x->shape[axis + 1], job->grid[axis] = y->shape[axis + 1];
  job->bias = bias ? bias->data : NULL;
  if (addend) job->addend = addend->data, job->addend_dtype = addend->dtype, job->addend_stride = addend->row_stride;
  job->y = y->data, job->y_dtype = y->dtype, job->y_stride = y->row_stride;
  job->out_channels = y->shape[3], job->pixels = y->shape[0];
  return conv2d_narrow_grid(job);
}
