/* Conversion of n numbers from bf16 to f32 (widen) and from f32 to bf16 (narrow), which rounds to nearest even. */
#ifndef SCION_CONVERT_H
#define SCION_CONVERT_H

#include "kernels/simd.h"

SIMD_DECLARE(void, scion_loop_widen, const uint16_t *x, float *y, int64_t n);
SIMD_DECLARE(void, scion_loop_narrow, const float *x, uint16_t *y, int64_t n);

#endif
