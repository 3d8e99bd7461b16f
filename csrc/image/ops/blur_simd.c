/* The two passes of a blur. The compiler makes vectors of the inner loops, over sums that stay in the nearest cache. */
#include "kernels.h"

#define CHUNK 256

void SIMD(ops_blur_down)(const unsigned char *const *rows, const float *weights, int size, float *y, ptrdiff_t bytes) {
  for (ptrdiff_t from = 0; from < bytes; from += CHUNK) {
    ptrdiff_t count = bytes - from < CHUNK ? bytes - from : CHUNK;
    float sums[CHUNK] = {0};
    for (int t = 0; t < size; t++) {
      const unsigned char *x = rows[t] + from;
      for (ptrdiff_t i = 0; i < count; i++) sums[i] += weights[t] * (float)x[i];
    }
    for (ptrdiff_t i = 0; i < count; i++) y[from + i] = sums[i];
  }
}

void SIMD(ops_blur_across)(const float *x, const float *weights, int size, unsigned char *restrict y, ptrdiff_t bytes) {
  for (ptrdiff_t from = 0; from < bytes; from += CHUNK) {
    ptrdiff_t count = bytes - from < CHUNK ? bytes - from : CHUNK;
    float sums[CHUNK] = {0};
    for (int t = 0; t < size; t++)
      for (ptrdiff_t i = 0; i < count; i++) sums[i] += weights[t] * x[from + i + 3 * t];
    for (ptrdiff_t i = 0; i < count; i++) y[from + i] = (unsigned char)(int)(sums[i] + 0.5f);
  }
}
