/* A block of the product of bytes by AVX-VNNI's vpdpbusd, on CPUs that have it without AVX-512. */

/* A test brings a dot product of its own, in software. */
#ifndef DOT
#if defined(__x86_64__)
#include <immintrin.h>
#define DOT_FUNCTION __attribute__((target("avx2,avxvnni")))
#define DOT(sum, a, b) ((dot_sums)_mm256_dpbusd_avx_epi32((__m256i)(sum), (__m256i)(a), (__m256i)(b)))
#endif
#endif

#ifdef DOT
#define DOT_BYTES 32
#define DOT_NUMBER int32_t
#define DOT_ROWS 4
#define DOT_MULTIPLY int8_avxvnni_multiply
#include "conv2d_dot.h"

const conv2d_unit conv2d_int8_avxvnni = {.multiply = DOT_MULTIPLY, .step = NARROW_QUAD};
#endif
