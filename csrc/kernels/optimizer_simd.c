/* The steps of the optimizers, one pass over the parameters and their state. A weight whose new value, or new state, would not be
 * finite keeps both as they were; how many there are is returned. Where `dry` is set nothing is written; each loop is there twice. */
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
                                 int nesterov, int dry) {
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float step = momentum * m[i] - lr * g[i];
    float next = w[i] - decay * w[i] + (nesterov ? momentum * step - lr * g[i] : step);
    int32_t good = finite_mask(step) & finite_mask(next);
    if (!dry) m[i] = choose(good, step, m[i]);
    if (!dry) w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

SIMD_INLINE int64_t sgd(float *w, const float *g, float *m, int64_t n, float lr, float momentum, int nesterov, float decay, int dry) {
  if (momentum != 0)
    return nesterov ? sgd_momentum(w, g, m, n, lr, momentum, decay, 1, dry) : sgd_momentum(w, g, m, n, lr, momentum, decay, 0, dry);
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float next = w[i] - decay * w[i] - lr * g[i];
    int32_t good = finite_mask(next);
    if (!dry) w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

int64_t SIMD(scion_loop_sgd)(float *w, const float *g, float *m, int64_t n, float lr, float momentum, int nesterov, float decay, int dry) {
  return dry ? sgd(w, g, m, n, lr, momentum, nesterov, decay, 1) : sgd(w, g, m, n, lr, momentum, nesterov, decay, 0);
}

SIMD_INLINE int64_t rmsprop(float *w, const float *g, float *v, float *m, int64_t n, float lr, float rho, float rest, float momentum,
                            float epsilon, float decay, int dry) {
  int32_t refused = 0;
  if (momentum == 0) {
    SIMD_LOOP
    for (int64_t i = 0; i < n; i++) {
      float square = rho * v[i] + rest * g[i] * g[i];
      float next = w[i] - decay * w[i] - lr * g[i] / sqrtf(square + epsilon);
      int32_t good = finite_mask(square) & finite_mask(next);
      if (!dry) v[i] = choose(good, square, v[i]);
      if (!dry) w[i] = choose(good, next, w[i]);
      refused += good + 1;
    }
  } else {
    SIMD_LOOP
    for (int64_t i = 0; i < n; i++) {
      float square = rho * v[i] + rest * g[i] * g[i];
      float step = momentum * m[i] + lr * g[i] / sqrtf(square + epsilon);
      float next = w[i] - decay * w[i] - step;
      int32_t good = finite_mask(square) & finite_mask(step) & finite_mask(next);
      if (!dry) v[i] = choose(good, square, v[i]);
      if (!dry) m[i] = choose(good, step, m[i]);
      if (!dry) w[i] = choose(good, next, w[i]);
      refused += good + 1;
    }
  }
  return refused;
}

int64_t SIMD(scion_loop_rmsprop)(float *w, const float *g, float *v, float *m, int64_t n, float lr, float rho, float rest, float momentum,
                                 float epsilon, float decay, int dry) {
  return dry ? rmsprop(w, g, v, m, n, lr, rho, rest, momentum, epsilon, decay, 1) : rmsprop(w, g, v, m, n, lr, rho, rest, momentum, epsilon, decay, 0);
}

SIMD_INLINE int64_t adam(float *w, const float *g, float *m, float *v, int64_t n, float a, float rest1, float rest2, float epsilon,
                         float decay, int dry) {
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float mean = m[i] + (g[i] - m[i]) * rest1, square = v[i] + (g[i] * g[i] - v[i]) * rest2;
    float next = w[i] - decay * w[i] - a * mean / (sqrtf(square) + epsilon);
    int32_t good = finite_mask(mean) & finite_mask(square) & finite_mask(next);
    if (!dry) m[i] = choose(good, mean, m[i]);
    if (!dry) v[i] = choose(good, square, v[i]);
    if (!dry) w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

int64_t SIMD(scion_loop_adam)(float *w, const float *g, float *m, float *v, int64_t n, float a, float rest1, float rest2, float epsilon,
                              float decay, int dry) {
  return dry ? adam(w, g, m, v, n, a, rest1, rest2, epsilon, decay, 1) : adam(w, g, m, v, n, a, rest1, rest2, epsilon, decay, 0);
}

SIMD_INLINE int64_t adagrad(float *w, const float *g, float *v, int64_t n, float lr, float epsilon, float decay, int dry) {
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float square = v[i] + g[i] * g[i];
    float next = w[i] - decay * w[i] - lr * g[i] / sqrtf(square + epsilon);
    int32_t good = finite_mask(square) & finite_mask(next);
    if (!dry) v[i] = choose(good, square, v[i]);
    if (!dry) w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

int64_t SIMD(scion_loop_adagrad)(float *w, const float *g, float *v, int64_t n, float lr, float epsilon, float decay, int dry) {
  return dry ? adagrad(w, g, v, n, lr, epsilon, decay, 1) : adagrad(w, g, v, n, lr, epsilon, decay, 0);
}

SIMD_INLINE int64_t lion(float *w, const float *g, float *m, int64_t n, float lr, float rest1, float rest2, float decay, int dry) {
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float direction = m[i] + (g[i] - m[i]) * rest1, mean = m[i] + (g[i] - m[i]) * rest2;
    float next = w[i] - decay * w[i] - lr * (float)((direction > 0) - (direction < 0));
    int32_t good = finite_mask(mean) & finite_mask(next);
    if (!dry) m[i] = choose(good, mean, m[i]);
    if (!dry) w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

int64_t SIMD(scion_loop_lion)(float *w, const float *g, float *m, int64_t n, float lr, float rest1, float rest2, float decay, int dry) {
  return dry ? lion(w, g, m, n, lr, rest1, rest2, decay, 1) : lion(w, g, m, n, lr, rest1, rest2, decay, 0);
}

#define SPAN 1024 /* elements whose squares are summed in f32, before their sum is added to a double */

static double sum_of_squares(const float *x, int64_t n) {
  double total = 0;
  int64_t i = 0;
  simd_float sum = {0};
  for (; i + SIMD_WIDTH <= n; i += SIMD_WIDTH) sum += simd_load(x + i) * simd_load(x + i);
  for (int lane = 0; lane < SIMD_WIDTH; lane++) total += (double)sum[lane];
  for (; i < n; i++) total += (double)x[i] * (double)x[i];
  return total;
}

/* The new moments of element i, and in which direction they move its weight. */
SIMD_INLINE float lamb_direction(const scion_lamb *o, const float *w, const float *g, const float *m, const float *v, int64_t i,
                                 float *mean, float *square) {
  *mean = m[i] + (g[i] - m[i]) * o->rest1;
  *square = v[i] + (g[i] * g[i] - v[i]) * o->rest2;
  return *mean * o->scale1 / (sqrtf(*square * o->scale2) + o->epsilon) + o->decay * w[i];
}

void SIMD(scion_loop_lamb_norms)(const scion_lamb *o, const float *w, const float *g, const float *m, const float *v, int64_t n,
                                 double *norms) {
  float u[SPAN];
  for (int64_t from = 0; from < n; from += SPAN) {
    int64_t count = n - from < SPAN ? n - from : SPAN;
    SIMD_LOOP
    for (int64_t i = 0; i < count; i++) {
      float mean, square, direction = lamb_direction(o, w + from, g + from, m + from, v + from, i, &mean, &square);
      u[i] = choose(finite_mask(mean) & finite_mask(square) & finite_mask(direction), direction, 0);
    }
    norms[0] += sum_of_squares(w + from, count), norms[1] += sum_of_squares(u, count);
  }
}

SIMD_INLINE int64_t lamb(const scion_lamb *o, float *w, const float *g, float *m, float *v, int64_t n, float lr, int dry) {
  int32_t refused = 0;
  SIMD_LOOP
  for (int64_t i = 0; i < n; i++) {
    float mean, square, next = w[i] - lr * lamb_direction(o, w, g, m, v, i, &mean, &square);
    int32_t good = finite_mask(mean) & finite_mask(square) & finite_mask(next);
    if (!dry) m[i] = choose(good, mean, m[i]);
    if (!dry) v[i] = choose(good, square, v[i]);
    if (!dry) w[i] = choose(good, next, w[i]);
    refused += good + 1;
  }
  return refused;
}

int64_t SIMD(scion_loop_lamb)(const scion_lamb *o, float *w, const float *g, float *m, float *v, int64_t n, float lr, int dry) {
  return dry ? lamb(o, w, g, m, v, n, lr, 1) : lamb(o, w, g, m, v, n, lr, 0);
}
