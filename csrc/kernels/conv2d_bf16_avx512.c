/* A block of the product in bf16 by AVX-512's vdpbf16ps. */

/* A test brings a dot product of its own, in software. */
#ifndef DOT
#if defined(__x86_64__)
#include <immintrin.h>
#define DOT_FUNCTION __attribute__((target("avx512f,avx512bf16")))
#define DOT(sum, a, b) ((dot_sums)_mm512_dpbf16_ps((__m512)(sum), (__m512bh)(a), (__m512bh)(b)))
#endif
#endif

#ifdef DOT
#define DOT_BYTES 64
#define DOT_NUMBER float
#define DOT_ROWS 8
#define DOT_MULTIPLY bf16_avx512_multiply
#include "conv2d_dot.h"

const conv2d_unit conv2d_bf16_avx512 = {.multiply = DOT_MULTIPLY, .step = NARROW_STEP};
#endif
