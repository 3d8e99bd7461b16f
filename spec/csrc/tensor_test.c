/* Random numbers against the generator's published vectors; dtypes, views, arithmetic and reductions of the core. */
#include "test.h"

#include <pthread.h>
#include <string.h>
#include <unistd.h>

static void philox_is(const uint32_t counter[4], uint32_t key0, uint32_t key1, const uint32_t expected[4]) {
  uint32_t out[4];
  scion_random4((uint64_t)key1 << 32 | key0, counter[0], counter[1], counter[2], (scion_purpose)counter[3], out);
  for (int i = 0; i < 4; i++) CHECK(out[i] == expected[i], "word %d: %08x, expected %08x", i, out[i], expected[i]);
}

/* The known answers for philox4x32-10 that come with Random123, the authors' library. */
static void test_philox(void) {
  const uint32_t ones = 0xffffffffu;
  philox_is((uint32_t[]){0, 0, 0, 0}, 0, 0, (uint32_t[]){0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  philox_is((uint32_t[]){ones, ones, ones, ones}, ones, ones, (uint32_t[]){0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  philox_is((uint32_t[]){0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, 0xa4093822u, 0x299f31d0u,
            (uint32_t[]){0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

static float float_of(uint32_t bits) {
  float value;
  memcpy(&value, &bits, sizeof value);
  return value;
}

static void test_conversions(void) {
  const float values[] = {0.5f, 1.5f, 2.5f, -0.5f, -1, 255.5f, 254.5f, 3e9f, -3e9f, float_of(0x7fc00000u)};
  const int bytes[] = {0, 2, 2, 0, 0, 255, 254, 255, 0, 0};
  const int32_t integers[] = {0, 2, 2, 0, -1, 256, 254, INT32_MAX, INT32_MIN, INT32_MIN};
  const uint32_t wide[] = {0x3f808000u, 0x3f818000u, 0x3f808001u, 0x7f7fffffu, 0x7f800001u, 0xff800000u, 0x80000001u};
  const uint16_t narrow[] = {0x3f80, 0x3f82, 0x3f81, 0x7f80, 0x7fc0, 0xff80, 0x8000};
  scion_tensor x = TENSOR(10), u8, i32, bf16;
  memcpy(x.data, values, sizeof values);
  OK(scion_tensor_new(&u8, SCION_U8, 1, x.shape));
  OK(scion_tensor_new(&i32, SCION_I32, 1, x.shape));
  OK(scion_tensor_new(&bf16, SCION_BF16, 1, (int64_t[]){7}));
  OK(scion_tensor_copy(&x, &u8, 0));
  OK(scion_tensor_copy(&x, &i32, 0));
  for (int i = 0; i < 10; i++) {
    CHECK(((uint8_t *)u8.data)[i] == bytes[i], "%g as u8 is %d", (double)values[i], ((uint8_t *)u8.data)[i]);
    CHECK(((int32_t *)i32.data)[i] == integers[i], "%g as i32 is %d", (double)values[i], ((int32_t *)i32.data)[i]);
  }
  scion_tensor part;
  OK(scion_tensor_slice(&x, 0, 0, 7, &part));
  memcpy(part.data, wide, sizeof wide);
  OK(scion_tensor_copy(&part, &bf16, 0));
  for (int i = 0; i < 7; i++) CHECK(((uint16_t *)bf16.data)[i] == narrow[i], "%08x as bf16 is %04x", wide[i], ((uint16_t *)bf16.data)[i]);
  scion_tensor_release(&part), scion_tensor_release(&x), scion_tensor_release(&u8), scion_tensor_release(&i32), scion_tensor_release(&bf16);
}

static void test_new_is_checked(void) {
  scion_tensor t;
  REFUSED(scion_tensor_new(&t, SCION_F32, 7, (int64_t[]){1, 1, 1, 1, 1, 1, 1}));
  REFUSED(scion_tensor_new(&t, SCION_F32, 2, (int64_t[]){2, -1}));
  REFUSED(scion_tensor_new(&t, SCION_F32, 2, (int64_t[]){INT64_MAX, 2}));
  REFUSED(scion_tensor_new(&t, SCION_F32, 3, (int64_t[]){1 << 30, 1 << 30, 1 << 30}));
  REFUSED(scion_tensor_new(&t, SCION_U8, 1, (int64_t[]){INT64_MAX}));
  REFUSED(scion_tensor_new(&t, SCION_F32, 2, (int64_t[]){0, INT64_MAX}));
  REFUSED(scion_tensor_new(&t, SCION_U8, 2, (int64_t[]){SCION_MAX_EMPTY + 1, 0}));
  size_t before = scion_storage_live_bytes();
  OK(scion_tensor_new(&t, SCION_U8, 2, (int64_t[]){0, SCION_MAX_EMPTY}));
  CHECK(scion_tensor_elements(&t) == 0, "%lld elements", (long long)scion_tensor_elements(&t));
  scion_tensor_release(&t);
  scion_tensor_release(&t);
  CHECK(scion_storage_live_bytes() == before, "releasing twice changed the count");
}

/* Every slice of every axis against single elements, from a tensor with and without gaps between its rows. */
static void test_slices(int gap) {
  scion_tensor x = SLICE(gap, 3, 4, 5), y;
  for (int axis = 0; axis < 3; axis++)
    for (int64_t first = 0; first < x.shape[axis]; first++)
      for (int64_t count = 0; count <= x.shape[axis] - first; count++) {
        OK(scion_tensor_slice(&x, axis, first, count, &y));
        int64_t place[3], wrong = 0;
        for (int64_t i = 0; i < scion_tensor_elements(&y); i++) {
          place[2] = i % y.shape[2], place[1] = i / y.shape[2] % y.shape[1], place[0] = i / y.shape[2] / y.shape[1];
          place[axis] += first;
          wrong += scion_tensor_get(&y, i) != scion_tensor_get(&x, (place[0] * 4 + place[1]) * 5 + place[2]);
        }
        CHECK(wrong == 0, "axis %d, %lld of %lld: %lld elements differ", axis, (long long)first, (long long)count, (long long)wrong);
        CHECK((y.storage == x.storage) == (axis != 1 || count <= 1 || count == 4), "axis %d: view or copy?", axis);
        scion_tensor_release(&y);
      }
  REFUSED(scion_tensor_slice(&x, 3, 0, 1, &y));
  REFUSED(scion_tensor_slice(&x, 1, 2, 3, &y));
  REFUSED(scion_tensor_slice(&x, 1, INT64_MAX, 1, &y));
  REFUSED(scion_tensor_select(&x, 3, &y));
  OK(scion_tensor_select(&x, 2, &y));
  CHECK(scion_tensor_get(&y, 7) == scion_tensor_get(&x, 47), "the last matrix");
  scion_tensor_release(&y);
  scion_tensor_release(&x);
}

static void test_reshape(void) {
  scion_tensor x = SLICE(3, 4, 6), y;
  OK(scion_tensor_reshape(&x, 3, (int64_t[]){2, -1, 6}, &y));
  CHECK(y.storage == x.storage && y.shape[1] == 2, "rows alone are regrouped in a view");
  CHECK(scion_tensor_get(&y, 23) == scion_tensor_get(&x, 23), "last element");
  scion_tensor_release(&y);
  OK(scion_tensor_reshape(&x, 1, (int64_t[]){-1}, &y));
  int64_t wrong = 0;
  for (int64_t i = 0; i < 24; i++) wrong += scion_tensor_get(&y, i) != scion_tensor_get(&x, i);
  CHECK(wrong == 0 && y.storage != x.storage, "%lld differ", (long long)wrong);
  scion_tensor_release(&y);
  REFUSED(scion_tensor_reshape(&x, 2, (int64_t[]){5, 5}, &y));
  REFUSED(scion_tensor_reshape(&x, 2, (int64_t[]){-1, -1}, &y));
  REFUSED(scion_tensor_reshape(&x, 2, (int64_t[]){-1, 0}, &y));
  REFUSED(scion_tensor_reshape(&x, 3, (int64_t[]){INT64_MAX, INT64_MAX, 24}, &y));
  scion_tensor_release(&x);
}

/* One reduction, and one product, with 1, 2 and 5 threads: the same bits. */
static void test_threads_change_nothing(void) {
  scion_tensor x = SLICE(2, 300, 301), column, sums[3], products[3];
  double all[3];
  const int threads[] = {1, 2, 5}, before = scion_threads();
  OK(scion_tensor_slice(&x, 1, 0, 1, &column));
  for (int i = 0; i < 3; i++) {
    OK(scion_set_threads(threads[i]));
    OK(scion_tensor_new(&sums[i], SCION_F32, 1, (int64_t[]){301}));
    OK(scion_tensor_new(&products[i], SCION_F32, 2, x.shape));
    OK(scion_reduce_axis(SCION_REDUCE_SUM, &x, 0, &sums[i]));
    OK(scion_reduce_all(SCION_REDUCE_SUM, &x, &all[i]));
    OK(scion_binary(SCION_OP_MULTIPLY, &x, &column, &products[i]));
    CHECK(scion_tensor_equal(&sums[0], &sums[i]) && scion_tensor_equal(&products[0], &products[i]) && all[0] == all[i],
          "%d threads compute otherwise", threads[i]);
  }
  real *values = test_real(&x), total = 0;
  for (int i = 0; i < 300 * 301; i++) total += values[i];
  CHECK(fabs(all[0] - total) < 1e-9 * 300 * 301, "sum %.12g, expected %.12g", all[0], total);
  free(values);
  OK(scion_set_threads(before));
  for (int i = 0; i < 3; i++) scion_tensor_release(&sums[i]), scion_tensor_release(&products[i]);
  scion_tensor_release(&column), scion_tensor_release(&x);
}

static void test_results_are_checked(void) {
  scion_tensor a = TENSOR(2, 3), b = TENSOR(2), y = TENSOR(2, 3), small = TENSOR(2), empty;
  double result;
  REFUSED(scion_binary(SCION_OP_ADD, &a, &b, &y));
  REFUSED(scion_binary(SCION_OP_ADD, &a, &a, &small));
  REFUSED(scion_binary(SCION_OP_LT, &a, &a, &y));
  REFUSED(scion_unary(SCION_OP_EXP, &a, 0, 0, &small));
  REFUSED(scion_reduce_axis(SCION_REDUCE_SUM, &a, 1, &y));
  REFUSED(scion_reduce_axis(SCION_REDUCE_SUM, &a, 2, &small));
  OK(scion_tensor_new(&empty, SCION_F32, 2, (int64_t[]){0, 3}));
  REFUSED(scion_reduce_all(SCION_REDUCE_MAX, &empty, &result));
  OK(scion_reduce_all(SCION_REDUCE_SUM, &empty, &result));
  CHECK(result == 0, "the sum of nothing is %g", result);
  scion_tensor_release(&a), scion_tensor_release(&b), scion_tensor_release(&y), scion_tensor_release(&small), scion_tensor_release(&empty);
}

/* Moments of 1,000,000 draws, within about six standard errors; another stream draws other numbers. */
static void test_random_fill(void) {
  scion_tensor t = TENSOR(1000, 1000), other = TENSOR(1000, 1000);
  double mean, spread = 0, low, high;
  OK(scion_random_normal(&t, test_seed, 1000, SCION_DRAW_TENSOR, 3, 2));
  OK(scion_reduce_all(SCION_REDUCE_MEAN, &t, &mean));
  for (int64_t i = 0; i < 1000000; i++) spread += (scion_tensor_get(&t, i) - mean) * (scion_tensor_get(&t, i) - mean);
  CHECK(fabs(mean - 3) < 0.012, "mean %g", mean);
  CHECK(fabs(sqrt(spread / 1e6) - 2) < 0.009, "deviation %g", sqrt(spread / 1e6));
  OK(scion_random_normal(&other, test_seed, 1001, SCION_DRAW_TENSOR, 3, 2));
  CHECK(!scion_tensor_equal(&t, &other), "two streams are one");
  OK(scion_random_normal(&other, test_seed, 1000, SCION_DRAW_TENSOR, 3, 2));
  CHECK(scion_tensor_equal(&t, &other), "one stream is two");
  OK(scion_random_uniform(&t, test_seed, 1002, SCION_DRAW_TENSOR, -1, 3));
  OK(scion_reduce_all(SCION_REDUCE_MEAN, &t, &mean));
  OK(scion_reduce_all(SCION_REDUCE_MIN, &t, &low));
  OK(scion_reduce_all(SCION_REDUCE_MAX, &t, &high));
  CHECK(fabs(mean - 1) < 0.007 && low >= -1 && low < -0.999 && high < 3 && high > 2.999, "mean %g, from %g to %g", mean, low, high);
  scion_tensor_release(&t), scion_tensor_release(&other);
}

#ifdef __SANITIZE_ADDRESS__
enum { freed_is_kept = true }; /* for a while */
#else
enum { freed_is_kept = false };
#endif

static int64_t resident_bytes(void) {
  long long pages = 0;
  FILE *file = fopen("/proc/self/statm", "r");
  CHECK(file && fscanf(file, "%*s %lld", &pages) == 1, "/proc/self/statm cannot be read");
  if (file) fclose(file);
  return pages * sysconf(_SC_PAGESIZE);
}

static bool all_zero(const scion_storage *storage) {
  return storage->data[0] == 0 && memcmp(storage->data, storage->data + 1, storage->bytes - 1) == 0;
}

/* The memory of large tensors that were released: the next of their size finds it zeroed, and it does not pile up. */
static void test_memory_is_kept(void) {
  enum { count = 40, megabyte = 1 << 20 };
  scion_storage *storages[count];
  for (int round = 0; round < 2; round++) {
    for (int i = 0; i < count; i++) {
      storages[i] = scion_storage_new((size_t)(4 + i % 5 + round) * megabyte);
      if (!storages[i]) exit(2);
      CHECK(all_zero(storages[i]), "round %d: storage %d is not zero", round, i);
      for (int k = 0; k < i; k++) CHECK(storages[k]->data != storages[i]->data, "%d and %d are one", k, i);
      memset(storages[i]->data, 0xee, storages[i]->bytes);
    }
    int64_t before = resident_bytes();
    for (int i = 0; i < count; i++) scion_storage_release(storages[i]);
    int64_t freed = (before - resident_bytes()) / megabyte;
    CHECK(freed_is_kept || freed > 150, "only %lld of 240 MB or more were freed", (long long)freed);
  }
}

static void *takes_and_releases(void *wrong) {
  for (int i = 0; i < 60; i++) {
    scion_storage *storage = scion_storage_new((size_t)(4 + i % 3) << 20);
    if (!storage || !all_zero(storage)) *(bool *)wrong = true;
    if (!storage) break;
    memset(storage->data, 1 + i, storage->bytes);
    scion_storage_release(storage);
  }
  return NULL;
}

static void test_memory_is_kept_by_threads(void) {
  pthread_t threads[4];
  bool wrong[4] = {false};
  for (int i = 0; i < 4; i++) CHECK(pthread_create(&threads[i], NULL, takes_and_releases, &wrong[i]) == 0, "no thread");
  for (int i = 0; i < 4; i++) {
    pthread_join(threads[i], NULL);
    CHECK(!wrong[i], "thread %d was given what is not zero, or nothing", i);
  }
}

int main(void) {
  test_begin("tensor");
  size_t before = scion_storage_live_bytes();
  test_philox();
  test_conversions();
  test_new_is_checked();
  test_slices(0);
  test_slices(2);
  test_reshape();
  test_threads_change_nothing();
  test_results_are_checked();
  test_random_fill();
  test_memory_is_kept();
  test_memory_is_kept_by_threads();
  CHECK(scion_storage_live_bytes() == before, "%zu bytes were not released", scion_storage_live_bytes() - before);
  return test_end();
}
