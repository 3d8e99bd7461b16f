/* What kernels demand of their arguments. */
#include "require.h"

#include <math.h>

#include <limits.h>
#include <stdlib.h>

scion_status scion_require_dtype(const char *kernel, const char *name, const scion_tensor *t, scion_dtype dtype) {
  if (!t || !t->data) return scion_fail(SCION_MISUSE, "%s: %s is missing", kernel, name);
  if (t->dtype != dtype)
    return scion_fail(SCION_MISUSE, "%s: %s is %s, not %s", kernel, name, scion_dtype_name(t->dtype), scion_dtype_name(dtype));
  return SCION_OK;
}

scion_status scion_require_f32(const char *kernel, const char *name, const scion_tensor *t) {
  return scion_require_dtype(kernel, name, t, SCION_F32);
}

scion_status scion_require_number(const char *kernel, const char *name, const scion_tensor *t) {
  return t && t->dtype == SCION_BF16 ? scion_require_dtype(kernel, name, t, SCION_BF16) : scion_require_f32(kernel, name, t);
}

scion_status scion_require_image(const char *kernel, const char *name, const scion_tensor *t) {
  SCION_TRY(scion_require_number(kernel, name, t));
  return scion_require_dims(kernel, name, t);
}

scion_status scion_require_dims(const char *kernel, const char *name, const scion_tensor *t) {
  char text[SCION_SHAPE_TEXT];
  if (t->dims != 4)
    return scion_fail(SCION_MISUSE, "%s: %s is %s, not batch x rows x columns x channels", kernel, name,
                      scion_shape_text(t, text, sizeof text));
  return SCION_OK;
}

scion_status scion_require_like(const char *kernel, const char *name, const scion_tensor *t, const char *like_name,
                                const scion_tensor *like) {
  SCION_TRY(scion_require_f32(kernel, name, t));
  return scion_require_number_like(kernel, name, t, like_name, like);
}

scion_status scion_require_number_like(const char *kernel, const char *name, const scion_tensor *t, const char *like_name,
                                       const scion_tensor *like) {
  SCION_TRY(scion_require_number(kernel, name, t));
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  if (!scion_tensor_same_shape(t, like))
    return scion_fail(SCION_MISUSE, "%s: %s is %s, but %s is %s, and they should have one shape", kernel, like_name,
                      scion_shape_text(like, first, sizeof first), name, scion_shape_text(t, second, sizeof second));
  return SCION_OK;
}

scion_status scion_require_matrix(const char *kernel, const char *name, const scion_tensor *t, int64_t rows, int64_t channels) {
  SCION_TRY(scion_require_number(kernel, name, t));
  char text[SCION_SHAPE_TEXT];
  if (scion_tensor_rows(t) != rows || scion_tensor_channels(t) != channels)
    return scion_fail(SCION_MISUSE, "%s: %s is %s, but should be %lldx%lld", kernel, name, scion_shape_text(t, text, sizeof text),
                      (long long)rows, (long long)channels);
  return SCION_OK;
}

scion_status scion_require_vector(const char *kernel, const char *name, const scion_tensor *t, int64_t length) {
  if (!t) return SCION_OK;
  SCION_TRY(scion_require_f32(kernel, name, t));
  char text[SCION_SHAPE_TEXT];
  if (scion_tensor_elements(t) != length || !scion_tensor_contiguous(t))
    return scion_fail(SCION_MISUSE, "%s: %s is %s, but should be %lld numbers in a row", kernel, name,
                      scion_shape_text(t, text, sizeof text), (long long)length);
  return SCION_OK;
}

scion_status scion_require_integers(const char *kernel, const char *name, const scion_tensor *t, int64_t length) {
  SCION_TRY(scion_require_dtype(kernel, name, t, SCION_I32));
  char text[SCION_SHAPE_TEXT];
  if (scion_tensor_elements(t) != length || !scion_tensor_contiguous(t))
    return scion_fail(SCION_MISUSE, "%s: %s is %s, but should be %lld numbers in a row", kernel, name,
                      scion_shape_text(t, text, sizeof text), (long long)length);
  return SCION_OK;
}

scion_status scion_require_labels(const char *kernel, const scion_tensor *labels, int64_t rows, int64_t classes) {
  SCION_TRY(scion_require_integers(kernel, "labels", labels, rows));
  const int32_t *label = labels->data;
  for (int64_t r = 0; r < rows; r++)
    if (label[r] < 0 || label[r] >= classes)
      return scion_fail(SCION_MISUSE, "%s: a label is %d, not in 0 .. %lld", kernel, (int)label[r], (long long)classes - 1);
  return SCION_OK;
}

static scion_status require_axis(const char *kernel, const scion_window *window, int axis) {
  const char *name = axis ? "horizontal" : "vertical";
  if (window->kernel[axis] < 1 || window->stride[axis] < 1 || window->dilation[axis] < 1)
    return scion_fail(SCION_MISUSE, "%s: %s kernel %d, stride %d and dilation %d should be 1 or more", kernel, name,
                      window->kernel[axis], window->stride[axis], window->dilation[axis]);
  if (window->before[axis] < 0 || window->after[axis] < 0)
    return scion_fail(SCION_MISUSE, "%s: %s padding %d and %d should not be negative", kernel, name, window->before[axis],
                      window->after[axis]);
  return SCION_OK;
}

scion_status scion_require_window(const char *kernel, const scion_window *window, const char *x_name, const scion_tensor *x,
                                  const char *y_name, const scion_tensor *y, int64_t channels) {
  SCION_TRY(scion_require_dims(kernel, x_name, x));
  SCION_TRY(scion_require_dims(kernel, y_name, y));
  SCION_TRY(require_axis(kernel, window, 0));
  SCION_TRY(require_axis(kernel, window, 1));
  int64_t height = scion_window_output(window, 0, x->shape[1]), width = scion_window_output(window, 1, x->shape[2]);
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  scion_shape_text(x, first, sizeof first);
  if (height < 1 || width < 1)
    return scion_fail(SCION_MISUSE, "%s: a window of %dx%d (dilation %dx%d) does not fit into %s of %s", kernel,
                      window->kernel[0], window->kernel[1], window->dilation[0], window->dilation[1], x_name, first);
  if (y->shape[0] != x->shape[0] || y->shape[1] != height || y->shape[2] != width || y->shape[3] != channels)
    return scion_fail(SCION_MISUSE, "%s: %s is %s and %s is %s, but %s should be %lldx%lldx%lldx%lld", kernel, x_name, first,
                      y_name, scion_shape_text(y, second, sizeof second), y_name, (long long)x->shape[0], (long long)height,
                      (long long)width, (long long)channels);
  return SCION_OK;
}

scion_status scion_require_codes(const char *kernel, const char *name, const scion_tensor *t, scion_quantization q) {
  if (!t || t->dtype != SCION_U8) return SCION_OK;
  if (q.scale > 0 && isfinite(q.scale) && isfinite(1 / q.scale) && q.zero >= 0 && q.zero <= 255) return SCION_OK;
  return scion_fail(SCION_MISUSE, "%s: %s has scale %g and zero point %d, but should have a scale above 0 and a byte", kernel, name, (double)q.scale,
                    q.zero);
}

scion_status scion_require_activation(const char *kernel, scion_activation activation) {
  if ((int)activation < 0 || activation >= SCION_ACTIVATIONS)
    return scion_fail(SCION_MISUSE, "%s: there is no activation number %d", kernel, (int)activation);
  return SCION_OK;
}

void *scion_kernel_memory(const char *kernel, int64_t count, size_t size) {
  void *memory = calloc(count > 0 ? (size_t)count : 1, size);
  if (!memory)
    scion_fail(SCION_NO_MEMORY, "%s: out of memory: %lld numbers to work with cannot be had", kernel, (long long)count);
  return memory;
}
