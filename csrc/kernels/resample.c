/* Images of another size: adaptive average pooling and upsampling. Both are weighted sums over a small rectangle of pixels with a
 * factor for each row and each column, and so are their gradients. */
#include <math.h>
#include <stdlib.h>

#include "patches.h"
#include "require.h"

/* For one position along an axis: which positions of the other image it reads, and how much of each. */
typedef struct {
  int64_t first, count;
  const float *factors;
} spread;

typedef struct {
  spread *at;     /* one for each position */
  float *factors; /* of all of them */
} axis_table;

/* The weight of pixel `in` of an axis of `input` pixels in pixel `out` of one of `output` pixels. */
typedef double weight_function(int64_t in, int64_t input, int64_t out, int64_t output);

static double adaptive_weight(int64_t in, int64_t input, int64_t out, int64_t output) {
  int64_t from = out * input / output, to = scion_divide_up((out + 1) * input, output);
  return in >= from && in < to ? 1.0 / (double)(to - from) : 0;
}

static double nearest_weight(int64_t in, int64_t input, int64_t out, int64_t output) { return out / (output / input) == in; }

/* Pixels are squares, whose centres lie half a pixel inside; the outermost are extended. */
static double bilinear_weight(int64_t in, int64_t input, int64_t out, int64_t output) {
  double at = ((double)out + 0.5) * (double)input / (double)output - 0.5;
  at = fmin(fmax(at, 0), (double)(input - 1));
  return fmax(0, 1 - fabs(at - (double)in));
}

/* Fills a table for every output position (or, backward, for every input position), with what is not zero. */
static scion_status fill_table(const char *kernel, axis_table *table, weight_function *weight, int64_t input, int64_t output, int backward) {
  int64_t positions = backward ? input : output, others = backward ? output : input;
  int64_t reach = backward ? 3 * (scion_divide_up(output, input)) + 2 : scion_divide_up(input, output) + 2;
  if (reach > others) reach = others;
  table->at = scion_kernel_memory(kernel, positions, sizeof *table->at);
  table->factors = scion_kernel_memory(kernel, positions * reach, sizeof *table->factors);
  if (!table->at || !table->factors) return SCION_NO_MEMORY;
  for (int64_t p = 0; p < positions; p++) {
    float *factors = table->factors + p * reach;
    spread *s = &table->at[p];
    s->factors = factors;
    int64_t guess = p * others / positions - reach / 2;
    for (int64_t o = guess > 0 ? guess : 0; o < others && o <= guess + 2 * reach; o++) {
      double w = backward ? weight(p, input, o, output) : weight(o, input, p, output);
      if (w <= 0) continue;
      if (s->count == 0) s->first = o;
      factors[o - s->first] = (float)w;
      s->count = o - s->first + 1;
    }
  }
  return SCION_OK;
}

typedef struct {
  const scion_tensor *from;
  scion_tensor *to;
  scion_bands bands;
  axis_table rows, columns;
  int accumulate;
} resample_job;

static void resample_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const resample_job *job = data;
  const scion_tensor *from = job->from, *to = job->to;
  __auto_type weighted = SIMD_CHOOSE(scion_loop_weighted);
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t i = band.from; i < band.to; i++)
    for (int64_t j = 0; j < to->shape[2]; j++) {
      const spread *v = &job->rows.at[i], *h = &job->columns.at[j];
      scion_patch patch = {scion_pixel(from, band.image, v->first, h->first), v->count, h->count, from->shape[2] * from->row_stride,
                           from->row_stride, from->dtype};
      weighted(&patch, v->factors, 1, h->factors, 1, scion_pixel(to, band.image, i, j), to->dtype, to->shape[3],
               job->accumulate);
    }
}

static scion_status resample(const char *kernel, weight_function *weight, const scion_tensor *from, scion_tensor *to, int backward,
                             int accumulate) {
  const scion_tensor *x = backward ? to : from, *y = backward ? from : to;
  resample_job job = {.from = from, .to = to, .bands = scion_bands_of(to, 4), .accumulate = accumulate};
  scion_status status = fill_table(kernel, &job.rows, weight, x->shape[1], y->shape[1], backward);
  if (status == SCION_OK) status = fill_table(kernel, &job.columns, weight, x->shape[2], y->shape[2], backward);
  if (status == SCION_OK) status = scion_parallel_for(job.bands.images * job.bands.bands, resample_chunk, &job);
  free(job.rows.at), free(job.rows.factors), free(job.columns.at), free(job.columns.factors);
  return status;
}

/* x and y are images that differ in height and width alone. */
static scion_status require_images(const char *kernel, const char *x_name, const scion_tensor *x, const char *y_name, const scion_tensor *y) {
  SCION_TRY(scion_require_image(kernel, x_name, x));
  SCION_TRY(scion_require_image(kernel, y_name, y));
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  if (x->shape[0] != y->shape[0] || x->shape[3] != y->shape[3])
    return scion_fail(SCION_MISUSE, "%s: %s is %s and %s is %s, but they should agree in images and channels", kernel, x_name,
                      scion_shape_text(x, first, sizeof first), y_name, scion_shape_text(y, second, sizeof second));
  if (x->shape[1] < 1 || x->shape[2] < 1 || y->shape[1] < 1 || y->shape[2] < 1)
    return scion_fail(SCION_MISUSE, "%s: %s is %s and %s is %s, but both should have pixels", kernel, x_name,
                      scion_shape_text(x, first, sizeof first), y_name, scion_shape_text(y, second, sizeof second));
  return SCION_OK;
}

static scion_status require_multiple(const char *kernel, const char *x_name, const scion_tensor *x, const char *y_name, const scion_tensor *y) {
  SCION_TRY(require_images(kernel, x_name, x, y_name, y));
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  for (int axis = 1; axis <= 2; axis++)
    if (y->shape[axis] < x->shape[axis] || y->shape[axis] % x->shape[axis] != 0)
      return scion_fail(SCION_MISUSE, "%s: %s is %s and %s is %s, but its height and width should be multiples", kernel, x_name,
                        scion_shape_text(x, first, sizeof first), y_name, scion_shape_text(y, second, sizeof second));
  return SCION_OK;
}

scion_status scion_adaptive_average_pool_forward(const scion_tensor *x, scion_tensor *y) {
  SCION_TRY(require_images("adaptive_average_pool", "x", x, "y", y));
  return resample("adaptive_average_pool", adaptive_weight, x, y, 0, 0);
}

scion_status scion_adaptive_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, int accumulate) {
  SCION_TRY(require_images("adaptive_average_pool_backward", "dx", dx, "dy", dy));
  return resample("adaptive_average_pool_backward", adaptive_weight, dy, dx, 1, accumulate);
}

scion_status scion_upsample_forward(const scion_tensor *x, scion_tensor *y, int bilinear) {
  SCION_TRY(require_multiple("upsample", "x", x, "y", y));
  return resample("upsample", bilinear ? bilinear_weight : nearest_weight, x, y, 0, 0);
}

scion_status scion_upsample_backward(const scion_tensor *dy, scion_tensor *dx, int bilinear, int accumulate) {
  SCION_TRY(require_multiple("upsample_backward", "dx", dx, "dy", dy));
  return resample("upsample_backward", bilinear ? bilinear_weight : nearest_weight, dy, dx, 1, accumulate);
}
