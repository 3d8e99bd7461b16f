/* The way back through what kernels do before their only store: bias and activation. */
#include <stdlib.h>

#include "loops.h"
#include "require.h"

typedef struct {
  const scion_tensor *y;
  scion_tensor *dy;
  scion_activation activation;
  double *parts; /* [parts][C], in double precision since they sum thousands of pixels; NULL where no sums are wanted */
  int64_t part_rows;
} epilogue_job;

#define PARTS 32
#define LEAST_ROWS 64

static void epilogue_part(void *data, int64_t part, void *scratch) {
  (void)scratch;
  const epilogue_job *job = data;
  int64_t row = part * job->part_rows, left = scion_tensor_rows(job->dy) - row;
  scion_block block = {.rows = left < job->part_rows ? left : job->part_rows, .width = scion_tensor_channels(job->dy)};
  block.y = (float *)job->dy->data + row * job->dy->row_stride, block.y_stride = job->dy->row_stride;
  block.b = block.y, block.b_stride = block.y_stride;
  if (job->y) block.a = (const float *)job->y->data + row * job->y->row_stride, block.a_stride = job->y->row_stride;
  SIMD_CHOOSE(scion_loop_epilogue_backward)(&block, job->parts ? job->parts + part * block.width : NULL, job->activation);
}

scion_status scion_epilogue_backward(const scion_tensor *y, scion_tensor *dy, scion_tensor *db, scion_activation activation) {
  const char *kernel = "epilogue_backward";
  SCION_TRY(scion_require_activation(kernel, activation));
  if (scion_activation_from_input(activation))
    return scion_fail(SCION_MISUSE, "%s: activation number %d has no gradient by its output", kernel, (int)activation);
  SCION_TRY(scion_require_f32(kernel, "dy", dy));
  if (activation != SCION_LINEAR) SCION_TRY(scion_require_f32(kernel, "y", y));
  if (activation != SCION_LINEAR) SCION_TRY(scion_require_like(kernel, "y", y, "dy", dy));
  int64_t rows = scion_tensor_rows(dy), channels = scion_tensor_channels(dy), part_rows = scion_divide_up(rows, PARTS);
  SCION_TRY(scion_require_vector(kernel, "db", db, channels));
  if (part_rows < LEAST_ROWS) part_rows = LEAST_ROWS;
  int64_t parts = scion_divide_up(rows, part_rows);
  epilogue_job job = {.y = activation == SCION_LINEAR ? NULL : y, .dy = dy, .activation = activation, .part_rows = part_rows};
  if (db && !(job.parts = scion_kernel_memory(kernel, (parts + 1) * channels, sizeof *job.parts))) return SCION_NO_MEMORY;
  scion_status status = db || job.y ? scion_parallel_for(parts, epilogue_part, &job) : SCION_OK;
  for (int64_t c = 0; db && status == SCION_OK && c < channels; c++) {
    double sum = 0;
    for (int64_t part = 0; part < parts; part++) sum += job.parts[part * channels + c];
    ((float *)db->data)[c] = (float)sum;
  }
  free(job.parts);
  return status;
}
