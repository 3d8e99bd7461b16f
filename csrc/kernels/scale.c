/* A tensor scaled by one number, moving averages, and the channels of each image by numbers of its own. */
#include <string.h>

#include "blocks.h"
#include "patches.h"
#include "require.h"
#include "tensor/convert.h"
#include "tensor/element.h"

/* ---- y = act(a + scale * b) */

typedef struct {
  float scale;
  scion_activation activation;
} add_job;

static void scaled_add_block(const scion_block *k, void *data, float *scratch) {
  const add_job *job = data;
  for (int64_t r = 0; r < k->rows; r++)
    for (int64_t from = 0; from < k->width; from += SCION_BLOCK_ELEMENTS) { /* through the scratch to the loop that knows activations */
      int64_t count = k->width - from < SCION_BLOCK_ELEMENTS ? k->width - from : SCION_BLOCK_ELEMENTS;
      const float *b = k->b + r * k->b_stride + from;
      for (int64_t c = 0; c < count; c++) scratch[c] = b[c] * job->scale;
      scion_block part = {.rows = 1, .width = count, .a = k->a + r * k->a_stride + from, .b = scratch, .y = k->y + r * k->y_stride + from};
      SIMD_CHOOSE(scion_loop_add)(&part, job->activation);
    }
}

scion_status scion_scaled_add_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y, double scale,
                                      scion_activation activation) {
  SCION_TRY(scion_require_activation("scaled_add", activation));
  SCION_TRY(scion_require_number("scaled_add", "a", a));
  SCION_TRY(scion_require_number_like("scaled_add", "b", b, "a", a));
  SCION_TRY(scion_require_number_like("scaled_add", "y", y, "a", a));
  return scion_for_blocks(a, b, y, false, false, scaled_add_block, &(add_job){(float)scale, activation});
}

typedef struct {
  float scale;
  int accumulate;
} scale_job;

static void scale_block(const scion_block *k, void *data, float *scratch) {
  (void)scratch;
  const scale_job *job = data;
  for (int64_t r = 0; r < k->rows; r++)
    for (int64_t c = 0; c < k->width; c++) {
      float *y = k->y + r * k->y_stride + c;
      *y = (job->accumulate ? *y : 0) + k->a[r * k->a_stride + c] * job->scale;
    }
}

scion_status scion_scaled_add_backward(const scion_tensor *dy, scion_tensor *db, double scale, int accumulate) {
  SCION_TRY(scion_require_number("scaled_add_backward", "dy", dy));
  SCION_TRY(scion_require_number_like("scaled_add_backward", "db", db, "dy", dy));
  return scion_for_blocks(dy, NULL, db, accumulate, false, scale_block, &(scale_job){(float)scale, accumulate});
}

/* ---- y += share * (x - y) */

static void average_block(const scion_block *k, void *data, float *scratch) {
  (void)scratch;
  float share = *(const float *)data;
  for (int64_t r = 0; r < k->rows; r++) {
    const float *x = k->a + r * k->a_stride;
    float *y = k->y + r * k->y_stride;
    for (int64_t c = 0; c < k->width; c++) y[c] += share * (x[c] - y[c]);
  }
}

scion_status scion_moving_average(const scion_tensor *x, scion_tensor *y, double share) {
  SCION_TRY(scion_require_f32("moving_average", "x", x));
  SCION_TRY(scion_require_like("moving_average", "y", y, "x", x));
  if (!(share >= 0 && share <= 1)) return scion_fail(SCION_MISUSE, "moving_average: a share of %g is not from 0 to 1", share);
  float rounded = (float)share;
  return scion_for_blocks(x, NULL, y, true, false, average_block, &rounded);
}

/* ---- y[n,h,w,c] = x[n,h,w,c] * s[n,c] */

typedef struct {
  const scion_tensor *x, *s, *dy;
  scion_tensor *out;
  scion_bands bands;
  int accumulate;
} channel_job;

/* s is [N,C] or an image of one pixel. */
static scion_status require_scales(const char *kernel, const char *name, const scion_tensor *s, const scion_tensor *x) {
  SCION_TRY(scion_require_number(kernel, name, s));
  scion_tensor flat = *s;
  if (s->dims == 4 && s->shape[1] == 1 && s->shape[2] == 1) flat.dims = 2, flat.shape[1] = s->shape[3];
  return scion_require_matrix(kernel, name, &flat, x->shape[0], x->shape[3]);
}

/* `count` numbers of a row, from that column on: where they are, or widened into `copy`. */
static const float *numbers_of(const scion_tensor *t, int64_t row, int64_t column, int64_t count, float *copy) {
  const int64_t at = row * t->row_stride + column;
  if (t->dtype == SCION_F32) return (const float *)t->data + at;
  SIMD_CHOOSE(scion_loop_widen)((const uint16_t *)t->data + at, copy, count);
  return copy;
}

typedef struct {
  const scion_tensor *s;
  int64_t image;
  int accumulate;
} scale_image;

static void scale_image_block(const scion_block *block, void *data, float *scratch) {
  const scale_image *of = data;
  for (int64_t from = 0; from < block->width; from += SCION_BLOCK_ELEMENTS) {
    scion_block part = *block;
    if (part.width - from > SCION_BLOCK_ELEMENTS) part.width = SCION_BLOCK_ELEMENTS; else part.width -= from;
    part.a += from, part.y += from;
    SIMD_CHOOSE(scion_loop_scale)(&part, numbers_of(of->s, of->image, block->column + from, part.width, scratch), of->accumulate);
  }
}

static void channel_chunk(void *data, int64_t chunk, void *scratch) {
  const channel_job *job = data;
  const scion_tensor *x = job->x;
  scion_band band = scion_band_at(&job->bands, chunk);
  scale_image of = {job->s, band.image, job->accumulate};
  scion_for_rows(x, NULL, job->out, job->accumulate, (band.image * x->shape[1] + band.from) * x->shape[2], (band.to - band.from) * x->shape[2],
                 scale_image_block, &of, scratch);
}

static scion_status scale_channels(const char *kernel, const char *x_name, const scion_tensor *x, const scion_tensor *s, const char *y_name,
                                   scion_tensor *y, int accumulate) {
  SCION_TRY(scion_require_image(kernel, x_name, x));
  SCION_TRY(require_scales(kernel, "s", s, x));
  SCION_TRY(scion_require_number_like(kernel, y_name, y, x_name, x));
  channel_job job = {.x = x, .s = s, .out = y, .bands = scion_bands_of(x, 1), .accumulate = accumulate};
  return scion_parallel_for(job.bands.images * job.bands.bands, channel_chunk, &job);
}

scion_status scion_scale_channels_forward(const scion_tensor *x, const scion_tensor *s, scion_tensor *y) {
  return scale_channels("scale_channels", "x", x, s, "y", y, 0);
}

scion_status scion_scale_channels_backward_input(const scion_tensor *dy, const scion_tensor *s, scion_tensor *dx, int accumulate) {
  return scale_channels("scale_channels_backward_input", "dy", dy, s, "dx", dx, accumulate);
}

#define SCALE_CHANNELS ((int64_t)256) /* of a chunk */

/* One image and some of its channels: pixel by pixel, into sums in double. */
static void sums_chunk(void *data, int64_t chunk, void *scratch) {
  const channel_job *job = data;
  const scion_tensor *x = job->x, *dy = job->dy;
  int64_t channels = x->shape[3], cuts = scion_divide_up(channels, SCALE_CHANNELS), image = chunk / cuts, pixels = x->shape[1] * x->shape[2];
  int64_t from = chunk % cuts * SCALE_CHANNELS, count = channels - from < SCALE_CHANNELS ? channels - from : SCALE_CHANNELS;
  double *sum = scratch;
  float *copies = (float *)(sum + SCALE_CHANNELS);
  memset(sum, 0, (size_t)count * sizeof *sum);
  for (int64_t p = image * pixels; p < (image + 1) * pixels; p++) {
    const float *a = numbers_of(x, p, from, count, copies), *b = numbers_of(dy, p, from, count, copies + SCALE_CHANNELS);
    for (int64_t c = 0; c < count; c++) sum[c] += (double)(a[c] * b[c]);
  }
  const int64_t at = image * job->out->row_stride + from;
  for (int64_t c = 0; c < count; c++) {
    float before = job->accumulate ? (float)element_load(job->out->data, job->out->dtype, at + c) : 0;
    element_store(job->out->data, job->out->dtype, at + c, (double)(before + (float)sum[c]));
  }
}

scion_status scion_scale_channels_backward_scale(const scion_tensor *x, const scion_tensor *dy, scion_tensor *ds, int accumulate) {
  const char *kernel = "scale_channels_backward_scale";
  SCION_TRY(scion_require_image(kernel, "x", x));
  SCION_TRY(scion_require_number_like(kernel, "dy", dy, "x", x));
  SCION_TRY(require_scales(kernel, "ds", ds, x));
  channel_job job = {.x = x, .dy = dy, .out = ds, .accumulate = accumulate};
  return scion_parallel_for(x->shape[0] * scion_divide_up(x->shape[3], SCALE_CHANNELS), sums_chunk, &job);
}
