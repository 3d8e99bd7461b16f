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

static void preprocess_chunk(void *data, int64_t chunk, void *scratch) {
  const preprocess_job *job = data;
  int64_t end = (chunk + 1) * PREPROCESS_CHUNK < job->pixels ? (chunk + 1) * PREPROCESS_CHUNK : job->pixels;
  for (int64_t p = chunk * PREPROCESS_CHUNK, n; p < end; p += n) {
    n = end - p < job->run ? end - p : job->run;
    bool narrow = job->y->dtype == SCION_BF16;
    float *y = narrow ? scratch : (float *)job->y->data + p * job->y->row_stride;
    SIMD_CHOOSE(scion_loop_preprocess)((const uint8_t *)job->x->data + p * job->x->row_stride, y, n, job->scale, job->shift,
                                       job->reverse);
    if (narrow) SIMD_CHOOSE(scion_loop_narrow)(y, (uint16_t *)job->y->data + p * job->y->row_stride, 3 * n);
  }
}

scion_status scion_preprocess(const scion_tensor *x, scion_tensor *y, const float scale[3], const float shift[3], int reverse) {
  SCION_TRY(scion_require_dtype("preprocess", "x", x, SCION_U8));
  SCION_TRY(scion_require_number_like("preprocess", "y", y, "x", x));
  char text[SCION_SHAPE_TEXT];
  if (scion_tensor_channels(x) != 3)
    return scion_fail(SCION_MISUSE, "preprocess: x is %s, whose pixels do not have 3 channels",
                      scion_shape_text(x, text, sizeof text));
  bool joined = scion_tensor_contiguous(x) && scion_tensor_contiguous(y);
  preprocess_job job = {x, y, scale, shift, scion_tensor_rows(x), joined ? PREPROCESS_CHUNK : 1, reverse};
  return scion_parallel_for(scion_divide_up(job.pixels, PREPROCESS_CHUNK), preprocess_chunk, &job);
}
