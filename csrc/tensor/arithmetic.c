/* Elementwise arithmetic with NumPy's broadcasting. */
#include "element.h"

#define CHUNK 16384 /* elements of the result in a chunk */
#define BLOCK 512   /* elements that are converted to double at a time */

/* How an operand is read for the elements of the result. steps: for each leading dimension of the result, the step in the operand's
 * memory, in elements; 0 if the operand is repeated along it. */
typedef struct {
  const scion_tensor *t;
  int64_t steps[SCION_MAX_DIMS];
  int column; /* the step along the last dimension: 1, or 0 if one element is repeated for the whole row */
} operand;

typedef struct {
  scion_binary_op op;
  bool chooses; /* y = condition ? a : b, instead of y = a op b */
  operand a, b, condition;
  scion_tensor *y;
  int dims; /* of the result; 1 if all tensors can be treated as one long row */
  int64_t shape[SCION_MAX_DIMS], width, elements;
} binary_job;

scion_dtype scion_binary_dtype(scion_binary_op op, scion_dtype a, scion_dtype b) {
  if (op >= SCION_OP_EQ) return SCION_U8;
  return a == SCION_I32 && b == SCION_I32 && op <= SCION_OP_MULTIPLY ? SCION_I32 : SCION_F32;
}

scion_dtype scion_unary_dtype(scion_unary_op op, scion_dtype x) {
  return x == SCION_I32 && op <= SCION_OP_CLAMP ? SCION_I32 : SCION_F32;
}

int scion_broadcast_shape(const scion_tensor *a, const scion_tensor *b, int64_t shape[SCION_MAX_DIMS]) {
  int dims = a->dims > b->dims ? a->dims : b->dims;
  for (int i = 1; i <= dims; i++) {
    int64_t m = i <= a->dims ? a->shape[a->dims - i] : 1, n = i <= b->dims ? b->shape[b->dims - i] : 1;
    if (m != n && m != 1 && n != 1) {
      char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
      scion_fail(SCION_MISUSE, "shapes do not fit: %s and %s", scion_shape_text(a, first, sizeof first),
                 scion_shape_text(b, second, sizeof second));
      return -1;
    }
    shape[dims - i] = m == 1 ? n : m;
  }
  return dims;
}

/* flat: the result is one long row, see is_flat. */
static operand operand_of(const scion_tensor *t, int dims, bool flat) {
  operand x = {.t = t};
  if (flat) {
    x.column = scion_tensor_elements(t) != 1;
    return x;
  }
  x.column = t->dims > 0 && t->shape[t->dims - 1] != 1;
  int64_t rows = 1;
  for (int i = 2; i <= t->dims; i++) {
    int64_t size = t->shape[t->dims - i];
    x.steps[dims - i] = size == 1 ? 0 : rows * t->row_stride;
    rows *= size;
  }
  return x;
}

static int64_t row_offset(const operand *x, const binary_job *job, int64_t row) {
  int64_t offset = 0;
  for (int d = job->dims - 2; d >= 0; d--) {
    offset += row % job->shape[d] * x->steps[d];
    row /= job->shape[d];
  }
  return offset;
}

static void read_doubles(const operand *x, int64_t offset, int64_t column, int64_t n, double *buffer) {
  if (x->column) {
    element_load_block(x->t->data, x->t->dtype, offset + column, n, buffer);
  } else {
    double value = element_load(x->t->data, x->t->dtype, offset);
    for (int64_t i = 0; i < n; i++) buffer[i] = value;
  }
}

/* The loop of a case of the switch below, and its break. */
#define EACH(expression) \
  for (int64_t i = 0; i < n; i++) y[i] = (expression); \
  break

static void apply_binary(scion_binary_op op, const double *a, const double *b, double *y, int64_t n) {
  switch (op) {
    case SCION_OP_ADD: EACH(a[i] + b[i]);
    case SCION_OP_SUBTRACT: EACH(a[i] - b[i]);
    case SCION_OP_MULTIPLY: EACH(a[i] * b[i]);
    case SCION_OP_DIVIDE: EACH(a[i] / b[i]);
    case SCION_OP_POWER: EACH(pow(a[i], b[i]));
    case SCION_OP_EQ: EACH(a[i] == b[i]);
    case SCION_OP_NE: EACH(a[i] != b[i]);
    case SCION_OP_LT: EACH(a[i] < b[i]);
    case SCION_OP_LE: EACH(a[i] <= b[i]);
    case SCION_OP_GT: EACH(a[i] > b[i]);
    case SCION_OP_GE: EACH(a[i] >= b[i]);
  }
}

static void choose(const double *condition, const double *a, const double *b, double *y, int64_t n) {
  for (int64_t i = 0; i < n; i++) {
    double first = a[i], second = b[i]; /* both are read, so that there is no branch */
    y[i] = condition[i] != 0 ? first : second;
  }
}

static void binary_chunk(void *data, int64_t chunk, void *scratch) {
  const binary_job *job = data;
  double *a = scratch, *b = a + BLOCK, *y = b + BLOCK, *condition = y + BLOCK;
  int64_t end = (chunk + 1) * CHUNK < job->elements ? (chunk + 1) * CHUNK : job->elements;
  for (int64_t i = chunk * CHUNK, n; i < end; i += n) {
    int64_t row = i / job->width, column = i % job->width;
    n = job->width - column < end - i ? job->width - column : end - i;
    if (n > BLOCK) n = BLOCK;
    read_doubles(&job->a, row_offset(&job->a, job, row), column, n, a);
    read_doubles(&job->b, row_offset(&job->b, job, row), column, n, b);
    if (job->chooses) read_doubles(&job->condition, row_offset(&job->condition, job, row), column, n, condition);
    if (job->chooses) choose(condition, a, b, y, n);
    else apply_binary(job->op, a, b, y, n);
    element_store_block(job->y->data, job->y->dtype, i, n, y);
  }
}

/* Whether the elements of t, read in memory order, correspond to those of y one by one, or t is a single element for all of them. */
static bool is_flat(const scion_tensor *t, const scion_tensor *y) {
  return scion_tensor_elements(t) == 1 || (scion_tensor_contiguous(t) && scion_tensor_elements(t) == scion_tensor_elements(y));
}

static scion_status check_result(const scion_tensor *y, scion_dtype dtype, int dims, const int64_t *shape) {
  bool fits = y->dtype == dtype && y->dims == dims && scion_tensor_contiguous(y);
  for (int i = 0; fits && i < dims; i++) fits = y->shape[i] == shape[i];
  if (fits) return SCION_OK;
  char text[SCION_SHAPE_TEXT];
  return scion_fail(SCION_MISUSE, "the result cannot be written to a %s tensor of %s", scion_dtype_name(y->dtype),
                    scion_shape_text(y, text, sizeof text));
}

/* Runs a job whose shape is known; condition is NULL for a binary operation. */
static scion_status run(binary_job *job, const scion_tensor *a, const scion_tensor *b, const scion_tensor *condition) {
  const scion_tensor *y = job->y;
  job->elements = scion_tensor_elements(y);
  if (job->elements == 0) return SCION_OK;
  bool flat = is_flat(a, y) && is_flat(b, y) && (!condition || is_flat(condition, y));
  job->a = operand_of(a, job->dims, flat);
  job->b = operand_of(b, job->dims, flat);
  if (condition) job->condition = operand_of(condition, job->dims, flat);
  job->width = flat ? job->elements : scion_tensor_channels(y);
  if (flat) job->dims = 1;
  return scion_parallel_for(scion_divide_up(job->elements, CHUNK), binary_chunk, job);
}

scion_status scion_binary(scion_binary_op op, const scion_tensor *a, const scion_tensor *b, scion_tensor *y) {
  binary_job job = {.op = op, .y = y};
  job.dims = scion_broadcast_shape(a, b, job.shape);
  if (job.dims < 0) return SCION_MISUSE;
  scion_status status = check_result(y, scion_binary_dtype(op, a->dtype, b->dtype), job.dims, job.shape);
  return status == SCION_OK ? run(&job, a, b, NULL) : status;
}

int scion_where_shape(const scion_tensor *condition, const scion_tensor *a, const scion_tensor *b, int64_t shape[SCION_MAX_DIMS]) {
  scion_tensor both = {.dims = scion_broadcast_shape(a, b, shape)};
  if (both.dims < 0) return -1;
  memcpy(both.shape, shape, (size_t)both.dims * sizeof *shape);
  return scion_broadcast_shape(condition, &both, shape);
}

scion_status scion_where(const scion_tensor *condition, const scion_tensor *a, const scion_tensor *b, scion_tensor *y) {
  binary_job job = {.chooses = true, .y = y};
  job.dims = scion_where_shape(condition, a, b, job.shape);
  if (job.dims < 0) return SCION_MISUSE;
  scion_status status = check_result(y, y->dtype, job.dims, job.shape);
  return status == SCION_OK ? run(&job, a, b, condition) : status;
}

typedef struct {
  scion_unary_op op;
  const scion_tensor *x;
  double low, high;
  scion_tensor *y;
} unary_job;

static void apply_unary(const unary_job *job, const double *x, double *y, int64_t n) {
  switch (job->op) {
    case SCION_OP_NEGATE: EACH(-x[i]);
    case SCION_OP_ABS: EACH(fabs(x[i]));
    case SCION_OP_CLAMP: EACH(x[i] < job->low ? job->low : x[i] > job->high ? job->high : x[i]); /* a NaN stays */
    case SCION_OP_EXP: EACH(exp(x[i]));
    case SCION_OP_LOG: EACH(log(x[i]));
    case SCION_OP_SQRT: EACH(sqrt(x[i]));
  }
}

static void unary_chunk(void *data, int64_t chunk, void *scratch) {
  const unary_job *job = data;
  double *x = scratch, *y = x + BLOCK;
  int64_t width = scion_tensor_channels(job->x), total = scion_tensor_elements(job->x);
  int64_t end = (chunk + 1) * CHUNK < total ? (chunk + 1) * CHUNK : total;
  for (int64_t i = chunk * CHUNK, n; i < end; i += n) {
    int64_t row = i / width, column = i % width;
    n = width - column < end - i ? width - column : end - i;
    if (n > BLOCK) n = BLOCK;
    element_load_block(job->x->data, job->x->dtype, row * job->x->row_stride + column, n, x);
    apply_unary(job, x, y, n);
    element_store_block(job->y->data, job->y->dtype, i, n, y);
  }
}

scion_status scion_unary(scion_unary_op op, const scion_tensor *x, double low, double high, scion_tensor *y) {
  scion_status status = check_result(y, scion_unary_dtype(op, x->dtype), x->dims, x->shape);
  if (status != SCION_OK) return status;
  return scion_parallel_for(scion_divide_up(scion_tensor_elements(y), CHUNK), unary_chunk, &(unary_job){op, x, low, high, y});
}
