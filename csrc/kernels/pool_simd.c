/* Pooling of one window: a vector of channels stays in a register while the window's pixels go by. */
#include "loops.h"

SIMD_INLINE void max_channels(const scion_patch *x, float *y, int64_t c, int64_t n) {
  simd_float best = simd_load_some(x->first + c, n);
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++) {
      simd_float v = simd_load_some(x->first + r * x->row_step + s * x->column_step + c, n);
      best = simd_select((v > best) | (v != v), v, best); /* a NaN wins, so that the loss shows it */
    }
  simd_store_some(y + c, best, n);
}

void SIMD(scion_loop_max)(const scion_patch *x, float *y, int64_t width) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH) max_channels(x, y, c, SIMD_WIDTH);
  if (c < width) max_channels(x, y, c, width - c);
}

SIMD_INLINE void max_backward_channels(const scion_patch *x, const float *y, const float *dy, float *dx, int64_t dx_row_step,
                                       int64_t dx_column_step, int64_t from, int64_t c, int64_t n) {
  simd_float best = simd_load_some(y + c, n), left = simd_load_some(dy + c, n), zero = {0};
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++) {
      simd_int hit = simd_load_some(x->first + r * x->row_step + s * x->column_step + c, n) == best;
      if (r >= from) {
        float *target = dx + r * dx_row_step + s * dx_column_step + c;
        simd_store_some(target, simd_load_some(target, n) + simd_select(hit, left, zero), n);
      }
      left = simd_select(hit, zero, left); /* spent at the first maximum */
    }
}

void SIMD(scion_loop_max_backward)(const scion_patch *x, const float *y, const float *dy, float *dx, int64_t dx_row_step,
                                   int64_t dx_column_step, int64_t from, int64_t width) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH)
    max_backward_channels(x, y, dy, dx, dx_row_step, dx_column_step, from, c, SIMD_WIDTH);
  if (c < width) max_backward_channels(x, y, dy, dx, dx_row_step, dx_column_step, from, c, width - c);
}

SIMD_INLINE void weighted_channels(const scion_patch *x, const float *row_factor, int64_t row_factor_step, const float *column_factor,
                                   int64_t column_factor_step, float *y, int accumulate, int64_t c, int64_t n) {
  simd_float total = accumulate ? simd_load_some(y + c, n) : (simd_float){0};
  for (int64_t r = 0; r < x->rows; r++) {
    simd_float row = {0}; /* rows apart: a mean over a whole image sums in two levels */
    for (int64_t s = 0; s < x->columns; s++)
      row += simd_load_some(x->first + r * x->row_step + s * x->column_step + c, n) * column_factor[s * column_factor_step];
    total += row * row_factor[r * row_factor_step];
  }
  simd_store_some(y + c, total, n);
}

void SIMD(scion_loop_weighted)(const scion_patch *x, const float *row_factor, int64_t row_factor_step, const float *column_factor,
                               int64_t column_factor_step, float *y, int64_t width, int accumulate) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH)
    weighted_channels(x, row_factor, row_factor_step, column_factor, column_factor_step, y, accumulate, c, SIMD_WIDTH);
  if (c < width)
    weighted_channels(x, row_factor, row_factor_step, column_factor, column_factor_step, y, accumulate, c, width - c);
}
