/* Depthwise convolution along a run of pixels, and the sums of its weights' gradient: a vector of channels at a time, with the taps
 * of a small kernel in registers. */
#include "activation.h"

#define MOST_TAPS 3 /* rows and columns of a small kernel */
#define EACH_TAP(statement)                                   \
  _Pragma("GCC unroll 3") for (int r = 0; r < rows; r++)      \
    _Pragma("GCC unroll 3") for (int s = 0; s < columns; s++) statement

/* Does body(.., rows, columns) with both constant, for a kernel of that many taps at most. */
#define WITH_COLUMNS(rows, columns, body, ...)         \
  switch (columns) {                                   \
    case 1: body(__VA_ARGS__, rows, 1); break;         \
    case 2: body(__VA_ARGS__, rows, 2); break;         \
    default: body(__VA_ARGS__, rows, 3);               \
  }
#define WITH_TAPS(rows, columns, body, ...)                          \
  switch (rows) {                                                    \
    case 1: WITH_COLUMNS(1, columns, body, __VA_ARGS__) break;       \
    case 2: WITH_COLUMNS(2, columns, body, __VA_ARGS__) break;       \
    default: WITH_COLUMNS(3, columns, body, __VA_ARGS__)             \
  }

static inline bool is_small(const scion_patch *x) {
  return x->rows >= 1 && x->columns >= 1 && x->rows <= MOST_TAPS && x->columns <= MOST_TAPS;
}

/* What happens to a sum before it is stored. */
typedef struct {
  const float *scale, *bias;
  void *y;
  scion_dtype y_dtype;
  scion_activation activation;
  float low, high; /* of a clamp; in this order of comparisons NaN stays */
  int accumulate;
} epilogue;

/* What is more than a clamp. Out of line, lest it be in the code of every size of kernel. */
static __attribute__((noinline)) simd_float bend(simd_float v, scion_activation activation) { return simd_activate(v, activation); }

SIMD_INLINE void finish(const epilogue *e, const bool bends, simd_float sum, int64_t at, int64_t n) {
  sum = bends ? bend(sum, e->activation) : simd_min(simd_set(e->high), simd_max(simd_set(e->low), sum));
  if (e->accumulate) sum += simd_load_of(e->y_dtype, e->y, at, n);
  simd_store_of(e->y_dtype, e->y, at, sum, n);
}

SIMD_INLINE void small_channels(const scion_run *k, const scion_patch *w, const epilogue *e, const bool bends, const scion_dtype dtype, int64_t c,
                                int64_t n, const int rows, const int columns) {
  simd_float taps[MOST_TAPS][MOST_TAPS], bias = e->bias ? simd_load_some(e->bias + c, n) : (simd_float){0};
  EACH_TAP(taps[r][s] = simd_load_of(SCION_F32, w->first, r * w->row_step + s * w->column_step + c, n);)
  if (e->scale) EACH_TAP(taps[r][s] *= simd_load_some(e->scale + c, n);)
  int64_t x = c, y = c;
  for (int64_t j = 0; j < k->count; j++, x += k->x_step, y += k->pixel_step) {
    simd_float sum = bias;
    EACH_TAP(sum += simd_load_of(dtype, k->x.first, x + r * k->x.row_step + s * k->x.column_step, n) * taps[r][s];)
    finish(e, bends, sum, y, n);
  }
}

SIMD_INLINE void large_channels(const scion_run *k, const scion_patch *w, const epilogue *e, const bool bends, const scion_dtype dtype, int64_t c,
                                int64_t n) {
  for (int64_t j = 0; j < k->count; j++) {
    simd_float sum = {0};
    for (int64_t r = 0; r < k->x.rows; r++)
      for (int64_t s = 0; s < k->x.columns; s++)
        sum += simd_load_of(dtype, k->x.first, j * k->x_step + r * k->x.row_step + s * k->x.column_step + c, n) *
               simd_load_of(SCION_F32, w->first, r * w->row_step + s * w->column_step + c, n);
    if (e->scale) sum *= simd_load_some(e->scale + c, n);
    if (e->bias) sum += simd_load_some(e->bias + c, n);
    finish(e, bends, sum, j * k->pixel_step + c, n);
  }
}

SIMD_INLINE void depthwise_channels(const scion_run *k, const scion_patch *w, const epilogue *e, const bool bends, const scion_dtype dtype, int64_t c,
                                    int64_t n) {
  if (is_small(&k->x)) {
    WITH_TAPS(k->x.rows, k->x.columns, small_channels, k, w, e, bends, dtype, c, n)
  } else {
    large_channels(k, w, e, bends, dtype, c, n);
  }
}

SIMD_INLINE void depthwise_run(const scion_run *k, const scion_patch *w, const epilogue *e, const bool bends, const scion_dtype dtype, int64_t width) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH) depthwise_channels(k, w, e, bends, dtype, c, SIMD_WIDTH);
  if (c < width) large_channels(k, w, e, bends, dtype, c, width - c); /* few channels: not worth code of their own for each size */
}

void SIMD(scion_loop_depthwise)(const scion_run *run, const scion_patch *w, const float *scale, const float *bias, void *y,
                                scion_dtype y_dtype, int64_t width, scion_activation activation, int accumulate) {
  bool clamps = activation == SCION_RELU || activation == SCION_RELU6, bends = scion_activation_bends(activation);
  epilogue e = {scale, bias, y, y_dtype, activation, clamps ? 0 : -INFINITY, activation == SCION_RELU6 ? 6 : INFINITY, accumulate};
  if (run->x.dtype == SCION_BF16) {
    if (bends) depthwise_run(run, w, &e, true, SCION_BF16, width);
    else depthwise_run(run, w, &e, false, SCION_BF16, width);
  } else if (bends) {
    depthwise_run(run, w, &e, true, SCION_F32, width);
  } else {
    depthwise_run(run, w, &e, false, SCION_F32, width);
  }
}

/* Where the sums of a gradient lie. */
typedef struct {
  float *first;
  int64_t row_step, column_step;
} sums_patch;

/* The numbers of a row of pixels: the gradient with respect to the output. */
typedef struct {
  const void *first;
  scion_dtype dtype;
} gradient_row;

SIMD_INLINE void small_sums(const scion_run *k, const gradient_row *dy, const scion_dtype x_dtype, const scion_dtype dy_dtype, const sums_patch *p,
                            int64_t c, int64_t n, const int rows, const int columns) {
  simd_float sum[MOST_TAPS][MOST_TAPS];
  EACH_TAP(sum[r][s] = (simd_float){0};)
  int64_t x = c;
  for (int64_t j = 0; j < k->count; j++, x += k->x_step) {
    simd_float gradient = simd_load_of(dy_dtype, dy->first, j * k->pixel_step + c, n);
    EACH_TAP(sum[r][s] += simd_load_of(x_dtype, k->x.first, x + r * k->x.row_step + s * k->x.column_step, n) * gradient;)
  }
  float *to = p->first + c;
  EACH_TAP(simd_store_some(to + r * p->row_step + s * p->column_step,
                           simd_load_some(to + r * p->row_step + s * p->column_step, n) + sum[r][s], n);)
}

SIMD_INLINE void sums_channels(const scion_run *k, const gradient_row *dy, const scion_dtype x_dtype, const scion_dtype dy_dtype, const sums_patch *p,
                               int64_t c, int64_t n) {
  if (is_small(&k->x)) {
    WITH_TAPS(k->x.rows, k->x.columns, small_sums, k, dy, x_dtype, dy_dtype, p, c, n)
    return;
  }
  scion_run one = *k; /* tap by tap */
  for (int64_t r = 0; r < k->x.rows; r++)
    for (int64_t s = 0; s < k->x.columns; s++) {
      sums_patch tap = {p->first + r * p->row_step + s * p->column_step, 0, 0};
      one.x.first = (const char *)k->x.first + (size_t)(r * k->x.row_step + s * k->x.column_step) * scion_dtype_size(x_dtype);
      small_sums(&one, dy, x_dtype, dy_dtype, &tap, c, n, 1, 1);
    }
}

SIMD_INLINE void sums_of(const scion_run *run, const gradient_row *dy, const scion_dtype x_dtype, const scion_dtype dy_dtype, const sums_patch *p,
                         int64_t width) {
  int64_t c = 0;
  for (; c + SIMD_WIDTH <= width; c += SIMD_WIDTH) sums_channels(run, dy, x_dtype, dy_dtype, p, c, SIMD_WIDTH);
  if (c < width) sums_channels(run, dy, x_dtype, dy_dtype, p, c, width - c);
}

void SIMD(scion_loop_depthwise_sums)(const scion_run *run, const void *dy, scion_dtype dy_dtype, float *sums, int64_t row_step,
                                     int64_t column_step, int64_t width) {
  sums_patch p = {sums, row_step, column_step};
  gradient_row row = {dy, dy_dtype};
  if (run->x.dtype == SCION_F32 && dy_dtype == SCION_F32) {
    sums_of(run, &row, SCION_F32, SCION_F32, &p, width);
  } else if (run->x.dtype == SCION_BF16 && dy_dtype == SCION_BF16) {
    sums_of(run, &row, SCION_BF16, SCION_BF16, &p, width);
  } else {
    sums_of(run, &row, run->x.dtype, dy_dtype, &p, width);
  }
}
