/* Depthwise convolution at one pixel, and the sums of its weights' gradient along a row of pixels. */
#include "activation.h"

SIMD_INLINE void depthwise_channels(const scion_patch *x, const scion_dtype dtype, const scion_patch *w, const float *scale,
                                    const float *bias, void *y, scion_dtype y_dtype, scion_activation activation, int accumulate,
                                    int64_t c, int64_t n) {
  simd_float sum = {0};
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++)
      sum += simd_load_of(dtype, x->first, r * x->row_step + s * x->column_step + c, n) *
             simd_load_of(SCION_F32, w->first, r * w->row_step + s * w->column_step + c, n);
  if (scale) sum *= simd_load_some(scale + c, n);
  if (bias) sum += simd_load_some(bias + c, n);
  sum = simd_activate(sum, activation, n);
  if (accumulate) sum += simd_load_of(y_dtype, y, c, n);
  simd_store_of(y_dtype, y, c, sum, n);
}

SIMD_INLINE void depthwise_row(const scion_patch *x, const scion_dtype dtype, const scion_patch *w, const float *scale,
                               const float *bias, void *y, scion_dtype y_dtype, int64_t width, scion_activation activation,
                               int accumulate) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH)
    depthwise_channels(x, dtype, w, scale, bias, y, y_dtype, activation, accumulate, c, SIMD_WIDTH);
  if (c < width) depthwise_channels(x, dtype, w, scale, bias, y, y_dtype, activation, accumulate, c, width - c);
}

void SIMD(scion_loop_depthwise)(const scion_patch *x, const scion_patch *w, const float *scale, const float *bias, void *y,
                                scion_dtype y_dtype, int64_t width, scion_activation activation, int accumulate) {
  if (x->dtype == SCION_BF16) {
    depthwise_row(x, SCION_BF16, w, scale, bias, y, y_dtype, width, activation, accumulate);
  } else {
    depthwise_row(x, SCION_F32, w, scale, bias, y, y_dtype, width, activation, accumulate);
  }
}

SIMD_INLINE void products_channels(const float *x, int64_t x_step, const float *dy, int64_t dy_step, int64_t count, float *sum,
                                   int64_t c, int64_t n) {
  simd_float lane[4] = {{0}}; /* four sums that do not wait for each other */
  int64_t j = 0;
  for (; j + 4 <= count; j += 4)
    for (int u = 0; u < 4; u++)
      lane[u] += simd_load_some(x + (j + u) * x_step + c, n) * simd_load_some(dy + (j + u) * dy_step + c, n);
  for (; j < count; j++) lane[0] += simd_load_some(x + j * x_step + c, n) * simd_load_some(dy + j * dy_step + c, n);
  simd_store_some(sum + c, simd_load_some(sum + c, n) + ((lane[0] + lane[1]) + (lane[2] + lane[3])), n);
}

void SIMD(scion_loop_products)(const float *x, int64_t x_step, const float *dy, int64_t dy_step, int64_t count, float *sum,
                               int64_t width) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH) products_channels(x, x_step, dy, dy_step, count, sum, c, SIMD_WIDTH);
  if (c < width) products_channels(x, x_step, dy, dy_step, count, sum, c, width - c);
}
