/* Elementwise loops. Each is written once, inlined with a constant activation or `accumulate`, so that the compiler sees a loop
 * without branches. */
#include "activation.h"

/* loop(.., activation) with the activation as a constant: those whose gradient is computed from the output, those from the input, all. */
#define EACH_OUTPUT_ACTIVATION(loop, ...)                      \
  case SCION_RELU: loop(__VA_ARGS__, SCION_RELU); break;       \
  case SCION_RELU6: loop(__VA_ARGS__, SCION_RELU6); break;     \
  case SCION_SIGMOID: loop(__VA_ARGS__, SCION_SIGMOID); break; \
  case SCION_TANH: loop(__VA_ARGS__, SCION_TANH); break;
#define EACH_INPUT_ACTIVATION(loop, ...)                                 \
  case SCION_SWISH: loop(__VA_ARGS__, SCION_SWISH); break;               \
  case SCION_HARD_SWISH: loop(__VA_ARGS__, SCION_HARD_SWISH); break;     \
  case SCION_HARD_SIGMOID: loop(__VA_ARGS__, SCION_HARD_SIGMOID); break; \
  case SCION_GELU: loop(__VA_ARGS__, SCION_GELU); break;                 \
  case SCION_GELU_TANH: loop(__VA_ARGS__, SCION_GELU_TANH); break;
#define WITH_OUTPUT_ACTIVATION(activation, loop, ...) \
  switch (activation) {                               \
    EACH_OUTPUT_ACTIVATION(loop, __VA_ARGS__)         \
    default: loop(__VA_ARGS__, SCION_LINEAR);         \
  }
#define WITH_ACTIVATION(activation, loop, ...) \
  switch (activation) {                        \
    EACH_OUTPUT_ACTIVATION(loop, __VA_ARGS__)  \
    EACH_INPUT_ACTIVATION(loop, __VA_ARGS__)   \
    default: loop(__VA_ARGS__, SCION_LINEAR);  \
  }

/* y = act(a), act(a + b) or act(a * scale + b) by the number of terms, a constant: so that a * scale + b is rounded once. */
SIMD_INLINE void activate_channels(const int terms, const float *a, const float *scale, const float *b, float *y,
                                   const scion_activation activation, int64_t c, int64_t n, const int vectors) {
  for (int u = 0; u < vectors; u++, c += SIMD_WIDTH) {
    simd_float v = simd_load_some(a + c, n);
    if (terms == 2) v = v + simd_load_some(b + c, n);
    if (terms == 3) v = v * simd_load_some(scale + c, n) + simd_load_some(b + c, n);
    simd_store_some(y + c, simd_activate(v, activation), n);
  }
}

SIMD_INLINE void activation_rows(const scion_block *k, const scion_activation activation) {
  for (int64_t r = 0; r < k->rows; r++)
    SIMD_ALONG(k->width, activate_channels, 1, k->a + r * k->a_stride, NULL, NULL, k->y + r * k->y_stride, activation);
}

void SIMD(scion_loop_activation)(const scion_block *block, scion_activation activation) {
  WITH_ACTIVATION(activation, activation_rows, block)
}

SIMD_INLINE void add_rows(const scion_block *k, const scion_activation activation) {
  for (int64_t r = 0; r < k->rows; r++)
    SIMD_ALONG(k->width, activate_channels, 2, k->a + r * k->a_stride, NULL, k->b + r * k->b_stride, k->y + r * k->y_stride, activation);
}

void SIMD(scion_loop_add)(const scion_block *block, scion_activation activation) {
  WITH_ACTIVATION(activation, add_rows, block)
}

SIMD_INLINE void scale_shift_rows(const scion_block *k, const float *scale, const float *shift, const scion_activation activation) {
  for (int64_t r = 0; r < k->rows; r++)
    SIMD_ALONG(k->width, activate_channels, 3, k->a + r * k->a_stride, scale, shift, k->y + r * k->y_stride, activation);
}

void SIMD(scion_loop_scale_shift)(const scion_block *block, const float *scale, const float *shift, scion_activation activation) {
  WITH_ACTIVATION(activation, scale_shift_rows, block, scale, shift)
}

SIMD_INLINE void output_backward_rows(const scion_block *k, int accumulate, const scion_activation activation) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride, *b = k->b + r * k->b_stride;
    float *y = k->y + r * k->y_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) y[c] = (accumulate ? y[c] : 0) + scion_activation_gradient(a[c], b[c], activation);
  }
}

SIMD_INLINE void slope_channels(const float *a, const float *b, float *y, int accumulate, const scion_activation activation, int64_t c,
                                int64_t n, const int vectors) {
  for (int u = 0; u < vectors; u++, c += SIMD_WIDTH) {
    simd_float dx = simd_load_some(b + c, n) * simd_activation_slope(simd_load_some(a + c, n), activation);
    simd_store_some(y + c, accumulate ? simd_load_some(y + c, n) + dx : dx, n);
  }
}

SIMD_INLINE void input_backward_rows(const scion_block *k, int accumulate, const scion_activation activation) {
  for (int64_t r = 0; r < k->rows; r++)
    SIMD_ALONG(k->width, slope_channels, k->a + r * k->a_stride, k->b + r * k->b_stride, k->y + r * k->y_stride, accumulate, activation);
}

void SIMD(scion_loop_activation_backward)(const scion_block *block, scion_activation activation, int accumulate) {
  if (scion_activation_from_input(activation)) {
    switch (activation) { EACH_INPUT_ACTIVATION(input_backward_rows, block, accumulate) default: break; }
  } else if (accumulate) {
    WITH_OUTPUT_ACTIVATION(activation, output_backward_rows, block, 1)
  } else {
    WITH_OUTPUT_ACTIVATION(activation, output_backward_rows, block, 0)
  }
}

SIMD_INLINE void epilogue_backward_rows(const scion_block *k, double *sum, scion_activation activation) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride, *b = k->b + r * k->b_stride;
    float *y = k->y + r * k->y_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) {
      float dx = activation == SCION_LINEAR ? b[c] : scion_activation_gradient(a[c], b[c], activation);
      if (activation != SCION_LINEAR) y[c] = dx;
      if (sum) sum[c] += (double)dx;
    }
  }
}

void SIMD(scion_loop_epilogue_backward)(const scion_block *block, double *sum, scion_activation activation) {
  if (sum) {
    WITH_OUTPUT_ACTIVATION(activation, epilogue_backward_rows, block, sum)
  } else {
    WITH_OUTPUT_ACTIVATION(activation, epilogue_backward_rows, block, NULL)
  }
}

SIMD_INLINE void multiply_rows(const scion_block *k, int accumulate) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride, *b = k->b + r * k->b_stride;
    float *y = k->y + r * k->y_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) y[c] = (accumulate ? y[c] : 0) + a[c] * b[c];
  }
}

void SIMD(scion_loop_multiply)(const scion_block *block, int accumulate) {
  if (accumulate) {
    multiply_rows(block, 1);
  } else {
    multiply_rows(block, 0);
  }
}

SIMD_INLINE void scale_rows(const scion_block *k, const float *scale, int accumulate) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride;
    float *y = k->y + r * k->y_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) y[c] = (accumulate ? y[c] : 0) + a[c] * scale[c];
  }
}

void SIMD(scion_loop_scale)(const scion_block *block, const float *scale, int accumulate) {
  if (accumulate) {
    scale_rows(block, scale, 1);
  } else {
    scale_rows(block, scale, 0);
  }
}

SIMD_INLINE void combine_rows(const scion_block *k, const float *scale, const float *slope, const float *shift, int accumulate) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride, *b = k->b + r * k->b_stride;
    float *y = k->y + r * k->y_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) y[c] = (accumulate ? y[c] : 0) + (a[c] * scale[c] + (b[c] * slope[c] + shift[c]));
  }
}

void SIMD(scion_loop_combine)(const scion_block *block, const float *scale, const float *slope, const float *shift,
                              int accumulate) {
  if (accumulate) {
    combine_rows(block, scale, slope, shift, 1);
  } else {
    combine_rows(block, scale, slope, shift, 0);
  }
}

SIMD_INLINE void prelu_rows(const scion_block *k, const float *slope, int backward, int accumulate) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride, *b = backward ? k->b + r * k->b_stride : a;
    float *y = k->y + r * k->y_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) y[c] = (accumulate ? y[c] : 0) + (a[c] > 0 ? b[c] : b[c] * slope[c]);
  }
}

void SIMD(scion_loop_prelu)(const scion_block *block, const float *slope, int accumulate) {
  if (!block->b) {
    prelu_rows(block, slope, 0, 0);
  } else if (accumulate) {
    prelu_rows(block, slope, 1, 1);
  } else {
    prelu_rows(block, slope, 1, 0);
  }
}

void SIMD(scion_loop_prelu_sums)(const scion_block *k, double *sum) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride, *b = k->b + r * k->b_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) sum[c] += a[c] > 0 ? 0 : (double)(b[c] * a[c]);
  }
}

SIMD_INLINE void preprocess_pixels(const uint8_t *x, float *y, int64_t pixels, const float scale[3], const float shift[3],
                                   int reverse) {
  const float a0 = scale[0], a1 = scale[1], a2 = scale[2], b0 = shift[0], b1 = shift[1], b2 = shift[2];
  SIMD_LOOP
  for (int64_t p = 0; p < pixels; p++) {
    y[3 * p] = (float)x[3 * p + (reverse ? 2 : 0)] * a0 + b0;
    y[3 * p + 1] = (float)x[3 * p + 1] * a1 + b1;
    y[3 * p + 2] = (float)x[3 * p + (reverse ? 0 : 2)] * a2 + b2;
  }
}

void SIMD(scion_loop_preprocess)(const uint8_t *x, float *y, int64_t pixels, const float *scale, const float *shift,
                                 int reverse) {
  if (reverse) {
    preprocess_pixels(x, y, pixels, scale, shift, 1);
  } else {
    preprocess_pixels(x, y, pixels, scale, shift, 0);
  }
}

bool SIMD(scion_loop_finite)(const scion_block *k) {
  uint32_t found = 0;
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride;
    for (int64_t c = 0; c < k->width; c++) { /* an exponent of ones is an infinity or a NaN */
      uint32_t bits;
      memcpy(&bits, a + c, sizeof bits);
      found |= (bits & 0x7f800000u) == 0x7f800000u;
    }
  }
  return found == 0;
}
