/* Layer norm, row by row. */
#include <math.h>

#include "loops.h"

#define SPAN 1024 /* columns that are summed in f32, before their sum is added to a double */

typedef struct {
  const float *x, *dy, *gamma;
  float mean;
} norm_row;

typedef enum { VALUE, SQUARE, GRADIENT, PRODUCT } row_term;

/* x, (x - mean)^2, dy * gamma, or dy * gamma * (x - mean), of n columns. */
SIMD_INLINE simd_float term_of(const norm_row *r, const row_term term, int64_t c, int64_t n) {
  simd_float x = simd_load_some(r->x + c, n), d = x - r->mean;
  if (term == VALUE) return x;
  if (term == SQUARE) return d * d;
  simd_float g = simd_load_some(r->dy + c, n);
  if (r->gamma) g *= simd_load_some(r->gamma + c, n);
  return term == GRADIENT ? g : g * d;
}

SIMD_INLINE double mean_of(const norm_row *r, const row_term term, int64_t width) {
  double total = 0;
  for (int64_t from = 0; from < width; from += SPAN) {
    int64_t to = width - from < SPAN ? width : from + SPAN, c = from;
    simd_float sum = {0};
    for (; c + SIMD_WIDTH <= to; c += SIMD_WIDTH) sum += term_of(r, term, c, SIMD_WIDTH);
    for (int i = 0; i < SIMD_WIDTH; i++) total += (double)sum[i];
    simd_float rest = c < to ? term_of(r, term, c, to - c) : (simd_float){0};
    for (int i = 0; i < to - c; i++) total += (double)rest[i];
  }
  return total / (double)width;
}

/* The row's mean into r, and 1 / sqrt(variance + epsilon). */
static float find_moments(norm_row *r, int64_t width, double epsilon) {
  r->mean = (float)mean_of(r, VALUE, width);
  return (float)(1 / sqrt(mean_of(r, SQUARE, width) + epsilon));
}

void SIMD(scion_loop_layer_norm)(const scion_block *k, const float *gamma, const float *beta, double epsilon) {
  for (int64_t i = 0; i < k->rows; i++) {
    norm_row r = {.x = k->a + i * k->a_stride};
    float rstd = find_moments(&r, k->width, epsilon), mean = r.mean, *y = k->y + i * k->y_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) y[c] = (r.x[c] - mean) * rstd * (gamma ? gamma[c] : 1) + (beta ? beta[c] : 0);
  }
}

void SIMD(scion_loop_layer_norm_backward)(const scion_block *k, const float *gamma, double epsilon, double *sums, int accumulate) {
  for (int64_t i = 0; i < k->rows; i++) {
    norm_row r = {.x = k->a + i * k->a_stride, .dy = k->b + i * k->b_stride, .gamma = gamma};
    float rstd = find_moments(&r, k->width, epsilon), mean = r.mean, *dx = k->y ? k->y + i * k->y_stride : NULL;
    if (dx) {
      float level = (float)mean_of(&r, GRADIENT, k->width), slope = (float)mean_of(&r, PRODUCT, k->width) * rstd * rstd;
      SIMD_LOOP
      for (int64_t c = 0; c < k->width; c++)
        dx[c] = (accumulate ? dx[c] : 0) + rstd * (r.dy[c] * (gamma ? gamma[c] : 1) - level - (r.x[c] - mean) * slope);
    }
    if (!sums) continue;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) {
      sums[c] += (double)r.dy[c];
      sums[k->width + c] += (double)(r.dy[c] * (r.x[c] - mean) * rstd);
    }
  }
}
