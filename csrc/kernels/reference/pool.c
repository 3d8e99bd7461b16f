/* Pooling. */
#include "kernels/reference/reference.h"

#include <string.h>

/* The index in x of tap (r, s) of the window at output (n, i, j), or -1 in the padding. */
static int64_t tap(const int64_t *x, const scion_window *k, int64_t n, int64_t i, int64_t j, int64_t c, int64_t r, int64_t s) {
  int64_t h = i * k->stride[0] + r * k->dilation[0] - k->before[0], w = j * k->stride[1] + s * k->dilation[1] - k->before[1];
  return h < 0 || w < 0 || h >= x[1] || w >= x[2] ? -1 : ((n * x[1] + h) * x[2] + w) * x[3] + c;
}

/* Splits output index o into n, i, j, c. */
static void position(const int64_t *y, int64_t o, int64_t at[4]) {
  at[3] = o % y[3], at[2] = o / y[3] % y[2], at[1] = o / y[3] / y[2] % y[1], at[0] = o / y[3] / y[2] / y[1];
}

static int64_t elements(const int64_t *shape) { return shape[0] * shape[1] * shape[2] * shape[3]; }

static int64_t first_maximum(const real *x, const int64_t *x_shape, const int64_t *y_shape, const scion_window *k, int64_t o) {
  int64_t best = -1, at[4];
  position(y_shape, o, at);
  for (int64_t r = 0; r < k->kernel[0]; r++)
    for (int64_t s = 0; s < k->kernel[1]; s++) {
      int64_t p = tap(x_shape, k, at[0], at[1], at[2], at[3], r, s);
      if (p >= 0 && (best < 0 || x[p] > x[best])) best = p;
    }
  return best;
}

void reference_max_pool(const real *x, const int64_t *x_shape, real *y, const int64_t *y_shape, const scion_window *window) {
  for (int64_t o = 0; o < elements(y_shape); o++) y[o] = x[first_maximum(x, x_shape, y_shape, window, o)];
}

void reference_max_pool_backward(const real *x, const real *dy, const int64_t *y_shape, real *dx, const int64_t *x_shape,
                                 const scion_window *window) {
  memset(dx, 0, sizeof *dx * (size_t)elements(x_shape));
  for (int64_t o = 0; o < elements(y_shape); o++) dx[first_maximum(x, x_shape, y_shape, window, o)] += dy[o];
}

/* The sum of a window of x and its number of pixels inside, or, where dx is not NULL, `add` added to each. */
static real window_sum(const real *x, real *dx, real add, const int64_t *x_shape, const int64_t *y_shape, const scion_window *k,
                       int64_t o, int64_t *inside) {
  int64_t at[4];
  real sum = 0;
  position(y_shape, o, at);
  *inside = 0;
  for (int64_t r = 0; r < k->kernel[0]; r++)
    for (int64_t s = 0; s < k->kernel[1]; s++) {
      int64_t p = tap(x_shape, k, at[0], at[1], at[2], at[3], r, s);
      if (p < 0) continue;
      ++*inside;
      if (x) sum += x[p];
      if (dx) dx[p] += add;
    }
  return sum;
}

void reference_average_pool(const real *x, const int64_t *x_shape, real *y, const int64_t *y_shape, const scion_window *window,
                            int include_padding) {
  for (int64_t o = 0, inside; o < elements(y_shape); o++) {
    real sum = window_sum(x, NULL, 0, x_shape, y_shape, window, o, &inside);
    y[o] = sum / (real)(include_padding ? window->kernel[0] * window->kernel[1] : inside);
  }
}

void reference_average_pool_backward(const real *dy, const int64_t *y_shape, real *dx, const int64_t *x_shape,
                                     const scion_window *window, int include_padding) {
  memset(dx, 0, sizeof *dx * (size_t)elements(x_shape));
  for (int64_t o = 0, inside; o < elements(y_shape); o++) {
    window_sum(NULL, NULL, 0, x_shape, y_shape, window, o, &inside);
    real share = dy[o] / (real)(include_padding ? window->kernel[0] * window->kernel[1] : inside);
    window_sum(NULL, dx, share, x_shape, y_shape, window, o, &inside);
  }
}
