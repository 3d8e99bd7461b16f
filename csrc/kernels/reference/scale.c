/* Moving averages and scaled channels. */
#include "kernels/reference/reference.h"

void reference_moving_average(const real *x, real *y, int64_t n, real share) {
  for (int64_t i = 0; i < n; i++) y[i] = (1 - share) * y[i] + share * x[i];
}

void reference_scale_channels(const real *x, const real *s, real *y, int64_t images, int64_t pixels, int64_t channels) {
  for (int64_t i = 0; i < images * pixels * channels; i++)
    y[i] = x[i] * s[i / (pixels * channels) * channels + i % channels];
}

void reference_scale_channels_backward(const real *x, const real *dy, real *ds, int64_t images, int64_t pixels, int64_t channels) {
  for (int64_t i = 0; i < images * channels; i++) ds[i] = 0;
  for (int64_t i = 0; i < images * pixels * channels; i++) ds[i / (pixels * channels) * channels + i % channels] += x[i] * dy[i];
}
