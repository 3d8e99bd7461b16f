/* Depthwise convolution. With one output for each channel (a multiplier of 1) the inner loops run along channels, and the
 * gradient to the input is the same loop over the outputs that a pixel fed; other multipliers are rare and plain. */
#include <stdlib.h>

#include "activation.h"
#include "patches.h"
#include "require.h"
#include "tensor/element.h"

typedef struct {
  const scion_tensor *x, *w, *dy;
  scion_tensor *out; /* y, dx or, in part, dw */
  const float *scale, *bias;
  const scion_window *window;
  scion_activation activation;
  int accumulate;
  int64_t multiplier;
  scion_bands bands;
  float *partials; /* [chunks][kh*kw*C*m] of the gradient to the weights */
  int64_t chunks;
} depthwise_job;

/* The taps of the kernel [kh,kw,C,m] at those positions, as a patch. */
static scion_patch kernel_patch(const scion_tensor *w, const scion_taps *v, const scion_taps *h) {
  int64_t pixel = w->shape[2] * w->shape[3], row = w->shape[1] * pixel;
  return (scion_patch){(const float *)w->data + v->tap * row + h->tap * pixel, v->count, h->count, v->tap_step * row,
                       h->tap_step * pixel, SCION_F32};
}

static inline float at(const scion_patch *patch, int64_t r, int64_t s, int64_t c) {
  return (float)element_load(patch->first, patch->dtype, r * patch->row_step + s * patch->column_step + c);
}

/* ---- forward */

static void multiplied_pixel(const depthwise_job *job, const scion_patch *x, const scion_patch *w, void *y) {
  for (int64_t o = 0; o < job->out->shape[3]; o++) {
    float sum = 0;
    for (int64_t r = 0; r < x->rows; r++)
      for (int64_t s = 0; s < x->columns; s++) sum += at(x, r, s, o / job->multiplier) * at(w, r, s, o);
    if (job->scale) sum *= job->scale[o];
    if (job->bias) sum += job->bias[o];
    element_store(y, job->out->dtype, o, (double)scion_activate(sum, job->activation));
  }
}

static void forward_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const depthwise_job *job = data;
  const scion_tensor *x = job->x, *y = job->out;
  __auto_type depthwise = SIMD_CHOOSE(scion_loop_depthwise);
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t i = band.from; i < band.to; i++) {
    scion_taps v = scion_taps_of_output(job->window, 0, i, x->shape[1]);
    for (int64_t j = 0; j < y->shape[2]; j++) {
      scion_taps h = scion_taps_of_output(job->window, 1, j, x->shape[2]);
      scion_patch pixels = {0}, taps = {0}; /* nothing, where the window lies in the padding */
      if (v.count && h.count) pixels = scion_patch_of(x, band.image, &v, &h), taps = kernel_patch(job->w, &v, &h);
      void *pixel = scion_pixel(y, band.image, i, j);
      if (job->multiplier == 1) {
        depthwise(&pixels, &taps, job->scale, job->bias, pixel, y->dtype, y->shape[3], job->activation, 0);
      } else {
        multiplied_pixel(job, &pixels, &taps, pixel);
      }
    }
  }
}

/* w [kh,kw,C,m] fits the window, x [N,H,W,C] and y [N,OH,OW,C*m]; scale and bias are vectors [C*m]. */
static scion_status require_depthwise(const char *kernel, const scion_window *window, const char *x_name, const scion_tensor *x,
                                      const char *y_name, const scion_tensor *y, const char *w_name, const scion_tensor *w) {
  SCION_TRY(scion_require_image(kernel, x_name, x));
  SCION_TRY(scion_require_f32(kernel, w_name, w));
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  if (w->dims != 4 || !scion_tensor_contiguous(w) || w->shape[0] != window->kernel[0] || w->shape[1] != window->kernel[1] ||
      w->shape[2] != x->shape[3] || w->shape[3] < 1)
    return scion_fail(SCION_MISUSE, "%s: %s is %s, but a window of %dx%d over %s of %s needs %dx%dx%lld and a multiplier", kernel,
                      w_name, scion_shape_text(w, first, sizeof first), window->kernel[0], window->kernel[1], x_name,
                      scion_shape_text(x, second, sizeof second), window->kernel[0], window->kernel[1], (long long)x->shape[3]);
  return scion_require_window(kernel, window, x_name, x, y_name, y, x->shape[3] * w->shape[3]);
}

static const float *numbers(const scion_tensor *t) { return t ? t->data : NULL; }

scion_status scion_depthwise_forward(const scion_tensor *x, const scion_tensor *w, const scion_tensor *scale,
                                     const scion_tensor *bias, scion_tensor *y, const scion_window *window,
                                     scion_activation activation) {
  SCION_TRY(scion_require_activation("depthwise", activation));
  SCION_TRY(require_depthwise("depthwise", window, "x", x, "y", y, "w", w));
  SCION_TRY(scion_require_vector("depthwise", "scale", scale, y->shape[3]));
  SCION_TRY(scion_require_vector("depthwise", "bias", bias, y->shape[3]));
  depthwise_job job = {.x = x, .w = w, .out = y, .scale = numbers(scale), .bias = numbers(bias), .window = window,
                       .activation = activation, .multiplier = w->shape[3]};
  job.bands = scion_bands_of(y, (int64_t)window->kernel[0] * window->kernel[1]);
  return scion_parallel_for(job.bands.images * job.bands.bands, forward_chunk, &job);
}

/* ---- gradient to the input */

static void multiplied_backward(const depthwise_job *job, const scion_patch *dy, const scion_patch *w, float *dx) {
  for (int64_t c = 0; c < job->out->shape[3]; c++) {
    float total = job->accumulate ? dx[c] : 0;
    for (int64_t o = c * job->multiplier; o < (c + 1) * job->multiplier; o++) {
      float sum = 0;
      for (int64_t r = 0; r < dy->rows; r++)
        for (int64_t s = 0; s < dy->columns; s++) sum += at(dy, r, s, o) * at(w, r, s, o);
      total += job->scale ? sum * job->scale[o] : sum;
    }
    dx[c] = total;
  }
}

static void backward_input_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const depthwise_job *job = data;
  const scion_tensor *dy = job->dy, *dx = job->out;
  __auto_type depthwise = SIMD_CHOOSE(scion_loop_depthwise);
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t i = band.from; i < band.to; i++) {
    scion_taps v = scion_taps_of_input(job->window, 0, i, dy->shape[1]);
    for (int64_t j = 0; j < dx->shape[2]; j++) {
      scion_taps h = scion_taps_of_input(job->window, 1, j, dy->shape[2]);
      scion_patch pixels = {0}, taps = {0};
      if (v.count && h.count) pixels = scion_patch_of(dy, band.image, &v, &h), taps = kernel_patch(job->w, &v, &h);
      float *pixel = scion_pixel(dx, band.image, i, j);
      if (job->multiplier == 1) {
        depthwise(&pixels, &taps, job->scale, NULL, pixel, SCION_F32, dx->shape[3], SCION_LINEAR, job->accumulate);
      } else {
        multiplied_backward(job, &pixels, &taps, pixel);
      }
    }
  }
}

scion_status scion_depthwise_backward_input(const scion_tensor *dy, const scion_tensor *w, const scion_tensor *scale,
                                            scion_tensor *dx, const scion_window *window, int accumulate) {
  const char *kernel = "depthwise_backward_input";
  SCION_TRY(require_depthwise(kernel, window, "dx", dx, "dy", dy, "w", w));
  SCION_TRY(scion_require_f32(kernel, "dy", dy));
  SCION_TRY(scion_require_f32(kernel, "dx", dx));
  SCION_TRY(scion_require_vector(kernel, "scale", scale, dy->shape[3]));
  depthwise_job job = {.dy = dy, .w = w, .out = dx, .scale = numbers(scale), .window = window, .accumulate = accumulate,
                       .multiplier = w->shape[3]};
  job.bands = scion_bands_of(dx, (int64_t)window->kernel[0] * window->kernel[1]);
  return scion_parallel_for(job.bands.images * job.bands.bands, backward_input_chunk, &job);
}

/* ---- gradient to the weights: each chunk sums some rows of outputs, then the sums are added in order */

static void multiplied_products(const float *x, int64_t x_step, const float *dy, int64_t dy_step, int64_t count, float *sum,
                                int64_t outputs, int64_t multiplier) {
  for (int64_t o = 0; o < outputs; o++) {
    float total = 0;
    for (int64_t j = 0; j < count; j++) total += x[j * x_step + o / multiplier] * dy[j * dy_step + o];
    sum[o] += total;
  }
}

/* The output columns whose tap s meets a pixel of the input: from .. to-1. */
static void columns_of_tap(const scion_window *window, int64_t s, int64_t width, int64_t outputs, int64_t *from, int64_t *to) {
  int64_t stride = window->stride[1], offset = s * window->dilation[1] - window->before[1];
  *from = offset < 0 ? (-offset + stride - 1) / stride : 0;
  *to = offset < width ? (width - 1 - offset) / stride + 1 : 0;
  if (*to > outputs) *to = outputs;
}

static void backward_weights_row(const depthwise_job *job, int64_t image, int64_t i, float *sums) {
  const scion_tensor *x = job->x, *dy = job->dy;
  const int64_t outputs = dy->shape[3], kw = job->window->kernel[1];
  __auto_type products = SIMD_CHOOSE(scion_loop_products);
  scion_taps v = scion_taps_of_output(job->window, 0, i, x->shape[1]);
  for (int64_t t = 0; t < v.count; t++)
    for (int64_t s = 0; s < kw; s++) {
      int64_t from, to;
      columns_of_tap(job->window, s, x->shape[2], dy->shape[2], &from, &to);
      if (from >= to) continue;
      int64_t column = from * job->window->stride[1] + s * job->window->dilation[1] - job->window->before[1];
      const float *pixel = scion_pixel(x, image, v.at + t * v.at_step, column), *gradient = scion_pixel(dy, image, i, from);
      float *sum = sums + ((v.tap + t * v.tap_step) * kw + s) * outputs;
      int64_t x_step = job->window->stride[1] * x->row_stride;
      if (job->multiplier == 1) {
        products(pixel, x_step, gradient, dy->row_stride, to - from, sum, outputs);
      } else {
        multiplied_products(pixel, x_step, gradient, dy->row_stride, to - from, sum, outputs, job->multiplier);
      }
    }
}

#define WEIGHT_CHUNKS 32 /* at most, for each has a kernel's worth of sums */

static void backward_weights_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const depthwise_job *job = data;
  int64_t rows = job->dy->shape[0] * job->dy->shape[1], each = (rows + job->chunks - 1) / job->chunks;
  float *sums = job->partials + chunk * scion_tensor_elements(job->out);
  for (int64_t row = chunk * each; row < (chunk + 1) * each && row < rows; row++)
    backward_weights_row(job, row / job->dy->shape[1], row % job->dy->shape[1], sums);
}

scion_status scion_depthwise_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                              const scion_window *window) {
  const char *kernel = "depthwise_backward_weights";
  SCION_TRY(require_depthwise(kernel, window, "x", x, "dy", dy, "dw", dw));
  SCION_TRY(scion_require_f32(kernel, "x", x));
  SCION_TRY(scion_require_f32(kernel, "dy", dy));
  int64_t rows = dy->shape[0] * dy->shape[1], elements = scion_tensor_elements(dw);
  depthwise_job job = {.x = x, .dy = dy, .out = dw, .window = window, .multiplier = dw->shape[3]};
  job.chunks = rows < WEIGHT_CHUNKS ? rows : WEIGHT_CHUNKS;
  job.partials = scion_kernel_memory(kernel, job.chunks * elements, sizeof(float));
  if (!job.partials) return SCION_NO_MEMORY;
  scion_status status = scion_parallel_for(job.chunks, backward_weights_chunk, &job);
  float *total = dw->data;
  for (int64_t e = 0; e < elements && status == SCION_OK; e++) {
    double sum = 0;
    for (int64_t chunk = 0; chunk < job.chunks; chunk++) sum += (double)job.partials[chunk * elements + e];
    total[e] = (float)sum;
  }
  free(job.partials);
  return status;
}
