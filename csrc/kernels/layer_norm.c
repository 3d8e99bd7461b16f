/* Layer norm: each row on its own mean and variance. */
#include <math.h>
#include <stdlib.h>

#include "loops.h"
#include "require.h"

#define FORWARD_ELEMENTS 16384 /* of a chunk */
#define PARTS 32
#define LEAST_ROWS 64

typedef struct {
  const scion_tensor *x, *dy;
  scion_tensor *out; /* y, or dx, which may be NULL */
  const float *gamma, *beta;
  double epsilon, *sums; /* [parts][2][C]: of dy and of dy * normalized x; NULL where they are not wanted */
  int64_t rows, width, part_rows;
  int accumulate;
} norm_job;

static const float *numbers(const scion_tensor *t) { return t ? t->data : NULL; }

static void norm_part(void *data, int64_t part, void *scratch) {
  (void)scratch;
  const norm_job *job = data;
  int64_t row = part * job->part_rows, left = job->rows - row;
  scion_block block = {.rows = left < job->part_rows ? left : job->part_rows, .width = job->width,
                       .a = (const float *)job->x->data + row * job->x->row_stride, .a_stride = job->x->row_stride};
  if (job->out) block.y = (float *)job->out->data + row * job->out->row_stride, block.y_stride = job->out->row_stride;
  if (!job->dy) {
    SIMD_CHOOSE(scion_loop_layer_norm)(&block, job->gamma, job->beta, job->epsilon);
    return;
  }
  block.b = (const float *)job->dy->data + row * job->dy->row_stride, block.b_stride = job->dy->row_stride;
  SIMD_CHOOSE(scion_loop_layer_norm_backward)(&block, job->gamma, job->epsilon, job->sums ? job->sums + part * 2 * job->width : NULL,
                                              job->accumulate);
}

static scion_status require_norm(const char *kernel, const scion_tensor *x, const scion_tensor *gamma, const scion_tensor *beta) {
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_vector(kernel, "gamma", gamma, scion_tensor_channels(x)));
  return scion_require_vector(kernel, "beta", beta, scion_tensor_channels(x));
}

scion_status scion_layer_norm_forward(const scion_tensor *x, const scion_tensor *gamma, const scion_tensor *beta, scion_tensor *y,
                                      double epsilon) {
  SCION_TRY(require_norm("layer_norm", x, gamma, beta));
  SCION_TRY(scion_require_like("layer_norm", "y", y, "x", x));
  norm_job job = {.x = x, .out = y, .gamma = numbers(gamma), .beta = numbers(beta), .epsilon = epsilon, .rows = scion_tensor_rows(x),
                  .width = scion_tensor_channels(x)};
  if (job.width == 0) return SCION_OK;
  job.part_rows = FORWARD_ELEMENTS / job.width > 1 ? FORWARD_ELEMENTS / job.width : 1;
  return scion_parallel_for(scion_divide_up(job.rows, job.part_rows), norm_part, &job);
}

scion_status scion_layer_norm_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *gamma, scion_tensor *dx,
                                       scion_tensor *dgamma, scion_tensor *dbeta, double epsilon, int accumulate) {
  const char *kernel = "layer_norm_backward";
  SCION_TRY(require_norm(kernel, x, gamma, NULL));
  SCION_TRY(scion_require_like(kernel, "dy", dy, "x", x));
  SCION_TRY(dx ? scion_require_like(kernel, "dx", dx, "x", x) : SCION_OK);
  norm_job job = {.x = x, .dy = dy, .out = dx, .gamma = numbers(gamma), .epsilon = epsilon, .rows = scion_tensor_rows(x),
                  .width = scion_tensor_channels(x), .accumulate = accumulate};
  SCION_TRY(scion_require_vector(kernel, "dgamma", dgamma, job.width));
  SCION_TRY(scion_require_vector(kernel, "dbeta", dbeta, job.width));
  if (job.width == 0) return SCION_OK;
  job.part_rows = scion_divide_up(job.rows, PARTS);
  if (job.part_rows < LEAST_ROWS) job.part_rows = LEAST_ROWS;
  int64_t parts = scion_divide_up(job.rows, job.part_rows);
  if ((dgamma || dbeta) && !(job.sums = scion_kernel_memory(kernel, (parts + 1) * 2 * job.width, sizeof *job.sums))) return SCION_NO_MEMORY;
  scion_status status = scion_parallel_for(parts, norm_part, &job);
  for (int64_t c = 0; job.sums && status == SCION_OK && c < job.width; c++) {
    double sum = 0, product = 0;
    for (int64_t part = 0; part < parts; part++) sum += job.sums[part * 2 * job.width + c], product += job.sums[(part * 2 + 1) * job.width + c];
    if (dbeta) ((float *)dbeta->data)[c] = (float)sum;
    if (dgamma) ((float *)dgamma->data)[c] = (float)product;
  }
  free(job.sums);
  return status;
}
