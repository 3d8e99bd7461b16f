/* Losses, each with its gradient, one row an example. */
#include <math.h>

#include "require.h"

typedef struct loss_job {
  const scion_tensor *x, *targets, *labels;
  const float *weights;
  scion_tensor *probabilities, *dx;
  float *losses;
  int64_t rows, width, rows_per_chunk;
  double smoothing, gamma, alpha, beta, delta; /* as the prototypes have them */
  void (*row)(const struct loss_job *job, int64_t r);
} loss_job;

#define LOSS_CHUNK 2048 /* elements, some twenty microseconds */

static float *row_of(const scion_tensor *t, int64_t r) { return t ? (float *)t->data + r * t->row_stride : NULL; }
static double weight_of(const loss_job *job, int64_t r) { return job->weights ? (double)job->weights[r] : 1; }

static void loss_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const loss_job *job = data;
  for (int64_t r = chunk * job->rows_per_chunk; r < (chunk + 1) * job->rows_per_chunk && r < job->rows; r++) job->row(job, r);
}

/* Checks what all losses have, and runs job->row over the rows. */
static scion_status run(const char *kernel, loss_job *job, const scion_tensor *weights, scion_tensor *losses) {
  const scion_tensor *x = job->x;
  job->rows = scion_tensor_rows(x), job->width = scion_tensor_channels(x);
  char text[SCION_SHAPE_TEXT];
  if (job->width == 0)
    return scion_fail(SCION_MISUSE, "%s: x is %s, without a column", kernel, scion_shape_text(x, text, sizeof text));
  SCION_TRY(scion_require_f32(kernel, "losses", losses));
  SCION_TRY(scion_require_vector(kernel, "losses", losses, job->rows));
  SCION_TRY(scion_require_vector(kernel, "weights", weights, job->rows));
  if (job->dx) SCION_TRY(scion_require_like(kernel, "dx", job->dx, "x", x));
  if (job->dx && job->probabilities && job->dx->data == job->probabilities->data && job->rows > 0)
    return scion_fail(SCION_MISUSE, "%s: dx and probabilities are the same memory", kernel);
  job->weights = weights ? weights->data : NULL;
  job->losses = losses->data;
  job->rows_per_chunk = LOSS_CHUNK / job->width > 1 ? LOSS_CHUNK / job->width : 1;
  return scion_parallel_for(scion_divide_up(job->rows, job->rows_per_chunk), loss_chunk, job);
}

/* ---- cross-entropy of softmax */

/* p = softmax(x). Gives the largest x, and the logarithm of the sum of all exp(x - largest). */
static double softmax(const float *x, float *p, int64_t width, double *largest) {
  float high = x[0];
  double sum = 0;
  for (int64_t c = 1; c < width; c++)
    if (x[c] > high) high = x[c];
  for (int64_t c = 0; c < width; c++) sum += (double)(p[c] = expf(x[c] - high));
  for (int64_t c = 0; c < width; c++) p[c] = (float)((double)p[c] / sum);
  *largest = (double)high;
  return log(sum);
}

static void softmax_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r);
  float *p = row_of(job->probabilities, r), *dx = row_of(job->dx, r);
  int64_t label = scion_label_at(job->labels, r, job->width);
  double high, log_sum = softmax(x, p, job->width, &high), weight = weight_of(job, r), share = weight / (double)job->rows;
  double own = 1 - job->smoothing, all = job->smoothing / (double)job->width;
  double loss = own * (log_sum + (high - (double)x[label]));
  for (int64_t c = 0; all > 0 && c < job->width; c++) loss += all * (log_sum + (high - (double)x[c]));
  for (int64_t c = 0; dx && c < job->width; c++) dx[c] = (float)(((double)p[c] - (c == label) * own - all) * share);
  job->losses[r] = (float)(weight * loss);
}

/* A class with the target 0 adds nothing, even if its logit is minus infinity. */
static void softmax_soft_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *p = row_of(job->probabilities, r), *dx = row_of(job->dx, r);
  double high, log_sum = softmax(x, p, job->width, &high), weight = weight_of(job, r), share = weight / (double)job->rows;
  double own = 1 - job->smoothing, all = job->smoothing / (double)job->width, loss = 0, total = 0;
  for (int64_t c = 0; c < job->width; c++) {
    double target = (double)t[c] * own + all;
    total += target;
    if (target != 0) loss += target * (log_sum + (high - (double)x[c]));
  }
  for (int64_t c = 0; dx && c < job->width; c++) dx[c] = (float)(((double)p[c] * total - ((double)t[c] * own + all)) * share);
  job->losses[r] = (float)(weight * loss);
}

scion_status scion_softmax_cross_entropy(const scion_tensor *x, const scion_tensor *labels, const scion_tensor *weights, double smoothing,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "softmax_cross_entropy";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  SCION_TRY(scion_require_labels(kernel, labels, scion_tensor_rows(x), scion_tensor_channels(x)));
  loss_job job = {.x = x, .smoothing = smoothing, .labels = labels, .probabilities = probabilities, .dx = dx, .row = softmax_row};
  return run(kernel, &job, weights, losses);
}

scion_status scion_softmax_cross_entropy_soft(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double smoothing,
                                              scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "softmax_cross_entropy_soft";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  loss_job job = {.x = x, .smoothing = smoothing, .targets = targets, .probabilities = probabilities, .dx = dx, .row = softmax_soft_row};
  return run(kernel, &job, weights, losses);
}

/* ---- cross-entropy of sigmoid */

static void sigmoid_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *p = row_of(job->probabilities, r), *dx = row_of(job->dx, r);
  double sum = 0, weight = weight_of(job, r), share = weight / ((double)job->rows * (double)job->width);
  double own = 1 - job->smoothing, half = job->smoothing / 2;
  for (int64_t c = 0; c < job->width; c++) {
    double v = (double)x[c], small = exp(-fabs(v)), probability = (v < 0 ? small : 1) / (1 + small);
    double target = (double)t[c] * own + half;
    sum += (v < 0 ? 0 : v) - v * target + log1p(small);
    p[c] = (float)probability;
    if (dx) dx[c] = (float)((probability - target) * share);
  }
  job->losses[r] = (float)(weight * sum / (double)job->width);
}

scion_status scion_sigmoid_cross_entropy(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double smoothing,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "sigmoid_cross_entropy";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  loss_job job = {.x = x, .smoothing = smoothing, .targets = targets, .probabilities = probabilities, .dx = dx, .row = sigmoid_row};
  return run(kernel, &job, weights, losses);
}

/* ---- focal losses: a factor (1 - p)^gamma, where p is the probability of what is true, for cross-entropies */

/* The loss of a class with a target. *rest = 1 - p, and *h is the derivative of the loss by log p. The gradient for the logit of a class
 * is h * rest, less p times the sum of the other classes' h. log(p) / rest is -1 at its limit, where both are 0. */
static double focal_class(const loss_job *job, double target, double log_p, double *rest, double *h) {
  double p = exp(log_p), factor = pow(*rest = -expm1(log_p), job->gamma) * target * job->alpha;
  *h = -factor * (1 - (p > 0 ? job->gamma * p * (*rest > 0 ? log_p / *rest : -1) : 0));
  return factor > 0 ? -factor * log_p : 0;
}

static void softmax_focal_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *p = row_of(job->probabilities, r), *dx = row_of(job->dx, r);
  double high, log_sum = softmax(x, p, job->width, &high), weight = weight_of(job, r), share = weight / (double)job->rows;
  int64_t label = t ? -1 : scion_label_at(job->labels, r, job->width);
  double loss = 0, total = 0, rest, h;
  for (int64_t c = 0; c < job->width; c++) {
    double target = t ? (double)t[c] : c == label;
    if (target == 0) continue;
    loss += focal_class(job, target, (double)x[c] - high - log_sum, &rest, &h);
    total += h;
  }
  for (int64_t c = 0; dx && c < job->width; c++) {
    double target = t ? (double)t[c] : c == label;
    rest = h = 0;
    if (target != 0) focal_class(job, target, (double)x[c] - high - log_sum, &rest, &h);
    dx[c] = (float)((h * rest - (double)p[c] * (total - h)) * share);
  }
  job->losses[r] = (float)(weight * loss);
}

scion_status scion_softmax_focal(const scion_tensor *x, const scion_tensor *labels, const scion_tensor *weights, double gamma,
                                 double alpha, scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "softmax_focal";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  SCION_TRY(scion_require_labels(kernel, labels, scion_tensor_rows(x), scion_tensor_channels(x)));
  loss_job job = {.x = x, .labels = labels, .gamma = gamma, .alpha = alpha, .probabilities = probabilities, .dx = dx,
                  .row = softmax_focal_row};
  return run(kernel, &job, weights, losses);
}

scion_status scion_softmax_focal_soft(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double gamma,
                                      double alpha, scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "softmax_focal_soft";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  loss_job job = {.x = x, .targets = targets, .gamma = gamma, .alpha = alpha, .probabilities = probabilities, .dx = dx,
                  .row = softmax_focal_row};
  return run(kernel, &job, weights, losses);
}

/* q = 1 - (the probability of what is true) = p (1 - t) + (1 - p) t has the derivative (1 - 2t) p (1 - p). */
static void sigmoid_focal_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *p = row_of(job->probabilities, r), *dx = row_of(job->dx, r);
  double sum = 0, weight = weight_of(job, r), share = weight / ((double)job->rows * (double)job->width);
  for (int64_t c = 0; c < job->width; c++) {
    double v = (double)x[c], target = (double)t[c], small = exp(-fabs(v));
    double yes = (v < 0 ? small : 1) / (1 + small), no = (v < 0 ? 1 : small) / (1 + small);
    double entropy = (v < 0 ? 0 : v) - v * target + log1p(small), q = yes * (1 - target) + no * target;
    double factor = pow(q, job->gamma) * (job->alpha * target + job->beta * (1 - target));
    sum += factor * entropy;
    p[c] = (float)yes;
    if (dx) dx[c] = (float)(factor * (yes - target + (q > 0 ? job->gamma * (1 - 2 * target) * (yes * no / q) * entropy : 0)) * share);
  }
  job->losses[r] = (float)(weight * sum / (double)job->width);
}

scion_status scion_sigmoid_focal(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double gamma,
                                 double alpha, double beta, scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "sigmoid_focal";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  loss_job job = {.x = x, .targets = targets, .gamma = gamma, .alpha = alpha, .beta = beta, .probabilities = probabilities, .dx = dx,
                  .row = sigmoid_focal_row};
  return run(kernel, &job, weights, losses);
}

/* ---- distances of numbers */

static void square_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *dx = row_of(job->dx, r);
  double sum = 0, weight = weight_of(job, r), share = 2 * weight / ((double)job->rows * (double)job->width);
  for (int64_t c = 0; c < job->width; c++) {
    double difference = (double)x[c] - (double)t[c];
    sum += difference * difference;
    if (dx) dx[c] = (float)(difference * share);
  }
  job->losses[r] = (float)(weight * sum / (double)job->width);
}

static void absolute_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *dx = row_of(job->dx, r);
  double sum = 0, weight = weight_of(job, r), share = weight / ((double)job->rows * (double)job->width);
  for (int64_t c = 0; c < job->width; c++) {
    double difference = (double)x[c] - (double)t[c];
    sum += fabs(difference);
    if (dx) dx[c] = (float)(((difference > 0) - (difference < 0)) * share);
  }
  job->losses[r] = (float)(weight * sum / (double)job->width);
}

static void huber_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *dx = row_of(job->dx, r);
  double sum = 0, delta = job->delta, weight = weight_of(job, r), share = weight / ((double)job->rows * (double)job->width);
  for (int64_t c = 0; c < job->width; c++) {
    double difference = (double)x[c] - (double)t[c], size = fabs(difference);
    sum += size <= delta ? size * size / 2 : delta * (size - delta / 2);
    if (dx) dx[c] = (float)((size <= delta ? difference : difference > 0 ? delta : -delta) * share);
  }
  job->losses[r] = (float)(weight * sum / (double)job->width);
}

static scion_status distance(const char *kernel, loss_job *job, const scion_tensor *weights, scion_tensor *losses) {
  SCION_TRY(scion_require_f32(kernel, "x", job->x));
  SCION_TRY(scion_require_like(kernel, "targets", job->targets, "x", job->x));
  return run(kernel, job, weights, losses);
}

scion_status scion_mean_squared_error(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                      scion_tensor *losses, scion_tensor *dx) {
  loss_job job = {.x = x, .targets = targets, .dx = dx, .row = square_row};
  return distance("mean_squared_error", &job, weights, losses);
}

scion_status scion_mean_absolute_error(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                       scion_tensor *losses, scion_tensor *dx) {
  loss_job job = {.x = x, .targets = targets, .dx = dx, .row = absolute_row};
  return distance("mean_absolute_error", &job, weights, losses);
}

scion_status scion_huber(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double delta,
                         scion_tensor *losses, scion_tensor *dx) {
  loss_job job = {.x = x, .targets = targets, .delta = delta, .dx = dx, .row = huber_row};
  return distance("huber", &job, weights, losses);
}

/* ---- a loss that is computed elsewhere */

static void given_row(const loss_job *job, int64_t r) {
  const float *gradient = row_of(job->x, r);
  float *dx = row_of(job->dx, r);
  double weight = weight_of(job, r), share = weight / (double)job->rows;
  for (int64_t c = 0; dx && c < job->width; c++) dx[c] = (float)((double)gradient[c] * share);
  job->losses[r] = (float)(weight * (double)((const float *)job->targets->data)[r]);
}

scion_status scion_given_loss(const scion_tensor *gradients, const scion_tensor *values, const scion_tensor *weights,
                              scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "given_loss";
  SCION_TRY(scion_require_f32(kernel, "x", gradients));
  SCION_TRY(scion_require_f32(kernel, "values", values));
  SCION_TRY(scion_require_vector(kernel, "values", values, scion_tensor_rows(gradients)));
  return run(kernel, &(loss_job){.x = gradients, .targets = values, .dx = dx, .row = given_row}, weights, losses);
}
