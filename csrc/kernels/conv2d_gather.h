/* Gathers what lies under the taps into scratch; for inclusion by the *_simd.c files of the convolution. */
#ifndef SCION_CONV2D_GATHER_H
#define SCION_CONV2D_GATHER_H

#include <string.h>

#include "conv2d_internal.h"

/* Copies at least one float; reads not a byte more, writes at most n. */
static inline void conv2d_copy(float *out, const float *in, int64_t n) {
  if (n >= SIMD_WIDTH) {
    int64_t i = 0;
    for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) simd_store(out + i, simd_load(in + i));
    if (i < n) simd_store(out + n - SIMD_WIDTH, simd_load(in + n - SIMD_WIDTH));
  } else if (n >= 8) {
    memcpy(out, in, 32);
    memcpy(out + n - 8, in + n - 8, 32);
  } else if (n >= 4) {
    memcpy(out, in, 16);
    memcpy(out + n - 4, in + n - 4, 16);
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = in[i];
  }
}

/* Writes whole vectors: up to SIMD_WIDTH - 1 floats past the end. */
static inline void conv2d_clear(float *out, int64_t n) {
  for (int64_t i = 0; i < n; i += SIMD_WIDTH) simd_store(out + i, (simd_float){0});
}

/* The floats [at, at + n) of an image row that has `limit` floats, zeros outside. */
static inline void conv2d_copy_clipped(float *out, const float *row, int64_t at, int64_t n, int64_t limit) {
  int64_t before = at < 0 ? (-at < n ? -at : n) : 0;
  int64_t after = at + n > limit ? (at + n - limit < n ? at + n - limit : n) : 0;
  conv2d_clear(out, before);
  if (before + after < n) conv2d_copy(out + before, row + at + before, n - before - after);
  conv2d_clear(out + n - after, after);
}

/* Rows [pixel] x CONV2D_PITCH: the values k0 .. k1-1 of taps x channels for grid pixels first .. first+count-1. Taps that are
 * neighbours in memory, too, are one run. */
static inline void conv2d_gather(const conv2d_source *s, int64_t first, int64_t count, int64_t k0, int64_t k1, float *out) {
  bool joined = s->tap_step[1] == 1 && s->stride == s->channels;
  int64_t run = joined ? s->taps[1] * s->channels : s->channels, runs = joined ? 1 : s->taps[1];
  int64_t limit = s->size[1] * s->stride, image = s->size[0] * limit;
  int64_t j = first % s->grid[1], i = first / s->grid[1] % s->grid[0], n = first / s->grid[1] / s->grid[0];
  int64_t tap_row = k0 / run / runs, tap_column = k0 / run % runs, tap_offset = k0 % run;
  for (int64_t p = 0; p < count; p++, out += CONV2D_PITCH) {
    int64_t r = tap_row, c = tap_column, offset = tap_offset;
    for (int64_t k = k0; k < k1; offset = 0) {
      int64_t length = run - offset < k1 - k ? run - offset : k1 - k;
      int64_t h = i * s->step[0] + s->first[0] + r * s->tap_step[0];
      int64_t at = (j * s->step[1] + s->first[1] + c * s->tap_step[1]) * s->stride + offset;
      if (h < 0 || h >= s->size[0])
        conv2d_clear(out + k - k0, length);
      else
        conv2d_copy_clipped(out + k - k0, s->data + n * image + h * limit, at, length, limit);
      k += length;
      if (++c == runs) c = 0, r++;
    }
    if (++j == s->grid[1]) {
      j = 0;
      if (++i == s->grid[0]) i = 0, n++;
    }
  }
}

#endif
