/* Layer norm and PReLU: against PyTorch's numbers, references and finite differences. */
#include "../fixtures/layer_norm.h"
#include "compare.h"
#include "kernels/reference/reference.h"

static void is_golden(const scion_tensor *t, const double *values) {
  for (int64_t i = 0; i < elements(t); i++)
    CHECK(fabs((double)((float *)t->data)[i] - values[i]) < 4e-6, "element %d is %g, not %g", (int)i, (double)((float *)t->data)[i], values[i]);
}

static void golden_norm(void) {
  scion_tensor x = GOLDEN(golden_norm_x, 5, 7), dy = GOLDEN(golden_norm_dy, 5, 7), gamma = GOLDEN(golden_norm_gamma, 7),
               beta = GOLDEN(golden_norm_beta, 7), y = TENSOR(5, 7), dx = TENSOR(5, 7), dgamma = TENSOR(7), dbeta = TENSOR(7);
  OK(scion_layer_norm_forward(&x, &gamma, &beta, &y, 1e-3));
  is_golden(&y, golden_norm_y);
  OK(scion_layer_norm_backward(&x, &dy, &gamma, &dx, &dgamma, &dbeta, 1e-3, 0));
  is_golden(&dx, golden_norm_dx), is_golden(&dgamma, golden_norm_dgamma), is_golden(&dbeta, golden_norm_dbeta);
  RELEASE(&x, &dy, &gamma, &beta, &y, &dx, &dgamma, &dbeta);
}

static void golden_prelu(const double *x_values, const double *dy_values, const double *slopes, int64_t count, const double *y_values,
                         const double *dx_values, const double *dslope_values) {
  scion_tensor x = GOLDEN(x_values, 2, 2, 2, 3), dy = GOLDEN(dy_values, 2, 2, 2, 3), slope = GOLDEN(slopes, count), y = TENSOR(2, 2, 2, 3),
               dx = TENSOR(2, 2, 2, 3), dslope = TENSOR(count);
  OK(scion_prelu_forward(&x, &slope, &y));
  is_golden(&y, y_values);
  OK(scion_prelu_backward(&x, &dy, &slope, &dx, &dslope, 0));
  is_golden(&dx, dx_values), is_golden(&dslope, dslope_values);
  RELEASE(&x, &dy, &slope, &y, &dx, &dslope);
}
#define GOLDEN_PRELU(kind, count)                                                                                                     \
  golden_prelu(golden_prelu_##kind##_x, golden_prelu_##kind##_dy, golden_prelu_##kind##_slope, count, golden_prelu_##kind##_y, \
               golden_prelu_##kind##_dx, golden_prelu_##kind##_dslope)

static void layer_norm(int64_t rows, int64_t width, int gap, float level) {
  scion_tensor x = SLICE(gap, rows, width), y = SLICE(gap, rows, width), dy = SLICE(gap + 1, rows, width), dx = SLICE(gap, rows, width),
               gamma = TENSOR(width), beta = TENSOR(width), dgamma = TENSOR(width), dbeta = TENSOR(width);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < width; c++) ((float *)x.data)[r * x.row_stride + c] += level;
  real *rx = test_real(&x), *rdy = test_real(&dy), *rg = test_real(&gamma), *rb = test_real(&beta), *ry = new_reals(rows * width),
       *rdg = new_reals(width), *rdb = new_reals(width);
  for (int plain = 0; plain < 2; plain++) { /* with gamma and beta, and without */
    const scion_tensor *g = plain ? NULL : &gamma, *b = plain ? NULL : &beta;
    reference_layer_norm(rx, plain ? NULL : rg, plain ? NULL : rb, ry, rows, width, 1e-3);
    SAME_BITS(y, scion_layer_norm_forward(&x, g, b, &y, 1e-3));
    CLOSE(y, ry, 4e-6);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
      real *rdx = new_reals(rows * width);
      reference_layer_norm_backward(rx, rdy, plain ? NULL : rg, rdx, rdg, rdb, rows, width, 1e-3);
      rdx = accumulated(&dx, rdx, accumulate);
      OK(scion_layer_norm_backward(&x, &dy, g, NULL, &dgamma, &dbeta, 1e-3, 0));
      CLOSE(dgamma, rdg, 1e-5);
      SAME_BITS(dx, scion_layer_norm_backward(&x, &dy, g, &dx, NULL, NULL, 1e-3, accumulate));
      CLOSE(dx, rdx, 1e-5);
      free(rdx);
    }
    scion_tensor spare = SLICE(gap, rows, width);
    SAME_BITS(dgamma, scion_layer_norm_backward(&x, &dy, g, &spare, &dgamma, &dbeta, 1e-3, 0));
    SAME_BITS(dbeta, scion_layer_norm_backward(&x, &dy, g, NULL, NULL, &dbeta, 1e-3, 0));
    CLOSE(dgamma, rdg, 1e-5);
    CLOSE(dbeta, rdb, 1e-5);
    RELEASE(&spare);
  }
  SAME_BITS(x, scion_layer_norm_forward(&x, NULL, NULL, &x, 1e-3)); /* y may be x */
  CLOSE(x, ry, 4e-6);
  RELEASE(&x, &y, &dy, &dx, &gamma, &beta, &dgamma, &dbeta);
  free(rx), free(rdy), free(rg), free(rb), free(ry), free(rdg), free(rdb);
}

/* kind: 0 one slope, 1 one a channel, 2 one an element. */
static void prelu(int kind, int64_t n, int64_t h, int64_t w, int64_t c, int gap) {
  int64_t slopes = kind == 0 ? 1 : kind == 1 ? c : h * w * c, count = n * h * w * c;
  scion_tensor x = SLICE(gap, n, h, w, c), y = SLICE(gap, n, h, w, c), dy = SLICE(gap + 2, n, h, w, c), dx = SLICE(gap, n, h, w, c),
               slope = TENSOR(slopes), dslope = TENSOR(slopes);
  real *rx = test_real(&x), *rdy = test_real(&dy), *rs = test_real(&slope), *ry = new_reals(count), *rds = new_reals(slopes);
  reference_prelu(rx, rs, ry, count, slopes);
  SAME_BITS(y, scion_prelu_forward(&x, &slope, &y));
  CLOSE(y, ry, 1e-6);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(count);
    reference_prelu_backward(rx, rdy, rs, rdx, rds, count, slopes);
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_prelu_backward(&x, &dy, &slope, &dx, NULL, accumulate));
    CLOSE(dx, rdx, 1e-6);
    SAME_BITS(dslope, scion_prelu_backward(&x, &dy, &slope, NULL, &dslope, accumulate));
    CLOSE(dslope, rds, 1e-5);
    free(rdx);
  }
  RELEASE(&x, &y, &dy, &dx, &slope, &dslope);
  free(rx), free(rdy), free(rs), free(ry), free(rds);
}

typedef struct {
  real *x, *slope, *gamma, *beta, *y, *dy;
  bool norm;
} difference;

static double loss(void *data) {
  difference *d = data;
  if (d->norm) reference_layer_norm(d->x, d->gamma, d->beta, d->y, 4, 5, 1e-3);
  else reference_prelu(d->x, d->slope, d->y, 20, 5);
  return (double)dot(d->y, d->dy, 20);
}

static void reference_gradients(void) {
  difference d = {random_reals(20), random_reals(5), random_reals(5), random_reals(5), new_reals(20), random_reals(20), true};
  for (int i = 0; i < 20; i++) d.x[i] += d.x[i] > 0 ? 1 : -1; /* not near 0 */
  real *dx = new_reals(20), *first = new_reals(5), *second = new_reals(5);
  reference_layer_norm_backward(d.x, d.dy, d.gamma, dx, first, second, 4, 5, 1e-3);
  CHECK(test_gradient(loss, &d, d.x, dx, 20, 20) < 1e-6, "layer norm's dx");
  CHECK(test_gradient(loss, &d, d.gamma, first, 5, 5) < 1e-6, "its dgamma");
  CHECK(test_gradient(loss, &d, d.beta, second, 5, 5) < 1e-6, "its dbeta");
  d.norm = false;
  reference_prelu_backward(d.x, d.dy, d.slope, dx, first, 20, 5);
  CHECK(test_gradient(loss, &d, d.x, dx, 20, 20) < 1e-6, "PReLU's dx");
  CHECK(test_gradient(loss, &d, d.slope, first, 5, 5) < 1e-6, "its dslope");
  free(d.x), free(d.slope), free(d.gamma), free(d.beta), free(d.y), free(d.dy), free(dx), free(first), free(second);
}

static void refusals(void) {
  scion_tensor x = TENSOR(2, 2, 3), y = TENSOR(2, 3), slope = TENSOR(2), gamma = TENSOR(2);
  REFUSED_WITH(scion_layer_norm_forward(&x, &gamma, NULL, &x, 1e-3), "gamma is 2, but should be 3");
  REFUSED_WITH(scion_layer_norm_forward(&x, NULL, NULL, &y, 1e-3), "one shape");
  REFUSED_WITH(scion_layer_norm_backward(&x, &x, NULL, NULL, &slope, NULL, 1e-3, 0), "dgamma is 2");
  REFUSED_WITH(scion_prelu_forward(&x, &slope, &x), "slope is 2, but x is 2x2x3: it should have one number");
  REFUSED_WITH(scion_prelu_backward(&x, &y, &y, NULL, NULL, 0), "dy");
  RELEASE(&x, &y, &slope, &gamma);
}

int main(void) {
  test_begin("layer norm");
  golden_norm();
  GOLDEN_PRELU(one, 1), GOLDEN_PRELU(channel, 3), GOLDEN_PRELU(element, 12);
  reference_gradients();
  layer_norm(1, 20, 0, 0), layer_norm(300, 17, 3, 2), layer_norm(70, 96, 0, 5), layer_norm(3, 5000, 1, 1), layer_norm(5000, 3, 0, 0);
  for (int i = 0; i < 6; i++) layer_norm(test_integer(1, 200), test_integer(2, 300), i % 3, (float)i);
  for (int kind = 0; kind < 3; kind++) {
    prelu(kind, 1, 1, 1, 1, 0), prelu(kind, 3, 5, 4, 17, 2), prelu(kind, 2, 33, 40, 8, 0), prelu(kind, 130, 2, 1, 3, 1);
    for (int i = 0; i < 4; i++) prelu(kind, test_integer(1, 5), test_integer(1, 20), test_integer(1, 20), test_integer(1, 70), i % 2);
  }
  prelu(1, 1, 1, 2, 40000, 0);
  refusals();
  return test_end();
}
