/* From bytes to what a network was trained on. */
#include "loops.h"
#include "require.h"
#include "tensor/convert.h"

typedef struct {
  const scion_tensor *x;
  scion_tensor *y;
  const float *scale, *shift;
  int64_t pixels, run; /* run: pixels that lie without gaps, 1 in a slice */
  int reverse;
} preprocess_job;

#define PREPROCESS_CHUNK 8192 /* pixels */

/* Luminance by ITU-R BT.601, rounded: a grey pixel keeps its value. */
static inline uint8_t grey(const uint8_t *pixel) {
  return (uint8_t)((19595u * pixel[0] + 38470u * pixel[1] + 7471u * pixel[2] + 32768u) >> 16);
}

static void make_grey(const uint8_t *x, float *y, int64_t pixels, float scale, float shift) {
  for (int64_t p = 0; p < pixels; p++) y[p] = (float)grey(x + 3 * p) * scale + shift;
}

static void preprocess_chunk(void *data, int64_t chunk, void *scratch) {
  const preprocess_job *job = data;
  int64_t channels = scion_tensor_channels(job->y), end = (chunk + 1) * PREPROCESS_CHUNK < job->pixels ? (chunk + 1) * PREPROCESS_CHUNK : job->pixels;
  for (int64_t p = chunk * PREPROCESS_CHUNK, n; p < end; p += n) {
    n = end - p < job->run ? end - p : job->run;
    bool narrow = job->y->dtype == SCION_BF16;
    float *y = narrow ? scratch : (float *)job->y->data + p * job->y->row_stride;
    const uint8_t *x = (const uint8_t *)job->x->data + p * job->x->row_stride;
    if (channels == 1) make_grey(x, y, n, job->scale[0], job->shift[0]);
    else SIMD_CHOOSE(scion_loop_preprocess)(x, y, n, job->scale, job->shift, job->reverse);
    if (narrow) SIMD_CHOOSE(scion_loop_narrow)(y, (uint16_t *)job->y->data + p * job->y->row_stride, channels * n);
  }
}

static scion_status require_colours(const char *kernel, const scion_tensor *x) {
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_U8));
  if (scion_tensor_channels(x) == 3) return SCION_OK;
  return scion_fail(SCION_MISUSE, "%s: x is %s, whose pixels do not have 3 channels", kernel, scion_shape_text(x, text, sizeof text));
}

scion_status scion_preprocess(const scion_tensor *x, scion_tensor *y, const float scale[3], const float shift[3], int reverse) {
  SCION_TRY(require_colours("preprocess", x));
  scion_tensor grey = *x; /* y's shape where it is grey */
  grey.shape[x->dims - 1] = 1;
  SCION_TRY(scion_require_number_like("preprocess", "y", y, "x", y && y->dims == x->dims && scion_tensor_channels(y) == 1 ? &grey : x));
  bool joined = scion_tensor_contiguous(x) && scion_tensor_contiguous(y);
  preprocess_job job = {x, y, scale, shift, scion_tensor_rows(x), joined ? PREPROCESS_CHUNK : 1, reverse};
  return scion_parallel_for(scion_divide_up(job.pixels, PREPROCESS_CHUNK), preprocess_chunk, &job);
}

/* ---- pixels as they are, and the preprocessing in the kernel that reads them */

#define ONE 255 /* of the channel that the shift is multiplied by */

static void codes_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const preprocess_job *job = data;
  const bool colours = scion_tensor_channels(job->y) == 4;
  int64_t end = (chunk + 1) * PREPROCESS_CHUNK < job->pixels ? (chunk + 1) * PREPROCESS_CHUNK : job->pixels;
  for (int64_t p = chunk * PREPROCESS_CHUNK; p < end; p++) {
    const uint8_t *x = (const uint8_t *)job->x->data + p * job->x->row_stride;
    uint8_t *y = (uint8_t *)job->y->data + p * job->y->row_stride;
    if (colours) y[0] = x[0], y[1] = x[1], y[2] = x[2], y[3] = ONE;
    else y[0] = grey(x), y[1] = ONE;
  }
}

scion_status scion_pixel_codes(const scion_tensor *x, scion_tensor *y) {
  SCION_TRY(require_colours("pixel_codes", x));
  SCION_TRY(scion_require_dtype("pixel_codes", "y", y, SCION_U8));
  scion_tensor wide = *x;
  wide.shape[x->dims - 1] = scion_tensor_channels(y) == 2 ? 2 : 4;
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  if (!scion_tensor_same_shape(&wide, y))
    return scion_fail(SCION_MISUSE, "pixel_codes: y is %s, but x is %s: it should have as many pixels, of 4 channels, or of 2 for grey ones",
                      scion_shape_text(y, a, sizeof a), scion_shape_text(x, b, sizeof b));
  preprocess_job job = {.x = x, .y = y, .pixels = scion_tensor_rows(x)};
  return scion_parallel_for(scion_divide_up(job.pixels, PREPROCESS_CHUNK), codes_chunk, &job);
}

static void fold_tap(const float *w, float *folded, int64_t channels, int64_t columns, const float *scale, const float *shift, int reverse) {
  float *ones = folded + channels * columns;
  memset(ones, 0, (size_t)columns * sizeof *ones);
  for (int64_t c = 0; c < channels; c++) {
    float *to = folded + (reverse && channels == 3 ? 2 - c : c) * columns;
    for (int64_t o = 0; o < columns; o++) {
      to[o] = w[c * columns + o] * scale[c];
      ones[o] += w[c * columns + o] * shift[c] / ONE;
    }
  }
}

scion_status scion_preprocess_fold(const scion_tensor *w, const scion_tensor *mean, const float scale[3], const float shift[3], int reverse,
                                   scion_tensor *folded, scion_tensor *pixel_mean) {
  const char *kernel = "preprocess_fold";
  char a[SCION_SHAPE_TEXT], b[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32(kernel, "kernel", w));
  SCION_TRY(scion_require_f32(kernel, "folded", folded));
  const int64_t channels = w->dims == 4 ? w->shape[2] : 0, columns = w->dims == 4 ? w->shape[3] : 0;
  scion_tensor wide = *w;
  if (w->dims == 4) wide.shape[2]++;
  if ((channels != 1 && channels != 3) || !scion_tensor_contiguous(w) || !scion_tensor_contiguous(folded) || !scion_tensor_same_shape(&wide, folded))
    return scion_fail(SCION_MISUSE, "%s: kernel is %s and folded %s, but should be [kh, kw, Ci, Co] of 1 or 3 input channels, and one more",
                      kernel, scion_shape_text(w, a, sizeof a), scion_shape_text(folded, b, sizeof b));
  SCION_TRY(scion_require_vector(kernel, "mean", mean, channels));
  SCION_TRY(scion_require_vector(kernel, "pixel_mean", pixel_mean, channels + 1));
  for (int64_t tap = 0; tap < w->shape[0] * w->shape[1]; tap++)
    fold_tap((const float *)w->data + tap * channels * columns, (float *)folded->data + tap * (channels + 1) * columns, channels, columns,
             scale, shift, reverse);
  float *to = pixel_mean->data;
  for (int64_t c = 0; c < channels; c++) /* a channel that is scaled by 0 tells nothing of its pixels, and has no weight */
    to[reverse && channels == 3 ? 2 - c : c] = scale[c] == 0 ? 0 : (((const float *)mean->data)[c] - shift[c]) / scale[c];
  to[channels] = ONE;
  return SCION_OK;
}
