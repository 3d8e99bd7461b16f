/* The activations and their derivatives, of one number. The rectifiers let a NaN through, so that the loss shows it. */
#ifndef SCION_ACTIVATION_H
#define SCION_ACTIVATION_H

#include <math.h>

#include "loops.h"

SIMD_INLINE float scion_activate(float v, scion_activation activation) {
  switch (activation) {
    case SCION_RELU: return v < 0 ? 0 : v;
    case SCION_RELU6: return v < 0 ? 0 : v > 6 ? 6 : v;
    case SCION_SIGMOID: return 1 / (1 + expf(-v));
    case SCION_TANH: return tanhf(v);
    default: return v;
  }
}

/* Of the first n lanes of a vector. */
SIMD_INLINE simd_float simd_activate(simd_float v, scion_activation activation, int64_t n) {
  if (activation == SCION_RELU || activation == SCION_RELU6) v = simd_max((simd_float){0}, v); /* in this order NaN stays */
  if (activation == SCION_RELU6) v = simd_min(simd_set(6), v);
  if (activation == SCION_SIGMOID || activation == SCION_TANH)
    for (int64_t i = 0; i < n; i++) v[i] = scion_activate(v[i], activation);
  return v;
}

/* dy * act'(x), from y = act(x). */
SIMD_INLINE float scion_activation_gradient(float y, float dy, scion_activation activation) {
  switch (activation) {
    case SCION_RELU: return y > 0 ? dy : 0;
    case SCION_RELU6: return y > 0 && y < 6 ? dy : 0;
    case SCION_SIGMOID: return dy * y * (1 - y);
    case SCION_TANH: return dy * (1 - y * y);
    default: return dy;
  }
}

#endif
