/* Norm and limits of all gradients, against plain loops in double precision. */
#include "compare.h"

static void against_loops(int64_t n) {
  scion_tensor x = TENSOR(n);
  float *v = x.data;
  real *expected = test_real(&x);
  double squares = 0, norm = 0, first = 0;
  for (int64_t i = 0; i < n; i++) squares += (double)expected[i] * (double)expected[i];
  for (int threads = 1; threads <= 5; threads += 2) {
    scion_set_threads(threads);
    OK(scion_norm(&x, &norm));
    if (threads == 1) first = norm;
    CHECK(norm == first, "%d threads: %g, not %g", threads, norm, first);
  }
  CHECK(fabs(norm - sqrt(squares)) <= 1e-13 * norm, "the norm is %.17g, not %.17g", norm, sqrt(squares));
  OK(scion_scaled_add_backward(&x, &x, -0.25, 0)); /* in place, as gradients are scaled */
  for (int64_t i = 0; i < n; i++) expected[i] *= (real)-0.25;
  EXACTLY(x, expected, 0);
  double limit = fabs((double)v[n / 2]);
  SAME_BITS(x, scion_clip(&x, limit));
  for (int64_t i = 0; i < n; i++) {
    if ((double)expected[i] > limit) expected[i] = (real)limit;
    if ((double)expected[i] < -limit) expected[i] = (real)-limit;
  }
  EXACTLY(x, expected, 0);
  RELEASE(&x);
  free(expected);
}

/* Squares that f32 cannot hold, and elements that are not finite. */
static void extremes(void) {
  scion_tensor x = TENSOR(3);
  float *v = x.data;
  double norm;
  v[0] = 3e38f, v[1] = -3e38f, v[2] = 1e-38f;
  OK(scion_norm(&x, &norm));
  CHECK(fabs(norm / (3e38 * sqrt(2)) - 1) < 1e-7, "%g", norm);
  v[0] = NAN, v[1] = -INFINITY;
  OK(scion_norm(&x, &norm));
  CHECK(isnan(norm), "%g", norm);
  OK(scion_clip(&x, 2));
  CHECK(isnan(v[0]) && v[1] == -2, "%g %g", (double)v[0], (double)v[1]);
  v[0] = 0;
  OK(scion_clip(&x, 0));
  CHECK(v[1] == 0 && v[2] == 0, "%g %g", (double)v[1], (double)v[2]);
  RELEASE(&x);
}

static void refusals(void) {
  scion_tensor slice = SLICE(2, 4, 3), integers, none = TENSOR(0);
  double norm = 1;
  int64_t shape[] = {4};
  OK(scion_tensor_new(&integers, SCION_I32, 1, shape));
  REFUSED_WITH(scion_norm(&slice, &norm), "in a row");
  REFUSED_WITH(scion_norm(&integers, &norm), "norm: x is i32");
  REFUSED_WITH(scion_clip(&none, -1), "should not be negative");
  REFUSED_WITH(scion_clip(&none, NAN), "should not be negative");
  OK(scion_norm(&none, &norm));
  CHECK(norm == 0, "%g", norm);
  OK(scion_scaled_add_backward(&none, &none, 2, 0));
  RELEASE(&slice, &integers, &none);
}

int main(void) {
  test_begin("gradients");
  against_loops(1), against_loops(17), against_loops(16384), against_loops(50001);
  extremes();
  refusals();
  return test_end();
}
