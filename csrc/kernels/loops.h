/* The inner loops of the memory-bound kernels, which run along channels with unit stride. They stand in *_simd.c as plain C that
 * every compiler vectorises, or over simd.h's vectors where values should stay in registers; each is built once for each
 * instruction set, and its caller, which has checked shapes and split the work, picks one by SIMD_CHOOSE. */
#ifndef SCION_LOOPS_H
#define SCION_LOOPS_H

#include <string.h>

#include "simd.h"

/* Says of the loop below that no iteration reads what another writes: arrays are equal or apart, never shifted. */
#if defined(__clang__)
#define SIMD_LOOP _Pragma("clang loop vectorize(assume_safety)")
#else
#define SIMD_LOOP _Pragma("GCC ivdep")
#endif
#define SIMD_INLINE static inline __attribute__((always_inline, unused))

/* The first n floats of a vector, for the end of a row; with a constant n of SIMD_WIDTH a plain load and store. */
SIMD_INLINE simd_float simd_load_some(const float *p, int64_t n) {
  if (n == SIMD_WIDTH) return simd_load(p);
  simd_float v = {0};
  memcpy(&v, p, (size_t)n * sizeof *p);
  return v;
}
SIMD_INLINE void simd_store_some(float *p, simd_float v, int64_t n) {
  if (n == SIMD_WIDTH) {
    simd_store(p, v);
  } else {
    memcpy(p, &v, (size_t)n * sizeof *p);
  }
}

/* The same from element `at` on of an array of that dtype, f32, bf16 or u8: a constant, where a loop should have no branch. */
SIMD_INLINE simd_float simd_load_of(scion_dtype dtype, const void *array, int64_t at, int64_t n) {
  if (dtype == SCION_BF16) {
    const uint16_t *p = (const uint16_t *)array + at;
    if (n == SIMD_WIDTH) return simd_load_bf16(p);
    uint16_t some[SIMD_WIDTH] = {0};
    memcpy(some, p, (size_t)n * sizeof *p);
    return simd_load_bf16(some);
  }
  if (dtype == SCION_U8) {
    const uint8_t *p = (const uint8_t *)array + at;
    if (n == SIMD_WIDTH) return simd_load_u8(p);
    uint8_t some[SIMD_WIDTH] = {0};
    memcpy(some, p, (size_t)n);
    return simd_load_u8(some);
  }
  return simd_load_some((const float *)array + at, n);
}
SIMD_INLINE void simd_store_of(scion_dtype dtype, void *array, int64_t at, simd_float v, int64_t n) {
  if (dtype == SCION_BF16) {
    uint16_t *p = (uint16_t *)array + at, some[SIMD_WIDTH];
    if (n == SIMD_WIDTH) {
      simd_store_bf16(p, v);
    } else {
      simd_store_bf16(some, v);
      memcpy(p, some, (size_t)n * sizeof *p);
    }
  } else if (dtype == SCION_U8) {
    uint8_t *p = (uint8_t *)array + at, some[SIMD_WIDTH];
    if (n == SIMD_WIDTH) {
      simd_store_u8(p, v);
    } else {
      simd_store_u8(some, v);
      memcpy(p, some, (size_t)n);
    }
  } else {
    simd_store_some((float *)array + at, v, n);
  }
}

/* Does body(.., column, floats, vectors) along a row, with all three constant except at its end: four vectors at a time, whose
 * arithmetic overlaps and whose memory is several whole lines, then single ones, then what is left. */
#define SIMD_ALONG(width, body, ...)                                                                         \
  do {                                                                                                       \
    int64_t column_ = 0;                                                                                     \
    for (; column_ + 4 * SIMD_WIDTH <= (width); column_ += 4 * SIMD_WIDTH) body(__VA_ARGS__, column_, SIMD_WIDTH, 4); \
    for (; column_ + SIMD_WIDTH <= (width); column_ += SIMD_WIDTH) body(__VA_ARGS__, column_, SIMD_WIDTH, 1);         \
    if (column_ < (width)) body(__VA_ARGS__, column_, (width) - column_, 1);                                 \
  } while (0)

/* ---- elementwise_simd.c */

/* Rows of equal width of up to two inputs and one output. */
typedef struct {
  int64_t rows, width;
  int64_t column, element; /* of the first number: its column, and its index in a tensor without gaps */
  const float *a, *b;
  float *y;
  int64_t a_stride, b_stride, y_stride;
} scion_block;

/* y = act(a); act(a + b); act(a * scale + shift), scale and shift [width]. */
SIMD_DECLARE(void, scion_loop_activation, const scion_block *block, scion_activation activation);
SIMD_DECLARE(void, scion_loop_add, const scion_block *block, scion_activation activation);
SIMD_DECLARE(void, scion_loop_scale_shift, const scion_block *block, const float *scale, const float *shift,
             scion_activation activation);
/* y (+)= b * act'(..), where a = act(..), or a is act's argument (scion_activation_from_input). */
SIMD_DECLARE(void, scion_loop_activation_backward, const scion_block *block, scion_activation activation, int accumulate);
/* y = b * act'(..), where a = act(..), and sum += y, in double precision, where sum [width] is not NULL; y may be b. */
SIMD_DECLARE(void, scion_loop_epilogue_backward, const scion_block *block, double *sum, scion_activation activation);
/* y (+)= a * b; y (+)= a * scale. */
SIMD_DECLARE(void, scion_loop_multiply, const scion_block *block, int accumulate);
SIMD_DECLARE(void, scion_loop_scale, const scion_block *block, const float *scale, int accumulate);
/* y (+)= a * scale + b * slope + shift. */
SIMD_DECLARE(void, scion_loop_combine, const scion_block *block, const float *scale, const float *slope, const float *shift,
             int accumulate);
/* y[p][c] = x[p][c] * scale[c] + shift[c] for pixels of three bytes, or of x[p][2 - c]. */
SIMD_DECLARE(void, scion_loop_preprocess, const uint8_t *x, float *y, int64_t pixels, const float *scale, const float *shift,
             int reverse);
/* y = a > 0 ? a : a * slope; with b, y (+)= b * (a > 0 ? 1 : slope). sum += b * a where a is not above 0. */
SIMD_DECLARE(void, scion_loop_prelu, const scion_block *block, const float *slope, int accumulate);
SIMD_DECLARE(void, scion_loop_prelu_sums, const scion_block *block, double *sum);
/* Whether all numbers of a are finite. */
SIMD_DECLARE(bool, scion_loop_finite, const scion_block *block);

/* ---- reduce_simd.c: sums over rows, in double precision, added to sum [width] */

/* sum += a; sum += (a - mean)^2. */
SIMD_DECLARE(void, scion_loop_sum, const scion_block *block, double *sum);
SIMD_DECLARE(void, scion_loop_squares, const scion_block *block, const double *mean, double *sum);
/* sum += b; product += b * (a - mean). And y (+)= b * scale in the same pass where y is not NULL. */
SIMD_DECLARE(void, scion_loop_norm_sums, const scion_block *block, const float *mean, const float *scale, double *sum,
             double *product, int accumulate);

/* ---- layer_norm_simd.c */

/* Each row of a normalized by its own moments; gamma and beta may be NULL. Backward b is dy, and y is dx or NULL; sums [2][width]
 * or NULL += dy and dy * (a - mean) * rstd. */
SIMD_DECLARE(void, scion_loop_layer_norm, const scion_block *block, const float *gamma, const float *beta, double epsilon);
SIMD_DECLARE(void, scion_loop_layer_norm_backward, const scion_block *block, const float *gamma, double epsilon, double *sums,
             int accumulate);

/* ---- pool_simd.c and depthwise_simd.c */

/* The pixels under a window at one position: rows x columns of them, that many elements apart. They and what is written may be bf16, and
 * forward both be codes. */
typedef struct {
  const void *first;
  int64_t rows, columns, row_step, column_step;
  scion_dtype dtype;
} scion_patch;

/* y = max over the patch. */
SIMD_DECLARE(void, scion_loop_max, const scion_patch *x, void *y, scion_dtype y_dtype, int64_t width);
/* A pixel of y and of dy. */
typedef struct {
  const void *y, *dy;
  scion_dtype y_dtype, dy_dtype;
} scion_pair;
/* Adds dy to that pixel of dx, laid out like x with steps of its own, where x first equals y. Rows before `from` are only
 * read. */
SIMD_DECLARE(void, scion_loop_max_backward, const scion_patch *x, const scion_pair *of, float *dx, int64_t dx_row_step,
             int64_t dx_column_step, int64_t from, int64_t width);
/* y (+)= sum of x * row_factor * column_factor; the factors lie so far apart from one row or column of the patch to the next. */
SIMD_DECLARE(void, scion_loop_weighted, const scion_patch *x, const float *row_factor, int64_t row_factor_step,
             const float *column_factor, int64_t column_factor_step, void *y, scion_dtype y_dtype, int64_t width, int accumulate);
/* Pixels of a row whose windows meet the same taps: windows and pixels each lie so many elements apart. */
typedef struct {
  scion_patch x;
  int64_t count, x_step, pixel_step;
} scion_run;

/* At each pixel y (+)= act(sum of x * w * scale + bias), w a patch of the kernel; scale, bias NULL or [width]. */
SIMD_DECLARE(void, scion_loop_depthwise, const scion_run *run, const scion_patch *w, const float *scale, const float *bias,
             void *y, scion_dtype y_dtype, int64_t width, scion_activation activation, int accumulate);
/* For each tap, sum += sum over the pixels of x * dy; sums lie like the taps of a kernel. */
SIMD_DECLARE(void, scion_loop_depthwise_sums, const scion_run *run, const void *dy, scion_dtype dy_dtype, float *sums, int64_t row_step,
             int64_t column_step, int64_t width);

/* ---- optimizer_simd.c: the updates of scion.h on n numbers, at most 2^31-1; decay is lr * decay. How many stayed as they were, or
 * would have; with `dry` nothing is written. */

SIMD_DECLARE(int64_t, scion_loop_sgd, float *w, const float *g, float *m, int64_t n, float lr, float momentum, int nesterov,
             float decay, int dry);
SIMD_DECLARE(int64_t, scion_loop_rmsprop, float *w, const float *g, float *v, float *m, int64_t n, float lr, float rho, float rest,
             float momentum, float epsilon, float decay, int dry);
SIMD_DECLARE(int64_t, scion_loop_adam, float *w, const float *g, float *m, float *v, int64_t n, float a, float rest1, float rest2,
             float epsilon, float decay, int dry);
SIMD_DECLARE(int64_t, scion_loop_adagrad, float *w, const float *g, float *v, int64_t n, float lr, float epsilon, float decay, int dry);
SIMD_DECLARE(int64_t, scion_loop_lion, float *w, const float *g, float *m, int64_t n, float lr, float rest1, float rest2, float decay,
             int dry);

/* What LAMB's two passes share: rest1 = 1 - beta1, scale1 = 1 / (1 - beta1^step), likewise for beta2; decay is not lr * decay. */
typedef struct {
  float rest1, rest2, scale1, scale2, epsilon, decay;
} scion_lamb;

/* norms[0] += sum of w^2, norms[1] += sum of u^2 of those u that are finite. */
SIMD_DECLARE(void, scion_loop_lamb_norms, const scion_lamb *o, const float *w, const float *g, const float *m, const float *v, int64_t n,
             double *norms);
SIMD_DECLARE(int64_t, scion_loop_lamb, const scion_lamb *o, float *w, const float *g, float *m, float *v, int64_t n, float lr, int dry);

#endif
