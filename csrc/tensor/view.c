/* Access to single elements, and tensors that are views or copies of parts of others. */
#include "element.h"

/* The offset of an element in memory, from its row-major index. */
static int64_t offset_of(const scion_tensor *t, int64_t index) {
  int64_t width = scion_tensor_channels(t);
  return index / width * t->row_stride + index % width;
}

double scion_tensor_get(const scion_tensor *t, int64_t index) { return element_load(t->data, t->dtype, offset_of(t, index)); }

void scion_tensor_set(scion_tensor *t, int64_t index, double value) {
  element_store(t->data, t->dtype, offset_of(t, index), value);
}

/* A copy of the struct x, which retains its storage. */
static scion_tensor view_of(const scion_tensor *x) {
  scion_storage_retain(x->storage);
  return *x;
}

static scion_status reshape_misfit(const scion_tensor *x, int dims, const int64_t *shape) {
  char from[SCION_SHAPE_TEXT], to[SCION_SHAPE_TEXT];
  scion_tensor wanted = {.dims = dims};
  for (int i = 0; i < dims; i++) wanted.shape[i] = shape[i];
  return scion_fail(SCION_MISUSE, "reshape: a tensor of %s does not fit the shape %s", scion_shape_text(x, from, sizeof from),
                    scion_shape_text(&wanted, to, sizeof to));
}

scion_status scion_tensor_reshape(const scion_tensor *x, int dims, const int64_t *shape, scion_tensor *y) {
  if (dims < 0 || dims > SCION_MAX_DIMS) return scion_fail(SCION_MISUSE, "a tensor has 0 to %d dimensions, not %d", SCION_MAX_DIMS, dims);
  int64_t elements = scion_tensor_elements(x), known = 1, sizes[SCION_MAX_DIMS];
  int open = -1;
  for (int i = 0; i < dims; i++) {
    sizes[i] = shape[i];
    if (shape[i] == -1 && open < 0) {
      open = i;
    } else if (shape[i] < 0 || __builtin_mul_overflow(known, shape[i], &known)) {
      return reshape_misfit(x, dims, shape);
    }
  }
  if (open >= 0) {
    if (known == 0 || elements % known) return reshape_misfit(x, dims, shape);
    sizes[open] = elements / known;
    known *= sizes[open];
  }
  if (known != elements) return reshape_misfit(x, dims, shape);
  int64_t bytes;
  scion_status possible = scion_shape_check(x->dtype, dims, sizes, &bytes); /* without elements, the other sizes could still be too large */
  if (possible != SCION_OK) return possible;
  bool keeps_rows = x->dims && dims && sizes[dims - 1] == x->shape[x->dims - 1];
  if (scion_tensor_contiguous(x) || keeps_rows) {
    *y = view_of(x);
  } else { /* the new rows would have gaps in them */
    scion_status status = scion_tensor_new(y, x->dtype, x->dims, x->shape);
    if (status == SCION_OK) status = scion_tensor_copy(x, y, 0);
    if (status != SCION_OK) return status;
  }
  bool whole = scion_tensor_contiguous(y);
  y->dims = dims;
  for (int i = 0; i < dims; i++) y->shape[i] = sizes[i];
  if (whole) y->row_stride = scion_tensor_channels(y);
  return SCION_OK;
}

scion_status scion_tensor_select(const scion_tensor *x, int64_t index, scion_tensor *y) {
  char text[SCION_SHAPE_TEXT];
  if (x->dims == 0 || index < 0 || index >= x->shape[0])
    return scion_fail(SCION_MISUSE, "index %lld, from 0, is out of range along the first axis of a tensor of %s", (long long)index,
                      scion_shape_text(x, text, sizeof text));
  int64_t rows = scion_tensor_rows(x) / (x->dims > 1 ? x->shape[0] : 1);
  *y = view_of(x);
  y->data = element_at(x, x->dims > 1 ? index * rows * x->row_stride : index);
  y->dims--;
  for (int d = 0; d < y->dims; d++) y->shape[d] = x->shape[d + 1];
  return SCION_OK;
}

scion_status scion_tensor_whole(const scion_tensor *x, scion_tensor *y) {
  return scion_tensor_reshape(x, 1, (int64_t[]){scion_tensor_elements(x)}, y);
}

scion_status scion_tensor_transpose(const scion_tensor *x, scion_tensor *y) {
  char text[SCION_SHAPE_TEXT];
  if (x->dims != 2) return scion_fail(SCION_MISUSE, "transpose: a tensor of %s is no matrix", scion_shape_text(x, text, sizeof text));
  scion_status status = scion_tensor_new(y, x->dtype, 2, (int64_t[]){x->shape[1], x->shape[0]});
  if (status != SCION_OK) return status;
  size_t size = scion_dtype_size(x->dtype);
  for (int64_t r = 0; r < x->shape[0]; r++)
    for (int64_t c = 0; c < x->shape[1]; c++) memcpy(element_at(y, c * y->row_stride + r), element_at(x, r * x->row_stride + c), size);
  return SCION_OK;
}

bool scion_tensor_equal(const scion_tensor *a, const scion_tensor *b) {
  if (a->dtype != b->dtype || !scion_tensor_same_shape(a, b)) return false;
  size_t bytes = (size_t)scion_tensor_channels(a) * scion_dtype_size(a->dtype);
  for (int64_t r = 0; bytes && r < scion_tensor_rows(a); r++)
    if (memcmp(element_at(a, r * a->row_stride), element_at(b, r * b->row_stride), bytes) != 0) return false;
  return true;
}

scion_status scion_tensor_arange(scion_tensor *t, double first, double step) {
  int64_t elements = scion_tensor_elements(t);
  for (int64_t i = 0; i < elements; i++) scion_tensor_set(t, i, first + (double)i * step);
  return SCION_OK;
}
