/* Tensors, and copies between dtypes. */
#include "convert.h"
#include "element.h"

#include <stdio.h>
#include <string.h>

size_t scion_dtype_size(scion_dtype dtype) {
  static const size_t sizes[SCION_DTYPES] = {[SCION_F32] = 4, [SCION_BF16] = 2, [SCION_U8] = 1, [SCION_I32] = 4};
  return sizes[dtype];
}

const char *scion_dtype_name(scion_dtype dtype) {
  static const char *const names[SCION_DTYPES] = {[SCION_F32] = "f32", [SCION_BF16] = "bf16", [SCION_U8] = "u8", [SCION_I32] = "i32"};
  return names[dtype];
}

scion_status scion_shape_check(scion_dtype dtype, int dims, const int64_t *shape, int64_t *bytes) {
  if (dims < 0 || dims > SCION_MAX_DIMS)
    return scion_fail(SCION_MISUSE, "a tensor has 0 to %d dimensions, not %d", SCION_MAX_DIMS, dims);
  int64_t product = (int64_t)scion_dtype_size(dtype);
  bool empty = false, fits = true;
  for (int i = 0; i < dims; i++) {
    if (shape[i] < 0) return scion_fail(SCION_MISUSE, "dimension %d of a tensor is negative: %lld", i + 1, (long long)shape[i]);
    if (shape[i] == 0)
      empty = true;
    else
      fits = fits && !__builtin_mul_overflow(product, shape[i], &product);
  }
  if (!fits || product > INT64_MAX - SCION_ALIGNMENT)
    return scion_fail(SCION_NO_MEMORY, "a tensor of that shape has more bytes than memory can address");
  if (empty && product > SCION_MAX_EMPTY)
    return scion_fail(SCION_MISUSE, "a tensor without elements has too large sizes beside the 0: their product may be %lld bytes",
                      (long long)SCION_MAX_EMPTY);
  *bytes = empty ? 0 : product;
  return SCION_OK;
}

scion_status scion_tensor_new(scion_tensor *t, scion_dtype dtype, int dims, const int64_t *shape) {
  int64_t bytes;
  *t = (scion_tensor){.dtype = dtype, .row_stride = 1};
  scion_status status = scion_shape_check(dtype, dims, shape, &bytes);
  if (status != SCION_OK) return status;
  t->storage = scion_storage_new((size_t)bytes);
  if (!t->storage) return SCION_NO_MEMORY;
  t->data = t->storage->data;
  t->dims = dims;
  for (int i = 0; i < dims; i++) t->shape[i] = shape[i];
  t->row_stride = scion_tensor_channels(t);
  return SCION_OK;
}

void scion_tensor_release(scion_tensor *t) {
  scion_storage_release(t->storage);
  *t = (scion_tensor){.dtype = t->dtype, .dims = 1};
}

int64_t scion_tensor_channels(const scion_tensor *t) { return t->dims ? t->shape[t->dims - 1] : 1; }

int64_t scion_tensor_rows(const scion_tensor *t) {
  int64_t rows = 1;
  for (int i = 0; i + 1 < t->dims; i++) rows *= t->shape[i];
  return rows;
}

int64_t scion_tensor_elements(const scion_tensor *t) { return scion_tensor_rows(t) * scion_tensor_channels(t); }

bool scion_tensor_contiguous(const scion_tensor *t) {
  return t->row_stride == scion_tensor_channels(t) || scion_tensor_rows(t) <= 1;
}

bool scion_tensor_same_shape(const scion_tensor *a, const scion_tensor *b) {
  return a->dims == b->dims && memcmp(a->shape, b->shape, (size_t)a->dims * sizeof a->shape[0]) == 0;
}

char *scion_shape_text(const scion_tensor *t, char *buffer, size_t size) {
  size_t used = 0;
  if (size) buffer[0] = 0;
  for (int i = 0; i < t->dims && used < size; i++)
    used += (size_t)snprintf(buffer + used, size - used, i ? "x%lld" : "%lld", (long long)t->shape[i]);
  if (t->dims == 0) snprintf(buffer, size, "scalar");
  return buffer;
}

/* ---- copy: fast paths for the frequent conversions, all others element by element through double, which holds every dtype exactly */

void scion_convert_row(const void *x, scion_dtype from, void *y, scion_dtype to, int64_t n) {
  if (from == to) {
    memmove(y, x, (size_t)n * scion_dtype_size(from));
  } else if (from == SCION_U8 && to == SCION_F32) {
    const uint8_t *source = x;
    float *target = y;
    for (int64_t i = 0; i < n; i++) target[i] = source[i];
  } else if (from == SCION_BF16 && to == SCION_F32) {
    SIMD_CHOOSE(scion_loop_widen)(x, y, n);
  } else if (from == SCION_F32 && to == SCION_BF16) {
    SIMD_CHOOSE(scion_loop_narrow)(x, y, n);
  } else {
    for (int64_t i = 0; i < n; i++) element_store(y, to, i, element_load(x, from, i));
  }
}

#define ADDED 1024 /* numbers at a time that are widened to be added */

void scion_add_row(const void *x, scion_dtype from, void *y, scion_dtype to, int64_t n) {
  float wide[ADDED], sum[ADDED];
  if (from == SCION_F32 && to == SCION_F32) {
    for (int64_t i = 0; i < n; i++) ((float *)y)[i] += ((const float *)x)[i];
    return;
  }
  for (int64_t at = 0, count; at < n; at += count) {
    count = n - at < ADDED ? n - at : ADDED;
    void *out = (char *)y + (size_t)at * scion_dtype_size(to);
    scion_convert_row((const char *)x + (size_t)at * scion_dtype_size(from), from, wide, SCION_F32, count);
    scion_convert_row(out, to, sum, SCION_F32, count);
    for (int64_t i = 0; i < count; i++) sum[i] += wide[i];
    scion_convert_row(sum, SCION_F32, out, to, count);
  }
}

typedef struct {
  const scion_tensor *x;
  scion_tensor *y;
  int64_t rows, width, x_stride, y_stride;
  int accumulate;
} copy_job;

#define COPY_CHUNK 65536 /* elements of a chunk, so many that small copies run in one thread */

static void copy_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const copy_job *job = data;
  int64_t rows = COPY_CHUNK / (job->width ? job->width : 1) + 1, first = chunk * rows;
  size_t x_size = scion_dtype_size(job->x->dtype), y_size = scion_dtype_size(job->y->dtype);
  for (int64_t r = first; r < first + rows && r < job->rows; r++) {
    const void *x = (const char *)job->x->data + (size_t)(r * job->x_stride) * x_size;
    void *y = (char *)job->y->data + (size_t)(r * job->y_stride) * y_size;
    if (job->accumulate) scion_add_row(x, job->x->dtype, y, job->y->dtype, job->width);
    else scion_convert_row(x, job->x->dtype, y, job->y->dtype, job->width);
  }
}

static bool is_number(const scion_tensor *t) { return t->dtype == SCION_F32 || t->dtype == SCION_BF16; }

scion_status scion_tensor_copy(const scion_tensor *x, scion_tensor *y, int accumulate) {
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  int64_t elements = scion_tensor_elements(x);
  bool flat = scion_tensor_contiguous(x) && scion_tensor_contiguous(y);
  if (elements != scion_tensor_elements(y) || (!flat && scion_tensor_channels(x) != scion_tensor_channels(y)))
    return scion_fail(SCION_MISUSE, "copy: %s does not fit into %s", scion_shape_text(x, a, sizeof a), scion_shape_text(y, b, sizeof b));
  if (accumulate && (!is_number(x) || !is_number(y)))
    return scion_fail(SCION_MISUSE, "copy: only f32 and bf16 tensors accumulate, not %s into %s", scion_dtype_name(x->dtype),
                      scion_dtype_name(y->dtype));
  if (elements == 0) return SCION_OK;
  copy_job job = {x, y, scion_tensor_rows(x), scion_tensor_channels(x), x->row_stride, y->row_stride, accumulate};
  if (flat) { /* shapes do not matter: choose rows of up to 4096 elements, so that the work can be split */
    int64_t width = elements;
    for (int64_t piece = 4096; piece >= 1 && width == elements; piece /= 2)
      if (elements % piece == 0) width = piece;
    job.width = job.x_stride = job.y_stride = width;
    job.rows = elements / width;
  }
  int64_t rows = COPY_CHUNK / job.width + 1;
  return scion_parallel_for(scion_divide_up(job.rows, rows), copy_chunk, &job);
}

scion_status scion_tensor_fill(scion_tensor *t, double value) {
  int64_t rows = scion_tensor_rows(t), width = scion_tensor_channels(t);
  for (int64_t r = 0; r < rows && width > 0; r++)
    for (int64_t c = 0; c < width; c++) element_store(t->data, t->dtype, r * t->row_stride + c, value);
  return SCION_OK;
}
