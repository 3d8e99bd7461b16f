/* Sorting, picking by indices, and class numbers as rows, for scripts: indices and class numbers count from 1. */
#include "binding.h"

#include <math.h>

/* ---- sorting */

static bool check_descending(lua_State *L, int argument) {
  if (lua_isnoneornil(L, argument)) return false;
  if (!lua_istable(L, argument) || lua_getmetatable(L, argument))
    scion_misuse(L, "the options are a table, { descending = true }, not %s", scion_show(L, argument));
  lua_pushnil(L);
  while (lua_next(L, argument)) {
    if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "descending") != 0)
      scion_misuse(L, "there is no option %s: the one there is, is descending", scion_show(L, -2));
    if (!lua_isboolean(L, -1)) scion_misuse(L, "descending is true or false, not %s", scion_show(L, -1));
    lua_pop(L, 1);
  }
  lua_getfield(L, argument, "descending");
  return lua_toboolean(L, -1);
}

/* The axis at an argument, from 0; the last one if it is nil. */
static int axis_or_last(lua_State *L, int argument, const scion_tensor *t) {
  if (t->dims == 0) scion_misuse(L, "a scalar has no axis");
  return lua_isnoneornil(L, argument) ? t->dims - 1 : scion_check_axis(L, argument, t, t->dims);
}

/* Pushes the values, if wanted, and the indices of the first `kept` elements along the sorted axis, of all if it is negative. */
static int push_sorted(lua_State *L, int axis, bool descending, int64_t kept, bool wants_values) {
  scion_tensor x = *scion_push_view(L, scion_check_tensor(L, 1)), *values = NULL;
  int64_t shape[SCION_MAX_DIMS];
  memcpy(shape, x.shape, sizeof shape);
  if (x.shape[axis] > INT32_MAX) scion_misuse(L, "an axis of more than 2^31 - 1 elements is not sorted");
  if (kept >= 0) shape[axis] = kept;
  if (wants_values) values = scion_push_tensor(L, x.dtype, x.dims, shape);
  scion_tensor *indices = scion_push_tensor(L, SCION_I32, x.dims, shape);
  scion_check(L, scion_sort(&x, axis, descending, shape[axis], values, indices));
  int32_t *index = indices->data;
  for (int64_t i = 0, n = scion_tensor_elements(indices); i < n; i++) index[i]++; /* to count from 1 */
  return wants_values ? 2 : 1;
}

static int sort(lua_State *L, bool wants_values) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  bool only_options = lua_istable(L, 2) && lua_isnoneornil(L, 3); /* t:sort{ descending = true } */
  int axis = axis_or_last(L, only_options ? 3 : 2, t);
  return push_sorted(L, axis, check_descending(L, only_options ? 2 : 3), -1, wants_values);
}

/* t:sort(axis, { descending = false }) -> values, indices; t:argsort(axis, { descending = false }) -> indices. The last axis by default.
 * See scion_sort. */
static int tensor_sort(lua_State *L) { return sort(L, true); }
static int tensor_argsort(lua_State *L) { return sort(L, false); }

/* t:top_k(k, axis) -> values, indices of the k greatest along an axis, the greatest first */
static int tensor_top_k(lua_State *L) {
  char text[SCION_SHAPE_TEXT];
  const scion_tensor *t = scion_check_tensor(L, 1);
  lua_Integer k = scion_check_whole(L, 2, "k");
  int axis = axis_or_last(L, 3, t);
  if (k < 1 || k > t->shape[axis])
    scion_misuse(L, "k is 1 to %I, the size of axis %d of a tensor of %s, and not %I", (lua_Integer)t->shape[axis], axis + 1,
                 scion_shape_text(t, text, sizeof text), k);
  return push_sorted(L, axis, true, k, true);
}

/* ---- indices as a list or a tensor */

/* What indices are. Negative ones count from the end if from_end. */
typedef struct {
  const char *what, *are; /* for messages: one, and what all are */
  int64_t size;
  bool from_end;
} index_kind;

static int32_t check_number(lua_State *L, const index_kind *kind, double value, int64_t element) {
  bool whole = value == floor(value);
  double index = kind->from_end && value < 0 ? value + (double)kind->size : value - 1;
  if (whole && index >= 0 && index < (double)kind->size) return (int32_t)index;
  if (whole && fabs(value) < 9007199254740992.0) lua_pushinteger(L, (lua_Integer)value);
  else lua_pushnumber(L, value);
  scion_misuse(L, "%s %s, element %I of them, is not in 1 to %I", kind->what, lua_tostring(L, -1), (lua_Integer)element + 1, (lua_Integer)kind->size);
}

/* Pushes an i32 tensor of the indices at an argument, a list of numbers or a tensor, from 0, in their shape. */
static scion_tensor *push_indices(lua_State *L, int argument, const index_kind *kind) {
  const scion_tensor *given = scion_test_tensor(L, argument);
  if (!given && !lua_istable(L, argument)) scion_misuse(L, "%s, not %s", kind->are, scion_show(L, argument));
  scion_tensor from = given ? *scion_push_view(L, given) : (scion_tensor){.dims = 1};
  if (!given) from.shape[0] = scion_check_plain_list(L, argument, kind->are);
  scion_tensor *indices = scion_push_tensor(L, SCION_I32, from.dims, from.shape);
  int32_t *index = indices->data;
  for (int64_t i = 0, n = scion_tensor_elements(indices); i < n; i++) {
    if (given) {
      index[i] = check_number(L, kind, scion_tensor_get(&from, i), i);
    } else {
      if (lua_rawgeti(L, argument, i + 1) != LUA_TNUMBER)
        scion_misuse(L, "element %I of the list is %s, not a number", (lua_Integer)i + 1, scion_show(L, -1));
      index[i] = check_number(L, kind, lua_tonumber(L, -1), i);
      lua_pop(L, 1);
    }
  }
  return indices;
}

/* t:gather(axis, indices) -> the parts with those indices along an axis, if they are a list or a vector; if they are a tensor of t's number
 * of dimensions, element by element, see scion_gather_elements */
static int tensor_gather(lua_State *L) {
  char text[SCION_SHAPE_TEXT], other[SCION_SHAPE_TEXT];
  lua_settop(L, 3);
  const scion_tensor *t = scion_check_tensor(L, 1);
  int axis = scion_check_axis(L, 2, t, t->dims);
  const index_kind kind = {"index", "the indices are a list or a tensor of whole numbers", t->shape[axis], true};
  scion_tensor x = *scion_push_view(L, t), *indices = push_indices(L, 3, &kind);
  bool parts = indices->dims == 1, fits = parts || indices->dims == x.dims;
  for (int d = 0; fits && !parts && d < x.dims; d++) fits = d == axis || indices->shape[d] <= x.shape[d];
  if (!fits)
    scion_misuse(L, "indices of %s do not fit a tensor of %s: they are a vector, or have as many dimensions, and no size above the tensor's but "
                    "for axis %d",
                 scion_shape_text(indices, other, sizeof other), scion_shape_text(&x, text, sizeof text), axis + 1);
  int64_t shape[SCION_MAX_DIMS];
  for (int d = 0; d < x.dims; d++) shape[d] = !parts ? indices->shape[d] : d == axis ? indices->shape[0] : x.shape[d];
  if (parts && !scion_tensor_contiguous(&x)) { /* the core wants no gaps between rows */
    scion_tensor *whole = scion_push_tensor(L, x.dtype, x.dims, x.shape);
    scion_check(L, scion_tensor_copy(&x, whole, 0));
    x = *whole;
  }
  scion_tensor *y = scion_push_tensor(L, x.dtype, x.dims, shape);
  scion_check(L, parts ? scion_gather(&x, axis, indices, y) : scion_gather_elements(&x, axis, indices, y));
  return 1;
}

/* core.one_hot_from_one(classes, n) -> f32 tensor with one more dimension, n: 1 at the class number and 0 elsewhere */
static int core_one_hot_from_one(lua_State *L) {
  lua_settop(L, 2);
  int64_t n = scion_check_whole(L, 2, "the number of classes");
  if (n < 1 || n > 1 << 24) scion_misuse(L, "the number of classes is 1 to %I, not %I", (lua_Integer)1 << 24, (lua_Integer)n);
  scion_tensor *classes = push_indices(L, 1, &(index_kind){"class number", "the classes are a list or a tensor of whole numbers from 1", n, false});
  if (classes->dims == SCION_MAX_DIMS) scion_misuse(L, "a tensor has at most %d dimensions, and this has as many already", SCION_MAX_DIMS);
  int64_t shape[SCION_MAX_DIMS];
  memcpy(shape, classes->shape, sizeof shape);
  shape[classes->dims] = n;
  scion_check(L, scion_one_hot(classes, scion_push_tensor(L, SCION_F32, classes->dims + 1, shape)));
  return 1;
}

static const luaL_Reg methods[] = {{"sort", tensor_sort}, {"argsort", tensor_argsort}, {"top_k", tensor_top_k}, {"gather", tensor_gather},
                                   {NULL, NULL}};

void scion_open_tensor_order(lua_State *L) {
  scion_add_methods(L, methods);
  lua_pushliteral(L, "scion.one_hot"); /* its name for users, and in messages */
  lua_pushcclosure(L, core_one_hot_from_one, 1);
  lua_setfield(L, -2, "one_hot_from_one");
}
