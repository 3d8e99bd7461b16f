/* Dense layers and matrix products: against the plain triple loop. */
#include "compare.h"
#include "kernels/reference/reference.h"

static void matmul(int64_t m, int64_t n, int64_t k, int gap) {
  for (int mode = 0; mode < 4; mode++) {
    int ta = mode & 1, tb = mode >> 1;
    scion_tensor a = ta ? SLICE(gap, k, m) : SLICE(gap, m, k), b = tb ? SLICE(gap, n, k) : SLICE(gap, k, n), c = SLICE(gap, m, n);
    real *ra = test_real(&a), *rb = test_real(&b), *rc = new_reals(m * n);
    reference_matmul(ra, ta, rb, tb, rc, m, n, k);
    SAME_BITS(c, scion_matmul(&a, ta, &b, tb, &c));
    CLOSE(c, rc, 3e-6);
    RELEASE(&a, &b, &c);
    free(ra), free(rb), free(rc);
  }
}

static void dense(int64_t rows, int64_t in, int64_t out, int gap) {
  scion_tensor x = SLICE(gap, rows, in), w = TENSOR(in, out), bias = TENSOR(out), y = SLICE(gap, rows, out),
               dy = SLICE(gap, rows, out);
  scion_tensor dx = SLICE(gap, rows, in), dw = TENSOR(in, out);
  real *rx = test_real(&x), *rw = test_real(&w), *rb = test_real(&bias), *rdy = test_real(&dy), *ry = new_reals(rows * out);
  for (int variant = 0; variant < 2 * SCION_ACTIVATIONS; variant++) {
    int with_bias = variant % 2;
    scion_activation activation = (scion_activation)(variant / 2);
    reference_matmul(rx, 0, rw, 0, ry, rows, out, in);
    reference_scale_shift(ry, NULL, with_bias ? rb : NULL, ry, rows, out, activation);
    SAME_BITS(y, scion_dense_forward(&x, &w, with_bias ? &bias : NULL, &y, activation));
    CLOSE(y, ry, activation > SCION_RELU ? 1e-4 : 3e-6); /* the others are small beside the sums they take */
  }
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(rows * in);
    reference_matmul(rdy, 0, rw, 1, rdx, rows, in, out);
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_dense_backward_input(&dy, &w, &dx, accumulate));
    CLOSE(dx, rdx, 3e-6);
    free(rdx);
  }
  real *rdw = new_reals(in * out);
  reference_matmul(rx, 1, rdy, 0, rdw, in, out, rows);
  SAME_BITS(dw, scion_dense_backward_weights(&x, &dy, &dw));
  CLOSE(dw, rdw, 3e-6);
  RELEASE(&x, &w, &bias, &y, &dy, &dx, &dw);
  free(rx), free(rw), free(rb), free(rdy), free(ry), free(rdw);
}

/* A row's values are the same to the bit in batches of every size. */
static void batches(int64_t rows, int64_t in, int64_t out) {
  scion_tensor x = TENSOR(rows, in), w = TENSOR(in, out), y = TENSOR(rows, out), dx = TENSOR(rows, in);
  OK(scion_dense_forward(&x, &w, NULL, &y, SCION_LINEAR));
  OK(scion_dense_backward_input(&y, &w, &dx, 0));
  for (int64_t count = 1; count < rows; count += count / 2 + 1) {
    scion_tensor some = TENSOR(count, in), values = TENSOR(count, out), gradient = TENSOR(count, in);
    int64_t first = rows - count;
    memcpy(some.data, (float *)x.data + first * in, (size_t)(count * in) * sizeof(float));
    OK(scion_dense_forward(&some, &w, NULL, &values, SCION_LINEAR));
    OK(scion_dense_backward_input(&values, &w, &gradient, 0));
    CHECK(memcmp(values.data, (float *)y.data + first * out, (size_t)(count * out) * sizeof(float)) == 0, "%d of %d rows",
          (int)count, (int)rows);
    CHECK(memcmp(gradient.data, (float *)dx.data + first * in, (size_t)(count * in) * sizeof(float)) == 0, "%d of %d rows",
          (int)count, (int)rows);
    RELEASE(&some, &values, &gradient);
  }
  RELEASE(&x, &w, &y, &dx);
}

typedef struct {
  real *a, *b, *c, *dc;
} difference;

static double loss(void *data) {
  difference *d = data;
  reference_matmul(d->a, 0, d->b, 0, d->c, 4, 5, 6);
  return (double)dot(d->c, d->dc, 20);
}

static void reference_gradients(void) {
  difference d = {random_reals(24), random_reals(30), new_reals(20), random_reals(20)};
  real *da = new_reals(24), *db = new_reals(30);
  reference_matmul(d.dc, 0, d.b, 1, da, 4, 6, 5); /* the two gradients are products again: of dc and b', of a' and dc */
  reference_matmul(d.a, 1, d.dc, 0, db, 6, 5, 4);
  double by_a = test_gradient(loss, &d, d.a, da, 24, 24), by_b = test_gradient(loss, &d, d.b, db, 30, 30);
  CHECK(by_a < 1e-6 && by_b < 1e-6, "%g, %g", by_a, by_b);
  free(d.a), free(d.b), free(d.c), free(d.dc), free(da), free(db);
}

static void empty_sums(void) {
  scion_tensor a = TENSOR(3, 0), b = TENSOR(0, 4), c = TENSOR(3, 4), none = TENSOR(0, 4), square = TENSOR(4, 4),
               none_too = TENSOR(0, 4);
  OK(scion_matmul(&a, 0, &b, 0, &c)); /* sums of nothing are 0 */
  real zeros[12] = {0};
  CLOSE(c, zeros, 0);
  OK(scion_matmul(&none, 0, &square, 0, &none_too));
  RELEASE(&a, &b, &c, &none, &square, &none_too);
}

static void refusals(void) {
  scion_tensor x = TENSOR(2, 3), w = TENSOR(3, 4), y = TENSOR(2, 4), bias = TENSOR(3), cube = TENSOR(2, 2, 3);
  REFUSED_WITH(scion_dense_forward(&x, &y, NULL, &y, SCION_LINEAR), "dense: x is 2x3, w is 2x4 and y is 2x4");
  REFUSED_WITH(scion_dense_forward(&x, &w, &bias, &y, SCION_LINEAR), "bias is 3, but should be 4");
  REFUSED_WITH(scion_dense_forward(&x, &w, NULL, &y, SCION_ACTIVATIONS), "no activation number");
  REFUSED_WITH(scion_dense_backward_input(&x, &w, &y, 0), "do not fit");
  REFUSED_WITH(scion_dense_backward_weights(&x, &y, &y), "do not fit");
  REFUSED_WITH(scion_matmul(&x, 1, &w, 0, &y), "a is 2x3 transposed");
  REFUSED_WITH(scion_matmul(&cube, 0, &w, 0, &y), "2x2x3");
  scion_tensor square = TENSOR(3, 3);
  REFUSED_WITH(scion_matmul(&square, 0, &square, 0, &square), "memory");
  RELEASE(&x, &w, &y, &bias, &cube, &square);
}

int main(void) {
  test_begin("dense");
  reference_gradients();
  matmul(1, 1, 1, 0), matmul(17, 33, 5, 2), matmul(130, 70, 40, 0), matmul(3, 5, 20000, 0), matmul(600, 300, 64, 1);
  dense(1, 1, 1, 0), dense(7, 33, 17, 3), dense(32, 512, 301, 0), dense(9000, 40, 10, 0), dense(5000, 3, 2, 4);
  dense(64, 200, 96, 0), dense(65, 130, 112, 1), dense(300, 70, 48, 0), dense(2, 1024, 1024, 0), dense(33, 12, 320, 2);
  batches(300, 500, 112), batches(70, 17, 33);
  empty_sums();
  refusals();
  return test_end();
}
