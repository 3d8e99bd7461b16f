/* The rows of the left side, as pointers to the values under the taps; for inclusion by the *_simd.c files of the convolution. */
#ifndef SCION_CONV2D_ROWS_H
#define SCION_CONV2D_ROWS_H

#include "conv2d_gather.h"

#define CONV2D_SHORT 16 /* channels: of fewer, the taps of a row of the window are one piece, or all are gathered */
#define CONV2D_PIECES (CONV2D_DEPTH / CONV2D_SHORT + 2)
#define CONV2D_SHORT_PIECES (CONV2D_DEPTH / CONV2D_SHORT) /* whole ones, with room for a part at either end */

/* A part of the depth: `length` values of one tap each, which lie together, for every pixel of a block. */
typedef struct {
  int count;
  int64_t length[CONV2D_PIECES];
  const float *rows[CONV2D_PIECES][CONV2D_BLOCK + 1]; /* and the last again, as a tile fetches as many of the next */
  float gathered[CONV2D_BLOCK * CONV2D_PITCH];
} conv2d_rows;

/* Pixels first .. first+count-1 of one grid row, of whose source rows `row` is the one under the tap, or NULL outside. */
static void conv2d_point_along(const conv2d_source *s, const float *row, int64_t tap, int64_t j, int64_t count,
                               const float **out) {
  static const float few[CONV2D_DEPTH];
  const float *zeros = s->zeros ? s->zeros : few;
  int64_t at = j * s->step[1] + s->first[1] + tap * s->tap_step[1], step = s->step[1]; /* a column of the source */
  int64_t before = at < 0 ? scion_divide_up(-at, step) : 0, inside = at < s->size[1] ? (s->size[1] - at - 1) / step + 1 : 0;
  if (!row || before > count) before = count;
  if (inside < before) inside = before;
  if (inside > count) inside = count;
  for (int64_t p = 0; p < before; p++) out[p] = zeros;
  if (inside > before) row += (at + before * step) * s->stride;
  for (int64_t p = before; p < inside; p++) out[p] = row + (p - before) * step * s->stride;
  for (int64_t p = inside; p < count; p++) out[p] = zeros;
}

/* Tap number `tap`, its values from channel `offset` on, for grid pixels first .. first+count-1. */
static void conv2d_point(const conv2d_source *s, int64_t tap, int64_t offset, int64_t first, int64_t count,
                         const float **out) {
  int64_t j = first % s->grid[1], i = first / s->grid[1] % s->grid[0], n = first / s->grid[1] / s->grid[0];
  int64_t r = tap / s->taps[1], c = tap % s->taps[1];
  for (int64_t p = 0, run; p < count; p += run, j = 0) {
    run = s->grid[1] - j < count - p ? s->grid[1] - j : count - p;
    int64_t h = i * s->step[0] + s->first[0] + r * s->tap_step[0];
    bool inside = h >= 0 && h < s->size[0];
    conv2d_point_along(s, inside ? s->data + (n * s->size[0] + h) * s->size[1] * s->stride + offset : NULL, c, j,
                       run, out + p);
    if (++i == s->grid[0]) i = 0, n++;
  }
}

/* All taps of images with few channels, those of each row of the window together; pixels whose window reaches out of the image are
 * gathered. */
static void conv2d_point_windows(const conv2d_source *s, int64_t first, int64_t count, conv2d_rows *rows) {
  int64_t j = first % s->grid[1], i = first / s->grid[1] % s->grid[0], n = first / s->grid[1] / s->grid[0];
  int64_t run = s->taps[1] * s->channels, limit = s->size[1] * s->stride, down = s->tap_step[0] * limit;
  for (int64_t p = 0; p < count; p++) {
    int64_t top = i * s->step[0] + s->first[0], left = (j * s->step[1] + s->first[1]) * s->stride;
    bool inside = top >= 0 && top + (s->taps[0] - 1) * s->tap_step[0] < s->size[0] && left >= 0 && left + run <= limit;
    float *gathered = rows->gathered + p * CONV2D_PITCH;
    const float *from = inside ? s->data + (n * s->size[0] + top) * limit + left : gathered;
    if (!inside) conv2d_gather(s, first + p, 1, 0, run * s->taps[0], gathered);
    for (int64_t r = 0; r < s->taps[0]; r++) rows->rows[r][p] = from + r * (inside ? down : run);
    if (++j == s->grid[1]) {
      j = 0;
      if (++i == s->grid[0]) i = 0, n++;
    }
  }
  rows->count = (int)s->taps[0];
  for (int64_t r = 0; r < s->taps[0]; r++) rows->length[r] = run;
}

/* Points to them, or gathers where pieces would be too short. Pointers serve all bundles, what is gathered only the first. */
static void conv2d_point_depth(const conv2d_source *s, int64_t first, int64_t count, int64_t k0, int64_t k1, bool bundled, conv2d_rows *rows) {
  rows->count = 0;
  bool near = s->channels < CONV2D_SHORT && !bundled, joined = s->tap_step[1] == 1 && s->stride == s->channels; /* taps side by side lie so in memory, too */
  if (near && joined && k1 - k0 == s->taps[0] * s->taps[1] * s->channels && s->taps[0] <= CONV2D_PIECES) {
    conv2d_point_windows(s, first, count, rows);
    return;
  }
  if (near) {
    conv2d_gather(s, first, count, k0, k1, rows->gathered);
    for (int64_t p = 0; p < count; p++) rows->rows[0][p] = rows->gathered + p * CONV2D_PITCH;
    rows->length[rows->count++] = k1 - k0;
    return;
  }
  for (int64_t k = k0, length; k < k1; k += length) {
    int64_t left = s->channels - k % s->channels;
    length = left < k1 - k ? left : k1 - k;
    conv2d_point(s, k / s->channels, k % s->channels, first, count, rows->rows[rows->count]);
    rows->length[rows->count++] = length;
  }
}

/* The values k0 .. k1-1 of taps x channels for grid pixels first .. first+count-1. */
static inline void conv2d_find_rows(const conv2d_source *s, int64_t first, int64_t count, int64_t k0, int64_t k1, bool bundled,
                                    conv2d_rows *rows) {
  conv2d_point_depth(s, first, count, k0, k1, bundled, rows);
  for (int piece = 0; piece < rows->count; piece++) rows->rows[piece][count] = rows->rows[piece][count - 1];
}

#endif
