/* Methods of tensors for shapes, single elements and copies. Their indices and axes count from 1, and negative ones from the end. */
#include "binding.h"

#include <string.h>

void scion_push_number(lua_State *L, scion_dtype dtype, double value) {
  bool whole = dtype == SCION_U8 || dtype == SCION_I32;
  /* sums may exceed 2^53, up to which a double holds every integer */
  if (whole && value >= -9007199254740992.0 && value <= 9007199254740992.0) {
    lua_pushinteger(L, (lua_Integer)value);
  } else {
    lua_pushnumber(L, value);
  }
}

int64_t scion_check_index(lua_State *L, int argument, const scion_tensor *t, int place, int64_t size) {
  char text[SCION_SHAPE_TEXT];
  lua_Integer index = scion_check_whole(L, argument, "an index");
  if (index == 0 || index > size || index < -size)
    scion_misuse(L, "index %I is out of range: dimension %d of a tensor of %s has 1 to %I, and -1 is its last", index, place,
                 scion_shape_text(t, text, sizeof text), (lua_Integer)size);
  return index < 0 ? index + size : index - 1;
}

int scion_check_axis(lua_State *L, int argument, const scion_tensor *t, int dims) {
  char text[SCION_SHAPE_TEXT];
  lua_Integer axis = scion_check_whole(L, argument, "the axis");
  if (axis == 0 || axis > dims || axis < -dims)
    scion_misuse(L, "a tensor of %s has no axis %I%s", scion_shape_text(t, text, sizeof text), axis, axis == 0 ? ": the first is 1" : "");
  return (int)(axis < 0 ? axis + dims : axis - 1);
}

/* The row-major index, from 0, of the element whose `given` indices begin at argument 2. */
static int64_t check_place(lua_State *L, const scion_tensor *t, int given) {
  char text[SCION_SHAPE_TEXT];
  if (given != t->dims)
    scion_misuse(L, "a tensor of %s takes %d indices, not %d", scion_shape_text(t, text, sizeof text), t->dims, given);
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
  luaL_setmetatable(L, SCION_PRINTABLE);
  return 1;
}

/* t:dtype() -> "f32" */
static int tensor_dtype(lua_State *L) {
  lua_pushstring(L, scion_dtype_name(scion_check_tensor(L, 1)->dtype));
  return 1;
}

/* t:version() -> a number that increases with each change of the contents */
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
  scion_tensor *t = scion_check_target(L, 1);
  if (lua_gettop(L) < 2) scion_misuse(L, "it takes indices and a value");
  int64_t place = check_place(L, t, lua_gettop(L) - 2);
  scion_tensor_set(t, place, scion_check_number(L, t->dims + 2, "the value"));
  scion_touch(t);
  lua_settop(L, 1);
  return 1;
}

/* t:reshape({6, -1}) or t:reshape(6, -1) -> tensor, see scion_tensor_reshape. If it is a copy, it cannot be written to. */
static int tensor_reshape(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  int64_t shape[SCION_MAX_DIMS];
  bool list = lua_istable(L, 2);
  lua_Integer dims = list ? scion_check_list(L, 2) : lua_gettop(L) - 1;
  if (dims < 0 || dims > SCION_MAX_DIMS) scion_misuse(L, "a tensor has at most 6 dimensions");
  for (int i = 0; i < (int)dims; i++) {
    int whole;
    if (list) lua_rawgeti(L, 2, i + 1);
    int at = list ? lua_gettop(L) : i + 2;
    shape[i] = lua_tointegerx(L, at, &whole);
    if (!whole || lua_type(L, at) != LUA_TNUMBER) scion_misuse(L, "dimension %d is a whole number, not %s", i + 1, scion_show(L, at));
    if (list) lua_pop(L, 1);
  }
  if (!scion_tensor_contiguous(t)) scion_collect_before(L, bytes_of(t));
  scion_tensor *y = scion_push_handle(L);
  scion_check(L, scion_tensor_reshape(t, (int)dims, shape, y));
  return scion_mark_copy(t, y, "t:reshape(...)");
}

/* #t -> size of the first dimension */
static int tensor_length(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  if (t->dims == 0) scion_misuse(L, "a scalar has no length");
  lua_pushinteger(L, t->shape[0]);
  return 1;
}

static int copy_as(lua_State *L, const scion_tensor *t, scion_dtype dtype) {
  scion_check(L, scion_tensor_copy(t, scion_push_tensor(L, dtype, t->dims, t->shape), 0));
  return 1;
}

/* t:copy() -> tensor with its own memory */
static int tensor_copy(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  if (!lua_isnoneornil(L, 2)) scion_misuse(L, "it makes a copy and takes nothing, not %s; t[{}] = other copies other into t", scion_show(L, 2));
  return copy_as(L, t, t->dtype);
}

/* t:to(dtype) -> a copy, converted as by scion_tensor_copy */
static int tensor_to(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  return copy_as(L, t, scion_check_dtype(L, 2, NULL));
}

/* t:fill(value) -> t */
static int tensor_fill(lua_State *L) {
  scion_tensor *t = scion_check_target(L, 1);
  scion_check(L, scion_tensor_fill(t, scion_check_number(L, 2, "the value")));
  scion_touch(t);
  lua_settop(L, 1);
  return 1;
}

/* t:transpose() -> the transpose of a matrix; it is a copy and cannot be written to */
static int tensor_transpose(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  scion_collect_before(L, bytes_of(t));
  scion_tensor *y = scion_push_handle(L);
  scion_check(L, scion_tensor_transpose(t, y));
  return scion_mark_copy(t, y, "t:transpose()");
}

/* t:equal(other) -> whether dtype, shape and every bit are the same */
static int tensor_equal(lua_State *L) {
  const scion_tensor *a = scion_check_tensor(L, 1), *b = scion_check_tensor(L, 2);
  lua_pushboolean(L, scion_tensor_equal(a, b));
  return 1;
}

/* The names of metamethods in messages. */
static const char *const operators[][2] = {{"__add", "a + b"}, {"__sub", "a - b"}, {"__mul", "a * b"}, {"__div", "a / b"}, {"__pow", "a ^ b"},
                                           {"__unm", "-a"}, {"__lt", "a < b"}, {"__le", "a <= b"}, {"__len", "#t"}, {"__newindex", "t[i] = value"}, {"__tostring", "tostring(t)"}};

static void push_name(lua_State *L, const char *method) {
  for (size_t i = 0; i < sizeof operators / sizeof *operators; i++)
    if (strcmp(operators[i][0], method) == 0) return (void)lua_pushstring(L, operators[i][1]);
  lua_pushfstring(L, "t:%s", method);
}

void scion_add_methods(lua_State *L, const luaL_Reg *methods) {
  luaL_getmetatable(L, SCION_TENSOR);
  lua_getfield(L, -1, "methods");
  for (; methods->name; methods++) {
    push_name(L, methods->name);
    lua_pushcclosure(L, methods->func, 1);
    lua_setfield(L, strncmp(methods->name, "__", 2) == 0 ? -3 : -2, methods->name);
  }
  lua_pop(L, 2);
}

static const luaL_Reg methods[] = {
  {"shape", tensor_shape}, {"dtype", tensor_dtype}, {"version", tensor_version}, {"get", tensor_get}, {"set", tensor_set},
  {"reshape", tensor_reshape}, {"copy", tensor_copy}, {"to", tensor_to}, {"fill", tensor_fill}, {"transpose", tensor_transpose},
  {"equal", tensor_equal}, {"__len", tensor_length}, {NULL, NULL}};

void scion_open_tensor_view(lua_State *L) {
  luaL_newmetatable(L, SCION_PRINTABLE);
  lua_setfield(L, -2, "printable");
  scion_add_methods(L, methods);
}
