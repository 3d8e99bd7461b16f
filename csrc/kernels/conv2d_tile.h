/* The micro-kernel: a tile of the product, TILE_ROWS x two vectors at most, in registers; for inclusion by the *_simd.c files
 * of the convolution, which say by A_ROW and A_DEPTH how their left side lies in scratch. */
#ifndef SCION_CONV2D_TILE_H
#define SCION_CONV2D_TILE_H

#include <string.h>

#include "conv2d_internal.h"

#if SIMD_WIDTH == 16
#define TILE_ROWS 14 /* 28 accumulators, two vectors of weights, one broadcast: 31 of 32 registers */
#elif SIMD_WIDTH == 8
#define TILE_ROWS 6 /* 15 of 16 */
#else
#define TILE_ROWS 4 /* 11 of SSE2's 16 */
#endif
#define PANEL (2 * SIMD_WIDTH)
#define AHEAD 8 /* steps of depth: weights come from the second-level cache; the hint gained 5 to 10% of a tile measured alone */

typedef struct {
  const float *a, *b; /* a[row * A_ROW + k * A_DEPTH], b[k * width + column] */
  int64_t depth;
  float *const *out; /* of each row */
  int64_t column;    /* the first one, within out, addend and bias */
  const float *bias, *addend;
  int64_t addend_stride;
  bool accumulate, clamp;
  float low, high;
} conv2d_tile;

#define TILE_EACH(statement)                       \
  _Pragma("GCC unroll 16") for (int r = 0; r < rows; r++) \
    _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++) statement

/* rows and vectors are constants where this is inlined, so that the sums live in registers. */
static inline __attribute__((always_inline)) void conv2d_multiply(const conv2d_tile *t, const int rows, const int vectors) {
  simd_float sum[TILE_ROWS][2];
  TILE_EACH(__builtin_prefetch(t->out[r] + t->column + v * SIMD_WIDTH, 1);) /* the output is often not in any cache */
  TILE_EACH(sum[r][v] = (simd_float){0};)
  const float *a = t->a, *b = t->b;
  for (int64_t k = t->depth; k > 0; k--, a += A_DEPTH, b += vectors * SIMD_WIDTH) {
    simd_float weights[2];
    for (int v = 0; v < vectors; v++) {
      weights[v] = simd_load(b + v * SIMD_WIDTH);
      __builtin_prefetch(b + (AHEAD * vectors + v) * SIMD_WIDTH);
    }
    if (A_DEPTH > 1) { /* few cache lines a step, but each from another row of scratch */
      __builtin_prefetch(a + AHEAD * A_DEPTH);
      __builtin_prefetch(a + AHEAD * A_DEPTH + rows - 1);
    }
    TILE_EACH(sum[r][v] += simd_set(a[r * A_ROW]) * weights[v];)
  }
  int64_t at = t->column;
  if (t->accumulate) TILE_EACH(sum[r][v] += simd_load(t->out[r] + at + v * SIMD_WIDTH);)
  if (t->bias) TILE_EACH(sum[r][v] += simd_load(t->bias + at + v * SIMD_WIDTH);)
  if (t->addend) TILE_EACH(sum[r][v] += simd_load(t->addend + r * t->addend_stride + at + v * SIMD_WIDTH);)
  if (t->clamp) /* in this order what is not a number stays so */
    TILE_EACH(sum[r][v] = simd_min(simd_set(t->high), simd_max(simd_set(t->low), sum[r][v]));)
  TILE_EACH(simd_store(t->out[r] + at + v * SIMD_WIDTH, sum[r][v]);)
}

#define TILE_CASE(rows) \
  case rows: conv2d_multiply(t, rows, vectors); return;
static inline __attribute__((always_inline)) void conv2d_choose_rows(const conv2d_tile *t, int rows, const int vectors) {
  switch (rows) {
    TILE_CASE(1) TILE_CASE(2) TILE_CASE(3) TILE_CASE(4)
#if TILE_ROWS > 4
    TILE_CASE(5) TILE_CASE(6)
#endif
#if TILE_ROWS > 6
    TILE_CASE(7) TILE_CASE(8) TILE_CASE(9) TILE_CASE(10) TILE_CASE(11) TILE_CASE(12) TILE_CASE(13) TILE_CASE(14)
#endif
  }
}
static __attribute__((noinline)) void conv2d_wide_tile(const conv2d_tile *t, int rows) { conv2d_choose_rows(t, rows, 2); }
static __attribute__((noinline)) void conv2d_narrow_tile(const conv2d_tile *t, int rows) { conv2d_choose_rows(t, rows, 1); }

static inline int64_t conv2d_panel_width(int64_t columns) { return columns <= SIMD_WIDTH ? SIMD_WIDTH : PANEL; }

static void conv2d_run_whole_tile(const conv2d_tile *t, int rows, int64_t columns) {
  if (columns <= SIMD_WIDTH)
    conv2d_narrow_tile(t, rows);
  else
    conv2d_wide_tile(t, rows);
}

/* A tile of columns that do not fill their vectors, through copies that do. */
static void conv2d_run_edge_tile(const conv2d_tile *t, int rows, int64_t columns) {
  float out[TILE_ROWS][PANEL] = {{0}}, addend[TILE_ROWS][PANEL] = {{0}}, bias[PANEL] = {0};
  float *pointers[TILE_ROWS];
  size_t bytes = (size_t)columns * sizeof(float);
  for (int r = 0; r < rows; r++) {
    pointers[r] = out[r];
    if (t->accumulate) memcpy(out[r], t->out[r] + t->column, bytes);
    if (t->addend) memcpy(addend[r], t->addend + r * t->addend_stride + t->column, bytes);
  }
  if (t->bias) memcpy(bias, t->bias + t->column, bytes);
  conv2d_tile edge = *t;
  edge.out = pointers;
  edge.column = 0;
  if (t->bias) edge.bias = bias;
  if (t->addend) edge.addend = addend[0];
  edge.addend_stride = PANEL;
  conv2d_run_whole_tile(&edge, rows, columns);
  for (int r = 0; r < rows; r++) memcpy(t->out[r] + t->column, out[r], bytes);
}

/* One tile of the panel t->b, the first of `columns` that are left. */
static inline void conv2d_run_tile(const conv2d_tile *t, int rows, int64_t columns) {
  if (columns >= PANEL || columns == SIMD_WIDTH)
    conv2d_run_whole_tile(t, rows, columns);
  else
    conv2d_run_edge_tile(t, rows, columns);
}

#endif
