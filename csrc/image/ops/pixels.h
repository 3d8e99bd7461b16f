/* For the files *_simd.c of this folder: pixels as vectors of words, the red in the lowest byte. The upper byte is anything. */
#ifndef SCION_OPS_PIXELS_H
#define SCION_OPS_PIXELS_H

#include "kernels.h"

#include <string.h>

typedef unsigned char bytes16 __attribute__((vector_size(16)));
#define QUARTERS (SIMD_WIDTH / 4)

/* SIMD_WIDTH pixels; four bytes behind them are read. */
static inline simd_int load_pixels(const unsigned char *p) {
  bytes16 quarters[QUARTERS];
  for (int q = 0; q < QUARTERS; q++) {
    memcpy(&quarters[q], p + 12 * q, 16);
    quarters[q] = __builtin_shufflevector(quarters[q], quarters[q], 0, 1, 2, 2, 3, 4, 5, 5, 6, 7, 8, 8, 9, 10, 11, 11);
  }
  simd_int words;
  memcpy(&words, quarters, sizeof words);
  return words;
}

static inline void store_pixels(unsigned char *p, simd_int words) {
  bytes16 quarters[QUARTERS];
  memcpy(quarters, &words, sizeof quarters);
  for (int q = 0; q < QUARTERS; q++) {
    bytes16 packed = __builtin_shufflevector(quarters[q], quarters[q], 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 12, 13, 14, 15);
    memcpy(p + 12 * q, &packed, q + 1 < QUARTERS ? 16 : 12); /* the next store overwrites the last four */
  }
}

static inline simd_int channel(simd_int words, int c) { return words >> 8 * c & 255; }
static inline simd_float to_float(simd_int x) { return __builtin_convertvector(x, simd_float); }
/* cut off to 0 .. 255 */
static inline simd_int to_byte(simd_float x) {
  return __builtin_convertvector(simd_max(simd_min(x, simd_set(255)), simd_set(0)), simd_int);
}
/* of Pillow's convert("L") */
static inline simd_int gray_of(simd_int words) {
  return (channel(words, 0) * 19595 + channel(words, 1) * 38470 + channel(words, 2) * 7471 + 0x8000) >> 16;
}

/* The first vector that the loops below leave for the end: there, the four bytes behind a vector may be none of ours. */
static inline ptrdiff_t whole_vectors(ptrdiff_t count) { return count < SIMD_WIDTH + 2 ? 0 : (count - 2) / SIMD_WIDTH * SIMD_WIDTH; }

/* The last pixels, `count` of at most SIMD_WIDTH + 1, in two vectors. */
typedef struct {
  unsigned char bytes[SIMD_WIDTH * 6 + 4];
} last_pixels;
static inline last_pixels take_last(const unsigned char *x, ptrdiff_t count) {
  last_pixels last = {{0}};
  memcpy(last.bytes, x, (size_t)count * 3);
  return last;
}

/* Each vector of pixels becomes change(vector, data). It is inlined with the change, so that data stays in registers. */
static inline __attribute__((always_inline)) void map_pixels(unsigned char *x, ptrdiff_t count, simd_int (*change)(simd_int, const void *),
                                                             const void *data) {
  ptrdiff_t whole = whole_vectors(count);
  for (ptrdiff_t i = 0; i < whole; i += SIMD_WIDTH) store_pixels(x + 3 * i, change(load_pixels(x + 3 * i), data));
  last_pixels last = take_last(x + 3 * whole, count - whole);
  for (ptrdiff_t i = 0; i < count - whole; i += SIMD_WIDTH) store_pixels(last.bytes + 3 * i, change(load_pixels(last.bytes + 3 * i), data));
  memcpy(x + 3 * whole, last.bytes, (size_t)(count - whole) * 3);
}

#endif
