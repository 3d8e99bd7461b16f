/* Activations, softmax, sums, products, dropout, padding and preprocessing: against references, and finite differences. */
#include "compare.h"
#include "kernels/reference/reference.h"

/* The gradient of what another kernel's epilogue did, from its output y. */
static void epilogue(const scion_tensor *y, int gap, scion_activation activation) {
  int64_t rows = y->shape[0], channels = y->shape[1];
  scion_tensor dz = SLICE(gap, rows, channels), db = TENSOR(channels), before = dz;
  real *rdz = test_real(&dz), *rsum = new_reals(channels), *ry = test_real(y);
  reference_activation_backward(ry, rdz, rdz, elements(y), activation);
  for (int64_t i = 0; i < elements(y); i++) rsum[i % channels] += rdz[i];
  OK(scion_tensor_new(&before, SCION_F32, 2, dz.shape));
  OK(scion_tensor_copy(&dz, &before, 0));
  SAME_BITS(dz, scion_epilogue_backward(y, &dz, NULL, activation));
  CLOSE(dz, rdz, 2e-6);
  SAME_BITS(before, scion_epilogue_backward(y, &before, &db, activation));
  CLOSE(before, rdz, 2e-6);
  CLOSE(db, rsum, 1e-5);
  RELEASE(&dz, &db, &before);
  free(rdz), free(rsum), free(ry);
}

static void activations(int64_t rows, int64_t channels, int gap) {
  for (int a = 0; a < SCION_ACTIVATIONS; a++) {
    scion_activation activation = (scion_activation)a;
    scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap, rows, channels), dy = SLICE(2 * gap, rows, channels),
                 dx = SLICE(gap, rows, channels);
    for (int64_t i = 0; i < rows; i += 3) ((float *)x.data)[i * x.row_stride] = i % 2 ? 9 : -9; /* beyond clamps and ramps */
    real *rx = test_real(&x), *rdy = test_real(&dy), *ry = new_reals(elements(&x));
    for (int64_t i = 0; i < elements(&x); i++) ry[i] = reference_activate(rx[i], activation);
    SAME_BITS(y, scion_activation_forward(&x, &y, activation));
    CLOSE(y, ry, 1e-6);
    scion_tensor v = scion_activation_from_input(activation) ? x : y;
    real *rv = test_real(&v); /* the gradient's argument: its rounding is not the gradient's error */
    for (int accumulate = 0; accumulate < 2; accumulate++) {
      real *rdx = new_reals(elements(&x));
      reference_activation_backward(rv, rdy, rdx, elements(&x), activation);
      rdx = accumulated(&dx, rdx, accumulate);
      SAME_BITS(dx, scion_activation_backward(&v, &dy, &dx, activation, accumulate));
      CLOSE(dx, rdx, 2e-6);
      if (!accumulate) { /* dx may be dy */
        SAME_BITS(dy, scion_activation_backward(&v, &dy, &dy, activation, 0));
        CLOSE(dy, rdx, 2e-6);
        free(rdy);
        rdy = test_real(&dy);
      }
      free(rdx);
    }
    if (!scion_activation_from_input(activation)) epilogue(&y, gap, activation);
    SAME_BITS(x, scion_activation_forward(&x, &x, activation)); /* y may be x */
    CLOSE(x, ry, 1e-6);
    RELEASE(&x, &y, &dy, &dx);
    free(rx), free(rdy), free(ry), free(rv);
  }
}

/* The curves over all of f32's range that matters, by the largest error beside the argument, or beside 1 where that is less. */
static void curves(void) {
  const scion_activation each[] = {SCION_SIGMOID, SCION_TANH, SCION_SWISH, SCION_GELU, SCION_GELU_TANH};
  scion_tensor x = TENSOR(40001), y = TENSOR(40001), dy = TENSOR(40001), dx = TENSOR(40001);
  float *from = x.data;
  for (int64_t i = 0; i < elements(&x); i++) from[i] = ((float)i - 20000) / 200; /* -100 .. 100 */
  OK(scion_tensor_fill(&dy, 1));
  real *rx = test_real(&x), *rdy = test_real(&dy), *rdx = new_reals(elements(&x));
  for (int a = 0; a < 5; a++) {
    OK(scion_activation_forward(&x, &y, each[a]));
    double worst = 0, steepest = 0;
    for (int64_t i = 0; i < elements(&x); i++)
      worst = fmax(worst, fabs((double)((float *)y.data)[i] - reference_activate(rx[i], each[a])) / fmax(1, fabs(rx[i])));
    CHECK(worst < 3e-7, "activation %d is off by %g", each[a], worst);
    for (int64_t i = 0; each[a] == SCION_TANH && i < elements(&x); i++) /* and beside itself, near 0 */
      worst = fmax(worst, rx[i] == 0 ? 0 : fabs((double)((float *)y.data)[i] / reference_activate(rx[i], SCION_TANH) - 1));
    CHECK(worst < 4e-7, "tanh is off by %g of itself", worst);
    if (!scion_activation_from_input(each[a])) continue;
    OK(scion_activation_backward(&x, &dy, &dx, each[a], 0));
    reference_activation_backward(rx, rdy, rdx, elements(&x), each[a]);
    for (int64_t i = 0; i < elements(&x); i++) steepest = fmax(steepest, fabs((double)((float *)dx.data)[i] - rdx[i]));
    CHECK(steepest < 6e-7, "the slope of activation %d is off by %g", each[a], steepest);
  }
  from[0] = NAN, from[1] = INFINITY;
  for (int a = 0; a < SCION_ACTIVATIONS; a++) {
    OK(scion_activation_forward(&x, &y, (scion_activation)a));
    CHECK(isnan(((float *)y.data)[0]), "activation %d hides a NaN", a);
    CHECK(((float *)y.data)[1] > 0.99f, "activation %d of infinity is %g", a, (double)((float *)y.data)[1]);
  }
  RELEASE(&x, &y, &dy, &dx);
  free(rx), free(rdy), free(rdx);
}

static void sums_and_products(int64_t rows, int64_t channels, int gap) {
  scion_tensor a = SLICE(gap, rows, channels), b = SLICE(gap + 2, rows, channels), y = SLICE(gap, rows, channels);
  real *ra = test_real(&a), *rb = test_real(&b), *ry = new_reals(elements(&a));
  for (int activation = 0; activation < SCION_ACTIVATIONS; activation++) {
    for (int64_t i = 0; i < elements(&a); i++) ry[i] = reference_activate(ra[i] + rb[i], (scion_activation)activation);
    SAME_BITS(y, scion_add_forward(&a, &b, &y, (scion_activation)activation));
    CLOSE(y, ry, 1e-6);
  }
  for (int64_t i = 0; i < elements(&a); i++) ry[i] = ra[i] * rb[i];
  SAME_BITS(y, scion_multiply_forward(&a, &b, &y));
  CLOSE(y, ry, 1e-6);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rda = accumulated(&y, copy_reals(ry, elements(&a)), accumulate);
    SAME_BITS(y, scion_multiply_backward(&a, &b, &y, accumulate));
    CLOSE(y, rda, 1e-6);
    free(rda);
  }
  SAME_BITS(b, scion_multiply_forward(&a, &b, &b)); /* y may be b, and a */
  CLOSE(b, ry, 1e-6);
  for (int64_t i = 0; i < elements(&a); i++) ry[i] += ra[i];
  SAME_BITS(a, scion_add_forward(&a, &b, &a, SCION_LINEAR));
  CLOSE(a, ry, 1e-6);
  RELEASE(&a, &b, &y);
  free(ra), free(rb), free(ry);
}

static void softmax(int64_t rows, int64_t channels, int gap) {
  scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap, rows, channels), dy = SLICE(gap, rows, channels),
               dx = SLICE(gap, rows, channels);
  real *rx = test_real(&x), *rdy = test_real(&dy), *ry = new_reals(elements(&x));
  reference_softmax(rx, ry, rows, channels);
  SAME_BITS(y, scion_softmax_forward(&x, &y));
  CLOSE(y, ry, 1e-6);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = new_reals(elements(&x));
    reference_softmax_backward(ry, rdy, rdx, rows, channels);
    double size = 1e-6;
    for (int64_t i = 0; i < elements(&x); i++) size = fmax(size, fabs((double)rdx[i]));
    rdx = accumulated(&dx, rdx, accumulate);
    SAME_BITS(dx, scion_softmax_backward(&y, &dy, &dx, accumulate));
    if (channels > 1 || accumulate) CLOSE(dx, rdx, 2e-6);
    free(rdx);
  }
  for (int64_t c = 0; c < channels; c++) ((float *)x.data)[c] = c == 0 ? 1000.0f : -1000.0f; /* and nothing overflows */
  OK(scion_softmax_forward(&x, &y));
  CHECK(((float *)y.data)[0] == 1 && (channels == 1 || ((float *)y.data)[1] == 0), "the first is %g",
        (double)((float *)y.data)[0]);
  RELEASE(&x, &y, &dy, &dx);
  free(rx), free(rdy), free(ry);
}

typedef struct {
  real *x, *y, *dy;
  int64_t rows, width;
  int kind; /* an activation, or SCION_ACTIVATIONS for softmax */
} difference;

static double loss(void *data) {
  difference *d = data;
  if (d->kind == SCION_ACTIVATIONS) reference_softmax(d->x, d->y, d->rows, d->width);
  for (int64_t i = 0; i < d->rows * d->width && d->kind < SCION_ACTIVATIONS; i++)
    d->y[i] = reference_activate(d->x[i], (scion_activation)d->kind);
  return (double)dot(d->y, d->dy, d->rows * d->width);
}

static void reference_gradients(void) {
  difference d = {random_reals(60), new_reals(60), random_reals(60), 6, 10, 0};
  for (int i = 0; i < 60; i++) d.x[i] = (real)(i * 17 % 60) / 5 - (real)4.05; /* from -4 to 8, not near 0, 6 or 3 */
  real *dx = new_reals(60);
  for (d.kind = 0; d.kind <= SCION_ACTIVATIONS; d.kind++) {
    loss(&d);
    if (d.kind == SCION_ACTIVATIONS) {
      reference_softmax_backward(d.y, d.dy, dx, d.rows, d.width);
    } else {
      reference_activation_backward(scion_activation_from_input((scion_activation)d.kind) ? d.x : d.y, d.dy, dx, 60, (scion_activation)d.kind);
    }
    double worst = test_gradient(loss, &d, d.x, dx, 60, 60);
    CHECK(worst < 1e-6, "kind %d: %g", d.kind, worst);
  }
  free(d.x), free(d.y), free(d.dy), free(dx);
}

static void dropout(void) {
  const int64_t rows = 517, channels = 37;
  scion_tensor x = TENSOR(rows, channels), y = TENSOR(rows, channels), slice = SLICE(3, rows, channels),
               other = TENSOR(rows, channels);
  OK(scion_tensor_fill(&x, 1));
  SAME_BITS(y, scion_dropout(&x, &y, 0.25, 0, 11, 3, 2, 0));
  int64_t kept = 0, same = 0;
  float *values = y.data;
  for (int64_t i = 0; i < elements(&y); i++) {
    uint32_t words[4]; /* element i has word i % 4 of the draw i / 4 */
    scion_random4(11, (uint32_t)(i / 4), 3, 2, SCION_DRAW_DROPOUT, words);
    float expected = scion_unit(words[i % 4]) >= 0.25f ? (float)(1 / 0.75) : 0;
    if (values[i] != expected) CHECK(false, "element %lld is %g", (long long)i, (double)values[i]);
    kept += values[i] != 0;
  }
  double share = (double)kept / (double)elements(&y);
  CHECK(fabs(share - 0.75) < 0.015, "kept %g", share); /* five deviations of 19129 draws */
  real *expected = test_real(&y);
  SAME_BITS(slice, scion_dropout(&x, &slice, 0.25, 0, 11, 3, 2, 0)); /* memory does not matter */
  CLOSE(slice, expected, 0);
  expected = accumulated(&slice, expected, 1);
  SAME_BITS(slice, scion_dropout(&x, &slice, 0.25, 0, 11, 3, 2, 1));
  CLOSE(slice, expected, 0);
  for (int changed = 0; changed < 3; changed++) { /* another seed, step or stream is another mask */
    OK(scion_dropout(&x, &other, 0.25, 0, 11 + (changed == 0), 3 + (changed == 1), 2 + (changed == 2), 0));
    same = 0;
    for (int64_t i = 0; i < elements(&y); i++) same += (values[i] != 0) == (((float *)other.data)[i] != 0);
    CHECK((double)same / (double)elements(&y) < 0.66, "%lld of %lld the same", (long long)same, (long long)elements(&y));
  }
  OK(scion_dropout(&x, &other, 0, 0, 11, 3, 2, 0));
  CHECK(memcmp(x.data, other.data, x.storage->bytes) == 0, "rate 0 changes something");
  OK(scion_dropout(&x, &y, 0.25, 0, 11, 3, 2, 0)); /* example i meets the fate of element i */
  SAME_BITS(other, scion_dropout(&x, &other, 0.25, 1, 11, 3, 2, 0));
  for (int64_t i = 0; i < elements(&y); i++)
    if (((float *)other.data)[i] != values[i / channels]) CHECK(false, "element %lld is %g", (long long)i, (double)((float *)other.data)[i]);
  REFUSED_WITH(scion_dropout(&x, &y, 1, 0, 1, 1, 1, 0), "rate");
  REFUSED_WITH(scion_dropout(&x, &y, NAN, 0, 1, 1, 1, 0), "rate");
  RELEASE(&x, &y, &slice, &other);
  free(expected);
}

static void padding(int64_t batch, int64_t height, int64_t width, int64_t channels, int gap) {
  int top = test_integer(0, 3), left = test_integer(0, 3), bottom = test_integer(0, 3), right = test_integer(0, 3);
  int64_t tall = top + height + bottom, wide = left + width + right;
  scion_tensor x = SLICE(gap, batch, height, width, channels), y = SLICE(gap, batch, tall, wide, channels);
  real *rx = test_real(&x), *ry = new_reals(elements(&y));
  for (int64_t i = 0; i < elements(&x); i++) {
    int64_t c = i % channels, w = i / channels % width, h = i / channels / width % height, n = i / channels / width / height;
    ry[((n * tall + h + top) * wide + w + left) * channels + c] = rx[i];
  }
  SAME_BITS(y, scion_zero_pad_forward(&x, &y, top, left));
  CLOSE(y, ry, 0);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *rdx = accumulated(&x, copy_reals(rx, elements(&x)), accumulate); /* the crop of y is x */
    SAME_BITS(x, scion_zero_pad_backward(&y, &x, top, left, accumulate));
    CLOSE(x, rdx, 0);
    free(rdx);
  }
  REFUSED_WITH(scion_zero_pad_forward(&x, &y, top + bottom + 1, left), "does not fit");
  REFUSED_WITH(scion_zero_pad_backward(&y, &x, -1, left, 0), "does not fit");
  RELEASE(&x, &y);
  free(rx), free(ry);
}

static void preprocess(int64_t rows, int gap) {
  const float scale[3] = {0.5f, -2, 0.125f}, shift[3] = {-1, 3, 100};
  scion_tensor x, y = SLICE(gap, rows, 3), four = TENSOR(rows, 4);
  OK(scion_tensor_new(&x, SCION_U8, 2, (int64_t[]){rows, 3}));
  unsigned char *bytes = x.data;
  for (int64_t i = 0; i < rows * 3; i++) bytes[i] = (unsigned char)test_integer(0, 255);
  real *ry = new_reals(rows * 3);
  for (int reverse = 0; reverse < 2; reverse++) {
    for (int64_t p = 0; p < rows; p++)
      for (int c = 0; c < 3; c++) ry[p * 3 + c] = (real)bytes[p * 3 + (reverse ? 2 - c : c)] * (real)scale[c] + (real)shift[c];
    SAME_BITS(y, scion_preprocess(&x, &y, scale, shift, reverse));
    CLOSE(y, ry, 0);
  }
  scion_tensor grey = SLICE(gap, rows, 1), colour = x;
  SAME_BITS(grey, scion_preprocess(&colour, &grey, scale, shift, 0));
  for (int64_t p = 0; p < rows; p++) {
    double light = round(0.299 * bytes[p * 3] + 0.587 * bytes[p * 3 + 1] + 0.114 * bytes[p * 3 + 2]), got = (double)((float *)grey.data)[p * grey.row_stride];
    CHECK(fabs(got - (light * 0.5 - 1)) <= 0.5, "pixel %d is %g", (int)p, got); /* 0.5: Pillow's weights are these in 16 bits */
    for (int c = 0; c < 3; c++) bytes[p * 3 + c] = (unsigned char)p;
  }
  OK(scion_preprocess(&x, &grey, scale, shift, 1));
  for (int64_t p = 0; p < rows; p++)
    CHECK(((float *)grey.data)[p * grey.row_stride] == (float)(unsigned char)p * 0.5f - 1, "grey pixel %d changed", (int)p);
  RELEASE(&grey);
  REFUSED_WITH(scion_preprocess(&y, &y, scale, shift, 0), "u8");
  REFUSED_WITH(scion_preprocess(&x, &four, scale, shift, 0), "one shape");
  RELEASE(&x, &y, &four);
  free(ry);
}

static void finiteness(void) {
  const float bad[] = {NAN, INFINITY, -INFINITY};
  for (int i = 0; i < 9; i++) {
    scion_tensor x = SLICE(i % 2, 300, 211);
    bool answer = false;
    OK(scion_all_finite(&x, &answer));
    CHECK(answer, "all are finite");
    ((float *)x.data)[test_integer(0, 299) * x.row_stride + test_integer(0, 210)] = bad[i % 3];
    OK(scion_all_finite(&x, &answer));
    CHECK(!answer, "one is %g", (double)bad[i % 3]);
    RELEASE(&x);
  }
}

static void refusals(void) {
  scion_tensor x = TENSOR(2, 3), y = TENSOR(3, 2), whole;
  OK(scion_tensor_new(&whole, SCION_I32, 2, x.shape));
  REFUSED_WITH(scion_activation_forward(&x, &y, SCION_RELU), "activation: x is 2x3, but y is 3x2");
  REFUSED_WITH(scion_activation_forward(&x, &x, SCION_ACTIVATIONS), "activation number");
  REFUSED_WITH(scion_activation_backward(&x, &whole, &x, SCION_RELU, 0), "dy is i32");
  REFUSED_WITH(scion_epilogue_backward(&y, &x, NULL, SCION_RELU), "epilogue_backward: ");
  REFUSED_WITH(scion_epilogue_backward(NULL, &x, NULL, SCION_RELU), "y");
  REFUSED_WITH(scion_epilogue_backward(NULL, &x, &x, SCION_LINEAR), "db");
  REFUSED_WITH(scion_epilogue_backward(&x, &x, NULL, SCION_GELU), "no gradient by its output");
  REFUSED_WITH(scion_add_forward(&x, &y, &x, SCION_LINEAR), "one shape");
  REFUSED_WITH(scion_multiply_forward(&x, &x, &y), "one shape");
  REFUSED_WITH(scion_softmax_forward(&x, &y), "one shape");
  REFUSED_WITH(scion_softmax_backward(&x, &x, &y, 0), "one shape");
  REFUSED_WITH(scion_all_finite(&whole, &(bool){false}), "i32");
  ((float *)x.data)[0] = NAN;
  OK(scion_activation_forward(&x, &x, SCION_RELU));
  CHECK(isnan(((float *)x.data)[0]), "relu hid a NaN");
  RELEASE(&x, &y, &whole);
}

int main(void) {
  test_begin("elementwise");
  reference_gradients();
  activations(1, 1, 0), activations(100, 17, 3), activations(60, 1031, 0), activations(1, 40001, 0), activations(3, 20011, 5);
  curves();
  sums_and_products(1, 1, 0), sums_and_products(90, 19, 2), sums_and_products(70, 801, 0), sums_and_products(2, 33333, 1);
  softmax(1, 1, 0), softmax(4, 17, 2), softmax(50, 1000, 0), softmax(1000, 3, 0);
  dropout();
  padding(1, 1, 1, 1, 0), padding(2, 5, 7, 17, 3), padding(3, 40, 33, 20, 0);
  preprocess(1, 0), preprocess(40000, 0), preprocess(777, 2);
  finiteness();
  refusals();
  return test_end();
}
