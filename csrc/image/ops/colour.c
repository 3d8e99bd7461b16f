/* Changes of colours that look at one pixel at a time, and matrices that several of them become. */
#include "kernels.h"
#include "ops.h"

#include <string.h>

static ptrdiff_t pixels_of(int height, int width) { return (ptrdiff_t)height * width; }

void image_op_gray(unsigned char *pixels, int height, int width) { SIMD_CHOOSE(ops_gray)(pixels, pixels_of(height, width)); }

void image_op_hue(unsigned char *pixels, int height, int width, double fraction) {
  SIMD_CHOOSE(ops_hue)(pixels, pixels_of(height, width), (int)(fraction * 255) & 255);
}

/* ---- matrices */

static const double luma[3] = {0.299, 0.587, 0.114};

void image_colour_identity(float m[12]) {
  for (int i = 0; i < 12; i++) m[i] = i % 5 == 0;
}

/* Between the rows of m and one row: factor 0 gives the row, 1 m. */
static void blend_rows(float m[12], const double row[4], double factor) {
  for (int i = 0; i < 12; i++) m[i] = (float)(row[i % 4] + factor * (m[i] - row[i % 4]));
}

void image_colour_brightness(float m[12], double factor) { blend_rows(m, (const double[4]){0}, factor); }

void image_colour_contrast(float m[12], double factor, double mean) { blend_rows(m, (const double[4]){0, 0, 0, mean}, factor); }

void image_colour_saturation(float m[12], double factor) {
  double row[4];
  for (int i = 0; i < 4; i++) row[i] = luma[0] * m[i] + luma[1] * m[4 + i] + luma[2] * m[8 + i];
  blend_rows(m, row, factor);
}

void image_colour_gray(float m[12]) { image_colour_saturation(m, 0); }

double image_colour_mean(const unsigned char *pixels, int height, int width, const float m[12]) {
  double count = (double)height * width, mean = 0;
  int64_t sums[4];
  SIMD_CHOOSE(ops_sums)(pixels, pixels_of(height, width), sums);
  if (!m) return (double)sums[3] / count;
  for (int c = 0; c < 3; c++) {
    double value = m[4 * c + 3];
    for (int k = 0; k < 3; k++) value += m[4 * c + k] * (double)sums[k] / count;
    mean += luma[c] * value;
  }
  return mean;
}

void image_colour_apply(unsigned char *pixels, int height, int width, const float m[12]) {
  SIMD_CHOOSE(ops_matrix)(pixels, pixels_of(height, width), m);
}
