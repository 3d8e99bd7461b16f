/* Conversion between f32 and bf16, which is the upper half of an f32. */
#include "convert.h"

#include "element.h"

void SIMD(scion_loop_widen)(const uint16_t *x, float *y, int64_t n) {
  int64_t i = 0;
  for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) simd_store(y + i, simd_load_bf16(x + i));
  for (; i < n; i++) y[i] = bf16_to_float(x[i]);
}

void SIMD(scion_loop_narrow)(const float *x, uint16_t *y, int64_t n) {
  int64_t i = 0;
  for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) simd_store_bf16(y + i, simd_load(x + i));
  for (; i < n; i++) y[i] = float_to_bf16(x[i]);
}
