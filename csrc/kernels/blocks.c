/* Cuts elementwise work into blocks for the threads, and lets loops written for f32 work on bf16, by way of a copy in scratch. */
#include "blocks.h"

#include "tensor/convert.h"

typedef struct {
  scion_block whole;
  const scion_tensor *a, *b, *y;
  int64_t pieces, rows; /* pieces of a row, and rows of a block (one of the two is 1) */
  scion_block_function *fn;
  void *data;
} blocks_job;

/* The block's part of an input: where it lies, or widened into `copy`. */
static const float *read_side(const scion_tensor *t, const scion_block *block, int64_t at, int64_t *stride, float *copy) {
  if (t->dtype != SCION_BF16) return (const float *)t->data + at;
  for (int64_t r = 0; r < block->rows; r++)
    SIMD_CHOOSE(scion_loop_widen)((const uint16_t *)t->data + at + r * *stride, copy + r * block->width, block->width);
  *stride = block->width;
  return copy;
}

static void write_side(const scion_tensor *t, const scion_block *block, int64_t at, int64_t stride) {
  for (int64_t r = 0; r < block->rows; r++)
    SIMD_CHOOSE(scion_loop_narrow)(block->y + r * block->width, (uint16_t *)t->data + at + r * stride, block->width);
}

static void block_chunk(void *data, int64_t chunk, void *scratch) {
  const blocks_job *job = data;
  float *copies = scratch; /* of a, b and y */
  scion_block block = job->whole;
  int64_t row = chunk / job->pieces * job->rows, column = chunk % job->pieces * SCION_BLOCK_ELEMENTS;
  block.rows = job->whole.rows - row < job->rows ? job->whole.rows - row : job->rows;
  block.width = job->pieces > 1 && block.width - column > SCION_BLOCK_ELEMENTS ? SCION_BLOCK_ELEMENTS : block.width - column;
  block.column = column;
  block.element = row * job->whole.width + column;
  block.a = read_side(job->a, &block, row * block.a_stride + column, &block.a_stride, copies);
  if (job->b)
    block.b = read_side(job->b, &block, row * block.b_stride + column, &block.b_stride, copies + SCION_BLOCK_ELEMENTS);
  int64_t at = row * block.y_stride + column, stride = block.y_stride;
  bool narrow = job->y && job->y->dtype == SCION_BF16;
  if (narrow) {
    block.y = copies + 2 * SCION_BLOCK_ELEMENTS, block.y_stride = block.width;
  } else if (job->y) {
    block.y = (float *)job->y->data + at;
  }
  job->fn(&block, job->data, copies + 3 * SCION_BLOCK_ELEMENTS);
  if (narrow) write_side(job->y, &block, at, stride);
}

scion_status scion_for_blocks(const scion_tensor *a, const scion_tensor *b, const scion_tensor *y, bool per_channel,
                              scion_block_function *fn, void *data) {
  blocks_job job = {.whole = {.rows = scion_tensor_rows(a), .width = scion_tensor_channels(a)}, .a = a, .b = b, .y = y, .fn = fn,
                    .data = data};
  if (job.whole.rows == 0 || job.whole.width == 0) return SCION_OK;
  job.whole.a_stride = a->row_stride;
  if (b) job.whole.b_stride = b->row_stride;
  if (y) job.whole.y_stride = y->row_stride;
  if (!per_channel && scion_tensor_contiguous(a) && (!b || scion_tensor_contiguous(b)) && (!y || scion_tensor_contiguous(y)))
    job.whole.width *= job.whole.rows, job.whole.rows = 1;
  job.pieces = scion_divide_up(job.whole.width, SCION_BLOCK_ELEMENTS);
  job.rows = SCION_BLOCK_ELEMENTS / job.whole.width > 1 ? SCION_BLOCK_ELEMENTS / job.whole.width : 1;
  return scion_parallel_for(scion_divide_up(job.whole.rows, job.rows) * job.pieces, block_chunk, &job);
}
