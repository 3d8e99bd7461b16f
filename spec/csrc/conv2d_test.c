/* Convolution: the plain reference against finite differences, the fast kernels against the reference. */
#include "conv2d_shapes.h"

#include <string.h>

#include "kernels/reference/reference.h"

/* ---- one convolution: its tensors, and the same numbers for the reference */

typedef struct {
  reference_conv2d d;
  scion_tensor x, w, scale, bias, addend, y, packed, transposed;
  real *rx, *rw, *rbias, *raddend, *ry; /* rw is scaled */
  double tolerance;
} problem;

static int64_t kernel_elements(const reference_conv2d *d) {
  return d->window.kernel[0] * (int64_t)d->window.kernel[1] * d->ci * d->co;
}

static problem new_problem(reference_conv2d d, int x_gap, int y_gap) {
  d.oh = scion_window_output(&d.window, 0, d.h);
  d.ow = scion_window_output(&d.window, 1, d.w);
  problem p = {.d = d, .tolerance = 1e-5};
  p.x = SLICE(x_gap, d.n, d.h, d.w, d.ci);
  p.w = TENSOR(d.window.kernel[0], d.window.kernel[1], d.ci, d.co);
  /* sums of a size where every activation bends, and none is saturated alone */
  scion_random_normal(&p.w, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 3 / sqrtf((float)scion_tensor_rows(&p.w)));
  p.scale = TENSOR(d.co);
  p.bias = TENSOR(d.co);
  p.addend = SLICE(y_gap ? 3 : 0, d.n, d.oh, d.ow, d.co);
  p.y = SLICE(y_gap, d.n, d.oh, d.ow, d.co);
  p.packed = TENSOR(scion_conv2d_packed_elements(&p.w, 0));
  p.transposed = TENSOR(scion_conv2d_packed_elements(&p.w, 1));
  p.rx = test_real(&p.x);
  p.rw = test_real(&p.w);
  p.rbias = test_real(&p.bias);
  p.raddend = test_real(&p.addend);
  p.ry = test_real(&p.y);
  return p;
}

static void end_problem(problem *p) {
  scion_tensor *tensors[] = {&p->x, &p->w, &p->scale, &p->bias, &p->addend, &p->y, &p->packed, &p->transposed};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) scion_tensor_release(tensors[i]);
  real *arrays[] = {p->rx, p->rw, p->rbias, p->raddend, p->ry};
  for (size_t i = 0; i < sizeof arrays / sizeof *arrays; i++) free(arrays[i]);
}

static void pack(problem *p, bool scaled) {
  OK(scion_conv2d_pack(&p->w, scaled ? &p->scale : NULL, &p->packed));
  OK(scion_conv2d_pack_transposed(&p->w, scaled ? &p->scale : NULL, &p->d.window, &p->transposed));
  if (!scaled) return;
  for (int64_t i = 0; i < kernel_elements(&p->d); i++) p->rw[i] *= (real)((const float *)p->scale.data)[i % p->d.co];
}

static const char *describe(const problem *p) {
  static char text[300];
  const scion_window *k = &p->d.window;
  char x[SCION_SHAPE_TEXT], w[SCION_SHAPE_TEXT];
  snprintf(text, sizeof text, "x %s (rows of %d), w %s, stride %dx%d, dilation %dx%d, padding %d,%d %d,%d, output rows of %d",
           scion_shape_text(&p->x, x, sizeof x), (int)p->x.row_stride, scion_shape_text(&p->w, w, sizeof w), k->stride[0],
           k->stride[1], k->dilation[0], k->dilation[1], k->before[0], k->after[0], k->before[1], k->after[1], (int)p->y.row_stride);
  return text;
}

/* Relative to the largest element, or to 1: a single number may be what two larger ones have left of each other. */
static void close_to(int line, const scion_tensor *t, const real *expected, const problem *p) {
  double distance = test_distance(t, expected), size = 0;
  for (int64_t i = 0, n = scion_tensor_elements(t); i < n; i++) size = fmax(size, fabs((double)expected[i]));
  if (size > 0 && size < 1) distance *= size;
  CHECK(distance < p->tolerance, "off by %g (line %d): %s", distance, line, describe(p));
}
#define CLOSE(tensor, expected, p) close_to(__LINE__, tensor, expected, p)

/* ---- the reference against finite differences of sum(y * g) */

typedef struct {
  problem *p;
  const real *g;
} loss_data;

static double weighted_output(void *data) {
  const loss_data *l = data;
  problem *p = l->p;
  double sum = 0;
  reference_conv2d_forward(&p->d, p->rx, p->rw, p->rbias, NULL, p->ry, SCION_LINEAR);
  for (int64_t i = 0; i < scion_tensor_elements(&p->y); i++) sum += (double)(p->ry[i] * l->g[i]);
  return sum;
}

static void test_reference(void) {
  for (int trial = 0; trial < 8; trial++) {
    scion_window k = {{test_integer(1, 3), test_integer(1, 3)}, {test_integer(1, 3), test_integer(1, 3)},
                      {test_integer(1, 2), test_integer(1, 2)}, {test_integer(0, 2), test_integer(0, 2)}, {1, 1}};
    problem p = new_problem((reference_conv2d){.n = 2, .h = 7, .w = 6, .ci = 3, .co = 2, .window = k}, 0, 0);
    real *g = test_real(&p.y);
    loss_data l = {&p, g};
    int64_t x_count = scion_tensor_elements(&p.x), w_count = kernel_elements(&p.d);
    real *gradient = calloc((size_t)(x_count + w_count + p.d.co), sizeof *gradient);
    reference_conv2d_backward_input(&p.d, g, p.rw, gradient, 0);
    CHECK(test_gradient(weighted_output, &l, p.rx, gradient, x_count, 40) < 1e-6, "to the input: %s", describe(&p));
    reference_conv2d_backward_weights(&p.d, p.rx, g, gradient);
    CHECK(test_gradient(weighted_output, &l, p.rw, gradient, w_count, 40) < 1e-6, "to the weights: %s", describe(&p));
    reference_bias_backward(p.d.n * p.d.oh * p.d.ow, p.d.co, g, gradient);
    CHECK(test_gradient(weighted_output, &l, p.rbias, gradient, p.d.co, 40) < 1e-6, "to the bias: %s", describe(&p));
    free(gradient);
    free(g);
    end_problem(&p);
  }
}

/* ---- the fast kernels against the reference */

/* Relative to the largest sum: activations do not stretch what the sums are off by, but they may make all outputs small. */
static void sums_close_to(problem *p, const real *bias, const real *addend, scion_activation activation) {
  double size = 1;
  reference_conv2d_forward(&p->d, p->rx, p->rw, bias, addend, p->ry, SCION_LINEAR);
  double largest = 0;
  for (int64_t i = 0, n = scion_tensor_elements(&p->y); i < n; i++) {
    size = fmax(size, fabs((double)p->ry[i]));
    p->ry[i] = reference_activate(p->ry[i], activation);
    largest = fmax(largest, fabs((double)p->ry[i]));
  }
  double distance = test_distance(&p->y, p->ry) * (largest > 0 ? largest : 1) / size;
  /* minimal filtering of 7 taps has the largest numbers in its transforms: mostly off by 2e-6, once by 1.02e-5 */
  bool seven = p->d.window.kernel[0] == 7 || p->d.window.kernel[1] == 7;
  CHECK(distance < (seven ? 2e-5 : 1e-5), "off by %g: %s", distance, describe(p));
}

static void test_forward(problem *p, bool biased, bool added, scion_activation activation) {
  scion_tensor_fill(&p->y, NAN); /* whatever was there does not matter */
  OK(scion_conv2d_forward(&p->x, &p->packed, biased ? &p->bias : NULL, added ? &p->addend : NULL, &p->y, &p->d.window, activation));
  sums_close_to(p, biased ? p->rbias : NULL, added ? p->raddend : NULL, activation);
  CHECK(test_gaps_untouched(&p->y), "forward wrote into a gap: %s", describe(p));
}

/* A convolution's gradient to its input, as that of scion.h. */
typedef scion_status input_gradient(const scion_tensor *dy, const scion_tensor *w, scion_tensor *dx, const scion_window *k, int accumulate);

/* Added to what dx holds, and then in place of it; dy has the elements of y. */
static void test_backward_input(problem *p, input_gradient *backward, const scion_tensor *w, const real *dy, scion_tensor *dx) {
  real *before = test_real(dx), *expected = test_real(dx);
  reference_conv2d_backward_input(&p->d, dy, p->rw, expected, 0);
  for (int64_t i = 0; i < scion_tensor_elements(dx); i++) before[i] += expected[i];
  OK(backward(&p->y, w, dx, &p->d.window, 1));
  CLOSE(dx, before, p);
  scion_tensor_fill(dx, NAN);
  OK(backward(&p->y, w, dx, &p->d.window, 0));
  CLOSE(dx, expected, p);
  CHECK(test_gaps_untouched(dx), "the gradient to the input wrote into a gap: %s", describe(p));
  free(before);
  free(expected);
}

/* y serves as dy. */
static void test_backward(problem *p) {
  const reference_conv2d *d = &p->d;
  scion_random_normal(&p->y, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 1);
  real *dy = test_real(&p->y);
  scion_tensor dx = SLICE((int)(p->x.row_stride - d->ci), d->n, d->h, d->w, d->ci);
  scion_tensor dw = TENSOR(d->window.kernel[0], d->window.kernel[1], d->ci, d->co), db = TENSOR(d->co);
  test_backward_input(p, scion_conv2d_backward_input, &p->transposed, dy, &dx);
  real *expected = test_real(&dw);
  scion_tensor_fill(&dw, NAN);
  OK(scion_conv2d_backward_weights(&p->x, &p->y, &dw, &d->window));
  reference_conv2d_backward_weights(d, p->rx, dy, expected);
  CLOSE(&dw, expected, p);
  free(expected);
  expected = test_real(&db);
  OK(scion_epilogue_backward(NULL, &p->y, &db, SCION_LINEAR));
  reference_bias_backward(d->n * d->oh * d->ow, d->co, dy, expected);
  CLOSE(&db, expected, p);
  free(expected);
  free(dy);
  scion_tensor_release(&dx);
  scion_tensor_release(&dw);
  scion_tensor_release(&db);
}

static void test_all(reference_conv2d d, int x_gap, int y_gap) {
  problem p = new_problem(d, x_gap, y_gap);
  pack(&p, test_integer(0, 1));
  test_forward(&p, test_integer(0, 1), test_integer(0, 1), (scion_activation)test_integer(0, SCION_ACTIVATIONS - 1));
  test_backward(&p);
  end_problem(&p);
}

static void test_chosen_shapes(void) {
  const reference_conv2d shapes[] = {
      {.n = 1, .h = 1, .w = 1, .ci = 1, .co = 1, .window = window(1, 1, 1, 0, 0)},
      {.n = 1, .h = 1, .w = 1, .ci = 300, .co = 70, .window = window(3, 3, 1, 1, 1)},
      {.n = 2, .h = 5, .w = 5, .ci = 17, .co = 17, .window = window(1, 1, 1, 0, 0)},
      {.n = 3, .h = 9, .w = 8, .ci = 17, .co = 33, .window = window(3, 3, 1, 1, 1)},
      {.n = 1, .h = 23, .w = 23, .ci = 3, .co = 32, .window = window(3, 3, 2, 0, 0)},
      {.n = 2, .h = 20, .w = 21, .ci = 3, .co = 64, .window = window(7, 7, 2, 3, 3)},
      {.n = 1, .h = 11, .w = 11, .ci = 48, .co = 64, .window = window(5, 5, 1, 2, 2)},
      {.n = 1, .h = 9, .w = 9, .ci = 8, .co = 9, .window = window(1, 1, 2, 0, 0)}, /* stride over the kernel */
      {.n = 1, .h = 9, .w = 10, .ci = 4, .co = 40, .window = window(2, 2, 5, 0, 1)},
      {.n = 2, .h = 2, .w = 3, .ci = 5, .co = 6, .window = window(5, 5, 1, 2, 2)}, /* kernel over the image */
      {.n = 1, .h = 3, .w = 3, .ci = 2, .co = 2, .window = window(2, 2, 1, 4, 5)}, /* windows in padding alone */
      {.n = 2, .h = 8, .w = 7, .ci = 40, .co = 48, .window = {{1, 7}, {1, 1}, {1, 1}, {0, 3}, {0, 3}}},
      {.n = 2, .h = 8, .w = 7, .ci = 40, .co = 48, .window = {{7, 1}, {1, 1}, {1, 1}, {3, 0}, {3, 0}}},
      {.n = 1, .h = 15, .w = 14, .ci = 6, .co = 7, .window = {{3, 3}, {1, 1}, {2, 3}, {2, 3}, {2, 3}}},
      {.n = 1, .h = 15, .w = 14, .ci = 6, .co = 7, .window = {{3, 4}, {4, 6}, {2, 3}, {2, 3}, {2, 3}}},
      {.n = 7, .h = 31, .w = 29, .ci = 20, .co = 30, .window = window(3, 3, 1, 1, 1)}, /* several blocks and parts */
      {.n = 2, .h = 6, .w = 6, .ci = 150, .co = 200, .window = window(3, 3, 1, 1, 1)},
      {.n = 1, .h = 3, .w = 420, .ci = 2, .co = 5, .window = window(3, 3, 1, 1, 1)}, /* rows longer than a block */
      {.n = 1, .h = 3, .w = 420, .ci = 5, .co = 2, .window = window(1, 1, 1, 0, 0)},
      {.n = 3, .h = 9, .w = 8, .ci = 330, .co = 20, .window = window(3, 3, 2, 1, 1)}, /* pixels far apart */
      {.n = 1, .h = 3, .w = 420, .ci = 321, .co = 2, .window = window(3, 3, 2, 1, 0)},
      {.n = 5, .h = 7, .w = 7, .ci = 832, .co = 20, .window = window(1, 1, 1, 0, 0)},
      {.n = 1, .h = 9, .w = 9, .ci = 15, .co = 80, .window = window(6, 6, 1, 2, 3)},  /* gathered in two parts */
      {.n = 1, .h = 12, .w = 9, .ci = 16, .co = 112, .window = window(5, 5, 1, 2, 2)}, /* two parts that share a tap */
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    test_all(shapes[i], 0, 0);
    test_all(shapes[i], 5, 16);
  }
  /* so large that they are written past the caches: the output, the gradient to the input */
  test_all((reference_conv2d){.n = 3, .h = 211, .w = 212, .ci = 1, .co = 64, .window = window(1, 1, 1, 0, 0)}, 5, 16);
  test_all((reference_conv2d){.n = 3, .h = 211, .w = 212, .ci = 64, .co = 1, .window = window(1, 1, 1, 0, 0)}, 16, 0);
}

static void test_random_shapes(void) {
  for (int trial = 0; trial < 150; trial++) test_all(random_conv2d(5, 3, 14, 70), random_gap(), random_gap());
}

/* ---- minimal filtering against the reference */

static void test_winograd(reference_conv2d d, int x_gap, int y_gap) {
  problem p = new_problem(d, x_gap, y_gap);
  bool scaled = test_integer(0, 1), biased = test_integer(0, 1), added = test_integer(0, 1);
  scion_activation activation = (scion_activation)test_integer(0, SCION_ACTIVATIONS - 1);
  pack(&p, scaled);
  scion_tensor packed = TENSOR(scion_winograd_packed_elements(&p.w, 0)), turned = TENSOR(scion_winograd_packed_elements(&p.w, 1));
  OK(scion_winograd_pack(&p.w, scaled ? &p.scale : NULL, &packed));
  OK(scion_winograd_pack_transposed(&p.w, scaled ? &p.scale : NULL, &turned));
  scion_tensor_fill(&p.y, NAN);
  OK(scion_winograd_forward(&p.x, &packed, biased ? &p.bias : NULL, added ? &p.addend : NULL, &p.y, &d.window, activation));
  sums_close_to(&p, biased ? p.rbias : NULL, added ? p.raddend : NULL, activation);
  CHECK(test_gaps_untouched(&p.y), "forward wrote into a gap: %s", describe(&p));
  scion_random_normal(&p.y, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 1);
  scion_tensor dx = SLICE(x_gap, d.n, d.h, d.w, d.ci);
  real *dy = test_real(&p.y);
  /* along the border gradients are of a tap or two, with the errors of all seven */
  p.tolerance = d.window.kernel[0] == 7 || d.window.kernel[1] == 7 ? 3e-5 : 1e-5;
  test_backward_input(&p, scion_winograd_backward_input, &turned, dy, &dx);
  scion_tensor dw = TENSOR(d.window.kernel[0], d.window.kernel[1], d.ci, d.co);
  real *expected = test_real(&dw);
  scion_tensor_fill(&dw, NAN);
  OK(scion_winograd_backward_weights(&p.x, &p.y, &dw, &d.window));
  reference_conv2d_backward_weights(&p.d, p.rx, dy, expected);
  CLOSE(&dw, expected, &p);
  free(dy);
  free(expected);
  scion_tensor *tensors[] = {&packed, &turned, &dx, &dw};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) scion_tensor_release(tensors[i]);
  end_problem(&p);
}

static void test_winograd_shapes(void) {
  static const int kernels[][2] = {{3, 3}, {1, 3}, {3, 1}, {1, 7}, {7, 1}};
  for (int trial = 0; trial < 120;) {
    const int *kernel = kernels[trial % 5];
    scion_window k = {.stride = {1, 1}, .dilation = {1, 1}};
    for (int axis = 0; axis < 2; axis++) {
      k.kernel[axis] = kernel[axis];
      k.before[axis] = test_integer(0, kernel[axis] - 1);
      k.after[axis] = test_integer(0, kernel[axis] - 1);
    }
    reference_conv2d d = {.n = test_integer(1, 3), .h = test_integer(1, 14), .w = test_integer(1, 14), .ci = test_integer(1, 70),
                          .co = test_integer(1, 150), .window = k};
    if (scion_window_output(&k, 0, d.h) < 1 || scion_window_output(&k, 1, d.w) < 1) continue;
    test_winograd(d, test_integer(0, 1) * test_integer(1, 9), test_integer(0, 1) * test_integer(1, 9));
    trial++;
  }
  test_winograd((reference_conv2d){.n = 1, .h = 1, .w = 1, .ci = 1, .co = 1, .window = window(3, 3, 1, 1, 1)}, 0, 0);
  test_winograd((reference_conv2d){.n = 2, .h = 40, .w = 41, .ci = 17, .co = 17, .window = window(3, 3, 1, 1, 1)}, 0, 0);
  test_winograd((reference_conv2d){.n = 4, .h = 61, .w = 58, .ci = 5, .co = 18, .window = window(3, 3, 1, 1, 1)}, 3, 0); /* tiles in parts */
  test_winograd((reference_conv2d){.n = 3, .h = 37, .w = 36, .ci = 33, .co = 7, .window = window(1, 7, 1, 0, 0)}, 0, 2);
  static const scion_window along = {{1, 3}, {1, 1}, {1, 1}, {0, 1}, {0, 1}}, down = {{3, 1}, {1, 1}, {1, 1}, {1, 0}, {1, 0}};
  test_winograd((reference_conv2d){.n = 3, .h = 211, .w = 212, .ci = 1, .co = 64, .window = along}, 0, 0); /* written past the caches */
  test_winograd((reference_conv2d){.n = 3, .h = 211, .w = 212, .ci = 64, .co = 1, .window = down}, 0, 0);
  test_winograd((reference_conv2d){.n = 1, .h = 6, .w = 5, .ci = 800, .co = 40, .window = window(3, 3, 1, 1, 1)}, 0, 0);
  test_winograd((reference_conv2d){.n = 1, .h = 6, .w = 5, .ci = 40, .co = 800, .window = window(3, 3, 1, 2, 2)}, 0, 0);
}

static void test_winograd_refusals(void) {
  problem p = new_problem((reference_conv2d){.n = 2, .h = 6, .w = 6, .ci = 4, .co = 5, .window = window(3, 3, 1, 1, 1)}, 0, 0);
  scion_tensor packed = TENSOR(scion_winograd_packed_elements(&p.w, 0)), narrow = TENSOR(2, 6, 6, 3), even = TENSOR(2, 2, 4, 5);
  const scion_window *k = &p.d.window, strided = window(3, 3, 2, 1, 1), wide = window(3, 3, 1, 3, 3);
  scion_window dilated = *k;
  dilated.dilation[0] = 2;
  CHECK(scion_winograd_fits(k) && !scion_winograd_fits(&strided) && !scion_winograd_fits(&wide) && !scion_winograd_fits(&dilated), "fits");
  OK(scion_winograd_pack(&p.w, NULL, &packed));
  REFUSED(scion_winograd_pack(&even, NULL, &packed));
  CHECK(strstr(scion_error_message(), "2x2x4x5"), "%s", scion_error_message());
  REFUSED(scion_winograd_pack(&p.w, &packed, &packed));
  REFUSED(scion_winograd_pack(&p.w, NULL, &p.scale));
  REFUSED(scion_winograd_forward(&narrow, &packed, NULL, NULL, &p.y, k, SCION_LINEAR));
  CHECK(strstr(scion_error_message(), "3x3 kernel from 3 to 5 channels"), "%s", scion_error_message());
  REFUSED(scion_winograd_forward(&p.x, &packed, &packed, NULL, &p.y, k, SCION_LINEAR));
  REFUSED(scion_winograd_forward(&p.x, &packed, NULL, &narrow, &p.y, k, SCION_LINEAR));
  REFUSED(scion_winograd_forward(&p.x, &packed, NULL, NULL, &p.y, k, SCION_ACTIVATIONS));
  REFUSED(scion_winograd_forward(&p.x, &packed, NULL, NULL, &p.y, &dilated, SCION_LINEAR));
  REFUSED(scion_winograd_backward_input(&p.y, &packed, &narrow, k, 0));
  REFUSED(scion_winograd_backward_weights(&narrow, &p.y, &p.w, k));
  REFUSED(scion_winograd_backward_weights(&p.x, &p.y, &p.w, &dilated));
  scion_tensor *tensors[] = {&packed, &narrow, &even};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) scion_tensor_release(tensors[i]);
  end_problem(&p);
}

static void test_epilogues(void) {
  problem p = new_problem((reference_conv2d){.n = 2, .h = 7, .w = 7, .ci = 40, .co = 53, .window = window(3, 3, 1, 1, 1)}, 3, 4);
  for (int scaled = 0; scaled < 2; scaled++) {
    pack(&p, scaled);
    for (int options = 0; options < 4; options++)
      for (int activation = 0; activation < SCION_ACTIVATIONS; activation++)
        test_forward(&p, options & 1, options >> 1, (scion_activation)activation);
  }
  scion_tensor_fill(&p.bias, NAN);
  OK(scion_conv2d_forward(&p.x, &p.packed, &p.bias, NULL, &p.y, &p.d.window, SCION_RELU6));
  CHECK(isnan(((const float *)p.y.data)[0]), "a clamp hides what is not a number");
  end_problem(&p);
}

/* ---- refusals, each naming both sides */

static void test_refusals(void) {
  problem p = new_problem((reference_conv2d){.n = 2, .h = 6, .w = 6, .ci = 4, .co = 5, .window = window(3, 3, 1, 1, 1)}, 0, 0);
  scion_tensor narrow = TENSOR(2, 6, 6, 3), small = TENSOR(2, 5, 6, 5), flat = TENSOR(6, 6, 4), vector = TENSOR(7), bytes;
  scion_tensor_new(&bytes, SCION_U8, 4, (int64_t[]){2, 6, 6, 4});
  const scion_window *k = &p.d.window, large = window(9, 9, 1, 1, 1);
  scion_window none = window(3, 3, 0, 1, 1), huge = window(3, 3, 1 << 30, 1, 1);
  pack(&p, false);
  REFUSED(scion_conv2d_forward(&narrow, &p.packed, NULL, NULL, &p.y, k, SCION_LINEAR));
  CHECK(strstr(scion_error_message(), "3x3 kernel from 3 to 5 channels"), "%s", scion_error_message());
  REFUSED(scion_conv2d_forward(&p.x, &p.packed, NULL, NULL, &small, k, SCION_LINEAR));
  CHECK(strstr(scion_error_message(), "2x6x6x4") && strstr(scion_error_message(), "2x5x6x5"), "%s", scion_error_message());
  REFUSED(scion_conv2d_forward(&flat, &p.packed, NULL, NULL, &p.y, k, SCION_LINEAR));
  REFUSED(scion_conv2d_forward(&bytes, &p.packed, NULL, NULL, &p.y, k, SCION_LINEAR));
  REFUSED(scion_conv2d_forward(&p.x, &vector, NULL, NULL, &p.y, k, SCION_LINEAR));
  REFUSED(scion_conv2d_forward(&p.x, &p.packed, &vector, NULL, &p.y, k, SCION_LINEAR));
  REFUSED(scion_conv2d_forward(&p.x, &p.packed, NULL, &small, &p.y, k, SCION_LINEAR));
  REFUSED(scion_conv2d_forward(&p.x, &p.packed, NULL, NULL, &p.y, k, SCION_ACTIVATIONS));
  REFUSED(scion_conv2d_forward(&p.x, &p.packed, NULL, NULL, &p.y, &large, SCION_LINEAR));
  REFUSED(scion_conv2d_forward(&p.x, &p.packed, NULL, NULL, &p.y, &none, SCION_LINEAR));
  REFUSED(scion_conv2d_backward_input(&p.y, &p.transposed, &p.x, &huge, 0));
  REFUSED(scion_conv2d_backward_input(&small, &p.transposed, &p.x, k, 0));
  REFUSED(scion_conv2d_backward_input(&p.y, &vector, &p.x, k, 0));
  REFUSED(scion_conv2d_backward_weights(&p.x, &p.y, &p.packed, k));
  REFUSED(scion_conv2d_backward_weights(&narrow, &p.y, &p.w, k));
  REFUSED(scion_epilogue_backward(NULL, &p.y, &vector, SCION_LINEAR));
  REFUSED(scion_conv2d_pack(&flat, NULL, &p.packed));
  REFUSED(scion_conv2d_pack(&p.w, &vector, &p.packed));
  REFUSED(scion_conv2d_pack(&p.w, NULL, &vector));
  REFUSED(scion_conv2d_pack_transposed(&p.w, NULL, &large, &p.transposed));
  scion_tensor *tensors[] = {&narrow, &small, &flat, &vector, &bytes};
  for (size_t i = 0; i < sizeof tensors / sizeof *tensors; i++) scion_tensor_release(tensors[i]);
  end_problem(&p);
}

static void test_empty_batch(void) {
  problem p = new_problem((reference_conv2d){.n = 0, .h = 6, .w = 6, .ci = 4, .co = 5, .window = window(3, 3, 1, 1, 1)}, 0, 0);
  pack(&p, false);
  OK(scion_conv2d_forward(&p.x, &p.packed, &p.bias, NULL, &p.y, &p.d.window, SCION_RELU));
  OK(scion_conv2d_backward_input(&p.y, &p.transposed, &p.x, &p.d.window, 0));
  OK(scion_conv2d_backward_weights(&p.x, &p.y, &p.w, &p.d.window));
  OK(scion_epilogue_backward(NULL, &p.y, &p.bias, SCION_LINEAR));
  for (int64_t i = 0; i < kernel_elements(&p.d); i++) CHECK(((const float *)p.w.data)[i] == 0, "the gradient of nothing is nothing");
  CHECK(((const float *)p.bias.data)[4] == 0, "the gradient of nothing is nothing");
  end_problem(&p);
}

static void test_windows(void) {
  const scion_window k = window(3, 3, 2, 0, 1), dilated = {{3, 1}, {1, 1}, {4, 1}, {0, 0}, {0, 0}};
  CHECK(scion_window_output(&k, 0, 224) == 112, "same padding halves 224");
  CHECK(scion_window_output(&k, 1, 1) == 0, "3 does not fit 2");
  CHECK(scion_window_output(&dilated, 0, 9) == 1 && scion_window_output(&dilated, 0, 8) == 0, "3 taps 4 apart span 9");
}

/* ---- the same bits for any number of threads */

static void test_threads(reference_conv2d d) {
  problem p = new_problem(d, 2, 3);
  pack(&p, false);
  scion_tensor *y[3], *dx[3], *dw[3], *db[3], tensors[12], fast = TENSOR(scion_winograd_packed_elements(&p.w, 0));
  bool fits = scion_winograd_fits(&d.window);
  if (fits) OK(scion_winograd_pack(&p.w, NULL, &fast));
  const int threads[] = {1, 2, 5}, before = scion_threads();
  for (int t = 0; t < 3; t++) {
    y[t] = tensors + 4 * t, dx[t] = y[t] + 1, dw[t] = y[t] + 2, db[t] = y[t] + 3;
    *y[t] = TENSOR(p.d.n, p.d.oh, p.d.ow, d.co);
    *dx[t] = TENSOR(d.n, d.h, d.w, d.ci);
    *dw[t] = TENSOR(d.window.kernel[0], d.window.kernel[1], d.ci, d.co);
    *db[t] = TENSOR(d.co);
    OK(scion_set_threads(threads[t]));
    if (fits)
      OK(scion_winograd_forward(&p.x, &fast, &p.bias, NULL, y[t], &d.window, SCION_SIGMOID));
    else
      OK(scion_conv2d_forward(&p.x, &p.packed, &p.bias, NULL, y[t], &d.window, SCION_SIGMOID));
    OK(scion_conv2d_backward_input(&p.y, &p.transposed, dx[t], &d.window, 0));
    if (fits)
      OK(scion_winograd_backward_weights(&p.x, &p.y, dw[t], &d.window));
    else
      OK(scion_conv2d_backward_weights(&p.x, &p.y, dw[t], &d.window));
    OK(scion_epilogue_backward(NULL, &p.y, db[t], SCION_LINEAR));
  }
  OK(scion_set_threads(before));
  for (int i = 0; i < 8; i++) {
    const scion_tensor *one = &tensors[i % 4], *more = &tensors[i + 4];
    CHECK(memcmp(one->data, more->data, (size_t)scion_tensor_elements(one) * sizeof(float)) == 0,
          "result %d differs between 1 and %d threads: %s", i % 4, threads[i / 4 + 1], describe(&p));
  }
  for (int i = 0; i < 12; i++) scion_tensor_release(&tensors[i]);
  scion_tensor_release(&fast);
  end_problem(&p);
}

int main(void) {
  test_begin("conv2d");
  test_reference();
  test_chosen_shapes();
  test_random_shapes();
  test_winograd_shapes();
  test_winograd_refusals();
  test_epilogues();
  test_refusals();
  test_empty_batch();
  test_windows();
  test_threads((reference_conv2d){.n = 2, .h = 33, .w = 35, .ci = 19, .co = 45, .window = window(3, 3, 2, 1, 1)});
  test_threads((reference_conv2d){.n = 1, .h = 5, .w = 5, .ci = 300, .co = 330, .window = window(1, 3, 1, 1, 1)});
  scion_threads_stop();
  return test_end();
}
