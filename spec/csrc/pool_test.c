/* Pooling: against its reference, PyTorch's numbers and finite differences. */
#include "../fixtures/kernels.h"
#include "compare.h"
#include "kernels/reference/reference.h"

static scion_window random_window(void) {
  scion_window k;
  for (int axis = 0; axis < 2; axis++) {
    k.kernel[axis] = test_integer(1, 4);
    k.stride[axis] = test_integer(1, 5);
    k.dilation[axis] = test_integer(0, 3) ? 1 : 2;
    k.before[axis] = test_integer(0, k.kernel[axis] - 1);
    k.after[axis] = test_integer(0, k.kernel[axis] - 1);
  }
  return k;
}

/* An image size that the window fits, with something of the image in every position. */
static int64_t room(const scion_window *k, int axis, int most) {
  return test_integer(k->dilation[axis] * (k->kernel[axis] - 1) + 1, most);
}

static void against_reference(int64_t batch, int64_t channels, int most, int gap) {
  scion_window k = random_window();
  int64_t height = room(&k, 0, most), width = room(&k, 1, most);
  scion_tensor x = SLICE(gap, batch, height, width, channels), dx = SLICE(2 * gap, batch, height, width, channels);
  int64_t oh = scion_window_output(&k, 0, height), ow = scion_window_output(&k, 1, width);
  scion_tensor y = SLICE(gap, batch, oh, ow, channels), dy = SLICE(gap + 1, batch, oh, ow, channels);
  for (int64_t i = 0; i < elements(&x) && gap == 0; i += 2) ((float *)x.data)[i] = rintf(((float *)x.data)[i]); /* equal maxima */
  real *rx = test_real(&x), *rdy = test_real(&dy), *ry = new_reals(elements(&y));
  reference_max_pool(rx, x.shape, ry, y.shape, &k);
  SAME_BITS(y, scion_max_pool_forward(&x, &y, &k));
  CLOSE(y, ry, 0);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(elements(&dx));
    reference_max_pool_backward(rx, rdy, y.shape, rdx, x.shape, &k);
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_max_pool_backward(&x, &y, &dy, &dx, &k, accumulate));
    CLOSE(dx, rdx, 1e-6);
    free(rdx);
  }
  for (int include = 0; include < 2; include++) {
    reference_average_pool(rx, x.shape, ry, y.shape, &k, include);
    SAME_BITS(y, scion_average_pool_forward(&x, &y, &k, include));
    CLOSE(y, ry, 1e-6);
    real *rdx = new_reals(elements(&dx));
    reference_average_pool_backward(rdy, y.shape, rdx, x.shape, &k, include);
    rdx = accumulated(&dx, rdx, include);
    SAME_BITS(dx, scion_average_pool_backward(&dy, &dx, &k, include, include));
    CLOSE(dx, rdx, 1e-6);
    free(rdx);
  }
  RELEASE(&x, &dx, &y, &dy);
  free(rx), free(rdy), free(ry);
}

static void global(int64_t batch, int64_t height, int64_t width, int64_t channels, int gap) {
  scion_tensor x = SLICE(gap, batch, height, width, channels), dx = SLICE(gap, batch, height, width, channels);
  scion_tensor y = SLICE(gap, batch, channels), dy = SLICE(gap, batch, channels);
  int64_t pixel[] = {batch, 1, 1, channels};
  scion_window k = {{(int)height, (int)width}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  real *rx = test_real(&x), *rdy = test_real(&dy), *ry = new_reals(elements(&y));
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(elements(&dx));
    reference_average_pool(rx, x.shape, ry, pixel, &k, 0);
    SAME_BITS(y, scion_global_average_pool_forward(&x, &y));
    CLOSE(y, ry, 1e-5); /* means of many normal numbers are small beside their terms */
    reference_average_pool_backward(rdy, pixel, rdx, x.shape, &k, 0);
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_global_average_pool_backward(&dy, &dx, accumulate));
    CLOSE(dx, rdx, 1e-6);
    free(rdx);
    rdx = new_reals(elements(&dx));
    reference_max_pool(rx, x.shape, ry, pixel, &k);
    SAME_BITS(y, scion_global_max_pool_forward(&x, &y));
    CLOSE(y, ry, 0);
    reference_max_pool_backward(rx, rdy, pixel, rdx, x.shape, &k);
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_global_max_pool_backward(&x, &y, &dy, &dx, accumulate));
    CLOSE(dx, rdx, 1e-6);
    free(rdx);
  }
  RELEASE(&x, &dx, &y, &dy);
  free(rx), free(rdy), free(ry);
}

typedef struct {
  real *x, *y, *dy;
  int64_t x_shape[4], y_shape[4];
  scion_window k;
  int kind; /* 0, 1: average without and with padding; 2: maximum */
} difference;

static double loss(void *data) {
  difference *d = data;
  if (d->kind == 2) {
    reference_max_pool(d->x, d->x_shape, d->y, d->y_shape, &d->k);
  } else {
    reference_average_pool(d->x, d->x_shape, d->y, d->y_shape, &d->k, d->kind);
  }
  return (double)dot(d->y, d->dy, d->y_shape[0] * d->y_shape[1] * d->y_shape[2] * d->y_shape[3]);
}

static void reference_gradients(void) {
  difference d = {.x_shape = {2, 7, 6, 3}, .y_shape = {2, 4, 3, 3}, .k = {{3, 2}, {2, 3}, {1, 2}, {1, 1}, {1, 1}}};
  int64_t nx = 2 * 7 * 6 * 3, ny = 2 * 4 * 3 * 3;
  d.x = random_reals(nx), d.y = new_reals(ny), d.dy = random_reals(ny);
  for (int64_t i = 0; i < nx; i++) d.x[i] = (real)((i * 37) % nx) / 10; /* all different by more than the step: no kinks near */
  real *dx = new_reals(nx);
  for (d.kind = 0; d.kind < 3; d.kind++) {
    if (d.kind == 2) {
      reference_max_pool_backward(d.x, d.dy, d.y_shape, dx, d.x_shape, &d.k);
    } else {
      reference_average_pool_backward(d.dy, d.y_shape, dx, d.x_shape, &d.k, d.kind);
    }
    double worst = test_gradient(loss, &d, d.x, dx, nx, 300);
    CHECK(worst < 1e-6, "kind %d: %g", d.kind, worst);
  }
  free(d.x), free(d.y), free(d.dy), free(dx);
}

static void golden(void) {
  scion_window k = {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 1}};
  scion_tensor x = GOLDEN(golden_pool_x, 1, 6, 5, 2), dy = GOLDEN(golden_pool_dy, 1, 3, 3, 2), y = TENSOR(1, 3, 3, 2),
               dx = TENSOR(1, 6, 5, 2);
  OK(scion_max_pool_forward(&x, &y, &k));
  EXACTLY(y, golden_pool_max_y, 1e-6);
  OK(scion_max_pool_backward(&x, &y, &dy, &dx, &k, 0));
  EXACTLY(dx, golden_pool_max_dx, 1e-6);
  OK(scion_average_pool_forward(&x, &y, &k, 0));
  EXACTLY(y, golden_pool_inside_y, 1e-6);
  OK(scion_average_pool_backward(&dy, &dx, &k, 0, 0));
  EXACTLY(dx, golden_pool_inside_dx, 1e-6);
  OK(scion_average_pool_forward(&x, &y, &k, 1));
  EXACTLY(y, golden_pool_padded_y, 1e-6);
  OK(scion_average_pool_backward(&dy, &dx, &k, 1, 0));
  EXACTLY(dx, golden_pool_padded_dx, 1e-6);
  RELEASE(&x, &dy, &y, &dx);
}

static void not_a_number(void) {
  scion_window k = {{3, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  for (int place = 0; place < 3; place++) {
    scion_tensor x = TENSOR(1, 3, 1, 20), y = TENSOR(1, 1, 1, 20);
    ((float *)x.data)[place * 20 + 3] = NAN, ((float *)x.data)[place * 20 + 19] = NAN;
    OK(scion_max_pool_forward(&x, &y, &k));
    for (int c = 0; c < 20; c++) CHECK(!isnan(((float *)y.data)[c]) == (c != 3 && c != 19), "channel %d", c);
    RELEASE(&x, &y);
  }
}

static void refusals(void) {
  scion_tensor x = TENSOR(2, 5, 5, 8), y = TENSOR(2, 2, 2, 7), flat = TENSOR(2, 200), good = TENSOR(2, 2, 2, 8),
               tall = TENSOR(2, 3, 2, 8), bytes;
  OK(scion_tensor_new(&bytes, SCION_U8, 4, x.shape));
  scion_window k = {{2, 2}, {2, 2}, {1, 1}, {0, 0}, {0, 0}}, padded = {{2, 2}, {2, 2}, {1, 1}, {2, 0}, {0, 0}};
  scion_window still = {{2, 2}, {0, 2}, {1, 1}, {0, 0}, {0, 0}}, large = {{6, 2}, {1, 2}, {1, 1}, {0, 0}, {0, 0}};
  REFUSED_WITH(scion_max_pool_forward(&x, &y, &k), "max_pool: x is 2x5x5x8 and y is 2x2x2x7, but y should be 2x2x2x8");
  REFUSED_WITH(scion_max_pool_forward(&flat, &y, &k), "2x200");
  REFUSED_WITH(scion_max_pool_forward(&bytes, &good, &k), "u8");
  REFUSED_WITH(scion_average_pool_forward(&x, &tall, &padded, 0), "padding");
  REFUSED_WITH(scion_average_pool_forward(&x, &good, &still, 0), "stride");
  REFUSED_WITH(scion_average_pool_forward(&x, &good, &large, 0), "does not fit");
  REFUSED_WITH(scion_max_pool_backward(&x, &good, &y, &x, &k, 0), "one shape");
  REFUSED_WITH(scion_global_max_pool_forward(&x, &y), "should be 2x8");
  REFUSED_WITH(scion_average_pool_backward(NULL, &x, &k, 0, 0), "missing");
  scion_tensor dot_x = TENSOR(1, 1, 1, 1), dot_y = TENSOR(1, 1, 1, 1); /* both taps of a dilated window miss the one pixel */
  scion_window gapped = {{2, 1}, {1, 1}, {3, 1}, {2, 0}, {1, 0}};
  REFUSED_WITH(scion_max_pool_forward(&dot_x, &dot_y, &gapped), "nothing but padding");
  RELEASE(&x, &y, &flat, &good, &tall, &bytes, &dot_x, &dot_y);
}

int main(void) {
  test_begin("pool");
  reference_gradients();
  golden();
  for (int i = 0; i < 12; i++)
    against_reference(test_integer(1, 3), i % 4 == 0 ? 1 : i % 4 == 1 ? 17 : test_integer(1, 70), 12, i % 3);
  against_reference(3, 64, 40, 0);
  against_reference(2, 33, 60, 5);
  global(1, 1, 1, 1, 0);
  global(3, 7, 7, 130, 0);
  global(2, 5, 9, 17, 3);
  global(1, 61, 70, 33, 0);
  not_a_number();
  refusals();
  return test_end();
}
