/* Parts, joined and gathered tensors, choices and sorting, of random shapes, against plain loops over single elements. */
#include "test.h"

#include <string.h>

static int64_t elements_of(int dims, const int64_t *shape) {
  int64_t elements = 1;
  for (int d = 0; d < dims; d++) elements *= shape[d];
  return elements;
}

/* The place, index by index, of element i of a shape. */
static void place_of(int64_t i, int dims, const int64_t *shape, int64_t *place) {
  for (int d = dims - 1; d >= 0; i /= shape[d--]) place[d] = i % shape[d];
}

static double at(const scion_tensor *x, const int64_t *place) {
  int64_t i = 0;
  for (int d = 0; d < x->dims; d++) i = i * x->shape[d] + place[d];
  return scion_tensor_get(x, i);
}

/* A tensor of whole numbers from low to high, of a random dtype unless it is given, perhaps with gaps between its rows. */
static scion_tensor any_tensor(int dtype, int dims, const int64_t *shape, int low, int high) {
  scion_tensor t;
  int64_t wide[SCION_MAX_DIMS];
  memcpy(wide, shape, (size_t)dims * sizeof *shape);
  if (dims > 0) wide[dims - 1] += test_integer(0, 1) * 3;
  OK(scion_tensor_new(&t, (scion_dtype)(dtype < 0 ? test_integer(0, SCION_DTYPES - 1) : dtype), dims, wide));
  memcpy(t.shape, shape, (size_t)dims * sizeof *shape);
  for (int64_t i = 0, n = scion_tensor_elements(&t); i < n; i++) scion_tensor_set(&t, i, test_integer(low, high));
  return t;
}

static int any_shape(int64_t shape[SCION_MAX_DIMS], int least_dims) {
  int dims = test_integer(least_dims, 5);
  for (int d = 0; d < dims; d++) shape[d] = test_integer(0, 12) == 0 ? 0 : test_integer(1, 5);
  return dims;
}

static scion_part any_part(const scion_tensor *x) {
  scion_part part = scion_whole_part(x);
  for (int d = 0; d < x->dims; d++) {
    int how = test_integer(0, 2), size = (int)x->shape[d];
    if (how == 0 || size == 0) continue;
    part.first[d] = test_integer(0, size - 1);
    part.count[d] = how == 1 ? 1 : test_integer(0, size - (int)part.first[d]);
    part.dropped[d] = how == 1;
  }
  return part;
}

/* The place in x of a place in the part. */
static void place_in_whole(const scion_tensor *x, const scion_part *part, const int64_t *place, int64_t *whole) {
  for (int d = 0, kept = 0; d < x->dims; d++) whole[d] = part->first[d] + (part->dropped[d] ? 0 : place[kept++]);
}

static void test_parts(void) {
  int64_t shape[SCION_MAX_DIMS], place[SCION_MAX_DIMS], whole[SCION_MAX_DIMS];
  int views = 0, copies = 0;
  for (int round = 0; round < 3000; round++) {
    int dims = any_shape(shape, 0);
    scion_tensor x = any_tensor(-1, dims, shape, 0, 255), y;
    scion_part part = any_part(&x);
    OK(scion_tensor_part(&x, &part, &y));
    int64_t wrong = 0, n = scion_tensor_elements(&y);
    for (int64_t i = 0; i < n; i++) {
      place_of(i, y.dims, y.shape, place);
      place_in_whole(&x, &part, place, whole);
      wrong += scion_tensor_get(&y, i) != at(&x, whole);
    }
    CHECK(wrong == 0 && y.dtype == x.dtype, "round %d: %lld elements of a part differ", round, (long long)wrong);
    CHECK(y.row_stride >= scion_tensor_channels(&y), "round %d: rows lie upon each other", round);
    (y.storage == x.storage ? &views : &copies)[0]++;
    scion_tensor_release(&y), scion_tensor_release(&x);
  }
  CHECK(views > 100 && copies > 100, "%d views, %d copies", views, copies);
}

/* Whole numbers from 0 to 255 are exact in all dtypes. */
static void test_assignment(void) {
  int64_t shape[SCION_MAX_DIMS], place[SCION_MAX_DIMS], whole[SCION_MAX_DIMS], size[SCION_MAX_DIMS];
  for (int round = 0; round < 3000; round++) {
    int dims = any_shape(shape, 0), kept = 0;
    scion_tensor x = any_tensor(-1, dims, shape, 0, 255), before;
    OK(scion_tensor_new(&before, SCION_F32, x.dims, x.shape));
    OK(scion_tensor_copy(&x, &before, 0));
    scion_part part = any_part(&x);
    for (int d = 0; d < dims; d++)
      if (!part.dropped[d]) size[kept++] = part.count[d];
    int skipped = test_integer(0, kept);
    for (int d = skipped; d < kept; d++)
      if (test_integer(0, 3) == 0) size[d] = 1;
    scion_tensor value = any_tensor(-1, kept - skipped, size + skipped, 0, 255);
    OK(scion_tensor_assign(&x, &part, &value));
    int64_t elements = 1, changed = 0, wrong = 0, target[SCION_MAX_DIMS];
    for (int d = 0, k = 0; d < dims; d++) {
      elements *= part.count[d];
      if (!part.dropped[d]) target[k++] = part.count[d];
    }
    for (int64_t i = 0; i < elements; i++) { /* undoes it in the copy of before */
      place_of(i, kept, target, place);
      place_in_whole(&x, &part, place, whole);
      for (int d = skipped; d < kept; d++)
        if (value.shape[d - skipped] == 1) place[d] = 0;
      wrong += at(&x, whole) != at(&value, place + skipped);
      int64_t index = 0;
      for (int d = 0; d < dims; d++) index = index * x.shape[d] + whole[d];
      scion_tensor_set(&before, index, scion_tensor_get(&x, index));
    }
    for (int64_t i = 0, n = scion_tensor_elements(&x); i < n; i++) changed += scion_tensor_get(&x, i) != scion_tensor_get(&before, i);
    CHECK(wrong == 0 && changed == 0, "round %d: %lld wrong in the part, %lld changed beside it", round, (long long)wrong, (long long)changed);
    scion_tensor_release(&x), scion_tensor_release(&before), scion_tensor_release(&value);
  }
}

static void test_assignment_is_checked(void) {
  scion_tensor x = SLICE(2, 4, 5), y, three = TENSOR(3), wide = TENSOR(1, 1, 4, 5), rows;
  scion_part part = scion_whole_part(&x);
  REFUSED(scion_tensor_assign(&x, &part, &three));
  REFUSED(scion_tensor_assign(&x, &part, &wide));
  part.first[1] = 3, part.count[1] = 3;
  REFUSED(scion_tensor_part(&x, &part, &y));
  part.first[1] = -1;
  REFUSED(scion_tensor_part(&x, &part, &y));
  part.first[1] = 0, part.count[1] = 2, part.dropped[1] = true;
  REFUSED(scion_tensor_part(&x, &part, &y));
  /* a value that overlaps what it is written to: rows 1 to 3 to rows 2 to 4 */
  for (int64_t i = 0; i < 20; i++) scion_tensor_set(&x, i, (double)i);
  OK(scion_tensor_slice(&x, 0, 0, 3, &rows));
  part = scion_whole_part(&x);
  part.first[0] = 1, part.count[0] = 3;
  OK(scion_tensor_assign(&x, &part, &rows));
  CHECK(scion_tensor_get(&x, 19) == 14 && scion_tensor_get(&x, 5) == 0, "an overlapping value was overwritten before it was read");
  scion_tensor_release(&rows), scion_tensor_release(&x), scion_tensor_release(&three), scion_tensor_release(&wide);
}

static void test_joining(void) {
  enum { most = 4 };
  for (int round = 0; round < 500; round++) {
    int64_t shape[SCION_MAX_DIMS], place[SCION_MAX_DIMS], sum = 0, ends[most];
    int dims = any_shape(shape, 1), count = test_integer(1, most), axis = test_integer(0, dims - 1), dtype = test_integer(0, SCION_DTYPES - 1);
    bool stack = test_integer(0, 1);
    scion_tensor parts[most], y;
    const scion_tensor *list[most];
    for (int i = 0; i < count; i++) {
      int64_t own[SCION_MAX_DIMS];
      memcpy(own, shape, sizeof own);
      if (!stack) own[axis] = test_integer(0, 4);
      parts[i] = any_tensor(dtype, dims, own, 0, 255);
      list[i] = &parts[i];
      ends[i] = sum += stack ? 1 : own[axis];
    }
    for (int d = dims; stack && d > axis; d--) shape[d] = shape[d - 1];
    shape[axis] = sum;
    OK(scion_tensor_new(&y, (scion_dtype)dtype, dims + stack, shape));
    OK(scion_tensor_join(list, count, axis, stack, &y));
    int64_t wrong = 0;
    for (int64_t i = 0, n = scion_tensor_elements(&y); i < n; i++) {
      place_of(i, y.dims, y.shape, place);
      int of = 0;
      while (place[axis] >= ends[of]) of++;
      place[axis] -= of > 0 ? ends[of - 1] : 0;
      if (stack) memmove(place + axis, place + axis + 1, (size_t)(dims - axis) * sizeof *place);
      wrong += scion_tensor_get(&y, i) != at(&parts[of], place);
    }
    CHECK(wrong == 0, "round %d: %lld joined elements differ", round, (long long)wrong);
    if (y.shape[axis] > 0) { /* a tensor too few */
      y.shape[axis]++;
      REFUSED(scion_tensor_join(list, count, axis, stack, &y));
    }
    scion_tensor_release(&y);
    for (int i = 0; i < count; i++) scion_tensor_release(&parts[i]);
  }
}

static void test_gathering(void) {
  for (int round = 0; round < 500; round++) {
    int64_t shape[SCION_MAX_DIMS], place[SCION_MAX_DIMS], wrong = 0;
    int dims = any_shape(shape, 1), axis = test_integer(0, dims - 1);
    bool parts = test_integer(0, 1);
    shape[axis] = test_integer(1, 6);
    scion_tensor x, index, y;
    OK(scion_tensor_new(&x, (scion_dtype)test_integer(0, SCION_DTYPES - 1), dims, shape));
    for (int64_t i = 0, n = scion_tensor_elements(&x); i < n; i++) scion_tensor_set(&x, i, test_integer(0, 255));
    for (int d = 0; d < dims; d++)
      if (!parts && d != axis && shape[d] > 0) shape[d] = test_integer(1, (int)shape[d]);
    shape[axis] = test_integer(0, 7);
    OK(scion_tensor_new(&index, SCION_I32, parts ? 1 : dims, parts ? shape + axis : shape));
    for (int64_t i = 0, n = scion_tensor_elements(&index); i < n; i++) ((int32_t *)index.data)[i] = test_integer(0, (int)x.shape[axis] - 1);
    OK(scion_tensor_new(&y, x.dtype, dims, shape));
    OK(parts ? scion_gather(&x, axis, &index, &y) : scion_gather_elements(&x, axis, &index, &y));
    for (int64_t i = 0, n = scion_tensor_elements(&y); i < n; i++) {
      place_of(i, dims, shape, place);
      place[axis] = (int64_t)(parts ? scion_tensor_get(&index, place[axis]) : scion_tensor_get(&index, i));
      wrong += scion_tensor_get(&y, i) != at(&x, place);
    }
    CHECK(wrong == 0, "round %d: %lld gathered elements differ", round, (long long)wrong);
    if (scion_tensor_elements(&y) > 0) {
      ((int32_t *)index.data)[0] = (int32_t)x.shape[axis];
      REFUSED(parts ? scion_gather(&x, axis, &index, &y) : scion_gather_elements(&x, axis, &index, &y));
      ((int32_t *)index.data)[0] = -1;
      REFUSED(parts ? scion_gather(&x, axis, &index, &y) : scion_gather_elements(&x, axis, &index, &y));
    }
    scion_tensor_release(&x), scion_tensor_release(&index), scion_tensor_release(&y);
  }
}

/* ---- sorting: by inserting one element after the other */

/* Whether a is to come before b, where neither order is forced if they are equal. */
static bool precedes(double a, double b, bool descending) {
  if (descending) return precedes(b, a, false);
  return a < b || (a == a && b != b);
}

static void sort_plainly(const double *x, int64_t n, bool descending, int64_t *order) {
  for (int64_t i = 0; i < n; i++) {
    int64_t k = i;
    for (; k > 0 && precedes(x[i], x[order[k - 1]], descending); k--) order[k] = order[k - 1];
    order[k] = i;
  }
}

static void sow_oddities(scion_tensor *x) {
  static const double odd[] = {-0.0, 0.0, INFINITY, -INFINITY, NAN, -NAN, -3e9, 3e9, 1e-42, -1e-42};
  for (int64_t i = 0, n = scion_tensor_elements(x); i < n; i++)
    if (test_integer(0, 3) == 0) scion_tensor_set(x, i, odd[test_integer(0, 9)]);
}

/* A line along the axis: the place of its first element is given. */
static void check_line(const scion_tensor *x, int axis, bool descending, const scion_tensor *values, const scion_tensor *indices, int64_t *place) {
  int64_t n = x->shape[axis], kept = indices->shape[axis], wrong = 0;
  double *line = malloc((size_t)n * sizeof *line);
  int64_t *order = malloc((size_t)n * sizeof *order);
  if (!line || !order) exit(2);
  for (int64_t i = 0; i < n; i++) place[axis] = i, line[i] = at(x, place);
  sort_plainly(line, n, descending, order);
  for (int64_t i = 0; i < kept; i++) {
    place[axis] = i;
    double value = at(values, place), expected = line[order[i]];
    bool same = value == expected || (value != value && expected != expected);
    wrong += (int64_t)at(indices, place) != order[i] || !same || !signbit(value) != !signbit(expected);
  }
  CHECK(wrong == 0, "%s, axis %d, %s: %lld of a line of %lld are elsewhere", scion_dtype_name(x->dtype), axis,
        descending ? "descending" : "ascending", (long long)wrong, (long long)n);
  free(line), free(order);
}

static void check_sorting(const scion_tensor *x, int axis, bool descending, int64_t kept) {
  int64_t shape[SCION_MAX_DIMS], place[SCION_MAX_DIMS];
  scion_tensor values, indices, alone;
  memcpy(shape, x->shape, sizeof shape);
  shape[axis] = kept;
  OK(scion_tensor_new(&values, x->dtype, x->dims, shape));
  OK(scion_tensor_new(&indices, SCION_I32, x->dims, shape));
  OK(scion_tensor_new(&alone, SCION_I32, x->dims, shape));
  OK(scion_sort(x, axis, descending, kept, &values, &indices));
  OK(scion_sort(x, axis, descending, kept, NULL, &alone));
  CHECK(scion_tensor_equal(&indices, &alone), "without values the indices are others");
  shape[axis] = 1;
  for (int64_t line = 0; kept > 0 && line < elements_of(x->dims, shape); line++) {
    place_of(line, x->dims, shape, place);
    check_line(x, axis, descending, &values, &indices, place);
  }
  scion_tensor_release(&values), scion_tensor_release(&indices), scion_tensor_release(&alone);
}

static void test_sorting(void) {
  for (int round = 0; round < 600; round++) {
    int64_t shape[SCION_MAX_DIMS];
    int dims = any_shape(shape, 1), axis = test_integer(0, dims - 1), dtype = test_integer(0, SCION_DTYPES - 1);
    shape[axis] = round % 5 == 0 ? test_integer(0, 200) : test_integer(0, 9);
    scion_tensor x = any_tensor(dtype, dims, shape, dtype == SCION_U8 ? 0 : -4, 4); /* with many ties */
    sow_oddities(&x);
    check_sorting(&x, axis, round & 1, test_integer(0, 1) ? x.shape[axis] : test_integer(0, (int)x.shape[axis]));
    scion_tensor_release(&x);
  }
  scion_tensor x = TENSOR(2, 3), small = TENSOR(2, 2), indices;
  OK(scion_tensor_new(&indices, SCION_I32, 2, (int64_t[]){2, 2}));
  REFUSED(scion_sort(&x, 2, false, 2, NULL, &indices));
  REFUSED(scion_sort(&x, 1, false, 4, NULL, NULL));
  REFUSED(scion_sort(&x, 1, false, -1, NULL, NULL));
  REFUSED(scion_sort(&x, 1, false, 3, &small, &indices));
  REFUSED(scion_sort(&x, 1, false, 2, &indices, NULL));
  OK(scion_sort(&x, 1, false, 2, &small, &indices));
  scion_tensor_release(&x), scion_tensor_release(&small), scion_tensor_release(&indices);
}

/* Longer lines than the scratch memory holds, and many lines, by 1, 2 and 5 threads. */
static void test_long_lines_and_threads(void) {
  const int threads[] = {1, 2, 5}, before = scion_threads();
  const int64_t shapes[][2] = {{2, 600000}, {3000, 41}};
  for (int s = 0; s < 2; s++) {
    scion_tensor x = test_tensor_gap(1, 2, shapes[s]), values[3], indices[3];
    for (int i = 0; i < 3; i++) {
      OK(scion_set_threads(threads[i]));
      OK(scion_tensor_new(&values[i], SCION_F32, 2, shapes[s]));
      OK(scion_tensor_new(&indices[i], SCION_I32, 2, shapes[s]));
      OK(scion_sort(&x, 1, true, shapes[s][1], &values[i], &indices[i]));
      CHECK(scion_tensor_equal(&values[0], &values[i]) && scion_tensor_equal(&indices[0], &indices[i]), "%d threads sort otherwise", threads[i]);
    }
    int64_t wrong = 0, n = shapes[s][1];
    const float *v = values[0].data;
    const int32_t *index = indices[0].data;
    for (int64_t i = 0; i < shapes[s][0] * n; i++) {
      wrong += i % n > 0 && (v[i] > v[i - 1] || (v[i] == v[i - 1] && index[i] < index[i - 1]));
      wrong += (double)v[i] != scion_tensor_get(&x, i / n * n + index[i]);
    }
    CHECK(wrong == 0, "%lld of a long line are elsewhere", (long long)wrong);
    for (int i = 0; i < 3; i++) scion_tensor_release(&values[i]), scion_tensor_release(&indices[i]);
    scion_tensor_release(&x);
  }
  OK(scion_set_threads(before));
}

/* ---- choices */

/* A shape that is broadcast to another one: some sizes are 1, and some at the front are missing. */
static int shrunk(int dims, const int64_t *shape, int64_t *smaller) {
  int skipped = test_integer(0, dims);
  for (int d = skipped; d < dims; d++) smaller[d - skipped] = test_integer(0, 2) == 0 ? 1 : shape[d];
  return dims - skipped;
}

static double broadcast_at(const scion_tensor *x, int dims, const int64_t *place) {
  int64_t own[SCION_MAX_DIMS];
  for (int d = 0; d < x->dims; d++) own[d] = x->shape[d] == 1 ? 0 : place[dims - x->dims + d];
  return at(x, own);
}

static void test_choices(void) {
  for (int round = 0; round < 1000; round++) {
    int64_t shape[SCION_MAX_DIMS], smaller[SCION_MAX_DIMS], place[SCION_MAX_DIMS], wrong = 0;
    int dims = any_shape(shape, 0);
    scion_tensor x[3], y;
    for (int i = 0; i < 3; i++) {
      int own = shrunk(dims, shape, smaller);
      x[i] = any_tensor(-1, own, smaller, 0, i == 0 ? 1 : 255);
    }
    int all = scion_where_shape(&x[0], &x[1], &x[2], shape);
    CHECK(all >= 0, "%s", scion_error_message());
    OK(scion_tensor_new(&y, (scion_dtype)test_integer(0, SCION_DTYPES - 1), all, shape));
    OK(scion_where(&x[0], &x[1], &x[2], &y));
    for (int64_t i = 0, n = scion_tensor_elements(&y); i < n; i++) {
      place_of(i, all, shape, place);
      wrong += scion_tensor_get(&y, i) != broadcast_at(broadcast_at(&x[0], all, place) != 0 ? &x[1] : &x[2], all, place);
    }
    CHECK(wrong == 0, "round %d: %lld choices differ", round, (long long)wrong);
    for (int i = 0; i < 3; i++) scion_tensor_release(&x[i]);
    scion_tensor_release(&y);
  }
  scion_tensor x = TENSOR(2, 3), other = TENSOR(2), y = TENSOR(2, 3);
  REFUSED(scion_where(&other, &x, &x, &y));
  REFUSED(scion_where(&x, &x, &other, &y));
  REFUSED(scion_where(&x, &x, &x, &other));
  scion_tensor_release(&x), scion_tensor_release(&other), scion_tensor_release(&y);
}

int main(void) {
  test_begin("part");
  size_t before = scion_storage_live_bytes();
  test_parts();
  test_assignment();
  test_assignment_is_checked();
  test_joining();
  test_gathering();
  test_sorting();
  test_long_lines_and_threads();
  test_choices();
  CHECK(scion_storage_live_bytes() == before, "%zu bytes were not released", scion_storage_live_bytes() - before);
  return test_end();
}
