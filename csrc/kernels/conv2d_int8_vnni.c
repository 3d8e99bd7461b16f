/* A block of the product of bytes by AVX-512's vpdpbusd. */

/* A test brings a dot product of its own, in software. */
#ifndef DOT
#if defined(__x86_64__)
#include <immintrin.h>
#define DOT_FUNCTION __attribute__((target("avx512f,avx512vnni")))
#define DOT(sum, a, b) ((dot_sums)_mm512_dpbusd_epi32((__m512i)(sum), (__m512i)(a), (__m512i)(b)))
#endif
#endif

#ifdef DOT
#define DOT_BYTES 64
#define DOT_NUMBER int32_t
#define DOT_ROWS 8
#define DOT_MULTIPLY int8_vnni_multiply
#include "conv2d_dot.h"

const conv2d_unit conv2d_int8_vnni = {.multiply = DOT_MULTIPLY, .step = NARROW_QUAD};
#endif
