/* Layer norm and PReLU. */
#include "kernels/reference/reference.h"

#include <math.h>

static double moments(const real *x, int64_t width, double epsilon, double *mean) {
  double variance = 0;
  *mean = 0;
  for (int64_t c = 0; c < width; c++) *mean += (double)x[c] / (double)width;
  for (int64_t c = 0; c < width; c++) variance += ((double)x[c] - *mean) * ((double)x[c] - *mean) / (double)width;
  return 1 / sqrt(variance + epsilon);
}

void reference_layer_norm(const real *x, const real *gamma, const real *beta, real *y, int64_t rows, int64_t width, double epsilon) {
  for (int64_t r = 0; r < rows; r++) {
    double mean, rstd = moments(x + r * width, width, epsilon, &mean);
    for (int64_t c = 0; c < width; c++) y[r * width + c] = (x[r * width + c] - (real)mean) * (real)rstd * (gamma ? gamma[c] : 1) + (beta ? beta[c] : 0);
  }
}

void reference_layer_norm_backward(const real *x, const real *dy, const real *gamma, real *dx, real *dgamma, real *dbeta, int64_t rows,
                                   int64_t width, double epsilon) {
  for (int64_t c = 0; c < width; c++) dgamma[c] = dbeta[c] = 0;
  for (int64_t r = 0; r < rows; r++) {
    const real *xs = x + r * width, *dys = dy + r * width;
    double mean, rstd = moments(xs, width, epsilon, &mean), level = 0, slope = 0;
    for (int64_t c = 0; c < width; c++) {
      double g = (double)dys[c] * (gamma ? (double)gamma[c] : 1), normal = ((double)xs[c] - mean) * rstd;
      level += g / (double)width, slope += g * normal / (double)width;
      dgamma[c] += dys[c] * (real)normal, dbeta[c] += dys[c];
    }
    for (int64_t c = 0; c < width; c++) {
      double g = (double)dys[c] * (gamma ? (double)gamma[c] : 1);
      dx[r * width + c] = (real)(rstd * (g - level - ((double)xs[c] - mean) * rstd * slope));
    }
  }
}

void reference_prelu(const real *x, const real *slope, real *y, int64_t n, int64_t slopes) {
  for (int64_t i = 0; i < n; i++) y[i] = x[i] > 0 ? x[i] : x[i] * slope[i % slopes];
}

void reference_prelu_backward(const real *x, const real *dy, const real *slope, real *dx, real *dslope, int64_t n, int64_t slopes) {
  for (int64_t i = 0; i < slopes; i++) dslope[i] = 0;
  for (int64_t i = 0; i < n; i++) {
    dx[i] = dy[i] * (x[i] > 0 ? 1 : slope[i % slopes]);
    if (x[i] <= 0) dslope[i % slopes] += dy[i] * x[i];
  }
}
