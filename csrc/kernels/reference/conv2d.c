/* Convolution, from the formulas of scion.h. */
#include "kernels/reference/conv2d.h"

#include <math.h>
#include <string.h>

static real activate(real v, scion_activation activation) {
  switch (activation) {
    case SCION_RELU: return v < 0 ? 0 : v;
    case SCION_RELU6: return v < 0 ? 0 : v > 6 ? 6 : v;
    case SCION_SIGMOID: return 1 / (1 + (real)exp(-v));
    case SCION_TANH: return (real)tanh(v);
    default: return v;
  }
}

typedef struct {
  int64_t x, w, y; /* where the first channels of the three lie */
} triple;

/* Calls visit for every (n, i, j, r, s) whose tap lies inside the image. */
static void each_tap(const reference_conv2d *d, void (*visit)(void *data, triple at), void *data) {
  const scion_window *k = &d->window;
  for (int64_t n = 0; n < d->n; n++)
    for (int64_t i = 0; i < d->oh; i++)
      for (int64_t j = 0; j < d->ow; j++)
        for (int64_t r = 0; r < k->kernel[0]; r++)
          for (int64_t s = 0; s < k->kernel[1]; s++) {
            int64_t h = i * k->stride[0] + r * k->dilation[0] - k->before[0];
            int64_t w = j * k->stride[1] + s * k->dilation[1] - k->before[1];
            if (h < 0 || h >= d->h || w < 0 || w >= d->w) continue;
            visit(data, (triple){((n * d->h + h) * d->w + w) * d->ci, (r * k->kernel[1] + s) * d->ci * d->co,
                                 ((n * d->oh + i) * d->ow + j) * d->co});
          }
}

typedef struct {
  const reference_conv2d *d;
  const real *first, *second;
  real *out;
} job;

static void forward_tap(void *data, triple at) {
  const job *t = data;
  for (int64_t c = 0; c < t->d->ci; c++)
    for (int64_t o = 0; o < t->d->co; o++) t->out[at.y + o] += t->first[at.x + c] * t->second[at.w + c * t->d->co + o];
}

static void input_tap(void *data, triple at) {
  const job *t = data;
  for (int64_t c = 0; c < t->d->ci; c++)
    for (int64_t o = 0; o < t->d->co; o++) t->out[at.x + c] += t->first[at.y + o] * t->second[at.w + c * t->d->co + o];
}

static void weights_tap(void *data, triple at) {
  const job *t = data;
  for (int64_t c = 0; c < t->d->ci; c++)
    for (int64_t o = 0; o < t->d->co; o++) t->out[at.w + c * t->d->co + o] += t->first[at.x + c] * t->second[at.y + o];
}

static void clear(real *out, int64_t count) { memset(out, 0, (size_t)count * sizeof *out); }

void reference_conv2d_forward(const reference_conv2d *d, const real *x, const real *w, const real *bias, const real *addend,
                              real *y, scion_activation activation) {
  int64_t count = d->n * d->oh * d->ow * d->co;
  clear(y, count);
  each_tap(d, forward_tap, &(job){d, x, w, y});
  for (int64_t i = 0; i < count; i++)
    y[i] = activate(y[i] + (bias ? bias[i % d->co] : 0) + (addend ? addend[i] : 0), activation);
}

void reference_conv2d_backward_input(const reference_conv2d *d, const real *dy, const real *w, real *dx, int accumulate) {
  if (!accumulate) clear(dx, d->n * d->h * d->w * d->ci);
  each_tap(d, input_tap, &(job){d, dy, w, dx});
}

void reference_conv2d_backward_weights(const reference_conv2d *d, const real *x, const real *dy, real *dw) {
  clear(dw, d->window.kernel[0] * (int64_t)d->window.kernel[1] * d->ci * d->co);
  each_tap(d, weights_tap, &(job){d, x, dy, dw});
}

void reference_bias_backward(int64_t rows, int64_t channels, const real *dy, real *db) {
  clear(db, channels);
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < channels; c++) db[c] += dy[r * channels + c];
}
