/* A small harness for the tests of the core: checks that count, random tensors, and comparison with the references.
 * A program prints each failure, the seed, and a last line "N passed, N failed". SCION_TEST_SEED repeats a run. */
#ifndef SCION_TEST_H
#define SCION_TEST_H

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "scion.h"

static int test_passed, test_failed;
static uint64_t test_seed;
static uint32_t test_draws;

#define CHECK(condition, ...)                                    \
  do {                                                           \
    if (condition) {                                             \
      test_passed++;                                             \
    } else {                                                     \
      test_failed++;                                             \
      printf("FAILED %s:%d: %s: ", __FILE__, __LINE__, #condition); \
      printf(__VA_ARGS__);                                       \
      printf("\n");                                              \
    }                                                            \
  } while (0)

/* A call that must succeed. */
#define OK(call) CHECK((call) == SCION_OK, "%s", scion_error_message())
/* A call that must be refused. */
#define REFUSED(call) CHECK((call) != SCION_OK, "was not refused")

static inline void test_begin(const char *name) {
  const char *seed = getenv("SCION_TEST_SEED");
  if (scion_isa_check() != SCION_OK) {
    printf("%s\n", scion_error_message());
    exit(2);
  }
  test_seed = seed ? strtoull(seed, NULL, 10) : (uint64_t)time(NULL);
  printf("%s: seed %llu, %s, %d threads\n", name, (unsigned long long)test_seed, scion_isa_name(scion_isa_in_use()), scion_threads());
}

static inline int test_end(void) {
  printf("%d passed, %d failed\n", test_passed, test_failed);
  return test_failed != 0;
}

/* A whole number in low .. high, uniformly enough. */
static inline int test_integer(int low, int high) {
  uint32_t words[4];
  scion_random4(test_seed, test_draws++, 0, 1, SCION_DRAW_TENSOR, words);
  return low + (int)(words[0] % (uint32_t)(high - low + 1));
}

/* A new f32 tensor of normal numbers; its rows lie `gap` elements apart beyond their width, which is how a slice of channels
 * looks. The gaps hold 777, so that a kernel that writes them can be caught by test_gaps_untouched. */
static inline scion_tensor test_tensor_gap(int gap, int dims, const int64_t *shape) {
  int64_t wide[SCION_MAX_DIMS];
  for (int i = 0; i < dims; i++) wide[i] = shape[i];
  wide[dims - 1] += gap;
  scion_tensor t;
  if (scion_tensor_new(&t, SCION_F32, dims, wide) != SCION_OK) {
    printf("%s\n", scion_error_message());
    exit(2);
  }
  scion_tensor_fill(&t, 777);
  t.shape[dims - 1] = shape[dims - 1];
  scion_random_normal(&t, test_seed, test_draws++, SCION_DRAW_TENSOR, 0, 1);
  return t;
}

#define TENSOR(...) test_tensor_gap(0, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})
#define SLICE(gap, ...) test_tensor_gap(gap, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

/* Those of a u8 tensor hold 99. */
static inline bool test_gaps_untouched(const scion_tensor *t) {
  for (int64_t r = 0; r + 1 < scion_tensor_rows(t); r++)
    for (int64_t at = r * t->row_stride + scion_tensor_channels(t); at < (r + 1) * t->row_stride; at++)
      if (t->dtype == SCION_U8 ? ((const uint8_t *)t->data)[at] != 99 : ((const float *)t->data)[at] != 777.0f) return false;
  return true;
}

/* The elements in order, as a new array of `real` (free it). */
static inline real *test_real(const scion_tensor *t) {
  int64_t rows = scion_tensor_rows(t), width = scion_tensor_channels(t);
  real *out = malloc(sizeof(real) * (size_t)(rows * width > 0 ? rows * width : 1));
  for (int64_t r = 0; r < rows; r++)
    for (int64_t c = 0; c < width; c++) out[r * width + c] = (real)((const float *)t->data)[r * t->row_stride + c];
  return out;
}

/* max|a-b| / max|b| over all elements; infinite when a holds what is not finite. */
static inline double test_distance(const scion_tensor *a, const real *b) {
  real *values = test_real(a);
  double difference = 0, size = 0;
  for (int64_t i = 0, n = scion_tensor_elements(a); i < n; i++) {
    double d = fabs((double)(values[i] - b[i]));
    if (!isfinite(d)) d = INFINITY;
    if (d > difference) difference = d;
    if (fabs((double)b[i]) > size) size = fabs((double)b[i]);
  }
  free(values);
  return difference / (size > 0 ? size : 1);
}

/* The largest relative deviation of an analytic gradient from central differences of `loss(data)` by x[0 .. n-1]:
 * max|numeric - analytic| / max|analytic|, probing at most `probes` elements. */
static inline double test_gradient(double (*loss)(void *data), void *data, real *x, const real *analytic, int64_t n, int probes) {
  double worst = 0, size = 1e-12;
  for (int64_t i = 0; i < n; i++)
    if (fabs((double)analytic[i]) > size) size = fabs((double)analytic[i]);
  for (int p = 0; p < probes && n; p++) {
    int64_t i = n <= probes ? p % n : test_integer(0, (int)n - 1);
    real before = x[i];
    const double h = 1e-5;
    x[i] = before + (real)h;
    double up = loss(data);
    x[i] = before - (real)h;
    double down = loss(data);
    x[i] = before;
    double d = fabs((up - down) / (2 * h) - (double)analytic[i]) / size;
    if (d > worst) worst = d;
  }
  return worst;
}

#endif
