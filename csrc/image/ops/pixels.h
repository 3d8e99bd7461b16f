/* For the files *_simd.c of this folder: pixels as vectors of words, the red in the lowest byte. The upper byte is anything. */
#ifndef SCION_OPS_PIXELS_H
#define SCION_OPS_PIXELS_H

#include "kernels.h"

#include <string.h>

typedef unsigned char simd_bytes __attribute__((vector_size(SIMD_WIDTH * 4)));
typedef int64_t quarter __attribute__((vector_size(16)));
typedef int32_t quarter_words __attribute__((vector_size(16)));
typedef int64_t simd_quarters __attribute__((vector_size(SIMD_WIDTH * 4)));

/* Bytes of each 16 of a vector: four pixels out of 12 bytes, and back. */
#define SPREAD(o) o, o + 1, o + 2, o + 2, o + 3, o + 4, o + 5, o + 5, o + 6, o + 7, o + 8, o + 8, o + 9, o + 10, o + 11, o + 11
#define PACK(o) o, o + 1, o + 2, o + 4, o + 5, o + 6, o + 8, o + 9, o + 10, o + 12, o + 13, o + 14, o + 12, o + 13, o + 14, o + 15
#if SIMD_WIDTH == 16
#define EACH_QUARTER(bytes) bytes(0), bytes(16), bytes(32), bytes(48)
#elif SIMD_WIDTH == 8
#define EACH_QUARTER(bytes) bytes(0), bytes(16)
#else
#define EACH_QUARTER(bytes) bytes(0)
#endif

static inline quarter load_quarter(const unsigned char *p) {
  quarter q;
  memcpy(&q, p, sizeof q);
  return q;
}

/* SIMD_WIDTH pixels; four bytes behind them are read. Quarters are joined in registers: a vector that is read from where they were just
 * written waits for them. */
static inline simd_int load_pixels(const unsigned char *p) {
#if SIMD_WIDTH == 16
  simd_bytes bytes = (simd_bytes)__builtin_shufflevector(
      __builtin_shufflevector(load_quarter(p), load_quarter(p + 12), 0, 1, 2, 3),
      __builtin_shufflevector(load_quarter(p + 24), load_quarter(p + 36), 0, 1, 2, 3), 0, 1, 2, 3, 4, 5, 6, 7);
#elif SIMD_WIDTH == 8
  simd_bytes bytes = (simd_bytes)__builtin_shufflevector(load_quarter(p), load_quarter(p + 12), 0, 1, 2, 3);
#else
  simd_bytes bytes = (simd_bytes)load_quarter(p);
#endif
  return (simd_int)__builtin_shufflevector(bytes, bytes, EACH_QUARTER(SPREAD));
}

/* The next store overwrites the last four bytes; after the last one they are not ours. */
static inline void store_quarter(unsigned char *p, quarter q) { memcpy(p, &q, sizeof q); }
static inline void store_last_quarter(unsigned char *p, quarter q) {
  int64_t first = q[0];
  int32_t second = ((quarter_words)q)[2];
  memcpy(p, &first, sizeof first);
  memcpy(p + sizeof first, &second, sizeof second);
}

static inline void store_pixels(unsigned char *p, simd_int words) {
  simd_bytes bytes = (simd_bytes)words;
  simd_quarters packed = (simd_quarters)__builtin_shufflevector(bytes, bytes, EACH_QUARTER(PACK));
#if SIMD_WIDTH == 16
  store_quarter(p, __builtin_shufflevector(packed, packed, 0, 1));
  store_quarter(p + 12, __builtin_shufflevector(packed, packed, 2, 3));
  store_quarter(p + 24, __builtin_shufflevector(packed, packed, 4, 5));
  store_last_quarter(p + 36, __builtin_shufflevector(packed, packed, 6, 7));
#elif SIMD_WIDTH == 8
  store_quarter(p, __builtin_shufflevector(packed, packed, 0, 1));
  store_last_quarter(p + 12, __builtin_shufflevector(packed, packed, 2, 3));
#else
  store_last_quarter(p, packed);
#endif
}

static inline simd_int channel(simd_int words, int c) { return words >> 8 * c & 255; }
static inline simd_float to_float(simd_int x) { return __builtin_convertvector(x, simd_float); }
static inline simd_int either(simd_int mask, simd_int a, simd_int b) { return (mask & a) | (~mask & b); }
static inline simd_int cut_off(simd_int x, int high) { return either(x < high, x & (x > 0), (simd_int){0} + high); } /* to 0 .. high */
static inline simd_int to_byte(simd_float x) { return cut_off(__builtin_convertvector(x, simd_int), 255); }
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
