/* Losses: against references, PyTorch's numbers, finite differences, and at extremes. */
#include "../fixtures/kernels.h"
#include "compare.h"
#include "kernels/reference/reference.h"

enum { SOFTMAX, SOFT, SIGMOID, SQUARE, KINDS };

static scion_tensor random_labels(int64_t rows, int64_t classes) {
  scion_tensor labels;
  OK(scion_tensor_new(&labels, SCION_I32, 1, &rows));
  for (int64_t r = 0; r < rows; r++) ((int32_t *)labels.data)[r] = test_integer(0, (int)classes - 1);
  return labels;
}

static scion_status run(int kind, const scion_tensor *x, const scion_tensor *labels, const scion_tensor *targets,
                        const scion_tensor *weights, scion_tensor *p, scion_tensor *losses, scion_tensor *dx) {
  if (kind == SOFTMAX) return scion_softmax_cross_entropy(x, labels, weights, p, losses, dx);
  if (kind == SOFT) return scion_softmax_cross_entropy_soft(x, targets, weights, p, losses, dx);
  if (kind == SIGMOID) return scion_sigmoid_cross_entropy(x, targets, weights, p, losses, dx);
  return scion_mean_squared_error(x, targets, weights, losses, dx);
}

static void reference(int kind, const real *x, const int32_t *labels, const real *targets, const real *weights, real *losses,
                      real *dx, int64_t rows, int64_t width) {
  if (kind == SOFTMAX) reference_softmax_cross_entropy(x, labels, weights, losses, dx, rows, width);
  if (kind == SOFT) reference_softmax_cross_entropy_soft(x, targets, weights, losses, dx, rows, width);
  if (kind == SIGMOID) reference_sigmoid_cross_entropy(x, targets, weights, losses, dx, rows, width);
  if (kind == SQUARE) reference_mean_squared_error(x, targets, weights, losses, dx, rows, width);
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
    if (kind < SIGMOID) reference_softmax(rx, rp, rows, width);
    for (int64_t i = 0; kind == SIGMOID && i < rows * width; i++) rp[i] = reference_activate(rx[i], SCION_SIGMOID);
    if (kind != SQUARE) CLOSE(p, rp, 1e-6);
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
  for (int kind = 0; kind < KINDS; kind++) {
    OK(run(kind, &x, &labels, &targets, &weights, &p, &losses, &dx));
    EXACTLY(losses, expected[kind], 1e-6);
    EXACTLY(dx, gradients[kind], 1e-6);
  }
  RELEASE(&x, &targets, &weights, &labels, &p, &dx, &losses);
}

/* Rows with one class give the bits of the label. */
static void one_hot(void) {
  const int64_t rows = 37, width = 11;
  scion_tensor x = SLICE(2, rows, width), labels = random_labels(rows, width), targets = TENSOR(rows, width), weights = TENSOR(rows);
  scion_tensor p[2] = {TENSOR(rows, width), TENSOR(rows, width)}, dx[2] = {TENSOR(rows, width), TENSOR(rows, width)},
               losses[2] = {TENSOR(rows), TENSOR(rows)};
  for (int64_t i = 0; i < rows * width; i++) ((float *)targets.data)[i] = ((int32_t *)labels.data)[i / width] == i % width;
  OK(scion_softmax_cross_entropy(&x, &labels, &weights, &p[0], &losses[0], &dx[0]));
  OK(scion_softmax_cross_entropy_soft(&x, &targets, &weights, &p[1], &losses[1], &dx[1]));
  CHECK(memcmp(p[0].data, p[1].data, (size_t)(rows * width) * sizeof(float)) == 0, "other probabilities");
  CHECK(memcmp(dx[0].data, dx[1].data, (size_t)(rows * width) * sizeof(float)) == 0, "other gradients");
  CHECK(memcmp(losses[0].data, losses[1].data, (size_t)rows * sizeof(float)) == 0, "other losses");
  RELEASE(&x, &labels, &targets, &weights, &p[0], &p[1], &dx[0], &dx[1], &losses[0], &losses[1]);
}

static void extremes(void) {
  const float logits[3][2] = {{1000, -1000}, {-1000, 1000}, {-1000, -1000}};
  scion_tensor x = TENSOR(3, 2), targets = TENSOR(3, 2), labels = random_labels(3, 2), p = TENSOR(3, 2), dx = TENSOR(3, 2),
               losses = TENSOR(3);
  memcpy(x.data, logits, sizeof logits);
  memset(labels.data, 0, 3 * sizeof(int32_t));
  OK(scion_softmax_cross_entropy(&x, &labels, NULL, &p, &losses, &dx));
  EXACTLY(losses, ((real[]){0, 2000, (real)0.693147180559945}), 1e-7);
  EXACTLY(dx, ((real[]){0, 0, -1 / (real)3, 1 / (real)3, -1 / (real)6, 1 / (real)6}), 1e-6);
  const float shares[3][2] = {{1, 0}, {0.5f, 0.5f}, {0.25f, 0.75f}}; /* the first with no share of a class that has no chance */
  memcpy(targets.data, shares, sizeof shares);
  ((float *)x.data)[1] = -INFINITY;
  OK(scion_softmax_cross_entropy_soft(&x, &targets, NULL, &p, &losses, &dx));
  EXACTLY(losses, ((real[]){0, 1000, (real)0.693147180559945}), 1e-7);
  EXACTLY(dx, ((real[]){0, 0, -1 / (real)6, 1 / (real)6, 1 / (real)12, -1 / (real)12}), 1e-6);
  ((float *)x.data)[1] = -1000;
  const float wanted[3][2] = {{1, 0}, {1, 0}, {0, 1}};
  memcpy(targets.data, wanted, sizeof wanted);
  OK(scion_sigmoid_cross_entropy(&x, &targets, NULL, &p, &losses, &dx));
  EXACTLY(losses, ((real[]){0, 1000, 500}), 1e-7);
  EXACTLY(dx, ((real[]){0, 0, -1 / (real)6, 1 / (real)6, 0, -1 / (real)6}), 1e-6);
  EXACTLY(p, ((real[]){1, 0, 0, 1, 0, 0}), 1e-7);
  RELEASE(&x, &targets, &labels, &p, &dx, &losses);
}

static void refusals(void) {
  scion_tensor x = TENSOR(4, 3), other = TENSOR(4, 2), labels = random_labels(4, 3), five = TENSOR(5), losses = TENSOR(4),
               p = TENSOR(4, 3);
  for (int bad = -1; bad < 4; bad += 4) {
    ((int32_t *)labels.data)[2] = bad;
    OK(scion_tensor_fill(&losses, 5));
    REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, NULL, &p, &losses, NULL),
                 bad < 0 ? "a label is -1, not in 0 .. 2" : "a label is 3");
    CHECK(((float *)losses.data)[0] == 5, "losses were written");
  }
  ((int32_t *)labels.data)[2] = 2;
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &losses, NULL, &p, &losses, NULL), "labels is f32, not i32");
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, &five, &p, &losses, NULL), "weights is 5, but should be 4");
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, NULL, &p, &losses, &other), "one shape");
  REFUSED_WITH(scion_softmax_cross_entropy(&x, &labels, NULL, &p, &losses, &p), "same memory");
  REFUSED_WITH(scion_softmax_cross_entropy_soft(&x, &other, NULL, &p, &losses, NULL), "one shape");
  REFUSED_WITH(scion_softmax_cross_entropy_soft(&x, &p, NULL, &p, &losses, &p), "same memory");
  REFUSED_WITH(scion_sigmoid_cross_entropy(&x, &other, NULL, &p, &losses, NULL), "one shape");
  REFUSED_WITH(scion_mean_squared_error(&x, &p, NULL, &five, NULL), "losses is 5");
  RELEASE(&x, &other, &labels, &five, &losses, &p);
}

int main(void) {
  test_begin("loss");
  reference_gradients();
  golden();
  one_hot();
  against_reference(1, 1, 0), against_reference(5, 17, 3), against_reference(400, 101, 0), against_reference(3, 5000, 1);
  extremes();
  refusals();
  return test_end();
}
