/* Activations, softmax, scale and shift. */
#include "kernels/reference/reference.h"

#include <math.h>

real reference_activate(real x, scion_activation activation) {
  switch (activation) {
    case SCION_RELU: return x > 0 ? x : 0;
    case SCION_RELU6: return x > 6 ? 6 : x > 0 ? x : 0;
    case SCION_SIGMOID: return (real)(1 / (1 + exp(-(double)x)));
    case SCION_TANH: return (real)tanh((double)x);
    default: return x;
  }
}

void reference_activation_backward(const real *y, const real *dy, real *dx, int64_t n, scion_activation activation) {
  for (int64_t i = 0; i < n; i++) {
    real slope = 1;
    if (activation == SCION_RELU) slope = y[i] > 0;
    if (activation == SCION_RELU6) slope = y[i] > 0 && y[i] < 6;
    if (activation == SCION_SIGMOID) slope = y[i] * (1 - y[i]);
    if (activation == SCION_TANH) slope = 1 - y[i] * y[i];
    dx[i] = dy[i] * slope;
  }
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
