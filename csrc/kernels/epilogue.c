/* The way back through what kernels do before their only store: bias and activation. */
#include <stdlib.h>

#include "blocks.h"
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

typedef struct {
  double *sum;
  scion_activation activation;
} epilogue_part;

static void epilogue_block(const scion_block *given, void *data, float *scratch) {
  (void)scratch;
  const epilogue_part *part = data;
  scion_block block = *given;
  block.b = block.y, block.b_stride = block.y_stride;
  SIMD_CHOOSE(scion_loop_epilogue_backward)(&block, part->sum ? part->sum + block.column : NULL, part->activation);
}

static void epilogue_chunk(void *data, int64_t chunk, void *scratch) {
  const epilogue_job *job = data;
  int64_t row = chunk * job->part_rows, left = scion_tensor_rows(job->dy) - row;
  epilogue_part part = {job->parts ? job->parts + chunk * scion_tensor_channels(job->dy) : NULL, job->activation};
  scion_for_rows(job->y, NULL, job->dy, true, row, left < job->part_rows ? left : job->part_rows, epilogue_block, &part, scratch);
}

scion_status scion_epilogue_backward(const scion_tensor *y, scion_tensor *dy, scion_tensor *db, scion_activation activation) {
  const char *kernel = "epilogue_backward";
  SCION_TRY(scion_require_activation(kernel, activation));
  if (scion_activation_from_input(activation))
    return scion_fail(SCION_MISUSE, "%s: activation number %d has no gradient by its output", kernel, (int)activation);
  SCION_TRY(scion_require_number(kernel, "dy", dy));
  if (activation != SCION_LINEAR) SCION_TRY(scion_require_number(kernel, "y", y));
  if (activation != SCION_LINEAR) SCION_TRY(scion_require_number_like(kernel, "y", y, "dy", dy));
  int64_t rows = scion_tensor_rows(dy), channels = scion_tensor_channels(dy), part_rows = scion_divide_up(rows, PARTS);
  SCION_TRY(scion_require_vector(kernel, "db", db, channels));
  if (part_rows < LEAST_ROWS) part_rows = LEAST_ROWS;
  int64_t parts = scion_divide_up(rows, part_rows);
  epilogue_job job = {.y = activation == SCION_LINEAR ? NULL : y, .dy = dy, .activation = activation, .part_rows = part_rows};
  if (db && !(job.parts = scion_kernel_memory(kernel, (parts + 1) * channels, sizeof *job.parts))) return SCION_NO_MEMORY;
  scion_status status = db || job.y ? scion_parallel_for(parts, epilogue_chunk, &job) : SCION_OK;
  for (int64_t c = 0; db && status == SCION_OK && c < channels; c++) {
    double sum = 0;
    for (int64_t part = 0; part < parts; part++) sum += job.parts[part * channels + c];
    ((float *)db->data)[c] = (float)sum;
  }
  free(job.parts);
  return status;
}
