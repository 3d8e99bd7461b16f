/* Optimizers: several steps against the reference in double precision, and against numbers of PyTorch and of Keras's formulas. */
#include <string.h>

#include "../fixtures/kernels.h"
#include "compare.h"
#include "kernels/reference/reference.h"

enum { SGD, MOMENTUM, NESTEROV, RMSPROP, RMSPROP_MOMENTUM, ADAM, ADAMW, GOLDEN_KINDS, ADAGRAD = GOLDEN_KINDS, LION, LAMB, KINDS };

static bool has_m(int kind) { return kind != SGD && kind != RMSPROP && kind != ADAGRAD; }
static bool has_v(int kind) { return kind >= RMSPROP && kind != LION; }

static double decay_of(int kind) { return kind == ADAMW ? 0.1 : 0; }

static scion_status fast(int kind, scion_tensor *w, const scion_tensor *g, scion_tensor *m, scion_tensor *v, int step,
                         double decay, int dry) {
  switch (kind) {
    case SGD: return scion_sgd_update(w, g, NULL, 0.1, 0, 0, decay, dry);
    case MOMENTUM: return scion_sgd_update(w, g, m, 0.1, 0.9, 0, decay, dry);
    case NESTEROV: return scion_sgd_update(w, g, m, 0.1, 0.9, 1, decay, dry);
    case RMSPROP: return scion_rmsprop_update(w, g, v, NULL, 0.01, 0.9, 0, 1e-7, decay, dry);
    case RMSPROP_MOMENTUM: return scion_rmsprop_update(w, g, v, m, 0.01, 0.9, 0.5, 1e-7, decay, dry);
    case ADAGRAD: return scion_adagrad_update(w, g, v, 0.01, 1e-7, decay, dry);
    case LION: return scion_lion_update(w, g, m, 0.01, 0.9, 0.99, decay, dry);
    case LAMB: return scion_lamb_update(w, g, m, v, 0.01, 0.9, 0.999, 1e-7, step, decay, dry);
    default: return scion_adam_update(w, g, m, v, 0.01, 0.9, 0.999, 1e-7, step, decay, dry);
  }
}

static void reference(int kind, real *w, const real *g, real *m, real *v, int64_t n, int step, double decay) {
  switch (kind) {
    case SGD: reference_sgd(w, g, NULL, n, 0.1, 0, 0, decay); break;
    case MOMENTUM: reference_sgd(w, g, m, n, 0.1, 0.9, 0, decay); break;
    case NESTEROV: reference_sgd(w, g, m, n, 0.1, 0.9, 1, decay); break;
    case RMSPROP: reference_rmsprop(w, g, v, NULL, n, 0.01, 0.9, 0, 1e-7, decay); break;
    case RMSPROP_MOMENTUM: reference_rmsprop(w, g, v, m, n, 0.01, 0.9, 0.5, 1e-7, decay); break;
    case ADAGRAD: reference_adagrad(w, g, v, n, 0.01, 1e-7, decay); break;
    case LION: reference_lion(w, g, m, n, 0.01, 0.9, 0.99, decay); break;
    case LAMB: reference_lamb(w, g, m, v, n, 0.01, 0.9, 0.999, 1e-7, step, decay); break;
    default: reference_adam(w, g, m, v, n, 0.01, 0.9, 0.999, 1e-7, step, decay);
  }
}

static void golden(void) {
  const double *expected[GOLDEN_KINDS] = {golden_step_sgd, golden_step_momentum, golden_step_nesterov, golden_step_rmsprop,
                                   golden_step_rmsprop_momentum, golden_step_adam, golden_step_adamw};
  for (int kind = 0; kind < GOLDEN_KINDS; kind++) { /* the others: spec/optim/optim_spec.lua */
    scion_tensor w = GOLDEN(golden_step_w, 7), m = TENSOR(7), v = TENSOR(7);
    OK(scion_tensor_fill(&m, 0));
    OK(scion_tensor_fill(&v, 0));
    real *rw = test_real(&w), *rm = new_reals(7), *rv = new_reals(7);
    for (int step = 1; step <= 3; step++) {
      scion_tensor g = GOLDEN(golden_step_g + (step - 1) * 7, 7);
      real *rg = test_real(&g);
      OK(fast(kind, &w, &g, &m, &v, step, decay_of(kind), 0));
      reference(kind, rw, rg, rm, rv, 7, step, decay_of(kind));
      RELEASE(&g);
      free(rg);
    }
    EXACTLY(w, expected[kind], 1e-6);
    for (int i = 0; i < 7; i++)
      CHECK(fabs((double)rw[i] - expected[kind][i]) < 1e-8, "kind %d, weight %d: the reference has %g", kind, i, (double)rw[i]);
    RELEASE(&w, &m, &v);
    free(rw), free(rm), free(rv);
  }
}

/* The gradients of a step. Of few weights each keeps its sign through all steps: a state that is what cancellation left of five
 * gradients has no relative error to speak of, and no other element is large enough to stand for it. */
static scion_tensor gradients(int64_t n) {
  scion_tensor g = TENSOR(n);
  float *data = g.data;
  for (int64_t i = 0; i < n && n < 20; i++) data[i] = copysignf(fabsf(data[i]) + 0.5f, i % 2 ? -1 : 1);
  return g;
}

/* Lion takes the sign of a sum: where that is nearly 0, rounding decides, and so the gradient is moved. */
static void avoid_ties(scion_tensor *g, const real *m) {
  for (int64_t i = 0; i < scion_tensor_elements(g); i++) {
    float *each = (float *)g->data + i;
    if (fabs(0.9 * (double)m[i] + 0.1 * (double)*each) < 1e-4) *each += 0.01f;
  }
}

static void against_reference(int64_t n) {
  for (int kind = 0; kind < KINDS; kind++) {
    scion_tensor w = TENSOR(n), m = TENSOR(n), v = TENSOR(n);
    OK(scion_tensor_fill(&m, 0));
    OK(scion_tensor_fill(&v, 0));
    real *rw = test_real(&w), *rm = new_reals(n), *rv = new_reals(n);
    for (int step = 1; step <= 5; step++) {
      scion_tensor g = gradients(n);
      if (kind == LION) avoid_ties(&g, rm);
      real *rg = test_real(&g);
      reference(kind, rw, rg, rm, rv, n, step, 0.01);
      scion_tensor m0 = TENSOR(n), v0 = TENSOR(n); /* the state that each number of threads starts from */
      OK(scion_tensor_copy(&m, &m0, 0));
      OK(scion_tensor_copy(&v, &v0, 0));
      SAME_BITS(w, (scion_tensor_copy(&m0, &m, 0), scion_tensor_copy(&v0, &v, 0), fast(kind, &w, &g, &m, &v, step, 0.01, 0)));
      RELEASE(&g, &m0, &v0);
      free(rg);
    }
    CLOSE(w, rw, 2e-6);
    if (has_m(kind)) CLOSE(m, rm, 2e-6);
    if (has_v(kind)) CLOSE(v, rv, 2e-6);
    RELEASE(&w, &m, &v);
    free(rw), free(rm), free(rv);
  }
}

/* LAMB's norms of more weights than are added up at once. */
static void norms_of_many(void) {
  int64_t n = 65 * 16384 + 77;
  scion_tensor w = TENSOR(n), g = TENSOR(n), m = TENSOR(n), v = TENSOR(n);
  OK(scion_tensor_fill(&m, 0));
  OK(scion_tensor_fill(&v, 0));
  real *rw = test_real(&w), *rg = test_real(&g), *rm = new_reals(n), *rv = new_reals(n);
  reference(LAMB, rw, rg, rm, rv, n, 1, 0.01);
  OK(fast(LAMB, &w, &g, &m, &v, 1, 0.01, 0));
  CLOSE(w, rw, 2e-6);
  RELEASE(&w, &g, &m, &v);
  free(rw), free(rg), free(rm), free(rv);
}

static bool same_bits(const scion_tensor *a, const scion_tensor *b) {
  return memcmp(a->data, b->data, (size_t)scion_tensor_elements(a) * sizeof(float)) == 0;
}

/* Weights whose update is no number, in every position of a vector and behind it: they and their states stay, all others move. */
static void keeps_what_is_finite(int64_t n) {
  const float poison[] = {NAN, INFINITY, -INFINITY, 3e38f}; /* the last overflows in squares, and where the rate is large */
  for (int kind = 0; kind < KINDS; kind++)
    for (int p = 0; p < 4; p++) {
      bool overflows = p < 3 || has_v(kind);
      scion_tensor w = TENSOR(n), m = TENSOR(n), v = TENSOR(n), g = TENSOR(n), w0 = TENSOR(n), m0 = TENSOR(n), v0 = TENSOR(n);
      OK(scion_tensor_fill(&m, 0.5));
      OK(scion_tensor_fill(&v, 0.25));
      OK(scion_tensor_copy(&w, &w0, 0));
      OK(scion_tensor_copy(&m, &m0, 0));
      OK(scion_tensor_copy(&v, &v0, 0));
      int64_t poisoned = 0;
      for (int64_t i = 0; i < n; i++)
        if (i % 5 == 2 || i == n - 1) ((float *)g.data)[i] = poison[p], poisoned++;
        else ((float *)g.data)[i] += copysignf(0.5f, ((float *)g.data)[i]); /* enough to move a weight by more than its last bit */
      scion_status dry = fast(kind, &w, &g, &m, &v, 1, 0.01, 1);
      CHECK(same_bits(&w, &w0) && same_bits(&m, &m0) && same_bits(&v, &v0), "kind %d, poison %d: a dry update writes", kind, p);
      scion_status status = fast(kind, &w, &g, &m, &v, 1, 0.01, 0);
      CHECK(dry == status, "kind %d, poison %d: %d, dry %d", kind, p, status, dry);
      CHECK((status == SCION_WORLD) == overflows, "kind %d, poison %d: status %d", kind, p, status);
      char expected[64];
      snprintf(expected, sizeof expected, "would have made %lld of %lld weights", (long long)poisoned, (long long)n);
      if (overflows) CHECK(strstr(scion_error_message(), expected), "%s", scion_error_message());
      int64_t wrong = 0;
      for (int64_t i = 0; i < n; i++) {
        bool kept = overflows && (i % 5 == 2 || i == n - 1);
        float after = ((float *)w.data)[i];
        wrong += !isfinite(after) || !isfinite(((float *)m.data)[i]) || !isfinite(((float *)v.data)[i]);
        wrong += kept != (after == ((float *)w0.data)[i]);
        wrong += kept && (((float *)m.data)[i] != ((float *)m0.data)[i] || ((float *)v.data)[i] != ((float *)v0.data)[i]);
      }
      CHECK(wrong == 0, "kind %d, poison %d: %lld elements", kind, p, (long long)wrong);
      RELEASE(&w, &m, &v, &g, &w0, &m0, &v0);
    }
}

static void refusals(void) {
  scion_tensor w = TENSOR(4, 3), g = TENSOR(4, 3), other = TENSOR(3, 4), slice = SLICE(2, 4, 3);
  REFUSED_WITH(scion_sgd_update(&w, &other, NULL, 0.1, 0, 0, 0, 0), "w is 4x3, but the gradient is 3x4");
  REFUSED_WITH(scion_sgd_update(&w, &g, NULL, 0.1, 0.9, 0, 0, 0), "momentum 0.9 needs a state m");
  REFUSED_WITH(scion_sgd_update(&w, &slice, NULL, 0.1, 0, 0, 0, 0), "in a row");
  REFUSED_WITH(scion_sgd_update(&w, &g, NULL, NAN, 0, 0, 0, 0), "finite");
  REFUSED_WITH(scion_rmsprop_update(&w, &g, NULL, NULL, 0.1, 0.9, 0, 1e-7, 0, 0), "v is missing");
  REFUSED_WITH(scion_rmsprop_update(&w, &g, &g, NULL, 0.1, 0.9, 0.5, 1e-7, 0, 0), "needs a state m");
  REFUSED_WITH(scion_adam_update(&w, &g, &g, &other, 0.1, 0.9, 0.999, 1e-7, 1, 0, 0), "v is 3x4");
  REFUSED_WITH(scion_adam_update(&w, &g, &g, &g, 0.1, 0.9, 0.999, 1e-7, 0, 0, 0), "count from 1");
  REFUSED_WITH(scion_adagrad_update(&w, &g, NULL, 0.1, 1e-7, 0, 0), "v is missing");
  REFUSED_WITH(scion_lion_update(&w, &g, &other, 0.1, 0.9, 0.99, 0, 0), "m is 3x4");
  REFUSED_WITH(scion_lamb_update(&w, &g, &g, NULL, 0.1, 0.9, 0.999, 1e-7, 1, 0, 0), "v is missing");
  REFUSED_WITH(scion_lamb_update(&w, &g, &g, &g, 0.1, 0.9, 0.999, 1e-7, 0, 0, 0), "count from 1");
  RELEASE(&w, &g, &other, &slice);
}

/* Where a norm is 0 the factor is 1: weights that begin at zero learn, and a gradient of zeros moves nothing. */
static void norms_of_zero(void) {
  scion_tensor w = TENSOR(5), g = TENSOR(5), m = TENSOR(5), v = TENSOR(5), before = TENSOR(5);
  for (int zeros = 0; zeros < 2; zeros++) {
    OK(scion_tensor_fill(&m, 0));
    OK(scion_tensor_fill(&v, 0));
    OK(scion_tensor_fill(&w, zeros ? 0.5 : 0));
    OK(scion_tensor_fill(&g, zeros ? 0 : 2));
    OK(scion_tensor_copy(&w, &before, 0));
    OK(scion_lamb_update(&w, &g, &m, &v, 0.25, 0.9, 0.999, 1e-7, 1, 0, 0));
    for (int i = 0; i < 5; i++) {
      double moved = (double)((float *)before.data)[i] - (double)((float *)w.data)[i];
      CHECK(fabs(moved - (zeros ? 0 : 0.25)) < 1e-6, "moved by %g", moved);
    }
  }
  RELEASE(&w, &g, &m, &v, &before);
}

int main(void) {
  test_begin("optimizer");
  golden();
  against_reference(1), against_reference(17), against_reference(50001);
  norms_of_many();
  keeps_what_is_finite(1), keeps_what_is_finite(37), keeps_what_is_finite(20003);
  refusals();
  norms_of_zero();
  return test_end();
}
