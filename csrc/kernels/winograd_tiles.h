/* Tiles of pixels and their points; for inclusion by the *_simd.c files of minimal filtering. */
#ifndef SCION_WINOGRAD_TILES_H
#define SCION_WINOGRAD_TILES_H

#include "winograd.h"

#include "conv2d_gather.h"
#include "loops.h"

#define UNROLL _Pragma("GCC unroll 10")

/* The inputs of a line become their polynomial's values at the points: of a pair +-p, even + odd and even - odd. pairs is a
 * constant where this is inlined. */
SIMD_INLINE void to_points(const winograd_axis *a, simd_float *x, const int pairs) {
  if (pairs == 0) return;
  const int last = 2 * pairs + 1;
  simd_float y[WINOGRAD_MOST];
  y[0] = x[last - 1], y[last] = x[last];
  UNROLL for (int j = 0; j < pairs; j++) y[0] += a->all[j] * x[2 * j], y[last] += a->all[j] * x[2 * j + 1];
  UNROLL for (int k = 0; k < pairs; k++) {
    simd_float even = x[last - 1], odd = x[last - 2];
    UNROLL for (int j = 0; j < pairs - 1; j++) even += a->each[k][j] * x[2 * j + 2], odd += a->each[k][j] * x[2 * j + 1];
    y[2 * k + 1] = even + a->p[k] * odd, y[2 * k + 2] = even - a->p[k] * odd;
  }
  UNROLL for (int j = 0; j <= last; j++) x[j] = y[j];
}

/* Where a tile begins: its first output, how many lie inside, and its first input, which may lie in the padding. */
typedef struct {
  int64_t image, row, column, rows, columns, top, left;
} place;

static place find_tile(const winograd_job *w, int64_t tile) {
  place at = {.image = tile / w->tiles[1] / w->tiles[0]};
  at.row = tile / w->tiles[1] % w->tiles[0] * w->axis[0].outputs;
  at.column = tile % w->tiles[1] * w->axis[1].outputs;
  at.rows = w->y_size[0] - at.row < w->axis[0].outputs ? w->y_size[0] - at.row : w->axis[0].outputs;
  at.columns = w->y_size[1] - at.column < w->axis[1].outputs ? w->y_size[1] - at.column : w->axis[1].outputs;
  at.top = at.row - w->before[0], at.left = at.column - w->before[1];
  return at;
}

/* A tile whose pixels lie `down` and `right` floats apart to v[position][channels], positions `pitch` floats apart. */
SIMD_INLINE void transform_tile(const winograd_job *w, const float *x, int64_t down, int64_t right, float *v, int64_t pitch,
                                const int pairs0, const int pairs1) {
  const int rows = pairs0 ? 2 * pairs0 + 2 : 1, columns = pairs1 ? 2 * pairs1 + 2 : 1;
  const winograd_axis a = w->axis[0], b = w->axis[1];
  for (int64_t c = 0; c < w->x.channels; c += SIMD_WIDTH) {
    simd_float t[WINOGRAD_MOST][WINOGRAD_MOST], line[WINOGRAD_MOST];
    UNROLL for (int j = 0; j < columns; j++) {
      const float *from = x + j * right + c;
      UNROLL for (int i = 0; i < rows; i++, from += down) line[i] = simd_load(from);
      to_points(&a, line, pairs0);
      UNROLL for (int i = 0; i < rows; i++) t[i][j] = line[i];
    }
    float *to = v + c;
    UNROLL for (int i = 0; i < rows; i++) {
      to_points(&b, t[i], pairs1);
      UNROLL for (int j = 0; j < columns; j++, to += pitch) simd_store(to, t[i][j]);
    }
  }
}

/* Rows x columns of an image from (top, left) on, which may lie in the padding, as whole vectors of channels. */
static void copy_tile(const winograd_image *image, int64_t n, int64_t top, int64_t left, int rows, int columns, float *out) {
  int64_t padded = conv2d_padded(image->channels);
  for (int i = 0; i < rows; i++)
    for (int j = 0; j < columns; j++, out += padded) {
      int64_t row = top + i, column = left + j;
      bool inside = row >= 0 && row < image->size[0] && column >= 0 && column < image->size[1];
      if (inside)
        conv2d_copy(out, image->data + ((n * image->size[0] + row) * image->size[1] + column) * image->stride, image->channels);
      int64_t end = inside ? image->channels : 0;
      memset(out + end, 0, (size_t)(padded - end) * sizeof(float));
    }
}

/* Where the pixels of a tile begin, `down` and `right` floats apart: in the image, or in the copy if they do not all lie inside or
 * channels do not fill their vectors. */
SIMD_INLINE const float *find_pixels(const winograd_image *image, int64_t n, int64_t top, int64_t left, int rows, int columns, float *copy,
                                     int64_t *down, int64_t *right) {
  int64_t padded = conv2d_padded(image->channels);
  if (image->channels == padded && top >= 0 && left >= 0 && top + rows <= image->size[0] && left + columns <= image->size[1]) {
    *right = image->stride, *down = image->size[1] * image->stride;
    return image->data + (n * image->size[0] + top) * *down + left * *right;
  }
  copy_tile(image, n, top, left, rows, columns, copy);
  *right = padded, *down = columns * padded;
  return copy;
}

SIMD_INLINE void transform_tiles(const winograd_job *w, int64_t first, int64_t count, float *v, float *copy, const int pairs0,
                                 const int pairs1) {
  int64_t padded = conv2d_padded(w->x.channels), pitch = winograd_pitch(w->block, padded), down, right;
  for (int64_t t = 0; t < count; t++) {
    place at = find_tile(w, first + t);
    const float *x = find_pixels(&w->x, at.image, at.top, at.left, w->axis[0].positions, w->axis[1].positions, copy, &down, &right);
    transform_tile(w, x, down, right, v + t * padded, pitch, pairs0, pairs1);
  }
}

/* The transforms are compiled for each kind of window, by its pairs along both axes, which their names end with. */
#define EACH_WINDOW(define) define(2, 2) define(0, 2) define(2, 0) define(0, 4) define(4, 0)
#define CALL_WINDOW(call, ...)                       \
  switch (w->axis[0].pairs * 8 + w->axis[1].pairs) { \
    case 2 * 8 + 2: call##22(__VA_ARGS__); break;    \
    case 2: call##02(__VA_ARGS__); break;            \
    case 2 * 8: call##20(__VA_ARGS__); break;        \
    case 4: call##04(__VA_ARGS__); break;            \
    default: call##40(__VA_ARGS__);                  \
  }

#define TRANSFORM(pairs0, pairs1)                                                                                       \
  static __attribute__((noinline)) void transform_##pairs0##pairs1(const winograd_job *w, int64_t first, int64_t count, \
                                                                   float *v, float *copy) {                             \
    transform_tiles(w, first, count, v, copy, pairs0, pairs1);                                                          \
  }
EACH_WINDOW(TRANSFORM)

#endif
