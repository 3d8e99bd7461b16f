/* Convolution by minimal filtering: which windows have it, its weights, and how the work is cut. */
#include "winograd.h"

#include <string.h>

/* The p of the points +-p, by the number of pairs. */
static const double points[WINOGRAD_PAIRS + 1][WINOGRAD_PAIRS] = {
    [2] = {0.75, 1.5}, [4] = {0.5, 0.75, 1.25, 2.25}};

/* For 1, 3 or 7 taps along an axis. */
static int pairs_of(int taps) { return taps / 2 + (taps > 1); }

int scion_winograd_fits(const scion_window *window) {
  for (int axis = 0; axis < 2; axis++)
    if (window->stride[axis] != 1 || window->dilation[axis] != 1 || window->before[axis] >= window->kernel[axis] ||
        window->after[axis] >= window->kernel[axis])
      return 0;
  int rows = window->kernel[0], columns = window->kernel[1];
  return (rows == 3 && columns == 3) || (rows == 1 && (columns == 3 || columns == 7)) || (columns == 1 && (rows == 3 || rows == 7));
}

scion_status winograd_check_window(const scion_window *window) {
  if (scion_winograd_fits(window)) return SCION_OK;
  return scion_fail(SCION_MISUSE, "winograd: a window of %dx%d, stride %dx%d, dilation %dx%d is none it can do", window->kernel[0],
                    window->kernel[1], window->stride[0], window->stride[1], window->dilation[0], window->dilation[1]);
}

static int positions_of(int taps) { return taps == 1 ? 1 : taps + WINOGRAD_OUTPUTS - 1; }

/* The product of x^2 - p^2 over all pairs but one, as coefficients from the lowest power of x^2 on. */
static void multiply_out(const double *p, int pairs, int but, double *out) {
  int degree = 0;
  out[0] = 1;
  for (int k = 0; k < pairs; k++) {
    if (k == but) continue;
    out[++degree] = 1;
    for (int i = degree - 1; i >= 0; i--) out[i] = (i > 0 ? out[i - 1] : 0) - p[k] * p[k] * out[i];
  }
}

static winograd_axis find_axis(int taps) {
  winograd_axis a = {.pairs = pairs_of(taps), .positions = positions_of(taps), .outputs = taps == 1 ? 1 : WINOGRAD_OUTPUTS};
  const double *p = points[a.pairs];
  double product[WINOGRAD_PAIRS + 1];
  for (int k = 0; k < a.pairs; k++) {
    a.p[k] = (float)p[k];
    multiply_out(p, a.pairs, k, product);
    for (int j = 0; j < a.pairs; j++) a.each[k][j] = (float)product[j];
  }
  multiply_out(p, a.pairs, -1, product);
  for (int j = 0; j <= a.pairs; j++) a.all[j] = (float)product[j];
  return a;
}

/* ---- weights: [position][panels as conv2d_pack.c lays them] */

/* What becomes of the taps of an axis at each position: w(p) / (product of p - q over the other points q), and the last tap at
 * infinity. */
void winograd_find_weights(int taps, double out[WINOGRAD_MOST][WINOGRAD_MOST]) {
  int pairs = pairs_of(taps), last = positions_of(taps) - 1;
  const double *p = points[pairs];
  memset(out, 0, sizeof(double[WINOGRAD_MOST][WINOGRAD_MOST]));
  out[last][taps - 1] = 1;
  if (pairs == 0) return;
  double zero = 1;
  for (int k = 0; k < pairs; k++) {
    double divisor = 2 * p[k] * p[k], power = 1;
    zero *= -p[k] * p[k];
    for (int j = 0; j < pairs; j++)
      if (j != k) divisor *= p[k] * p[k] - p[j] * p[j];
    for (int r = 0; r < taps; r++, power *= p[k]) {
      out[2 * k + 1][r] = power / divisor;
      out[2 * k + 2][r] = (r % 2 ? -power : power) / divisor;
    }
  }
  out[0][0] = 1 / zero;
}

typedef struct {
  const scion_tensor *w;
  const float *scale;
  float *packed;
  int64_t in, out;
  bool transposed;
  double weights[2][WINOGRAD_MOST][WINOGRAD_MOST];
} pack_job;

/* A tap's weights from one input channel to `count` output channels; transposed, of the kernel turned around. */
static void fetch_tap(const pack_job *job, int tap, int64_t in, int64_t first, int64_t count, double *out) {
  const scion_tensor *w = job->w;
  int64_t taps = w->shape[0] * w->shape[1], channels = w->shape[2];
  const float *data = w->data;
  if (job->transposed) {
    data += ((taps - 1 - tap) * channels + first) * w->row_stride + in;
    for (int64_t c = 0; c < count; c++) out[c] = (double)data[c * w->row_stride] * (job->scale ? job->scale[in] : 1);
  } else {
    data += (tap * channels + in) * w->row_stride + first;
    for (int64_t c = 0; c < count; c++) out[c] = (double)data[c] * (job->scale ? job->scale[first + c] : 1);
  }
}

#define LANES 16 /* output channels at a time */

/* Up to LANES output channels of one input channel: to all positions, `pitch` floats apart. */
static void pack_lanes(const pack_job *job, int64_t in, int64_t first, int64_t count, float *out, int64_t pitch) {
  double taps[7 * 7][LANES] = {{0}}, half[WINOGRAD_MOST][7][LANES];
  int rows = (int)job->w->shape[0], columns = (int)job->w->shape[1];
  for (int tap = 0; tap < rows * columns; tap++) fetch_tap(job, tap, in, first, count, taps[tap]);
  for (int i = 0; i < positions_of(rows); i++)
    for (int s = 0; s < columns; s++)
      for (int c = 0; c < LANES; c++) {
        double sum = 0;
        for (int r = 0; r < rows; r++) sum += job->weights[0][i][r] * taps[r * columns + s][c];
        half[i][s][c] = sum;
      }
  for (int i = 0; i < positions_of(rows); i++)
    for (int j = 0; j < positions_of(columns); j++, out += pitch)
      for (int c = 0; c < count; c++) {
        double sum = 0;
        for (int s = 0; s < columns; s++) sum += job->weights[1][j][s] * half[i][s][c];
        out[c] = (float)sum;
      }
}

static void pack_panel(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pack_job *job = data;
  int64_t begin = conv2d_panel_begin(chunk, job->out), end = conv2d_panel_begin(chunk + 1, job->out);
  int64_t width = conv2d_padded(end - begin), pitch = job->in * conv2d_padded(job->out);
  int positions = positions_of((int)job->w->shape[0]) * positions_of((int)job->w->shape[1]);
  float *out = job->packed + begin * job->in;
  for (int64_t in = 0; in < job->in; in++, out += width) {
    for (int64_t c = begin; c < end; c += LANES)
      pack_lanes(job, in, c, end - c < LANES ? end - c : LANES, out + c - begin, pitch);
    for (int p = 0; p < positions; p++)
      for (int64_t c = end - begin; c < width; c++) out[p * pitch + c] = 0;
  }
}

/* Whether w is [kh, kw, Ci, Co] of a window that fits. */
static bool is_kernel(const scion_tensor *w) {
  if (w->dtype != SCION_F32 || w->dims != 4 || w->shape[0] > 7 || w->shape[1] > 7 || scion_tensor_elements(w) == 0) return false;
  return scion_winograd_fits(&(scion_window){{(int)w->shape[0], (int)w->shape[1]}, {1, 1}, {1, 1}, {0, 0}, {0, 0}});
}

int64_t scion_winograd_packed_elements(const scion_tensor *w, int transposed) {
  if (!is_kernel(w)) return 0;
  int64_t positions = (int64_t)positions_of((int)w->shape[0]) * positions_of((int)w->shape[1]);
  return positions * w->shape[transposed ? 3 : 2] * conv2d_padded(w->shape[transposed ? 2 : 3]);
}

static scion_status pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed, bool transposed) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (!is_kernel(w))
    return scion_fail(SCION_MISUSE, "winograd: %s of %s is no kernel of 3x3, 1x3, 3x1, 1x7 or 7x1", scion_dtype_name(w->dtype),
                      scion_shape_text(w, a, sizeof a));
  if (scale && !conv2d_is_vector(scale, w->shape[3]))
    return scion_fail(SCION_MISUSE, "winograd: a scale of %s does not fit the output channels of a kernel of %s",
                      scion_shape_text(scale, a, sizeof a), scion_shape_text(w, b, sizeof b));
  if (!conv2d_is_vector(packed, scion_winograd_packed_elements(w, transposed)))
    return scion_fail(SCION_MISUSE, "winograd: a kernel of %s is packed into %lld elements of f32, not into %s",
                      scion_shape_text(w, a, sizeof a), (long long)scion_winograd_packed_elements(w, transposed),
                      scion_shape_text(packed, b, sizeof b));
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .packed = packed->data, .in = w->shape[transposed ? 3 : 2],
                  .out = w->shape[transposed ? 2 : 3], .transposed = transposed};
  for (int axis = 0; axis < 2; axis++) winograd_find_weights((int)w->shape[axis], job.weights[axis]);
  return scion_parallel_for(conv2d_panels(job.out), pack_panel, &job);
}

scion_status scion_winograd_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  return pack(w, scale, packed, false);
}

scion_status scion_winograd_pack_transposed(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  return pack(w, scale, packed, true);
}

/* ---- work */

#define ENOUGH_CHUNKS 16 /* so that a few threads end at about the same time */

/* Blocks of tiles, all their panels at once; where that gives few chunks, or more than fits into a thread's scratch, groups of
 * panels, for each of which the tiles are transformed again. */
static scion_status cut(winograd_job *w) {
  int64_t positions = winograd_positions(w), in = conv2d_padded(w->x.channels), panels = conv2d_panels(w->out);
  int64_t floats = (int64_t)((SCION_SCRATCH_BYTES - CONV2D_GRID_SCRATCH) / sizeof(float)), widest = 5 * conv2d_vector();
  int64_t row = floats / positions - in - 32; /* of a position: what its tiles and products may take */
  if (row < in + widest)
    return scion_fail(SCION_MISUSE, "winograd: %lld channels are too many for a tile of %lld positions", (long long)w->x.channels,
                      (long long)positions);
  w->block = row / (in + widest);
  if (w->block > WINOGRAD_TILES) w->block = WINOGRAD_TILES;
  w->block = conv2d_divide_up(w->count, conv2d_divide_up(w->count, w->block));
  w->group_panels = (row / w->block - in) / widest;
  int64_t blocks = conv2d_divide_up(w->count, w->block), groups = conv2d_divide_up(panels, w->group_panels);
  if (blocks * groups < ENOUGH_CHUNKS) groups = conv2d_divide_up(ENOUGH_CHUNKS, blocks);
  w->group_panels = conv2d_divide_up(panels, groups < panels ? groups : panels);
  if (w->group_panels > CONV2D_GROUP) w->group_panels = CONV2D_GROUP;
  w->groups = conv2d_divide_up(panels, w->group_panels);
  return SCION_OK;
}

static scion_status check(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias, const scion_tensor *addend,
                          const scion_tensor *y, const scion_window *window, scion_activation activation) {
  char a[SCION_SHAPE_TEXT];
  scion_status status = conv2d_check_images(x, y, window);
  if (status != SCION_OK) return status;
  status = winograd_check_window(window);
  if (status != SCION_OK) return status;
  int64_t elements = (int64_t)positions_of(window->kernel[0]) * positions_of(window->kernel[1]);
  if (__builtin_mul_overflow(elements, x->shape[3], &elements) ||
      __builtin_mul_overflow(elements, conv2d_padded(y->shape[3]), &elements) || !conv2d_is_vector(packed, elements))
    return scion_fail(SCION_MISUSE, "winograd: packed weights of %s are not those of a %dx%d kernel from %lld to %lld channels",
                      scion_shape_text(packed, a, sizeof a), window->kernel[0], window->kernel[1], (long long)x->shape[3],
                      (long long)y->shape[3]);
  return conv2d_check_epilogue(bias, addend, y, activation);
}

void winograd_find_tiles(winograd_job *w, const scion_tensor *x, const scion_tensor *y, const scion_window *window) {
  w->x = (winograd_image){x->data, x->row_stride, x->shape[3], {x->shape[1], x->shape[2]}};
  w->out = y->shape[3];
  w->count = x->shape[0];
  for (int axis = 0; axis < 2; axis++) {
    w->axis[axis] = find_axis(window->kernel[axis]);
    w->y_size[axis] = y->shape[axis + 1], w->before[axis] = window->before[axis];
    w->tiles[axis] = conv2d_divide_up(w->y_size[axis], w->axis[axis].outputs);
    w->count *= w->tiles[axis];
  }
}

static scion_status run(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias, const scion_tensor *addend,
                        scion_tensor *y, const scion_window *window, scion_activation activation) {
  winograd_job w = {.panels = packed->data, .bias = bias ? bias->data : NULL, .addend = addend ? addend->data : NULL, .y = y->data,
                    .y_stride = y->row_stride, .addend_stride = addend ? addend->row_stride : 0, .activation = activation};
  winograd_find_tiles(&w, x, y, window);
  if (w.count == 0) return SCION_OK;
  scion_status status = cut(&w);
  if (status != SCION_OK) return status;
  return scion_parallel_for(conv2d_divide_up(w.count, w.block) * w.groups, SIMD_CHOOSE(winograd_chunk), &w);
}

scion_status scion_winograd_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                    const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                    scion_activation activation) {
  scion_status status = check(x, packed, bias, addend, y, window, activation);
  return status == SCION_OK ? run(x, packed, bias, addend, y, window, activation) : status;
}

/* The gradient to the input is a convolution, too: of dy, padded to the size of the input, with the kernel turned around. */
scion_status scion_winograd_backward_input(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx,
                                           const scion_window *window, int accumulate) {
  scion_window turned = *window;
  for (int axis = 0; axis < 2; axis++) {
    turned.before[axis] = window->kernel[axis] - 1 - window->before[axis];
    turned.after[axis] = window->kernel[axis] - 1 - window->after[axis];
  }
  scion_status status = check(dy, packed, NULL, NULL, dx, &turned, SCION_LINEAR);
  return status == SCION_OK ? run(dy, packed, NULL, accumulate ? dx : NULL, dx, &turned, SCION_LINEAR) : status;
}
