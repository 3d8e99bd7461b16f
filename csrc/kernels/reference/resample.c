/* Adaptive average pooling and upsampling, written as in their definitions; the gradients scatter what the forward pass gathers. */
#include "kernels/reference/reference.h"

#include <math.h>

/* For every pair of an input and an output pixel that meet: visit(weight). */
typedef void visit_function(void *data, int64_t x_pixel, int64_t y_pixel, double weight);

static void each_adaptive(const int64_t *xs, const int64_t *ys, visit_function *visit, void *data) {
  for (int64_t n = 0; n < ys[0]; n++)
    for (int64_t i = 0; i < ys[1]; i++)
      for (int64_t j = 0; j < ys[2]; j++) {
        int64_t top = (int64_t)floor((double)(i * xs[1]) / (double)ys[1]), bottom = (int64_t)ceil((double)((i + 1) * xs[1]) / (double)ys[1]);
        int64_t left = (int64_t)floor((double)(j * xs[2]) / (double)ys[2]), right = (int64_t)ceil((double)((j + 1) * xs[2]) / (double)ys[2]);
        for (int64_t h = top; h < bottom; h++)
          for (int64_t w = left; w < right; w++)
            visit(data, (n * xs[1] + h) * xs[2] + w, (n * ys[1] + i) * ys[2] + j, 1.0 / (double)((bottom - top) * (right - left)));
      }
}

/* The two pixels beside a place between 0 and size - 1, and how near it is to the second. */
static double between(int64_t out, int64_t factor, int64_t size, int64_t pixels[2]) {
  double at = ((double)out + 0.5) / (double)factor - 0.5;
  if (at < 0) at = 0;
  if (at > (double)(size - 1)) at = (double)(size - 1);
  pixels[0] = (int64_t)floor(at);
  pixels[1] = pixels[0] + 1 < size ? pixels[0] + 1 : pixels[0];
  return at - floor(at);
}

static void each_upsampled(const int64_t *xs, const int64_t *ys, int bilinear, visit_function *visit, void *data) {
  for (int64_t n = 0; n < ys[0]; n++)
    for (int64_t i = 0; i < ys[1]; i++)
      for (int64_t j = 0; j < ys[2]; j++) {
        int64_t fh = ys[1] / xs[1], fw = ys[2] / xs[2], v[2] = {i / fh, i / fh}, h[2] = {j / fw, j / fw}, y = (n * ys[1] + i) * ys[2] + j;
        double down = bilinear ? between(i, fh, xs[1], v) : 0, right = bilinear ? between(j, fw, xs[2], h) : 0;
        for (int corner = 0; corner < 4; corner++)
          visit(data, (n * xs[1] + v[corner / 2]) * xs[2] + h[corner % 2], y,
                (corner / 2 ? down : 1 - down) * (corner % 2 ? right : 1 - right));
      }
}

typedef struct {
  const real *from;
  real *to;
  int64_t channels;
  int backward;
} move;

static void move_pixel(void *data, int64_t x_pixel, int64_t y_pixel, double weight) {
  move *m = data;
  const real *from = m->from + (m->backward ? y_pixel : x_pixel) * m->channels;
  real *to = m->to + (m->backward ? x_pixel : y_pixel) * m->channels;
  for (int64_t c = 0; c < m->channels; c++) to[c] += (real)weight * from[c];
}

void reference_adaptive_average_pool(const real *from, const int64_t *x_shape, real *to, const int64_t *y_shape, int backward) {
  each_adaptive(x_shape, y_shape, move_pixel, &(move){from, to, x_shape[3], backward});
}

void reference_upsample(const real *from, const int64_t *x_shape, real *to, const int64_t *y_shape, int bilinear, int backward) {
  each_upsampled(x_shape, y_shape, bilinear, move_pixel, &(move){from, to, x_shape[3], backward});
}
