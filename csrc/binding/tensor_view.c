/* Methods about shape, single elements, parts and copies. Indices and axes count from 1 here. */
#include "binding.h"

#include <string.h>

void scion_push_number(lua_State *L, scion_dtype dtype, double value) {
  bool whole = dtype == SCION_U8 || dtype == SCION_I32;
  if (whole && value >= -9007199254740992.0 && value <= 9007199254740992.0) {
    lua_pushinteger(L, (lua_Integer)value);
  } else {
    lua_pushnumber(L, value);
  }
}

int64_t scion_check_index(lua_State *L, int argument, const scion_tensor *t, int place, int64_t size) {
  char text[SCION_SHAPE_TEXT];
  lua_Integer index = luaL_checkinteger(L, argument);
  if (index < 1 || index > size)
    luaL_argerror(L, argument, lua_pushfstring(L, "index %I is out of range: dimension %d of a tensor of %s has 1 to %I", index, place,
                                               scion_shape_text(t, text, sizeof text), (lua_Integer)size));
  return index - 1;
}

/* The row-major index that the integers from argument 2 on tell. */
static int64_t check_place(lua_State *L, const scion_tensor *t, int given) {
  char text[SCION_SHAPE_TEXT];
  if (given != t->dims)
    luaL_error(L, "a tensor of %s takes %d indices, not %d", scion_shape_text(t, text, sizeof text), t->dims, given);
  int64_t place = 0;
  for (int i = 0; i < t->dims; i++) place = place * t->shape[i] + scion_check_index(L, i + 2, t, i + 1, t->shape[i]);
  return place;
}

static size_t bytes_of(const scion_tensor *t) { return (size_t)scion_tensor_elements(t) * scion_dtype_size(t->dtype); }

/* t:shape() -> {2, 3} */
static int tensor_shape(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  lua_createtable(L, t->dims, 0);
  for (int i = 0; i < t->dims; i++) {
    lua_pushinteger(L, t->shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* t:dtype() -> "f32" */
static int tensor_dtype(lua_State *L) {
  lua_pushstring(L, scion_dtype_name(scion_check_tensor(L, 1)->dtype));
  return 1;
}

/* t:version() -> a number that changes with the contents */
static int tensor_version(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  lua_pushinteger(L, t->storage ? (lua_Integer)t->storage->version : 0);
  return 1;
}

/* t:get(i, j, ..) -> number */
static int tensor_get(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  scion_push_number(L, t->dtype, scion_tensor_get(t, check_place(L, t, lua_gettop(L) - 1)));
  return 1;
}

/* t:set(i, j, .., value) -> t */
static int tensor_set(lua_State *L) {
  scion_tensor *t = scion_check_tensor(L, 1);
  int64_t place = check_place(L, t, lua_gettop(L) - 2);
  scion_tensor_set(t, place, luaL_checknumber(L, t->dims + 2));
  scion_touch(t);
  lua_settop(L, 1);
  return 1;
}

/* t:reshape({6, -1}) or t:reshape(6, -1) -> tensor, a view unless gaps between the rows of a slice forbid it */
static int tensor_reshape(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  int64_t shape[SCION_MAX_DIMS];
  bool list = lua_istable(L, 2);
  lua_Integer dims = list ? scion_check_list(L, 2) : lua_gettop(L) - 1;
  luaL_argcheck(L, dims >= 0 && dims <= SCION_MAX_DIMS, 2, "a tensor has at most 6 dimensions");
  for (int i = 0; i < (int)dims; i++) {
    int whole;
    if (list) lua_rawgeti(L, 2, i + 1);
    shape[i] = lua_tointegerx(L, list ? -1 : i + 2, &whole);
    if (!whole) luaL_argerror(L, list ? 2 : i + 2, lua_pushfstring(L, "dimension %d is not a whole number", i + 1));
    if (list) lua_pop(L, 1);
  }
  if (!scion_tensor_contiguous(t)) scion_collect_before(L, bytes_of(t));
  scion_check(L, scion_tensor_reshape(t, (int)dims, shape, scion_push_handle(L)));
  return 1;
}

/* t:slice(axis, first, last) -> tensor, both ends included; a view along the first and the last axis, else a copy */
static int tensor_slice(lua_State *L) {
  char text[SCION_SHAPE_TEXT];
  const scion_tensor *t = scion_check_tensor(L, 1);
  lua_Integer axis = luaL_checkinteger(L, 2), first = luaL_checkinteger(L, 3), last = luaL_checkinteger(L, 4);
  if (axis < 1 || axis > t->dims)
    luaL_argerror(L, 2, lua_pushfstring(L, "a tensor of %s has no axis %I", scion_shape_text(t, text, sizeof text), axis));
  if (first < 1 || last > t->shape[axis - 1] || last < first - 1)
    luaL_argerror(L, 3, lua_pushfstring(L, "%I to %I is out of range: dimension %I of a tensor of %s has 1 to %I", first, last, axis,
                                        scion_shape_text(t, text, sizeof text), (lua_Integer)t->shape[axis - 1]));
  if (axis > 1 && axis < t->dims) scion_collect_before(L, bytes_of(t));
  scion_check(L, scion_tensor_slice(t, (int)axis - 1, first - 1, last - first + 1, scion_push_handle(L)));
  return 1;
}

/* t:select(i) -> the i-th part along the first axis, a view, or the number of a vector */
static int tensor_select(lua_State *L) {
  char text[SCION_SHAPE_TEXT];
  const scion_tensor *t = scion_check_tensor(L, 1);
  if (t->dims == 0) luaL_error(L, "a tensor of shape %s has no parts", scion_shape_text(t, text, sizeof text));
  int64_t index = scion_check_index(L, 2, t, 1, t->shape[0]);
  if (t->dims == 1) {
    scion_push_number(L, t->dtype, scion_tensor_get(t, index));
  } else {
    scion_check(L, scion_tensor_select(t, index, scion_push_handle(L)));
  }
  return 1;
}

/* t[i]: t:select(i); t.name: the methods, in the upvalue */
static int tensor_index(lua_State *L) {
  if (lua_type(L, 2) == LUA_TNUMBER) return tensor_select(L);
  lua_settop(L, 2);
  lua_rawget(L, lua_upvalueindex(1));
  return 1;
}

/* t[i] = number (fills the part) or tensor of the part's shape (is copied into it) */
static int tensor_newindex(lua_State *L) {
  scion_tensor *t = scion_check_tensor(L, 1);
  luaL_argcheck(L, lua_isinteger(L, 2) && t->dims > 0, 2, "only t[i] can be assigned, i a whole number");
  scion_tensor part = {0}, *value = lua_isnumber(L, 3) ? NULL : scion_check_tensor(L, 3);
  scion_check(L, scion_tensor_select(t, scion_check_index(L, 2, t, 1, t->shape[0]), &part));
  scion_storage_release(part.storage); /* t itself keeps it */
  char to[SCION_SHAPE_TEXT], from[SCION_SHAPE_TEXT];
  if (value && !scion_tensor_same_shape(value, &part))
    luaL_error(L, "a tensor of %s cannot be assigned to a part of %s", scion_shape_text(value, from, sizeof from),
               scion_shape_text(&part, to, sizeof to));
  scion_check(L, value ? scion_tensor_copy(value, &part, 0) : scion_tensor_fill(&part, lua_tonumber(L, 3)));
  scion_touch(t);
  return 0;
}

/* #t -> size of the first dimension */
static int tensor_length(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  if (t->dims == 0) luaL_error(L, "a scalar has no length");
  lua_pushinteger(L, t->shape[0]);
  return 1;
}

static int copy_as(lua_State *L, const scion_tensor *t, scion_dtype dtype) {
  scion_check(L, scion_tensor_copy(t, scion_push_tensor(L, dtype, t->dims, t->shape), 0));
  return 1;
}

/* t:copy() -> tensor with a memory of its own */
static int tensor_copy(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  return copy_as(L, t, t->dtype);
}

/* t:to(dtype) -> a copy; to u8 and i32 rounds to nearest and saturates, to bf16 rounds to nearest even */
static int tensor_to(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  luaL_checkstring(L, 2);
  return copy_as(L, t, scion_check_dtype(L, 2, NULL));
}

/* t:fill(value) -> t */
static int tensor_fill(lua_State *L) {
  scion_tensor *t = scion_check_tensor(L, 1);
  scion_check(L, scion_tensor_fill(t, luaL_checknumber(L, 2)));
  scion_touch(t);
  lua_settop(L, 1);
  return 1;
}

/* t:transpose() -> a matrix's transpose, a copy */
static int tensor_transpose(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  scion_collect_before(L, bytes_of(t));
  scion_check(L, scion_tensor_transpose(t, scion_push_handle(L)));
  return 1;
}

/* t:equal(other) -> whether dtype, shape and every bit are the same */
static int tensor_equal(lua_State *L) {
  lua_pushboolean(L, scion_tensor_equal(scion_check_tensor(L, 1), scion_check_tensor(L, 2)));
  return 1;
}

void scion_add_methods(lua_State *L, const luaL_Reg *methods) {
  luaL_getmetatable(L, SCION_TENSOR);
  lua_getfield(L, -1, "methods");
  for (; methods->name; methods++) {
    lua_pushcfunction(L, methods->func);
    lua_setfield(L, strncmp(methods->name, "__", 2) == 0 ? -3 : -2, methods->name);
  }
  lua_pop(L, 2);
}

static const luaL_Reg methods[] = {
  {"shape", tensor_shape}, {"dtype", tensor_dtype}, {"version", tensor_version}, {"get", tensor_get}, {"set", tensor_set},
  {"reshape", tensor_reshape}, {"slice", tensor_slice}, {"select", tensor_select}, {"copy", tensor_copy}, {"to", tensor_to},
  {"fill", tensor_fill}, {"transpose", tensor_transpose}, {"equal", tensor_equal}, {"__len", tensor_length},
  {"__newindex", tensor_newindex}, {NULL, NULL}};

void scion_open_tensor_view(lua_State *L) {
  luaL_getmetatable(L, SCION_TENSOR);
  lua_newtable(L);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "methods");
  lua_pushcclosure(L, tensor_index, 1);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
  scion_add_methods(L, methods);
}
