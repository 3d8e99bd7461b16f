/* Conversion of numbers that are neighbours in memory. */
#ifndef SCION_CONVERT_H
#define SCION_CONVERT_H

#include "kernels/simd.h"

/* n numbers from bf16 to f32 (widen) and from f32 to bf16 (narrow), which rounds to nearest even. */
SIMD_DECLARE(void, scion_loop_widen, const uint16_t *x, float *y, int64_t n);
SIMD_DECLARE(void, scion_loop_narrow, const float *x, uint16_t *y, int64_t n);

/* n numbers to codes, and back: see scion_quantization. */
SIMD_DECLARE(void, scion_loop_quantize, const float *x, uint8_t *y, int64_t n, scion_quantization q);
SIMD_DECLARE(void, scion_loop_dequantize, const uint8_t *x, float *y, int64_t n, scion_quantization q);

/* n numbers of any dtypes, converted as by scion_tensor_copy (tensor.c). */
void scion_convert_row(const void *x, scion_dtype from, void *y, scion_dtype to, int64_t n);
/* y += x for n numbers, each f32 or bf16: summed in f32. */
void scion_add_row(const void *x, scion_dtype from, void *y, scion_dtype to, int64_t n);

#endif
