/* The steps of the optimizers, one pass over the parameters and their state. A weight whose new value, or new state, would not be
 * finite keeps both as they were; how many there are is returned. */
#include <float.h>
#include <math.h>

#include "loops.h"

/* All bits where x is finite, else none: its exponent is not all ones. */
SIMD_INLINE int32_t finite_mask(float x) { return -(fabsf(x) <= FLT_MAX); }

/* a where the mask has all bits, b where it has none. Written with ?: this becomes stores under a mask, which are several times
 * as slow as a choice among values. */
SIMD_INLINE float choose(int32_t mask, float a, float b) {
  int32_t x, y;
  memcpy(&x, &a, sizeof x);
  memcpy(&y, &b, sizeof y);
  x = (mask & x) | (~mask & y);
  memcpy(&a, &x, sizeof a);
  return a;
}

SIMD_INLINE int64_t sgd_momentum(float *w, const float *g, float *m, int64_t n, float lr, float momentum, float decay,
                                 int nesterov) {
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float step = momentum * m[i] - lr * g[i];
    float next = w[i] - decay * w[i] + (nesterov ? momentum * step - lr * g[i] : step);
    int32_t good = finite_mask(step) & finite_mask(next);
    m[i] = choose(good, step, m[i]);
    w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

int64_t SIMD(scion_loop_sgd)(float *w, const float *g, float *m, int64_t n, float lr, float momentum, int nesterov, float decay) {
  if (momentum != 0) return nesterov ? sgd_momentum(w, g, m, n, lr, momentum, decay, 1) : sgd_momentum(w, g, m, n, lr, momentum, decay, 0);
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float next = w[i] - decay * w[i] - lr * g[i];
    int32_t good = finite_mask(next);
    w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

int64_t SIMD(scion_loop_rmsprop)(float *w, const float *g, float *v, float *m, int64_t n, float lr, float rho, float rest,
                                 float momentum, float epsilon, float decay) {
  int32_t refused = 0;
  if (momentum == 0) {
    SIMD_LOOP
    for (int64_t i = 0; i < n; i++) {
      float square = rho * v[i] + rest * g[i] * g[i];
      float next = w[i] - decay * w[i] - lr * g[i] / sqrtf(square + epsilon);
      int32_t good = finite_mask(square) & finite_mask(next);
      v[i] = choose(good, square, v[i]);
      w[i] = choose(good, next, w[i]);
      refused += good + 1;
    }
  } else {
    SIMD_LOOP
    for (int64_t i = 0; i < n; i++) {
      float square = rho * v[i] + rest * g[i] * g[i];
      float step = momentum * m[i] + lr * g[i] / sqrtf(square + epsilon);
      float next = w[i] - decay * w[i] - step;
      int32_t good = finite_mask(square) & finite_mask(step) & finite_mask(next);
      v[i] = choose(good, square, v[i]);
      m[i] = choose(good, step, m[i]);
      w[i] = choose(good, next, w[i]);
      refused += good + 1;
    }
  }
  return refused;
}

int64_t SIMD(scion_loop_adam)(float *w, const float *g, float *m, float *v, int64_t n, float a, float rest1, float rest2,
                              float epsilon, float decay) {
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float mean = m[i] + (g[i] - m[i]) * rest1, square = v[i] + (g[i] * g[i] - v[i]) * rest2;
    float next = w[i] - decay * w[i] - a * mean / (sqrtf(square) + epsilon);
    int32_t good = finite_mask(mean) & finite_mask(square) & finite_mask(next);
    m[i] = choose(good, mean, m[i]);
    v[i] = choose(good, square, v[i]);
    w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}
