/* Depthwise convolution: against its reference and finite differences. */
#include "compare.h"
#include "kernels/reference/reference.h"

static scion_window random_window(void) {
  scion_window k;
  for (int axis = 0; axis < 2; axis++) {
    k.kernel[axis] = test_integer(1, 5);
    k.stride[axis] = test_integer(1, 6);
    k.dilation[axis] = test_integer(1, 3);
    k.before[axis] = test_integer(0, 6); /* also beyond the kernel: a window wholly in the padding gives the bias */
    k.after[axis] = test_integer(0, 6);
  }
  return k;
}

static int64_t size(const scion_window *k, int axis, int most) {
  int64_t least = (int64_t)k->dilation[axis] * (k->kernel[axis] - 1) + 1 - k->before[axis] - k->after[axis];
  return test_integer(least < 1 ? 1 : (int)least, most);
}

static void against_reference(scion_window k, int64_t batch, int64_t channels, int64_t m, int most, int gap) {
  int64_t height = size(&k, 0, most), width = size(&k, 1, most), o = channels * m;
  int64_t oh = scion_window_output(&k, 0, height), ow = scion_window_output(&k, 1, width);
  scion_tensor x = SLICE(gap, batch, height, width, channels), dx = SLICE(gap, batch, height, width, channels);
  scion_tensor y = SLICE(gap, batch, oh, ow, o), dy = SLICE(2 * gap, batch, oh, ow, o), scale = TENSOR(o), bias = TENSOR(o);
  scion_tensor w = TENSOR(k.kernel[0], k.kernel[1], channels, m), dw = TENSOR(k.kernel[0], k.kernel[1], channels, m);
  real *rx = test_real(&x), *rw = test_real(&w), *rs = test_real(&scale), *rb = test_real(&bias), *rdy = test_real(&dy);
  real *ry = new_reals(elements(&y)), *rdw = new_reals(elements(&w));
  for (int variant = 0; variant < SCION_ACTIVATIONS; variant++) {
    int scaled = variant % 2, biased = variant / 2 % 2;
    reference_depthwise(rx, x.shape, rw, m, scaled ? rs : NULL, biased ? rb : NULL, ry, y.shape, &k, (scion_activation)variant);
    SAME_BITS(y,
              scion_depthwise_forward(&x, &w, scaled ? &scale : NULL, biased ? &bias : NULL, &y, &k, (scion_activation)variant));
    CLOSE(y, ry, 1e-5);
  }
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(elements(&x));
    reference_depthwise_backward_input(rdy, y.shape, rw, m, accumulate ? rs : NULL, rdx, x.shape, &k);
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_depthwise_backward_input(&dy, &w, accumulate ? &scale : NULL, &dx, &k, accumulate));
    CLOSE(dx, rdx, 1e-5);
    free(rdx);
  }
  reference_depthwise_backward_weights(rx, x.shape, rdy, y.shape, rdw, m, &k);
  SAME_BITS(dw, scion_depthwise_backward_weights(&x, &dy, &dw, &k));
  CLOSE(dw, rdw, 1e-5);
  RELEASE(&x, &dx, &y, &dy, &scale, &bias, &w, &dw);
  free(rx), free(rw), free(rs), free(rb), free(rdy), free(ry), free(rdw);
}

typedef struct {
  real *x, *w, *scale, *y, *dy;
  int64_t x_shape[4], y_shape[4];
  scion_window k;
} difference;

static double loss(void *data) {
  difference *d = data;
  reference_depthwise(d->x, d->x_shape, d->w, 2, d->scale, NULL, d->y, d->y_shape, &d->k, SCION_LINEAR);
  return (double)dot(d->y, d->dy, d->y_shape[0] * d->y_shape[1] * d->y_shape[2] * d->y_shape[3]);
}

static void reference_gradients(void) {
  difference d = {.x_shape = {2, 7, 6, 3}, .y_shape = {2, 4, 3, 6}, .k = {{3, 2}, {2, 2}, {1, 2}, {1, 1}, {1, 0}}};
  const int64_t nx = 2 * 7 * 6 * 3, ny = 2 * 4 * 3 * 6, nw = 3 * 2 * 3 * 2;
  d.x = random_reals(nx), d.w = random_reals(nw), d.y = new_reals(ny), d.dy = random_reals(ny);
  real *dx = new_reals(nx), *dw = new_reals(nw);
  reference_depthwise_backward_weights(d.x, d.x_shape, d.dy, d.y_shape, dw, 2, &d.k);
  double by_w = test_gradient(loss, &d, d.w, dw, nw, 100);
  d.scale = random_reals(6);
  reference_depthwise_backward_input(d.dy, d.y_shape, d.w, 2, d.scale, dx, d.x_shape, &d.k);
  double by_x = test_gradient(loss, &d, d.x, dx, nx, 300);
  CHECK(by_x < 1e-6 && by_w < 1e-6, "%g, %g", by_x, by_w);
  free(d.x), free(d.w), free(d.scale), free(d.y), free(d.dy), free(dx), free(dw);
}

static void refusals(void) {
  scion_tensor x = TENSOR(1, 5, 5, 4), w = TENSOR(3, 3, 4, 1), y = TENSOR(1, 3, 3, 4), wrong = TENSOR(3, 3, 5, 1),
               scale = TENSOR(5);
  scion_window k = {{3, 3}, {1, 1}, {1, 1}, {0, 0}, {0, 0}}, wide = {{3, 5}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  OK(scion_depthwise_forward(&x, &w, NULL, NULL, &y, &k, SCION_LINEAR));
  REFUSED_WITH(scion_depthwise_forward(&x, &wrong, NULL, NULL, &y, &k, SCION_LINEAR), "w is 3x3x5x1");
  REFUSED_WITH(scion_depthwise_forward(&x, &w, NULL, NULL, &y, &wide, SCION_LINEAR), "3x5");
  REFUSED_WITH(scion_depthwise_forward(&x, &w, NULL, NULL, &x, &k, SCION_LINEAR), "y should be 1x3x3x4");
  REFUSED_WITH(scion_depthwise_forward(&x, &w, &scale, NULL, &y, &k, SCION_LINEAR), "scale is 5, but should be 4");
  REFUSED_WITH(scion_depthwise_backward_input(&y, &w, NULL, &y, &k, 0), "should be 1x1x1x4");
  REFUSED_WITH(scion_depthwise_backward_weights(&x, &y, &wrong, &k), "dw is 3x3x5x1");
  RELEASE(&x, &w, &y, &wrong, &scale);
}

int main(void) {
  test_begin("depthwise");
  reference_gradients();
  for (int i = 0; i < 15; i++)
    against_reference(random_window(), test_integer(1, 3),
                      i % 4 == 0   ? 1
                      : i % 4 == 1 ? 17
                                   : test_integer(1, 50),
                      i % 3 ? 1 : test_integer(1, 3), 14, i % 4);
  scion_window same = {{3, 3}, {1, 1}, {1, 1}, {1, 1}, {1, 1}}, half = {{3, 3}, {2, 2}, {1, 1}, {0, 0}, {1, 1}};
  against_reference(same, 2, 64, 1, 40, 0);
  against_reference(half, 3, 35, 1, 40, 3);
  refusals();
  return test_end();
}
