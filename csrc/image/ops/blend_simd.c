/* Blending and smoothing of bytes. The compiler makes vectors of these loops. */
#include "kernels.h"

static inline unsigned char blend(int x, int base, float factor) {
  float value = (float)base + factor * (float)(x - base);
  value = value < 0 ? 0 : value;
  return (unsigned char)(int)(value > 255 ? 255 : value);
}

void SIMD(ops_blend)(unsigned char *restrict x, const unsigned char *restrict base, ptrdiff_t bytes, float factor) {
  for (ptrdiff_t i = 0; i < bytes; i++) x[i] = blend(x[i], base[i], factor);
}

/* A thirteenth of sums up to 13 * 255, rounded, by a multiplication that is exact for these. */
void SIMD(ops_smooth)(const unsigned char *const row[3], unsigned char *restrict y, int width) {
  const unsigned char *above = row[0], *x = row[1], *below = row[2];
  for (int i = 3; i < 3 * (width - 1); i++) {
    unsigned sum = 6u + above[i - 3] + above[i] + above[i + 3] + x[i - 3] + 5u * x[i] + x[i + 3] + below[i - 3] + below[i] + below[i + 3];
    y[i] = (unsigned char)(sum * 5042 >> 16);
  }
}
