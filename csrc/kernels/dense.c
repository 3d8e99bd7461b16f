/* Dense layers: convolutions of images whose pixels are the rows, in kernels of one pixel. The kernel is read where it is, since what
 * trains changes with every step: each part of a panel is packed by the chunk that multiplies it. */
#include "conv2d_weights.h"
#include "require.h"

static scion_status require_dense(const char *kernel, const char *x_name, const scion_tensor *x, const char *y_name,
                                  const scion_tensor *y, const char *w_name, const scion_tensor *w) {
  SCION_TRY(scion_require_f32(kernel, x_name, x));
  SCION_TRY(scion_require_f32(kernel, y_name, y));
  SCION_TRY(scion_require_f32(kernel, w_name, w));
  char x_text[SCION_SHAPE_TEXT], y_text[SCION_SHAPE_TEXT], w_text[SCION_SHAPE_TEXT];
  if (w->dims != 2 || scion_tensor_elements(w) == 0 || w->shape[0] != scion_tensor_channels(x) || w->shape[1] != scion_tensor_channels(y) ||
      scion_tensor_rows(x) != scion_tensor_rows(y))
    return scion_fail(SCION_MISUSE, "%s: %s is %s, %s is %s and %s is %s, which do not fit", kernel, x_name,
                      scion_shape_text(x, x_text, sizeof x_text), w_name, scion_shape_text(w, w_text, sizeof w_text), y_name,
                      scion_shape_text(y, y_text, sizeof y_text));
  return SCION_OK;
}

/* A grid of one row: each pixel is a row of `from`, and becomes that of `to`. */
static conv2d_grid rows_of(const scion_tensor *from, const scion_tensor *to, const scion_tensor *w) {
  int64_t rows = scion_tensor_rows(from);
  return (conv2d_grid){.source = {.data = from->data, .stride = from->row_stride, .channels = scion_tensor_channels(from),
                                  .size = {1, rows}, .grid = {1, rows}, .taps = {1, 1}, .step = {1, 1}, .tap_step = {1, 1}},
                       .loose = w->data, .loose_stride = w->row_stride, .out = to->data, .out_stride = to->row_stride,
                       .out_channels = scion_tensor_channels(to), .out_size = {1, rows}, .out_step = {1, 1}, .pixels = rows > 0};
}

scion_status scion_dense_forward(const scion_tensor *x, const scion_tensor *w, const scion_tensor *bias, scion_tensor *y,
                                 scion_activation activation) {
  SCION_TRY(scion_require_activation("dense", activation));
  SCION_TRY(require_dense("dense", "x", x, "y", y, "w", w));
  SCION_TRY(scion_require_vector("dense", "bias", bias, w->shape[1]));
  conv2d_grid grid = rows_of(x, y, w);
  grid.bias = bias ? bias->data : NULL;
  grid.activation = activation;
  return conv2d_run_grid(&grid);
}

scion_status scion_dense_backward_input(const scion_tensor *dy, const scion_tensor *w, scion_tensor *dx, int accumulate) {
  SCION_TRY(require_dense("dense_backward_input", "dx", dx, "dy", dy, "w", w));
  conv2d_grid grid = rows_of(dy, dx, w);
  grid.loose_turned = true;
  grid.accumulate = accumulate;
  return conv2d_run_grid(&grid);
}

/* The same memory as an image of one row, or of none where there are no rows; a kernel as one of a pixel. */
static scion_tensor as_image(const scion_tensor *t) {
  scion_tensor image = *t;
  image.dims = 4, image.shape[0] = image.shape[1] = 1, image.shape[2] = scion_tensor_rows(t), image.shape[3] = scion_tensor_channels(t);
  return image;
}

scion_status scion_dense_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw) {
  SCION_TRY(require_dense("dense_backward_weights", "x", x, "dy", dy, "dw", dw));
  scion_tensor image = as_image(x), gradient = as_image(dy), kernel = as_image(dw);
  if (image.shape[2] == 0) image.shape[0] = gradient.shape[0] = 0, image.shape[2] = gradient.shape[2] = 1;
  const scion_window pixel = {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  return scion_conv2d_backward_weights(&image, &gradient, &kernel, &pixel);
}
