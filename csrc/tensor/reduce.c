/* Reductions, computed in double over chunks that depend on the shape alone. */
#include "element.h"

#include <stdlib.h>

#define CHUNK 16384 /* elements for each partial result when a whole tensor is reduced */
#define BLOCK 512   /* elements, or neighbouring results, processed at a time */

/* x is seen as [outer][n][inner], the results as [outer][inner]. When a whole tensor is reduced, outer counts partial results, each of
 * n = CHUNK elements; the last of these may have fewer. */
typedef struct {
  scion_reduce_op op;
  const scion_tensor *x; /* contiguous */
  int64_t outer, n, inner, elements, blocks;
  scion_tensor *y; /* for the results; if NULL, partial results go to value and index */
  double *value;
  int64_t *index;
} reduce_job;

scion_dtype scion_reduce_dtype(scion_reduce_op op, scion_dtype x) {
  switch (op) {
    case SCION_REDUCE_MAX:
    case SCION_REDUCE_MIN: return x;
    case SCION_REDUCE_MEAN: return SCION_F32;
    case SCION_REDUCE_SUM: return x == SCION_U8 || x == SCION_I32 ? SCION_I32 : SCION_F32;
    default: return SCION_I32;
  }
}

/* The results so far of up to BLOCK neighbours. */
typedef struct {
  double value[BLOCK];
  int64_t index[BLOCK];
} running;

static double start_of(scion_reduce_op op) {
  return op == SCION_REDUCE_MIN ? INFINITY : op == SCION_REDUCE_MAX || op == SCION_REDUCE_ARGMAX ? -INFINITY : 0;
}

/* Adds one element, the k-th along the axis, to a result. The comparisons are written so that a NaN replaces the value so far and then
 * stays. */
static inline void take(scion_reduce_op op, double x, int64_t k, double *value, int64_t *index) {
  switch (op) {
    case SCION_REDUCE_SUM:
    case SCION_REDUCE_MEAN: *value += x; break;
    case SCION_REDUCE_MIN:
      if (!(x >= *value) && *value == *value) *value = x;
      break;
    default:
      if (!(x <= *value) && *value == *value) *value = x, *index = k;
  }
}

static void finish(const reduce_job *job, int64_t result, double value, int64_t index) {
  if (job->y) {
    if (job->op == SCION_REDUCE_MEAN) value /= (double)job->n;
    element_store(job->y->data, job->y->dtype, result, job->op == SCION_REDUCE_ARGMAX ? (double)index : value);
  } else {
    job->value[result] = value;
    job->index[result] = index;
  }
}

/* For inner = 1: one result, of elements that are neighbours in memory. */
static void reduce_row(const reduce_job *job, int64_t row, double *buffer) {
  int64_t first = row * job->n, count = job->elements - first < job->n ? job->elements - first : job->n, index = 0;
  double value = start_of(job->op);
  for (int64_t k = 0; k < count; k += BLOCK) {
    int64_t n = count - k < BLOCK ? count - k : BLOCK;
    element_load_block(job->x->data, job->x->dtype, first + k, n, buffer);
    for (int64_t i = 0; i < n; i++) take(job->op, buffer[i], k + i, &value, &index);
  }
  finish(job, row, value, index);
}

/* For inner > 1: up to BLOCK neighbouring results at once, so that memory is read in order. */
static void reduce_columns(const reduce_job *job, int64_t outer, int64_t first, double *buffer, running *results) {
  int64_t n = job->inner - first < BLOCK ? job->inner - first : BLOCK;
  for (int64_t i = 0; i < n; i++) results->value[i] = start_of(job->op), results->index[i] = 0;
  for (int64_t k = 0; k < job->n; k++) {
    element_load_block(job->x->data, job->x->dtype, (outer * job->n + k) * job->inner + first, n, buffer);
    for (int64_t i = 0; i < n; i++) take(job->op, buffer[i], k, &results->value[i], &results->index[i]);
  }
  for (int64_t i = 0; i < n; i++) finish(job, outer * job->inner + first + i, results->value[i], results->index[i]);
}

static void reduce_chunk(void *data, int64_t chunk, void *scratch) {
  const reduce_job *job = data;
  double *buffer = scratch;
  running *results = (running *)(void *)(buffer + BLOCK);
  if (job->inner == 1) {
    int64_t rows = CHUNK / (job->n ? job->n : 1) + 1, first = chunk * rows;
    for (int64_t r = first; r < first + rows && r < job->outer; r++) reduce_row(job, r, buffer);
  } else {
    reduce_columns(job, chunk / job->blocks, chunk % job->blocks * BLOCK, buffer, results);
  }
}

static scion_status run(reduce_job *job) {
  job->blocks = scion_divide_up(job->inner, BLOCK);
  int64_t rows = CHUNK / (job->n ? job->n : 1) + 1;
  return scion_parallel_for(job->inner == 1 ? scion_divide_up(job->outer, rows) : job->outer * job->blocks, reduce_chunk, job);
}

static scion_status refuse_empty(scion_reduce_op op, const scion_tensor *x, int64_t n) {
  char text[SCION_SHAPE_TEXT];
  if (n > 0 || op == SCION_REDUCE_SUM || op == SCION_REDUCE_MEAN) return SCION_OK;
  return scion_fail(SCION_MISUSE, "a tensor of %s has no elements to choose the %s from", scion_shape_text(x, text, sizeof text),
                    op == SCION_REDUCE_MIN ? "minimum" : "maximum");
}

scion_status scion_reduce_all(scion_reduce_op op, const scion_tensor *x, double *result) {
  int64_t elements = scion_tensor_elements(x), parts = scion_divide_up(elements, CHUNK);
  scion_status status = refuse_empty(op, x, elements);
  scion_tensor whole = {0};
  if (status == SCION_OK) status = scion_tensor_whole(x, &whole);
  if (status != SCION_OK) {
    scion_tensor_release(&whole);
    return status;
  }
  double *value = calloc((size_t)parts + 1, sizeof *value);
  int64_t *index = calloc((size_t)parts + 1, sizeof *index), best = 0;
  if (value && index) {
    reduce_job job = {.op = op, .x = &whole, .outer = parts, .n = CHUNK, .inner = 1, .elements = elements, .value = value, .index = index};
    status = run(&job);
    *result = start_of(op);
    for (int64_t i = 0; i < parts; i++) take(op, value[i], i * CHUNK + index[i], result, &best);
    if (op == SCION_REDUCE_MEAN) *result /= (double)elements;
    if (op == SCION_REDUCE_ARGMAX) *result = (double)best;
  } else {
    status = scion_fail(SCION_NO_MEMORY, "out of memory: no room for the partial results of a reduction");
  }
  free(value);
  free(index);
  scion_tensor_release(&whole);
  return status;
}

scion_status scion_reduce_axis(scion_reduce_op op, const scion_tensor *x, int axis, scion_tensor *y) {
  char text[SCION_SHAPE_TEXT];
  if (axis < 0 || axis >= x->dims)
    return scion_fail(SCION_MISUSE, "a tensor of %s has no axis %d, from 0", scion_shape_text(x, text, sizeof text), axis);
  scion_status status = refuse_empty(op, x, x->shape[axis]);
  if (status != SCION_OK) return status;
  reduce_job job = {.op = op, .outer = 1, .n = x->shape[axis], .inner = 1, .elements = scion_tensor_elements(x), .y = y};
  for (int d = 0; d < axis; d++) job.outer *= x->shape[d];
  for (int d = axis + 1; d < x->dims; d++) job.inner *= x->shape[d];
  if (y->dtype != scion_reduce_dtype(op, x->dtype) || !scion_tensor_contiguous(y) || scion_tensor_elements(y) != job.outer * job.inner)
    return scion_fail(SCION_MISUSE, "the result of a reduction does not fit into a %s tensor of %s", scion_dtype_name(y->dtype),
                      scion_shape_text(y, text, sizeof text));
  scion_tensor whole = {0};
  status = scion_tensor_whole(x, &whole);
  job.x = &whole;
  if (status == SCION_OK) status = run(&job);
  scion_tensor_release(&whole);
  return status;
}
