/* The product of a block of bytes, for machines without vpdpbusd: by vpmaddubsw, or in plain C. */
#include <string.h>

#include "conv2d_narrow.h"

#if SIMD_WIDTH > 4
#if SIMD_WIDTH == 16
typedef __m512i bytes;
#define ROWS 8
static inline bytes twice(bytes a, bytes b) { return _mm512_maddubs_epi16(a, b); }
static inline bytes sum_words(bytes a, bytes b) { return _mm512_add_epi16(a, b); }
static inline bytes sum_pairs(bytes words) { return _mm512_madd_epi16(words, _mm512_set1_epi16(1)); }
#else
typedef __m256i bytes;
#define ROWS 4
static inline bytes twice(bytes a, bytes b) { return _mm256_maddubs_epi16(a, b); }
static inline bytes sum_words(bytes a, bytes b) { return _mm256_add_epi16(a, b); }
static inline bytes sum_pairs(bytes words) { return _mm256_madd_epi16(words, _mm256_set1_epi16(1)); }
#endif
#define VECTORS (NARROW_TILE / SIMD_WIDTH)

static inline bytes quad_everywhere(const uint8_t *p) {
  int32_t quad;
  memcpy(&quad, p, sizeof quad);
  return (bytes)(quad - (simd_int){0});
}

static inline bytes load(const uint8_t *p) { return *(const bytes *)p; } /* of a packed kernel, which is aligned */

#define EACH(statement)                                   \
  _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++)  \
    _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++) statement

/* `twice` sums two neighbouring products in 16 bits, and two of those are summed there, too: see conv2d_int8.c. */
static void multiply_rows(const conv2d_block *k, const uint8_t *a, const uint8_t *b, int32_t *out) {
  simd_int sum[ROWS][VECTORS];
  if (k->accumulate) {
    EACH(sum[r][v] = *(const simd_int *)(out + r * k->sums_pitch + v * SIMD_WIDTH);)
  } else {
    EACH(sum[r][v] = (simd_int){0};)
  }
  for (int64_t i = 0; i < k->depth; i += INT8_STEP, b += INT8_STEP * NARROW_TILE) {
    bytes first[VECTORS], second[VECTORS];
    _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++) {
      first[v] = load(b + v * (int)sizeof(bytes));
      second[v] = load(b + NARROW_QUAD * NARROW_TILE + v * (int)sizeof(bytes));
    }
    _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++) {
      bytes x = quad_everywhere(a + r * k->pitch + i), y = quad_everywhere(a + r * k->pitch + i + NARROW_QUAD);
      _Pragma("GCC unroll 8") for (int v = 0; v < VECTORS; v++)
        sum[r][v] += (simd_int)sum_pairs(sum_words(twice(x, first[v]), twice(y, second[v])));
    }
  }
  EACH(*(simd_int *)(out + r * k->sums_pitch + v * SIMD_WIDTH) = sum[r][v];)
}

#else
#define ROWS 1

static void multiply_rows(const conv2d_block *k, const uint8_t *a, const uint8_t *b, int32_t *out) {
  int32_t sum[NARROW_TILE] = {0};
  if (k->accumulate) memcpy(sum, out, sizeof sum);
  for (int64_t i = 0; i < k->depth; i += NARROW_QUAD, b += NARROW_QUAD * NARROW_TILE)
    for (int c = 0; c < NARROW_TILE; c++)
      for (int q = 0; q < NARROW_QUAD; q++) sum[c] += a[i + q] * (int8_t)b[c * NARROW_QUAD + q];
  memcpy(out, sum, sizeof sum);
}
#endif

void SIMD(conv2d_int8_multiply)(const conv2d_block *k) {
  for (int column = 0; column < k->columns; column += NARROW_TILE)
    for (int row = 0; row < k->rows; row += ROWS)
      multiply_rows(k, k->a + row * k->pitch, k->b + column / NARROW_TILE * k->next, (int32_t *)k->sums + row * k->sums_pitch + column);
}
