/* The micro-kernel: a tile of the product, a few rows x one to five vectors, in registers; for inclusion by the *_simd.c files
 * of the convolution. */
#ifndef SCION_CONV2D_PANEL_H
#define SCION_CONV2D_PANEL_H

#include <string.h>

#include "conv2d_rows.h"
#include "conv2d_tile.h"

typedef struct {
  const conv2d_rows *rows;
  int64_t first;     /* of the rows */
  int64_t shift;     /* floats from where they point to */
  const float *b;    /* [depth][vectors] .. */
  int64_t b_stride;  /* .. floats apart */
  bool next;         /* whether the rows after these are fetched */
  int64_t ahead;     /* floats from there to weights that are needed soon */
  float *const *out; /* of each row */
  float *const *soon; /* of the tile that follows, or the same */
  int64_t column;    /* the first one, within out, addend and bias */
  const float *bias, *addend;
  int64_t addend_stride;
  bool accumulate, clamp, stream;
  float low, high;
} conv2d_tile;

/* rows and vectors are constants where this is inlined, so that the sums live in registers. */
static inline __attribute__((always_inline)) void conv2d_multiply(const conv2d_tile *t, const int rows, const int vectors) {
  simd_float sum[MOST_ROWS][MOST_VECTORS];
  if (!t->stream) TILE_EACH(__builtin_prefetch(t->soon[r] + t->column + v * SIMD_WIDTH, 1);) /* the output is often not in any cache */
  TILE_EACH(sum[r][v] = (simd_float){0};)
  const float *b = t->b;
  const int64_t b_stride = t->b_stride;
  for (int piece = 0; piece < t->rows->count; piece++) {
    const float *a[MOST_ROWS], *const *next = t->next ? t->rows->rows[piece] + t->first + rows : NULL;
    int64_t length = t->rows->length[piece], ahead = t->ahead;
    _Pragma("GCC unroll 16") for (int r = 0; r < rows; r++) a[r] = t->rows->rows[piece][t->first + r] + t->shift + length;
    for (int64_t k = -length, stop; k < 0;) {
      if (next) /* a cache line of each row */
        _Pragma("GCC unroll 16") for (int r = 0; r < rows; r++) __builtin_prefetch(next[r] + t->shift + length + k, 0, 2);
      for (stop = k < -16 ? k + 16 : 0; k < stop; k++, b += b_stride) {
        simd_float weights[MOST_VECTORS];
        _Pragma("GCC unroll 8") for (int v = 0; v < vectors; v++) weights[v] = simd_load(b + v * SIMD_WIDTH);
        if (vectors > 2) __builtin_prefetch(b + ahead, 0, 2); /* fewer are all weights there are */
        TILE_EACH(sum[r][v] += simd_set(a[r][k]) * weights[v];)
      }
    }
  }
  int64_t at = t->column;
  if (t->accumulate) TILE_EACH(sum[r][v] += simd_load(t->out[r] + at + v * SIMD_WIDTH);)
  if (t->bias) TILE_EACH(sum[r][v] += simd_load(t->bias + at + v * SIMD_WIDTH);)
  if (t->addend) TILE_EACH(sum[r][v] += simd_load(t->addend + r * t->addend_stride + at + v * SIMD_WIDTH);)
  if (t->clamp) /* in this order what is not a number stays so */
    TILE_EACH(sum[r][v] = simd_min(simd_set(t->high), simd_max(simd_set(t->low), sum[r][v]));)
  if (t->stream) {
    TILE_EACH(simd_stream(t->out[r] + at + v * SIMD_WIDTH, sum[r][v]);)
  } else {
    TILE_EACH(simd_store(t->out[r] + at + v * SIMD_WIDTH, sum[r][v]);)
  }
}

TILES(conv2d_run_whole_tile, conv2d_tile, conv2d_multiply)

/* A tile of columns that do not fill their vectors, through copies that do. */
static void conv2d_run_edge_tile(const conv2d_tile *t, int rows, int64_t columns) {
  enum { pitch = MOST_VECTORS * SIMD_WIDTH };
  float out[MOST_ROWS][pitch] = {{0}}, addend[MOST_ROWS][pitch] = {{0}}, bias[pitch] = {0};
  float *pointers[MOST_ROWS];
  size_t bytes = (size_t)columns * sizeof(float);
  for (int r = 0; r < rows; r++) {
    pointers[r] = out[r];
    if (t->accumulate) memcpy(out[r], t->out[r] + t->column, bytes);
    if (t->addend) memcpy(addend[r], t->addend + r * t->addend_stride + t->column, bytes);
  }
  if (t->bias) memcpy(bias, t->bias + t->column, bytes);
  conv2d_tile edge = *t;
  edge.stream = false;
  edge.out = edge.soon = pointers;
  edge.column = 0;
  if (t->bias) edge.bias = bias;
  if (t->addend) edge.addend = addend[0];
  edge.addend_stride = pitch;
  conv2d_run_whole_tile(&edge, rows, conv2d_vectors(columns));
  for (int r = 0; r < rows; r++) memcpy(t->out[r] + t->column, out[r], bytes);
}

static inline void conv2d_run_tile(const conv2d_tile *t, int rows, int64_t columns) {
  if (columns % SIMD_WIDTH == 0)
    conv2d_run_whole_tile(t, rows, conv2d_vectors(columns));
  else
    conv2d_run_edge_tile(t, rows, columns);
}

/* Of a depth of which so much is left, what is taken at a time: nearly equal parts of at most so much. */
static inline int64_t conv2d_depth_part(int64_t left, int64_t most) {
  int64_t part = scion_divide_up(scion_divide_up(left, scion_divide_up(left, most)), 16) * 16;
  return part < left ? part : left;
}

/* A panel over a block of so many rows: tiles of nearly equal height. The last ones fetch the weights that follow, a vector's worth of
 * each step one after the other. */
static inline void conv2d_run_block(conv2d_tile tile, float *const *out, int64_t count, int64_t columns, bool fetch,
                                    const float *following) {
  int vectors = conv2d_vectors(columns);
  const float *addend = tile.addend;
  int64_t tiles = scion_divide_up(count, conv2d_tile_rows(vectors));
  for (int64_t at = 0, rows; tiles > 0; tiles--, at += rows) {
    rows = scion_divide_up(count - at, tiles);
    tile.first = at;
    tile.next = fetch && tiles > 1;
    tile.out = out + at;
    tile.soon = tile.out + (tiles > 1 ? rows : 0);
    tile.ahead = tiles <= vectors ? following - tile.b + (tiles - 1) * SIMD_WIDTH : 0;
    if (addend) tile.addend = addend + at * tile.addend_stride;
    conv2d_run_tile(&tile, (int)rows, columns);
  }
}

#endif
