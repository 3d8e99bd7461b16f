/* A chunk of a convolution by minimal filtering: tiles to their points, products there, and back. */
#include "activation.h"
#include "conv2d_panel.h"
#include "winograd_tiles.h"

/* The products of a line become its four outputs. */
SIMD_INLINE void from_points(const winograd_axis *a, simd_float *x, const int pairs) {
  if (pairs == 0) return;
  simd_float y[WINOGRAD_OUTPUTS] = {x[0], {0}, {0}, x[2 * pairs + 1]};
  UNROLL for (int k = 0; k < pairs; k++) {
    simd_float sum = x[2 * k + 1] + x[2 * k + 2], difference = a->p[k] * (x[2 * k + 1] - x[2 * k + 2]);
    float square = a->p[k] * a->p[k];
    y[0] += sum, y[1] += difference, y[2] += square * sum, y[3] += square * difference;
  }
  UNROLL for (int j = 0; j < WINOGRAD_OUTPUTS; j++) x[j] = y[j];
}

/* What becomes of outputs. Most activations clamp them, the others come after all are stored. */
typedef struct {
  simd_float bias, low, high;
} finish;

static finish find_finish(const winograd_job *w, int64_t channel, int64_t n) {
  bool rectifies = w->activation == SCION_RELU || w->activation == SCION_RELU6;
  return (finish){w->bias ? simd_load_some(w->bias + channel, n) : (simd_float){0}, simd_set(rectifies ? 0 : -INFINITY),
                  simd_set(w->activation == SCION_RELU6 ? 6 : INFINITY)};
}

/* The outputs of one tile that lie inside, n channels of a vector. */
SIMD_INLINE void store_outputs(const winograd_job *w, const place *at, int64_t channel, int64_t n, const simd_float *y, const int columns) {
  finish f = find_finish(w, channel, n);
  for (int64_t i = 0; i < at->rows; i++) {
    int64_t pixel = (at->image * w->y_size[0] + at->row + i) * w->y_size[1] + at->column;
    float *to = w->y + pixel * w->y_stride + channel;
    const float *addend = w->addend ? w->addend + pixel * w->addend_stride + channel : NULL;
    for (int64_t j = 0; j < at->columns; j++, to += w->y_stride) {
      simd_float value = y[i * columns + j] + f.bias;
      if (addend) value += simd_load_some(addend + j * w->addend_stride, n);
      value = simd_min(f.high, simd_max(f.low, value)); /* in this order what is not a number stays so */
      if (w->stream && n == SIMD_WIDTH)
        simd_stream(to, value);
      else
        simd_store_some(to, value, n);
    }
  }
}

/* The activations that are no clamp, on what a tile has stored. */
static void bend_outputs(const winograd_job *w, const place *at, int64_t begin, int64_t end) {
  for (int64_t i = 0; i < at->rows; i++) {
    float *y = w->y + ((at->image * w->y_size[0] + at->row + i) * w->y_size[1] + at->column) * w->y_stride + begin;
    SIMD(scion_loop_activation)(&(scion_block){.rows = at->columns, .width = end - begin, .a = y, .y = y, .a_stride = w->y_stride,
                                               .y_stride = w->y_stride}, w->activation);
  }
}

/* m[position][columns of the group] of one tile to its outputs. */
SIMD_INLINE void restore_tile(const winograd_job *w, const place *at, int64_t begin, int64_t end, const float *m, int64_t pitch,
                              const int pairs0, const int pairs1) {
  const int rows = pairs0 ? 2 * pairs0 + 2 : 1, columns = pairs1 ? 2 * pairs1 + 2 : 1;
  const int out_rows = pairs0 ? WINOGRAD_OUTPUTS : 1, out_columns = pairs1 ? WINOGRAD_OUTPUTS : 1;
  const winograd_axis a = w->axis[0], b = w->axis[1];
  for (int64_t c = begin; c < end; c += SIMD_WIDTH, m += SIMD_WIDTH) {
    simd_float t[WINOGRAD_OUTPUTS][WINOGRAD_MOST], line[WINOGRAD_MOST], y[WINOGRAD_OUTPUTS * WINOGRAD_OUTPUTS];
    UNROLL for (int j = 0; j < columns; j++) {
      const float *from = m + j * pitch;
      UNROLL for (int i = 0; i < rows; i++, from += columns * pitch) line[i] = simd_load(from);
      from_points(&a, line, pairs0);
      UNROLL for (int i = 0; i < out_rows; i++) t[i][j] = line[i];
    }
    UNROLL for (int i = 0; i < out_rows; i++) {
      from_points(&b, t[i], pairs1);
      UNROLL for (int j = 0; j < out_columns; j++) y[i * out_columns + j] = t[i][j];
    }
    if (end - c >= SIMD_WIDTH)
      store_outputs(w, at, c, SIMD_WIDTH, y, out_columns);
    else
      store_outputs(w, at, c, end - c, y, out_columns);
  }
}

SIMD_INLINE void restore_tiles(const winograd_job *w, int64_t first, int64_t count, int64_t begin, int64_t end, const float *m,
                               const int pairs0, const int pairs1) {
  int64_t width = conv2d_padded(end - begin);
  for (int64_t t = 0; t < count; t++) {
    place at = find_tile(w, first + t);
    restore_tile(w, &at, begin, end, m + t * width, winograd_pitch(w->block, width), pairs0, pairs1);
    if (scion_activation_bends(w->activation)) bend_outputs(w, &at, begin, end);
  }
}

typedef struct {
  conv2d_rows rows; /* the tiles' channels at position 0 */
  float *out[WINOGRAD_TILES + 1];
} product_scratch;
_Static_assert(sizeof(product_scratch) <= WINOGRAD_PRODUCT_SCRATCH, "a block fits into its part of a thread's scratch");

/* All positions' products of one panel: v's tiles by its weights. Where a position's values lie is where those of the first one
 * do, and a number of floats further on. */
static void multiply(const winograd_job *w, int64_t begin, int64_t width, int64_t count, float *m, product_scratch *s) {
  int64_t depth = w->x.channels, out = conv2d_padded(w->out), size = depth * out, positions = winograd_positions(w);
  int64_t pitch = winograd_pitch(w->block, conv2d_padded(depth));
  const float *after = w->panels + (begin + width < out ? begin + width : 0) * depth;
  for (int64_t t = 0; t <= count; t++) s->out[t] = m + (t < count ? t : t - 1) * width;
  for (int64_t p = 0; p < positions; p++) {
    const float *weights = w->panels + p * size + begin * depth;
    for (int64_t k = 0, length; k < depth; k += length) {
      s->rows.length[0] = length = conv2d_depth_part(depth - k, CONV2D_DEPTH);
      conv2d_tile tile = {.rows = &s->rows, .shift = p * pitch + k, .b = weights + k * width, .b_stride = width,
                          .column = p * winograd_pitch(w->block, width), .accumulate = k > 0};
      const float *following = k + length < depth ? weights + (k + length) * width : p + 1 < positions ? weights + size : after;
      conv2d_run_block(tile, s->out, count, width, true, following);
    }
  }
}

#define RESTORE(pairs0, pairs1)                                                                                      \
  static __attribute__((noinline)) void restore_##pairs0##pairs1(const winograd_job *w, int64_t first, int64_t count, \
                                                                 int64_t begin, int64_t end, const float *m) {        \
    restore_tiles(w, first, count, begin, end, m, pairs0, pairs1);                                                    \
  }
EACH_WINDOW(RESTORE)

/* The products of one panel at a time, so that they are still near when they become outputs. */
void SIMD(winograd_chunk)(void *data, int64_t chunk, void *scratch) {
  const winograd_job *w = data;
  int64_t first = chunk / w->groups * w->block, count = w->count - first < w->block ? w->count - first : w->block;
  int64_t panels = conv2d_panels(w->out), panel = chunk % w->groups * w->group_panels, last = panel + w->group_panels;
  int64_t in = conv2d_padded(w->x.channels), positions = w->axis[0].positions * w->axis[1].positions;
  float *copy = (float *)((char *)scratch + WINOGRAD_PRODUCT_SCRATCH), *v = copy + positions * in;
  float *m = v + positions * winograd_pitch(w->block, in);
  product_scratch *product = scratch;
  CALL_WINDOW(transform_, w, first, count, v, copy)
  product->rows.count = 1;
  for (int64_t t = 0; t <= count; t++) product->rows.rows[0][t] = v + (t < count ? t : t - 1) * in;
  for (; panel < last && panel < panels; panel++) {
    int64_t begin = conv2d_panel_begin(panel, w->out), end = conv2d_panel_begin(panel + 1, w->out);
    multiply(w, begin, conv2d_padded(end - begin), count, m, product);
    CALL_WINDOW(restore_, w, first, count, begin, end, m)
  }
  if (w->stream) simd_fence();
}
