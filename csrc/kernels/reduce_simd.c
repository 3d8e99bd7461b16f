/* Sums over rows: one pass in the order of memory, each channel with a double of its own. */
#include "loops.h"

void SIMD(scion_loop_sum)(const scion_block *k, double *sum) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) sum[c] += (double)a[c];
  }
}

void SIMD(scion_loop_squares)(const scion_block *k, const double *mean, double *sum) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) {
      double d = (double)a[c] - mean[c];
      sum[c] += d * d;
    }
  }
}

SIMD_INLINE void norm_sums_rows(const scion_block *k, const float *mean, const float *scale, double *sum, double *product,
                                int write, int accumulate) {
  for (int64_t r = 0; r < k->rows; r++) {
    const float *a = k->a + r * k->a_stride, *b = k->b + r * k->b_stride;
    float *y = write ? k->y + r * k->y_stride : NULL;
    SIMD_LOOP
    for (int64_t c = 0; c < k->width; c++) {
      float dy = b[c];
      sum[c] += (double)dy;
      product[c] += (double)(dy * (a[c] - mean[c]));
      if (write) y[c] = (accumulate ? y[c] : 0) + dy * scale[c];
    }
  }
}

void SIMD(scion_loop_norm_sums)(const scion_block *block, const float *mean, const float *scale, double *sum, double *product,
                                int accumulate) {
  if (!block->y) {
    norm_sums_rows(block, mean, NULL, sum, product, 0, 0);
  } else if (accumulate) {
    norm_sums_rows(block, mean, scale, sum, product, 1, 1);
  } else {
    norm_sums_rows(block, mean, scale, sum, product, 1, 0);
  }
}
