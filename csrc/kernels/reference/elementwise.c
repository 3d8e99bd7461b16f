/* Activations, softmax, scale and shift. */
#include "kernels/reference/reference.h"

#include <math.h>

static double sigmoid(double x) { return 1 / (1 + exp(-x)); }

static double ramp(double x) { return x <= -3 ? 0 : x >= 3 ? 1 : x / 6 + 0.5; }

static double below(double x) { return erfc(-x / sqrt(2)) / 2; } /* the normal distribution's share */

static double inner(double x) { return sqrt(2 / M_PI) * (x + 0.044715 * x * x * x); }

real reference_activate(real x, scion_activation activation) {
  switch (activation) {
    case SCION_RELU: return x > 0 ? x : 0;
    case SCION_RELU6: return x > 6 ? 6 : x > 0 ? x : 0;
    case SCION_SIGMOID: return (real)sigmoid((double)x);
    case SCION_TANH: return (real)tanh((double)x);
    case SCION_SWISH: return x * (real)sigmoid((double)x);
    case SCION_HARD_SWISH: return x * (real)ramp((double)x);
    case SCION_HARD_SIGMOID: return (real)ramp((double)x);
    case SCION_GELU: return x * (real)below((double)x);
    case SCION_GELU_TANH: return x / 2 * (real)(1 + tanh(inner((double)x)));
    default: return x;
  }
}

static double slope(double v, scion_activation activation) {
  double s = sigmoid(v), t = tanh(inner(v)), bent = v > -3 && v < 3;
  switch (activation) {
    case SCION_RELU: return v > 0;
    case SCION_RELU6: return v > 0 && v < 6;
    case SCION_SIGMOID: return v * (1 - v);
    case SCION_TANH: return 1 - v * v;
    case SCION_SWISH: return s + v * s * (1 - s);
    case SCION_HARD_SWISH: return ramp(v) + v * bent / 6;
    case SCION_HARD_SIGMOID: return bent / 6;
    case SCION_GELU: return below(v) + v * exp(-v * v / 2) / sqrt(2 * M_PI);
    case SCION_GELU_TANH: return (1 + t) / 2 + v / 2 * (1 - t * t) * sqrt(2 / M_PI) * (1 + 3 * 0.044715 * v * v);
    default: return 1;
  }
}

void reference_activation_backward(const real *v, const real *dy, real *dx, int64_t n, scion_activation activation) {
  for (int64_t i = 0; i < n; i++) dx[i] = dy[i] * (real)slope((double)v[i], activation);
}

void reference_softmax(const real *x, real *y, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++) {
    real sum = 0;
    for (int64_t c = 0; c < width; c++) sum += y[r * width + c] = (real)exp((double)x[r * width + c]);
    for (int64_t c = 0; c < width; c++) y[r * width + c] /= sum;
  }
}

void reference_softmax_backward(const real *y, const real *dy, real *dx, int64_t rows, int64_t width) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < width; c++) {
      real sum = 0; /* of the row of the Jacobian, y_c * ((c == k) - y_k) */
      for (int64_t k = 0; k < width; k++) sum += dy[r * width + k] * y[r * width + c] * ((c == k) - y[r * width + k]);
      dx[r * width + c] = sum;
    }
}

void reference_scale_shift(const real *x, const real *scale, const real *shift, real *y, int64_t rows, int64_t width,
                           scion_activation activation) {
  for (int64_t i = 0; i < rows * width; i++)
    y[i] = reference_activate(x[i] * (scale ? scale[i % width] : 1) + (shift ? shift[i % width] : 0), activation);
}
