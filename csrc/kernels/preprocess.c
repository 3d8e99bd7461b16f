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
static void make_grey(const uint8_t *x, float *y, int64_t pixels, float scale, float shift) {
  for (int64_t p = 0; p < pixels; p++)
    y[p] = (float)((19595u * x[3 * p] + 38470u * x[3 * p + 1] + 7471u * x[3 * p + 2] + 32768u) >> 16) * scale + shift;
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

scion_status scion_preprocess(const scion_tensor *x, scion_tensor *y, const float scale[3], const float shift[3], int reverse) {
  SCION_TRY(scion_require_dtype("preprocess", "x", x, SCION_U8));
  char text[SCION_SHAPE_TEXT];
  if (scion_tensor_channels(x) != 3)
    return scion_fail(SCION_MISUSE, "preprocess: x is %s, whose pixels do not have 3 channels",
                      scion_shape_text(x, text, sizeof text));
  scion_tensor grey = *x; /* y's shape where it is grey */
  grey.shape[x->dims - 1] = 1;
  SCION_TRY(scion_require_number_like("preprocess", "y", y, "x", y && y->dims == x->dims && scion_tensor_channels(y) == 1 ? &grey : x));
  bool joined = scion_tensor_contiguous(x) && scion_tensor_contiguous(y);
  preprocess_job job = {x, y, scale, shift, scion_tensor_rows(x), joined ? PREPROCESS_CHUNK : 1, reverse};
  return scion_parallel_for(scion_divide_up(job.pixels, PREPROCESS_CHUNK), preprocess_chunk, &job);
}
