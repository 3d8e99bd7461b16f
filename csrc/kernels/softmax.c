/* Softmax along channels. Plain loops will do: there are few rows, and most of the time goes into the exponential. */
#include <math.h>

#include "require.h"

typedef struct {
  const scion_tensor *x, *y, *dy;
  scion_tensor *out;
  int64_t rows, width, rows_per_chunk;
  int accumulate;
} softmax_job;

#define SOFTMAX_CHUNK 4096 /* elements, some twenty microseconds */

static const float *row_of(const scion_tensor *t, int64_t row) { return (const float *)t->data + row * t->row_stride; }

static void forward_row(const float *x, float *y, int64_t width) {
  float high = x[0];
  double sum = 0;
  for (int64_t c = 1; c < width; c++)
    if (x[c] > high) high = x[c];
  for (int64_t c = 0; c < width; c++) sum += (double)(y[c] = expf(x[c] - high));
  float factor = (float)(1 / sum);
  for (int64_t c = 0; c < width; c++) y[c] *= factor;
}

static void backward_row(const float *y, const float *dy, float *dx, int64_t width, int accumulate) {
  double dot = 0;
  for (int64_t c = 0; c < width; c++) dot += (double)(dy[c] * y[c]);
  for (int64_t c = 0; c < width; c++) dx[c] = (accumulate ? dx[c] : 0) + y[c] * (dy[c] - (float)dot);
}

static void softmax_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const softmax_job *job = data;
  for (int64_t r = chunk * job->rows_per_chunk; r < (chunk + 1) * job->rows_per_chunk && r < job->rows; r++) {
    float *out = (float *)job->out->data + r * job->out->row_stride;
    if (job->dy) {
      backward_row(row_of(job->y, r), row_of(job->dy, r), out, job->width, job->accumulate);
    } else {
      forward_row(row_of(job->x, r), out, job->width);
    }
  }
}

static scion_status run(softmax_job *job) {
  job->rows = scion_tensor_rows(job->out), job->width = scion_tensor_channels(job->out);
  if (job->width == 0) return SCION_OK;
  job->rows_per_chunk = SOFTMAX_CHUNK / job->width > 1 ? SOFTMAX_CHUNK / job->width : 1;
  return scion_parallel_for(scion_divide_up(job->rows, job->rows_per_chunk), softmax_chunk, job);
}

scion_status scion_softmax_forward(const scion_tensor *x, scion_tensor *y) {
  SCION_TRY(scion_require_f32("softmax", "x", x));
  SCION_TRY(scion_require_like("softmax", "y", y, "x", x));
  return run(&(softmax_job){.x = x, .out = y});
}

scion_status scion_softmax_backward(const scion_tensor *y, const scion_tensor *dy, scion_tensor *dx, int accumulate) {
  const char *kernel = "softmax_backward";
  SCION_TRY(scion_require_f32(kernel, "y", y));
  SCION_TRY(scion_require_like(kernel, "dy", dy, "y", y));
  SCION_TRY(scion_require_like(kernel, "dx", dx, "y", y));
  return run(&(softmax_job){.y = y, .dy = dy, .out = dx, .accumulate = accumulate});
}
