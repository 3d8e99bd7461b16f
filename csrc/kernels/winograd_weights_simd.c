/* Chunks of the gradient to the weights by minimal filtering. */
#include "winograd_tiles.h"

/* The transposed of what turns products into outputs: the gradients of a line's four outputs to those of its products. */
SIMD_INLINE void spread(const winograd_axis *a, simd_float *x, const int pairs) {
  if (pairs == 0) return;
  simd_float y[WINOGRAD_OUTPUTS] = {x[0], x[1], x[2], x[3]};
  UNROLL for (int k = 0; k < pairs; k++) {
    float square = a->p[k] * a->p[k];
    simd_float even = y[0] + square * y[2], odd = a->p[k] * (y[1] + square * y[3]);
    x[2 * k + 1] = even + odd, x[2 * k + 2] = even - odd;
  }
  x[2 * pairs + 1] = y[3];
}

/* A tile of dy to z[position][channels]. */
SIMD_INLINE void spread_tile(const winograd_gradient *g, const float *dy, int64_t down, int64_t right, float *z, int64_t pitch,
                             const int pairs0, const int pairs1) {
  const int rows = pairs0 ? 2 * pairs0 + 2 : 1, columns = pairs1 ? 2 * pairs1 + 2 : 1;
  const int out_rows = pairs0 ? WINOGRAD_OUTPUTS : 1, out_columns = pairs1 ? WINOGRAD_OUTPUTS : 1;
  const winograd_axis a = g->job.axis[0], b = g->job.axis[1];
  for (int64_t c = 0; c < g->dy.channels; c += SIMD_WIDTH) {
    simd_float t[WINOGRAD_MOST][WINOGRAD_MOST], line[WINOGRAD_MOST];
    UNROLL for (int j = 0; j < out_columns; j++) {
      const float *from = dy + j * right + c;
      UNROLL for (int i = 0; i < out_rows; i++, from += down) line[i] = simd_load(from);
      spread(&a, line, pairs0);
      UNROLL for (int i = 0; i < rows; i++) t[i][j] = line[i];
    }
    float *to = z + c;
    UNROLL for (int i = 0; i < rows; i++) {
      spread(&b, t[i], pairs1);
      UNROLL for (int j = 0; j < columns; j++, to += pitch) simd_store(to, t[i][j]);
    }
  }
}

SIMD_INLINE void spread_tiles(const winograd_gradient *g, int64_t first, int64_t count, float *z, float *copy, const int pairs0,
                              const int pairs1) {
  int64_t padded = conv2d_padded(g->dy.channels), pitch = winograd_pitch(g->job.block, padded), down, right;
  for (int64_t t = 0; t < count; t++) {
    place at = find_tile(&g->job, first + t);
    const float *dy = find_pixels(&g->dy, at.image, at.row, at.column, g->job.axis[0].outputs, g->job.axis[1].outputs, copy, &down,
                                  &right);
    spread_tile(g, dy, down, right, z + t * padded, pitch, pairs0, pairs1);
  }
}

#define SPREAD(pairs0, pairs1)                                                                                            \
  static __attribute__((noinline)) void spread_##pairs0##pairs1(const winograd_gradient *g, int64_t first, int64_t count, \
                                                                float *z, float *copy) {                                  \
    spread_tiles(g, first, count, z, copy, pairs0, pairs1);                                                               \
  }
EACH_WINDOW(SPREAD)

void SIMD(winograd_spread_chunk)(void *data, int64_t chunk, void *scratch) {
  const winograd_gradient *g = data;
  const winograd_job *w = &g->job;
  int64_t at = chunk * WINOGRAD_STRETCH, count = g->count - at < WINOGRAD_STRETCH ? g->count - at : WINOGRAD_STRETCH;
  float *v = g->v + at * conv2d_padded(w->x.channels), *z = g->z + at * conv2d_padded(g->dy.channels);
  CALL_WINDOW(transform_, w, g->first + at, count, v, scratch)
  CALL_WINDOW(spread_, g, g->first + at, count, z, scratch)
}

void SIMD(winograd_gradient_chunk)(void *data, int64_t chunk, void *scratch) {
  const winograd_gradient *g = data;
  conv2d_gradient product = g->product;
  int64_t parts = product.blocks * product.groups, position = chunk / parts;
  product.source.data = g->v + position * winograd_pitch(g->job.block, conv2d_padded(g->job.x.channels));
  product.dy = g->z + position * winograd_pitch(g->job.block, conv2d_padded(g->dy.channels));
  product.dw = g->sums + position * g->job.x.channels * g->job.out;
  SIMD(conv2d_gradient_chunk)(&product, chunk % parts, scratch);
}
