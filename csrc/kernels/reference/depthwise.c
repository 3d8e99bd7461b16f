/* Depthwise convolution: all three kernels walk over every product there is. */
#include "kernels/reference/reference.h"

#include <string.h>

typedef struct {
  int64_t x, w, y, output; /* where the factors and the sum of one product lie; its output channel */
} product;

typedef struct {
  const real *x, *w, *dy, *scale;
  real *y, *dx, *dw;
} operands;

static void each_product(const int64_t *x, const int64_t *y, int64_t m, const scion_window *k,
                         void (*visit)(const operands *, product), const operands *data) {
  for (int64_t n = 0; n < y[0]; n++)
    for (int64_t i = 0; i < y[1]; i++)
      for (int64_t j = 0; j < y[2]; j++)
        for (int64_t o = 0; o < y[3]; o++)
          for (int64_t r = 0; r < k->kernel[0]; r++)
            for (int64_t s = 0; s < k->kernel[1]; s++) {
              int64_t h = i * k->stride[0] + r * k->dilation[0] - k->before[0],
                      w = j * k->stride[1] + s * k->dilation[1] - k->before[1];
              if (h < 0 || w < 0 || h >= x[1] || w >= x[2]) continue;
              visit(data, (product){((n * x[1] + h) * x[2] + w) * x[3] + o / m, (r * k->kernel[1] + s) * y[3] + o,
                                    ((n * y[1] + i) * y[2] + j) * y[3] + o, o});
            }
}

static void forward(const operands *d, product p) { d->y[p.y] += d->x[p.x] * d->w[p.w]; }
static void to_weights(const operands *d, product p) { d->dw[p.w] += d->x[p.x] * d->dy[p.y]; }
static void to_input(const operands *d, product p) { d->dx[p.x] += d->dy[p.y] * d->w[p.w] * (d->scale ? d->scale[p.output] : 1); }

void reference_depthwise(const real *x, const int64_t *x_shape, const real *w, int64_t multiplier, const real *scale,
                         const real *bias, real *y, const int64_t *y_shape, const scion_window *window,
                         scion_activation activation) {
  int64_t elements = y_shape[0] * y_shape[1] * y_shape[2] * y_shape[3];
  memset(y, 0, sizeof *y * (size_t)elements);
  each_product(x_shape, y_shape, multiplier, window, forward, &(operands){.x = x, .w = w, .y = y});
  for (int64_t i = 0; i < elements; i++)
    y[i] = reference_activate(y[i] * (scale ? scale[i % y_shape[3]] : 1) + (bias ? bias[i % y_shape[3]] : 0), activation);
}

void reference_depthwise_backward_input(const real *dy, const int64_t *y_shape, const real *w, int64_t multiplier,
                                        const real *scale, real *dx, const int64_t *x_shape, const scion_window *window) {
  memset(dx, 0, sizeof *dx * (size_t)(x_shape[0] * x_shape[1] * x_shape[2] * x_shape[3]));
  each_product(x_shape, y_shape, multiplier, window, to_input, &(operands){.dy = dy, .w = w, .scale = scale, .dx = dx});
}

void reference_depthwise_backward_weights(const real *x, const int64_t *x_shape, const real *dy, const int64_t *y_shape, real *dw,
                                          int64_t multiplier, const scion_window *window) {
  memset(dw, 0, sizeof *dw * (size_t)(window->kernel[0] * window->kernel[1] * y_shape[3]));
  each_product(x_shape, y_shape, multiplier, window, to_weights, &(operands){.x = x, .dy = dy, .dw = dw});
}
