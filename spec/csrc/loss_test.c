/* Losses: against references, PyTorch's numbers, finite differences, and at extremes. */
#include "../fixtures/kernels.h"
#include "compare.h"
#include "kernels/reference/reference.h"

enum { SOFTMAX, SOFT, SIGMOID, SQUARE, SMOOTH, SMOOTH_SOFT, SMOOTH_SIGMOID, FOCAL, FOCAL_SOFT, FOCAL_SIGMOID, ABSOLUTE, HUBER, KINDS };

static const double smoothing = 0.1, delta = 0.75, alpha = 0.25, beta = 0.75;
static double focus = 2; /* gamma of the focal losses */

static bool of_softmax(int kind) { return kind == SOFTMAX || kind == SOFT || kind == SMOOTH || kind == SMOOTH_SOFT || kind == FOCAL || kind == FOCAL_SOFT; }
static bool of_sigmoid(int kind) { return kind == SIGMOID || kind == SMOOTH_SIGMOID || kind == FOCAL_SIGMOID; }
static bool of_label(int kind) { return kind == SOFTMAX || kind == SMOOTH || kind == FOCAL; }

static scion_tensor random_labels(int64_t rows, int64_t classes) {
  scion_tensor labels;
  OK(scion_tensor_new(&labels, SCION_I32, 1, &rows));
  for (int64_t r = 0; r < rows; r++) ((int32_t *)labels.data)[r] = test_integer(0, (int)classes - 1);
  return labels;
}

static scion_status run(int kind, const scion_tensor *x, const scion_tensor *labels, const scion_tensor *targets,
                        const scion_tensor *weights, scion_tensor *p, scion_tensor *losses, scion_tensor *dx) {
  double smooth = kind == SMOOTH || kind == SMOOTH_SOFT || kind == SMOOTH_SIGMOID ? smoothing : 0;
  if (kind == SOFTMAX || kind == SMOOTH) return scion_softmax_cross_entropy(x, labels, weights, smooth, p, losses, dx);
  if (kind == SOFT || kind == SMOOTH_SOFT) return scion_softmax_cross_entropy_soft(x, targets, weights, smooth, p, losses, dx);
  if (kind == SIGMOID || kind == SMOOTH_SIGMOID) return scion_sigmoid_cross_entropy(x, targets, weights, smooth, p, losses, dx);
  if (kind == FOCAL) return scion_softmax_focal(x, labels, weights, focus, alpha, p, losses, dx);
  if (kind == FOCAL_SOFT) return scion_softmax_focal_soft(x, targets, weights, focus, alpha, p, losses, dx);
  if (kind == FOCAL_SIGMOID) return scion_sigmoid_focal(x, targets, weights, focus, alpha, beta, p, losses, dx);
  if (kind == ABSOLUTE) return scion_mean_absolute_error(x, targets, weights, losses, dx);
  if (kind == HUBER) return scion_huber(x, targets, weights, delta, losses, dx);
  return scion_mean_squared_error(x, targets, weights, losses, dx);
}

/* A label is a row that is 1 there. */
static void reference(int kind, const real *x, const int32_t *labels, const real *targets, const real *weights, real *losses,
                      real *dx, int64_t rows, int64_t width) {
  real *hot = new_reals(rows * width), smooth = (real)(kind == SMOOTH || kind == SMOOTH_SOFT || kind == SMOOTH_SIGMOID ? smoothing : 0);
  for (int64_t r = 0; r < rows; r++) hot[r * width + labels[r]] = 1;
  if (of_label(kind)) targets = hot;
  if (kind == FOCAL || kind == FOCAL_SOFT)
    reference_softmax_focal_soft(x, targets, weights, (real)focus, (real)alpha, losses, dx, rows, width);
  else if (of_softmax(kind))
    reference_softmax_cross_entropy_soft(x, targets, weights, smooth, losses, dx, rows, width);
  else if (kind == FOCAL_SIGMOID)
    reference_sigmoid_focal(x, targets, weights, (real)focus, (real)alpha, (real)beta, losses, dx, rows, width);
  else if (of_sigmoid(kind))
    reference_sigmoid_cross_entropy(x, targets, weights, smooth, losses, dx, rows, width);
  else
    reference_distance(x, targets, weights, kind == SQUARE ? 0 : kind == ABSOLUTE ? -1 : (real)delta, losses, dx, rows, width);
  free(hot);
}

static void against_reference(int64_t rows, int64_t width, int gap) {
  scion_tensor x = SLICE(gap, rows, width), targets = SLICE(gap, rows, width), labels = random_labels(rows, width),
               weights = TENSOR(rows);
  scion_tensor p = SLICE(gap, rows, width), dx = SLICE(gap, rows, width), losses = TENSOR(rows);
  OK(scion_random_uniform(&targets, test_seed, 5, SCION_DRAW_TENSOR, 0, 1));
  real *rx = test_real(&x), *rt = test_real(&targets), *rw = test_real(&weights), *rl = new_reals(rows),
       *rdx = new_reals(rows * width);
  real *rp = new_reals(rows * width);
  for (int variant = 0; variant < 2 * KINDS; variant++) {
    int kind = variant / 2, weighted = variant % 2;
    reference(kind, rx, labels.data, rt, weighted ? rw : NULL, rl, rdx, rows, width);
    OK(run(kind, &x, &labels, &targets, weighted ? &weights : NULL, &p, &losses, NULL));
    CLOSE(losses, rl, 2e-6);
    SAME_BITS(losses, run(kind, &x, &labels, &targets, weighted ? &weights : NULL, &p, &losses, &dx));
    SAME_BITS(dx, run(kind, &x, &labels, &targets, weighted ? &weights : NULL, &p, &losses, &dx));
    CLOSE(losses, rl, 2e-6);
    CLOSE(dx, rdx, 2e-6);
    if (of_softmax(kind)) reference_softmax(rx, rp, rows, width);
    for (int64_t i = 0; of_sigmoid(kind) && i < rows * width; i++) rp[i] = reference_activate(rx[i], SCION_SIGMOID);
    if (of_softmax(kind) || of_sigmoid(kind)) CLOSE(p, rp, 1e-6);
  }
  RELEASE(&x, &targets, &labels, &weights, &p, &dx, &losses);
  free(rx), free(rt), free(rw), free(rl), free(rdx), free(rp);
}

typedef struct {
  real *x, *targets, *weights, *losses, *dx;
  int32_t labels[6];
  int kind;
} difference;

static double loss(void *data) {
  difference *d = data;
  double sum = 0;
  real *ignored = new_reals(30);
  reference(d->kind, d->x, d->labels, d->targets, d->weights, d->losses, ignored, 6, 5);
  for (int r = 0; r < 6; r++) sum += (double)d->losses[r];
  free(ignored);
  return sum / 6;
}

static void reference_gradients(void) {
  difference d = {random_reals(30), random_reals(30), random_reals(6), new_reals(6), new_reals(30), {0, 4, 2, 2, 1, 3}, 0};
  for (int i = 0; i < 30; i++) d.targets[i] = (real)(i % 7) / 6;
  for (d.kind = 0; d.kind < KINDS; d.kind++) {
    reference(d.kind, d.x, d.labels, d.targets, d.weights, d.losses, d.dx, 6, 5);
    double worst = test_gradient(loss, &d, d.x, d.dx, 30, 30);
    CHECK(worst < 1e-6, "kind %d: %g", d.kind, worst);
  }
  free(d.x), free(d.targets), free(d.weights), free(d.losses), free(d.dx);
}

static void golden(void) {
  scion_tensor x = GOLDEN(golden_loss_x, 4, 5), targets = GOLDEN(golden_loss_targets, 4, 5),
               weights = GOLDEN(golden_loss_weights, 4);
  scion_tensor labels = random_labels(4, 5), p = TENSOR(4, 5), dx = TENSOR(4, 5), losses = TENSOR(4);
  for (int r = 0; r < 4; r++) ((int32_t *)labels.data)[r] = (int32_t)golden_loss_labels[r];
  const double *expected[] = {golden_loss_softmax, golden_loss_soft, golden_loss_sigmoid, golden_loss_square};
  const double *gradients[] = {golden_loss_softmax_dx, golden_loss_soft_dx, golden_loss_sigmoid_dx, golden_loss_square_dx};
  for (int kind = 0; kind <= SQUARE; kind++) {
    OK(run(kind, &x, &labels, &targets, &weights, &p, &losses, &dx));
    EXACTLY(losses, expected[kind], 1e-6);
    EXACTLY(dx, gradients[kind], 1e-6);
  }
  RELEASE(&x, &targets, &weights, &labels, &p, &dx, &losses);
}

/* Rows with one class give the bits of the label; with smoothing they round otherwise. */
static void one_hot(void) {
  const int64_t rows = 37, width = 11;
  scion_tensor x = SLICE(2, rows, width), labels = random_labels(rows, width), targets = TENSOR(rows, width), weights = TENSOR(rows);
  scion_tensor p[2] = {TENSOR(rows, width), TENSOR(rows, width)}, dx[2] = {TENSOR(rows, width), TENSOR(rows, width)},
               losses[2] = {TENSOR(rows), TENSOR(rows)};
  for (int64_t i = 0; i < rows * width; i++) ((float *)targets.data)[i] = ((int32_t *)labels.data)[i / width] == i % width;
  const int pairs[][2] = {{SOFTMAX, SOFT}, {FOCAL, FOCAL_SOFT}};
  for (int k = 0; k < 2; k++) {
    for (int i = 0; i < 2; i++) OK(run(pairs[k][i], &x, &labels, &targets, &weights, &p[i], &losses[i], &dx[i]));
    CHECK(memcmp(p[0].data, p[1].data, (size_t)(rows * width) * sizeof(float)) == 0, "other probabilities");
    CHECK(memcmp(dx[0].data, dx[1].data, (size_t)(rows * width) * sizeof(float)) == 0, "other gradients");
    CHECK(memcmp(losses[0].data, losses[1].data, (size_t)rows * sizeof(float)) == 0, "other losses");
  }
  RELEASE(&x, &labels, &targets, &weights, &p[0], &p[1], &dx[0], &dx[1], &losses[0], &losses[1]);
}

/* Without a gamma a focal loss is the cross-entropy. */
static void unfocused(void) {
  const int pairs[][2] = {{FOCAL, SOFTMAX}, {FOCAL_SOFT, SOFT}};
  scion_tensor x = TENSOR(9, 7), labels = random_labels(9, 7), targets = TENSOR(9, 7), p = TENSOR(9, 7), dx = TENSOR(9, 7), losses = TENSOR(9);
  OK(scion_random_uniform(&targets, test_seed, 6, SCION_DRAW_TENSOR, 0, 1));
  focus = 0;
  for (int k = 0; k < 2; k++) {
    OK(run(pairs[k][1], &x, &labels, &targets, NULL, &p, &losses, &dx));
    real *l = test_real(&losses), *g = test_real(&dx);
    for (int i = 0; i < 9; i++) l[i] *= (real)alpha;
    for (int i = 0; i < 63; i++) g[i] *= (real)alpha;
    OK(run(pairs[k][0], &x, &labels, &targets, NULL, &p, &losses, &dx));
    EXACTLY(losses, l, 1e-6);
    EXACTLY(dx, g, 1e-6);
    free(l), free(g);
  }
  focus = 2;
  RELEASE(&x, &labels, &targets, &p, &dx, &losses);
}

static void extremes(void) {
  const float logits[3][2] = {{1000, -1000}, {-1000, 1000}, {-1000, -1000}};
  scion_tensor x = TENSOR(3, 2), targets = TENSOR(3, 2), labels = random_labels(3, 2), p = TENSOR(3, 2), dx = TENSOR(3, 2),
               losses = TENSOR(3);
  memcpy(x.data, logits, sizeof logits);
  memset(labels.data, 0, 3 * sizeof(int32_t));
  OK(scion_softmax_cross_entropy(&x, &labels, NULL, 0, &p, &losses, &dx));
  EXACTLY(losses, ((real[]){0, 2000, (real)0.693147180559945}), 1e-7);
  EXACTLY(dx, ((real[]){0, 0, -1 / (real)3, 1 / (real)3, -1 / (real)6, 1 / (real)6}), 1e-6);
  const float shares[3][2] = {{1, 0}, {0.5f, 0.5f}, {0.25f, 0.75f}}; /* the first with no share of a class that has no chance */
  memcpy(targets.data, shares, sizeof shares);
  ((float *)x.data)[1] = -INFINITY;
  OK(scion_softmax_cross_entropy_soft(&x, &targets, NULL, 0, &p, &losses, &dx));
  EXACTLY(losses, ((real[]){0, 1000, (real)0.693147180559945}), 1e-7);
  EXACTLY(dx, ((real[]){0, 0, -1 / (real)6, 1 / (real)6, 1 / (real)12, -1 / (real)12}), 1e-6);
  ((float *)x.data)[1] = -1000;
  const float wanted[3][2] = {{1, 0}, {1, 0}, {0, 1}};
  memcpy(targets.data, wanted, sizeof wanted);
  OK(scion_sigmoid_cross_entropy(&x, &targets, NULL, 0, &p, &losses, &dx));
  EXACTLY(losses, ((real[]){0, 1000, 500}), 1e-7);
  EXACTLY(dx, ((real[]){0, 0, -1 / (real)6, 1 / (real)6, 0, -1 / (real)6}), 1e-6);
  EXACTLY(p, ((real[]){1, 0, 0, 1, 0, 0}), 1e-7);
  RELEASE(&x, &targets, &labels, &p, &dx, &losses);
}

static bool all_finite(const scion_tensor *t) {
  bool finite = false;
  return scion_all_finite(t, &finite) == SCION_OK && finite;
}

/* Logits of +-1e4, where probabilities are 0 or 1 to the last bit, and any gamma: losses and gradients stay finite, and a focal loss
 * forgets what is told right. A weight of 0 leaves no trace. One class alone has nothing to learn. */
static void focal_extremes(void) {
  const float logits[4][2] = {{1e4f, -1e4f}, {-1e4f, 1e4f}, {-1e4f, -1e4f}, {0, 1e4f}}, hard[4][2] = {{1, 0}, {1, 0}, {1, 0}, {1, 0}};
  const double gammas[] = {0, 0.5, 1, 2, 5, 1000};
  scion_tensor x = TENSOR(4, 2), targets = TENSOR(4, 2), labels = random_labels(4, 2), weights = TENSOR(4), p = TENSOR(4, 2), dx = TENSOR(4, 2),
               losses = TENSOR(4), one = TENSOR(3, 1), truth = TENSOR(3, 1), column = TENSOR(3, 1), slope = TENSOR(3, 1), each = TENSOR(3);
  memcpy(x.data, logits, sizeof logits);
  memcpy(targets.data, hard, sizeof hard);
  memset(labels.data, 0, 4 * sizeof(int32_t));
  for (size_t g = 0; g < sizeof gammas / sizeof *gammas; g++) {
    focus = gammas[g];
    for (int kind = FOCAL; kind <= FOCAL_SIGMOID; kind++) {
      OK(run(kind, &x, &labels, &targets, NULL, &p, &losses, &dx));
      CHECK(all_finite(&losses) && all_finite(&dx), "kind %d, gamma %g: not finite", kind, focus);
      CHECK(kind == FOCAL_SIGMOID || ((float *)losses.data)[0] == 0, "kind %d, gamma %g: what is right has a loss", kind, focus);
      CHECK(kind == FOCAL_SIGMOID || ((float *)dx.data)[0] == 0, "kind %d, gamma %g: what is right has a gradient", kind, focus);
      OK(scion_tensor_fill(&weights, 0));
      OK(run(kind, &x, &labels, &targets, &weights, &p, &losses, &dx));
      for (int i = 0; i < 8; i++) CHECK(((float *)dx.data)[i] == 0 && ((float *)losses.data)[i / 2] == 0, "kind %d: a weight of 0", kind);
    }
    for (int kind = FOCAL; kind <= FOCAL_SOFT; kind++) {
      memset(labels.data, 0, 3 * sizeof(int32_t));
      OK(scion_tensor_fill(&truth, 1));
      scion_tensor three = random_labels(3, 1);
      OK(run(kind, &one, &three, &truth, NULL, &column, &each, &slope));
      for (int i = 0; i < 3; i++) CHECK(((float *)each.data)[i] == 0 && ((float *)slope.data)[i] == 0, "one class has a loss");
      RELEASE(&three);
    }
  }
  focus = 2;
  OK(run(FOCAL, &x, &labels, &targets, NULL, &p, &losses, &dx));
  EXACTLY(losses, ((real[]){0, 5000, (real)(0.25 * 0.25 * 0.693147180559945), 2500}), 1e-7);
  RELEASE(&x, &targets, &labels, &weights, &p, &dx, &losses, &one, &truth, &column, &slope, &each);
}

/* A loss that is computed elsewhere is weighed, and its gradient divided by the number of examples. */
static void given(void) {
  scion_tensor g = SLICE(1, 3, 2), values = TENSOR(3), weights = TENSOR(3), losses = TENSOR(3), dx = TENSOR(3, 2), four = TENSOR(4);
  real *rg = test_real(&g), *rv = test_real(&values), *rw = test_real(&weights);
  OK(scion_given_loss(&g, &values, NULL, &losses, NULL));
  EXACTLY(losses, rv, 0);
  for (int i = 0; i < 6; i++) rg[i] *= rw[i / 2] / 3;
  for (int i = 0; i < 3; i++) rv[i] *= rw[i];
  OK(scion_given_loss(&g, &values, &weights, &losses, &dx));
  EXACTLY(losses, rv, 1e-7);
  EXACTLY(dx, rg, 1e-7);
  REFUSED_WITH(scion_given_loss(&g, &four, NULL, &losses, NULL), "values is 4, but should be 3");
  REFUSED_WITH(scion_given_loss(&g, &values, NULL, &four, NULL), "losses is 4, but should be 3");
  free(rg), free(rv), free(rw);
  RELEASE(&g, &values, &weights, &losses, &dx, &four);
}

static void refusals(void) {
  scion_tensor x = TENSOR(4, 3), other = TENSOR(4, 2), labels = random_labels(4, 3), five = TENSOR(5), losses = TENSOR(4),
               p = TENSOR(4, 3);
  for (int bad = -1; bad < 4; bad += 4) {
    ((int32_t *)labels.data)[2] = bad;
    OK(scion_tensor_fill(&losses, 5));
    REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, NULL, 0, &p, &losses, NULL),
                 bad < 0 ? "a label is -1, not in 0 .. 2" : "a label is 3");
    CHECK(((float *)losses.data)[0] == 5, "losses were written");
  }
  ((int32_t *)labels.data)[2] = 2;
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &losses, NULL, 0, &p, &losses, NULL), "labels is f32, not i32");
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, &five, 0, &p, &losses, NULL), "weights is 5, but should be 4");
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, NULL, 0, &p, &losses, &other), "one shape");
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, NULL, 0, &p, &losses, &p), "same memory");
  REFUSED_WITH(scion_softmax_cross_entropy_soft(&x, &other, NULL, 0, &p, &losses, NULL), "one shape");
  REFUSED_WITH(scion_softmax_cross_entropy_soft(&x, &p, NULL, 0, &p, &losses, &p), "same memory");
  REFUSED_WITH(scion_sigmoid_cross_entropy(&x, &other, NULL, 0, &p, &losses, NULL), "one shape");
  REFUSED_WITH(scion_mean_squared_error(&x, &p, NULL, &five, NULL), "losses is 5");
  REFUSED_WITH(scion_mean_absolute_error(&x, &other, NULL, &losses, NULL), "one shape");
  REFUSED_WITH(scion_huber(&x, &other, NULL, 1, &losses, NULL), "one shape");
  REFUSED_WITH(scion_softmax_focal_soft(&x, &other, NULL, 2, 1, &p, &losses, NULL), "one shape");
  REFUSED_WITH(scion_sigmoid_focal(&x, &p, NULL, 2, 1, 1, &p, &losses, &p), "same memory");
  ((int32_t *)labels.data)[2] = 3;
  REFUSED_WITH(scion_softmax_focal(&x, &labels, NULL, 2, 1, &p, &losses, NULL), "a label is 3");
  RELEASE(&x, &other, &labels, &five, &losses, &p);
}

int main(void) {
  test_begin("loss");
  reference_gradients();
  golden();
  one_hot();
  unfocused();
  against_reference(1, 1, 0), against_reference(5, 17, 3), against_reference(400, 101, 0), against_reference(3, 5000, 1);
  extremes();
  focal_extremes();
  given();
  refusals();
  return test_end();
}
