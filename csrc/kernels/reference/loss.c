/* Losses. */
#include "kernels/reference/reference.h"

#include <math.h>

void reference_softmax_cross_entropy(const real *x, const int32_t *labels, const real *weights, real *losses, real *dx,
                                     int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    real sum = 0, weight = weights ? weights[r] : 1;
    for (int64_t c = 0; c < width; c++) sum += (real)exp((double)x[r * width + c]);
    losses[r] = -weight * (real)log(exp((double)x[r * width + labels[r]]) / (double)sum);
    for (int64_t c = 0; c < width; c++)
      dx[r * width + c] = weight * ((real)exp((double)x[r * width + c]) / sum - (c == labels[r])) / (real)rows;
  }
}

void reference_softmax_cross_entropy_soft(const real *x, const real *targets, const real *weights, real *losses, real *dx,
                                          int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    real sum = 0, total = 0, weight = weights ? weights[r] : 1;
    for (int64_t i = r * width; i < (r + 1) * width; i++) sum += (real)exp((double)x[i]), total += targets[i];
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real p = (real)exp((double)x[i]) / sum;
      losses[r] -= weight * targets[i] * (real)log((double)p);
      dx[i] = weight * (p * total - targets[i]) / (real)rows;
    }
  }
}

void reference_sigmoid_cross_entropy(const real *x, const real *targets, const real *weights, real *losses, real *dx,
                                     int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real p = (real)(1 / (1 + exp(-(double)x[i]))), share = (weights ? weights[r] : 1) / (real)width;
      losses[r] -= share * (targets[i] * (real)log((double)p) + (1 - targets[i]) * (real)log((double)(1 - p)));
      dx[i] = share * (p - targets[i]) / (real)rows;
    }
  }
}

void reference_mean_squared_error(const real *x, const real *targets, const real *weights, real *losses, real *dx, int64_t rows,
                                  int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real share = (weights ? weights[r] : 1) / (real)width;
      losses[r] += share * (x[i] - targets[i]) * (x[i] - targets[i]);
      dx[i] = share * 2 * (x[i] - targets[i]) / (real)rows;
    }
  }
}
