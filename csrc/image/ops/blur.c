/* Gaussian blur: down the columns, then across the rows, in floats in between. */
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

scion_status image_op_gaussian_blur(unsigned char *pixels, int height, int width, int size, double sigma, image_buffer *work) {
  size_t bytes = (size_t)width * 3, half = (size_t)size / 2, padded = bytes + 6 * half, count = (size_t)size;
  size_t room = count * (sizeof(unsigned char *) + sizeof(float)) + padded * sizeof(float);
  scion_status status = image_buffer_reserve(work, room + (size_t)height * bytes);
  if (status != SCION_OK) return status;
  const unsigned char **rows = (const unsigned char **)(void *)work->data;
  float *weights = (float *)(void *)(rows + size), *middle = weights + size, *inside = middle + 3 * half;
  unsigned char *x = memcpy(work->data + room, pixels, (size_t)height * bytes);
  fill_weights(weights, size, sigma);
  for (int row = 0; row < height; row++) {
    for (int t = 0; t < size; t++) rows[t] = x + (size_t)mirrored((int64_t)row + t - size / 2, height) * bytes;
    SIMD_CHOOSE(ops_blur_down)(rows, weights, size, inside, (ptrdiff_t)bytes);
    for (int i = 1; i <= size / 2; i++) {
      memcpy(inside - 3 * i, inside + 3 * mirrored(-i, width), 3 * sizeof(float));
      memcpy(inside + bytes + 3 * (i - 1), inside + 3 * mirrored((int64_t)width - 1 + i, width), 3 * sizeof(float));
    }
    SIMD_CHOOSE(ops_blur_across)(middle, weights, size, pixels + (size_t)row * bytes, (ptrdiff_t)bytes);
  }
  return SCION_OK;
}
