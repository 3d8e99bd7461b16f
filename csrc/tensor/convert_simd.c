/* Conversion between f32 and bf16, which is the upper half of an f32, and between f32 and bytes. */
#include "convert.h"

#include "element.h"
#include "kernels/loops.h"

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

void SIMD(scion_loop_quantize)(const float *x, uint8_t *y, int64_t n, scion_quantization q) {
  const float factor = 1 / q.scale, zero = (float)q.zero;
  int64_t i = 0;
  for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) simd_store_u8(y + i, simd_load(x + i) * factor + zero);
  if (i < n) simd_store_of(SCION_U8, y, i, simd_load_some(x + i, n - i) * factor + zero, n - i);
}

void SIMD(scion_loop_dequantize)(const uint8_t *x, float *y, int64_t n, scion_quantization q) {
  const float zero = (float)q.zero;
  int64_t i = 0;
  for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) simd_store(y + i, (simd_load_u8(x + i) - zero) * q.scale);
  if (i < n) simd_store_some(y + i, (simd_load_of(SCION_U8, x, i, n - i) - zero) * q.scale, n - i);
}
