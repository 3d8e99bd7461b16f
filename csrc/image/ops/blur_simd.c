/* The inner loops of a blur. */
#include "kernels.h"

#define VECTORS 4 /* sums that stay in registers */
_Static_assert(OPS_BLUR_BLOCK % (VECTORS * SIMD_WIDTH) == 0, "whole blocks");

void SIMD(ops_blur)(const float *const *rows, const float *weights, int size, float *y, ptrdiff_t count) {
  int half = size / 2;
  for (ptrdiff_t i = 0; i < count; i += VECTORS * SIMD_WIDTH) {
    simd_float sums[VECTORS];
    for (int v = 0; v < VECTORS; v++) sums[v] = weights[half] * simd_load(rows[half] + i + v * SIMD_WIDTH);
    for (int t = 0; t < half; t++) {
      const float *above = rows[t] + i, *below = rows[size - 1 - t] + i;
      for (int v = 0; v < VECTORS; v++) sums[v] += weights[t] * (simd_load(above + v * SIMD_WIDTH) + simd_load(below + v * SIMD_WIDTH));
    }
    for (int v = 0; v < VECTORS; v++) simd_store(y + i + v * SIMD_WIDTH, sums[v]);
  }
}

/* the compiler makes vectors of these */
void SIMD(ops_to_floats)(const unsigned char *restrict x, float *restrict y, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) y[i] = (float)x[i];
}

void SIMD(ops_to_bytes)(const float *restrict x, unsigned char *restrict y, ptrdiff_t count) {
  for (ptrdiff_t i = 0; i < count; i++) y[i] = (unsigned char)(int)(x[i] + 0.5f);
}
