/* Depthwise convolution of bytes. A channel has few weights, so that these have 16 bits in place of 8: the sums still are whole numbers of 32,
 * and the same on every machine. */
#include "depthwise_int8.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "patches.h"
#include "require.h"

#define MOST_WEIGHT 32767

/* The kernel [kh,kw,C,1], and how many of its taps there are. */
static scion_status require_kernel(const char *kernel, const scion_tensor *w, int64_t *taps) {
  char text[SCION_SHAPE_TEXT];
  SCION_TRY(scion_require_f32(kernel, "kernel", w));
  if (w->dims != 4 || !scion_tensor_contiguous(w) || w->shape[3] != 1 || w->shape[0] < 1 || w->shape[1] < 1 || w->shape[0] > INT8_TAPS ||
      w->shape[0] * w->shape[1] > INT8_TAPS)
    return scion_fail(SCION_MISUSE, "%s: kernel is %s, but should be [kh, kw, C, 1] of at most %d taps", kernel,
                      scion_shape_text(w, text, sizeof text), INT8_TAPS);
  *taps = w->shape[0] * w->shape[1];
  return SCION_OK;
}

/* Of a channel's weights, times a factor; not a number where one of them is none or infinite. */
static float largest(const float *weights, int64_t channels, int64_t taps, float factor) {
  float most = 0;
  for (int64_t t = 0; t < taps; t++) {
    const float w = weights[t * channels] * factor;
    if (!isfinite(w)) return NAN;
    most = fmaxf(most, fabsf(w));
  }
  return most;
}

scion_status scion_depthwise_int8_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed, scion_tensor *scales,
                                       scion_tensor *sums) {
  const char *kernel = "depthwise_int8_pack";
  int64_t taps = 0;
  SCION_TRY(require_kernel(kernel, w, &taps));
  const int64_t channels = w->shape[2], pairs = scion_divide_up(taps, 2);
  SCION_TRY(scion_require_vector(kernel, "scale", scale, channels));
  SCION_TRY(scion_require_integers(kernel, "packed", packed, pairs * channels));
  SCION_TRY(scion_require_vector(kernel, "scales", scales, channels));
  SCION_TRY(scion_require_integers(kernel, "sums", sums, channels));
  const float *weights = w->data;
  for (int64_t c = 0; c < channels; c++) {
    const float factor = scale ? ((const float *)scale->data)[c] : 1, step = largest(weights + c, channels, taps, factor) / MOST_WEIGHT;
    int32_t sum = 0;
    for (int64_t p = 0; p < pairs; p++) {
      int32_t two[2] = {0, 0};
      for (int i = 0; i < 2 && 2 * p + i < taps; i++)
        if (step > 0) two[i] = (int32_t)lrintf(weights[(2 * p + i) * channels + c] * factor / step);
      ((int32_t *)packed->data)[p * channels + c] = (int32_t)((uint32_t)two[1] << 16 | (uint16_t)two[0]);
      sum += two[0] + two[1];
    }
    ((float *)scales->data)[c] = step;
    ((int32_t *)sums->data)[c] = sum;
  }
  return SCION_OK;
}

/* ---- forward */

typedef struct {
  depthwise_int8_kernel kernel;
  const scion_tensor *x;
  scion_tensor *y;
  const scion_window *window;
  const uint8_t *outside; /* a pixel of zero points */
  int64_t from, to;       /* columns of y whose windows lie inside of x from left to right */
  scion_bands bands;
} int8_job;

/* The taps of pixel (image, i, j) of y. */
static void find_taps(const int8_job *job, int64_t image, int64_t i, int64_t j, depthwise_int8_run *run) {
  const scion_window *k = job->window;
  const scion_tensor *x = job->x;
  int64_t t = 0;
  for (int64_t r = 0; r < k->kernel[0]; r++)
    for (int64_t s = 0; s < k->kernel[1]; s++, t++) {
      int64_t h = i * k->stride[0] + r * k->dilation[0] - k->before[0], w = j * k->stride[1] + s * k->dilation[1] - k->before[1];
      bool inside = h >= 0 && h < x->shape[1] && w >= 0 && w < x->shape[2];
      run->tap[t] = inside ? scion_pixel(x, image, h, w) : job->outside;
      run->step[t] = inside ? k->stride[1] * x->row_stride : 0;
    }
  if (t % 2) run->tap[t] = run->tap[t - 1], run->step[t] = run->step[t - 1]; /* times 0 */
  run->y = scion_pixel(job->y, image, i, j);
}

static void int8_chunk(void *data, int64_t chunk, void *scratch) {
  const int8_job *job = data;
  depthwise_int8_run *run = scratch;
  __auto_type compute = SIMD_CHOOSE(scion_depthwise_int8_run);
  const scion_band band = scion_band_at(&job->bands, chunk);
  run->y_step = job->y->row_stride;
  for (int64_t i = band.from; i < band.to; i++)
    for (int64_t j = 0; j < job->y->shape[2]; j += run->count) {
      run->count = j == job->from && job->to > j ? job->to - j : 1;
      find_taps(job, band.image, i, j, run);
      compute(&job->kernel, run);
    }
}

/* The columns of y at which all taps meet columns of x. */
static void find_inner(int8_job *job) {
  const scion_window *k = job->window;
  const int64_t last = job->x->shape[2] - 1 - (k->kernel[1] - 1) * (int64_t)k->dilation[1] + k->before[1]; /* of where a window may begin */
  job->from = scion_divide_up(k->before[1], k->stride[1]);
  job->to = last < 0 ? 0 : last / k->stride[1] + 1;
  if (job->to > job->y->shape[2]) job->to = job->y->shape[2];
}

scion_status scion_depthwise_int8_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *scales, const scion_tensor *sums,
                                          const scion_tensor *bias, scion_tensor *y, const scion_window *window, scion_activation activation,
                                          const scion_quantization quantized[2]) {
  const char *kernel = "depthwise_int8";
  SCION_TRY(scion_require_activation(kernel, activation));
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_U8));
  SCION_TRY(scion_require_codes(kernel, "x", x, quantized[0]));
  if (y->dtype != SCION_U8) SCION_TRY(scion_require_f32(kernel, "y", y));
  SCION_TRY(scion_require_codes(kernel, "y", y, quantized[1]));
  SCION_TRY(scion_require_window(kernel, window, "x", x, "y", y, scion_tensor_channels(x)));
  const int64_t taps = (int64_t)window->kernel[0] * window->kernel[1], channels = x->shape[3];
  if (taps > INT8_TAPS) return scion_fail(SCION_MISUSE, "%s: a window of %lld taps has more than %d", kernel, (long long)taps, INT8_TAPS);
  SCION_TRY(scion_require_integers(kernel, "packed", packed, scion_divide_up(taps, 2) * channels));
  SCION_TRY(scion_require_f32(kernel, "scales", scales));
  SCION_TRY(scion_require_vector(kernel, "scales", scales, channels));
  SCION_TRY(scion_require_integers(kernel, "sums", sums, channels));
  SCION_TRY(scion_require_vector(kernel, "bias", bias, channels));
  int8_job job = {.kernel = {.packed = packed->data, .sums = sums->data, .scales = scales->data, .bias = bias ? bias->data : NULL,
                             .pairs = scion_divide_up(taps, 2), .width = channels, .x = quantized[0], .y = quantized[1], .y_dtype = y->dtype,
                             .activation = activation},
                  .x = x, .y = y, .window = window};
  uint8_t *outside = scion_kernel_memory(kernel, channels, 1);
  if (!outside) return SCION_NO_MEMORY;
  memset(outside, quantized[0].zero, (size_t)channels);
  job.outside = outside;
  find_inner(&job);
  job.bands = scion_bands_of(y, taps);
  scion_status status = scion_parallel_for(job.bands.images * job.bands.bands, int8_chunk, &job);
  free(outside);
  return status;
}
