/* The optimizers. */
#include "kernels/reference/reference.h"

#include <math.h>

void reference_sgd(real *w, const real *g, real *m, int64_t n, double lr, double momentum, int nesterov, double decay) {
  for (int64_t i = 0; i < n; i++) {
    w[i] -= (real)(lr * decay) * w[i];
    if (momentum == 0) {
      w[i] -= (real)lr * g[i];
    } else {
      m[i] = (real)momentum * m[i] - (real)lr * g[i];
      w[i] += nesterov ? (real)momentum * m[i] - (real)lr * g[i] : m[i];
    }
  }
}

void reference_rmsprop(real *w, const real *g, real *v, real *m, int64_t n, double lr, double rho, double momentum,
                       double epsilon, double decay) {
  for (int64_t i = 0; i < n; i++) {
    w[i] -= (real)(lr * decay) * w[i];
    v[i] = (real)rho * v[i] + (real)(1 - rho) * g[i] * g[i];
    real step = (real)lr * g[i] / (real)sqrt((double)v[i] + epsilon);
    if (momentum != 0) step = m[i] = (real)momentum * m[i] + step;
    w[i] -= step;
  }
}

void reference_adam(real *w, const real *g, real *m, real *v, int64_t n, double lr, double beta1, double beta2, double epsilon,
                    int64_t step, double decay) {
  double a = lr * sqrt(1 - pow(beta2, (double)step)) / (1 - pow(beta1, (double)step));
  for (int64_t i = 0; i < n; i++) {
    w[i] -= (real)(lr * decay) * w[i];
    m[i] = (real)beta1 * m[i] + (real)(1 - beta1) * g[i];
    v[i] = (real)beta2 * v[i] + (real)(1 - beta2) * g[i] * g[i];
    w[i] -= (real)a * m[i] / ((real)sqrt((double)v[i]) + (real)epsilon);
  }
}

void reference_adagrad(real *w, const real *g, real *v, int64_t n, double lr, double epsilon, double decay) {
  for (int64_t i = 0; i < n; i++) {
    v[i] += g[i] * g[i];
    w[i] -= (real)(lr * decay) * w[i] + (real)lr * g[i] / (real)sqrt((double)v[i] + epsilon);
  }
}

void reference_lion(real *w, const real *g, real *m, int64_t n, double lr, double beta1, double beta2, double decay) {
  for (int64_t i = 0; i < n; i++) {
    real c = (real)beta1 * m[i] + (real)(1 - beta1) * g[i];
    w[i] -= (real)lr * (real)((c > 0) - (c < 0)) + (real)(lr * decay) * w[i];
    m[i] = (real)beta2 * m[i] + (real)(1 - beta2) * g[i];
  }
}

static real lamb_direction(real w, real m, real v, double beta1, double beta2, double epsilon, int64_t step, double decay) {
  real mean = m / (real)(1 - pow(beta1, (double)step)), square = v / (real)(1 - pow(beta2, (double)step));
  return mean / ((real)sqrt((double)square) + (real)epsilon) + (real)decay * w;
}

void reference_lamb(real *w, const real *g, real *m, real *v, int64_t n, double lr, double beta1, double beta2, double epsilon,
                    int64_t step, double decay) {
  real weights = 0, updates = 0;
  for (int64_t i = 0; i < n; i++) {
    m[i] = (real)beta1 * m[i] + (real)(1 - beta1) * g[i];
    v[i] = (real)beta2 * v[i] + (real)(1 - beta2) * g[i] * g[i];
    real u = lamb_direction(w[i], m[i], v[i], beta1, beta2, epsilon, step, decay);
    weights += w[i] * w[i], updates += u * u;
  }
  double ratio = weights > 0 && updates > 0 ? sqrt((double)weights / (double)updates) : 1;
  for (int64_t i = 0; i < n; i++) w[i] -= (real)(lr * ratio) * lamb_direction(w[i], m[i], v[i], beta1, beta2, epsilon, step, decay);
}
