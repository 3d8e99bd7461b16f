/* Batch norm. */
#include "kernels/reference/reference.h"

#include <math.h>
#include <stdlib.h>

void reference_moments(const real *x, int64_t rows, int64_t width, real *mean, real *variance) {
  for (int64_t c = 0; c < width; c++) {
    mean[c] = variance[c] = 0;
    for (int64_t r = 0; r < rows; r++) mean[c] += x[r * width + c] / (real)rows;
    for (int64_t r = 0; r < rows; r++) variance[c] += (x[r * width + c] - mean[c]) * (x[r * width + c] - mean[c]) / (real)rows;
  }
}

static real normal(const real *x, const real *mean, const real *variance, int64_t i, int64_t width, double epsilon) {
  return (x[i] - mean[i % width]) / (real)sqrt((double)variance[i % width] + epsilon);
}

void reference_batch_norm(const real *x, const real *gamma, const real *beta, const real *mean, const real *variance, real *y,
                          int64_t rows, int64_t width, double epsilon) {
  for (int64_t i = 0; i < rows * width; i++)
    y[i] = (gamma ? gamma[i % width] : 1) * normal(x, mean, variance, i, width, epsilon) + (beta ? beta[i % width] : 0);
}

void reference_batch_norm_parameters(const real *x, const real *dy, const real *mean, const real *variance, real *dgamma,
                                     real *dbeta, int64_t rows, int64_t width, double epsilon) {
  for (int64_t c = 0; c < width; c++) dgamma[c] = dbeta[c] = 0;
  for (int64_t i = 0; i < rows * width; i++) {
    dgamma[i % width] += dy[i] * normal(x, mean, variance, i, width, epsilon);
    dbeta[i % width] += dy[i];
  }
}

/* The paper's chain rule, section 3: by the normalized value, the variance, the mean, and then by x. */
void reference_batch_norm_batch_backward(const real *x, const real *dy, const real *gamma, real *dx, int64_t rows, int64_t width,
                                         double epsilon) {
  real *mean = malloc(sizeof(real) * (size_t)width), *variance = malloc(sizeof(real) * (size_t)width);
  if (mean && variance) reference_moments(x, rows, width, mean, variance);
  for (int64_t c = 0; mean && variance && c < width; c++) {
    real v = variance[c] + (real)epsilon, root = (real)sqrt((double)v), by_variance = 0, by_mean = 0;
    for (int64_t i = c; i < rows * width; i += width) {
      real by_normal = dy[i] * (gamma ? gamma[c] : 1);
      by_variance += by_normal * (x[i] - mean[c]) * (-1 / (2 * v * root));
      by_mean += -by_normal / root;
    }
    for (int64_t i = c; i < rows * width; i += width)
      dx[i] = dy[i] * (gamma ? gamma[c] : 1) / root + by_variance * 2 * (x[i] - mean[c]) / (real)rows + by_mean / (real)rows;
  }
  free(mean);
  free(variance);
}
