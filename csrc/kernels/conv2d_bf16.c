/* Convolution in bf16: packing, and which unit multiplies. */
#include <limits.h>
#include <string.h>

#include "conv2d_internal.h"
#include "conv2d_narrow.h"

#include "require.h"

/* ---- packing: [output channels / 16][depth / 2][16][2], padded with zeros to whole tiles */

/* Calls f for each phase of a gradient to the input that some taps of the window meet (see conv2d_find_phase), with its offset among
 * the packed weights; returns how many elements these are. */
typedef void phase_function(const conv2d_phase phase[2], const int64_t at[2], int64_t offset, void *data);
static int64_t each_phase(const scion_window *window, int64_t in, int64_t out, const conv2d_unit *unit, bool empty, phase_function *f, void *data) {
  int64_t offset = 0;
  for (int64_t i = 0; i < window->stride[0]; i++)
    for (int64_t j = 0; j < window->stride[1]; j++) {
      const conv2d_phase phase[2] = {conv2d_find_phase(window, 0, i), conv2d_find_phase(window, 1, j)};
      const int64_t taps = phase[0].count * phase[1].count;
      if (f && (taps > 0 || empty)) f(phase, (const int64_t[]){i, j}, offset, data);
      const narrow_depth depth = conv2d_narrow_depth(phase[0].count, phase[1].count * out * 2, unit);
      offset += taps > 0 ? conv2d_narrow_packed(&depth, in) / 2 : 0;
    }
  return offset;
}

int64_t conv2d_bf16_packed_elements(const scion_tensor *w, const scion_window *window, const conv2d_unit *unit) {
  if (w->dims != 4) return 0;
  if (!window) {
    const narrow_depth depth = conv2d_narrow_depth(w->shape[0], w->shape[1] * w->shape[2] * 2, unit);
    return conv2d_narrow_packed(&depth, w->shape[3]) / 2;
  }
  if (w->shape[0] != window->kernel[0] || w->shape[1] != window->kernel[1] || conv2d_check_window(window) != SCION_OK) return 0;
  return each_phase(window, w->shape[2], w->shape[3], unit, false, NULL, NULL);
}

int64_t scion_conv2d_bf16_packed_elements(const scion_tensor *w, const scion_window *window) {
  conv2d_unit unit = conv2d_bf16_unit();
  return conv2d_bf16_packed_elements(w, window, &unit);
}

/* A chunk packs a column of tiles. Element k of the depth is one of the input channels of a tap; of the transposed kernel one of its
 * output channels, and the taps are those of a phase, the last first. */
typedef struct {
  const scion_tensor *w;
  const float *scale;
  uint16_t *packed;
  narrow_depth depth;
  conv2d_phase phase[2];
  const conv2d_unit *unit;
  scion_status status;
} pack_job;

/* A kernel's depth is packed in pieces: its rows, where they lie apart, else all at once. */
static int64_t pieces_of(const narrow_depth *d) { return d->pitch == d->row ? 1 : d->rows; }
static int64_t piece_elements(const narrow_depth *d) { return d->rows * d->row / 2 / pieces_of(d); }

/* Where piece i of a column of tiles begins, and of what is beyond it, zeros. */
static uint32_t *tile_column(const pack_job *job, int64_t chunk, int64_t i) {
  const narrow_depth *d = &job->depth;
  const int64_t pieces = pieces_of(d), pairs = d->padded / NARROW_QUAD, filled = scion_divide_up(piece_elements(d), 2);
  uint32_t *out = (uint32_t *)(void *)job->packed + (chunk * pairs + i * (pairs / pieces)) * NARROW_TILE;
  memset(out + filled * NARROW_TILE, 0, (size_t)((pairs / pieces - filled) * NARROW_TILE) * sizeof *out);
  return out;
}

static void pack_tile_column(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pack_job *job = data;
  int64_t first = chunk * NARROW_TILE, left = job->w->shape[3] - first, count = left < NARROW_TILE ? left : NARROW_TILE;
  const int64_t elements = piece_elements(&job->depth);
  for (int64_t i = 0; i < pieces_of(&job->depth); i++)
    SIMD_CHOOSE(conv2d_bf16_pack_part)((const float *)job->w->data + i * elements * job->w->row_stride + first, job->w->row_stride, count, elements,
                                       job->scale ? job->scale + first : NULL, tile_column(job, chunk, i));
}

scion_status conv2d_bf16_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed, const conv2d_unit *unit) {
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL};
  SCION_TRY(conv2d_narrow_require_pack("conv2d_bf16", w, scale, packed, SCION_BF16, unit, &job.depth));
  job.packed = packed->data;
  return scion_parallel_for(scion_divide_up(w->shape[3], NARROW_TILE), pack_tile_column, &job);
}

scion_status scion_conv2d_bf16_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed) {
  conv2d_unit unit = conv2d_bf16_unit();
  return conv2d_bf16_pack(w, scale, packed, &unit);
}

#define TURNED_ROWS ((int64_t)8192) /* of the depth at a time: even, as pairs go on from tap to tap */

/* A piece: the taps' output channels one below the other, turned into scratch, and packed whenever that is full. */
static void pack_turned_piece(const pack_job *job, int64_t chunk, int64_t piece, float *rows) {
  const scion_tensor *w = job->w;
  const conv2d_phase *p = job->phase;
  int64_t channels = w->shape[3], first = chunk * NARROW_TILE, left = w->shape[2] - first, count = left < NARROW_TILE ? left : NARROW_TILE;
  const int64_t width = conv2d_padded(count), taps = p[0].count * p[1].count / pieces_of(&job->depth);
  uint32_t *out = tile_column(job, chunk, piece);
  int64_t filled = 0;
  for (int64_t t = piece * taps; t < (piece + 1) * taps; t++) {
    const int64_t r = t / p[1].count, s = t % p[1].count;
    const int64_t tap = (p[0].last - r * p[0].tap_step) * w->shape[1] + p[1].last - s * p[1].tap_step;
    const float *in = (const float *)w->data + (tap * w->shape[2] + first) * w->row_stride;
    for (int64_t o = 0, n; o < channels; o += n) {
      n = channels - o < TURNED_ROWS - filled ? channels - o : TURNED_ROWS - filled;
      SIMD_CHOOSE(conv2d_turn_part)(in + o, w->row_stride, count, n, job->scale ? job->scale + o : NULL, rows + filled * width);
      filled += n;
      if (filled < TURNED_ROWS) continue;
      SIMD_CHOOSE(conv2d_bf16_pack_part)(rows, width, count, filled, NULL, out);
      out += filled / 2 * NARROW_TILE, filled = 0;
    }
  }
  SIMD_CHOOSE(conv2d_bf16_pack_part)(rows, width, count, filled, NULL, out);
}
_Static_assert(TURNED_ROWS * NARROW_TILE * sizeof(float) <= SCION_SCRATCH_BYTES, "turned rows fit into a thread's scratch");

static void pack_turned_column(void *data, int64_t chunk, void *scratch) {
  const pack_job *job = data;
  for (int64_t piece = 0; piece < pieces_of(&job->depth); piece++) pack_turned_piece(job, chunk, piece, scratch);
}

static void pack_phase(const conv2d_phase phase[2], const int64_t at[2], int64_t offset, void *data) {
  (void)at;
  pack_job job = *(const pack_job *)data;
  job.packed += offset, job.phase[0] = phase[0], job.phase[1] = phase[1];
  job.depth = conv2d_narrow_depth(phase[0].count, phase[1].count * job.w->shape[3] * 2, job.unit);
  scion_status status = scion_parallel_for(scion_divide_up(job.w->shape[2], NARROW_TILE), pack_turned_column, &job);
  if (status != SCION_OK) ((pack_job *)data)->status = status;
}

scion_status conv2d_bf16_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window, scion_tensor *packed,
                                         const conv2d_unit *unit) {
  const char *kernel = "conv2d_bf16";
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(conv2d_check_window(window));
  SCION_TRY(conv2d_narrow_require_kernel(kernel, w, scale));
  if (w->shape[0] != window->kernel[0] || w->shape[1] != window->kernel[1])
    return scion_fail(SCION_MISUSE, "%s: a window of %dx%d is not that of a kernel of %s", kernel, window->kernel[0], window->kernel[1],
                      scion_shape_text(w, text, sizeof text));
  SCION_TRY(scion_require_dtype(kernel, "packed", packed, SCION_BF16));
  SCION_TRY(conv2d_narrow_require_packed(kernel, packed, 2 * conv2d_bf16_packed_elements(w, window, unit)));
  pack_job job = {.w = w, .scale = scale ? scale->data : NULL, .packed = packed->data, .unit = unit, .status = SCION_OK};
  each_phase(window, w->shape[2], w->shape[3], unit, false, pack_phase, &job);
  return job.status;
}

scion_status scion_conv2d_bf16_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window,
                                               scion_tensor *packed) {
  conv2d_unit unit = conv2d_bf16_unit();
  return conv2d_bf16_pack_transposed(w, scale, window, packed, &unit);
}

/* ---- forward */

scion_status conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                 const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                 scion_activation activation, const conv2d_unit *unit) {
  const char *kernel = "conv2d_bf16";
  conv2d_narrow_job job = {.unit = unit};
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_BF16));
  SCION_TRY(scion_require_dtype(kernel, "packed", packed, SCION_BF16));
  SCION_TRY(scion_require_number(kernel, "y", y));
  if (addend) SCION_TRY(scion_require_number(kernel, "addend", addend));
  return conv2d_narrow_run(kernel, &job, x, packed, bias, addend, y, window, activation);
}

conv2d_unit conv2d_bf16_unit(void) {
#if defined(__x86_64__)
  if (scion_bf16_in_use() == SCION_BF16_AMX) return conv2d_bf16_amx;
  if (scion_bf16_in_use() == SCION_BF16_AVX512) return conv2d_bf16_avx512;
#endif
  return (conv2d_unit){.multiply = SIMD_CHOOSE(conv2d_bf16_multiply), .step = NARROW_STEP};
}

scion_status scion_conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                       const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                       scion_activation activation) {
  conv2d_unit unit = conv2d_bf16_unit();
  return conv2d_bf16_forward(x, packed, bias, addend, y, window, activation, &unit);
}

/* ---- gradient to the input: a grid for each phase */

typedef struct {
  conv2d_narrow_job grid;
  scion_status status;
} phases_job;

static void run_phase(const conv2d_phase phase[2], const int64_t at[2], int64_t offset, void *data) {
  phases_job *all = data;
  conv2d_narrow_job job = all->grid;
  if (all->status != SCION_OK) return;
  for (int axis = 0; axis < 2; axis++) {
    const int64_t step = job.out_step[axis], size = job.out_size[axis];
    job.grid[axis] = size > at[axis] ? (size - at[axis] - 1) / step + 1 : 0;
    job.out_first[axis] = at[axis];
    job.window.kernel[axis] = (int)phase[axis].count, job.window.stride[axis] = 1;
    job.window.dilation[axis] = (int)phase[axis].dy_step, job.window.before[axis] = (int)-phase[axis].first;
  }
  job.packed += 2 * offset;
  job.depth = conv2d_narrow_depth(phase[0].count, phase[1].count * job.channels, job.unit);
  if (job.depth.padded > 0 || !job.addend) all->status = conv2d_narrow_grid(&job);
}

scion_status conv2d_bf16_backward_input(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx, const scion_window *window,
                                        int accumulate, const conv2d_unit *unit) {
  const char *kernel = "conv2d_bf16_backward_input";
  SCION_TRY(scion_require_dtype(kernel, "dy", dy, SCION_BF16));
  SCION_TRY(scion_require_dtype(kernel, "packed", packed, SCION_BF16));
  SCION_TRY(scion_require_number(kernel, "dx", dx));
  SCION_TRY(conv2d_check_window(window));
  SCION_TRY(scion_require_window(kernel, window, "dx", dx, "dy", dy, scion_tensor_channels(dy)));
  SCION_TRY(conv2d_narrow_require_depth(kernel, window, dy, dx));
  for (int axis = 0; axis < 2; axis++)
    if ((int64_t)window->kernel[axis] * window->dilation[axis] > INT_MAX) return scion_fail(SCION_MISUSE, "%s: the window is too large", kernel);
  const int64_t in = dx->shape[3], out = dy->shape[3];
  SCION_TRY(conv2d_narrow_require_packed(kernel, packed, 2 * each_phase(window, in, out, unit, false, NULL, NULL)));
  phases_job all = {.grid = {.x = dy->data, .packed = packed->data, .x_stride = 2 * dy->row_stride, .channels = 2 * out,
                             .size = {dy->shape[1], dy->shape[2]}, .apart = window->stride[0] > 1 || window->stride[1] > 1,
                             .out_size = {dx->shape[1], dx->shape[2]}, .out_step = {window->stride[0], window->stride[1]},
                             .addend = accumulate ? dx->data : NULL, .addend_dtype = dx->dtype, .addend_stride = dx->row_stride, .y = dx->data,
                             .y_dtype = dx->dtype, .y_stride = dx->row_stride, .out_channels = in, .pixels = dx->shape[0], .unit = unit},
                    .status = SCION_OK};
  each_phase(window, in, out, unit, true, run_phase, &all);
  return all.status;
}

scion_status scion_conv2d_bf16_backward_input(const scion_tensor *dy, const scion_tensor *packed, scion_tensor *dx,
                                              const scion_window *window, int accumulate) {
  conv2d_unit unit = conv2d_bf16_unit();
  return conv2d_bf16_backward_input(dy, packed, dx, window, accumulate, &unit);
}
