/* Pooling. The global kinds are a window as large as the image. */
#include <limits.h>
#include <stdlib.h>

#include "patches.h"
#include "require.h"
#include "tensor/convert.h"

/* Every position of the window must cover a pixel, or there is no maximum and no mean. */
static scion_status require_covered(const char *kernel, const scion_window *window, int axis, int64_t input_size,
                                    int64_t output_size) {
  const char *name = axis ? "horizontal" : "vertical";
  int64_t reach = (int64_t)window->dilation[axis] * (window->kernel[axis] - 1) + 1;
  if (window->before[axis] >= reach || window->after[axis] >= reach)
    return scion_fail(SCION_MISUSE, "%s: %s padding of %d and %d should be less than the window's %lld", kernel, name,
                      window->before[axis], window->after[axis], (long long)reach);
  for (int64_t i = 0; i < output_size; i++)
    if (scion_taps_of_output(window, axis, i, input_size).count == 0)
      return scion_fail(SCION_MISUSE, "%s: at %s position %lld of %lld the window covers nothing but padding", kernel, name,
                        (long long)i, (long long)output_size);
  return SCION_OK;
}

/* Codes are of one scale, and so both images have them, or none. */
static scion_status require_numbers_or_codes(const char *kernel, const char *name, const scion_tensor *t, const scion_tensor *other) {
  return t && t->dtype == SCION_U8 && other && other->dtype == SCION_U8 ? scion_require_dtype(kernel, name, t, SCION_U8)
                                                                        : scion_require_number(kernel, name, t);
}

static scion_status require_pool(const char *kernel, const scion_window *window, const char *x_name, const scion_tensor *x,
                                 const char *y_name, const scion_tensor *y) {
  SCION_TRY(require_numbers_or_codes(kernel, x_name, x, y));
  SCION_TRY(require_numbers_or_codes(kernel, y_name, y, x));
  SCION_TRY(scion_require_window(kernel, window, x_name, x, y_name, y, scion_tensor_channels(x)));
  SCION_TRY(require_covered(kernel, window, 0, x->shape[1], y->shape[1]));
  return require_covered(kernel, window, 1, x->shape[2], y->shape[2]);
}

typedef struct {
  const scion_tensor *x, *y, *dy;
  scion_tensor *out; /* y forward, dx backward */
  const scion_window *window;
  scion_bands bands;
  const float *row_factor, *column_factor; /* one by the number of pixels that count, for each output row and column */
  int accumulate;
} pool_job;

static scion_status run_bands(pool_job *job, int64_t taps, scion_chunk_function *fn) {
  job->bands = scion_bands_of(job->out, taps);
  return scion_parallel_for(job->bands.images * job->bands.bands, fn, job);
}

static int64_t window_taps(const scion_window *window) { return (int64_t)window->kernel[0] * window->kernel[1]; }

/* ---- maximum */

static void max_forward_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pool_job *job = data;
  const scion_tensor *x = job->x, *y = job->out;
  __auto_type max = SIMD_CHOOSE(scion_loop_max);
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t i = band.from; i < band.to; i++) {
    scion_taps v = scion_taps_of_output(job->window, 0, i, x->shape[1]);
    for (int64_t j = 0; j < y->shape[2]; j++) {
      scion_taps h = scion_taps_of_output(job->window, 1, j, x->shape[2]);
      scion_patch patch = scion_patch_of(x, band.image, &v, &h);
      max(&patch, scion_pixel(y, band.image, i, j), y->dtype, y->shape[3]);
    }
  }
}

static scion_status max_forward(const char *kernel, const scion_tensor *x, scion_tensor *y, const scion_window *window) {
  SCION_TRY(require_pool(kernel, window, "x", x, "y", y));
  return run_bands(&(pool_job){.x = x, .out = y, .window = window}, window_taps(window), max_forward_chunk);
}

scion_status scion_max_pool_forward(const scion_tensor *x, scion_tensor *y, const scion_window *window) {
  return max_forward("max_pool", x, y, window);
}

/* Some channels of a band of rows of dx, in f32: where they are, or in scratch. */
typedef struct {
  float *first;
  int64_t row_step, column_step;
  int64_t channel, channels;
} max_target;

static const void *from_channel(const scion_tensor *t, int64_t image, int64_t row, int64_t column, int64_t channel) {
  return (const char *)scion_pixel(t, image, row, column) + (size_t)channel * scion_dtype_size(t->dtype);
}

/* Every window that touches the band is searched for its first maximum, and what lies in the band is written, so that no two chunks
 * write one row. */
static void max_backward_band(const pool_job *job, const scion_band *band, const max_target *dx) {
  const scion_tensor *x = job->x, *y = job->y;
  __auto_type max_backward = SIMD_CHOOSE(scion_loop_max_backward);
  for (int64_t i = 0; i < y->shape[1]; i++) {
    scion_taps v = scion_taps_of_output(job->window, 0, i, x->shape[1]);
    if (v.at >= band->to) break;
    if (v.at + (v.count - 1) * v.at_step < band->from) continue;
    int64_t from = v.at < band->from ? scion_divide_up(band->from - v.at, v.at_step) : 0,
            end = (band->to - 1 - v.at) / v.at_step + 1;
    if (end < v.count) v.count = end; /* rows after the band belong to another chunk */
    for (int64_t j = 0; j < y->shape[2]; j++) {
      scion_taps h = scion_taps_of_output(job->window, 1, j, x->shape[2]);
      scion_patch patch = scion_patch_of(x, band->image, &v, &h);
      patch.first = from_channel(x, band->image, v.at, h.at, dx->channel);
      scion_pair of = {from_channel(y, band->image, i, j, dx->channel), from_channel(job->dy, band->image, i, j, dx->channel), y->dtype,
                       job->dy->dtype};
      max_backward(&patch, &of, dx->first + (v.at - band->from) * dx->row_step + h.at * dx->column_step, v.at_step * dx->row_step,
                   h.at_step * dx->column_step, from, dx->channels);
    }
  }
}

/* What is added to dx is summed in f32: a bf16 dx is rounded once, from sums in scratch. */
#define MAX_SUMS ((int64_t)(SCION_SCRATCH_BYTES / sizeof(float)))
static void max_backward_chunk(void *data, int64_t chunk, void *scratch) {
  const pool_job *job = data;
  const scion_tensor *dx = job->out;
  const int64_t channels = dx->shape[3], width = dx->shape[2];
  scion_band band = scion_band_at(&job->bands, chunk);
  const int64_t pixels = (band.to - band.from) * width;
  if (dx->dtype == SCION_F32) {
    for (int64_t p = 0; p < pixels && !job->accumulate; p++)
      memset(scion_pixel(dx, band.image, band.from, p), 0, (size_t)channels * sizeof(float));
    max_backward_band(job, &band, &(max_target){scion_pixel(dx, band.image, band.from, 0), width * dx->row_stride, dx->row_stride, 0, channels});
    return;
  }
  const int64_t most = pixels > 0 && MAX_SUMS / pixels < channels ? MAX_SUMS / pixels : channels;
  for (int64_t channel = 0; channel < channels && pixels > 0; channel += most) {
    const int64_t count = channels - channel < most ? channels - channel : most;
    float *sums = scratch;
    memset(sums, 0, (size_t)(pixels * count) * sizeof *sums);
    max_backward_band(job, &band, &(max_target){sums, width * count, count, channel, count});
    for (int64_t p = 0; p < pixels; p++)
      (job->accumulate ? scion_add_row : scion_convert_row)(sums + p * count, SCION_F32, (void *)from_channel(dx, band.image, band.from, p, channel),
                                                            SCION_BF16, count);
  }
}

static scion_status max_backward(const char *kernel, const scion_tensor *x, const scion_tensor *y, const scion_tensor *dy,
                                 scion_tensor *dx, const scion_window *window, int accumulate) {
  SCION_TRY(require_pool(kernel, window, "x", x, "y", y));
  SCION_TRY(scion_require_number(kernel, "x", x));
  if (x->dtype == SCION_F32) SCION_TRY(scion_require_f32(kernel, "y", y)); /* rounded, it would equal none of x */
  SCION_TRY(scion_require_number(kernel, "y", y));
  SCION_TRY(scion_require_number_like(kernel, "dy", dy, "y", y));
  SCION_TRY(scion_require_number_like(kernel, "dx", dx, "x", x));
  if (dx->dtype == SCION_BF16 && dx->shape[2] > MAX_SUMS)
    return scion_fail(SCION_MISUSE, "%s: a row of dx has %lld pixels, more than are summed in bf16", kernel, (long long)dx->shape[2]);
  pool_job job = {.x = x, .y = y, .dy = dy, .out = dx, .window = window, .accumulate = accumulate};
  return run_bands(&job, 1, max_backward_chunk);
}

scion_status scion_max_pool_backward(const scion_tensor *x, const scion_tensor *y, const scion_tensor *dy, scion_tensor *dx,
                                     const scion_window *window, int accumulate) {
  return max_backward("max_pool_backward", x, y, dy, dx, window, accumulate);
}

/* ---- mean: both directions are sums over a patch, weighted by one over the number of pixels that count */

static void fill_factors(float *factor, const scion_window *window, int axis, int64_t input_size, int64_t output_size,
                         int include_padding) {
  for (int64_t i = 0; i < output_size; i++)
    factor[i] = 1 / (float)(include_padding ? window->kernel[axis] : scion_taps_of_output(window, axis, i, input_size).count);
}

static void average_forward_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pool_job *job = data;
  const scion_tensor *x = job->x, *y = job->out;
  __auto_type weighted = SIMD_CHOOSE(scion_loop_weighted);
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t i = band.from; i < band.to; i++) {
    scion_taps v = scion_taps_of_output(job->window, 0, i, x->shape[1]);
    for (int64_t j = 0; j < y->shape[2]; j++) {
      scion_taps h = scion_taps_of_output(job->window, 1, j, x->shape[2]);
      scion_patch patch = scion_patch_of(x, band.image, &v, &h);
      weighted(&patch, job->row_factor + i, 0, job->column_factor + j, 0, scion_pixel(y, band.image, i, j), y->dtype, y->shape[3],
               0);
    }
  }
}

static void average_backward_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pool_job *job = data;
  const scion_tensor *dy = job->dy, *dx = job->out;
  __auto_type weighted = SIMD_CHOOSE(scion_loop_weighted);
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t h = band.from; h < band.to; h++) {
    scion_taps v = scion_taps_of_input(job->window, 0, h, dy->shape[1]);
    for (int64_t w = 0; w < dx->shape[2]; w++) {
      scion_taps u = scion_taps_of_input(job->window, 1, w, dy->shape[2]);
      scion_patch patch = scion_patch_of(dy, band.image, &v, &u);
      weighted(&patch, job->row_factor + v.at, v.at_step, job->column_factor + u.at, u.at_step,
               scion_pixel(dx, band.image, h, w), dx->dtype, dx->shape[3], job->accumulate);
    }
  }
}

/* Forward where dy is NULL. */
static scion_status average(const char *kernel, const scion_tensor *x, const scion_tensor *dy, scion_tensor *out,
                            const scion_window *window, int include_padding, int accumulate) {
  SCION_TRY(dy ? require_pool(kernel, window, "dx", out, "dy", dy) : require_pool(kernel, window, "x", x, "y", out));
  if (dy) SCION_TRY(scion_require_number(kernel, "dy", dy));
  if (dy) SCION_TRY(scion_require_number(kernel, "dx", out));
  const scion_tensor *large = dy ? out : x, *small = dy ? dy : out;
  float *factor = scion_kernel_memory(kernel, small->shape[1] + small->shape[2], sizeof *factor);
  if (!factor) return SCION_NO_MEMORY;
  fill_factors(factor, window, 0, large->shape[1], small->shape[1], include_padding);
  fill_factors(factor + small->shape[1], window, 1, large->shape[2], small->shape[2], include_padding);
  pool_job job = {.x = x, .dy = dy, .out = out, .window = window, .row_factor = factor, .column_factor = factor + small->shape[1],
                  .accumulate = accumulate};
  scion_status status =
    dy ? run_bands(&job, 1, average_backward_chunk) : run_bands(&job, window_taps(window), average_forward_chunk);
  free(factor);
  return status;
}

scion_status scion_average_pool_forward(const scion_tensor *x, scion_tensor *y, const scion_window *window, int include_padding) {
  return average("average_pool", x, NULL, y, window, include_padding, 0);
}

scion_status scion_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, const scion_window *window,
                                         int include_padding, int accumulate) {
  SCION_TRY(scion_require_image("average_pool_backward", "dy", dy));
  return average("average_pool_backward", NULL, dy, dx, window, include_padding, accumulate);
}

/* ---- all pixels of an image */

/* A window as large as image x, and vectors [N,C] as images of one pixel. */
static scion_status whole_image(const char *kernel, const char *name, const scion_tensor *image, scion_window *window) {
  SCION_TRY(scion_require_image(kernel, name, image));
  char text[SCION_SHAPE_TEXT];
  if (image->shape[1] < 1 || image->shape[2] < 1 || image->shape[1] > INT_MAX || image->shape[2] > INT_MAX)
    return scion_fail(SCION_MISUSE, "%s: %s is %s, which has no pixels or too many", kernel, name,
                      scion_shape_text(image, text, sizeof text));
  *window = (scion_window){{(int)image->shape[1], (int)image->shape[2]}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  return SCION_OK;
}

static scion_status one_pixel(const char *kernel, const char *name, const scion_tensor *t, const scion_tensor *image,
                              scion_tensor *out) {
  *out = *t;
  if (t->dims == 4 && t->shape[1] == 1 && t->shape[2] == 1) { /* as an image of one pixel */
    out->dims = 2, out->shape[1] = t->shape[3];
  }
  SCION_TRY(scion_require_matrix(kernel, name, out, image->shape[0], image->shape[3]));
  out->dims = 4;
  out->shape[0] = image->shape[0], out->shape[1] = out->shape[2] = 1, out->shape[3] = image->shape[3];
  return SCION_OK;
}

scion_status scion_global_average_pool_forward(const scion_tensor *x, scion_tensor *y) {
  const char *kernel = "global_average_pool";
  scion_window window;
  scion_tensor pixel;
  SCION_TRY(whole_image(kernel, "x", x, &window));
  SCION_TRY(one_pixel(kernel, "y", y, x, &pixel));
  return average(kernel, x, NULL, &pixel, &window, 0, 0);
}

scion_status scion_global_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, int accumulate) {
  const char *kernel = "global_average_pool_backward";
  scion_window window;
  scion_tensor pixel;
  SCION_TRY(whole_image(kernel, "dx", dx, &window));
  SCION_TRY(one_pixel(kernel, "dy", dy, dx, &pixel));
  return average(kernel, NULL, &pixel, dx, &window, 0, accumulate);
}

scion_status scion_global_max_pool_forward(const scion_tensor *x, scion_tensor *y) {
  const char *kernel = "global_max_pool";
  scion_window window;
  scion_tensor pixel;
  SCION_TRY(whole_image(kernel, "x", x, &window));
  SCION_TRY(one_pixel(kernel, "y", y, x, &pixel));
  return max_forward(kernel, x, &pixel, &window);
}

scion_status scion_global_max_pool_backward(const scion_tensor *x, const scion_tensor *y, const scion_tensor *dy,
                                            scion_tensor *dx, int accumulate) {
  const char *kernel = "global_max_pool_backward";
  scion_window window;
  scion_tensor y_pixel, dy_pixel;
  SCION_TRY(whole_image(kernel, "x", x, &window));
  SCION_TRY(one_pixel(kernel, "y", y, x, &y_pixel));
  SCION_TRY(one_pixel(kernel, "dy", dy, x, &dy_pixel));
  return max_backward(kernel, x, &y_pixel, &dy_pixel, dx, &window, accumulate);
}
