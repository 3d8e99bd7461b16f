/* Code written once over the compiler's vector types and built once for each instruction set: every file named *_simd.c is
 * compiled with SCION_SIMD_AVX512, SCION_SIMD_AVX2 or SCION_SIMD_PORTABLE defined, and its public names get that suffix by
 * SIMD(name). A dispatcher beside it picks one by scion_isa_in_use(). */
#ifndef SCION_SIMD_H
#define SCION_SIMD_H

#include "scion.h"

#if defined(SCION_SIMD_AVX512)
#define SIMD(name) name##_avx512
#define SIMD_WIDTH 16 /* floats in a vector */
#elif defined(SCION_SIMD_AVX2)
#define SIMD(name) name##_avx2
#define SIMD_WIDTH 8
#else
#define SIMD(name) name##_portable
#define SIMD_WIDTH 4
#endif
#if SIMD_WIDTH > 4
#include <immintrin.h>
#endif
#if defined(SCION_SIMD_AVX512) || defined(SCION_SIMD_AVX2) || defined(SCION_SIMD_PORTABLE)
#define SIMD_BUILD /* a file *_simd.c: what it calls for its vectors' width knows it */
#endif

typedef float simd_float __attribute__((vector_size(SIMD_WIDTH * 4)));
typedef float simd_float_unaligned __attribute__((vector_size(SIMD_WIDTH * 4), aligned(4), may_alias));
typedef int32_t simd_int __attribute__((vector_size(SIMD_WIDTH * 4)));
typedef uint32_t simd_bits __attribute__((vector_size(SIMD_WIDTH * 4)));
typedef uint16_t simd_half __attribute__((vector_size(SIMD_WIDTH * 2)));
typedef uint16_t simd_half_unaligned __attribute__((vector_size(SIMD_WIDTH * 2), aligned(2), may_alias));
typedef uint8_t simd_codes __attribute__((vector_size(SIMD_WIDTH)));
typedef uint8_t simd_codes_unaligned __attribute__((vector_size(SIMD_WIDTH), aligned(1), may_alias));

static inline __attribute__((unused)) simd_float simd_load(const float *p) { return *(const simd_float_unaligned *)p; }
static inline __attribute__((unused)) void simd_store(float *p, simd_float v) { *(simd_float_unaligned *)p = v; }
/* Past the caches, where a vector is a whole line of them, to which p is aligned. Other threads may read it after a fence. */
#define CACHE_LINE 64 /* bytes */
static inline __attribute__((unused)) void simd_stream(float *p, simd_float v) {
#if SIMD_WIDTH * 4 == CACHE_LINE
  __builtin_ia32_movntps512(p, v);
#else
  simd_store(p, v);
#endif
}
static inline __attribute__((unused)) void simd_fence(void) {
#if SIMD_WIDTH * 4 == CACHE_LINE
  __builtin_ia32_sfence();
#endif
}
/* x - 0 is x for every x, so that this is a broadcast and nothing else; 0 + x would be an addition, for -0 + 0 is 0 */
static inline __attribute__((unused)) simd_float simd_set(float value) { return value - (simd_float){0}; }
/* a > b ? a : b in each lane (and so b where either is not a number); C has no ?: for vectors */
static inline __attribute__((unused)) simd_float simd_select(simd_int mask, simd_float a, simd_float b) {
  return (simd_float)((mask & (simd_int)a) | (~mask & (simd_int)b));
}
/* The same by name, which compilers do not see in the above. */
#if SIMD_WIDTH == 8
static inline __attribute__((unused)) simd_float simd_max(simd_float a, simd_float b) { return (simd_float)_mm256_max_ps((__m256)a, (__m256)b); }
static inline __attribute__((unused)) simd_float simd_min(simd_float a, simd_float b) { return (simd_float)_mm256_min_ps((__m256)a, (__m256)b); }
#elif SIMD_WIDTH == 16
static inline __attribute__((unused)) simd_float simd_max(simd_float a, simd_float b) { return (simd_float)_mm512_max_ps((__m512)a, (__m512)b); }
static inline __attribute__((unused)) simd_float simd_min(simd_float a, simd_float b) { return (simd_float)_mm512_min_ps((__m512)a, (__m512)b); }
#else
static inline __attribute__((unused)) simd_float simd_max(simd_float a, simd_float b) { return simd_select(a > b, a, b); }
static inline __attribute__((unused)) simd_float simd_min(simd_float a, simd_float b) { return simd_select(a < b, a, b); }
#endif
/* A bf16 is the upper half of an f32. The store rounds to nearest even; what is no number stays none. */
static inline __attribute__((unused)) simd_float simd_load_bf16(const uint16_t *p) {
  return (simd_float)(__builtin_convertvector(*(const simd_half_unaligned *)p, simd_bits) << 16);
}
static inline __attribute__((unused)) simd_bits simd_round_bf16(simd_float v) { /* in the upper half */
  simd_bits bits = (simd_bits)v, nan = (simd_bits)(v != v);
  return (~nan & (bits + 0x7fffu + (bits >> 16 & 1u))) | (nan & (bits | 0x400000u));
}
static inline __attribute__((unused)) void simd_store_bf16(uint16_t *p, simd_float v) {
  *(simd_half_unaligned *)p = __builtin_convertvector(simd_round_bf16(v) >> 16, simd_half);
}
/* Bytes as numbers. The store rounds to nearest even, and saturates; what is no number becomes 0. By name where there are instructions for
 * it, since compilers take the vectors apart for conversions to a fourth of the size. */
#if SIMD_WIDTH == 8
static inline __attribute__((unused)) simd_float simd_load_u8(const uint8_t *p) {
  return (simd_float)_mm256_cvtepi32_ps(_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)p)));
}
static inline __attribute__((unused)) void simd_store_u8(uint8_t *p, simd_float v) {
  __m256i whole = _mm256_cvtps_epi32(_mm256_min_ps(_mm256_set1_ps(255), (__m256)v)); /* in this order NaN stays, and becomes INT_MIN */
  __m128i words = _mm_packus_epi32(_mm256_castsi256_si128(whole), _mm256_extracti128_si256(whole, 1));
  _mm_storel_epi64((__m128i *)p, _mm_packus_epi16(words, words));
}
#elif SIMD_WIDTH == 16
static inline __attribute__((unused)) simd_float simd_load_u8(const uint8_t *p) {
  return (simd_float)_mm512_cvtepi32_ps(_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)p)));
}
static inline __attribute__((unused)) void simd_store_u8(uint8_t *p, simd_float v) {
  __m512i whole = _mm512_cvtps_epi32(_mm512_min_ps(_mm512_set1_ps(255), (__m512)v)); /* likewise */
  _mm_storeu_si128((__m128i *)p, _mm512_cvtepi32_epi8(_mm512_max_epi32(whole, _mm512_setzero_si512())));
}
#else /* what is added to 1.5 * 2^23 loses its fraction, and its whole part stands in the lowest bits */
static inline __attribute__((unused)) simd_float simd_load_u8(const uint8_t *p) {
  return __builtin_convertvector(__builtin_convertvector(*(const simd_codes_unaligned *)p, simd_int), simd_float);
}
static inline __attribute__((unused)) void simd_store_u8(uint8_t *p, simd_float v) {
  v = simd_min(simd_set(255), simd_max(v, (simd_float){0}));
  *(simd_codes_unaligned *)p = __builtin_convertvector((simd_bits)(v + 12582912.0f), simd_codes);
}
#endif

/* One declaration for all three builds, and the choice among them. */
#define SIMD_DECLARE(result, name, ...) \
  result name##_portable(__VA_ARGS__);  \
  result name##_avx2(__VA_ARGS__);      \
  result name##_avx512(__VA_ARGS__)
#if defined(__x86_64__)
#define SIMD_CHOOSE(name) \
  (scion_isa_in_use() == SCION_ISA_AVX512 ? name##_avx512 : scion_isa_in_use() == SCION_ISA_AVX2 ? name##_avx2 : name##_portable)
#else
#define SIMD_CHOOSE(name) name##_portable
#endif

#endif
