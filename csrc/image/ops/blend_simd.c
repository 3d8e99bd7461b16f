/* Blending, mixing and smoothing. The compiler makes vectors of these loops. */
#include "kernels.h"

static inline unsigned char blend(int x, int base, float factor) {
  int value = (int)((float)base + factor * (float)(x - base));
  value = value < 0 ? 0 : value;
  return (unsigned char)(value > 255 ? 255 : value);
}

void SIMD(ops_blend)(unsigned char *restrict x, const unsigned char *restrict base, ptrdiff_t bytes, float factor) {
  for (ptrdiff_t i = 0; i < bytes; i++) x[i] = blend(x[i], base[i], factor);
}

/* A thirteenth of sums up to 13 * 255, rounded, by a multiplication that is exact for these; in 16 bits, of which a vector holds most. */
void SIMD(ops_smooth)(const unsigned char *const row[3], unsigned char *restrict y, int width) {
  const unsigned char *above = row[0], *x = row[1], *below = row[2];
  for (int i = 3; i < 3 * (width - 1); i++) {
    uint16_t left = (uint16_t)(above[i - 3] + x[i - 3] + below[i - 3]), right = (uint16_t)(above[i + 3] + x[i + 3] + below[i + 3]);
    uint16_t sum = (uint16_t)(left + right + above[i] + below[i] + x[i] * 5 + 6);
    y[i] = (unsigned char)((uint32_t)sum * 5042u >> 16);
  }
}

void SIMD(ops_mix_bytes)(const unsigned char *restrict x, const unsigned char *restrict other, unsigned char *restrict y, ptrdiff_t count,
                         float own, float share) {
  for (ptrdiff_t i = 0; i < count; i++) y[i] = (unsigned char)(int)((float)x[i] * own + (float)other[i] * share + 0.5f);
}

void SIMD(ops_mix_floats)(const float *restrict x, const float *restrict other, float *restrict y, ptrdiff_t count, float own, float share) {
  for (ptrdiff_t i = 0; i < count; i++) y[i] = x[i] * own + other[i] * share;
}
