/* Gaussian blur: across the rows, then down the columns, in floats in between. */
#include "kernels.h"
#include "ops.h"

#include <math.h>
#include <string.h>

static void fill_weights(float *weights, int size, double sigma) {
  double sum = 0, half = (size - 1) / 2;
  for (int t = 0; t < size; t++) sum += exp(-0.5 * (t - half) * (t - half) / (sigma * sigma));
  for (int t = 0; t < size; t++) weights[t] = (float)(exp(-0.5 * (t - half) * (t - half) / (sigma * sigma)) / sum);
}

/* Where position i, which may lie outside, is found in an image of n that is mirrored at its edges again and again. */
static int mirrored(int64_t i, int n) {
  if (n == 1) return 0;
  int64_t period = 2 * ((int64_t)n - 1), at = i % period;
  if (at < 0) at += period;
  return (int)(at < n ? at : period - at);
}

/* The memory of one blur, cut from one piece. */
typedef struct {
  const float **rows;
  float *weights;
  float *padded, *line; /* one row, with its edges mirrored; one row of the result */
  float *ring;          /* `size` rows that went across: row r is r % size */
} workspace;

static size_t blocks(size_t floats) { return scion_divide_up(floats, OPS_BLUR_BLOCK) * OPS_BLUR_BLOCK; }

static scion_status reserve(workspace *w, int width, int size, image_buffer *work) {
  size_t n = (size_t)size, row = blocks((size_t)width * 3), padded = row + 3 * (n - 1), pointers = n * sizeof *w->rows;
  size_t bytes = pointers + (n + padded + row + n * row) * sizeof(float);
  scion_status status = image_buffer_reserve(work, bytes);
  if (status != SCION_OK) return status;
  memset(work->data, 0, bytes); /* what is read behind a row is a number */
  w->rows = (const float **)(void *)work->data;
  w->weights = (float *)(void *)(work->data + pointers);
  w->padded = w->weights + n;
  w->line = w->padded + padded;
  w->ring = w->line + row;
  return SCION_OK;
}

static void across(const unsigned char *x, int width, int size, workspace *w, float *y) {
  int half = size / 2;
  float *inside = w->padded + 3 * half, *end = inside + 3 * (ptrdiff_t)width;
  SIMD_CHOOSE(ops_to_floats)(x, inside, 3 * (ptrdiff_t)width);
  for (int i = 1; i <= half; i++) {
    memcpy(inside - 3 * i, inside + 3 * (ptrdiff_t)mirrored(-i, width), 3 * sizeof *inside);
    memcpy(end + 3 * (i - 1), inside + 3 * (ptrdiff_t)mirrored((int64_t)width - 1 + i, width), 3 * sizeof *inside);
  }
  for (int t = 0; t < size; t++) w->rows[t] = w->padded + 3 * t;
  SIMD_CHOOSE(ops_blur)(w->rows, w->weights, size, y, 3 * (ptrdiff_t)width);
}

scion_status image_op_gaussian_blur(unsigned char *pixels, int height, int width, int size, double sigma, image_buffer *work) {
  workspace w;
  ptrdiff_t bytes = (ptrdiff_t)width * 3, row = (ptrdiff_t)blocks((size_t)bytes);
  scion_status status = reserve(&w, width, size, work);
  if (status != SCION_OK) return status;
  fill_weights(w.weights, size, sigma);
  for (int next = 0, r = 0; r < height; r++) {
    for (; next < height && next <= r + size / 2; next++) across(pixels + next * bytes, width, size, &w, w.ring + next % size * row);
    for (int t = 0; t < size; t++) w.rows[t] = w.ring + mirrored((int64_t)r + t - size / 2, height) % size * row;
    SIMD_CHOOSE(ops_blur)(w.rows, w.weights, size, w.line, bytes);
    SIMD_CHOOSE(ops_to_bytes)(w.line, pixels + r * bytes, bytes);
  }
  return SCION_OK;
}
