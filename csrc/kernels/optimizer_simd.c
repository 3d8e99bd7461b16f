/* The steps of the optimizers, one pass over the parameters and their state. */
#include <math.h>

#include "loops.h"

SIMD_INLINE void sgd_momentum(float *w, const float *g, float *m, int64_t n, float lr, float momentum, float decay,
                              int nesterov) {
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float step = momentum * m[i] - lr * g[i];
    m[i] = step;
    w[i] = w[i] - decay * w[i] + (nesterov ? momentum * step - lr * g[i] : step);
  }
}

void SIMD(scion_loop_sgd)(float *w, const float *g, float *m, int64_t n, float lr, float momentum, int nesterov, float decay) {
  if (momentum == 0) {
    SIMD_LOOP
    for (int64_t i = 0; i < n; i++) w[i] = w[i] - decay * w[i] - lr * g[i];
  } else if (nesterov) {
    sgd_momentum(w, g, m, n, lr, momentum, decay, 1);
  } else {
    sgd_momentum(w, g, m, n, lr, momentum, decay, 0);
  }
}

void SIMD(scion_loop_rmsprop)(float *w, const float *g, float *v, float *m, int64_t n, float lr, float rho, float rest,
                              float momentum, float epsilon, float decay) {
  if (momentum == 0) {
    SIMD_LOOP
    for (int64_t i = 0; i < n; i++) {
      v[i] = rho * v[i] + rest * g[i] * g[i];
      w[i] = w[i] - decay * w[i] - lr * g[i] / sqrtf(v[i] + epsilon);
    }
  } else {
    SIMD_LOOP
    for (int64_t i = 0; i < n; i++) {
      v[i] = rho * v[i] + rest * g[i] * g[i];
      m[i] = momentum * m[i] + lr * g[i] / sqrtf(v[i] + epsilon);
      w[i] = w[i] - decay * w[i] - m[i];
    }
  }
}

void SIMD(scion_loop_adam)(float *w, const float *g, float *m, float *v, int64_t n, float a, float rest1, float rest2,
                           float epsilon, float decay) {
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    m[i] += (g[i] - m[i]) * rest1;
    v[i] += (g[i] * g[i] - v[i]) * rest2;
    w[i] = w[i] - decay * w[i] - a * m[i] / (sqrtf(v[i]) + epsilon);
  }
}
