/* The shapes of the micro-kernels' tiles, and the choice among them; for inclusion by the *_simd.c files of the convolution. */
#ifndef SCION_CONV2D_TILE_H
#define SCION_CONV2D_TILE_H

#include "conv2d_internal.h"

/* Rows of a tile of 1, 2, .. vectors: its sums, a row of vectors and a broadcast fill the vector registers, pointers to its rows
 * the others. A step of 9 x 3 takes 12 loads for 27 multiplications, where 14 x 2 would take 16 for 28: there are processors that
 * load hardly more than once a cycle. */
#if SIMD_WIDTH == 16
#define TILE_ROWS {11, 11, 9, 6, 5}
#elif SIMD_WIDTH == 8
#define TILE_ROWS {6, 6, 4, 3, 2}
#else
#define TILE_ROWS {4, 4, 3, 2, 1}
#endif
#define MOST_ROWS 11
#define MOST_VECTORS 5

static inline int conv2d_vectors(int64_t columns) { return (int)((columns + SIMD_WIDTH - 1) / SIMD_WIDTH); }
static inline int64_t conv2d_tile_rows(int vectors) {
  static const int rows[] = TILE_ROWS;
  return rows[vectors - 1];
}

/* The statement for each sum [r][v] of a tile. */
#define TILE_EACH(statement)                              \
  _Pragma("GCC unroll 16") for (int r = 0; r < rows; r++) \
    _Pragma("GCC unroll 8") for (int v = 0; v < vectors; v++) statement

#define TILE_CASE(multiply, count, vectors) \
  case count:                               \
    if (count <= ((const int[])TILE_ROWS)[vectors - 1]) multiply(t, count, vectors); \
    return;
#define TILE_OF(name, type, multiply, vectors)                                                                               \
  static __attribute__((noinline)) void name##_##vectors(const type *t, int rows) {                                         \
    switch (rows) {                                                                                                         \
      TILE_CASE(multiply, 1, vectors) TILE_CASE(multiply, 2, vectors) TILE_CASE(multiply, 3, vectors)                       \
      TILE_CASE(multiply, 4, vectors) TILE_CASE(multiply, 5, vectors) TILE_CASE(multiply, 6, vectors)                       \
      TILE_CASE(multiply, 7, vectors) TILE_CASE(multiply, 8, vectors) TILE_CASE(multiply, 9, vectors)                       \
      TILE_CASE(multiply, 10, vectors) TILE_CASE(multiply, 11, vectors)                                                     \
    }                                                                                                                       \
  }
/* Defines name(const type *t, rows, vectors), which calls the inlined multiply(t, rows, vectors) with both constant. */
#define TILES(name, type, multiply)                                 \
  TILE_OF(name, type, multiply, 1)                                  \
  TILE_OF(name, type, multiply, 2)                                  \
  TILE_OF(name, type, multiply, 3)                                  \
  TILE_OF(name, type, multiply, 4)                                  \
  TILE_OF(name, type, multiply, 5)                                  \
  static void name(const type *t, int rows, int vectors) {          \
    switch (vectors) {                                              \
      case 1: name##_1(t, rows); return;                            \
      case 2: name##_2(t, rows); return;                            \
      case 3: name##_3(t, rows); return;                            \
      case 4: name##_4(t, rows); return;                            \
      default: name##_5(t, rows);                                   \
    }                                                               \
  }

#endif
