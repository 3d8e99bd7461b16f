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

/* ---- kernels: call(inputs, y) with each input of one dtype or the other, and y, too */

typedef scion_status call(scion_tensor *const inputs[], scion_tensor *y, void *data);

typedef struct {
  const char *name;
  call *run;
  const scion_tensor *inputs[2], *y; /* shapes; the second input may be NULL */
  bool y_as_x, adds;                 /* whether y has the dtype of the first input; whether the kernel adds to y */
  scion_tensor *sums[2];             /* f32, what else it writes: the same in all mixes; may be NULL */
} mix_test;

#define COUNT_GAPS(t, value)                                                        \
  for (int64_t r = 0; r + 1 < scion_tensor_rows(&(t)); r++)                         \
    for (int64_t c = scion_tensor_channels(&(t)); c < (t).row_stride; c++)          \
      if (element_load((t).data, (t).dtype, r * (t).row_stride + c) != value) wrong++;

static scion_tensor halves(int gap, const scion_tensor *like) {
  scion_tensor numbers = test_tensor_gap(0, like->dims, like->shape), t = new_tensor(SCION_BF16, gap, 6, like->dims, like->shape);
  OK(scion_tensor_copy(&numbers, &t, 0));
  scion_tensor_release(&numbers);
  return t;
}

static scion_tensor in_dtype(scion_dtype dtype, int gap, int fill, const scion_tensor *from) {
  scion_tensor t = new_tensor(dtype, gap, fill, from->dims, from->shape);
  OK(scion_tensor_copy(from, &t, 0));
  return t;
}

/* Runs it in f32 on numbers that bf16 holds, and with every mix of dtypes: each result must be that, rounded as y needs. */
static void test_mixes(const mix_test *m, void *data, int gap) {
  const int count = m->inputs[1] ? 2 : 1;
  scion_tensor wide[2], narrow[2], *mixed[2], sums[2], before = halves(0, m->y), expected = in_dtype(SCION_F32, 0, 5, &before);
  for (int i = 0; i < count; i++) {
    narrow[i] = halves(gap ? gap + i : 0, m->inputs[i]); /* without gaps a row is all there is, whose curves are other vectors in the last bit */
    wide[i] = in_dtype(SCION_F32, gap, 6, &narrow[i]);
    mixed[i] = &wide[i];
  }
  OK(m->run(mixed, &expected, data));
  for (int i = 0; i < 2; i++)
    if (m->sums[i]) sums[i] = in_dtype(SCION_F32, 0, 5, m->sums[i]);
  for (int mix = 0; mix < 1 << (count + 1); mix++) {
    scion_dtype dtype = mix >> count ? SCION_BF16 : SCION_F32;
    for (int i = 0; i < count; i++) mixed[i] = mix >> i & 1 ? &narrow[i] : &wide[i];
    if (m->y_as_x && mixed[0]->dtype != dtype) continue;
    scion_tensor y = in_dtype(dtype, gap, 5, &before);
    if (!m->adds) scion_tensor_set(&y, 0, NAN);
    for (int i = 0; i < 2; i++)
      if (m->sums[i]) OK(scion_tensor_fill(m->sums[i], NAN));
    OK(m->run(mixed, &y, data));
    int wrong = 0;
    for (int64_t i = 0; i < elements(&y); i++) {
      float e = ((const float *)expected.data)[i];
      wrong += scion_tensor_get(&y, i) != (dtype == SCION_BF16 ? (double)bf16_to_float(float_to_bf16(e)) : (double)e);
    }
    CHECK(wrong == 0, "%s: %d of %lld differ, mix %d, gap %d", m->name, wrong, (long long)elements(&y), mix, gap);
    for (int i = 0; i < 2; i++)
      if (m->sums[i]) CHECK(memcmp(m->sums[i]->data, sums[i].data, sums[i].storage->bytes) == 0, "%s: sums %d differ, mix %d", m->name, i, mix);
    COUNT_GAPS(y, 5)
    CHECK(wrong == 0, "%s: gaps were written", m->name);
    scion_tensor_release(&y);
  }
  for (int i = 0; i < count; i++) RELEASE(&wide[i], &narrow[i]);
  for (int i = 0; i < 2; i++)
    if (m->sums[i]) scion_tensor_release(&sums[i]);
  RELEASE(&expected, &before);
}

typedef struct {
  scion_window k;
  scion_activation activation;
  int accumulate;
  scion_tensor w, scale, shift, first, second, moving[2];
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
static scion_status run_scaled_add(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_scaled_add_forward(x[0], x[1], y, 0.3, ((operands *)d)->activation);
}
static scion_status run_multiply(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_multiply_forward(x[0], x[1], y);
}
static scion_status run_scale_channels(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_scale_channels_forward(x[0], x[1], y);
}
static scion_status run_scale_shift(scion_tensor *const x[], scion_tensor *y, void *data) {
  operands *d = data;
  return scion_scale_shift_forward(x[0], &d->scale, &d->shift, y, d->activation);
}
static scion_status run_zero_pad(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_zero_pad_forward(x[0], y, 1, 2);
}
static scion_status run_adaptive(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_adaptive_average_pool_forward(x[0], y);
}
static scion_status run_upsample(scion_tensor *const x[], scion_tensor *y, void *d) {
  (void)d;
  return scion_upsample_forward(x[0], y, 1);
}
static scion_status run_dropout(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_dropout(x[0], y, 0.4, 0, 3, 4, 5, ((operands *)d)->accumulate);
}
static scion_status run_copy(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_tensor_copy(x[0], y, ((operands *)d)->accumulate);
}
static scion_status run_shuffle(scion_tensor *const x[], scion_tensor *y, void *d) {
  return scion_channel_shuffle(x[0], y, scion_tensor_channels(y) % 2 ? 1 : 2, ((operands *)d)->accumulate);
}

/* ---- gradients: the second input is dy */

static scion_status run_max_backward(scion_tensor *const x[], scion_tensor *dx, void *data) {
  operands *d = data;
  scion_tensor y = new_tensor(x[0]->dtype, 2, 0, x[1]->dims, x[1]->shape); /* a bf16 maximum of f32 numbers would equal none */
  scion_status status = scion_max_pool_forward(x[0], &y, &d->k);
  if (status == SCION_OK) status = scion_max_pool_backward(x[0], &y, x[1], dx, &d->k, d->accumulate);
  scion_tensor_release(&y);
  return status;
}
static scion_status run_global_max_backward(scion_tensor *const x[], scion_tensor *dx, void *data) {
  scion_tensor y = new_tensor(x[0]->dtype, 2, 0, x[1]->dims, x[1]->shape);
  scion_status status = scion_global_max_pool_forward(x[0], &y);
  if (status == SCION_OK) status = scion_global_max_pool_backward(x[0], &y, x[1], dx, ((operands *)data)->accumulate);
  scion_tensor_release(&y);
  return status;
}
static scion_status run_average_backward(scion_tensor *const dy[], scion_tensor *dx, void *d) {
  return scion_average_pool_backward(dy[0], dx, &((operands *)d)->k, 1, ((operands *)d)->accumulate);
}
static scion_status run_global_average_backward(scion_tensor *const dy[], scion_tensor *dx, void *d) {
  return scion_global_average_pool_backward(dy[0], dx, ((operands *)d)->accumulate);
}
static scion_status run_adaptive_backward(scion_tensor *const dy[], scion_tensor *dx, void *d) {
  return scion_adaptive_average_pool_backward(dy[0], dx, ((operands *)d)->accumulate);
}
static scion_status run_upsample_backward(scion_tensor *const dy[], scion_tensor *dx, void *d) {
  return scion_upsample_backward(dy[0], dx, 1, ((operands *)d)->accumulate);
}
static scion_status run_zero_pad_backward(scion_tensor *const dy[], scion_tensor *dx, void *d) {
  return scion_zero_pad_backward(dy[0], dx, 1, 2, ((operands *)d)->accumulate);
}
static scion_status run_depthwise_backward(scion_tensor *const dy[], scion_tensor *dx, void *data) {
  operands *d = data;
  return scion_depthwise_backward_input(dy[0], &d->w, &d->scale, dx, &d->k, d->accumulate);
}
static scion_status run_depthwise_weights(scion_tensor *const x[], scion_tensor *unused, void *data) {
  operands *d = data;
  OK(scion_tensor_copy(x[0], unused, 0));
  return scion_depthwise_backward_weights(x[0], x[1], &d->first, &d->k);
}
static scion_status run_scale_channels_scale(scion_tensor *const x[], scion_tensor *ds, void *d) {
  return scion_scale_channels_backward_scale(x[0], x[1], ds, ((operands *)d)->accumulate);
}
static scion_status run_scale_channels_backward(scion_tensor *const x[], scion_tensor *dx, void *d) {
  return scion_scale_channels_backward_input(x[0], x[1], dx, ((operands *)d)->accumulate);
}
static scion_status run_activation_backward(scion_tensor *const v[], scion_tensor *dx, void *d) {
  return scion_activation_backward(v[0], v[1], dx, ((operands *)d)->activation, ((operands *)d)->accumulate);
}
static scion_status run_epilogue_backward(scion_tensor *const v[], scion_tensor *dx, void *data) {
  operands *d = data;
  OK(scion_tensor_copy(v[1], dx, 0));
  return scion_epilogue_backward(v[0], dx, &d->first, scion_activation_from_input(d->activation) ? SCION_RELU : d->activation);
}
static scion_status run_multiply_backward(scion_tensor *const v[], scion_tensor *da, void *d) {
  return scion_multiply_backward(v[0], v[1], da, ((operands *)d)->accumulate);
}
static scion_status run_scaled_add_backward(scion_tensor *const v[], scion_tensor *db, void *d) {
  return scion_scaled_add_backward(v[0], db, 0.3, ((operands *)d)->accumulate);
}
static scion_status run_stored_backward(scion_tensor *const x[], scion_tensor *dx, void *data) {
  operands *d = data;
  return scion_batch_norm_stored_backward(x[0], x[1], &d->shift, &d->w, &d->scale, dx, &d->first, &d->second, 1e-3, d->accumulate);
}
static scion_status run_shift_backward(scion_tensor *const x[], scion_tensor *dx, void *data) { /* beta alone */
  operands *d = data;
  return scion_batch_norm_stored_backward(NULL, x[0], NULL, NULL, &d->scale, dx, NULL, &d->second, 1e-3, d->accumulate);
}
static scion_status run_batch_forward(scion_tensor *const x[], scion_tensor *y, void *data) {
  operands *d = data;
  return scion_batch_norm_batch_forward(x[0], &d->scale, &d->shift, &d->moving[0], &d->moving[1], &d->first, &d->second, y, 1e-3, 0.9, d->activation);
}
static scion_status run_batch_backward(scion_tensor *const x[], scion_tensor *dx, void *data) {
  operands *d = data;
  return scion_batch_norm_batch_backward(x[0], x[1], &d->scale, &d->shift, &d->w, dx, &d->first, &d->second, d->accumulate);
}

/* Shapes, in the braces of a mix_test. */
#define ONE(name, run, x, y) test_mixes(&(mix_test){name, run, {x, NULL}, y, false, d.accumulate, {NULL, NULL}}, &d, gap)
#define TWO(name, run, a, b, y) test_mixes(&(mix_test){name, run, {a, b}, y, false, d.accumulate, {NULL, NULL}}, &d, gap)
#define WITH_SUMS(name, run, a, b, y, ...) test_mixes(&(mix_test){name, run, {a, b}, y, false, d.accumulate, {__VA_ARGS__}}, &d, gap)
#define SAME_DTYPE(name, run, x, y) test_mixes(&(mix_test){name, run, {x, NULL}, y, true, d.accumulate, {NULL, NULL}}, &d, gap)

static void test_image_gradients(operands d, int gap, const scion_tensor *x, const scion_tensor *y, const scion_tensor *many) {
  const int64_t n = x->shape[0], channels = x->shape[3], multiplier = many->shape[3] / channels;
  const scion_tensor flat = {.dims = 2, .shape = {n, channels}}, padded = {.dims = 4, .shape = {n, x->shape[1] + 3, x->shape[2] + 4, channels}},
                     twice = {.dims = 4, .shape = {n, 2 * x->shape[1], 2 * x->shape[2], channels}};
  for (d.accumulate = 0; d.accumulate < 2; d.accumulate++) {
    TWO("max_pool_backward", run_max_backward, x, y, x);
    ONE("average_pool_backward", run_average_backward, y, x);
    TWO("global_max_pool_backward", run_global_max_backward, x, &flat, x);
    ONE("global_average_pool_backward", run_global_average_backward, &flat, x);
    ONE("adaptive_average_pool_backward", run_adaptive_backward, y, x);
    ONE("upsample_backward", run_upsample_backward, &twice, x);
    ONE("zero_pad_backward", run_zero_pad_backward, &padded, x);
    TWO("scale_channels_backward_input", run_scale_channels_backward, x, &flat, x);
    TWO("scale_channels_backward_scale", run_scale_channels_scale, x, x, &flat);
    d.w = TENSOR(3, 2, channels, multiplier), d.first = TENSOR(3, 2, channels, multiplier), d.scale = TENSOR(channels * multiplier);
    ONE("depthwise_backward_input", run_depthwise_backward, many, x);
    WITH_SUMS("depthwise_backward_weights", run_depthwise_weights, x, many, x, &d.first, NULL);
    RELEASE(&d.w, &d.first, &d.scale);
  }
}

static void test_images(int64_t channels, int gap) {
  int64_t n = test_integer(1, 2), h = test_integer(3, 9), w = test_integer(3, 9), multiplier = test_integer(1, 2);
  operands d = {.k = {{3, 2}, {test_integer(1, 3), 1}, {1, 1}, {1, 0}, {1, 1}}, .activation = (scion_activation)test_integer(0, 4)};
  int64_t oh = scion_window_output(&d.k, 0, h), ow = scion_window_output(&d.k, 1, w);
  const scion_tensor x = {.dims = 4, .shape = {n, h, w, channels}}, y = {.dims = 4, .shape = {n, oh, ow, channels}},
                     flat = {.dims = 2, .shape = {n, channels}}, twice = {.dims = 4, .shape = {n, 2 * h, 2 * w, channels}},
                     padded = {.dims = 4, .shape = {n, h + 3, w + 4, channels}}, many = {.dims = 4, .shape = {n, oh, ow, channels * multiplier}};
  ONE("max_pool", run_max, &x, &y);
  ONE("average_pool", run_average, &x, &y);
  ONE("global_max_pool", run_global_max, &x, &flat);
  ONE("global_average_pool", run_global_average, &x, &flat);
  ONE("adaptive_average_pool", run_adaptive, &x, &y);
  ONE("upsample", run_upsample, &x, &twice);
  TWO("scale_channels", run_scale_channels, &x, &flat, &x);
  SAME_DTYPE("zero_pad", run_zero_pad, &x, &padded);
  d.w = TENSOR(3, 2, channels, multiplier), d.scale = TENSOR(channels * multiplier), d.shift = TENSOR(channels * multiplier);
  ONE("depthwise", run_depthwise, &x, &many);
  RELEASE(&d.w, &d.scale, &d.shift);
  test_image_gradients(d, gap, &x, &y, &many);
}

static void test_elements(int64_t rows, int64_t channels, int gap) {
  operands d = {.scale = TENSOR(channels), .shift = TENSOR(channels), .w = TENSOR(channels), .first = TENSOR(channels), .second = TENSOR(channels),
                .moving = {TENSOR(channels), TENSOR(channels)}};
  const scion_tensor x = {.dims = 2, .shape = {rows, channels}};
  d.activation = (scion_activation)test_integer(0, SCION_ACTIVATIONS - 1);
  for (int64_t c = 0; c < channels; c++) scion_tensor_set(&d.w, c, 0.5 + (double)c / (double)channels); /* a variance */
  ONE("activation", run_activation, &x, &x);
  TWO("add", run_add, &x, &x, &x);
  TWO("scaled_add", run_scaled_add, &x, &x, &x);
  TWO("multiply", run_multiply, &x, &x, &x);
  ONE("scale_shift", run_scale_shift, &x, &x);
  WITH_SUMS("batch_norm_batch", run_batch_forward, &x, NULL, &x, &d.first, &d.second);
  WITH_SUMS("epilogue_backward", run_epilogue_backward, &x, &x, &x, &d.first, NULL);
  for (d.accumulate = 0; d.accumulate < 2; d.accumulate++) {
    ONE("copy", run_copy, &x, &x);
    ONE("dropout", run_dropout, &x, &x);
    SAME_DTYPE("channel_shuffle", run_shuffle, &x, &x);
    TWO("activation_backward", run_activation_backward, &x, &x, &x);
    TWO("multiply_backward", run_multiply_backward, &x, &x, &x);
    ONE("scaled_add_backward", run_scaled_add_backward, &x, &x);
    WITH_SUMS("batch_norm_stored_backward", run_stored_backward, &x, &x, &x, &d.first, &d.second);
    WITH_SUMS("the same of beta", run_shift_backward, &x, NULL, &x, &d.second, NULL);
    WITH_SUMS("batch_norm_batch_backward", run_batch_backward, &x, &x, &x, &d.first, &d.second);
  }
  RELEASE(&d.scale, &d.shift, &d.w, &d.first, &d.second, &d.moving[0], &d.moving[1]);
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

/* What holds no bf16: maxima of f32 numbers, in which none would be found; and what only hands numbers on converts none. */
static void test_refusals(void) {
  scion_tensor x = NEW(SCION_BF16, 0, 1, 4, 4, 8), wide = NEW(SCION_F32, 0, 1, 4, 4, 8), codes = NEW(SCION_U8, 0, 1, 4, 4, 8);
  scion_window k = {{1, 1}, {1, 1}, {1, 1}, {0, 0}, {0, 0}};
  REFUSED_WITH(scion_max_pool_backward(&wide, &x, &wide, &wide, &k, 0), "y is bf16");
  REFUSED_WITH(scion_max_pool_backward(&codes, &codes, &wide, &wide, &k, 0), "x is u8");
  REFUSED_WITH(scion_average_pool_backward(&codes, &wide, &k, 0, 0), "dy is u8");
  REFUSED_WITH(scion_zero_pad_forward(&x, &wide, 0, 0), "y is f32, not bf16");
  REFUSED_WITH(scion_zero_pad_backward(&wide, &codes, 0, 0, 0), "dx is u8");
  REFUSED_WITH(scion_activation_backward(&codes, &wide, &wide, SCION_RELU, 0), "v is u8");
  REFUSED_WITH(scion_tensor_copy(&codes, &wide, 1), "u8 into f32");
  RELEASE(&x, &wide, &codes);
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
