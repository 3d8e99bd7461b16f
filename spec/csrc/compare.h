/* What the tests of the kernels share: golden numbers and references beside fast results, and bits that must not change with
 * the number of threads. */
#ifndef SCION_COMPARE_H
#define SCION_COMPARE_H

#include <string.h>

#include "test.h"

static const int compare_threads[] = {1, 2, 5};

/* Runs the call with 1, 2 and 5 threads, each time on what tensor t holds now, and checks that it leaves the same bits in it,
 * and its gaps alone. The result stays in t. */
#define SAME_BITS(t, call)                                                                          \
  do {                                                                                              \
    size_t bytes_ = (t).storage->bytes;                                                             \
    unsigned char *before_ = malloc(bytes_ + 1), *first_ = malloc(bytes_ + 1);                      \
    memcpy(before_, (t).storage->data, bytes_);                                                     \
    for (int i_ = 0; i_ < 3; i_++) {                                                                \
      scion_set_threads(compare_threads[i_]);                                                       \
      memcpy((t).storage->data, before_, bytes_);                                                   \
      OK(call);                                                                                     \
      if (i_ == 0) memcpy(first_, (t).storage->data, bytes_);                                       \
      CHECK(memcmp(first_, (t).storage->data, bytes_) == 0, "%d threads differ from 1", compare_threads[i_]); \
    }                                                                                               \
    CHECK(test_gaps_untouched(&(t)), "gaps were written");                                          \
    scion_set_threads(2);                                                                           \
    free(before_);                                                                                  \
    free(first_);                                                                                   \
  } while (0)

/* Compares tensor t with as many reals, the largest difference relative to the largest of them. */
#define EXACTLY(t, expected, tolerance)                                    \
  do {                                                                     \
    double distance_ = test_distance(&(t), expected);                      \
    CHECK(distance_ <= (tolerance), "differs by %g", distance_);           \
  } while (0)
/* The same for random numbers, where a handful may all be what cancellation left of larger ones. */
#define CLOSE(t, expected, tolerance) EXACTLY(t, expected, (tolerance) * (scion_tensor_elements(&(t)) < 20 ? 100 : 1))

static inline int64_t elements(const scion_tensor *t) { return scion_tensor_elements(t); }
static inline real *new_reals(int64_t n) { return calloc((size_t)n + 1, sizeof(real)); }
static inline real *copy_reals(const real *x, int64_t n) {
  real *y = new_reals(n);
  memcpy(y, x, sizeof(real) * (size_t)n);
  return y;
}

/* Normal reals that f32 holds exactly. */
static inline real *random_reals(int64_t n) {
  scion_tensor t = TENSOR(n);
  real *x = test_real(&t);
  scion_tensor_release(&t);
  return x;
}

/* What a kernel with `accumulate` leaves in t: its contents now plus x, which is freed; or x itself. */
static inline real *accumulated(const scion_tensor *t, real *x, int accumulate) {
  real *before = test_real(t);
  for (int64_t i = 0; i < elements(t); i++) before[i] = x[i] + (accumulate ? before[i] : 0);
  free(x);
  return before;
}

static inline real dot(const real *a, const real *b, int64_t n) {
  real sum = 0;
  for (int64_t i = 0; i < n; i++) sum += a[i] * b[i];
  return sum;
}

/* A tensor of golden numbers. */
static inline scion_tensor golden_tensor(const double *values, int dims, const int64_t *shape) {
  scion_tensor t = test_tensor_gap(0, dims, shape);
  for (int64_t i = 0; i < elements(&t); i++) ((float *)t.data)[i] = (float)values[i];
  return t;
}
#define GOLDEN(values, ...) \
  golden_tensor(values, (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), (int64_t[]){__VA_ARGS__})

static inline void release_all(int count, scion_tensor *const tensors[]) {
  for (int i = 0; i < count; i++) scion_tensor_release(tensors[i]);
}
/* Releases tensors given by address. */
#define RELEASE(...) \
  release_all((int)(sizeof((scion_tensor *[]){__VA_ARGS__}) / sizeof(scion_tensor *)), (scion_tensor *[]){__VA_ARGS__})

/* A misuse that is refused with a sentence which contains `text`. */
#define REFUSED_WITH(call, text)                                                                     \
  do {                                                                                               \
    REFUSED(call);                                                                                   \
    CHECK(strstr(scion_error_message(), text) != NULL, "the message is: %s", scion_error_message()); \
  } while (0)

#endif
