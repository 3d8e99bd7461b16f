/* Local response normalization across channels, row by row. */
#include <math.h>

#include "require.h"

typedef struct {
  const scion_tensor *x, *dy;
  scion_tensor *out;
  int64_t rows, width, rows_per_chunk;
  int size;
  float alpha, beta, k;
  int accumulate;
} norm_job;

#define NORM_CHUNK 2048 /* elements of a chunk: few, since each takes a power */

/* base[c] = k + alpha / size * sum of x^2 over the channels around c. */
static void bases(const norm_job *job, const float *x, float *base) {
  for (int64_t c = 0; c < job->width; c++) {
    int64_t from = c - job->size / 2, to = c + (job->size - 1) / 2;
    float sum = 0;
    for (int64_t i = from > 0 ? from : 0; i <= to && i < job->width; i++) sum += x[i] * x[i];
    base[c] = job->k + job->alpha / (float)job->size * sum;
  }
}

static void forward_row(const norm_job *job, const float *x, float *y, float *base) {
  bases(job, x, base);
  for (int64_t c = 0; c < job->width; c++) y[c] = x[c] * powf(base[c], -job->beta);
}

/* Channel c lies in the windows of c - (size-1)/2 .. c + size/2. */
static void backward_row(const norm_job *job, const float *x, const float *dy, float *dx, float *base) {
  float *share = base + job->width, factor = 2 * job->alpha * job->beta / (float)job->size;
  bases(job, x, base);
  for (int64_t c = 0; c < job->width; c++) {
    float power = powf(base[c], -job->beta);
    share[c] = dy[c] * x[c] * power / base[c];
    base[c] = power;
  }
  for (int64_t c = 0; c < job->width; c++) {
    int64_t from = c - (job->size - 1) / 2, to = c + job->size / 2;
    float sum = 0;
    for (int64_t i = from > 0 ? from : 0; i <= to && i < job->width; i++) sum += share[i];
    dx[c] = (job->accumulate ? dx[c] : 0) + dy[c] * base[c] - factor * x[c] * sum;
  }
}

static void norm_chunk(void *data, int64_t chunk, void *scratch) {
  const norm_job *job = data;
  for (int64_t r = chunk * job->rows_per_chunk; r < (chunk + 1) * job->rows_per_chunk && r < job->rows; r++) {
    const float *x = (const float *)job->x->data + r * job->x->row_stride;
    float *out = (float *)job->out->data + r * job->out->row_stride;
    if (job->dy) {
      backward_row(job, x, (const float *)job->dy->data + r * job->dy->row_stride, out, scratch);
    } else {
      forward_row(job, x, out, scratch);
    }
  }
}

static scion_status run(const char *kernel, norm_job *job, int size, double alpha, double beta, double k) {
  job->rows = scion_tensor_rows(job->x), job->width = scion_tensor_channels(job->x);
  if (size < 1 || alpha < 0 || k <= 0) return scion_fail(SCION_MISUSE, "%s: size should be from 1 up, alpha from 0, k over 0", kernel);
  if (job->width > (int64_t)(SCION_SCRATCH_BYTES / (2 * sizeof(float))))
    return scion_fail(SCION_MISUSE, "%s: %lld channels are too many", kernel, (long long)job->width);
  if (job->width == 0) return SCION_OK;
  job->size = size, job->alpha = (float)alpha, job->beta = (float)beta, job->k = (float)k;
  job->rows_per_chunk = NORM_CHUNK / job->width > 1 ? NORM_CHUNK / job->width : 1;
  return scion_parallel_for(scion_divide_up(job->rows, job->rows_per_chunk), norm_chunk, job);
}

scion_status scion_response_norm_forward(const scion_tensor *x, scion_tensor *y, int size, double alpha, double beta, double k) {
  SCION_TRY(scion_require_f32("response_norm", "x", x));
  SCION_TRY(scion_require_like("response_norm", "y", y, "x", x));
  return run("response_norm", &(norm_job){.x = x, .out = y}, size, alpha, beta, k);
}

scion_status scion_response_norm_backward(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dx, int size, double alpha,
                                          double beta, double k, int accumulate) {
  const char *kernel = "response_norm_backward";
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_like(kernel, "dy", dy, "x", x));
  SCION_TRY(scion_require_like(kernel, "dx", dx, "x", x));
  return run(kernel, &(norm_job){.x = x, .dy = dy, .out = dx, .accumulate = accumulate}, size, alpha, beta, k);
}
