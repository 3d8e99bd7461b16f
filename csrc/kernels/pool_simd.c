/* Pooling of one window: a vector of channels stays in a register while the window's pixels go by. */
#include "loops.h"

/* One branch, outside of loops that are then unrolled, so that the vectors stay in registers. */
SIMD_INLINE void store_channels(void *y, scion_dtype dtype, const simd_float *v, int64_t c, int64_t n, const int vectors) {
  if (dtype == SCION_BF16) {
    for (int u = 0; u < vectors; u++) simd_store_of(SCION_BF16, y, c + u * SIMD_WIDTH, v[u], n);
  } else if (dtype == SCION_U8) {
    for (int u = 0; u < vectors; u++) simd_store_of(SCION_U8, y, c + u * SIMD_WIDTH, v[u], n);
  } else {
    for (int u = 0; u < vectors; u++) simd_store_of(SCION_F32, y, c + u * SIMD_WIDTH, v[u], n);
  }
}

SIMD_INLINE void max_channels(const scion_patch *x, const scion_dtype dtype, void *y, scion_dtype y_dtype, int64_t c, int64_t n,
                              const int vectors) {
  simd_float best[4];
  for (int u = 0; u < vectors; u++) best[u] = simd_load_of(dtype, x->first, c + u * SIMD_WIDTH, n);
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++) {
      int64_t pixel = r * x->row_step + s * x->column_step + c;
      for (int u = 0; u < vectors; u++) {
        simd_float v = simd_load_of(dtype, x->first, pixel + u * SIMD_WIDTH, n);
        best[u] = simd_select((v > best[u]) | (v != v), v, best[u]); /* a NaN wins, so that the loss shows it */
      }
    }
  store_channels(y, y_dtype, best, c, n, vectors);
}

/* Of bytes there are so many in a vector that the compiler does it best. */
static void max_codes(const scion_patch *x, uint8_t *y, int64_t width) {
  memcpy(y, x->first, (size_t)width);
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++) {
      const uint8_t *pixel = (const uint8_t *)x->first + r * x->row_step + s * x->column_step;
      SIMD_LOOP for (int64_t c = 0; c < width; c++) y[c] = pixel[c] > y[c] ? pixel[c] : y[c];
    }
}

void SIMD(scion_loop_max)(const scion_patch *x, void *y, scion_dtype y_dtype, int64_t width) {
  if (x->dtype == SCION_BF16) {
    SIMD_ALONG(width, max_channels, x, SCION_BF16, y, y_dtype);
  } else if (x->dtype == SCION_U8) {
    max_codes(x, y, width);
  } else {
    SIMD_ALONG(width, max_channels, x, SCION_F32, y, y_dtype);
  }
}

SIMD_INLINE void max_backward_channels(const scion_patch *x, const scion_pair *of, const scion_dtype x_dtype, const scion_dtype y_dtype,
                                       const scion_dtype dy_dtype, float *dx, int64_t dx_row_step, int64_t dx_column_step, int64_t from,
                                       int64_t c, int64_t n) {
  simd_float best = simd_load_of(y_dtype, of->y, c, n), left = simd_load_of(dy_dtype, of->dy, c, n), zero = {0};
  const void *first = x->first;
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++) {
      simd_int hit = simd_load_of(x_dtype, first, r * x->row_step + s * x->column_step + c, n) == best;
      if (r >= from) {
        float *target = dx + r * dx_row_step + s * dx_column_step + c;
        simd_store_some(target, simd_load_some(target, n) + simd_select(hit, left, zero), n);
      }
      left = simd_select(hit, zero, left); /* the gradient goes to the first maximum; later equal ones get none */
    }
}

#define MAX_BACKWARD(...)                                                                                             \
  do {                                                                                                                \
    int64_t c = 0;                                                                                                    \
    for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH)                                                                  \
      max_backward_channels(x, of, __VA_ARGS__, dx, dx_row_step, dx_column_step, from, c, SIMD_WIDTH);                \
    if (c < width) max_backward_channels(x, of, __VA_ARGS__, dx, dx_row_step, dx_column_step, from, c, width - c);    \
  } while (0)

void SIMD(scion_loop_max_backward)(const scion_patch *x, const scion_pair *of, float *dx, int64_t dx_row_step, int64_t dx_column_step,
                                   int64_t from, int64_t width) {
  if (x->dtype == SCION_F32 && of->y_dtype == SCION_F32 && of->dy_dtype == SCION_F32) {
    MAX_BACKWARD(SCION_F32, SCION_F32, SCION_F32);
  } else if (x->dtype == SCION_BF16 && of->y_dtype == SCION_BF16 && of->dy_dtype == SCION_BF16) {
    MAX_BACKWARD(SCION_BF16, SCION_BF16, SCION_BF16);
  } else {
    MAX_BACKWARD(x->dtype, of->y_dtype, of->dy_dtype);
  }
}

SIMD_INLINE void weighted_channels(const scion_patch *x, const scion_dtype dtype, const float *row_factor,
                                   int64_t row_factor_step, const float *column_factor, int64_t column_factor_step, void *y,
                                   scion_dtype y_dtype, int accumulate, int64_t c, int64_t n, const int vectors) {
  simd_float total[4], row[4]; /* rows apart: a mean over a whole image sums in two levels */
  for (int u = 0; u < vectors; u++) total[u] = accumulate ? simd_load_of(y_dtype, y, c + u * SIMD_WIDTH, n) : (simd_float){0};
  for (int64_t r = 0; r < x->rows; r++) {
    for (int u = 0; u < vectors; u++) row[u] = (simd_float){0};
    for (int64_t s = 0; s < x->columns; s++) {
      int64_t pixel = r * x->row_step + s * x->column_step + c;
      for (int u = 0; u < vectors; u++)
        row[u] += simd_load_of(dtype, x->first, pixel + u * SIMD_WIDTH, n) * column_factor[s * column_factor_step];
    }
    for (int u = 0; u < vectors; u++) total[u] += row[u] * row_factor[r * row_factor_step];
  }
  store_channels(y, y_dtype, total, c, n, vectors);
}

/* The mean of codes, which all weigh the same: their sums are whole numbers of 16 bits, and stay in registers. */
#define MOST_CODES 257 /* 257 * 255 < 2^16 */
#define WORDS (2 * SIMD_WIDTH) /* of a vector */
#define CODES_WIDTH (4 * WORDS)
typedef uint16_t words __attribute__((vector_size(2 * WORDS)));
typedef uint8_t word_codes __attribute__((vector_size(WORDS), aligned(1), may_alias));

SIMD_INLINE void sum_codes(const scion_patch *x, int64_t at, uint16_t *sums, const int vectors) {
  words sum[CODES_WIDTH / WORDS];
  _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++) sum[v] = (words){0};
  for (int64_t r = 0; r < x->rows; r++)
    for (int64_t s = 0; s < x->columns; s++) {
      const uint8_t *pixel = (const uint8_t *)x->first + r * x->row_step + s * x->column_step + at;
      _Pragma("GCC unroll 4") for (int v = 0; v < vectors; v++)
        sum[v] += __builtin_convertvector(*(const word_codes *)(pixel + v * WORDS), words);
    }
  memcpy(sums, sum, (size_t)vectors * sizeof *sum);
}

static void average_codes(const scion_patch *x, float factor, uint8_t *y, int64_t width) {
  uint16_t sums[CODES_WIDTH];
  for (int64_t at = 0, n; at < width; at += n) {
    n = 1; /* channel by channel at the end */
    if (width - at >= CODES_WIDTH) n = CODES_WIDTH, sum_codes(x, at, sums, CODES_WIDTH / WORDS);
    else if (width - at >= WORDS) n = WORDS, sum_codes(x, at, sums, 1);
    else {
      sums[0] = 0;
      for (int64_t r = 0; r < x->rows; r++)
        for (int64_t s = 0; s < x->columns; s++)
          sums[0] = (uint16_t)(sums[0] + ((const uint8_t *)x->first)[r * x->row_step + s * x->column_step + at]);
    }
    for (int64_t c = 0; c < n; c += SIMD_WIDTH) {
      simd_int whole = __builtin_convertvector(*(const simd_half_unaligned *)(sums + c), simd_int);
      simd_store_of(SCION_U8, y, at + c, __builtin_convertvector(whole, simd_float) * factor, n - c < SIMD_WIDTH ? n - c : SIMD_WIDTH);
    }
  }
}

#define WEIGHTED(dtype)                                                                                                      \
  SIMD_ALONG(width, weighted_channels, x, dtype, row_factor, row_factor_step, column_factor, column_factor_step, y, y_dtype, \
             accumulate)

void SIMD(scion_loop_weighted)(const scion_patch *x, const float *row_factor, int64_t row_factor_step, const float *column_factor,
                               int64_t column_factor_step, void *y, scion_dtype y_dtype, int64_t width, int accumulate) {
  if (x->dtype == SCION_BF16) {
    WEIGHTED(SCION_BF16);
  } else if (x->dtype == SCION_U8 && x->rows * x->columns <= MOST_CODES) {
    average_codes(x, *row_factor * *column_factor, y, width); /* forward: both factors are the same for all */
  } else if (x->dtype == SCION_U8) {
    WEIGHTED(SCION_U8);
  } else {
    WEIGHTED(SCION_F32);
  }
}
