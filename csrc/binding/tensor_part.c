/* Parts of tensors: slices, t[i] and t[{ .. }], read and written; and tensors that are joined of others. */
#include "binding.h"

/* ---- reading parts from arguments; indices, from 1, may be negative, which counts from the end */

/* The range first .. last of an axis, from 0, whose ends are at two stack indices. It may be empty: last is first - 1. */
static void check_range(lua_State *L, const scion_tensor *t, int axis, int first_at, int last_at, scion_part *part) {
  char text[SCION_SHAPE_TEXT];
  lua_Integer size = t->shape[axis], given[2] = {scion_check_whole(L, first_at, "the first"), scion_check_whole(L, last_at, "the last")};
  lua_Integer first = given[0] < 0 && given[0] >= -size ? given[0] + size + 1 : given[0];
  lua_Integer last = given[1] < 0 && given[1] >= -size ? given[1] + size + 1 : given[1];
  if (first < 1 || last > size || last < first - 1)
    scion_misuse(L, "%I to %I is out of range: dimension %d of a tensor of %s has 1 to %I, and -1 is its last", given[0], given[1], axis + 1,
                 scion_shape_text(t, text, sizeof text), size);
  part->first[axis] = first - 1, part->count[axis] = last - first + 1;
}

static void check_one(lua_State *L, const scion_tensor *t, int axis, int index_at, scion_part *part) {
  part->first[axis] = scion_check_index(L, index_at, t, axis + 1, t->shape[axis]);
  part->count[axis] = 1;
  part->dropped[axis] = true;
}

static void refuse_scalar(lua_State *L, const scion_tensor *t) {
  if (t->dims == 0) scion_misuse(L, "a scalar has no parts; t:get() reads and t:fill(value) sets it");
}

/* What an entry of a list { {1, 5}, 2, {} } says of an axis. */
static void check_entry(lua_State *L, const scion_tensor *t, int axis, int entry, scion_part *part) {
  if (lua_type(L, entry) == LUA_TNUMBER) return check_one(L, t, axis, entry, part);
  lua_Integer length = lua_istable(L, entry) ? scion_check_plain_list(L, entry, "an entry is an index, a range or {}") : -1;
  if (length == 0) return;
  if (length != 2)
    scion_misuse(L, "entry %d is an index, a range such as {1, 5}, or {} for the whole axis, not %s", axis + 1, scion_show(L, entry));
  lua_rawgeti(L, entry, 1);
  lua_rawgeti(L, entry, 2);
  check_range(L, t, axis, entry + 1, entry + 2, part);
  lua_pop(L, 2);
}

/* The part of t that t[argument 2] is. */
static scion_part check_part(lua_State *L, const scion_tensor *t) {
  char text[SCION_SHAPE_TEXT];
  scion_part part = scion_whole_part(t);
  if (lua_type(L, 2) == LUA_TNUMBER) {
    refuse_scalar(L, t);
    check_one(L, t, 0, 2, &part);
    return part;
  }
  lua_Integer length = scion_check_plain_list(L, 2, "an index is a whole number, or a list for several axes such as { {1, 5}, 2, {} }");
  if (length > t->dims) scion_misuse(L, "a tensor of %s takes %d entries at most, not %I", scion_shape_text(t, text, sizeof text), t->dims, length);
  int top = lua_gettop(L);
  for (int d = 0; d < (int)length; d++) {
    lua_rawgeti(L, 2, d + 1);
    check_entry(L, t, d, top + 1, &part);
    lua_settop(L, top);
  }
  return part;
}

/* ---- reading */

static size_t bytes_of(const scion_tensor *t) { return (size_t)scion_tensor_elements(t) * scion_dtype_size(t->dtype); }

/* Pushes a part of the tensor at argument 1: a number if it drops all axes, else a tensor. */
static int push_part(lua_State *L, const scion_part *part, const char *by) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  bool element = true;
  for (int d = 0; d < t->dims; d++) element = element && part->dropped[d];
  if (!element) scion_collect_before(L, bytes_of(t));
  scion_tensor *y = scion_push_handle(L);
  scion_check(L, scion_tensor_part(scion_check_tensor(L, 1), part, y));
  if (!element) return scion_mark_copy(scion_check_tensor(L, 1), y, by);
  scion_push_number(L, y->dtype, scion_tensor_get(y, 0));
  return 1;
}

/* t:slice(axis, first, last) -> tensor of the indices first to last, both included; see scion_tensor_part. If it is a copy, it cannot be
 * written to. */
static int tensor_slice(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  scion_part part = scion_whole_part(t);
  check_range(L, t, scion_check_axis(L, 2, t, t->dims), 3, 4, &part);
  return push_part(L, &part, "t:slice(...)");
}

/* t:select(i) -> the i-th part along the first axis, a view; a number if t is a vector */
static int tensor_select(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  refuse_scalar(L, t);
  int64_t index = scion_check_index(L, 2, t, 1, t->shape[0]);
  if (t->dims == 1) {
    scion_push_number(L, t->dtype, scion_tensor_get(t, index));
    return 1;
  }
  scion_tensor *y = scion_push_handle(L);
  scion_check(L, scion_tensor_select(scion_check_tensor(L, 1), index, y));
  return scion_mark_copy(t, y, NULL);
}

/* Whether this is the call by which the iterator of ipairs, the third upvalue, looks whether there is one more. */
static bool ends_ipairs(lua_State *L) {
  int whole;
  lua_Debug caller;
  const scion_tensor *t = scion_check_tensor(L, 1);
  lua_Integer index = lua_tointegerx(L, 2, &whole);
  if (!whole || t->dims == 0 || index != t->shape[0] + 1 || !lua_getstack(L, 1, &caller)) return false;
  lua_getinfo(L, "f", &caller);
  bool same = lua_rawequal(L, -1, lua_upvalueindex(3));
  lua_pop(L, 1);
  return same;
}

/* __index: t[i] is t:select(i), t[{ .. }] a part of other axes, too, and t.name is a method, from the table that is the second upvalue.
 * The index behind the last is nil for ipairs alone, and an error for all others. */
static int tensor_index(lua_State *L) {
  int type = lua_type(L, 2);
  lua_settop(L, 2);
  if (type == LUA_TNUMBER && ends_ipairs(L)) return lua_pushnil(L), 1;
  if (type == LUA_TNUMBER) return tensor_select(L);
  if (type == LUA_TTABLE) {
    scion_part part = check_part(L, scion_check_tensor(L, 1));
    return push_part(L, &part, "t[{ ... }]");
  }
  if (type != LUA_TSTRING)
    return scion_misuse(L, "an index is a whole number, or a list for several axes such as { {1, 5}, 2, {} }, not %s", scion_show(L, 2));
  lua_pushvalue(L, 2);
  if (lua_rawget(L, lua_upvalueindex(2)) != LUA_TNIL) return 1;
  lua_pushvalue(L, lua_upvalueindex(2));
  return scion_no_method(L, 2);
}

/* ---- writing */

/* t[i] = value for what is common, so that loops over single elements and rows are fast: a number, or a tensor of the part's shape. Returns
 * whether it was that. */
static bool assign_simply(lua_State *L, scion_tensor *t) {
  const scion_tensor *value = scion_test_tensor(L, 3);
  if (lua_type(L, 2) != LUA_TNUMBER || t->dims == 0 || (value ? value->storage == t->storage : lua_type(L, 3) != LUA_TNUMBER)) return false;
  scion_tensor part = {0};
  scion_check(L, scion_tensor_select(t, scion_check_index(L, 2, t, 1, t->shape[0]), &part));
  scion_storage_release(part.storage); /* now, since errors may be raised below; t retains the storage, too */
  if (value && !scion_tensor_same_shape(value, &part)) return false;
  scion_check(L, value ? scion_tensor_copy(value, &part, 0) : scion_tensor_fill(&part, lua_tonumber(L, 3)));
  return true;
}

static void assign_part(lua_State *L, scion_tensor *t) {
  scion_tensor number = {.dtype = t->dtype, .row_stride = 1};
  double space; /* of the number as an element of t */
  scion_part part = check_part(L, t);
  const scion_tensor *value = scion_test_tensor(L, 3);
  if (!value) {
    if (lua_type(L, 3) != LUA_TNUMBER) scion_misuse(L, "the value is a number or a tensor, not %s", scion_show(L, 3));
    number.data = &space;
    scion_tensor_set(&number, 0, lua_tonumber(L, 3));
    value = &number;
  }
  scion_status status = scion_tensor_assign(t, &part, value);
  if (status == SCION_MISUSE) scion_misuse(L, "%s", scion_error_message());
  scion_check(L, status);
}

/* t[i] = value and t[{ .. }] = value: fills the part with a number, or copies a tensor into it, which is broadcast */
static int tensor_newindex(lua_State *L) {
  lua_settop(L, 3);
  scion_tensor *t = scion_check_target(L, 1);
  if (lua_type(L, 2) != LUA_TNUMBER && !lua_istable(L, 2))
    scion_misuse(L, "only parts can be set, t[i] with a whole number and t[{ ... }] with a list, not %s", scion_show(L, 2));
  if (!assign_simply(L, t)) assign_part(L, t);
  scion_touch(t);
  return 0;
}

/* ---- joining */

/* The shape of the tensors in the list at argument 1, joined along an axis, from 0. */
static void check_joined(lua_State *L, lua_Integer count, int axis, bool stack, int64_t shape[SCION_MAX_DIMS]) {
  char one[SCION_SHAPE_TEXT], other[SCION_SHAPE_TEXT];
  const scion_tensor *first = scion_tensor_of_list(L, 1, 1);
  for (int d = 0; d < first->dims; d++) shape[stack && d >= axis ? d + 1 : d] = first->shape[d];
  shape[axis] = 0;
  for (lua_Integer i = 1; i <= count; i++) {
    const scion_tensor *t = scion_tensor_of_list(L, 1, i);
    bool fits = t->dims == first->dims;
    for (int d = 0; fits && d < t->dims; d++) fits = (!stack && d == axis) || t->shape[d] == first->shape[d];
    if (!fits)
      scion_misuse(L, "tensor 1 is %s and tensor %I is %s: their sizes are to be the same%s", scion_shape_text(first, one, sizeof one), i,
                   scion_shape_text(t, other, sizeof other), stack ? "" : " but for the axis along which they are joined");
    if (t->dtype != first->dtype)
      scion_misuse(L, "tensor 1 is %s and tensor %I is %s: t:to \"%s\" converts", scion_dtype_name(first->dtype), i, scion_dtype_name(t->dtype),
                   scion_dtype_name(first->dtype));
    if (__builtin_add_overflow(shape[axis], stack ? 1 : t->shape[axis], &shape[axis])) scion_misuse(L, "there are too many elements");
  }
}

static int join(lua_State *L, bool stack) {
  if (lua_gettop(L) > 2) scion_misuse(L, "the tensors are one list, { a, b }, and only an axis follows it");
  if (!lua_istable(L, 1)) scion_misuse(L, "the tensors are a list, { a, b }, not %s", scion_show(L, 1));
  lua_settop(L, 2);
  lua_Integer count = scion_check_list(L, 1);
  if (count == 0) scion_misuse(L, "the list of tensors is empty");
  const scion_tensor *first = scion_tensor_of_list(L, 1, 1);
  int dims = first->dims + stack, axis;
  if (dims == 0) scion_misuse(L, "scalars have no axis along which they can be joined: scion.stack makes a vector of them");
  if (dims > SCION_MAX_DIMS) scion_misuse(L, "a tensor has at most %d dimensions, and these have %d already", SCION_MAX_DIMS, first->dims);
  axis = lua_isnil(L, 2) ? 0 : scion_check_axis(L, 2, first, dims);
  int64_t shape[SCION_MAX_DIMS];
  check_joined(L, count, axis, stack, shape);
  scion_dtype dtype = scion_tensor_of_list(L, 1, 1)->dtype;
  const scion_tensor **parts = lua_newuserdatauv(L, (size_t)count * sizeof *parts, 0);
  scion_tensor *y = scion_push_tensor(L, dtype, dims, shape);
  for (lua_Integer i = 0; i < count; i++) parts[i] = scion_tensor_of_list(L, 1, i + 1);
  scion_check(L, scion_tensor_join(parts, count, axis, stack, y));
  return 1;
}

/* core.stack({a, b, ..}, axis = 1) -> tensor with one more dimension; core.concat({a, b, ..}, axis = 1) -> tensor. All are of one dtype. */
static int core_stack(lua_State *L) { return join(L, true); }
static int core_concat(lua_State *L) { return join(L, false); }

static const luaL_Reg methods[] = {{"slice", tensor_slice}, {"select", tensor_select}, {"__newindex", tensor_newindex}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"stack", core_stack}, {"concat", core_concat}, {NULL, NULL}};

/* Pushes the iterator that ipairs returns, nil if there is no such function. */
static void push_iterator(lua_State *L) {
  if (lua_getglobal(L, "ipairs") != LUA_TFUNCTION) return lua_pop(L, 1), lua_pushnil(L);
  lua_newtable(L);
  lua_call(L, 1, 1);
}

void scion_open_tensor_part(lua_State *L) {
  scion_add_constructors(L, functions);
  scion_add_methods(L, methods);
  luaL_getmetatable(L, SCION_TENSOR);
  lua_pushliteral(L, "t[i]");
  lua_getfield(L, -2, "methods");
  push_iterator(L);
  lua_pushcclosure(L, tensor_index, 3);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
