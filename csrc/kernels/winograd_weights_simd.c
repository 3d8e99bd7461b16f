/* Chunks of the gradient to the weights by minimal filtering. */
#include "winograd_tiles.h"

#include <string.h>

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

/* So many channels of a tile of dy to z[position]. */
SIMD_INLINE void spread_tile(const winograd_gradient *g, const float *dy, int64_t down, int64_t right, int64_t channels, float *z,
                             int64_t pitch, const int pairs0, const int pairs1) {
  const int rows = pairs0 ? 2 * pairs0 + 2 : 1, columns = pairs1 ? 2 * pairs1 + 2 : 1;
  const int out_rows = pairs0 ? WINOGRAD_OUTPUTS : 1, out_columns = pairs1 ? WINOGRAD_OUTPUTS : 1;
  const winograd_axis a = g->job.axis[0], b = g->job.axis[1];
  for (int64_t c = 0; c < channels; c += SIMD_WIDTH) {
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

/* Tiles `first` of the stretch and on, panel by panel as the product takes them. */
SIMD_INLINE void spread_tiles(const winograd_gradient *g, int64_t first, int64_t count, float *copy, const int pairs0, const int pairs1) {
  int64_t channels = g->dy.channels, panels = conv2d_panels(channels), down, right;
  int64_t pitch = winograd_pitch(g->job.block, conv2d_padded(channels));
  for (int64_t t = first; t < first + count; t++) {
    place at = find_tile(&g->job, g->first + t);
    const float *dy = find_pixels(&g->dy, at.image, at.row, at.column, g->job.axis[0].outputs, g->job.axis[1].outputs, copy, &down,
                                  &right);
    for (int64_t panel = 0, begin = 0, end; panel < panels; panel++, begin = end) {
      end = conv2d_panel_begin(panel + 1, channels);
      float *z = g->z + begin * g->count + t * conv2d_padded(end - begin);
      spread_tile(g, dy + begin, down, right, end - begin, z, pitch, pairs0, pairs1);
    }
  }
}

#define SPREAD(pairs0, pairs1)                                                                                            \
  static __attribute__((noinline)) void spread_##pairs0##pairs1(const winograd_gradient *g, int64_t first, int64_t count, \
                                                                float *copy) {                                            \
    spread_tiles(g, first, count, copy, pairs0, pairs1);                                                                  \
  }
EACH_WINDOW(SPREAD)

void SIMD(winograd_spread_chunk)(void *data, int64_t chunk, void *scratch) {
  const winograd_gradient *g = data;
  const winograd_job *w = &g->job;
  int64_t at = chunk * WINOGRAD_STRETCH, count = g->count - at < WINOGRAD_STRETCH ? g->count - at : WINOGRAD_STRETCH;
  float *v = g->v + at * conv2d_padded(w->x.channels);
  CALL_WINDOW(transform_, w, g->first + at, count, v, scratch)
  CALL_WINDOW(spread_, g, at, count, scratch)
}

void SIMD(winograd_gradient_chunk)(void *data, int64_t chunk, void *scratch) {
  const winograd_gradient *g = data;
  conv2d_gradient product = g->product;
  int64_t position = chunk / product.blocks;
  product.source.data = g->v + position * winograd_pitch(g->job.block, conv2d_padded(g->job.x.channels));
  product.dy = g->z + position * winograd_pitch(g->job.block, conv2d_padded(g->job.out));
  product.dw = g->sums + position * g->job.x.channels * g->job.out;
  SIMD(conv2d_gradient_chunk)(&product, chunk % product.blocks, scratch);
}

void SIMD(winograd_part_chunk)(void *data, int64_t part, void *scratch) {
  winograd_gradient g = *(const winograd_gradient *)data;
  const winograd_job *w = &g.job;
  int64_t positions = winograd_positions(w), begin = part * g.part, end = begin + g.part < w->count ? begin + g.part : w->count;
  g.v = (float *)((char *)scratch + GRADIENT_SCRATCH);
  g.z = g.v + positions * winograd_pitch(w->block, conv2d_padded(w->x.channels));
  g.sums += part * positions * w->x.channels * w->out;
  for (int64_t first = begin; first < end; first += w->block) {
    winograd_set_stretch(&g, begin, first);
    for (int64_t chunk = 0; chunk * WINOGRAD_STRETCH < g.count; chunk++) SIMD(winograd_spread_chunk)(&g, chunk, scratch);
    for (int64_t chunk = 0; chunk < positions * g.product.blocks; chunk++) SIMD(winograd_gradient_chunk)(&g, chunk, scratch);
  }
}

#define TAPS_OUT (4 * SIMD_WIDTH) /* output channels at a time */

static void add_scaled(float *to, double by, const float *from, int64_t count) {
  if (by == 0) return;
  for (int64_t o = 0; o < count; o++) to[o] += (float)by * from[o];
}

/* G' sums G: along columns, then along rows. */
void SIMD(winograd_taps_chunk)(void *data, int64_t in, void *scratch) {
  (void)scratch;
  const winograd_gradient *g = data;
  int rows = g->job.axis[0].positions, columns = g->job.axis[1].positions;
  int64_t channels = g->job.x.channels, out = g->job.out;
  for (int64_t first = 0; first < out; first += TAPS_OUT) {
    int64_t count = out - first < TAPS_OUT ? out - first : TAPS_OUT;
    float half[WINOGRAD_TAPS][WINOGRAD_MOST][TAPS_OUT] = {0}; /* [tap of the column][position in the row] */
    for (int64_t i = 0; i < g->parts * rows; i++)
      for (int j = 0; j < columns; j++)
        for (int r = 0; r < g->taps[0]; r++)
          add_scaled(half[r][j], g->weights[0][i % rows][r], g->sums + ((i * columns + j) * channels + in) * out + first, count);
    for (int r = 0; r < g->taps[0]; r++)
      for (int s = 0; s < g->taps[1]; s++) {
        float *dw = g->dw + ((r * g->taps[1] + s) * channels + in) * out + first;
        memset(dw, 0, (size_t)count * sizeof(float));
        for (int j = 0; j < columns; j++) add_scaled(dw, g->weights[1][j][s], half[r][j], count);
      }
  }
}
