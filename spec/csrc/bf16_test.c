/* Kernels that compute in f32 and read or write bf16: to the bit what the same kernel gives in f32 on the same numbers, rounded
 * where y is bf16. The f32 kernels have tests of their own. And the rounding itself. */
#include "compare.h"
#include "tensor/element.h"

/* ---- rounding */

/* With gaps of `fill` between its rows. */
static scion_tensor new_tensor(scion_dtype dtype, int gap, int fill, int dims, const int64_t *shape) {
  int64_t wide[SCION_MAX_DIMS];
  memcpy(wide, shape, sizeof(int64_t) * (size_t)dims);
  wide[dims - 1] += gap;
  scion_tensor t;
  OK(scion_tensor_new(&t, dtype, dims, wide));
  OK(scion_tensor_fill(&t, fill));
  t.shape[dims - 1] = shape[dims - 1];
  return t;
}
#define NEW(dtype, gap, ...) \
  new_tensor(dtype, gap, 5, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* The nearest bf16, by arithmetic: neighbours are 2^-7 of the power of two apart, and a tie goes to the even one. */
static double nearest(double v) {
  int exponent;
  if (v == 0 || !isfinite(v)) return v;
  frexp(v, &exponent);
  double unit = ldexp(1, (exponent < -125 ? -125 : exponent) - 8), rounded = nearbyint(v / unit) * unit;
  return fabs(rounded) >= ldexp(1, 128) ? copysign(INFINITY, v) : rounded;
}

static void test_rounding(void) {
  scion_tensor x = NEW(SCION_F32, 0, 1009, 67), y = NEW(SCION_BF16, 3, 1009, 67), back = NEW(SCION_F32, 0, 1009, 67);
  uint32_t *bits = x.data;
  for (int64_t i = 0; i < elements(&x); i++) {
    uint32_t words[4];
    scion_random4(test_seed, (uint32_t)i, 1, 2, SCION_DRAW_TENSOR, words);
    bits[i] = words[0];
    if (i % 3 == 0) bits[i] = (bits[i] & 0xffff0000u) | 0x8000u; /* ties */
  }
  bits[0] = 0x7f7fffffu, bits[1] = 0x7f800001u, bits[2] = 0xff800000u, bits[3] = 0x80000000u, bits[4] = 0x00000001u;
  OK(scion_tensor_copy(&x, &y, 0));
  OK(scion_tensor_copy(&y, &back, 0));
  int wrong = 0;
  for (int64_t i = 0; i < elements(&x); i++) {
    double from = (double)((const float *)x.data)[i], to = (double)((const float *)back.data)[i];
    wrong += isnan(from) ? !isnan(to) : nearest(from) != to || signbit(from) != signbit(to);
    wrong += (double)((const float *)back.data)[i] != scion_tensor_get(&y, i) && !isnan(to);
  }
  CHECK(wrong == 0, "%d of %lld are rounded wrongly", wrong, (long long)elements(&x));
  CHECK(scion_tensor_get(&y, 0) == INFINITY, "the largest f32 is beyond the largest bf16");
  RELEASE(&x, &y, &back);
}

/* ---- kernels: call(inputs, y) with the inputs of one dtype or the other, and y, too */

typedef scion_status call(scion_tensor *const inputs[], scion_tensor *y, void *data);

/* Runs it in f32 on numbers that bf16 holds, and with every mix of dtypes: each result must be that, rounded as y needs. */
static void test_mixes(const char *name, call *run, void *data, int count, const scion_tensor *like, const scion_tensor *y_like,
                       int gap, bool y_as_x) {
  scion_tensor wide[2], narrow[2], *mixed[2];
  scion_tensor expected = new_tensor(SCION_F32, 0, 5, y_like->dims, y_like->shape);
  for (int i = 0; i < count; i++) {
    scion_tensor numbers = test_tensor_gap(0, like->dims, like->shape);
    narrow[i] = new_tensor(SCION_BF16, gap + i, 6, like->dims, like->shape);
    wide[i] = new_tensor(SCION_F32, gap, 6, like->dims, like->shape);
    OK(scion_tensor_copy(&numbers, &narrow[i], 0));
    OK(scion_tensor_copy(&narrow[i], &wide[i], 0));
    mixed[i] = &wide[i];
    scion_tensor_release(&numbers);
  }
  OK(run(mixed, &expected, data));
  for (int mix = 0; mix < 1 << (count + 1); mix++) {
    scion_dtype dtype = mix >> count ? SCION_BF16 : SCION_F32;
    for (int i = 0; i < count; i++) mixed[i] = mix >> i & 1 ? &narrow[i] : &wide[i];
    if (y_as_x && mixed[0]->dtype != dtype) continue;
    scion_tensor y = new_tensor(dtype, gap, 5, y_like->dims, y_like->shape);
    OK(run(mixed, &y, data));
    int wrong = 0;
    for (int64_t i = 0; i < elements(&y); i++) {
      float e = ((const float *)expected.data)[i];
      wrong += scion_tensor_get(&y, i) != (dtype == SCION_BF16 ? (double)bf16_to_float(float_to_bf16(e)) : (double)e);
    }
    CHECK(wrong == 0, "%s: %d of %lld differ, mix %d, gap %d", name, wrong, (long long)elements(&y), mix, gap);
    for (int64_t r = 0; gap && r + 1 < scion_tensor_rows(&y); r++) /* what the fill left between the rows */
      for (int64_t c = scion_tensor_channels(&y); c < y.row_stride; c++)
        if (element_load(y.data, dtype, r * y.row_stride + c) != 5) wrong++;
    CHECK(wrong == 0, "%s: gaps were written", name);
    scion_tensor_release(&y);
  }
  for (int i = 0; i < count; i++) RELEASE(&wide[i], &narrow[i]);
  scion_tensor_release(&expected);
}

typedef struct {
  scion_window k;
  scion_activation activation;
  scion_tensor w, scale, shift;
} operands;

static scion_status run_max(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_max_pool_forward(x[0], y, &((operands *)d)->k);
}
static scion_status run_average(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_average_pool_forward(x[0], y, &((operands *)d)->k, 0);
}
static scion_status run_global_max(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_global_max_pool_forward(x[0], y);
}
static scion_status run_global_average(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_global_average_pool_forward(x[0], y);
}
static scion_status run_depthwise(scion_tensor *const x[], scion_tensor *y, void *data) {
  operands *d = data;
  return scion_depthwise_forward(x[0], &d->w, &d->scale, &d->shift, y, &d->k, d->activation);
}
static scion_status run_activation(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_activation_forward(x[0], y, ((operands *)d)->activation);
}
static scion_status run_add(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_add_forward(x[0], x[1], y, ((operands *)d)->activation);
}
static scion_status run_multiply(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_multiply_forward(x[0], x[1], y);
}
static scion_status run_scale_shift(scion_tensor *const x[], scion_tensor *y, void *data) {
  operands *d = data;
  return scion_scale_shift_forward(x[0], &d->scale, &d->shift, y, d->activation);
}
static scion_status run_zero_pad(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_zero_pad_forward(x[0], y, 1, 2);
}

static void test_images(int64_t channels, int gap) {
  int64_t n = test_integer(1, 2), h = test_integer(3, 9), w = test_integer(3, 9), multiplier = test_integer(1, 2);
  operands d = {.k = {{3, 2}, {test_integer(1, 3), 1}, {1, 1}, {1, 0}, {1, 1}}, .activation = (scion_activation)test_integer(0, 4)};
  int64_t oh = scion_window_output(&d.k, 0, h), ow = scion_window_output(&d.k, 1, w);
  const scion_tensor x = {.dims = 4, .shape = {n, h, w, channels}}, y = {.dims = 4, .shape = {n, oh, ow, channels}},
                     flat = {.dims = 2, .shape = {n, channels}},
                     padded = {.dims = 4, .shape = {n, h + 3, w + 4, channels}}, many = {.dims = 4, .shape = {n, oh, ow, channels * multiplier}};
  test_mixes("max_pool", run_max, &d, 1, &x, &y, gap, false);
  test_mixes("average_pool", run_average, &d, 1, &x, &y, gap, false);
  test_mixes("global_max_pool", run_global_max, &d, 1, &x, &flat, gap, false);
  test_mixes("global_average_pool", run_global_average, &d, 1, &x, &flat, gap, false);
  test_mixes("zero_pad", run_zero_pad, &d, 1, &x, &padded, gap, true);
  d.w = TENSOR(3, 2, channels, multiplier), d.scale = TENSOR(channels * multiplier), d.shift = TENSOR(channels * multiplier);
  test_mixes("depthwise", run_depthwise, &d, 1, &x, &many, gap, false);
  RELEASE(&d.w, &d.scale, &d.shift);
}

static void test_elements(int64_t rows, int64_t channels, int gap) {
  operands d = {.activation = (scion_activation)test_integer(0, 4), .scale = TENSOR(channels), .shift = TENSOR(channels)};
  const scion_tensor x = {.dims = 2, .shape = {rows, channels}};
  test_mixes("activation", run_activation, &d, 1, &x, &x, gap, false);
  test_mixes("add", run_add, &d, 2, &x, &x, gap, false);
  test_mixes("multiply", run_multiply, &d, 2, &x, &x, gap, false);
  test_mixes("scale_shift", run_scale_shift, &d, 1, &x, &x, gap, false);
  RELEASE(&d.scale, &d.shift);
}

static void test_preprocess(int gap) {
  const float scale[3] = {0.01f, 0.02f, 0.03f}, shift[3] = {-1, 0.5f, 2};
  scion_tensor x = NEW(SCION_U8, gap, 3, 57, 61, 3), y = NEW(SCION_F32, gap, 3, 57, 61, 3);
  scion_tensor narrow = NEW(SCION_BF16, gap, 3, 57, 61, 3);
  for (int64_t i = 0; i < elements(&x); i++) scion_tensor_set(&x, i, (double)(i * 7 % 256));
  int wrong = 0;
  for (int reverse = 0; reverse < 2; reverse++) {
    OK(scion_preprocess(&x, &y, scale, shift, reverse));
    OK(scion_preprocess(&x, &narrow, scale, shift, reverse));
    for (int64_t i = 0; i < elements(&x); i++)
      wrong += scion_tensor_get(&narrow, i) != (double)bf16_to_float(float_to_bf16((float)scion_tensor_get(&y, i)));
  }
  CHECK(wrong == 0, "%d differ", wrong);
  RELEASE(&x, &y, &narrow);
}

/* What trains is f32. */
static void test_refusals(void) {
  scion_tensor x = NEW(SCION_BF16, 0, 1, 4, 4, 8), y = NEW(SCION_BF16, 0, 1, 4, 4, 8), w = NEW(SCION_F32, 0, 1, 1, 8, 1);
  scion_tensor wide = NEW(SCION_F32, 0, 1, 4, 4, 8);
  scion_window k = {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  REFUSED_WITH(scion_max_pool_backward(&x, &y, &wide, &wide, &k, 0), "x is bf16");
  REFUSED_WITH(scion_max_pool_backward(&wide, &y, &wide, &wide, &k, 0), "y is bf16");
  REFUSED_WITH(scion_average_pool_backward(&x, &wide, &k, 0, 0), "dy is bf16");
  REFUSED_WITH(scion_average_pool_backward(&wide, &x, &k, 0, 0), "dx is bf16");
  REFUSED_WITH(scion_depthwise_backward_input(&x, &w, NULL, &wide, &k, 0), "dy is bf16");
  REFUSED_WITH(scion_depthwise_backward_input(&wide, &w, NULL, &x, &k, 0), "dx is bf16");
  REFUSED_WITH(scion_depthwise_backward_weights(&x, &wide, &w, &k), "x is bf16");
  REFUSED_WITH(scion_depthwise_backward_weights(&wide, &x, &w, &k), "dy is bf16");
  REFUSED_WITH(scion_zero_pad_forward(&x, &wide, 0, 0), "y is f32, not bf16");
  REFUSED_WITH(scion_zero_pad_backward(&wide, &x, 0, 0, 0), "dx is bf16");
  REFUSED_WITH(scion_zero_pad_backward(&x, &wide, 0, 0, 0), "dy is bf16");
  REFUSED_WITH(scion_multiply_backward(&x, &wide, &wide, 0), "dy is bf16");
  REFUSED_WITH(scion_activation_backward(&x, &wide, &wide, SCION_RELU, 0), "v is bf16");
  RELEASE(&x, &y, &w, &wide);
}

int main(void) {
  test_begin("bf16");
  test_rounding();
  for (int gap = 0; gap < 5; gap += 4) {
    test_images(1, gap);
    test_images(17, gap);
    test_images(64, gap);
    test_images(test_integer(1, 140), gap);
    test_elements(3, 20000, gap); /* rows in pieces */
    test_elements(2100, 17, gap);
    test_preprocess(gap);
  }
  test_refusals();
  scion_threads_stop();
  return test_end();
}
