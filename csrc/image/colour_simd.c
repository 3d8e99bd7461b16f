/* The inner loops of an affine change of colours. */
#include "colour.h"

#include <string.h>

typedef unsigned char bytes16 __attribute__((vector_size(16)));
#define QUARTERS (SIMD_WIDTH / 4)

/* Vectors of words, a pixel each, from three bytes a pixel. Sixteen bytes are read for every twelve. */
static inline simd_int load_pixels(const unsigned char *p) {
  bytes16 quarters[QUARTERS];
  for (int q = 0; q < QUARTERS; q++) {
    bytes16 packed;
    memcpy(&packed, p + 12 * q, sizeof packed);
    quarters[q] = __builtin_shufflevector(packed, (bytes16){0}, 0, 1, 2, 16, 3, 4, 5, 16, 6, 7, 8, 16, 9, 10, 11, 16);
  }
  simd_int words;
  memcpy(&words, quarters, sizeof words);
  return words;
}

/* And back. */
static inline void store_pixels(simd_int words, unsigned char *p) {
  bytes16 quarters[QUARTERS];
  memcpy(quarters, &words, sizeof quarters);
  for (int q = 0; q < QUARTERS; q++) {
    bytes16 packed = __builtin_shufflevector(quarters[q], quarters[q], 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 12, 13, 14, 15);
    memcpy(p + 12 * q, &packed, 12);
  }
}

static inline simd_int coloured(simd_int words, const float m[12]) {
  simd_float in[3];
  for (int c = 0; c < 3; c++) in[c] = __builtin_convertvector(words >> 8 * c & 255, simd_float);
  simd_int result = {0};
  for (int c = 0; c < 3; c++) {
    simd_float value = in[2] * m[4 * c + 2] + (m[4 * c + 3] + 0.5f);
    value = in[1] * m[4 * c + 1] + value;
    value = in[0] * m[4 * c] + value;
    value = simd_max(simd_min(value, simd_set(255)), simd_set(0));
    result |= __builtin_convertvector(value, simd_int) << 8 * c;
  }
  return result;
}

void SIMD(image_colours)(unsigned char *pixels, int count, const float m[12]) {
  int i = 0;
  for (; i + SIMD_WIDTH + 2 <= count; i += SIMD_WIDTH) store_pixels(coloured(load_pixels(pixels + 3 * i), m), pixels + 3 * i);
  while (i < count) { /* fewer than two vectors: through memory of their own */
    unsigned char rest[3 * SIMD_WIDTH + 4] = {0};
    int n = count - i < SIMD_WIDTH ? count - i : SIMD_WIDTH;
    memcpy(rest, pixels + 3 * i, 3 * (size_t)n);
    store_pixels(coloured(load_pixels(rest), m), rest);
    memcpy(pixels + 3 * i, rest, 3 * (size_t)n);
    i += n;
  }
}

void SIMD(image_sums)(const unsigned char *pixels, int count, uint64_t sums[3]) {
  memset(sums, 0, 3 * sizeof *sums);
  int i = 0;
  while (i + SIMD_WIDTH + 2 <= count) {
    simd_int part[3] = {{0}}; /* of 2^20 vectors at most, whose sums fit */
    for (int k = 0; k < 1 << 20 && i + SIMD_WIDTH + 2 <= count; k++, i += SIMD_WIDTH) {
      simd_int words = load_pixels(pixels + 3 * i);
      for (int c = 0; c < 3; c++) part[c] += words >> 8 * c & 255;
    }
    for (int c = 0; c < 3; c++)
      for (int lane = 0; lane < SIMD_WIDTH; lane++) sums[c] += (uint64_t)part[c][lane];
  }
  for (; i < count; i++)
    for (int c = 0; c < 3; c++) sums[c] += pixels[3 * i + c];
}
