/* Convolutions of codes, from the formulas of scion.h. */
#include "kernels/reference/int8.h"

#include <math.h>

/* The code under tap (r, s) of output pixel (n, i, j), less the zero point. */
static int64_t tap_at(const reference_conv2d *d, const uint8_t *x, int zero, int64_t n, int64_t i, int64_t j, int64_t r, int64_t s, int64_t c) {
  const scion_window *k = &d->window;
  int64_t h = i * k->stride[0] + r * k->dilation[0] - k->before[0], w = j * k->stride[1] + s * k->dilation[1] - k->before[1];
  if (h < 0 || h >= d->h || w < 0 || w >= d->w) return 0;
  return x[((n * d->h + h) * d->w + w) * d->ci + c] - zero;
}

static int64_t sum_at(const reference_conv2d *d, const uint8_t *x, int zero, const int32_t *w, int64_t n, int64_t i, int64_t j, int64_t o) {
  int64_t sum = 0;
  for (int64_t r = 0; r < d->window.kernel[0]; r++)
    for (int64_t s = 0; s < d->window.kernel[1]; s++)
      for (int64_t c = 0; c < d->ci; c++) sum += tap_at(d, x, zero, n, i, j, r, s, c) * w[((r * d->window.kernel[1] + s) * d->ci + c) * d->co + o];
  return sum;
}

static int64_t depthwise_at(const reference_conv2d *d, const uint8_t *x, int zero, const int32_t *w, int64_t n, int64_t i, int64_t j, int64_t c) {
  int64_t sum = 0;
  for (int64_t r = 0; r < d->window.kernel[0]; r++)
    for (int64_t s = 0; s < d->window.kernel[1]; s++) sum += tap_at(d, x, zero, n, i, j, r, s, c) * w[(r * d->window.kernel[1] + s) * d->ci + c];
  return sum;
}

void reference_conv2d_int8(const reference_conv2d *d, const uint8_t *x, int zero, const int32_t *w, int64_t *sums) {
  for (int64_t n = 0; n < d->n; n++)
    for (int64_t i = 0; i < d->oh; i++)
      for (int64_t j = 0; j < d->ow; j++)
        for (int64_t o = 0; o < d->co; o++) *sums++ = sum_at(d, x, zero, w, n, i, j, o);
}

void reference_depthwise_int8(const reference_conv2d *d, const uint8_t *x, int zero, const int32_t *w, int64_t *sums) {
  for (int64_t n = 0; n < d->n; n++)
    for (int64_t i = 0; i < d->oh; i++)
      for (int64_t j = 0; j < d->ow; j++)
        for (int64_t c = 0; c < d->ci; c++) *sums++ = depthwise_at(d, x, zero, w, n, i, j, c);
}

float reference_int8_number(int64_t sum, float scale, float x_scale, const float *bias, const float *addend, scion_activation activation) {
  float v = (float)sum * (scale * x_scale);
  if (bias) v = v + *bias;
  if (addend) v = v + *addend;
  if (activation != SCION_LINEAR && v < 0) v = 0;
  if (activation == SCION_RELU6 && v > 6) v = 6;
  return v;
}

uint8_t reference_code(float number, scion_quantization q) {
  float code = number * (1 / q.scale);
  code = code + (float)q.zero;
  return (uint8_t)(code > 0 ? rintf(code < 255 ? code : 255) : 0);
}

float reference_number(uint8_t code, scion_quantization q) { return ((float)code - (float)q.zero) * q.scale; }
