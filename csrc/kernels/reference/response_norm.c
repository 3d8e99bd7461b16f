/* Local response normalization. */
#include "kernels/reference/reference.h"

#include <math.h>

static double base(const real *x, int64_t c, int64_t width, int size, double alpha, double k) {
  double sum = 0;
  for (int64_t i = 0; i < width; i++)
    if (i >= c - size / 2 && i <= c + (size - 1) / 2) sum += (double)(x[i] * x[i]);
  return k + alpha / size * sum;
}

void reference_response_norm(const real *x, real *y, int64_t rows, int64_t width, int size, double alpha, double beta, double k) {
  for (int64_t i = 0; i < rows * width; i++)
    y[i] = (real)((double)x[i] * pow(base(x + i / width * width, i % width, width, size, alpha, k), -beta));
}

void reference_response_norm_backward(const real *x, const real *dy, real *dx, int64_t rows, int64_t width, int size, double alpha,
                                      double beta, double k) {
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < width; c++) {
      const real *row = x + r * width;
      double sum = (double)dy[r * width + c] * pow(base(row, c, width, size, alpha, k), -beta);
      for (int64_t i = 0; i < width; i++) /* outputs whose window holds c */
        if (c >= i - size / 2 && c <= i + (size - 1) / 2)
          sum -= (double)dy[r * width + i] * (double)row[i] * beta * pow(base(row, i, width, size, alpha, k), -beta - 1) * alpha / size * 2 *
                 (double)row[c];
      dx[r * width + c] = (real)sum;
    }
}
