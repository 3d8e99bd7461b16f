/* Zeros around images, and the crop that is their gradient. */
#include "patches.h"
#include "require.h"
#include "tensor/convert.h"

typedef struct {
  const scion_tensor *small;
  const scion_tensor *large;
  scion_bands bands;
  int64_t top, left;
  int accumulate;
} pad_job;

static void clear_pixels(const scion_tensor *t, int64_t image, int64_t row, int64_t from, int64_t to) {
  for (int64_t j = from; j < to; j++) memset(scion_pixel(t, image, row, j), 0, (size_t)t->shape[3] * scion_dtype_size(t->dtype));
}

static void pad_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pad_job *job = data;
  const scion_tensor *x = job->small, *y = job->large;
  int64_t right = job->left + x->shape[2];
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t i = band.from; i < band.to; i++) {
    if (i < job->top || i >= job->top + x->shape[1]) {
      clear_pixels(y, band.image, i, 0, y->shape[2]);
      continue;
    }
    clear_pixels(y, band.image, i, 0, job->left);
    for (int64_t j = job->left; j < right; j++)
      memmove(scion_pixel(y, band.image, i, j), scion_pixel(x, band.image, i - job->top, j - job->left), /* also where both share memory */
              (size_t)x->shape[3] * scion_dtype_size(x->dtype));
    clear_pixels(y, band.image, i, right, y->shape[2]);
  }
}

static void crop_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  const pad_job *job = data;
  const scion_tensor *dx = job->small;
  scion_band band = scion_band_at(&job->bands, chunk);
  for (int64_t i = band.from; i < band.to; i++)
    for (int64_t j = 0; j < dx->shape[2]; j++) {
      const void *dy = scion_pixel(job->large, band.image, i + job->top, j + job->left);
      void *target = scion_pixel(dx, band.image, i, j);
      (job->accumulate ? scion_add_row : scion_convert_row)(dy, job->large->dtype, target, dx->dtype, dx->shape[3]);
    }
}

static scion_status require_frame(const char *kernel, const char *small_name, const scion_tensor *small, const char *large_name,
                                  const scion_tensor *large, int top, int left) {
  SCION_TRY(scion_require_image(kernel, small_name, small));
  SCION_TRY(scion_require_image(kernel, large_name, large));
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  if (top < 0 || left < 0 || large->shape[0] != small->shape[0] || large->shape[3] != small->shape[3] ||
      large->shape[1] < top + small->shape[1] || large->shape[2] < left + small->shape[2])
    return scion_fail(SCION_MISUSE, "%s: %s is %s, which does not fit into %s of %s at row %d, column %d", kernel, small_name,
                      scion_shape_text(small, first, sizeof first), large_name, scion_shape_text(large, second, sizeof second),
                      top, left);
  return SCION_OK;
}

scion_status scion_zero_pad_forward(const scion_tensor *x, scion_tensor *y, int top, int left) {
  SCION_TRY(require_frame("zero_pad", "x", x, "y", y, top, left));
  SCION_TRY(scion_require_dtype("zero_pad", "y", y, x->dtype));
  pad_job job = {x, y, scion_bands_of(y, 1), top, left, 0};
  return scion_parallel_for(job.bands.images * job.bands.bands, pad_chunk, &job);
}

scion_status scion_zero_pad_backward(const scion_tensor *dy, scion_tensor *dx, int top, int left, int accumulate) {
  SCION_TRY(require_frame("zero_pad_backward", "dx", dx, "dy", dy, top, left));
  pad_job job = {dx, dy, scion_bands_of(dx, 1), top, left, accumulate};
  return scion_parallel_for(job.bands.images * job.bands.bands, crop_chunk, &job);
}
