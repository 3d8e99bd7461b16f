/* Convolution in bf16: what fits what, packing, how the work is cut, and which unit multiplies. */
#include "conv2d_bf16.h"

#include "require.h"
#include "tensor/element.h"

#define ENOUGH_CHUNKS 24 /* so that a few threads end at about the same time */

/* ---- packing: [output channels / 16][depth / 2][16][2], padded with zeros to whole tiles */

int64_t scion_conv2d_bf16_packed_elements(const scion_tensor *w) {
  if (w->dims != 4) return 0;
  return scion_divide_up(scion_tensor_rows(w), BF16_STEP) * BF16_STEP * (scion_divide_up(w->shape[3], BF16_TILE) * BF16_TILE);
}

typedef struct {
  const scion_tensor *w;
  const float *scale;
  uint16_t *packed;
  int64_t depth, padded;
} pack_job;

static void pack_tile_column(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pack_job *job = data;
  int64_t first = chunk * BF16_TILE, left = job->w->shape[3] - first, count = left < BF16_TILE ? left : BF16_TILE;
  uint16_t *out = job->packed + first * job->padded;
  memset(out, 0, (size_t)(job->padded * BF16_TILE) * sizeof *out);
  for (int64_t k = 0; k < job->depth; k++) {
    const float *in = (const float *)job->w->data + k * job->w->row_stride + first;
    for (int64_t c = 0; c < count; c++)
      out[(k / 2 * BF16_TILE + c) * 2 + k % 2] = float_to_bf16(job->scale ? in[c] * job->scale[first + c] : in[c]);
  }
}

static scion_status require_packed(const scion_tensor *packed, int64_t elements) {
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_dtype("conv2d_bf16", "packed", packed, SCION_BF16));
  if (!scion_tensor_contiguous(packed) || scion_tensor_elements(packed) != elements)
    return scion_fail(SCION_MISUSE, "conv2d_bf16: packed weights are %s, but the kernel has %lld elements when packed",
                      scion_shape_text(packed, text, sizeof text), (long long)elements);
  return SCION_OK;
}

scion_status scion_conv2d_bf16_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32("conv2d_bf16", "kernel", w));
  if (w->dims != 4 || scion_tensor_elements(w) == 0)
    return scion_fail(SCION_MISUSE, "conv2d_bf16: a kernel is [kh, kw, Ci, Co] without empty dimensions, not %s",
                      scion_shape_text(w, text, sizeof text));
  SCION_TRY(scion_require_vector("conv2d_bf16", "scale", scale, w->shape[3]));
  SCION_TRY(require_packed(packed, scion_conv2d_bf16_packed_elements(w)));
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .packed = packed->data, .depth = scion_tensor_rows(w)};
  job.padded = scion_divide_up(job.depth, BF16_STEP) * BF16_STEP;
  return scion_parallel_for(scion_divide_up(w->shape[3], BF16_TILE), pack_tile_column, &job);
}

/* ---- forward */

static scion_status require_operands(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                     const scion_tensor *addend, const scion_tensor *y, const scion_window *window,
                                     conv2d_bf16_job *job) {
  const char *kernel = "conv2d_bf16";
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_BF16));
  SCION_TRY(scion_require_number(kernel, "y", y));
  SCION_TRY(scion_require_window(kernel, window, "x", x, "y", y, scion_tensor_channels(y)));
  if (x->shape[3] < 1 || y->shape[3] < 1) return scion_fail(SCION_MISUSE, "conv2d_bf16: images without channels");
  SCION_TRY(scion_require_vector(kernel, "bias", bias, y->shape[3]));
  if (addend) SCION_TRY(scion_require_number_like(kernel, "addend", addend, "y", y));
  if (__builtin_mul_overflow((int64_t)window->kernel[0] * window->kernel[1], x->shape[3], &job->depth) ||
      job->depth > INT64_MAX / 64 / scion_divide_up(y->shape[3], BF16_TILE))
    return scion_fail(SCION_MISUSE, "conv2d_bf16: a window of %dx%d over %lld channels is too large", window->kernel[0],
                      window->kernel[1], (long long)x->shape[3]);
  job->padded = scion_divide_up(job->depth, BF16_STEP) * BF16_STEP;
  return require_packed(packed, job->padded * scion_divide_up(y->shape[3], BF16_TILE) * BF16_TILE);
}

/* Blocks of pixels; where there are few of them, smaller blocks, and groups of panels that share one. */
static scion_status run(conv2d_bf16_job *job) {
  job->pixels *= job->grid[0] * job->grid[1];
  job->block = BF16_PIXELS;
  while (job->block > BF16_BLOCK && job->pixels < job->block * ENOUGH_CHUNKS) job->block /= 2;
  int64_t blocks = scion_divide_up(job->pixels, job->block), panels = scion_divide_up(job->out_channels, BF16_BLOCK);
  job->group_panels = blocks < ENOUGH_CHUNKS ? scion_divide_up(panels * blocks, ENOUGH_CHUNKS) : panels;
  if (job->group_panels > BF16_GROUP) job->group_panels = BF16_GROUP;
  if (job->group_panels < 1) job->group_panels = 1;
  job->groups = scion_divide_up(panels, job->group_panels);
  return scion_parallel_for(blocks * job->groups, SIMD_CHOOSE(conv2d_bf16_chunk), job);
}

scion_status conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                 const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                 scion_activation activation, const conv2d_bf16_unit *unit) {
  conv2d_bf16_job job = {.window = *window, .activation = activation, .unit = unit};
  SCION_TRY(scion_require_activation("conv2d_bf16", activation));
  SCION_TRY(require_operands(x, packed, bias, addend, y, window, &job));
  job.x = x->data, job.x_stride = x->row_stride, job.channels = x->shape[3], job.packed = packed->data;
  for (int axis = 0; axis < 2; axis++) job.size[axis] = x->shape[axis + 1], job.grid[axis] = y->shape[axis + 1];
  job.bias = bias ? bias->data : NULL;
  if (addend) job.addend = addend->data, job.addend_dtype = addend->dtype, job.addend_stride = addend->row_stride;
  job.y = y->data, job.y_dtype = y->dtype, job.y_stride = y->row_stride;
  job.out_channels = y->shape[3], job.pixels = y->shape[0];
  return run(&job);
}

static conv2d_bf16_unit unit_in_use(void) {
#if defined(__x86_64__)
  if (scion_bf16_in_use() == SCION_BF16_AMX) return conv2d_bf16_amx;
  if (scion_bf16_in_use() == SCION_BF16_AVX512) return conv2d_bf16_avx512;
#endif
  return (conv2d_bf16_unit){.multiply = SIMD_CHOOSE(conv2d_bf16_multiply)};
}

scion_status scion_conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                       const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                       scion_activation activation) {
  conv2d_bf16_unit unit = unit_in_use();
  return conv2d_bf16_forward(x, packed, bias, addend, y, window, activation, &unit);
}
