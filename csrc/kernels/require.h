/* What kernels demand of their arguments. Each check is SCION_OK or a misuse with a sentence that begins with the kernel's
 * name and tells shapes: "max_pool: x is 2x5x5x8 and y is 2x2x2x7, but y should be 2x2x2x8". */
#ifndef SCION_REQUIRE_H
#define SCION_REQUIRE_H

#include "scion.h"

/* Leaves the function with the status of a call that failed. */
#define SCION_TRY(call)                                \
  do {                                                 \
    scion_status try_status = (call);                  \
    if (try_status != SCION_OK) return try_status;     \
  } while (0)

scion_status scion_require_dtype(const char *kernel, const char *name, const scion_tensor *t, scion_dtype dtype);
/* f32 of any shape. */
scion_status scion_require_f32(const char *kernel, const char *name, const scion_tensor *t);
/* f32 or bf16 of any shape. */
scion_status scion_require_number(const char *kernel, const char *name, const scion_tensor *t);
/* f32 or bf16 of four dimensions. */
scion_status scion_require_image(const char *kernel, const char *name, const scion_tensor *t);
/* Four dimensions, of any dtype. */
scion_status scion_require_dims(const char *kernel, const char *name, const scion_tensor *t);
/* f32 of the shape of `like`. */
scion_status scion_require_like(const char *kernel, const char *name, const scion_tensor *t, const char *like_name,
                                const scion_tensor *like);
/* f32 or bf16 of the shape of `like`. */
scion_status scion_require_number_like(const char *kernel, const char *name, const scion_tensor *t, const char *like_name,
                                       const scion_tensor *like);
/* f32 or bf16, that many rows and channels, whatever the leading dimensions. */
scion_status scion_require_matrix(const char *kernel, const char *name, const scion_tensor *t, int64_t rows, int64_t channels);
/* That many elements without gaps; NULL is fine. */
scion_status scion_require_vector(const char *kernel, const char *name, const scion_tensor *t, int64_t length);
/* i32, that many elements without gaps. */
scion_status scion_require_integers(const char *kernel, const char *name, const scion_tensor *t, int64_t length);
/* i32, a class in 0 .. classes-1 for each row. */
scion_status scion_require_labels(const char *kernel, const scion_tensor *labels, int64_t rows, int64_t classes);
/* The label of a row, within the classes: all were so when they were checked, but what a kernel writes may lie over them. */
static inline int64_t scion_label_at(const scion_tensor *labels, int64_t r, int64_t classes) {
  int32_t label = ((const int32_t *)labels->data)[r];
  return label < 0 ? 0 : label < classes ? label : classes - 1;
}
/* Two images of any dtype, the second with `channels` channels and the size that the window leaves of the first. */
scion_status scion_require_window(const char *kernel, const scion_window *window, const char *x_name, const scion_tensor *x,
                                  const char *y_name, const scion_tensor *y, int64_t channels);
/* Where t is u8, codes of it: a scale above 0, and a byte. NULL is fine. */
scion_status scion_require_codes(const char *kernel, const char *name, const scion_tensor *t, scion_quantization q);
scion_status scion_require_activation(const char *kernel, scion_activation activation);

/* Memory for `count` elements of `size` zeroed bytes, to be freed; NULL and a message when there is none. */
void *scion_kernel_memory(const char *kernel, int64_t count, size_t size);

#endif
