/* Convolution in groups against the plain reference of a dense convolution whose kernel is zero between groups. */
#include "test.h"

#include <string.h>

#include "kernels/reference/conv2d.h"
#include "kernels/reference/reference.h"

typedef struct {
  reference_conv2d d; /* dense: ci and co count all channels */
  int groups;
  scion_tensor x, w, scale, bias, addend, y, packed, transposed;
} problem;

static problem new_problem(reference_conv2d d, int groups, int gap) {
  d.oh = scion_window_output(&d.window, 0, d.h);
  d.ow = scion_window_output(&d.window, 1, d.w);
  problem p = {.d = d, .groups = groups};
  p.x = SLICE(gap, d.n, d.h, d.w, d.ci);
  p.w = TENSOR(d.window.kernel[0], d.window.kernel[1], d.ci / groups, d.co);
  /* sums of a size where an activation bends: it would stretch what large ones are off by */
  scion_random_normal(&p.w, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 1 / sqrtf((float)scion_tensor_rows(&p.w)));
  p.scale = TENSOR(d.co);
  p.bias = TENSOR(d.co);
  p.addend = TENSOR(d.n, d.oh, d.ow, d.co);
  p.y = SLICE(gap, d.n, d.oh, d.ow, d.co);
  p.packed = TENSOR(scion_grouped_conv2d_packed_elements(&p.w, groups, 0));
  p.transposed = TENSOR(scion_grouped_conv2d_packed_elements(&p.w, groups, 1));
  return p;
}

static void end_problem(problem *p) {
  scion_tensor *tensors[] = {&p->x, &p->w, &p->scale, &p->bias, &p->addend, &p->y, &p->packed, &p->transposed};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) scion_tensor_release(tensors[i]);
}

static const char *describe(const problem *p) {
  static char text[200];
  char x[SCION_SHAPE_TEXT], w[SCION_SHAPE_TEXT];
  snprintf(text, sizeof text, "x %s, w %s, %d groups, stride %dx%d, padding %d,%d", scion_shape_text(&p->x, x, sizeof x),
           scion_shape_text(&p->w, w, sizeof w), p->groups, p->d.window.stride[0], p->d.window.stride[1], p->d.window.before[0],
           p->d.window.before[1]);
  return text;
}

/* Where a weight of w lies in the dense kernel. */
static int64_t dense_place(const problem *p, int64_t weight) {
  int64_t in = p->d.ci / p->groups, out = p->d.co / p->groups;
  int64_t o = weight % p->d.co, c = weight / p->d.co % in, tap = weight / p->d.co / in;
  return (tap * p->d.ci + o / out * in + c) * p->d.co + o;
}

static real *dense_kernel(const problem *p, bool scaled) {
  real *dense = calloc((size_t)(p->d.window.kernel[0] * (int64_t)p->d.window.kernel[1] * p->d.ci * p->d.co), sizeof *dense);
  const float *w = p->w.data, *scale = p->scale.data;
  for (int64_t i = 0; i < scion_tensor_elements(&p->w); i++) dense[dense_place(p, i)] = (real)w[i] * (scaled ? (real)scale[i % p->d.co] : 1);
  return dense;
}

/* Relative to the largest element, or to 1: a single number may be what two larger ones have left of each other. */
static void close_to(int line, const scion_tensor *t, const real *expected, const problem *p) {
  double distance = test_distance(t, expected), size = 0;
  for (int64_t i = 0, n = scion_tensor_elements(t); i < n; i++) size = fmax(size, fabs((double)expected[i]));
  if (size > 0 && size < 1) distance *= size;
  CHECK(distance < 1e-5, "off by %g (line %d): %s", distance, line, describe(p));
}
#define CLOSE(tensor, expected, p) close_to(__LINE__, tensor, expected, p)

static void test_forward(problem *p, bool scaled, bool biased, bool added, scion_activation activation) {
  real *x = test_real(&p->x), *w = dense_kernel(p, scaled), *bias = test_real(&p->bias), *addend = test_real(&p->addend), *y = test_real(&p->y);
  OK(scion_grouped_conv2d_pack(&p->w, scaled ? &p->scale : NULL, p->groups, &p->packed));
  scion_tensor_fill(&p->y, NAN);
  OK(scion_grouped_conv2d_forward(&p->x, &p->packed, biased ? &p->bias : NULL, added ? &p->addend : NULL, &p->y, &p->d.window, p->groups,
                                  activation));
  reference_conv2d_forward(&p->d, x, w, biased ? bias : NULL, added ? addend : NULL, y, activation);
  CLOSE(&p->y, y, p);
  CHECK(test_gaps_untouched(&p->y), "forward wrote into a gap: %s", describe(p));
  free(x), free(w), free(bias), free(addend), free(y);
}

/* y serves as dy. */
static void test_backward(problem *p, bool scaled) {
  const reference_conv2d *d = &p->d;
  scion_random_normal(&p->y, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 1);
  scion_tensor dx = SLICE((int)(p->x.row_stride - d->ci), d->n, d->h, d->w, d->ci);
  scion_tensor dw = TENSOR(d->window.kernel[0], d->window.kernel[1], d->ci / p->groups, d->co);
  real *x = test_real(&p->x), *w = dense_kernel(p, scaled), *dy = test_real(&p->y), *before = test_real(&dx), *expected = test_real(&dx);
  real *dense = dense_kernel(p, false), *expected_dw = test_real(&dw);
  OK(scion_grouped_conv2d_pack_transposed(&p->w, scaled ? &p->scale : NULL, &d->window, p->groups, &p->transposed));
  reference_conv2d_backward_input(d, dy, w, expected, 0);
  for (int64_t i = 0; i < scion_tensor_elements(&dx); i++) before[i] += expected[i];
  OK(scion_grouped_conv2d_backward_input(&p->y, &p->transposed, &dx, &d->window, p->groups, 1));
  CLOSE(&dx, before, p);
  scion_tensor_fill(&dx, NAN);
  OK(scion_grouped_conv2d_backward_input(&p->y, &p->transposed, &dx, &d->window, p->groups, 0));
  CLOSE(&dx, expected, p);
  CHECK(test_gaps_untouched(&dx), "the gradient to the input wrote into a gap: %s", describe(p));
  scion_tensor_fill(&dw, NAN);
  OK(scion_grouped_conv2d_backward_weights(&p->x, &p->y, &dw, &d->window, p->groups));
  reference_conv2d_backward_weights(d, x, dy, dense);
  for (int64_t i = 0; i < scion_tensor_elements(&dw); i++) expected_dw[i] = dense[dense_place(p, i)];
  CLOSE(&dw, expected_dw, p);
  free(x), free(w), free(dy), free(before), free(expected), free(dense), free(expected_dw);
  scion_tensor_release(&dx);
  scion_tensor_release(&dw);
}

static void test_all(reference_conv2d d, int groups, int gap) {
  problem p = new_problem(d, groups, gap);
  bool scaled = test_integer(0, 1);
  test_forward(&p, scaled, test_integer(0, 1), test_integer(0, 1), (scion_activation)test_integer(0, SCION_ACTIVATIONS - 1));
  test_backward(&p, scaled);
  end_problem(&p);
}

static scion_window window(int kernel, int stride, int padding) {
  return (scion_window){{kernel, kernel}, {stride, stride}, {1, 1}, {padding, padding}, {padding, padding}};
}

static void test_shapes(void) {
  const struct { int64_t ci, co; int groups; } channels[] = {{1, 1, 1}, {17, 17, 17}, {128, 128, 32}, {16, 16, 2}, {64, 64, 2}, {6, 9, 3}, {24, 48, 6}, {10, 5, 5},
                                                             {232, 232, 1}, {240, 240, 10}, {336, 336, 2}, {70, 35, 7}, {33, 11, 11}};
  for (size_t i = 0; i < sizeof channels / sizeof *channels; i++) {
    test_all((reference_conv2d){.n = 2, .h = 9, .w = 8, .ci = channels[i].ci, .co = channels[i].co, .window = window(3, 1 + (int)i % 2, 1)},
             channels[i].groups, (int)i % 3 * 4);
    test_all((reference_conv2d){.n = 1, .h = 1, .w = 1, .ci = channels[i].ci, .co = channels[i].co, .window = window(1, 3, 0)},
             channels[i].groups, 0);
  }
  test_all((reference_conv2d){.n = 3, .h = 41, .w = 39, .ci = 32, .co = 32, .window = window(3, 1, 1)}, 8, 0); /* several blocks and parts */
  for (int trial = 0; trial < 60;) {
    scion_window k;
    for (int axis = 0; axis < 2; axis++) {
      k.kernel[axis] = test_integer(1, 4);
      k.stride[axis] = test_integer(1, 3);
      k.dilation[axis] = test_integer(1, 2);
      k.before[axis] = test_integer(0, 3);
      k.after[axis] = test_integer(0, 3);
    }
    int groups = test_integer(1, 9);
    reference_conv2d d = {.n = test_integer(1, 3), .h = test_integer(1, 12), .w = test_integer(1, 12), .ci = groups * test_integer(1, 12),
                          .co = groups * test_integer(1, 12), .window = k};
    if (scion_window_output(&k, 0, d.h) < 1 || scion_window_output(&k, 1, d.w) < 1) continue;
    test_all(d, groups, test_integer(0, 1) * test_integer(1, 9));
    trial++;
  }
}

static void test_refusals(void) {
  problem p = new_problem((reference_conv2d){.n = 1, .h = 5, .w = 5, .ci = 4, .co = 6, .window = window(3, 1, 1)}, 2, 0);
  scion_tensor odd = TENSOR(1, 5, 5, 5), vector = TENSOR(7);
  const scion_window *k = &p.d.window, other = window(1, 1, 0);
  CHECK(scion_grouped_conv2d_packed_elements(&p.w, 4, 0) == 0 && scion_grouped_conv2d_packed_elements(&p.w, 0, 0) == 0, "no such groups");
  REFUSED(scion_grouped_conv2d_pack(&p.w, NULL, 4, &p.packed));
  CHECK(strstr(scion_error_message(), "3x3x2x6") && strstr(scion_error_message(), "4 groups"), "%s", scion_error_message());
  REFUSED(scion_grouped_conv2d_pack(&p.w, NULL, 2, &vector));
  REFUSED(scion_grouped_conv2d_pack(&p.w, &vector, 2, &p.packed));
  REFUSED(scion_grouped_conv2d_pack_transposed(&p.w, NULL, &other, 2, &p.transposed));
  REFUSED(scion_grouped_conv2d_forward(&odd, &p.packed, NULL, NULL, &p.y, k, 2, SCION_LINEAR));
  CHECK(strstr(scion_error_message(), "1x5x5x5") && strstr(scion_error_message(), "2 groups"), "%s", scion_error_message());
  REFUSED(scion_grouped_conv2d_forward(&p.x, &p.packed, NULL, NULL, &p.y, k, 0, SCION_LINEAR));
  REFUSED(scion_grouped_conv2d_forward(&p.x, &vector, NULL, NULL, &p.y, k, 2, SCION_LINEAR));
  REFUSED(scion_grouped_conv2d_forward(&p.x, &p.packed, NULL, NULL, &p.y, &other, 2, SCION_LINEAR));
  REFUSED(scion_grouped_conv2d_backward_input(&odd, &p.transposed, &p.x, k, 2, 0));
  REFUSED(scion_grouped_conv2d_backward_weights(&p.x, &p.y, &vector, k, 2));
  REFUSED(scion_grouped_conv2d_backward_weights(&p.x, &p.y, &p.w, &other, 2));
  scion_tensor_release(&odd);
  scion_tensor_release(&vector);
  end_problem(&p);
}

static void test_empty_batch(void) {
  problem p = new_problem((reference_conv2d){.n = 0, .h = 5, .w = 5, .ci = 4, .co = 6, .window = window(3, 1, 1)}, 2, 0);
  OK(scion_grouped_conv2d_forward(&p.x, &p.packed, &p.bias, NULL, &p.y, &p.d.window, 2, SCION_RELU));
  OK(scion_grouped_conv2d_backward_input(&p.y, &p.transposed, &p.x, &p.d.window, 2, 0));
  OK(scion_grouped_conv2d_backward_weights(&p.x, &p.y, &p.w, &p.d.window, 2));
  for (int64_t i = 0; i < scion_tensor_elements(&p.w); i++) CHECK(((const float *)p.w.data)[i] == 0, "the gradient of nothing is nothing");
  end_problem(&p);
}

/* The same bits for any number of threads. */
static void test_threads(void) {
  problem p = new_problem((reference_conv2d){.n = 2, .h = 33, .w = 35, .ci = 24, .co = 48, .window = window(3, 2, 1)}, 6, 0);
  scion_tensor results[9];
  const int threads[] = {1, 2, 5}, before = scion_threads();
  for (int t = 0; t < 3; t++) {
    scion_tensor *y = &results[3 * t], *dx = y + 1, *dw = y + 2;
    *y = TENSOR(p.d.n, p.d.oh, p.d.ow, p.d.co);
    *dx = TENSOR(p.d.n, p.d.h, p.d.w, p.d.ci);
    *dw = TENSOR(3, 3, p.d.ci / 6, p.d.co);
    OK(scion_set_threads(threads[t]));
    OK(scion_grouped_conv2d_pack(&p.w, NULL, 6, &p.packed));
    OK(scion_grouped_conv2d_pack_transposed(&p.w, NULL, &p.d.window, 6, &p.transposed));
    OK(scion_grouped_conv2d_forward(&p.x, &p.packed, &p.bias, NULL, y, &p.d.window, 6, SCION_SIGMOID));
    OK(scion_grouped_conv2d_backward_input(&p.y, &p.transposed, dx, &p.d.window, 6, 0));
    OK(scion_grouped_conv2d_backward_weights(&p.x, &p.y, dw, &p.d.window, 6));
  }
  OK(scion_set_threads(before));
  for (int i = 3; i < 9; i++)
    CHECK(memcmp(results[i % 3].data, results[i].data, (size_t)scion_tensor_elements(&results[i]) * sizeof(float)) == 0,
          "result %d differs between 1 and %d threads", i % 3, threads[i / 3]);
  for (int i = 0; i < 9; i++) scion_tensor_release(&results[i]);
  end_problem(&p);
}

int main(void) {
  test_begin("grouped_conv2d");
  test_shapes();
  test_refusals();
  test_empty_batch();
  test_threads();
  scion_threads_stop();
  return test_end();
}
