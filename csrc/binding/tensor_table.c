/* Conversion of tensors from and to Lua tables and strings. */
#include "binding.h"

#include <string.h>

/* Pushes the place of an element in nested tables, such as "[2][1]". `index` is the row-major index of its first number, `depth` the
 * number of tables around it. */
static void push_place(lua_State *L, const scion_tensor *t, int depth, int64_t index) {
  for (int d = t->dims - 1; d >= depth; d--) index /= t->shape[d] ? t->shape[d] : 1;
  lua_Integer place[SCION_MAX_DIMS];
  for (int d = depth - 1; d >= 0; d--) {
    place[d] = index % t->shape[d] + 1;
    index /= t->shape[d];
  }
  lua_pushliteral(L, "");
  for (int d = 0; d < depth; d++) {
    lua_pushfstring(L, "[%I]", place[d]);
    lua_concat(L, 2);
  }
}

/* The shape of nested tables, from the length of the first table at each depth. Returns the number of dimensions. */
static int table_shape(lua_State *L, int64_t shape[SCION_MAX_DIMS]) {
  int dims = 0;
  lua_pushvalue(L, 1);
  while (lua_istable(L, -1)) {
    if (dims == SCION_MAX_DIMS) scion_misuse(L, "a tensor has at most 6 dimensions");
    shape[dims++] = scion_check_list(L, -1);
    if (shape[dims - 1] == 0) {
      if (scion_is_object(L, -1)) scion_misuse(L, "the numbers are a table of Lua's own, not %s", scion_show(L, -1));
      lua_pushnil(L);
      if (lua_next(L, -2)) scion_misuse(L, "a table of numbers has them at 1, 2, 3 and so on, and not at %s", scion_show(L, -2));
      break;
    }
    lua_rawgeti(L, -1, 1);
    lua_remove(L, -2);
  }
  lua_pop(L, 1);
  return dims;
}

/* Fills t, from row-major index `first` on, from the number or table on top of the stack, which has `depth` tables around it. */
static void fill_from(lua_State *L, scion_tensor *t, int depth, int64_t first) {
  if (depth == t->dims) {
    if (lua_type(L, -1) != LUA_TNUMBER) {
      push_place(L, t, depth, first);
      const char *place = lua_tostring(L, -1);
      scion_misuse(L, "element %s is %s, not a number", place, scion_show(L, -2));
    }
    scion_tensor_set(t, first, lua_tonumber(L, -1));
    return;
  }
  int64_t size = t->shape[depth], step = 1;
  for (int d = depth + 1; d < t->dims; d++) step *= t->shape[d];
  lua_Integer length = lua_istable(L, -1) ? scion_check_list(L, -1) : -1;
  if (length != size) {
    push_place(L, t, depth, first);
    const char *place = lua_tostring(L, -1);
    if (length < 0)
      scion_misuse(L, "the table is ragged: %s is %s where others are tables of %I", place, scion_show(L, -2), (lua_Integer)size);
    scion_misuse(L, "the table is ragged: %s has %I elements where the first has %I", place, length, (lua_Integer)size);
  }
  luaL_checkstack(L, 4, "nested tables");
  for (int64_t i = 0; i < size; i++) {
    lua_rawgeti(L, -1, i + 1);
    fill_from(L, t, depth + 1, first + i * step);
    lua_pop(L, 1);
  }
}

/* core.from_table({{1, 2}, {3, 4}}, dtype = "f32") -> tensor; numbers are rounded and saturate as with t:to */
static int core_from_table(lua_State *L) {
  if (!lua_istable(L, 1)) scion_misuse(L, "the numbers are a table, perhaps of tables, not %s", scion_show(L, 1));
  int64_t shape[SCION_MAX_DIMS];
  int dims = table_shape(L, shape);
  scion_tensor *t = scion_push_tensor(L, scion_check_dtype(L, 2, "f32"), dims, shape);
  lua_pushvalue(L, 1);
  fill_from(L, t, 0, 0);
  lua_pop(L, 1);
  return 1;
}

static void push_table(lua_State *L, const scion_tensor *t, int depth, int64_t first) {
  if (depth == t->dims) {
    scion_push_number(L, t->dtype, scion_tensor_get(t, first));
    return;
  }
  int64_t size = t->shape[depth], step = 1;
  for (int d = depth + 1; d < t->dims; d++) step *= t->shape[d];
  if (size > INT32_MAX) scion_misuse(L, "the tensor is too large for a table");
  luaL_checkstack(L, 4, "nested tables");
  lua_createtable(L, (int)size, 0);
  for (int64_t i = 0; i < size; i++) {
    push_table(L, t, depth + 1, first + i * step);
    lua_rawseti(L, -2, i + 1);
  }
}

/* t:totable() -> {{1.0, 2.0}, {3.0, 4.0}} */
static int tensor_totable(lua_State *L) {
  push_table(L, scion_push_view(L, scion_check_tensor(L, 1)), 0, 0); /* a view, in case a finalizer closes t */
  return 1;
}

/* t:bytes() -> string with the memory of the elements, in row-major order */
static int tensor_bytes(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  scion_tensor target = *t;
  luaL_Buffer buffer;
  size_t bytes = (size_t)scion_tensor_elements(t) * scion_dtype_size(t->dtype);
  target.data = luaL_buffinitsize(L, &buffer, bytes + 1);
  target.storage = NULL;
  target.row_stride = scion_tensor_channels(t);
  scion_check(L, scion_tensor_copy(t, &target, 0));
  luaL_pushresultsize(&buffer, bytes);
  return 1;
}

/* core.from_bytes(string, shape, dtype = "u8") -> tensor with the string as the memory of its elements, in row-major order */
static int core_from_bytes(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  int64_t shape[SCION_MAX_DIMS];
  int dims = scion_check_shape(L, 2, shape);
  scion_tensor *t = scion_push_tensor(L, scion_check_dtype(L, 3, "u8"), dims, shape);
  if (t->storage->bytes != length)
    luaL_argerror(L, 1, lua_pushfstring(L, "the string has %I bytes, the tensor %I", (lua_Integer)length, (lua_Integer)t->storage->bytes));
  memcpy(t->data, bytes, length);
  return 1;
}

static const luaL_Reg functions[] = {{"from_bytes", core_from_bytes}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"totable", tensor_totable}, {"bytes", tensor_bytes}, {NULL, NULL}};

void scion_open_tensor_table(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_pushliteral(L, "scion.tensor"); /* its name for users, and in messages */
  lua_pushcclosure(L, core_from_table, 1);
  lua_setfield(L, -2, "from_table");
  scion_add_methods(L, methods);
}
