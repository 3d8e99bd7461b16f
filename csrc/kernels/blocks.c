/* Cuts elementwise work into blocks for the threads, and lets loops written for f32 work on bf16, by way of a copy in scratch. */
#include "blocks.h"

#include "tensor/convert.h"

typedef struct {
  const scion_tensor *a, *b, *y;
  bool accumulate;
  scion_block_function *fn;
  void *data;
} blocks_of;

typedef struct {
  blocks_of of;
  scion_block whole;
  int64_t pieces, rows; /* pieces of a row, and rows of a block (one of the two is 1) */
} blocks_job;

static bool is_narrow(const scion_tensor *t) { return t && t->dtype == SCION_BF16; }

/* A tensor's part of the block: where it lies or, of a bf16, a copy that is filled if it is read. */
static float *side(const scion_tensor *t, const scion_block *block, int64_t at, int64_t *stride, bool reads, float *copy) {
  if (!t) return NULL;
  if (!is_narrow(t)) return (float *)t->data + at;
  for (int64_t r = 0; reads && r < block->rows; r++)
    SIMD_CHOOSE(scion_loop_widen)((const uint16_t *)t->data + at + r * *stride, copy + r * block->width, block->width);
  *stride = block->width;
  return copy;
}

/* Rows from `row` on and columns from block->column on, as many as the block has, whose strides are the tensors' own. */
static void run_block(const blocks_of *of, scion_block block, int64_t row, float *copies) {
  const int64_t at = row * block.y_stride + block.column, stride = block.y_stride;
  block.a = side(of->a, &block, row * block.a_stride + block.column, &block.a_stride, true, copies);
  block.b = side(of->b, &block, row * block.b_stride + block.column, &block.b_stride, true, copies + SCION_BLOCK_ELEMENTS);
  block.y = side(of->y, &block, at, &block.y_stride, of->accumulate, copies + 2 * SCION_BLOCK_ELEMENTS);
  of->fn(&block, of->data, copies + 3 * SCION_BLOCK_ELEMENTS);
  for (int64_t r = 0; is_narrow(of->y) && r < block.rows; r++)
    SIMD_CHOOSE(scion_loop_narrow)(block.y + r * block.width, (uint16_t *)of->y->data + at + r * stride, block.width);
}

static scion_block block_of(const blocks_of *of) {
  const scion_tensor *any = of->a ? of->a : of->b ? of->b : of->y;
  return (scion_block){.rows = scion_tensor_rows(any), .width = scion_tensor_channels(any), .a_stride = of->a ? of->a->row_stride : 0,
                       .b_stride = of->b ? of->b->row_stride : 0, .y_stride = of->y ? of->y->row_stride : 0};
}

static int64_t rows_of_width(int64_t width) { return SCION_BLOCK_ELEMENTS / width > 1 ? SCION_BLOCK_ELEMENTS / width : 1; }

static void block_chunk(void *data, int64_t chunk, void *scratch) {
  const blocks_job *job = data;
  scion_block block = job->whole;
  int64_t row = chunk / job->pieces * job->rows, column = chunk % job->pieces * SCION_BLOCK_ELEMENTS;
  block.rows = job->whole.rows - row < job->rows ? job->whole.rows - row : job->rows;
  block.width = job->pieces > 1 && block.width - column > SCION_BLOCK_ELEMENTS ? SCION_BLOCK_ELEMENTS : block.width - column;
  block.column = column;
  block.element = row * job->whole.width + column;
  run_block(&job->of, block, row, scratch);
}

scion_status scion_for_blocks(const scion_tensor *a, const scion_tensor *b, const scion_tensor *y, bool accumulate, bool per_channel,
                              scion_block_function *fn, void *data) {
  blocks_job job = {.of = {a, b, y, accumulate, fn, data}};
  job.whole = block_of(&job.of);
  if (job.whole.rows == 0 || job.whole.width == 0) return SCION_OK;
  if (!per_channel && scion_tensor_contiguous(a) && (!b || scion_tensor_contiguous(b)) && (!y || scion_tensor_contiguous(y)))
    job.whole.width *= job.whole.rows, job.whole.rows = 1;
  job.pieces = scion_divide_up(job.whole.width, SCION_BLOCK_ELEMENTS);
  job.rows = rows_of_width(job.whole.width);
  return scion_parallel_for(scion_divide_up(job.whole.rows, job.rows) * job.pieces, block_chunk, &job);
}

void scion_for_rows(const scion_tensor *a, const scion_tensor *b, const scion_tensor *y, bool accumulate, int64_t row, int64_t rows,
                    scion_block_function *fn, void *data, void *scratch) {
  const blocks_of of = {a, b, y, accumulate, fn, data};
  const scion_block whole = block_of(&of);
  const bool converts = is_narrow(a) || is_narrow(b) || is_narrow(y);
  if (rows == 0 || whole.width == 0) return;
  const int64_t most = converts ? rows_of_width(whole.width) : rows, width = converts ? SCION_BLOCK_ELEMENTS : whole.width, end = row + rows;
  for (; row < end; row += most)
    for (int64_t column = 0; column < whole.width; column += width) {
      scion_block block = whole;
      block.rows = end - row < most ? end - row : most;
      block.width = whole.width - column < width ? whole.width - column : width;
      block.column = column;
      block.element = row * whole.width + column;
      run_block(&of, block, row, scratch);
    }
}
