/* The activations and their derivatives, of a vector at a time. NaN stays NaN, so that the loss shows it. */
#ifndef SCION_ACTIVATION_H
#define SCION_ACTIVATION_H

#include <math.h>

#include "loops.h"

/* c[0] x^(n-1) + .. + c[n-1], with a constant n. */
SIMD_INLINE simd_float simd_polynomial(simd_float x, const float *c, const int n) {
  simd_float sum = simd_set(c[0]);
  _Pragma("GCC unroll 16") for (int i = 1; i < n; i++) sum = sum * x + c[i];
  return sum;
}

/* e^v to 2e-7 of it, for v clamped to -87 .. 88: 2^n e^r with n whole and |r| <= log(2)/2, where e^r is 1 + r + r^2 q(r). The
 * coefficients are the best in the largest relative error. */
SIMD_INLINE simd_float simd_exp(simd_float v) {
  const float round = 12582912; /* 1.5 * 2^23: what is added to it loses its fraction */
  v = simd_min(simd_set(88), simd_max(simd_set(-87), v));
  simd_float shifted = v * 1.44269504f + round, n = shifted - round;
  simd_float r = v - n * 0.693145752f - n * 1.42860677e-6f; /* log(2) in two parts, the first with few digits */
  const float q[] = {0.00139013057f, 0.00836320005f, 0.0416668541f, 0.16666577f, 0.5f};
  simd_float power = (simd_float)((((simd_bits)shifted - 0x4b400000u) + 127u) << 23);
  return (1 + r + r * r * simd_polynomial(r, q, 5)) * power;
}

/* And *rest = 1 - sigmoid(v), without cancellation. */
SIMD_INLINE simd_float simd_sigmoid(simd_float v, simd_float *rest) {
  simd_float e = simd_exp(-v), share = 1 / (1 + e);
  *rest = e * share;
  return share;
}

/* (1 - e) / (1 + e) where e = exp(-2 |v|) and, near 0, where digits of 1 - e would be lost, the odd polynomial with the least relative
 * error. */
SIMD_INLINE simd_float simd_tanh(simd_float v) {
  const float odd[] = {-0.00591822592f, 0.0208681947f, -0.0538220723f, 0.133325636f, -0.333333264f};
  simd_float size = simd_max(v, -v), e = simd_exp(-2 * size), far = (1 - e) / (1 + e), square = v * v;
  return simd_select(size < 0.65f, v + v * square * simd_polynomial(square, odd, 5), simd_select(v < 0, -far, far));
}

/* A ramp from 0 at -3 to 1 at 3. */
SIMD_INLINE simd_float simd_hard_sigmoid(simd_float v) {
  return simd_min(simd_set(1), simd_max((simd_float){0}, v * (1.0f / 6) + 0.5f));
}

/* The normal distribution: *density at v, and the share below v. The share below -|v| is *density times Mills' ratio, a polynomial
 * of 1 / (1 + 0.3 |v| / sqrt(2)), whose coefficients are the best in the largest relative error, 2e-8. */
SIMD_INLINE simd_float simd_normal(simd_float v, simd_float *density) {
  simd_float bell = simd_exp(v * v * -0.5f), t = 1 / (1 + 0.212132034f * simd_max(v, -v));
  const float ratio[] = {-0.0647613691f, 0.242781203f,  -0.256138218f, 0.273859076f, -0.0473247192f,
                         0.107462757f,   0.0741696541f, 0.0853576039f, 0.0845940032f};
  simd_float tail = bell * t * simd_polynomial(t, ratio, 9);
  *density = bell * 0.398942280f;
  return simd_select(v > 0, 1 - tail, tail);
}

/* The argument of the sigmoid by which GELU's tanh form is v * sigmoid(..), and its derivative. */
SIMD_INLINE simd_float simd_gelu_slope(simd_float v, simd_float *derivative) {
  *derivative = 1.59576912f + 0.214064497f * (v * v); /* 2 sqrt(2/pi) (1 + 3 * 0.044715 v^2) */
  return v * (1.59576912f + 0.0713548323f * (v * v));
}

SIMD_INLINE simd_float simd_activate(simd_float v, scion_activation activation) {
  simd_float unused;
  switch (activation) {
    case SCION_RELU: return simd_max((simd_float){0}, v); /* in this order NaN stays */
    case SCION_RELU6: return simd_min(simd_set(6), simd_max((simd_float){0}, v));
    case SCION_SIGMOID: return simd_sigmoid(v, &unused);
    case SCION_TANH: return simd_tanh(v);
    case SCION_SWISH: return v * simd_sigmoid(v, &unused);
    case SCION_HARD_SWISH: return v * simd_hard_sigmoid(v);
    case SCION_HARD_SIGMOID: return simd_hard_sigmoid(v);
    case SCION_GELU: return v * simd_normal(v, &unused);
    case SCION_GELU_TANH: return v * simd_sigmoid(simd_gelu_slope(v, &unused), &unused);
    default: return v;
  }
}

/* dy * act'(x) from y = act(x), for the activations that are computed from it: those up to tanh. */
SIMD_INLINE float scion_activation_gradient(float y, float dy, scion_activation activation) {
  switch (activation) {
    case SCION_RELU: return y > 0 ? dy : 0;
    case SCION_RELU6: return y > 0 && y < 6 ? dy : 0;
    case SCION_SIGMOID: return dy * y * (1 - y);
    case SCION_TANH: return dy * (1 - y * y);
    default: return dy;
  }
}

/* act'(x) for the others. */
SIMD_INLINE simd_float simd_activation_slope(simd_float x, scion_activation activation) {
  simd_float share, rest, density, derivative, bent = simd_select((x > -3) & (x < 3), simd_set(1.0f / 6), (simd_float){0});
  switch (activation) {
    case SCION_SWISH: share = simd_sigmoid(x, &rest); return share * (1 + x * rest);
    case SCION_HARD_SWISH: return simd_hard_sigmoid(x) + x * bent;
    case SCION_HARD_SIGMOID: return bent;
    case SCION_GELU: share = simd_normal(x, &density); return share + x * density;
    default: share = simd_sigmoid(simd_gelu_slope(x, &derivative), &rest); return share * (1 + x * derivative * rest);
  }
}

#endif
