/* Convolution in bf16: every unit that multiplies against the plain reference. AMX and vdpbf16ps are the very sources of the
 * core, built here against their instructions in software; where the CPU has the instructions, they run too. */
#include "compare.h"
#include "narrow.h"

typedef float emulated_lanes __attribute__((vector_size(64)));
static emulated_lanes dot_lanes(emulated_lanes sum, const void *a, const void *b) {
  float sums[16];
  memcpy(sums, &sum, sizeof sums);
  emulated_dot(sums, a, b);
  memcpy(&sum, sums, sizeof sums);
  return sum;
}
#define DOT_FUNCTION
#define DOT(sum, a, b) dot_lanes(sum, &(a), &(b))
#define conv2d_bf16_avx512 emulated_avx512
#include "../../csrc/kernels/conv2d_bf16_avx512.c"
#undef conv2d_bf16_avx512

/* ---- the units */

static void find_units(void) {
  add_unit("f32", (conv2d_unit){.multiply = SIMD_CHOOSE(conv2d_bf16_multiply), .step = NARROW_STEP});
  add_unit("vdpbf16ps in software", emulated_avx512);
  add_unit("AMX in software", emulated_bf16_amx);
#if defined(__x86_64__)
  if (scion_bf16_in_use() >= SCION_BF16_AVX512) add_unit("vdpbf16ps", conv2d_bf16_avx512);
  if (scion_bf16_in_use() >= SCION_BF16_AMX) add_unit("AMX", conv2d_bf16_amx);
#endif
  const char *why = "CPU, kernel or SCION_ISA do not offer it";
  if (scion_bf16_in_use() < SCION_BF16_AVX512) printf("vdpbf16ps itself does not run here: %s\n", why);
  if (scion_bf16_in_use() < SCION_BF16_AMX) printf("AMX itself does not run here: %s\n", why);
}

/* ---- the instructions in software, by hand */

static void test_emulation(void) {
  const uint16_t one = 0x3f80, tiny = 0x0040 /* a denormal */, small = 0x3980 /* 2^-12 */, three = 0x4040;
  CHECK(emulated_fma(one, three, 0.5f) == 3.5f, "1 * 3 + 0.5");
  CHECK(emulated_fma(small, small, 1) == 1, "1 + 2^-24 is a tie, and rounds to even");
  CHECK(emulated_fma(small, small, 1 + FLT_EPSILON) == 1 + 2 * FLT_EPSILON, "so does 1 + 2^-23 + 2^-24");
  CHECK(emulated_fma(tiny, one, 0) == 0 && emulated_fma(one, one, FLT_MIN / 2) == 1, "denormals are zeros");
  uint16_t a[16][32], b[16][16][2];
  float sums[16][16];
  for (int r = 0; r < 16; r++)
    for (int k = 0; k < 32; k++) {
      a[r][k] = float_to_bf16((float)(r + k));
      b[k / 2][r][k % 2] = float_to_bf16((float)(k * (r - 7)));
    }
  amx_begin();
  emulated_zero(0);
  emulated_load(4, a, 64);
  emulated_load(6, b, 64);
  emulated_tile_dot(0, 4, 6);
  emulated_store(0, sums, 64);
  amx_end();
  for (int r = 0; r < 16; r++)
    for (int n = 0; n < 16; n++) /* sum of (r + k) k (n - 7) over k < 32 */
      CHECK(sums[r][n] == (float)((496 * r + 10416) * (n - 7)), "row %d, column %d: %g", r, n, (double)sums[r][n]);
  int faults = emulated_faults;
  emulated_load(4, a, 64);
  CHECK(emulated_faults == faults + 1, "a tile without configuration faults");
  emulated_faults = 0;
}

/* ---- one convolution */

/* A bf16 tensor of normal numbers with gaps of 777 (which is 776 in bf16). */
static scion_tensor half_tensor(int gap, int dims, const int64_t *shape) {
  scion_tensor from = test_tensor_gap(gap, dims, shape), t;
  int64_t wide[SCION_MAX_DIMS];
  memcpy(wide, shape, sizeof(int64_t) * (size_t)dims);
  wide[dims - 1] += gap;
  OK(scion_tensor_new(&t, SCION_BF16, dims, wide));
  OK(scion_tensor_fill(&t, 777));
  t.shape[dims - 1] = shape[dims - 1];
  OK(scion_tensor_copy(&from, &t, 0));
  scion_tensor_release(&from);
  return t;
}
#define HALF(gap, ...) half_tensor(gap, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static real *half_reals(const scion_tensor *t) {
  real *out = new_reals(elements(t));
  for (int64_t i = 0; i < elements(t); i++) out[i] = (real)scion_tensor_get(t, i);
  return out;
}

static bool half_gaps_untouched(const scion_tensor *t) {
  const uint16_t *data = t->data;
  for (int64_t r = 0; r + 1 < scion_tensor_rows(t); r++)
    for (int64_t c = scion_tensor_channels(t); c < t->row_stride; c++)
      if (bf16_to_float(data[r * t->row_stride + c]) != 776) return false;
  return true;
}

typedef struct {
  reference_conv2d d;
  scion_tensor x, w, scale, bias, addend, packed[2], y, narrow; /* packed: see layouts */
  real *rx, *rw, *rbias, *raddend, *ry;
} problem;

static problem new_problem(reference_conv2d d, int x_gap, int y_gap, bool half_addend) {
  d.oh = scion_window_output(&d.window, 0, d.h), d.ow = scion_window_output(&d.window, 1, d.w);
  problem p = {.d = d};
  const int64_t kh = d.window.kernel[0], kw = d.window.kernel[1];
  p.x = HALF(x_gap, d.n, d.h, d.w, d.ci);
  p.w = TENSOR(kh, kw, d.ci, d.co);
  scion_random_normal(&p.w, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 3 / sqrtf((float)scion_tensor_rows(&p.w)));
  p.scale = TENSOR(d.co), p.bias = TENSOR(d.co);
  p.addend = half_addend ? HALF(3, d.n, d.oh, d.ow, d.co) : SLICE(3, d.n, d.oh, d.ow, d.co);
  p.y = SLICE(y_gap, d.n, d.oh, d.ow, d.co), p.narrow = HALF(y_gap, d.n, d.oh, d.ow, d.co);
  for (int k = 0; k < 2; k++) {
    int64_t packed = conv2d_bf16_packed_elements(&p.w, NULL, &layouts[k]);
    OK(scion_tensor_new(&p.packed[k], SCION_BF16, 1, &packed));
    OK(conv2d_bf16_pack(&p.w, &p.scale, &p.packed[k], &layouts[k]));
  }
  p.rx = half_reals(&p.x), p.raddend = half_reals(&p.addend), p.rbias = test_real(&p.bias), p.ry = new_reals(elements(&p.y));
  p.rw = test_real(&p.w);
  for (int64_t i = 0; i < elements(&p.w); i++) {
    float folded = (float)p.rw[i] * ((const float *)p.scale.data)[i % d.co];
    p.rw[i] = (real)bf16_to_float(float_to_bf16(folded));
  }
  return p;
}

static void end_problem(problem *p) {
  RELEASE(&p->x, &p->w, &p->scale, &p->bias, &p->addend, &p->packed[0], &p->packed[1], &p->y, &p->narrow);
  free(p->rx), free(p->rw), free(p->rbias), free(p->raddend), free(p->ry);
}

static const char *describe(const problem *p, int unit) {
  static char text[400];
  const scion_window *k = &p->d.window;
  char x[SCION_SHAPE_TEXT], w[SCION_SHAPE_TEXT];
  snprintf(text, sizeof text, "%s, x %s (rows of %d), w %s, stride %dx%d, dilation %dx%d, padding %d,%d %d,%d", units[unit].name,
           scion_shape_text(&p->x, x, sizeof x), (int)p->x.row_stride, scion_shape_text(&p->w, w, sizeof w), k->stride[0],
           k->stride[1], k->dilation[0], k->dilation[1], k->before[0], k->after[0], k->before[1], k->after[1]);
  return text;
}

/* The product is as exact as sums in f32 are; and y in bf16 is y in f32 rounded once, to the bit. */
static void test_unit(problem *p, int i, bool biased, bool added, scion_activation activation) {
  const scion_tensor *bias = biased ? &p->bias : NULL, *addend = added ? &p->addend : NULL;
  OK(scion_tensor_fill(&p->y, NAN));
  OK(conv2d_bf16_forward(&p->x, &p->packed[layout_of(i)], bias, addend, &p->y, &p->d.window, activation, &units[i].unit));
  OK(conv2d_bf16_forward(&p->x, &p->packed[layout_of(i)], bias, addend, &p->narrow, &p->d.window, activation, &units[i].unit));
  double distance = test_distance(&p->y, p->ry), size = 0;
  for (int64_t e = 0; e < elements(&p->y); e++) size = fmax(size, fabs((double)p->ry[e]));
  if (size > 0 && size < 1) distance *= size;
  CHECK(distance < 1e-5, "off by %g: %s", distance, describe(p, i));
  bool same = true;
  for (int64_t e = 0; e < elements(&p->y); e++) {
    double wide = scion_tensor_get(&p->y, e), narrow = scion_tensor_get(&p->narrow, e);
    same = same && (double)bf16_to_float(float_to_bf16((float)wide)) == narrow;
  }
  CHECK(same, "bf16 is not f32 rounded: %s", describe(p, i));
  CHECK(test_gaps_untouched(&p->y) && half_gaps_untouched(&p->narrow), "gaps were written: %s", describe(p, i));
}

static void test_shape(reference_conv2d d, int x_gap, int y_gap) {
  problem p = new_problem(d, x_gap, y_gap, test_integer(0, 1));
  bool biased = test_integer(0, 1), added = test_integer(0, 1);
  scion_activation activation = (scion_activation)test_integer(0, SCION_ACTIVATIONS - 1);
  reference_conv2d_forward(&p.d, p.rx, p.rw, biased ? p.rbias : NULL, added ? p.raddend : NULL, p.ry, activation);
  for (int i = 0; i < unit_count; i++) test_unit(&p, i, biased, added, activation);
  CHECK(emulated_faults == 0, "%d uses of tiles that the hardware faults on: %s", emulated_faults, describe(&p, 2));
  end_problem(&p);
}

/* What an earlier call left in the scratch does not matter, where the depth is filled up least of all. */
static void test_leavings(void) {
  reference_conv2d whole = {.n = 1, .h = 16, .w = 16, .ci = 64, .co = 3, .window = window(1, 1, 1, 0, 0)}, part = whole;
  part.ci = 33;
  problem nan = new_problem(whole, 0, 0, true), p = new_problem(part, 0, 0, true);
  const int before = scion_threads();
  OK(scion_set_threads(1));
  OK(scion_tensor_fill(&nan.x, NAN));
  reference_conv2d_forward(&p.d, p.rx, p.rw, NULL, NULL, p.ry, SCION_LINEAR);
  for (int i = 0; i < unit_count; i++) {
    OK(conv2d_bf16_forward(&nan.x, &nan.packed[layout_of(i)], NULL, NULL, &nan.y, &nan.d.window, SCION_LINEAR, &units[i].unit));
    CHECK(isnan(*(const float *)nan.y.data) && isnan(scion_tensor_get(&nan.y, 700)), "NaN is lost: %s", describe(&nan, i));
    test_unit(&p, i, false, false, SCION_LINEAR);
  }
  OK(scion_set_threads(before));
  end_problem(&nan);
  end_problem(&p);
}

/* ---- gradients: dy takes the place of y in bf16, and dx and dw are new */

typedef struct {
  problem of;
  scion_tensor turned[2], dx, narrow, dw;
  real *rdy, *rdx, *rdw;
} gradients;

static gradients new_gradients(reference_conv2d d, int x_gap, int y_gap) {
  gradients g = {.of = new_problem(d, x_gap, y_gap, true)};
  problem *p = &g.of;
  d = p->d;
  for (int k = 0; k < 2; k++) {
    int64_t turned = conv2d_bf16_packed_elements(&p->w, &d.window, &layouts[k]);
    OK(scion_tensor_new(&g.turned[k], SCION_BF16, 1, &turned));
    OK(conv2d_bf16_pack_transposed(&p->w, &p->scale, &d.window, &g.turned[k], &layouts[k]));
  }
  scion_tensor_release(&p->narrow);
  p->narrow = HALF(y_gap, d.n, d.oh, d.ow, d.co);
  g.dx = SLICE(x_gap, d.n, d.h, d.w, d.ci), g.narrow = HALF(x_gap, d.n, d.h, d.w, d.ci);
  g.dw = TENSOR(d.window.kernel[0], d.window.kernel[1], d.ci, d.co);
  g.rdy = half_reals(&p->narrow), g.rdx = new_reals(elements(&g.dx)), g.rdw = new_reals(elements(&g.dw));
  return g;
}

static void end_gradients(gradients *g) {
  RELEASE(&g->turned[0], &g->turned[1], &g->dx, &g->narrow, &g->dw);
  free(g->rdy), free(g->rdx), free(g->rdw);
  end_problem(&g->of);
}

/* Of numbers that are all small as their difference is: relative to 1. */
static double far(const scion_tensor *t, const real *expected) {
  double distance = test_distance(t, expected), size = 0;
  for (int64_t e = 0; e < elements(t); e++) size = fmax(size, fabs((double)expected[e]));
  return size > 0 && size < 1 ? distance * size : distance;
}

/* Sums as exact as in f32; dx in bf16 is that rounded once, to the bit, and so is what is added to it. */
static void test_gradients_of(gradients *g, int i) {
  problem *p = &g->of;
  const scion_window *k = &p->d.window;
  const conv2d_unit *unit = &units[i].unit;
  reference_conv2d_backward_input(&p->d, g->rdy, p->rw, g->rdx, 0);
  OK(scion_tensor_fill(&g->dx, NAN));
  OK(scion_tensor_fill(&g->narrow, NAN));
  OK(conv2d_bf16_backward_input(&p->narrow, &g->turned[layout_of(i)], &g->dx, k, 0, unit));
  OK(conv2d_bf16_backward_input(&p->narrow, &g->turned[layout_of(i)], &g->narrow, k, 0, unit));
  CHECK(far(&g->dx, g->rdx) < 1e-5, "dx is off by %g: %s", far(&g->dx, g->rdx), describe(p, i));
  int wrong = 0;
  for (int64_t e = 0; e < elements(&g->dx); e++)
    wrong += (double)bf16_to_float(float_to_bf16((float)scion_tensor_get(&g->dx, e))) != scion_tensor_get(&g->narrow, e);
  CHECK(wrong == 0, "%d of dx in bf16 are not dx rounded: %s", wrong, describe(p, i));
  scion_tensor before = HALF(0, p->d.n, p->d.h, p->d.w, p->d.ci), sum = TENSOR(p->d.n, p->d.h, p->d.w, p->d.ci);
  OK(scion_tensor_copy(&before, &g->narrow, 0));
  OK(scion_tensor_copy(&before, &sum, 0));
  OK(conv2d_bf16_backward_input(&p->narrow, &g->turned[layout_of(i)], &g->narrow, k, 1, unit));
  OK(conv2d_bf16_backward_input(&p->narrow, &g->turned[layout_of(i)], &sum, k, 1, unit));
  for (int64_t e = 0; e < elements(&g->dx); e++) {
    float expected = (float)scion_tensor_get(&before, e) + (float)scion_tensor_get(&g->dx, e);
    wrong += (float)scion_tensor_get(&sum, e) != expected || scion_tensor_get(&g->narrow, e) != (double)bf16_to_float(float_to_bf16(expected));
  }
  CHECK(wrong == 0, "%d sums are wrong: %s", wrong, describe(p, i));
  CHECK(test_gaps_untouched(&g->dx) && half_gaps_untouched(&g->narrow), "gaps were written: %s", describe(p, i));
  reference_conv2d_backward_weights(&p->d, p->rx, g->rdy, g->rdw);
  OK(scion_tensor_fill(&g->dw, NAN));
  OK(conv2d_bf16_backward_weights(&p->x, &p->narrow, &g->dw, k, unit));
  CHECK(far(&g->dw, g->rdw) < 1e-5, "dw is off by %g: %s", far(&g->dw, g->rdw), describe(p, i));
  RELEASE(&before, &sum);
}

static void test_gradients(reference_conv2d d, int x_gap, int y_gap) {
  gradients g = new_gradients(d, x_gap, y_gap);
  for (int i = 0; i < unit_count; i++) test_gradients_of(&g, i);
  CHECK(emulated_faults == 0, "%d uses of tiles that the hardware faults on: %s", emulated_faults, describe(&g.of, 2));
  end_gradients(&g);
}

static void test_more_gradients(void) {
  const reference_conv2d shapes[] = {
      {.n = 3, .h = 12, .w = 13, .ci = 40, .co = 36, .window = window(3, 3, 1, 1, 1)},   /* no whole tiles */
      {.n = 1, .h = 7, .w = 7, .ci = 300, .co = 20, .window = window(3, 3, 2, 1, 1)},    /* blocks of channels, taps by themselves */
      {.n = 1, .h = 5, .w = 6, .ci = 20, .co = 600, .window = window(1, 1, 1, 0, 0)},    /* groups of columns */
      {.n = 2, .h = 9, .w = 8, .ci = 5, .co = 6, .window = window(2, 2, 3, 0, 0)},       /* pixels that no window meets */
      {.n = 1, .h = 2, .w = 3, .ci = 18, .co = 1001, .window = window(3, 3, 1, 1, 1)},   /* a depth that is packed in parts, of an odd size */
      {.n = 1, .h = 11, .w = 9, .ci = 3, .co = 4, .window = {{3, 2}, {3, 2}, {2, 3}, {2, 1}, {0, 2}}}, /* stride and dilation */
      {.n = 2, .h = 25, .w = 27, .ci = 17, .co = 48, .window = window(3, 3, 1, 1, 1)},   /* strips: runs of pixels, and few channels */
      {.n = 6, .h = 20, .w = 21, .ci = 32, .co = 32, .window = window(5, 3, 1, 1, 2)},   /* in parts of the pixels, whole tiles in place */
      {.n = 2, .h = 6, .w = 5, .ci = 100, .co = 208, .window = window(3, 3, 1, 1, 1)},   /* blocks of channels that share dy, taps by themselves */
      {.n = 1, .h = 3, .w = 400, .ci = 8, .co = 16, .window = window(2, 7, 1, 0, 0)},    /* rows longer than a run of pixels is worth */
      {.n = 2, .h = 1, .w = 1, .ci = 33, .co = 16, .window = window(3, 3, 1, 1, 1)},     /* padding alone around a pixel */
      {.n = 3, .h = 9, .w = 9, .ci = 3, .co = 32, .window = window(3, 3, 2, 0, 0)},      /* taps one below the other */
      {.n = 1, .h = 6, .w = 100, .ci = 300, .co = 32, .window = window(3, 3, 1, 1, 1)},  /* strips of two taps that lie a row apart */
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) test_gradients(shapes[i], (int)i % 2 * 3, (int)i % 2 * 5);
}

static void test_gradient_threads_of(reference_conv2d d) {
  gradients g = new_gradients(d, 2, 3);
  for (int i = 0; i < unit_count; i++) {
    SAME_BITS(g.dx, conv2d_bf16_backward_input(&g.of.narrow, &g.turned[layout_of(i)], &g.dx, &g.of.d.window, 1, &units[i].unit));
    SAME_BITS(g.dw, conv2d_bf16_backward_weights(&g.of.x, &g.of.narrow, &g.dw, &g.of.d.window, &units[i].unit));
  }
  end_gradients(&g);
}

static void test_gradient_threads(void) {
  for (int stride = 1; stride <= 2; stride++)
    test_gradient_threads_of((reference_conv2d){.n = 2, .h = 20, .w = 21, .ci = 19, .co = 45, .window = window(3, 3, stride, 1, 1)});
  test_gradient_threads_of((reference_conv2d){.n = 4, .h = 24, .w = 21, .ci = 33, .co = 32, .window = window(3, 3, 1, 1, 1)}); /* in parts */
}

/* A gradient has the same bits wherever it lies: whole tiles are summed in place where its rows are aligned, and else elsewhere. */
static void test_gradient_place(void) {
  reference_conv2d d = {.n = 2, .h = 20, .w = 15, .ci = 32, .co = 32, .window = window(3, 3, 1, 1, 1)};
  gradients g = new_gradients(d, 0, 0);
  const int64_t count = elements(&g.dw);
  scion_tensor room = TENSOR(count + 1), other = g.dw;
  other.storage = NULL, other.data = (float *)room.data + 1;
  for (int i = 0; i < unit_count; i++) {
    OK(conv2d_bf16_backward_weights(&g.of.x, &g.of.narrow, &g.dw, &d.window, &units[i].unit));
    OK(conv2d_bf16_backward_weights(&g.of.x, &g.of.narrow, &other, &d.window, &units[i].unit));
    CHECK(memcmp(g.dw.data, other.data, (size_t)count * sizeof(float)) == 0, "unit %s: another place has other bits", units[i].name);
  }
  RELEASE(&room);
  end_gradients(&g);
}

static void test_public_gradients(void) { /* rows of less than a tile's: both layouts are one */
  reference_conv2d d = {.n = 2, .h = 6, .w = 6, .ci = 4, .co = 5, .window = window(3, 3, 2, 1, 1)};
  gradients g = new_gradients(d, 0, 0);
  scion_tensor *x = &g.of.x, *dy = &g.of.narrow, small = HALF(0, 2, 9, 6, 4), wide = TENSOR(2, 6, 6, 4), line = TENSOR(3, 3, 4, 5);
  const scion_window *k = &g.of.d.window, other = window(5, 5, 1, 2, 2), far_apart = window(3, 3, 2000, 1, 1);
  reference_conv2d_backward_input(&g.of.d, g.rdy, g.of.rw, g.rdx, 0);
  reference_conv2d_backward_weights(&g.of.d, g.of.rx, g.rdy, g.rdw);
  OK(scion_conv2d_bf16_backward_input(dy, &g.turned[0], &g.dx, k, 0));
  OK(scion_conv2d_bf16_backward_weights(x, dy, &g.dw, k));
  EXACTLY(g.dx, g.rdx, 1e-5);
  EXACTLY(g.dw, g.rdw, 1e-5);
  CHECK(scion_conv2d_bf16_packed_elements(&g.of.w, &other) == 0 && scion_conv2d_bf16_packed_elements(&g.of.w, &far_apart) == 0, "no such kernel");
  REFUSED_WITH(scion_conv2d_bf16_backward_input(&wide, &g.turned[0], &g.dx, k, 0), "dy is f32, not bf16");
  REFUSED_WITH(scion_conv2d_bf16_backward_input(dy, &g.of.packed[0], &g.dx, k, 0), "elements when packed");
  REFUSED_WITH(scion_conv2d_bf16_backward_input(dy, &g.turned[0], &small, k, 0), "dx is 2x9x6x4");
  REFUSED_WITH(scion_conv2d_bf16_backward_input(dy, &g.turned[0], &g.dx, &far_apart, 0), "stride 2000");
  REFUSED_WITH(scion_conv2d_bf16_backward_weights(&wide, dy, &g.dw, k), "x is f32, not bf16");
  REFUSED_WITH(scion_conv2d_bf16_backward_weights(x, dy, &wide, k), "is not the gradient of a 3x3 kernel");
  REFUSED_WITH(scion_conv2d_bf16_backward_weights(&small, dy, &g.dw, k), "x is 2x9x6x4");
  REFUSED_WITH(scion_conv2d_bf16_pack_transposed(&line, NULL, &other, &g.turned[0]), "is not that of a kernel of 3x3x4x5");
  REFUSED_WITH(scion_conv2d_bf16_pack_transposed(&line, NULL, k, &g.of.packed[0]), "elements when packed");
  x->shape[0] = dy->shape[0] = g.dx.shape[0] = 0;
  OK(scion_conv2d_bf16_backward_input(dy, &g.turned[0], &g.dx, k, 0));
  OK(scion_conv2d_bf16_backward_weights(x, dy, &g.dw, k));
  CHECK(scion_tensor_get(&g.dw, 7) == 0, "no images, no gradient");
  x->shape[0] = dy->shape[0] = g.dx.shape[0] = 2;
  RELEASE(&small, &wide, &line);
  end_gradients(&g);
}

static void test_threads(void) {
  reference_conv2d d = {.n = 2, .h = 20, .w = 21, .ci = 19, .co = 45, .window = window(3, 3, 2, 1, 1)};
  problem p = new_problem(d, 2, 3, true);
  for (int i = 0; i < unit_count; i++)
    SAME_BITS(p.y, conv2d_bf16_forward(&p.x, &p.packed[layout_of(i)], &p.bias, NULL, &p.y, &p.d.window, SCION_SIGMOID, &units[i].unit));
  end_problem(&p);
}

static void test_public(void) { /* as above */
  reference_conv2d d = {.n = 2, .h = 6, .w = 6, .ci = 4, .co = 5, .window = window(3, 3, 1, 1, 1)};
  problem p = new_problem(d, 0, 0, false);
  scion_tensor flat = HALF(0, 6, 6, 4), vector = TENSOR(7), small = SLICE(0, 2, 5, 6, 5), wide = TENSOR(2, 6, 6, 4);
  const scion_window *k = &p.d.window, huge = window(1 << 20, 1 << 20, 1, 1 << 20, 1 << 20);
  reference_conv2d_forward(&p.d, p.rx, p.rw, NULL, NULL, p.ry, SCION_RELU);
  OK(scion_conv2d_bf16_forward(&p.x, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU));
  EXACTLY(p.y, p.ry, 1e-5);
  REFUSED_WITH(scion_conv2d_bf16_forward(&wide, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU), "x is f32, not bf16");
  REFUSED_WITH(scion_conv2d_bf16_forward(&flat, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU), "6x6x4");
  REFUSED_WITH(scion_conv2d_bf16_forward(&p.x, &p.packed[0], NULL, NULL, &small, k, SCION_RELU), "should be 2x6x6x5");
  REFUSED_WITH(scion_conv2d_bf16_forward(&p.x, &p.w, NULL, NULL, &p.y, k, SCION_RELU), "packed is f32");
  REFUSED_WITH(scion_conv2d_bf16_forward(&p.x, &flat, NULL, NULL, &p.y, k, SCION_RELU), "1024 elements when packed");
  REFUSED_WITH(scion_conv2d_bf16_forward(&p.x, &p.packed[0], &vector, NULL, &p.y, k, SCION_RELU), "bias");
  REFUSED_WITH(scion_conv2d_bf16_forward(&p.x, &p.packed[0], NULL, &small, &p.y, k, SCION_RELU), "one shape");
  REFUSED(scion_conv2d_bf16_forward(&p.x, &p.packed[0], NULL, NULL, &p.y, k, SCION_ACTIVATIONS));
  REFUSED(scion_conv2d_bf16_forward(&p.x, &p.packed[0], NULL, NULL, &p.y, &huge, SCION_RELU));
  REFUSED_WITH(scion_conv2d_bf16_pack(&flat, NULL, &p.packed[0]), "kernel is bf16");
  REFUSED_WITH(scion_conv2d_bf16_pack(&p.w, &vector, &p.packed[0]), "scale");
  REFUSED_WITH(scion_conv2d_bf16_pack(&p.w, NULL, &flat), "1024 elements when packed");
  p.x.shape[0] = p.y.shape[0] = 0;
  OK(scion_conv2d_bf16_forward(&p.x, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU));
  RELEASE(&flat, &vector, &small, &wide);
  end_problem(&p);
}

int main(void) {
  test_begin("conv2d_bf16");
  find_units();
  test_emulation();
  test_shapes(test_shape, 1);
  test_leavings();
  test_threads();
  test_public();
  test_shapes(test_gradients, 1);
  test_more_gradients();
  test_gradient_threads();
  test_gradient_place();
  test_public_gradients();
  scion_threads_stop();
  return test_end();
}
