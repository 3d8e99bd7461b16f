/* Picking and counting examples by their numbers. */
#include "scion.h"

#include <string.h>

scion_status scion_gather(const scion_tensor *x, const scion_tensor *indices, scion_tensor *y) {
  if (x->dims < 1 || !scion_tensor_contiguous(x) || !scion_tensor_contiguous(y) || y->dtype != x->dtype || indices->dtype != SCION_I32 ||
      indices->dims != 1 || y->dims != x->dims || y->shape[0] != indices->shape[0] ||
      memcmp(x->shape + 1, y->shape + 1, (size_t)(x->dims - 1) * sizeof x->shape[0]) != 0)
    return scion_fail(SCION_MISUSE, "gather: wants contiguous tensors that agree in all but the first dimension, and i32 indices");
  size_t bytes = scion_dtype_size(x->dtype);
  for (int i = 1; i < x->dims; i++) bytes *= (size_t)x->shape[i];
  const int32_t *index = indices->data;
  for (int64_t i = 0; i < indices->shape[0]; i++) {
    if (index[i] < 0 || index[i] >= x->shape[0])
      return scion_fail(SCION_MISUSE, "gather: index %d of a tensor with %lld rows", index[i], (long long)x->shape[0]);
    memcpy((char *)y->data + (size_t)i * bytes, (const char *)x->data + (size_t)index[i] * bytes, bytes);
  }
  return SCION_OK;
}

scion_status scion_stack(const scion_tensor *const *rows, int64_t count, scion_tensor *y) {
  size_t bytes = count > 0 ? (size_t)scion_tensor_elements(rows[0]) * scion_dtype_size(rows[0]->dtype) : 0;
  if (!scion_tensor_contiguous(y) || (size_t)scion_tensor_elements(y) * scion_dtype_size(y->dtype) != (size_t)count * bytes)
    return scion_fail(SCION_MISUSE, "stack: the result does not hold %lld rows", (long long)count);
  for (int64_t i = 0; i < count; i++) {
    if (rows[i]->dtype != y->dtype || !scion_tensor_contiguous(rows[i]) || !scion_tensor_same_shape(rows[i], rows[0]))
      return scion_fail(SCION_MISUSE, "stack: wants contiguous tensors of one dtype and shape");
    memcpy((char *)y->data + (size_t)i * bytes, rows[i]->data, bytes);
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
  if (labels->dtype != SCION_I32 || labels->dims != 1 || y->dtype != SCION_F32 || y->dims != 2 || y->shape[0] != labels->shape[0] ||
      !scion_tensor_contiguous(labels) || !scion_tensor_contiguous(y))
    return scion_fail(SCION_MISUSE, "one_hot: wants i32 class numbers in a row, and an f32 row for each");
  const int32_t *label = labels->data;
  int64_t n = y->shape[0], classes = y->shape[1];
  for (int64_t i = 0; i < n; i++)
    if (label[i] < 0 || label[i] >= classes)
      return scion_fail(SCION_MISUSE, "one_hot: a label is %d, not in 0 .. %lld", (int)label[i], (long long)classes - 1);
  float *row = y->data;
  memset(row, 0, (size_t)(n * classes) * sizeof *row);
  for (int64_t i = 0; i < n; i++) row[i * classes + label[i]] = 1;
  return SCION_OK;
}
