/* Depthwise convolution. With one output for each channel (a multiplier of 1) the inner loops run along channels and rows of
 * pixels, and the gradient to the input is the same loop over the outputs that a pixel fed; other multipliers are rare and
 * plain. */
#include <stdlib.h>

#include "activation.h"
#include "patches.h"
#include "require.h"
#include "tensor/element.h"

typedef scion_taps taps_function(const scion_window *window, int axis, int64_t index, int64_t size);

/* A run of columns first, first + apart, .. of a row of pixels: their windows have the same taps inside the other image, and those
 * lie `advance` columns further with each one. */
typedef struct {
  scion_taps taps;
  int64_t first, count;
} column_run;

typedef struct {
  const scion_tensor *in, *w, *pixels; /* in: what is read through the windows; pixels: the image with a window at each pixel (y, dx or dy) */
  scion_tensor *out;
  const float *scale, *bias;
  const scion_window *window;
  scion_activation activation;
  int accumulate;
  int64_t multiplier;
  taps_function *taps;
  int64_t apart, advance, run_count;
  column_run *runs;
  scion_bands bands;
  float *partials; /* [chunks][kh*kw*C*m] of the gradient to the weights */
  int64_t chunks;
} depthwise_job;

/* Finds the runs of a row of pixels; they are the same in all rows. */
static scion_status find_runs(const char *kernel, depthwise_job *job) {
  int64_t width = job->pixels->shape[2], size = job->in->shape[2];
  job->runs = scion_kernel_memory(kernel, width, sizeof *job->runs);
  if (!job->runs) return SCION_NO_MEMORY;
  for (int64_t phase = 0; phase < job->apart; phase++)
    for (int64_t j = phase; j < width; j += job->apart) {
      scion_taps taps = job->taps(job->window, 1, j, size);
      column_run *last = job->run_count ? &job->runs[job->run_count - 1] : NULL;
      if (last && j > phase && taps.count == last->taps.count && taps.tap == last->taps.tap &&
          taps.at == last->taps.at + last->count * job->advance)
        last->count++;
      else
        job->runs[job->run_count++] = (column_run){taps, j, 1};
    }
  return SCION_OK;
}

/* The taps of the kernel [kh,kw,C,m] at those positions, as a patch. */
static scion_patch kernel_patch(const scion_tensor *w, const scion_taps *v, const scion_taps *h) {
  int64_t pixel = w->shape[2] * w->shape[3], row = w->shape[1] * pixel;
  return (scion_patch){(const float *)w->data + v->tap * row + h->tap * pixel, v->count, h->count, v->tap_step * row,
                       h->tap_step * pixel, SCION_F32};
}

static inline float at(const scion_patch *patch, int64_t r, int64_t s, int64_t c) {
  return (float)element_load(patch->first, patch->dtype, r * patch->row_step + s * patch->column_step + c);
}

/* What lies under the window at the j-th pixel of a run. */
static scion_patch patch_at(const scion_run *run, int64_t j) {
  scion_patch patch = run->x;
  if (patch.first) patch.first = (const char *)patch.first + (size_t)(j * run->x_step) * scion_dtype_size(patch.dtype);
  return patch;
}

/* The j-th pixel of a run that begins with that one. */
static void *pixel_at(const scion_run *run, void *first, scion_dtype dtype, int64_t j) {
  return (char *)first + (size_t)(j * run->pixel_step) * scion_dtype_size(dtype);
}

/* One run of a row: the part w of the kernel that its windows meet (both empty, where these lie in the padding), its first pixel. */
typedef void run_function(const depthwise_job *job, const scion_run *run, const scion_patch *w, void *pixel, float *sums);

static void each_run(const depthwise_job *job, int64_t image, int64_t row, run_function *body, float *sums) {
  scion_taps v = job->taps(job->window, 0, row, job->in->shape[1]);
  for (int64_t i = 0; i < job->run_count; i++) {
    const column_run *columns = &job->runs[i];
    scion_run run = {{0}, columns->count, job->advance * job->in->row_stride, job->apart * job->pixels->row_stride};
    scion_patch w = {0};
    if (v.count && columns->taps.count) {
      run.x = scion_patch_of(job->in, image, &v, &columns->taps);
      w = kernel_patch(job->w, &v, &columns->taps);
    }
    body(job, &run, &w, scion_pixel(job->pixels, image, row, columns->first), sums);
  }
}

static void band_chunk(const depthwise_job *job, int64_t chunk, run_function *body) {
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t row = band.from; row < band.to; row++) each_run(job, band.image, row, body, NULL);
}

/* ---- forward */

static void multiplied_pixel(const depthwise_job *job, const scion_patch *x, const scion_patch *w, void *y) {
  for (int64_t o = 0; o < job->out->shape[3]; o++) {
    float sum = 0;
    for (int64_t r = 0; r < x->rows; r++)
      for (int64_t s = 0; s < x->columns; s++) sum += at(x, r, s, o / job->multiplier) * at(w, r, s, o);
    if (job->scale) sum *= job->scale[o];
    if (job->bias) sum += job->bias[o];
    element_store(y, job->out->dtype, o, (double)simd_activate(simd_set(sum), job->activation)[0]);
  }
}

static void forward_run(const depthwise_job *job, const scion_run *run, const scion_patch *w, void *y, float *sums) {
  (void)sums;
  if (job->multiplier == 1)
    SIMD_CHOOSE(scion_loop_depthwise)(run, w, job->scale, job->bias, y, job->out->dtype, job->out->shape[3], job->activation,
                                      job->accumulate);
  else
    for (int64_t j = 0; j < run->count; j++) {
      scion_patch x = patch_at(run, j);
      multiplied_pixel(job, &x, w, pixel_at(run, y, job->out->dtype, j));
    }
}

static void forward_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  band_chunk(data, chunk, forward_run);
}

static scion_status run_bands(const char *kernel, depthwise_job *job, scion_chunk_function *fn) {
  SCION_TRY(find_runs(kernel, job));
  job->bands = scion_bands_of(job->out, (int64_t)job->window->kernel[0] * job->window->kernel[1]);
  scion_status status = scion_parallel_for(job->bands.images * job->bands.bands, fn, job);
  free(job->runs);
  return status;
}

/* w [kh,kw,C,m] fits the window, x [N,H,W,C] and y [N,OH,OW,C*m]; scale and bias are vectors [C*m]. */
static scion_status require_depthwise(const char *kernel, const scion_window *window, const char *x_name, const scion_tensor *x,
                                      const char *y_name, const scion_tensor *y, const char *w_name, const scion_tensor *w) {
  SCION_TRY(scion_require_image(kernel, x_name, x));
  SCION_TRY(scion_require_image(kernel, y_name, y));
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
  depthwise_job job = {.in = x, .w = w, .pixels = y, .out = y, .scale = numbers(scale), .bias = numbers(bias), .window = window,
                       .activation = activation, .multiplier = w->shape[3], .taps = scion_taps_of_output, .apart = 1,
                       .advance = window->stride[1]};
  return run_bands("depthwise", &job, forward_chunk);
}

/* ---- gradient to the input */

static void multiplied_backward(const depthwise_job *job, const scion_patch *dy, const scion_patch *w, void *dx) {
  for (int64_t c = 0; c < job->out->shape[3]; c++) {
    float total = job->accumulate ? (float)element_load(dx, job->out->dtype, c) : 0;
    for (int64_t o = c * job->multiplier; o < (c + 1) * job->multiplier; o++) {
      float sum = 0;
      for (int64_t r = 0; r < dy->rows; r++)
        for (int64_t s = 0; s < dy->columns; s++) sum += at(dy, r, s, o) * at(w, r, s, o);
      total += job->scale ? sum * job->scale[o] : sum;
    }
    element_store(dx, job->out->dtype, c, (double)total);
  }
}

static void backward_run(const depthwise_job *job, const scion_run *run, const scion_patch *w, void *dx, float *sums) {
  (void)sums;
  if (job->multiplier == 1)
    forward_run(job, run, w, dx, NULL);
  else
    for (int64_t j = 0; j < run->count; j++) {
      scion_patch dy = patch_at(run, j);
      multiplied_backward(job, &dy, w, pixel_at(run, dx, job->out->dtype, j));
    }
}

static void backward_input_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  band_chunk(data, chunk, backward_run);
}

scion_status scion_depthwise_backward_input(const scion_tensor *dy, const scion_tensor *w, const scion_tensor *scale,
                                            scion_tensor *dx, const scion_window *window, int accumulate) {
  const char *kernel = "depthwise_backward_input";
  SCION_TRY(require_depthwise(kernel, window, "dx", dx, "dy", dy, "w", w));
  SCION_TRY(scion_require_vector(kernel, "scale", scale, dy->shape[3]));
  depthwise_job job = {.in = dy, .w = w, .pixels = dx, .out = dx, .scale = numbers(scale), .window = window,
                       .accumulate = accumulate, .multiplier = w->shape[3], .taps = scion_taps_of_input,
                       .apart = window->stride[1], .advance = 1};
  return run_bands(kernel, &job, backward_input_chunk);
}

/* ---- gradient to the weights: each chunk sums some rows of outputs, then the sums are added in order */

static void multiplied_sums(const depthwise_job *job, const scion_run *run, const void *dy, float *sums, int64_t row_step,
                            int64_t outputs) {
  for (int64_t r = 0; r < run->x.rows; r++)
    for (int64_t s = 0; s < run->x.columns; s++)
      for (int64_t o = 0; o < outputs; o++) {
        float total = 0;
        for (int64_t j = 0; j < run->count; j++) {
          scion_patch x = patch_at(run, j);
          total += at(&x, r, s, o / job->multiplier) * (float)element_load(dy, job->pixels->dtype, j * run->pixel_step + o);
        }
        sums[r * row_step + s * outputs + o] += total;
      }
}

static void sums_run(const depthwise_job *job, const scion_run *run, const scion_patch *w, void *dy, float *sums) {
  if (run->x.rows == 0 || run->x.columns == 0) return;
  int64_t outputs = job->pixels->shape[3];
  float *first = sums + ((const float *)w->first - (const float *)job->w->data); /* the sums lie like the kernel */
  if (job->multiplier == 1)
    SIMD_CHOOSE(scion_loop_depthwise_sums)(run, dy, job->pixels->dtype, first, w->row_step, w->column_step, outputs);
  else
    multiplied_sums(job, run, dy, first, w->row_step, outputs);
}

#define WEIGHT_CHUNKS 32 /* at most, for each has a kernel's worth of sums */

static void backward_weights_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const depthwise_job *job = data;
  int64_t height = job->pixels->shape[1], rows = job->pixels->shape[0] * height, each = scion_divide_up(rows, job->chunks);
  float *sums = job->partials + chunk * scion_tensor_elements(job->out);
  for (int64_t row = chunk * each; row < (chunk + 1) * each && row < rows; row++)
    each_run(job, row / height, row % height, sums_run, sums);
}

scion_status scion_depthwise_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                              const scion_window *window) {
  const char *kernel = "depthwise_backward_weights";
  SCION_TRY(require_depthwise(kernel, window, "x", x, "dy", dy, "dw", dw));
  int64_t rows = dy->shape[0] * dy->shape[1], elements = scion_tensor_elements(dw);
  depthwise_job job = {.in = x, .w = dw, .pixels = dy, .out = dw, .window = window, .multiplier = dw->shape[3],
                       .taps = scion_taps_of_output, .apart = 1, .advance = window->stride[1]};
  job.chunks = rows < WEIGHT_CHUNKS ? rows : WEIGHT_CHUNKS;
  SCION_TRY(find_runs(kernel, &job));
  job.partials = scion_kernel_memory(kernel, job.chunks * elements, sizeof(float));
  scion_status status = job.partials ? scion_parallel_for(job.chunks, backward_weights_chunk, &job) : SCION_NO_MEMORY;
  float *total = dw->data;
  for (int64_t e = 0; e < elements && status == SCION_OK; e++) {
    double sum = 0;
    for (int64_t chunk = 0; chunk < job.chunks; chunk++) sum += (double)job.partials[chunk * elements + e];
    total[e] = (float)sum;
  }
  free(job.partials);
  free(job.runs);
  return status;
}
