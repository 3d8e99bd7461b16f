/* Losses, each with its gradient, one row an example. */
#include <math.h>

#include "require.h"

typedef struct loss_job {
  const scion_tensor *x, *targets, *labels;
  const float *weights;
  scion_tensor *probabilities, *dx;
  float *losses;
  int64_t rows, width, rows_per_chunk;
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
  job->losses[r] = (float)(weight * (log_sum + (high - (double)x[label])));
  for (int64_t c = 0; dx && c < job->width; c++) dx[c] = (float)(((double)p[c] - (c == label)) * share);
}

/* A class with the target 0 adds nothing, even if its logit is minus infinity. */
static void softmax_soft_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *p = row_of(job->probabilities, r), *dx = row_of(job->dx, r);
  double high, log_sum = softmax(x, p, job->width, &high), weight = weight_of(job, r), share = weight / (double)job->rows;
  double loss = 0, total = 0;
  for (int64_t c = 0; c < job->width; c++) {
    total += (double)t[c];
    if (t[c] != 0) loss += (double)t[c] * (log_sum + (high - (double)x[c]));
  }
  for (int64_t c = 0; dx && c < job->width; c++) dx[c] = (float)(((double)p[c] * total - (double)t[c]) * share);
  job->losses[r] = (float)(weight * loss);
}

scion_status scion_softmax_cross_entropy(const scion_tensor *x, const scion_tensor *labels, const scion_tensor *weights,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "softmax_cross_entropy";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  SCION_TRY(scion_require_labels(kernel, labels, scion_tensor_rows(x), scion_tensor_channels(x)));
  loss_job job = {.x = x, .labels = labels, .probabilities = probabilities, .dx = dx, .row = softmax_row};
  return run(kernel, &job, weights, losses);
}

scion_status scion_softmax_cross_entropy_soft(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                              scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "softmax_cross_entropy_soft";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  loss_job job = {.x = x, .targets = targets, .probabilities = probabilities, .dx = dx, .row = softmax_soft_row};
  return run(kernel, &job, weights, losses);
}

/* ---- cross-entropy of sigmoid */

static void sigmoid_row(const loss_job *job, int64_t r) {
  const float *x = row_of(job->x, r), *t = row_of(job->targets, r);
  float *p = row_of(job->probabilities, r), *dx = row_of(job->dx, r);
  double sum = 0, weight = weight_of(job, r), share = weight / ((double)job->rows * (double)job->width);
  for (int64_t c = 0; c < job->width; c++) {
    double v = (double)x[c], small = exp(-fabs(v)), probability = (v < 0 ? small : 1) / (1 + small);
    sum += (v < 0 ? 0 : v) - v * (double)t[c] + log1p(small);
    p[c] = (float)probability;
    if (dx) dx[c] = (float)((probability - (double)t[c]) * share);
  }
  job->losses[r] = (float)(weight * sum / (double)job->width);
}

scion_status scion_sigmoid_cross_entropy(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "sigmoid_cross_entropy";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  SCION_TRY(scion_require_like(kernel, "probabilities", probabilities, "x", x));
  loss_job job = {.x = x, .targets = targets, .probabilities = probabilities, .dx = dx, .row = sigmoid_row};
  return run(kernel, &job, weights, losses);
}

/* ---- squares */

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

scion_status scion_mean_squared_error(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                      scion_tensor *losses, scion_tensor *dx) {
  const char *kernel = "mean_squared_error";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "targets", targets, "x", x));
  return run(kernel, &(loss_job){.x = x, .targets = targets, .dx = dx, .row = square_row}, weights, losses);
}
