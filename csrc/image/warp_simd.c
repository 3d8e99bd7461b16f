/* The inner loop of an affine warp: a vector of pixels at a time where their four neighbours all lie in the image. */
#include "warp.h"

#include <string.h>

/* The 4 bytes at base + each offset. Gather instructions are no faster, and slow where they are mended against Downfall. */
static inline simd_int gather(const unsigned char *base, simd_int offsets) {
  int32_t words[SIMD_WIDTH];
  for (int lane = 0; lane < SIMD_WIDTH; lane++) memcpy(&words[lane], base + offsets[lane], sizeof words[lane]);
  simd_int result;
  memcpy(&result, words, sizeof result);
  return result;
}

static inline simd_float channel(simd_int words, int shift) { return __builtin_convertvector(words >> shift & 255, simd_float); }

static inline simd_int at_most(simd_int x, int limit) {
  simd_int fits = x < limit;
  return (x & fits) | (~fits & limit);
}

static inline int all_inside(simd_float x, float limit) {
  simd_int inside = (x >= 0) & (x <= limit); /* what is not a number is not */
  int all = -1;
  for (int lane = 0; lane < SIMD_WIDTH; lane++) all &= inside[lane];
  return all;
}

/* x and y lie within the image; the last column and row are reached with a fraction of 1. */
static inline simd_int blend(const warp_row *job, simd_float x, simd_float y) {
  simd_int left = at_most(__builtin_convertvector(x, simd_int), job->width - 2);
  simd_int top = at_most(__builtin_convertvector(y, simd_int), job->height - 2);
  simd_float fx = x - __builtin_convertvector(left, simd_float), fy = y - __builtin_convertvector(top, simd_float);
  int stride = job->width * 3;
  simd_int offset = top * stride + left * 3;
  /* right neighbours are read one byte early and shifted: no load passes the end of the image */
  simd_int a = gather(job->x, offset), b = gather(job->x, offset + 2) >> 8;
  simd_int c = gather(job->x, offset + stride), d = gather(job->x, offset + (stride + 2)) >> 8;
  simd_int result = {0};
  for (int shift = 0; shift < 24; shift += 8) {
    simd_float upper = channel(a, shift), lower = channel(c, shift);
    upper += fx * (channel(b, shift) - upper);
    lower += fx * (channel(d, shift) - lower);
    result |= __builtin_convertvector(upper + fy * (lower - upper) + 0.5f, simd_int) << shift;
  }
  return result;
}

void SIMD(warp_pixels)(const warp_row *job, unsigned char *y) {
  float right = (float)(job->width - 1), bottom = (float)(job->height - 1);
  bool nearest = job->fill == SCION_FILL_NEAREST;
  simd_float lanes;
  for (int lane = 0; lane < SIMD_WIDTH; lane++) lanes[lane] = (float)lane;
  int i = 0;
  for (; i + SIMD_WIDTH <= job->width && job->width > 1 && job->height > 1; i += SIMD_WIDTH) {
    simd_float along = lanes + (float)i;
    simd_float sx = job->source_x + along * job->step_x, sy = job->source_y + along * job->step_y;
    if (nearest) {
      sx = simd_min(simd_max(sx, simd_set(0)), simd_set(right));
      sy = simd_min(simd_max(sy, simd_set(0)), simd_set(bottom));
    } else if (!all_inside(sx, right) || !all_inside(sy, bottom)) {
      for (int lane = 0; lane < SIMD_WIDTH; lane++) warp_pixel(job, sx[lane], sy[lane], y + 3 * (i + lane));
      continue;
    }
    uint32_t pixels[SIMD_WIDTH];
    simd_int blended = blend(job, sx, sy);
    memcpy(pixels, &blended, sizeof pixels);
    for (int lane = 0; lane < SIMD_WIDTH - 1; lane++) memcpy(y + 3 * (i + lane), &pixels[lane], 4); /* the next mends the fourth */
    memcpy(y + 3 * (i + SIMD_WIDTH - 1), &pixels[SIMD_WIDTH - 1], 3);
  }
  for (; i < job->width; i++)
    warp_pixel(job, job->source_x + (float)i * job->step_x, job->source_y + (float)i * job->step_y, y + 3 * i);
}
