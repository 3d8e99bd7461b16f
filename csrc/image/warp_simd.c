/* The inner loop of an affine warp with the colours after it: vectors of pixels whose four neighbours all lie in the image. */
#include "warp.h"

#include <string.h>

/* Pixels are fetched word by word and read again as vectors. That stalls while the words are on their way to the cache, so a
 * block of vectors is fetched before the first is used. (Gather instructions are no faster, and slow on processors with the
 * protection against the attack called Downfall.) */
#define VECTORS 8
#define BLOCK (VECTORS * SIMD_WIDTH)

typedef struct {
  int count;
  int start[VECTORS]; /* first pixel of each vector */
  bool outside[VECTORS];
  simd_float fx[VECTORS], fy[VECTORS];
  int32_t offset[BLOCK];
  uint64_t upper[BLOCK], lower[BLOCK]; /* two pixels each: bytes 0 .. 5 of upper, 2 .. 7 of lower */
} warp_block;

typedef int32_t simd_int_unaligned __attribute__((vector_size(SIMD_WIDTH * 4), aligned(4), may_alias));
typedef unsigned char bytes16 __attribute__((vector_size(16)));

#if SIMD_WIDTH == 16
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30
#define ODD 1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31
#elif SIMD_WIDTH == 8
#define EVEN 0, 2, 4, 6, 8, 10, 12, 14
#define ODD 1, 3, 5, 7, 9, 11, 13, 15
#else
#define EVEN 0, 2, 4, 6
#define ODD 1, 3, 5, 7
#endif

static inline simd_int at_most(simd_int x, int limit) {
  simd_int fits = x < limit;
  return (x & fits) | (~fits & limit);
}

static inline bool all_inside(simd_float x, float limit) {
  simd_int inside = (x >= 0) & (x <= limit); /* what is not a number is not */
  int all = -1;
  for (int lane = 0; lane < SIMD_WIDTH; lane++) all &= inside[lane];
  return all != 0;
}

/* Where the vector of pixels from `start` on is read. The last column and row are reached with a fraction of 1. */
static inline void locate(const warp_row *job, simd_float lanes, int start, warp_block *block) {
  const float right = (float)(job->width - 1), bottom = (float)(job->height - 1);
  const int k = block->count++;
  simd_float along = lanes + (float)start;
  simd_float x = job->source_x + along * job->step_x, y = job->source_y + along * job->step_y;
  block->start[k] = start;
  block->outside[k] = job->fill != SCION_FILL_NEAREST && !(all_inside(x, right) && all_inside(y, bottom));
  x = simd_min(simd_max(x, simd_set(0)), simd_set(right));
  y = simd_min(simd_max(y, simd_set(0)), simd_set(bottom));
  simd_int left = at_most(__builtin_convertvector(x, simd_int), job->width - 2);
  simd_int top = at_most(__builtin_convertvector(y, simd_int), job->height - 2);
  simd_int offset = top * (job->width * 3) + left * 3;
  block->fx[k] = x - __builtin_convertvector(left, simd_float);
  block->fy[k] = y - __builtin_convertvector(top, simd_float);
  memcpy(block->offset + k * SIMD_WIDTH, &offset, sizeof offset);
}

/* Lower pixels are read two bytes early, so that no word passes the end of the image. */
static inline void fetch(const warp_row *job, warp_block *block) {
  const unsigned char *upper = job->x, *lower = job->x + job->width * 3 - 2;
  for (int i = 0; i < block->count * SIMD_WIDTH; i++) {
    memcpy(&block->upper[i], upper + block->offset[i], sizeof block->upper[i]);
    memcpy(&block->lower[i], lower + block->offset[i], sizeof block->lower[i]);
  }
}

/* Byte number `at` of each pair of words. */
static inline simd_float byte_of(simd_int even, simd_int odd, int at) {
  return __builtin_convertvector((at < 4 ? even : odd) >> 8 * (at % 4) & 255, simd_float);
}

static inline simd_int load_words(const uint64_t *p) { return *(const simd_int_unaligned *)(const void *)p; }

/* The pixels of vector k, a word each. */
static inline simd_int blend(const warp_row *job, const warp_block *block, int k) {
  const uint64_t *above = block->upper + k * SIMD_WIDTH, *below = block->lower + k * SIMD_WIDTH;
  simd_int upper_first = load_words(above), upper_second = load_words(above + SIMD_WIDTH / 2);
  simd_int lower_first = load_words(below), lower_second = load_words(below + SIMD_WIDTH / 2);
  simd_int upper_even = __builtin_shufflevector(upper_first, upper_second, EVEN);
  simd_int upper_odd = __builtin_shufflevector(upper_first, upper_second, ODD);
  simd_int lower_even = __builtin_shufflevector(lower_first, lower_second, EVEN);
  simd_int lower_odd = __builtin_shufflevector(lower_first, lower_second, ODD);
  simd_float fx = block->fx[k], fy = block->fy[k];
  simd_int result = {0};
  _Pragma("GCC unroll 3") for (int c = 0; c < 3; c++) {
    simd_float upper = byte_of(upper_even, upper_odd, c), lower = byte_of(lower_even, lower_odd, c + 2);
    upper += fx * (byte_of(upper_even, upper_odd, c + 3) - upper);
    lower += fx * (byte_of(lower_even, lower_odd, c + 5) - lower);
    simd_float value = (upper + fy * (lower - upper)) * job->gain + job->shift[c];
    value = simd_max(simd_min(value, simd_set(255)), simd_set(0));
    result |= __builtin_convertvector(value, simd_int) << 8 * c;
  }
  return result;
}

/* Writes three bytes of each word. */
static inline void store_pixels(simd_int words, unsigned char *out) {
  bytes16 quarters[SIMD_WIDTH / 4];
  memcpy(quarters, &words, sizeof quarters);
  for (int q = 0; q < SIMD_WIDTH / 4; q++) {
    bytes16 packed = __builtin_shufflevector(quarters[q], quarters[q], 0, 1, 2, 4, 5, 6, 8, 9, 10, 12, 13, 14, 12, 13, 14, 15);
    memcpy(out + 12 * q, &packed, q + 1 < SIMD_WIDTH / 4 ? 16 : 12); /* the next store overwrites the last four */
  }
}

static void finish(const warp_row *job, warp_block *block, unsigned char *y) {
  fetch(job, block);
  for (int k = 0; k < block->count; k++) {
    unsigned char *out = y + 3 * block->start[k];
    if (block->outside[k]) {
      for (int i = block->start[k]; i < block->start[k] + SIMD_WIDTH; i++, out += 3)
        warp_pixel(job, job->source_x + (float)i * job->step_x, job->source_y + (float)i * job->step_y, out);
      continue;
    }
    store_pixels(blend(job, block, k), out);
  }
  block->count = 0;
}

void SIMD(warp_pixels)(const warp_row *job, unsigned char *y) {
  if (job->count < SIMD_WIDTH || job->width < 2 || job->height < 2) {
    for (int i = 0; i < job->count; i++)
      warp_pixel(job, job->source_x + (float)i * job->step_x, job->source_y + (float)i * job->step_y, y + 3 * i);
    return;
  }
  simd_float lanes;
  for (int lane = 0; lane < SIMD_WIDTH; lane++) lanes[lane] = (float)lane;
  warp_block block;
  block.count = 0;
  for (int start = 0; start < job->count; start += SIMD_WIDTH) { /* the last vector overlaps the one before */
    locate(job, lanes, start + SIMD_WIDTH <= job->count ? start : job->count - SIMD_WIDTH, &block);
    if (block.count == VECTORS) finish(job, &block, y);
  }
  if (block.count > 0) finish(job, &block, y);
}
