/* Activations by their input, scaled sums, moving averages, scaled channels, resampling, local response norm: against PyTorch's numbers, references, finite differences. */
#include "../fixtures/resample.h"
#include "compare.h"
#include "kernels/reference/reference.h"

static double wave(int64_t i) { return sin(0.7 * (double)i + 0.3); }

static scion_tensor waves(int dims, const int64_t *shape, double size) {
  scion_tensor t = test_tensor_gap(0, dims, shape);
  for (int64_t i = 0; i < elements(&t); i++) ((float *)t.data)[i] = (float)(size * wave(i));
  return t;
}
#define WAVES(size, ...) waves((int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__}, size)

static void is_golden(const scion_tensor *t, const double *values, double size) {
  for (int64_t i = 0; i < elements(t); i++)
    CHECK(fabs((double)((float *)t->data)[i] - values[i] * size) < 2e-6, "element %d is %g, not %g", (int)i,
          (double)((float *)t->data)[i], values[i] * size);
}

static void golden(void) {
  scion_tensor x = WAVES(1, 1, 5, 3, 2), y = TENSOR(1, 3, 4, 2), dy = WAVES(1, 1, 3, 4, 2), dx = TENSOR(1, 5, 3, 2);
  OK(scion_adaptive_average_pool_forward(&x, &y));
  is_golden(&y, golden_adaptive, 1);
  OK(scion_adaptive_average_pool_backward(&dy, &dx, 0));
  is_golden(&dx, golden_adaptive_dx, 1);
  RELEASE(&x, &y, &dy, &dx);
  for (int bilinear = 0; bilinear < 2; bilinear++) {
    x = bilinear ? WAVES(1, 1, 3, 2, 2) : WAVES(1, 1, 2, 2, 2), dx = bilinear ? TENSOR(1, 3, 2, 2) : TENSOR(1, 2, 2, 2);
    y = bilinear ? TENSOR(1, 9, 4, 2) : TENSOR(1, 4, 6, 2), dy = bilinear ? WAVES(1, 1, 9, 4, 2) : WAVES(1, 1, 4, 6, 2);
    OK(scion_upsample_forward(&x, &y, bilinear));
    is_golden(&y, bilinear ? golden_bilinear : golden_nearest, 1);
    OK(scion_upsample_backward(&dy, &dx, bilinear, 0));
    is_golden(&dx, bilinear ? golden_bilinear_dx : golden_nearest_dx, 1);
    RELEASE(&x, &y, &dy, &dx);
  }
  x = WAVES(1, 1, 1, 2, 7), y = TENSOR(1, 1, 2, 7), dx = TENSOR(1, 1, 2, 7);
  OK(scion_response_norm_forward(&x, &y, 4, 0.7, 0.75, 1.5));
  is_golden(&y, golden_response_norm, 1);
  OK(scion_response_norm_backward(&x, &x, &dx, 4, 0.7, 0.75, 1.5, 0));
  is_golden(&dx, golden_response_norm_dx, 1);
  RELEASE(&x, &y, &dx);
  const double *values[][2] = {{golden_swish, golden_swish_dx}, {golden_hard_swish, golden_hard_swish_dx}, {golden_hard_sigmoid, golden_hard_sigmoid_dx},
                               {golden_gelu, golden_gelu_dx}, {golden_gelu_tanh, golden_gelu_tanh_dx}};
  for (int g = 0; g < 5; g++) {
    scion_activation activation = (scion_activation)(SCION_SWISH + g);
    x = WAVES(4, 1, 1, 3, 5), dy = WAVES(1, 1, 1, 3, 5), y = TENSOR(1, 1, 3, 5), dx = TENSOR(1, 1, 3, 5);
    OK(scion_activation_forward(&x, &y, activation));
    is_golden(&y, values[g][0], 1);
    OK(scion_activation_backward(&x, &dy, &dx, activation, 0));
    is_golden(&dx, values[g][1], 0.25); /* the fixture's x is a fourth */
    RELEASE(&x, &y, &dy, &dx);
  }
}

static void scaled_sums(int64_t rows, int64_t channels, int gap) {
  scion_tensor a = SLICE(gap, rows, channels), b = SLICE(gap + 2, rows, channels), y = SLICE(gap, rows, channels);
  real *ra = test_real(&a), *rb = test_real(&b), *ry = new_reals(elements(&a));
  const double scale = 0.1875;
  for (int activation = 0; activation < 2; activation++) {
    for (int64_t i = 0; i < elements(&a); i++) ry[i] = reference_activate(ra[i] + (real)scale * rb[i], (scion_activation)activation);
    SAME_BITS(y, scion_scaled_add_forward(&a, &b, &y, scale, (scion_activation)activation));
    CLOSE(y, ry, 1e-6);
  }
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdb = new_reals(elements(&a));
    for (int64_t i = 0; i < elements(&a); i++) rdb[i] = (real)scale * ra[i];
    rdb = accumulated(&y, rdb, accumulate);
    SAME_BITS(y, scion_scaled_add_backward(&a, &y, scale, accumulate));
    CLOSE(y, rdb, 1e-6);
    free(rdb);
  }
  RELEASE(&a, &b, &y);
  free(ra), free(rb), free(ry);
}

static void moving_averages(int64_t rows, int64_t channels, int gap) {
  scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap + 2, rows, channels);
  real *rx = test_real(&x), *ry = test_real(&y);
  const double shares[] = {0.001, 0.25, 1, 0};
  for (int s = 0; s < 4; s++) {
    reference_moving_average(rx, ry, elements(&x), (real)shares[s]);
    SAME_BITS(y, scion_moving_average(&x, &y, shares[s]));
    CLOSE(y, ry, 1e-6);
  }
  RELEASE(&x, &y);
  free(rx), free(ry);
}

static void scaled_channels(int64_t n, int64_t h, int64_t w, int64_t c, int gap) {
  scion_tensor x = SLICE(gap, n, h, w, c), y = SLICE(gap, n, h, w, c), s = gap ? SLICE(1, n, 1, 1, c) : TENSOR(n, c), ds = SLICE(gap, n, c);
  real *rx = test_real(&x), *rs = test_real(&s), *ry = new_reals(elements(&x));
  reference_scale_channels(rx, rs, ry, n, h * w, c);
  SAME_BITS(y, scion_scale_channels_forward(&x, &s, &y));
  CLOSE(y, ry, 1e-6);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = accumulated(&y, copy_reals(ry, elements(&x)), accumulate), *rds = new_reals(n * c);
    SAME_BITS(y, scion_scale_channels_backward_input(&x, &s, &y, accumulate));
    CLOSE(y, rdx, 1e-6);
    real *rdy = test_real(&y);
    reference_scale_channels_backward(rx, rdy, rds, n, h * w, c);
    rds = accumulated(&ds, rds, accumulate);
    SAME_BITS(ds, scion_scale_channels_backward_scale(&x, &y, &ds, accumulate));
    CLOSE(ds, rds, 2e-6);
    free(rdx), free(rdy), free(rds);
  }
  RELEASE(&x, &y, &s, &ds);
  free(rx), free(rs), free(ry);
}

/* kind: 0 adaptive, 1 nearest, 2 bilinear. */
static void resampled(int kind, int64_t n, int64_t h, int64_t w, int64_t oh, int64_t ow, int64_t c, int gap) {
  scion_tensor x = SLICE(gap, n, h, w, c), y = SLICE(gap + 1, n, oh, ow, c), dx = SLICE(gap, n, h, w, c);
  real *rx = test_real(&x), *ry = new_reals(elements(&y));
  if (kind == 0) {
    reference_adaptive_average_pool(rx, x.shape, ry, y.shape, 0);
    SAME_BITS(y, scion_adaptive_average_pool_forward(&x, &y));
  } else {
    reference_upsample(rx, x.shape, ry, y.shape, kind == 2, 0);
    SAME_BITS(y, scion_upsample_forward(&x, &y, kind == 2));
  }
  CLOSE(y, ry, 2e-6);
  real *rdy = test_real(&y);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(elements(&x));
    if (kind == 0) {
      reference_adaptive_average_pool(rdy, x.shape, rdx, y.shape, 1);
      rdx = accumulated(&dx, rdx, accumulate);
      SAME_BITS(dx, scion_adaptive_average_pool_backward(&y, &dx, accumulate));
    } else {
      reference_upsample(rdy, x.shape, rdx, y.shape, kind == 2, 1);
      rdx = accumulated(&dx, rdx, accumulate);
      SAME_BITS(dx, scion_upsample_backward(&y, &dx, kind == 2, accumulate));
    }
    CLOSE(dx, rdx, 4e-6);
    free(rdx);
  }
  RELEASE(&x, &y, &dx);
  free(rx), free(ry), free(rdy);
}

static void response_norm(int64_t rows, int64_t channels, int size, int gap) {
  scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap, rows, channels), dy = SLICE(gap, rows, channels), dx = SLICE(gap, rows, channels);
  real *rx = test_real(&x), *rdy = test_real(&dy), *ry = new_reals(elements(&x));
  reference_response_norm(rx, ry, rows, channels, size, 0.9, 0.75, 1.25);
  SAME_BITS(y, scion_response_norm_forward(&x, &y, size, 0.9, 0.75, 1.25));
  CLOSE(y, ry, 2e-6);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(elements(&x));
    reference_response_norm_backward(rx, rdy, rdx, rows, channels, size, 0.9, 0.75, 1.25);
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_response_norm_backward(&x, &dy, &dx, size, 0.9, 0.75, 1.25, accumulate));
    CLOSE(dx, rdx, 4e-6);
    free(rdx);
  }
  RELEASE(&x, &y, &dy, &dx);
  free(rx), free(rdy), free(ry);
}

static void refusals(void) {
  scion_tensor x = TENSOR(2, 4, 4, 3), y = TENSOR(2, 6, 8, 3), s = TENSOR(2, 4), other = TENSOR(2, 8, 8, 2);
  REFUSED_WITH(scion_upsample_forward(&x, &y, 0), "should be multiples");
  REFUSED_WITH(scion_upsample_forward(&x, &other, 1), "agree in images and channels");
  REFUSED_WITH(scion_adaptive_average_pool_forward(&x, &other), "agree in images and channels");
  REFUSED_WITH(scion_scale_channels_forward(&x, &s, &x), "scale_channels: s");
  REFUSED_WITH(scion_response_norm_forward(&x, &x, 0, 1, 1, 1), "size should be");
  REFUSED_WITH(scion_scaled_add_forward(&x, &y, &x, 1, SCION_LINEAR), "scaled_add");
  REFUSED_WITH(scion_moving_average(&x, &y, 0.5), "moving_average: x is 2x4x4x3, but y is");
  REFUSED_WITH(scion_moving_average(&x, &x, 1.5), "a share of 1.5 is not");
  REFUSED_WITH(scion_moving_average(&x, &x, NAN), "a share of nan is not");
  RELEASE(&x, &y, &s, &other);
}

int main(void) {
  test_begin("scale");
  golden();
  scaled_sums(1, 1, 0), scaled_sums(37, 17, 3), scaled_sums(3, 40000, 0);
  moving_averages(1, 1, 0), moving_averages(37, 17, 3), moving_averages(3, 40000, 0);
  scaled_channels(1, 1, 2, 1, 0), scaled_channels(3, 5, 4, 17, 2), scaled_channels(2, 9, 9, 600, 0);
  resampled(0, 1, 1, 1, 1, 1, 1, 0), resampled(0, 2, 1, 2, 6, 6, 17, 3), resampled(0, 2, 13, 9, 6, 7, 5, 0), resampled(0, 1, 7, 7, 7, 7, 33, 1);
  for (int i = 0; i < 6; i++)
    resampled(0, 2, test_integer(1, 20), test_integer(1, 20), test_integer(1, 20), test_integer(1, 20), test_integer(1, 40), i % 2);
  for (int kind = 1; kind <= 2; kind++) {
    resampled(kind, 1, 1, 1, 1, 1, 1, 0), resampled(kind, 2, 1, 3, 5, 3, 17, 2), resampled(kind, 1, 5, 4, 10, 12, 33, 0);
    for (int i = 0; i < 4; i++) {
      int64_t h = test_integer(1, 9), w = test_integer(1, 9);
      resampled(kind, 2, h, w, h * test_integer(1, 5), w * test_integer(1, 5), test_integer(1, 40), i % 2);
    }
  }
  response_norm(1, 1, 5, 0), response_norm(9, 17, 5, 2), response_norm(40, 96, 4, 0), response_norm(5, 3, 9, 1);
  refusals();
  return test_end();
}
