/* Convolution of bytes: every unit that multiplies against whole numbers, to the bit. AMX and vpdpbusd are the very sources of the core,
 * built here against their instructions in software; where the CPU has the instructions, they run too. And numbers as bytes. */
#include "compare.h"
#include "kernels/reference/int8.h"
#include "narrow.h"

typedef int32_t emulated_lanes __attribute__((vector_size(64)));
static emulated_lanes dot_lanes(emulated_lanes sum, const void *a, const void *b) {
  int32_t sums[16];
  memcpy(sums, &sum, sizeof sums);
  emulated_byte_dot(sums, a, b, 16);
  memcpy(&sum, sums, sizeof sums);
  return sum;
}
#define DOT_FUNCTION
#define DOT(sum, a, b) dot_lanes(sum, &(a), &(b))
#define conv2d_int8_vnni emulated_vnni
#include "../../csrc/kernels/conv2d_int8_vnni.c"
#undef conv2d_int8_vnni

static void find_units(void) {
  add_unit("this instruction set's own", (conv2d_unit){.multiply = SIMD_CHOOSE(conv2d_int8_multiply), .step = INT8_STEP});
  add_unit("plain C", (conv2d_unit){.multiply = conv2d_int8_multiply_portable, .step = NARROW_QUAD});
  add_unit("vpdpbusd in software", emulated_vnni);
  add_unit("AMX in software", emulated_int8_amx);
#if defined(__x86_64__)
  if (scion_int8_in_use() == SCION_INT8_AVXVNNI) add_unit("AVX-VNNI", conv2d_int8_avxvnni);
  if (scion_int8_in_use() >= SCION_INT8_VNNI) add_unit("AVX-512 VNNI", conv2d_int8_vnni);
  if (scion_int8_in_use() == SCION_INT8_AMX) add_unit("AMX", conv2d_int8_amx);
#endif
  if (scion_int8_in_use() == SCION_INT8_PLAIN) printf("vpdpbusd itself does not run here: CPU, kernel or SCION_ISA do not offer it\n");
}

/* ---- one convolution */

/* A u8 tensor of all codes, with gaps of 99 between its rows: see test_gaps_untouched. */
static scion_tensor codes(int gap, int dims, const int64_t *shape) {
  scion_tensor t;
  int64_t wide[SCION_MAX_DIMS];
  memcpy(wide, shape, sizeof(int64_t) * (size_t)dims);
  wide[dims - 1] += gap;
  OK(scion_tensor_new(&t, SCION_U8, dims, wide));
  OK(scion_tensor_fill(&t, 99));
  t.shape[dims - 1] = shape[dims - 1];
  for (int64_t i = 0; i < elements(&t); i++) scion_tensor_set(&t, i, test_integer(0, 255));
  return t;
}
#define CODES(gap, ...) codes(gap, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static real *code_reals(const scion_tensor *t, scion_quantization q) {
  real *out = new_reals(elements(t));
  for (int64_t i = 0; i < elements(t); i++) out[i] = ((real)scion_tensor_get(t, i) - q.zero) * (real)q.scale;
  return out;
}

static int packed_weight(const scion_tensor *packed, int64_t depth, int64_t k, int64_t column) {
  int64_t padded = scion_divide_up(depth, NARROW_STEP) * NARROW_STEP, tile = column / NARROW_TILE * NARROW_TILE * padded;
  return ((const int8_t *)packed->data)[tile + k / NARROW_QUAD * NARROW_QUAD * NARROW_TILE + column % NARROW_TILE * NARROW_QUAD + k % NARROW_QUAD];
}

typedef struct {
  reference_conv2d d;
  scion_tensor x, w, scale, bias, mean, addend, packed[2], scales, sums, shift, y, bytes; /* packed: see layouts */
  scion_quantization q[3];
  real *rx, *rw, *rbias, *raddend, *ry;
  int32_t *whole; /* the weights as they were packed, and sums of products by the reference */
  int64_t *expected;
} problem;

static problem new_problem(reference_conv2d d, int x_gap, int y_gap, bool code_addend) {
  d.oh = scion_window_output(&d.window, 0, d.h), d.ow = scion_window_output(&d.window, 1, d.w);
  problem p = {.d = d, .q = {{0.02f, test_integer(0, 1) * test_integer(1, 255)}, {0.01f, test_integer(0, 255)}, {0.05f, test_integer(0, 255)}}};
  const int64_t kh = d.window.kernel[0], kw = d.window.kernel[1];
  p.x = CODES(x_gap, d.n, d.h, d.w, d.ci);
  p.w = TENSOR(kh, kw, d.ci, d.co);
  scion_random_normal(&p.w, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 1 / sqrtf((float)scion_tensor_rows(&p.w)));
  p.scale = TENSOR(d.co), p.bias = TENSOR(d.co);
  p.addend = code_addend ? CODES(3, d.n, d.oh, d.ow, d.co) : SLICE(3, d.n, d.oh, d.ow, d.co);
  p.y = SLICE(y_gap, d.n, d.oh, d.ow, d.co), p.bytes = CODES(y_gap, d.n, d.oh, d.ow, d.co);
  p.scales = TENSOR(d.co), p.shift = TENSOR(d.co), p.mean = TENSOR(d.ci);
  OK(scion_tensor_new(&p.sums, SCION_I32, 1, &d.co));
  for (int k = 1; k >= 0; k--) {
    int64_t packed = conv2d_int8_packed_elements(&p.w, &layouts[k]);
    OK(scion_tensor_new(&p.packed[k], SCION_U8, 1, &packed));
    OK(conv2d_int8_pack(&p.w, &p.scale, &p.bias, &p.mean, &p.packed[k], &p.scales, &p.sums, &p.shift, &layouts[k]));
  }
  p.rx = code_reals(&p.x, (scion_quantization){1, p.q[0].zero});
  p.raddend = code_addend ? code_reals(&p.addend, p.q[1]) : test_real(&p.addend);
  p.rbias = test_real(&p.bias), p.ry = new_reals(elements(&p.y)), p.rw = new_reals(elements(&p.w));
  for (int64_t i = 0; i < elements(&p.w); i++) p.rw[i] = packed_weight(&p.packed[0], scion_tensor_rows(&p.w), i / d.co, i % d.co);
  p.whole = calloc((size_t)elements(&p.w) + 1, sizeof *p.whole), p.expected = calloc((size_t)elements(&p.y) + 1, sizeof *p.expected);
  for (int64_t i = 0; i < elements(&p.w); i++) p.whole[i] = (int32_t)p.rw[i];
  uint8_t *x = malloc((size_t)elements(&p.x) + 1);
  for (int64_t i = 0; i < elements(&p.x); i++) x[i] = (uint8_t)scion_tensor_get(&p.x, i);
  reference_conv2d_int8(&d, x, p.q[0].zero, p.whole, p.expected);
  free(x);
  return p;
}

static void end_problem(problem *p) {
  RELEASE(&p->x, &p->w, &p->scale, &p->bias, &p->mean, &p->addend, &p->packed[0], &p->packed[1], &p->scales, &p->sums, &p->shift, &p->y, &p->bytes);
  free(p->rx), free(p->rw), free(p->rbias), free(p->raddend), free(p->ry), free(p->whole), free(p->expected);
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

static float scale_at(const problem *p, int64_t element) { return ((const float *)p->scales.data)[element % p->d.co]; }

/* A byte is within half a step of what it stands for, and no four products that are summed in 16 bits can leave them. */
static void test_packing(const problem *p) {
  const int64_t depth = scion_tensor_rows(&p->w), co = p->d.co;
  double worst = 0;
  for (int64_t i = 0; i < elements(&p->w); i++) {
    double folded = scion_tensor_get(&p->w, i) * ((const float *)p->scale.data)[i % co];
    worst = fmax(worst, fabs(folded - (double)p->rw[i] * scale_at(p, i)) / scale_at(p, i));
  }
  CHECK(worst < 0.5001, "%g steps: %s", worst, describe(p, 0));
  int most = 0;
  bool summed = true;
  for (int64_t c = 0; c < co; c++) {
    int all = 0;
    for (int64_t k = 0; k < depth; k += k % 4 == 2 ? 6 : 2) { /* 0, 2, 8, 10, .. */
      int above = 0, below = 0;
      for (int i = 0; i < 4; i++) {
        int64_t at = k + (int[]){0, 1, 4, 5}[i];
        int w = at < depth ? packed_weight(&p->packed[0], depth, at, c) : 0;
        if (w > 0) above += w;
        if (w < 0) below -= w;
      }
      most = above > most ? above : most, most = below > most ? below : most;
    }
    for (int64_t k = 0; k < depth; k++) all += packed_weight(&p->packed[0], depth, k, c);
    summed = summed && all == ((const int32_t *)p->sums.data)[c];
  }
  CHECK(most <= 128 && most >= 124, "four weights sum to %d: %s", most, describe(p, 0));
  CHECK(summed, "sums of weights: %s", describe(p, 0));
  double far = 0; /* of the shift: the bias, and what rounding takes from the mean output */
  for (int64_t c = 0; c < co; c++) {
    double lost = (double)p->rbias[c];
    for (int64_t k = 0; k < depth; k++) {
      double folded = scion_tensor_get(&p->w, k * co + c) * ((const float *)p->scale.data)[c];
      lost += scion_tensor_get(&p->mean, k % p->d.ci) * (folded - (double)p->rw[k * co + c] * scale_at(p, c));
    }
    far = fmax(far, fabs(lost - scion_tensor_get(&p->shift, c)));
  }
  CHECK(far < 1e-5, "a shift is off by %g: %s", far, describe(p, 0));
}

/* The whole numbers are exact, and what follows them is rounded in one order, so that y in f32 and in bytes has the reference's bits. */
static void test_exact(problem *p, int i, const scion_tensor *bias, const scion_tensor *addend, scion_activation activation) {
  OK(scion_tensor_fill(&p->y, NAN));
  OK(conv2d_int8_forward(&p->x, &p->packed[layout_of(i)], &p->scales, &p->sums, bias, addend, &p->y, &p->d.window, activation, p->q, &units[i].unit));
  OK(conv2d_int8_forward(&p->x, &p->packed[layout_of(i)], &p->scales, &p->sums, bias, addend, &p->bytes, &p->d.window, activation, p->q, &units[i].unit));
  int64_t wrong = 0;
  for (int64_t e = 0; e < elements(&p->y); e++) {
    float added = 0;
    if (addend) added = addend->dtype == SCION_U8 ? reference_number((uint8_t)scion_tensor_get(addend, e), p->q[1]) : (float)scion_tensor_get(addend, e);
    float number = reference_int8_number(p->expected[e], scale_at(p, e), p->q[0].scale, bias ? (const float *)bias->data + e % p->d.co : NULL,
                                         addend ? &added : NULL, activation);
    if ((float)scion_tensor_get(&p->y, e) != number || scion_tensor_get(&p->bytes, e) != reference_code(number, p->q[2])) wrong++;
  }
  CHECK(wrong == 0, "%lld elements differ: %s", (long long)wrong, describe(p, i));
  CHECK(test_gaps_untouched(&p->y), "gaps were written: %s", describe(p, i));
}

/* With all that follows the product, as f32 and as the nearest code of that. ry: before activation. */
static void test_epilogue(problem *p, int i, const real *ry, const scion_tensor *bias, const scion_tensor *addend, scion_activation activation) {
  OK(scion_tensor_fill(&p->y, NAN));
  OK(conv2d_int8_forward(&p->x, &p->packed[layout_of(i)], &p->scales, &p->sums, bias, addend, &p->y, &p->d.window, activation, p->q, &units[i].unit));
  OK(conv2d_int8_forward(&p->x, &p->packed[layout_of(i)], &p->scales, &p->sums, bias, addend, &p->bytes, &p->d.window, activation, p->q, &units[i].unit));
  double distance = test_distance(&p->y, ry), far = 0;
  CHECK(distance < 1e-5, "off by %g: %s", distance, describe(p, i));
  for (int64_t e = 0; e < elements(&p->y); e++) {
    double code = scion_tensor_get(&p->y, e) / (double)p->q[2].scale + p->q[2].zero;
    far = fmax(far, fabs(fmin(255, fmax(0, code)) - scion_tensor_get(&p->bytes, e)));
  }
  CHECK(far < 0.501, "a code is %g from its number: %s", far, describe(p, i));
  CHECK(test_gaps_untouched(&p->y) && test_gaps_untouched(&p->bytes), "gaps were written: %s", describe(p, i));
}

static void test_shape(reference_conv2d d, int x_gap, int y_gap) {
  problem p = new_problem(d, x_gap, y_gap, test_integer(0, 1));
  test_packing(&p);
  for (int i = 0; i < unit_count; i++) {
    test_exact(&p, i, NULL, NULL, SCION_LINEAR);
    test_exact(&p, i, &p.bias, test_integer(0, 1) ? &p.addend : NULL, test_integer(0, 1) ? SCION_RELU : SCION_RELU6);
  }
  bool biased = test_integer(0, 1), added = test_integer(0, 1);
  scion_activation activation = (scion_activation)test_integer(0, SCION_ACTIVATIONS - 1);
  for (int64_t e = 0; e < elements(&p.x); e++) p.rx[e] *= (real)p.q[0].scale;
  for (int64_t e = 0; e < elements(&p.w); e++) p.rw[e] *= (real)scale_at(&p, e);
  reference_conv2d_forward(&p.d, p.rx, p.rw, biased ? p.rbias : NULL, added ? p.raddend : NULL, p.ry, activation);
  for (int i = 0; i < unit_count; i++) test_epilogue(&p, i, p.ry, biased ? &p.bias : NULL, added ? &p.addend : NULL, activation);
  CHECK(emulated_faults == 0, "%d uses of tiles that the hardware faults on: %s", emulated_faults, describe(&p, 3));
  end_problem(&p);
}

/* The largest codes times the largest weights of one sign: where sums in 16 bits are largest. */
static void test_largest_sums(void) {
  reference_conv2d d = {.n = 1, .h = 4, .w = 4, .ci = 64, .co = 16, .window = window(1, 1, 1, 0, 0)};
  for (int sign = -1; sign <= 1; sign += 2) {
    problem p = new_problem(d, 0, 0, false);
    OK(scion_tensor_fill(&p.x, 255));
    OK(scion_tensor_fill(&p.w, sign * 0.37));
    OK(scion_tensor_fill(&p.scale, 1));
    for (int k = 0; k < 2; k++) OK(conv2d_int8_pack(&p.w, &p.scale, &p.bias, &p.mean, &p.packed[k], &p.scales, &p.sums, &p.shift, &layouts[k]));
    p.q[0].zero = 0;
    for (int64_t e = 0; e < elements(&p.y); e++) p.expected[e] = sign * 255 * 32 * 64; /* 126 by four, rounded to even */
    for (int i = 0; i < unit_count; i++) test_exact(&p, i, NULL, NULL, SCION_LINEAR);
    end_problem(&p);
  }
}

static void test_threads(void) {
  reference_conv2d d = {.n = 2, .h = 20, .w = 21, .ci = 19, .co = 45, .window = window(3, 3, 2, 1, 1)};
  problem p = new_problem(d, 2, 3, true);
  for (int i = 0; i < unit_count; i++)
    SAME_BITS(p.bytes, conv2d_int8_forward(&p.x, &p.packed[layout_of(i)], &p.scales, &p.sums, &p.bias, &p.addend, &p.bytes, &p.d.window, SCION_SIGMOID, p.q,
                                           &units[i].unit));
  end_problem(&p);
}

#define FORWARD(x, packed, bias, addend, y, k, activation) \
  scion_conv2d_int8_forward(x, packed, &p.scales, &p.sums, bias, addend, y, k, activation, p.q)

static void test_public(void) { /* rows of less than a tile's: both layouts are one */
  reference_conv2d d = {.n = 2, .h = 6, .w = 6, .ci = 4, .co = 5, .window = window(3, 3, 1, 1, 1)};
  problem p = new_problem(d, 0, 0, false);
  scion_tensor flat = CODES(0, 6, 6, 4), vector = TENSOR(7), small = SLICE(0, 2, 5, 6, 5), wide = TENSOR(2, 6, 6, 4), bytes = CODES(0, 2, 6, 6, 5);
  scion_tensor deep = TENSOR(1, 1, 65537, 1), room = CODES(0, 65600 * 16), one = TENSOR(1);
  const scion_window *k = &p.d.window, huge = window(1 << 20, 1 << 20, 1, 1 << 20, 1 << 20);
  OK(FORWARD(&p.x, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU));
  REFUSED_WITH(FORWARD(&wide, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU), "x is f32, not u8");
  REFUSED_WITH(FORWARD(&flat, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU), "6x6x4");
  REFUSED_WITH(FORWARD(&p.x, &p.packed[0], NULL, NULL, &small, k, SCION_RELU), "should be 2x6x6x5");
  REFUSED_WITH(FORWARD(&p.x, &p.w, NULL, NULL, &p.y, k, SCION_RELU), "packed is f32");
  REFUSED_WITH(FORWARD(&p.x, &flat, NULL, NULL, &p.y, k, SCION_RELU), "1024 elements when packed");
  REFUSED_WITH(FORWARD(&p.x, &p.packed[0], &vector, NULL, &p.y, k, SCION_RELU), "bias");
  REFUSED_WITH(FORWARD(&p.x, &p.packed[0], NULL, &small, &p.y, k, SCION_RELU), "one shape");
  REFUSED(FORWARD(&p.x, &p.packed[0], NULL, NULL, &p.y, k, SCION_ACTIVATIONS));
  REFUSED(FORWARD(&p.x, &p.packed[0], NULL, NULL, &p.y, &huge, SCION_RELU));
  p.q[2].scale = 0;
  REFUSED_WITH(FORWARD(&p.x, &p.packed[0], NULL, NULL, &bytes, k, SCION_RELU), "y has scale 0");
  p.q[1].zero = 256;
  REFUSED_WITH(FORWARD(&p.x, &p.packed[0], NULL, &bytes, &p.y, k, SCION_RELU), "zero point 256");
  REFUSED_WITH(scion_conv2d_int8_pack(&flat, NULL, NULL, NULL, &p.packed[0], &p.scales, &p.sums, &p.shift), "kernel is u8");
  REFUSED_WITH(scion_conv2d_int8_pack(&p.w, &vector, NULL, NULL, &p.packed[0], &p.scales, &p.sums, &p.shift), "scale");
  REFUSED_WITH(scion_conv2d_int8_pack(&p.w, NULL, NULL, NULL, &flat, &p.scales, &p.sums, &p.shift), "1024 elements when packed");
  REFUSED_WITH(scion_conv2d_int8_pack(&p.w, NULL, NULL, NULL, &p.packed[0], &vector, &p.sums, &p.shift), "scales");
  REFUSED_WITH(scion_conv2d_int8_pack(&p.w, NULL, &vector, NULL, &p.packed[0], &p.scales, &p.sums, &p.shift), "bias");
  REFUSED_WITH(scion_conv2d_int8_pack(&p.w, NULL, NULL, &vector, &p.packed[0], &p.scales, &p.sums, &p.shift), "mean");
  REFUSED_WITH(scion_conv2d_int8_pack(&p.w, NULL, NULL, NULL, &p.packed[0], &p.scales, &p.sums, &vector), "shift");
  REFUSED_WITH(scion_conv2d_int8_pack(&p.w, NULL, NULL, NULL, &p.packed[0], &p.scales, &p.scales, &p.shift), "sums is f32");
  REFUSED_WITH(scion_conv2d_int8_pack(&deep, NULL, NULL, NULL, &room, &one, &p.sums, &p.shift), "65537 weights");
  ((float *)p.w.data)[0] = NAN;
  OK(scion_conv2d_int8_pack(&p.w, NULL, NULL, NULL, &p.packed[0], &p.scales, &p.sums, &p.shift));
  OK(FORWARD(&p.x, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU));
  CHECK(isnan(*(const float *)p.y.data) && isfinite(((const float *)p.y.data)[1]), "a weight that is no number shows in its channel");
  p.x.shape[0] = p.y.shape[0] = 0;
  OK(FORWARD(&p.x, &p.packed[0], NULL, NULL, &p.y, k, SCION_RELU));
  RELEASE(&flat, &vector, &small, &wide, &bytes, &deep, &room, &one);
  end_problem(&p);
}

/* ---- images as they are */

/* A convolution of pixels, by a kernel that preprocesses, gives what one of preprocessed pixels gives, borders included. */
static void test_pixels(int64_t channels, int gap, int reverse, reference_conv2d d) {
  const float scale[3] = {0.5f, -2, 0.125f}, shift[3] = {-1, 3, 40};
  d.ci = channels, d.oh = scion_window_output(&d.window, 0, d.h), d.ow = scion_window_output(&d.window, 1, d.w);
  scion_tensor x = CODES(gap, d.n, d.h, d.w, 3), preprocessed = TENSOR(d.n, d.h, d.w, channels), pixels = CODES(gap, d.n, d.h, d.w, channels + 1);
  scion_tensor w = TENSOR(d.window.kernel[0], d.window.kernel[1], channels, d.co), mean = TENSOR(channels), pixel_mean = TENSOR(channels + 1);
  scion_tensor folded = TENSOR(d.window.kernel[0], d.window.kernel[1], channels + 1, d.co), y = TENSOR(d.n, d.oh, d.ow, d.co);
  OK(scion_preprocess(&x, &preprocessed, scale, shift, reverse));
  SAME_BITS(pixels, scion_pixel_codes(&x, &pixels));
  CHECK(test_gaps_untouched(&pixels), "gaps were written");
  OK(scion_preprocess_fold(&w, &mean, scale, shift, reverse, &folded, &pixel_mean));
  real *rx = test_real(&preprocessed), *rw = test_real(&w), *ry = new_reals(elements(&y)), *rcodes = code_reals(&pixels, (scion_quantization){1, 0});
  real *rfolded = test_real(&folded), *again = new_reals(elements(&y));
  reference_conv2d_forward(&d, rx, rw, NULL, NULL, ry, SCION_LINEAR);
  d.ci++;
  reference_conv2d_forward(&d, rcodes, rfolded, NULL, NULL, again, SCION_LINEAR);
  double far = 0, most = 0;
  for (int64_t i = 0; i < elements(&y); i++) far = fmax(far, fabs((double)(again[i] - ry[i]))), most = fmax(most, fabs((double)ry[i]));
  CHECK(far < 1e-6 * most, "%g of %g: %lld channels, reverse %d", far, most, (long long)channels, reverse);
  for (int c = 0; c < channels; c++) {
    double of_pixel = scion_tensor_get(&pixel_mean, reverse && channels == 3 ? 2 - c : c), told = scion_tensor_get(&mean, c);
    CHECK(fabs(of_pixel * (double)scale[c] + (double)shift[c] - told) < 1e-5, "the mean of channel %d", c);
  }
  CHECK(scion_tensor_get(&pixel_mean, channels) == 255, "the mean of the last channel");
  RELEASE(&x, &preprocessed, &pixels, &w, &mean, &pixel_mean, &folded, &y);
  free(rx), free(rw), free(ry), free(rcodes), free(rfolded), free(again);
}

static void test_pixels_refused(void) {
  scion_tensor x = CODES(0, 2, 5, 5, 3), two = CODES(0, 2, 5, 5, 2), four = CODES(0, 2, 5, 5, 4), wide = TENSOR(2, 5, 5, 4);
  scion_tensor w = TENSOR(3, 3, 2, 4), colours = TENSOR(3, 3, 3, 4), folded = TENSOR(3, 3, 4, 4), mean = TENSOR(3), longer = TENSOR(4);
  const float three[3] = {0, 1, 1};
  REFUSED_WITH(scion_pixel_codes(&four, &four), "2x5x5x4");
  REFUSED_WITH(scion_pixel_codes(&x, &x), "4 channels, or of 2");
  REFUSED_WITH(scion_pixel_codes(&x, &wide), "y is f32");
  OK(scion_pixel_codes(&x, &two));
  REFUSED_WITH(scion_preprocess_fold(&w, &mean, three, three, 0, &folded, &longer), "3x3x2x4");
  REFUSED_WITH(scion_preprocess_fold(&colours, &longer, three, three, 0, &folded, &longer), "mean");
  REFUSED_WITH(scion_preprocess_fold(&colours, &mean, three, three, 0, &folded, &mean), "pixel_mean");
  REFUSED_WITH(scion_preprocess_fold(&x, &mean, three, three, 0, &folded, &longer), "kernel is u8");
  OK(scion_preprocess_fold(&colours, &mean, three, three, 0, &folded, &longer));
  CHECK(((const float *)longer.data)[0] == 0, "a channel that is scaled by 0 has a mean of %g", (double)((const float *)longer.data)[0]);
  RELEASE(&x, &two, &four, &wide, &w, &colours, &folded, &mean, &longer);
}

static void test_images(void) {
  const scion_window windows[] = {window(3, 3, 1, 1, 1), window(7, 7, 2, 3, 3), window(3, 3, 2, 0, 1)};
  for (int i = 0; i < 12; i++)
    test_pixels(i % 2 ? 3 : 1, i % 3, i / 2 % 2, (reference_conv2d){.n = 2, .h = 9, .w = 11, .co = 5, .window = windows[i / 4]});
  test_pixels_refused();
}

/* ---- numbers as bytes, pools of them, and counts */

static void test_quantize(void) {
  for (int gap = 0; gap < 6; gap += 5) {
    scion_tensor x = SLICE(gap, 64, 3, 37), y = CODES(gap, 64, 3, 37), back = SLICE(gap, 64, 3, 37);
    scion_quantization q = {0.01f, 100};
    ((float *)x.data)[0] = NAN, ((float *)x.data)[1] = INFINITY, ((float *)x.data)[2] = -INFINITY, ((float *)x.data)[3] = 0.025f;
    SAME_BITS(y, scion_quantize(&x, &y, q));
    SAME_BITS(back, scion_dequantize(&y, &back, q));
    const uint8_t *c = y.data;
    CHECK(c[0] == 0 && c[1] == 255 && c[2] == 0 && c[3] == 102, "%d %d %d %d", c[0], c[1], c[2], c[3]);
    double far = 0;
    for (int64_t i = 4; i < elements(&x); i++)
      far = fmax(far, fabs(fmin(1.55, fmax(-1, scion_tensor_get(&x, i))) - scion_tensor_get(&back, i)));
    CHECK(far < 0.00501, "%g", far);
    CHECK(test_gaps_untouched(&y) && test_gaps_untouched(&back), "gaps were written");
    REFUSED_WITH(scion_quantize(&x, &y, (scion_quantization){0, 0}), "a scale of 0");
    REFUSED_WITH(scion_quantize(&x, &y, (scion_quantization){1, -1}), "zero point of -1");
    REFUSED_WITH(scion_quantize(&x, &x, q), "y is f32");
    REFUSED_WITH(scion_dequantize(&x, &y, q), "x is f32");
    RELEASE(&x, &y, &back);
  }
}

static void test_pools(void) {
  for (int channels = 1; channels < 150; channels += 37) {
    scion_tensor x = CODES(3, 2, 7, 8, channels), y = CODES(5, 2, 4, 4, channels), wide = TENSOR(2, 7, 8, channels), out = TENSOR(2, 4, 4, channels);
    const scion_window k = {{3, 3}, {2, 2}, {1, 1}, {1, 1}, {1, 0}};
    OK(scion_tensor_copy(&x, &wide, 0));
    SAME_BITS(y, scion_max_pool_forward(&x, &y, &k));
    OK(scion_max_pool_forward(&wide, &out, &k));
    double far = 0;
    for (int64_t i = 0; i < elements(&y); i++) far = fmax(far, fabs(scion_tensor_get(&out, i) - scion_tensor_get(&y, i)));
    CHECK(far == 0, "the largest code is %g off", far);
    SAME_BITS(y, scion_average_pool_forward(&x, &y, &k, 0));
    OK(scion_average_pool_forward(&wide, &out, &k, 0));
    for (int64_t i = 0; i < elements(&y); i++) far = fmax(far, fabs(scion_tensor_get(&out, i) - scion_tensor_get(&y, i)));
    CHECK(far < 0.5001, "a mean of codes is %g off", far);
    CHECK(test_gaps_untouched(&y), "gaps were written");
    REFUSED_WITH(scion_max_pool_forward(&x, &out, &k), "x is u8");
    REFUSED_WITH(scion_max_pool_forward(&wide, &y, &k), "y is u8");
    RELEASE(&x, &y, &wide, &out);
  }
}

static void test_histogram(void) {
  scion_tensor x = SLICE(3, 40, 25), counts = TENSOR(SCION_BINS), few = TENSOR(10);
  OK(scion_tensor_fill(&counts, 0));
  for (int64_t i = 0; i < elements(&x); i++) scion_tensor_set(&x, i, i % 4 == 0 ? 0 : i % 4 == 1 ? -1.03 : i % 4 == 2 ? 1 : NAN);
  OK(scion_histogram(&x, &counts));
  SAME_BITS(counts, scion_histogram(&x, &counts));
  const float *n = counts.data; /* 1 is 0x3f800000 */
  CHECK(n[0] == 500 && n[0x3f800000u >> 19] == 500 && n[0xbf800000u >> 19] == 500 && n[0x7fc00000u >> 19] == 500, "%g %g %g %g", (double)n[0],
        (double)n[0x3f800000u >> 19], (double)n[0xbf800000u >> 19], (double)n[0x7fc00000u >> 19]);
  REFUSED_WITH(scion_histogram(&x, &few), "8192 numbers");
  RELEASE(&x, &counts, &few);
}

int main(void) {
  test_begin("conv2d_int8");
  find_units();
  test_shapes(test_shape, 2);
  test_largest_sums();
  test_threads();
  test_public();
  test_images();
  test_quantize();
  test_pools();
  test_histogram();
  scion_threads_stop();
  return test_end();
}
