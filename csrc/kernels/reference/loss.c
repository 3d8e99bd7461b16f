/* Losses. */
#include "kernels/reference/reference.h"

#include <math.h>

void reference_softmax_cross_entropy_soft(const real *x, const real *targets, const real *weights, real smoothing, real *losses,
                                          real *dx, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    real sum = 0, total = 0, weight = weights ? weights[r] : 1;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      sum += (real)exp((double)x[i]), total += targets[i] * (1 - smoothing) + smoothing / (real)width;
    }
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real p = (real)exp((double)x[i]) / sum, target = targets[i] * (1 - smoothing) + smoothing / (real)width;
      losses[r] -= weight * target * (real)log((double)p);
      dx[i] = weight * (p * total - target) / (real)rows;
    }
  }
}

void reference_sigmoid_cross_entropy(const real *x, const real *targets, const real *weights, real smoothing, real *losses, real *dx,
                                     int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real p = (real)(1 / (1 + exp(-(double)x[i]))), share = (weights ? weights[r] : 1) / (real)width;
      real target = targets[i] * (1 - smoothing) + smoothing / 2;
      losses[r] -= share * (target * (real)log((double)p) + (1 - target) * (real)log((double)(1 - p)));
      dx[i] = share * (p - target) / (real)rows;
    }
  }
}

/* The gradient by the chain rule, from the derivatives of the loss by all probabilities. */
void reference_softmax_focal_soft(const real *x, const real *targets, const real *weights, real gamma, real alpha, real *losses, real *dx,
                                  int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    real sum = 0, mean = 0, weight = weights ? weights[r] : 1;
    for (int64_t i = r * width; i < (r + 1) * width; i++) sum += (real)exp((double)x[i]);
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real p = (real)exp((double)x[i]) / sum, rest = 1 - p, logarithm = (real)log((double)p);
      losses[r] -= weight * alpha * targets[i] * (real)pow((double)rest, (double)gamma) * logarithm;
      dx[i] = width == 1 ? 0 : -alpha * targets[i] * ((real)pow((double)rest, (double)gamma) / p -
                                                      gamma * (real)pow((double)rest, (double)gamma - 1) * logarithm);
      mean += p * dx[i];
    }
    for (int64_t i = r * width; i < (r + 1) * width; i++) dx[i] = weight * (real)exp((double)x[i]) / sum * (dx[i] - mean) / (real)rows;
  }
}

void reference_sigmoid_focal(const real *x, const real *targets, const real *weights, real gamma, real alpha, real beta, real *losses,
                             real *dx, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real t = targets[i], p = (real)(1 / (1 + exp(-(double)x[i]))), share = (weights ? weights[r] : 1) / (real)width;
      real entropy = -t * (real)log((double)p) - (1 - t) * (real)log((double)(1 - p)), right = p * t + (1 - p) * (1 - t);
      real factor = share * (alpha * t + beta * (1 - t));
      losses[r] += factor * (real)pow((double)(1 - right), (double)gamma) * entropy;
      real by_right = -gamma * (real)pow((double)(1 - right), (double)gamma - 1) * (2 * t - 1) * p * (1 - p);
      dx[i] = factor * ((real)pow((double)(1 - right), (double)gamma) * (p - t) + by_right * entropy) / (real)rows;
    }
  }
}

/* delta: that of Huber's loss; 0: squares; less: absolute values. */
void reference_distance(const real *x, const real *targets, const real *weights, real delta, real *losses, real *dx, int64_t rows,
                        int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    losses[r] = 0;
    for (int64_t i = r * width; i < (r + 1) * width; i++) {
      real share = (weights ? weights[r] : 1) / (real)width, d = x[i] - targets[i], sign = d > 0 ? 1 : d < 0 ? -1 : 0, size = d * sign;
      real value = delta == 0 ? d * d : delta < 0 ? size : size <= delta ? d * d / 2 : delta * size - delta * delta / 2;
      real slope = delta == 0 ? 2 * d : delta < 0 ? sign : size <= delta ? d : delta * sign;
      losses[r] += share * value;
      dx[i] = share * slope / (real)rows;
    }
  }
}
