/* The cutting of elementwise work. */
#include "blocks.h"

typedef struct {
  scion_block whole;
  int64_t pieces, rows; /* pieces of a row, and rows of a block (one of the two is 1) */
  scion_block_function *fn;
  void *data;
} blocks_job;

static void block_chunk(void *data, int64_t chunk, void *scratch) {
  const blocks_job *job = data;
  scion_block block = job->whole;
  int64_t row = chunk / job->pieces * job->rows, column = chunk % job->pieces * SCION_BLOCK_ELEMENTS;
  block.rows = job->whole.rows - row < job->rows ? job->whole.rows - row : job->rows;
  block.width = job->pieces > 1 && block.width - column > SCION_BLOCK_ELEMENTS ? SCION_BLOCK_ELEMENTS : block.width - column;
  block.column = column;
  block.element = row * job->whole.width + column;
  block.a += row * block.a_stride + column;
  if (block.b) block.b += row * block.b_stride + column;
  if (block.y) block.y += row * block.y_stride + column;
  job->fn(&block, job->data, scratch);
}

scion_status scion_for_blocks(const scion_tensor *a, const scion_tensor *b, const scion_tensor *y, bool per_channel,
                              scion_block_function *fn, void *data) {
  blocks_job job = {.whole = {.rows = scion_tensor_rows(a), .width = scion_tensor_channels(a)}, .fn = fn, .data = data};
  if (job.whole.rows == 0 || job.whole.width == 0) return SCION_OK;
  job.whole.a = a->data, job.whole.a_stride = a->row_stride;
  if (b) job.whole.b = b->data, job.whole.b_stride = b->row_stride;
  if (y) job.whole.y = y->data, job.whole.y_stride = y->row_stride;
  if (!per_channel && scion_tensor_contiguous(a) && (!b || scion_tensor_contiguous(b)) && (!y || scion_tensor_contiguous(y)))
    job.whole.width *= job.whole.rows, job.whole.rows = 1;
  job.pieces = (job.whole.width + SCION_BLOCK_ELEMENTS - 1) / SCION_BLOCK_ELEMENTS;
  job.rows = SCION_BLOCK_ELEMENTS / job.whole.width > 1 ? SCION_BLOCK_ELEMENTS / job.whole.width : 1;
  return scion_parallel_for((job.whole.rows + job.rows - 1) / job.rows * job.pieces, block_chunk, &job);
}
