/* Gates, scaled sums, scaled channels. */
#include "kernels/reference/reference.h"

#include <math.h>

static real clamp_unit(real v) { return v < 0 ? 0 : v > 1 ? 1 : v; }

real reference_input_activation(real x, scion_input_activation activation) {
  if (activation == SCION_SWISH) return (real)((double)x / (1 + exp(-(double)x)));
  return (activation == SCION_HARD_SWISH ? x : 1) * clamp_unit(x / 6 + (real)0.5);
}

real reference_input_activation_slope(real x, scion_input_activation activation) {
  double open = 1 / (1 + exp(-(double)x));
  if (activation == SCION_SWISH) return (real)(open + (double)x * open * (1 - open));
  if (activation == SCION_HARD_SIGMOID) return x > -3 && x < 3 ? (real)1 / 6 : 0;
  return x <= -3 ? 0 : x >= 3 ? 1 : x / 3 + (real)0.5;
}

void reference_scale_channels(const real *x, const real *s, real *y, int64_t images, int64_t pixels, int64_t channels) {
  for (int64_t i = 0; i < images * pixels * channels; i++)
    y[i] = x[i] * s[i / (pixels * channels) * channels + i % channels];
}

void reference_scale_channels_backward(const real *x, const real *dy, real *ds, int64_t images, int64_t pixels, int64_t channels) {
  for (int64_t i = 0; i < images * channels; i++) ds[i] = 0;
  for (int64_t i = 0; i < images * pixels * channels; i++) ds[i / (pixels * channels) * channels + i % channels] += x[i] * dy[i];
}
