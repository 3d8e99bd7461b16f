/* Depthwise convolution at one pixel, and the sums of its weights' gradient along a row of pixels. */
#include "activation.h"

SIMD_INLINE void depthwise_channels(const scion_patch *x, const scion_patch *w, const float *scale, const float *bias, float *y,
                                    scion_activation activation, int accumulate, int64_t c, int64_t n) {
  simd_float sum = {0}, zero = {0};
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++)
      sum += simd_load_some(x->first + r * x->row_step + s * x->column_step + c, n) *
             simd_load_some(w->first + r * w->row_step + s * w->column_step + c, n);
  if (scale) sum *= simd_load_some(scale + c, n);
  if (bias) sum += simd_load_some(bias + c, n);
  if (activation == SCION_RELU || activation == SCION_RELU6) sum = simd_max(zero, sum); /* in this order NaN stays */
  if (activation == SCION_RELU6) sum = simd_min(simd_set(6), sum);
  if (accumulate) sum += simd_load_some(y + c, n);
  simd_store_some(y + c, sum, n);
}

void SIMD(scion_loop_depthwise)(const scion_patch *x, const scion_patch *w, const float *scale, const float *bias, float *y,
                                int64_t width, scion_activation activation, int accumulate) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH)
    depthwise_channels(x, w, scale, bias, y, activation, accumulate, c, SIMD_WIDTH);
  if (c < width) depthwise_channels(x, w, scale, bias, y, activation, accumulate, c, width - c);
  if (activation == SCION_SIGMOID || activation == SCION_TANH)
    for (c = 0; c < width; c++) y[c] = scion_activate(y[c], activation);
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
