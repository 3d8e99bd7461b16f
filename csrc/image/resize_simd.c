/* The inner loops of a resize: whole numbers throughout, so that every build gives the same bytes. */
#include "resize.h"

#include <string.h>

#if defined(SCION_SIMD_AVX512) || defined(SCION_SIMD_AVX2)
#include <immintrin.h>
#endif

typedef uint32_t simd_word __attribute__((vector_size(SIMD_WIDTH * 4)));
typedef uint32_t simd_word_unaligned __attribute__((vector_size(SIMD_WIDTH * 4), aligned(4), may_alias));
typedef uint8_t simd_byte __attribute__((vector_size(SIMD_WIDTH)));
typedef uint8_t simd_byte_unaligned __attribute__((vector_size(SIMD_WIDTH), aligned(1), may_alias));

int SIMD(resize_lanes)(void) { return SIMD_WIDTH; }

/* A bicubic filter overshoots to either side, and rounded weights may add up to a little more than 1. */
static inline simd_word finish(simd_word sum) {
  simd_int value = (simd_int)sum >> RESIZE_BITS, fits = value < 255;
  return (simd_word)(((value & fits) | (~fits & 255)) & (value > 0));
}

/* Bytes as words. The compiler does not find these instructions from __builtin_convertvector. */
static inline simd_word widen(const unsigned char *p) {
#if defined(SCION_SIMD_AVX512)
  return (simd_word)_mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i *)(const void *)p));
#elif defined(SCION_SIMD_AVX2)
  return (simd_word)_mm256_cvtepu8_epi32(_mm_loadl_epi64((const __m128i *)(const void *)p));
#else
  return __builtin_convertvector(*(const simd_byte_unaligned *)p, simd_word);
#endif
}

static inline uint32_t load_pixel(const unsigned char *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16; }

/* Lanes are rows: pixels are first laid out a column a vector, so that the sums need no shuffles. */
void SIMD(resize_across)(const unsigned char *x, ptrdiff_t stride, int rows, int width, unsigned char *y, int new_width,
                         const resize_taps *taps, uint32_t *columns) {
  uint32_t *results = columns + (size_t)width * SIMD_WIDTH;
  for (int lane = 0; lane < SIMD_WIDTH; lane++) {
    const unsigned char *row = x + (lane < rows ? lane : rows - 1) * stride;
    for (int i = 0; i < width - 1; i++) memcpy(&columns[i * SIMD_WIDTH + lane], row + 3 * i, 4); /* its fourth byte is ignored */
    columns[(width - 1) * SIMD_WIDTH + lane] = load_pixel(row + 3 * (width - 1));
  }
  for (int i = 0; i < new_width; i++) {
    simd_word red = (simd_word){0} + (1u << (RESIZE_BITS - 1)), green = red, blue = red;
    const uint32_t *column = columns + (size_t)taps->first[i] * SIMD_WIDTH;
    const int32_t *weights = taps->weights + (size_t)i * (size_t)taps->most;
    for (int t = 0; t < taps->count[i]; t++, column += SIMD_WIDTH) {
      simd_word pixels = *(const simd_word_unaligned *)column, weight = (simd_word){0} + (uint32_t)weights[t];
      red += (pixels & 255) * weight;
      green += (pixels >> 8 & 255) * weight;
      blue += (pixels >> 16 & 255) * weight;
    }
    *(simd_word_unaligned *)(results + (size_t)i * SIMD_WIDTH) = finish(red) | finish(green) << 8 | finish(blue) << 16;
  }
  for (int lane = 0; lane < rows; lane++) {
    unsigned char *row = y + (size_t)lane * (size_t)new_width * 3;
    for (int i = 0; i < new_width - 1; i++) memcpy(row + 3 * i, &results[i * SIMD_WIDTH + lane], 4); /* the next pixel overwrites the fourth byte */
    for (int c = 0; c < 3; c++) row[3 * (new_width - 1) + c] = (unsigned char)(results[(new_width - 1) * SIMD_WIDTH + lane] >> 8 * c);
  }
}

/* 4 vectors at a time: a weight is spread once for all of them. */
#define BLOCK (4 * SIMD_WIDTH)

static inline void down_block(const unsigned char *x, ptrdiff_t stride, unsigned char *y, const int32_t *weights, int count) {
  simd_word sums[4];
  for (int v = 0; v < 4; v++) sums[v] = (simd_word){0} + (1u << (RESIZE_BITS - 1));
  for (int t = 0; t < count; t++, x += stride) {
    simd_word weight = (simd_word){0} + (uint32_t)weights[t];
    for (int v = 0; v < 4; v++) sums[v] += widen(x + v * SIMD_WIDTH) * weight;
  }
  for (int v = 0; v < 4; v++) *(simd_byte_unaligned *)(y + v * SIMD_WIDTH) = __builtin_convertvector(finish(sums[v]), simd_byte);
}

void SIMD(resize_down)(const unsigned char *x, ptrdiff_t stride, ptrdiff_t bytes, unsigned char *y, const int32_t *weights, int count) {
  ptrdiff_t i = 0;
  for (; i + BLOCK <= bytes; i += BLOCK) down_block(x + i, stride, y + i, weights, count);
  if (i > 0 && i < bytes) { /* the last block overlaps the one before */
    down_block(x + bytes - BLOCK, stride, y + bytes - BLOCK, weights, count);
    i = bytes;
  }
  for (; i < bytes; i++) {
    uint32_t sum = 1u << (RESIZE_BITS - 1);
    for (int t = 0; t < count; t++) sum += x[t * stride + i] * (uint32_t)weights[t];
    int32_t value = (int32_t)sum >> RESIZE_BITS;
    y[i] = (unsigned char)(value < 0 ? 0 : value < 255 ? value : 255);
  }
}
