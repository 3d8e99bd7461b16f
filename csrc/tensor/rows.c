/* Picking and counting examples by their numbers. */
#include "scion.h"

#include <string.h>

/* The product of the sizes from dimension `first` up to, but not, `end`. */
static int64_t product(const scion_tensor *x, int first, int end) {
  int64_t elements = 1;
  for (int d = first; d < end; d++) elements *= x->shape[d];
  return elements;
}

static scion_status outside(int32_t index, int64_t size) {
  return scion_fail(SCION_MISUSE, "gather: index %d of a tensor with %lld parts", index, (long long)size);
}

scion_status scion_gather(const scion_tensor *x, int axis, const scion_tensor *indices, scion_tensor *y) {
  bool fits = axis >= 0 && axis < x->dims && scion_tensor_contiguous(x) && scion_tensor_contiguous(y) && y->dtype == x->dtype &&
              indices->dtype == SCION_I32 && indices->dims == 1 && y->dims == x->dims;
  for (int d = 0; fits && d < x->dims; d++) fits = y->shape[d] == (d == axis ? indices->shape[0] : x->shape[d]);
  if (!fits) return scion_fail(SCION_MISUSE, "gather: wants contiguous tensors that agree in all dimensions but one, and i32 indices");
  size_t bytes = (size_t)product(x, axis + 1, x->dims) * scion_dtype_size(x->dtype);
  int64_t outer = product(x, 0, axis), n = x->shape[axis], picked = indices->shape[0];
  const int32_t *index = indices->data;
  for (int64_t i = 0; i < picked; i++)
    if (index[i] < 0 || index[i] >= n) return outside(index[i], n);
  for (int64_t o = 0; o < outer; o++)
    for (int64_t i = 0; i < picked; i++)
      memcpy((char *)y->data + (size_t)(o * picked + i) * bytes, (const char *)x->data + (size_t)(o * n + index[i]) * bytes, bytes);
  return SCION_OK;
}

scion_status scion_gather_elements(const scion_tensor *x, int axis, const scion_tensor *indices, scion_tensor *y) {
  bool fits = axis >= 0 && axis < x->dims && scion_tensor_contiguous(indices) && scion_tensor_contiguous(y) && y->dtype == x->dtype &&
              indices->dtype == SCION_I32 && scion_tensor_same_shape(indices, y) && y->dims == x->dims;
  for (int d = 0; fits && d < x->dims; d++) fits = d == axis || y->shape[d] <= x->shape[d];
  if (!fits) return scion_fail(SCION_MISUSE, "gather: wants i32 indices in the shape of the result, and no larger than x but along the axis");
  int64_t elements = scion_tensor_elements(y), n = x->shape[axis];
  const int32_t *index = indices->data;
  for (int64_t i = 0; i < elements; i++) {
    if (index[i] < 0 || index[i] >= n) return outside(index[i], n);
    int64_t place[SCION_MAX_DIMS], from = 0;
    for (int64_t d = y->dims - 1, left = i; d >= 0; left /= y->shape[d--]) place[d] = left % y->shape[d];
    place[axis] = index[i];
    for (int d = 0; d < x->dims; d++) from = from * x->shape[d] + place[d];
    scion_tensor_set(y, i, scion_tensor_get(x, from));
  }
  return SCION_OK;
}

scion_status scion_count(const scion_tensor *x, scion_tensor *counts) {
  if (x->dtype != SCION_I32 || counts->dtype != SCION_I32 || !scion_tensor_contiguous(x) || !scion_tensor_contiguous(counts))
    return scion_fail(SCION_MISUSE, "count: wants contiguous i32 tensors");
  const int32_t *value = x->data;
  int32_t *count = counts->data;
  int64_t kinds = scion_tensor_elements(counts), n = scion_tensor_elements(x);
  memset(count, 0, (size_t)kinds * sizeof *count);
  for (int64_t i = 0; i < n; i++) {
    if (value[i] < 0 || value[i] >= kinds) return scion_fail(SCION_MISUSE, "count: %d is not in 0 .. %lld", value[i], (long long)kinds - 1);
    count[value[i]]++;
  }
  return SCION_OK;
}

scion_status scion_one_hot(const scion_tensor *labels, scion_tensor *y) {
  int64_t n = scion_tensor_elements(labels), classes = scion_tensor_channels(y);
  if (labels->dtype != SCION_I32 || y->dtype != SCION_F32 || y->dims != labels->dims + 1 || scion_tensor_rows(y) != n ||
      !scion_tensor_contiguous(labels) || !scion_tensor_contiguous(y))
    return scion_fail(SCION_MISUSE, "one_hot: wants i32 class numbers, and an f32 row for each");
  const int32_t *label = labels->data;
  for (int64_t i = 0; i < n; i++)
    if (label[i] < 0 || label[i] >= classes)
      return scion_fail(SCION_MISUSE, "one_hot: a label is %d, not in 0 .. %lld", (int)label[i], (long long)classes - 1);
  float *row = y->data;
  memset(row, 0, (size_t)(n * classes) * sizeof *row);
  for (int64_t i = 0; i < n; i++) row[i * classes + label[i]] = 1;
  return SCION_OK;
}
