/* Batch norm: against its reference, PyTorch's numbers and finite differences. */
#include "../fixtures/kernels.h"
#include "compare.h"
#include "kernels/reference/reference.h"

#define EPSILON 1e-3

static scion_tensor positive(int64_t n) {
  scion_tensor t = TENSOR(n);
  for (int64_t i = 0; i < n; i++) ((float *)t.data)[i] = fabsf(((float *)t.data)[i]) + 0.1f;
  return t;
}

/* How many times as large as the largest result the largest summand is: of few results all may be differences of numbers that are nearly
 * equal, which lose as much. */
static double cancelled(const real *x, const real *scale, const real *shift, const real *y, int64_t rows, int64_t channels) {
  double summand = 0, result = 0;
  for (int64_t i = 0; i < rows * channels; i++) {
    double scaled = fabs((double)x[i] * (scale ? (double)scale[i % channels] : 1)), shifted = shift ? fabs((double)shift[i % channels]) : 0;
    summand = fmax(summand, fmax(scaled, shifted)), result = fmax(result, fabs((double)y[i]));
  }
  return result > 0 ? fmax(1, summand / result) : 1;
}

static void stored(int64_t rows, int64_t channels, int gap) {
  scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap, rows, channels), dy = SLICE(gap, rows, channels),
               dx = SLICE(gap, rows, channels);
  scion_tensor gamma = TENSOR(channels), beta = TENSOR(channels), mean = TENSOR(channels), variance = positive(channels),
               bias = TENSOR(channels);
  scion_tensor scale = TENSOR(channels), shift = TENSOR(channels), dgamma = TENSOR(channels), dbeta = TENSOR(channels);
  int64_t n = rows * channels;
  real *rx = test_real(&x), *rdy = test_real(&dy), *rg = test_real(&gamma), *rb = test_real(&beta), *rm = test_real(&mean),
       *rv = test_real(&variance);
  real *rbias = test_real(&bias), *ry = new_reals(n), *rdg = new_reals(channels), *rdb = new_reals(channels),
       *biased = copy_reals(rx, n);
  for (int64_t i = 0; i < n; i++) biased[i] += rbias[i % channels];
  for (int variant = 0; variant < 8; variant++) {
    int g = variant & 1, b = variant >> 1 & 1, below = variant >> 2;
    reference_batch_norm(below ? biased : rx, g ? rg : NULL, b ? rb : NULL, rm, rv, ry, rows, channels, EPSILON);
    OK(scion_batch_norm_fold(g ? &gamma : NULL, b ? &beta : NULL, &mean, &variance, below ? &bias : NULL, &scale, &shift,
                             EPSILON));
    SAME_BITS(y, scion_scale_shift_forward(&x, &scale, &shift, &y, SCION_LINEAR));
    CLOSE(y, ry, 3e-6);
  }
  real *rs = test_real(&scale), *rt = test_real(&shift);
  for (int variant = 0; variant < 3 * SCION_ACTIVATIONS; variant++) {
    int s = variant % 3 != 0, t = variant % 3 != 1;
    scion_activation activation = (scion_activation)(variant / 3);
    reference_scale_shift(rx, s ? rs : NULL, t ? rt : NULL, ry, rows, channels, activation);
    SAME_BITS(y, scion_scale_shift_forward(&x, s ? &scale : NULL, t ? &shift : NULL, &y, activation));
    CLOSE(y, ry, 3e-6 * cancelled(rx, s ? rs : NULL, t ? rt : NULL, ry, rows, channels));
  }
  reference_batch_norm_parameters(rx, rdy, rm, rv, rdg, rdb, rows, channels, EPSILON);
  for (int variant = 0; variant < 16; variant++) { /* every choice of what is wanted */
    int accumulate = variant >> 3;
    scion_tensor *pdx = variant & 1 ? &dx : NULL, *pdg = variant & 2 ? &dgamma : NULL, *pdb = variant & 4 ? &dbeta : NULL;
    real *rdx = new_reals(n);
    for (int64_t i = 0; i < n; i++) rdx[i] = rdy[i] * rs[i % channels];
    rdx = accumulated(&dx, rdx, accumulate);
    OK(scion_tensor_fill(&dgamma, 5));
    OK(scion_tensor_fill(&dbeta, 5));
    SAME_BITS(dx, scion_batch_norm_stored_backward(pdg ? &x : NULL, &dy, pdg ? &mean : NULL, pdg ? &variance : NULL,
                                                   pdx ? &scale : NULL, pdx, pdg, pdb, EPSILON, accumulate));
    if (pdx) CLOSE(dx, rdx, 2e-6);
    if (pdg) CLOSE(dgamma, rdg, 3e-6);
    if (pdb) CLOSE(dbeta, rdb, 3e-6);
    CHECK(pdg || ((float *)dgamma.data)[0] == 5, "dgamma was written");
    free(rdx);
  }
  SAME_BITS(dgamma, scion_batch_norm_stored_backward(&x, &dy, &mean, &variance, &scale, NULL, &dgamma, &dbeta, EPSILON, 0));
  SAME_BITS(x, scion_scale_shift_forward(&x, &scale, &shift, &x, SCION_LINEAR)); /* y may be x */
  reference_scale_shift(rx, rs, rt, ry, rows, channels, SCION_LINEAR);
  CLOSE(x, ry, 3e-6);
  RELEASE(&x, &y, &dy, &dx, &gamma, &beta, &mean, &variance, &bias, &scale, &shift, &dgamma, &dbeta);
  free(rx), free(rdy), free(rg), free(rb), free(rm), free(rv), free(rbias), free(ry), free(rdg), free(rdb), free(biased),
      free(rs), free(rt);
}

/* `offset` is the mean's distance from 0, where a sum of squares would lose the variance. */
static void batch(int64_t rows, int64_t channels, int gap, float offset) {
  scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap, rows, channels), dy = SLICE(gap, rows, channels),
               dx = SLICE(gap, rows, channels);
  scion_tensor gamma = TENSOR(channels), beta = TENSOR(channels), mean = TENSOR(channels), variance = positive(channels);
  scion_tensor saved_mean = TENSOR(channels), saved_rstd = TENSOR(channels), dgamma = TENSOR(channels), dbeta = TENSOR(channels);
  for (int64_t i = 0; i < rows * channels; i++) ((float *)x.data)[i / channels * x.row_stride + i % channels] += offset;
  double tolerance = rows == 1 ? 1e-5 : 5e-6 * (1 + fabs((double)offset)); /* x itself has 24 bits, its deviation fewer */
  real *rx = test_real(&x), *rdy = test_real(&dy), *rg = test_real(&gamma), *rb = test_real(&beta), *mm = test_real(&mean),
       *mv = test_real(&variance);
  real *rm = new_reals(channels), *rv = new_reals(channels), *ry = new_reals(rows * channels), *rdg = new_reals(channels),
       *rdb = new_reals(channels);
  reference_moments(rx, rows, channels, rm, rv);
  reference_batch_norm_parameters(rx, rdy, rm, rv, rdg, rdb, rows, channels, EPSILON);
  for (int64_t c = 0; c < channels; c++)
    mm[c] = (real)0.9 * mm[c] + (real)0.1 * rm[c], mv[c] = (real)0.9 * mv[c] + (real)0.1 * rv[c];
  for (int plain = 0; plain < 2; plain++) {
    scion_tensor *g = plain ? NULL : &gamma, *b = plain ? NULL : &beta, moving_mean, moving_variance;
    OK(scion_tensor_new(&moving_mean, SCION_F32, 1, &channels));
    OK(scion_tensor_new(&moving_variance, SCION_F32, 1, &channels));
    OK(scion_tensor_copy(&mean, &moving_mean, 0));
    OK(scion_tensor_copy(&variance, &moving_variance, 0));
    reference_batch_norm(rx, plain ? NULL : rg, plain ? NULL : rb, rm, rv, ry, rows, channels, EPSILON);
    OK(scion_batch_norm_batch_forward(&x, g, b, &moving_mean, &moving_variance, &saved_mean, &saved_rstd, &y, EPSILON, 0.9,
                                      SCION_LINEAR));
    CLOSE(moving_mean, mm, 1e-6);
    CLOSE(moving_variance, mv, 1e-6);
    SAME_BITS(y, scion_batch_norm_batch_forward(&x, g, b, &moving_mean, &moving_variance, &saved_mean, &saved_rstd, &y, EPSILON,
                                                0.9, SCION_LINEAR));
    if (rows > 1 || !plain) CLOSE(y, ry, tolerance);
    for (int accumulate = 0; accumulate < 2; accumulate++) {
      real *rdx = new_reals(rows * channels);
      reference_batch_norm_batch_backward(rx, rdy, plain ? NULL : rg, rdx, rows, channels, EPSILON);
      rdx = accumulated(&dx, rdx, accumulate);
      SAME_BITS(dx, scion_batch_norm_batch_backward(&x, &dy, g, &saved_mean, &saved_rstd, &dx, &dgamma, &dbeta, accumulate));
      if (rows > 1) CLOSE(dx, rdx, tolerance); /* that of a single row is 0, and rounding */
      if (rows > 1) CLOSE(dgamma, rdg, tolerance);
      CLOSE(dbeta, rdb, 3e-6);
      free(rdx);
    }
    SAME_BITS(dgamma, scion_batch_norm_batch_backward(&x, &dy, g, &saved_mean, &saved_rstd, NULL, &dgamma, NULL, 0));
    if (rows > 1) CLOSE(dgamma, rdg, tolerance);
    RELEASE(&moving_mean, &moving_variance);
  }
  RELEASE(&x, &y, &dy, &dx, &gamma, &beta, &mean, &variance, &saved_mean, &saved_rstd, &dgamma, &dbeta);
  free(rx), free(rdy), free(rg), free(rb), free(mm), free(mv), free(rm), free(rv), free(ry), free(rdg), free(rdb);
}

typedef struct {
  real *x, *gamma, *beta, *mean, *variance, *y, *dy;
  int of_batch;
} difference;

static double loss(void *data) {
  difference *d = data;
  if (d->of_batch) reference_moments(d->x, 8, 5, d->mean, d->variance);
  reference_batch_norm(d->x, d->gamma, d->beta, d->mean, d->variance, d->y, 8, 5, EPSILON);
  return (double)dot(d->y, d->dy, 40);
}

static void reference_gradients(void) {
  difference d = {random_reals(40), random_reals(5), random_reals(5),  new_reals(5),
                  new_reals(5),     new_reals(40),   random_reals(40), 1};
  real *dx = new_reals(40), *dgamma = new_reals(5), *dbeta = new_reals(5);
  for (d.of_batch = 1; d.of_batch >= 0; d.of_batch--) {
    loss(&d);
    reference_batch_norm_parameters(d.x, d.dy, d.mean, d.variance, dgamma, dbeta, 8, 5, EPSILON);
    double by_gamma = test_gradient(loss, &d, d.gamma, dgamma, 5, 5), by_beta = test_gradient(loss, &d, d.beta, dbeta, 5, 5);
    CHECK(by_gamma < 1e-6 && by_beta < 1e-6, "%g, %g", by_gamma, by_beta);
    if (!d.of_batch) continue;
    reference_batch_norm_batch_backward(d.x, d.dy, d.gamma, dx, 8, 5, EPSILON);
    double by_x = test_gradient(loss, &d, d.x, dx, 40, 40);
    CHECK(by_x < 1e-6, "%g", by_x);
  }
  free(d.x), free(d.gamma), free(d.beta), free(d.mean), free(d.variance), free(d.y), free(d.dy), free(dx), free(dgamma),
      free(dbeta);
}

static void golden(void) {
  scion_tensor x = GOLDEN(golden_bn_x, 6, 5), dy = GOLDEN(golden_bn_dy, 6, 5), gamma = GOLDEN(golden_bn_gamma, 5),
               beta = GOLDEN(golden_bn_beta, 5);
  scion_tensor mean = GOLDEN(golden_bn_mean, 5), variance = GOLDEN(golden_bn_variance, 5), scale = TENSOR(5), shift = TENSOR(5);
  scion_tensor y = TENSOR(6, 5), dx = TENSOR(6, 5), dgamma = TENSOR(5), dbeta = TENSOR(5), saved_mean = TENSOR(5),
               saved_rstd = TENSOR(5);
  OK(scion_batch_norm_fold(&gamma, &beta, &mean, &variance, NULL, &scale, &shift, EPSILON));
  OK(scion_scale_shift_forward(&x, &scale, &shift, &y, SCION_LINEAR));
  EXACTLY(y, golden_bn_stored_y, 1e-6);
  OK(scion_batch_norm_stored_backward(&x, &dy, &mean, &variance, &scale, &dx, &dgamma, &dbeta, EPSILON, 0));
  EXACTLY(dx, golden_bn_stored_dx, 1e-6);
  EXACTLY(dgamma, golden_bn_stored_dgamma, 1e-6);
  EXACTLY(dbeta, golden_bn_dbeta, 1e-6);
  OK(scion_batch_norm_batch_forward(&x, &gamma, &beta, &mean, &variance, &saved_mean, &saved_rstd, &y, EPSILON, 0.9,
                                    SCION_LINEAR));
  EXACTLY(y, golden_bn_batch_y, 1e-6);
  EXACTLY(mean, golden_bn_moving_mean, 1e-6);
  EXACTLY(variance, golden_bn_moving_variance, 1e-6);
  OK(scion_batch_norm_batch_backward(&x, &dy, &gamma, &saved_mean, &saved_rstd, &dx, &dgamma, &dbeta, 0));
  EXACTLY(dx, golden_bn_batch_dx, 2e-6);
  EXACTLY(dgamma, golden_bn_batch_dgamma, 1e-6);
  EXACTLY(dbeta, golden_bn_dbeta, 1e-6);
  RELEASE(&x, &dy, &gamma, &beta, &mean, &variance, &scale, &shift, &y, &dx, &dgamma, &dbeta, &saved_mean, &saved_rstd);
}

static void refusals(void) {
  scion_tensor x = TENSOR(6, 5), y = TENSOR(6, 4), five = TENSOR(5), four = TENSOR(4), empty = TENSOR(0, 5);
  REFUSED_WITH(scion_batch_norm_fold(NULL, NULL, &five, &four, NULL, &five, &five, EPSILON), "variance is 4, but should be 5");
  REFUSED_WITH(scion_batch_norm_fold(NULL, NULL, &five, NULL, NULL, &five, &five, EPSILON), "variance is missing");
  REFUSED_WITH(scion_scale_shift_forward(&x, &four, NULL, &x, SCION_LINEAR), "scale is 4");
  REFUSED_WITH(scion_scale_shift_forward(&x, NULL, NULL, &y, SCION_LINEAR), "one shape");
  REFUSED_WITH(scion_batch_norm_stored_backward(NULL, &x, &five, &five, &five, &x, &five, NULL, EPSILON, 0), "x is missing");
  REFUSED_WITH(scion_batch_norm_stored_backward(NULL, &x, NULL, NULL, NULL, &x, NULL, NULL, EPSILON, 0), "scale is missing");
  REFUSED_WITH(scion_batch_norm_batch_forward(&empty, NULL, NULL, &five, &five, &five, &five, &empty, EPSILON, 0.9, SCION_LINEAR),
               "no rows");
  REFUSED_WITH(scion_batch_norm_batch_forward(&x, NULL, NULL, &five, &five, &five, NULL, &x, EPSILON, 0.9, SCION_LINEAR),
               "saved_rstd is missing");
  REFUSED_WITH(scion_batch_norm_batch_backward(&x, &y, NULL, &five, &five, &x, NULL, NULL, 0), "one shape");
  RELEASE(&x, &y, &five, &four, &empty);
}

/* Unfolding beside the definition: z = x w + bias, then batch norm on stored statistics. */
static void unfold(int64_t depth, int64_t channels, int biased) {
  const int64_t rows = 7;
  scion_tensor x = TENSOR(rows, depth), w = TENSOR(depth, channels), dy = TENSOR(rows, channels), bias = TENSOR(channels);
  scion_tensor mean = TENSOR(channels), variance = positive(channels), scale = TENSOR(channels), db = TENSOR(channels);
  scion_tensor dw = TENSOR(depth, channels), dgamma = TENSOR(channels);
  real *rx = test_real(&x), *rw = test_real(&w), *rdy = test_real(&dy), *rb = test_real(&bias), *rm = test_real(&mean),
       *rv = test_real(&variance), *rs = test_real(&scale);
  real *rdw = new_reals(depth * channels), *rdg = new_reals(channels), *rdb = new_reals(channels), *z = new_reals(rows * channels);
  for (int64_t i = 0; i < rows * channels; i++) {
    int64_t r = i / channels, c = i % channels;
    z[i] = biased ? rb[c] : 0;
    for (int64_t k = 0; k < depth; k++) {
      z[i] += rx[r * depth + k] * rw[k * channels + c];
      rdw[k * channels + c] += rx[r * depth + k] * rdy[i];
    }
  }
  reference_batch_norm_parameters(z, rdy, rm, rv, rdg, rdb, rows, channels, EPSILON);
  for (int64_t i = 0; i < depth * channels; i++) ((float *)dw.data)[i] = (float)rdw[i], rdw[i] *= rs[i % channels];
  for (int64_t c = 0; c < channels; c++) ((float *)db.data)[c] = (float)rdb[c];
  SAME_BITS(dw, scion_batch_norm_unfold(&w, &db, &mean, &variance, biased ? &bias : NULL, &scale, &dw, &dgamma, EPSILON));
  CLOSE(dw, rdw, 1e-6);
  CLOSE(dgamma, rdg, 1e-5);
  REFUSED_WITH(scion_batch_norm_unfold(&w, &db, &mean, &variance, NULL, &scale, &x, &dgamma, EPSILON), "dw is");
  RELEASE(&x, &w, &dy, &bias, &mean, &variance, &scale, &db, &dw, &dgamma);
  free(rx), free(rw), free(rdy), free(rb), free(rm), free(rv), free(rs), free(rdw), free(rdg), free(rdb), free(z);
}

int main(void) {
  test_begin("batch norm");
  reference_gradients();
  golden();
  stored(1, 1, 0), stored(50, 17, 3), stored(3000, 70, 0), stored(3, 20001, 0);
  batch(1, 3, 0, 0), batch(50, 17, 3, 0), batch(9000, 33, 0, 2), batch(70000, 1, 0, 0), batch(40, 5000, 0, 0),
      batch(5000, 20, 2, 300);
  unfold(1, 1, 1), unfold(30, 17, 0), unfold(9, 200, 1);
  refusals();
  return test_end();
}
