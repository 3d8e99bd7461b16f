/* Depthwise convolution of bytes: against whole numbers, to the bit; and what it refuses. */
#include "compare.h"
#include "conv2d_shapes.h"
#include "kernels/reference/int8.h"
#include "kernels/reference/reference.h"

#define MOST 32767 /* of a weight */

/* Codes with gaps of 99 between the rows: see test_gaps_untouched. */
static scion_tensor codes(int gap, int64_t n, int64_t h, int64_t w, int64_t c) {
  scion_tensor t;
  OK(scion_tensor_new(&t, SCION_U8, 4, (int64_t[]){n, h, w, c + gap}));
  OK(scion_tensor_fill(&t, 99));
  t.shape[3] = c;
  for (int64_t i = 0; i < elements(&t); i++) scion_tensor_set(&t, i, test_integer(0, 255));
  return t;
}

static scion_tensor integers(int64_t n) {
  scion_tensor t;
  OK(scion_tensor_new(&t, SCION_I32, 1, &n));
  return t;
}

static uint8_t *bytes_of(const scion_tensor *t) {
  uint8_t *out = malloc((size_t)elements(t) + 1);
  for (int64_t i = 0; i < elements(t); i++) out[i] = (uint8_t)scion_tensor_get(t, i);
  return out;
}

typedef struct {
  reference_conv2d d;
  scion_tensor x, w, scale, bias, packed, scales, sums, y, numbers;
  scion_quantization q[2];
  int32_t *whole; /* the weights as they were packed, and sums of products by the reference */
  int64_t *expected;
} problem;

static problem new_problem(reference_conv2d d, int x_gap, int y_gap) {
  d.co = d.ci, d.oh = scion_window_output(&d.window, 0, d.h), d.ow = scion_window_output(&d.window, 1, d.w);
  const int64_t taps = d.window.kernel[0] * (int64_t)d.window.kernel[1], pairs = (taps + 1) / 2;
  problem p = {.d = d, .q = {{0.02f, test_integer(0, 1) * test_integer(1, 255)}, {0.05f, test_integer(0, 255)}}};
  p.x = codes(x_gap, d.n, d.h, d.w, d.ci), p.y = codes(y_gap, d.n, d.oh, d.ow, d.ci), p.numbers = SLICE(y_gap, d.n, d.oh, d.ow, d.ci);
  p.w = TENSOR(d.window.kernel[0], d.window.kernel[1], d.ci, 1), p.scale = TENSOR(d.ci), p.bias = TENSOR(d.ci), p.scales = TENSOR(d.ci);
  p.packed = integers(pairs * d.ci), p.sums = integers(d.ci);
  OK(scion_depthwise_int8_pack(&p.w, &p.scale, &p.packed, &p.scales, &p.sums));
  p.whole = calloc((size_t)(taps * d.ci) + 1, sizeof *p.whole), p.expected = calloc((size_t)elements(&p.y) + 1, sizeof *p.expected);
  for (int64_t i = 0; i < taps * d.ci; i++) {
    int32_t pair = ((const int32_t *)p.packed.data)[i / d.ci / 2 * d.ci + i % d.ci];
    p.whole[i] = i / d.ci % 2 ? pair >> 16 : (int16_t)pair;
  }
  uint8_t *x = bytes_of(&p.x);
  reference_depthwise_int8(&d, x, p.q[0].zero, p.whole, p.expected);
  free(x);
  return p;
}

static void end_problem(problem *p) {
  RELEASE(&p->x, &p->w, &p->scale, &p->bias, &p->packed, &p->scales, &p->sums, &p->y, &p->numbers);
  free(p->whole), free(p->expected);
}

static const char *describe(const problem *p) {
  static char text[300];
  const scion_window *k = &p->d.window;
  char x[SCION_SHAPE_TEXT];
  snprintf(text, sizeof text, "x %s, window %dx%d, stride %dx%d, dilation %dx%d, padding %d,%d %d,%d", scion_shape_text(&p->x, x, sizeof x), k->kernel[0],
           k->kernel[1], k->stride[0], k->stride[1], k->dilation[0], k->dilation[1], k->before[0], k->after[0], k->before[1], k->after[1]);
  return text;
}

/* A weight is within half a step of what it stands for, the largest has all 15 bits, and sums are sums. */
static void test_packing(const problem *p) {
  const int64_t channels = p->d.ci, taps = elements(&p->w) / channels;
  for (int64_t c = 0; c < channels; c++) {
    const double step = scion_tensor_get(&p->scales, c);
    double worst = 0;
    int32_t most = 0, sum = 0;
    for (int64_t t = 0; t < taps; t++) {
      int32_t w = p->whole[t * channels + c];
      worst = fmax(worst, fabs(scion_tensor_get(&p->w, t * channels + c) * scion_tensor_get(&p->scale, c) / step - w));
      most = abs(w) > most ? abs(w) : most, sum += w;
    }
    CHECK(worst < 0.51 && most == MOST && sum == scion_tensor_get(&p->sums, c), "%g steps, the largest is %d: %s", worst, most, describe(p));
  }
}

static void test_run(problem *p, const scion_tensor *bias, scion_activation activation) {
  OK(scion_tensor_fill(&p->numbers, NAN));
  OK(scion_depthwise_int8_forward(&p->x, &p->packed, &p->scales, &p->sums, bias, &p->numbers, &p->d.window, activation, p->q));
  SAME_BITS(p->y, scion_depthwise_int8_forward(&p->x, &p->packed, &p->scales, &p->sums, bias, &p->y, &p->d.window, activation, p->q));
  int64_t wrong = 0;
  double far = 0;
  for (int64_t e = 0; e < elements(&p->y); e++) {
    const int64_t c = e % p->d.ci;
    float number = reference_int8_number(p->expected[e], ((const float *)p->scales.data)[c], p->q[0].scale, bias ? (const float *)bias->data + c : NULL, NULL,
                                         scion_activation_bends(activation) ? SCION_LINEAR : activation);
    if (!scion_activation_bends(activation)) {
      wrong += (float)scion_tensor_get(&p->numbers, e) != number || scion_tensor_get(&p->y, e) != reference_code(number, p->q[1]);
    } else {
      double bent = (double)reference_activate((real)number, activation);
      far = fmax(far, fabs(scion_tensor_get(&p->numbers, e) - bent) / fmax(1, fabs(bent)));
    }
  }
  CHECK(wrong == 0 && far < 1e-5, "%lld elements differ, and one by %g, after activation %d: %s", (long long)wrong, far, activation, describe(p));
  CHECK(test_gaps_untouched(&p->y) && test_gaps_untouched(&p->numbers), "gaps were written: %s", describe(p));
}

static void test_shape(reference_conv2d d, int x_gap, int y_gap) {
  problem p = new_problem(d, x_gap, y_gap);
  test_packing(&p);
  for (int activation = 0; activation < SCION_ACTIVATIONS; activation++) test_run(&p, activation % 2 ? &p.bias : NULL, (scion_activation)activation);
  end_problem(&p);
}

static void test_shapes(void) {
  const reference_conv2d shapes[] = {
      {.n = 2, .h = 9, .w = 11, .ci = 32, .window = window(3, 3, 1, 1, 1)}, {.n = 1, .h = 9, .w = 8, .ci = 48, .window = window(3, 3, 2, 0, 1)},
      {.n = 1, .h = 7, .w = 9, .ci = 17, .window = window(5, 5, 2, 2, 2)},  {.n = 1, .h = 3, .w = 3, .ci = 33, .window = window(5, 5, 1, 2, 2)},
      {.n = 1, .h = 12, .w = 13, .ci = 5, .window = window(11, 11, 1, 5, 5)}, {.n = 1, .h = 3, .w = 3, .ci = 16, .window = window(2, 2, 1, 4, 5)},
      {.n = 3, .h = 1, .w = 1, .ci = 100, .window = window(1, 1, 1, 0, 0)},
      {.n = 1, .h = 15, .w = 14, .ci = 20, .window = {{3, 4}, {4, 6}, {2, 3}, {2, 3}, {2, 3}}},
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) test_shape(shapes[i], 0, 0), test_shape(shapes[i], 5, 16);
  for (int trial = 0; trial < 40; trial++) test_shape(random_conv2d(4, 2, 10, 70), random_gap(), random_gap());
}

/* The largest codes times the largest weights, at the largest kernel. */
static void test_largest(void) {
  for (int sign = -1; sign <= 1; sign += 2) {
    problem p = new_problem((reference_conv2d){.n = 1, .h = 16, .w = 8, .ci = 40, .window = window(16, 8, 1, 0, 0)}, 0, 0);
    OK(scion_tensor_fill(&p.x, 255));
    OK(scion_tensor_fill(&p.w, sign * 0.3));
    OK(scion_tensor_fill(&p.scale, 1));
    p.q[0].zero = 0;
    OK(scion_depthwise_int8_pack(&p.w, &p.scale, &p.packed, &p.scales, &p.sums));
    for (int64_t e = 0; e < elements(&p.y); e++) p.expected[e] = sign * 255LL * MOST * 128;
    test_run(&p, NULL, SCION_LINEAR);
    end_problem(&p);
  }
}

#define FORWARD(x, packed, scales, sums, bias, y) scion_depthwise_int8_forward(x, packed, scales, sums, bias, y, &p.d.window, SCION_RELU, p.q)

static void test_refused(void) {
  problem p = new_problem((reference_conv2d){.n = 2, .h = 6, .w = 6, .ci = 4, .window = window(3, 3, 1, 1, 1)}, 0, 0);
  scion_tensor vector = TENSOR(7), small = codes(0, 2, 5, 6, 4), wide = TENSOR(2, 6, 6, 4), two = TENSOR(3, 3, 2, 2), large = TENSOR(3, 43, 4, 1), few = integers(3);
  const scion_window huge = window(43, 3, 1, 42, 42);
  REFUSED_WITH(FORWARD(&wide, &p.packed, &p.scales, &p.sums, NULL, &p.y), "x is f32");
  REFUSED_WITH(FORWARD(&p.x, &p.sums, &p.scales, &p.sums, NULL, &p.y), "packed");
  REFUSED_WITH(FORWARD(&p.x, &p.packed, &vector, &p.sums, NULL, &p.y), "scales");
  REFUSED_WITH(FORWARD(&p.x, &p.packed, &p.scales, &few, NULL, &p.y), "sums");
  REFUSED_WITH(FORWARD(&p.x, &p.packed, &p.scales, &p.sums, &vector, &p.y), "bias");
  REFUSED_WITH(FORWARD(&p.x, &p.packed, &p.scales, &p.sums, NULL, &small), "should be 2x6x6x4");
  REFUSED_WITH(scion_depthwise_int8_forward(&p.x, &p.packed, &p.scales, &p.sums, NULL, &p.y, &huge, SCION_RELU, p.q), "depthwise_int8");
  REFUSED(scion_depthwise_int8_forward(&p.x, &p.packed, &p.scales, &p.sums, NULL, &p.y, &p.d.window, SCION_ACTIVATIONS, p.q));
  REFUSED_WITH(scion_depthwise_int8_pack(&two, NULL, &p.packed, &p.scales, &p.sums), "3x3x2x2");
  REFUSED_WITH(scion_depthwise_int8_pack(&large, NULL, &p.packed, &p.scales, &p.sums), "128 taps");
  REFUSED_WITH(scion_depthwise_int8_pack(&p.x, NULL, &p.packed, &p.scales, &p.sums), "kernel is u8");
  REFUSED_WITH(scion_depthwise_int8_pack(&p.w, &vector, &p.packed, &p.scales, &p.sums), "scale");
  REFUSED_WITH(scion_depthwise_int8_pack(&p.w, NULL, &few, &p.scales, &p.sums), "packed");
  p.q[1].scale = 0;
  REFUSED_WITH(FORWARD(&p.x, &p.packed, &p.scales, &p.sums, NULL, &p.y), "y has scale 0");
  ((float *)p.w.data)[0] = INFINITY, ((float *)p.w.data)[1] = ((float *)p.w.data)[5] = 0;
  OK(scion_depthwise_int8_pack(&p.w, NULL, &p.packed, &p.scales, &p.sums));
  OK(FORWARD(&p.x, &p.packed, &p.scales, &p.sums, NULL, &p.numbers));
  CHECK(isnan(*(const float *)p.numbers.data) && isfinite(((const float *)p.numbers.data)[1]), "a weight that is no number shows in its channel");
  p.x.shape[0] = p.numbers.shape[0] = 0;
  OK(FORWARD(&p.x, &p.packed, &p.scales, &p.sums, NULL, &p.numbers));
  RELEASE(&vector, &small, &wide, &two, &large, &few);
  end_problem(&p);
}

int main(void) {
  test_begin("depthwise_int8");
  test_shapes();
  test_largest();
  test_refused();
  scion_threads_stop();
  return test_end();
}
