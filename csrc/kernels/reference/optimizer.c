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
