/* Convolution, from the formulas of scion.h. */
#include "kernels/reference/conv2d.h"

#include <string.h>

#include "kernels/reference/reference.h"

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
  const real *x = t->first + at.x, *w = t->second + at.w;
  real *restrict y = t->out + at.y;
  for (int64_t c = 0, ci = t->d->ci, co = t->d->co; c < ci; c++, w += co)
    for (int64_t o = 0; o < co; o++) y[o] += x[c] * w[o];
}

static void input_tap(void *data, triple at) {
  const job *t = data;
  const real *dy = t->first + at.y, *w = t->second + at.w;
  real *restrict dx = t->out + at.x;
  for (int64_t c = 0, ci = t->d->ci, co = t->d->co; c < ci; c++, w += co)
    for (int64_t o = 0; o < co; o++) dx[c] += dy[o] * w[o];
}

static void weights_tap(void *data, triple at) {
  const job *t = data;
  const real *x = t->first + at.x, *dy = t->second + at.y;
  real *restrict dw = t->out + at.w;
  for (int64_t c = 0, ci = t->d->ci, co = t->d->co; c < ci; c++, dw += co)
    for (int64_t o = 0; o < co; o++) dw[o] += x[c] * dy[o];
}

static void clear(real *out, int64_t count) { memset(out, 0, (size_t)count * sizeof *out); }

void reference_conv2d_forward(const reference_conv2d *d, const real *x, const real *w, const real *bias, const real *addend,
                              real *y, scion_activation activation) {
  int64_t count = d->n * d->oh * d->ow * d->co;
  clear(y, count);
  each_tap(d, forward_tap, &(job){d, x, w, y});
  for (int64_t i = 0; i < count; i++)
    y[i] = reference_activate(y[i] + (bias ? bias[i % d->co] : 0) + (addend ? addend[i] : 0), activation);
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
