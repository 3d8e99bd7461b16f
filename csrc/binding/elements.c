/* core.read_bytes, core.read_head and core.unpack: reading numbers from files of other programs. */
#include "binding.h"

/* Pushes the u8 tensor at an argument, or a new one if it is nil. Returns a view of its first `bytes` bytes. */
static scion_tensor push_room(lua_State *L, int argument, int64_t bytes) {
  scion_tensor *t = lua_isnoneornil(L, argument) ? scion_push_tensor(L, SCION_U8, 1, &bytes) : scion_check_tensor(L, argument);
  if (!lua_isnoneornil(L, argument)) {
    luaL_argcheck(L, t->dtype == SCION_U8 && scion_tensor_contiguous(t) && scion_tensor_elements(t) >= bytes, argument, "a contiguous u8 tensor with room");
    scion_touch(t);
    lua_pushvalue(L, argument);
  }
  return (scion_tensor){.data = t->data, .dtype = SCION_U8, .dims = 1, .shape = {bytes}, .row_stride = bytes};
}

scion_tensor scion_push_extent(lua_State *L, int argument, uint64_t *offset) {
  lua_Integer first = luaL_checkinteger(L, argument);
  int64_t bytes = luaL_checkinteger(L, argument + 1);
  luaL_argcheck(L, first >= 0 && bytes >= 0, argument, "offset and bytes count from 0");
  *offset = (uint64_t)first;
  return push_room(L, argument + 2, bytes);
}

/* core.read_bytes(path, offset, bytes, room = new tensor) -> the u8 tensor `room`, which then begins with these bytes of the file; or nil
 * and a message */
static int core_read_bytes(lua_State *L) {
  uint64_t offset;
  const char *path = scion_check_text(L, 1);
  scion_tensor t = scion_push_extent(L, 2, &offset);
  return scion_push_result(L, scion_read_bytes(path, offset, &t), 1);
}

/* core.read_head(path, bytes) -> string of the first `bytes` (at most 4096) of a regular file, or of all if it has fewer; or nil and a
 * message. Unlike io.open it does not wait if the path is a pipe without a writer. */
static int core_read_head(lua_State *L) {
  char head[4096];
  size_t got = 0;
  const char *path = scion_check_text(L, 1);
  size_t size = (size_t)scion_check_range(L, 2, 0, sizeof head, "a number of bytes");
  scion_status status = scion_read_head(path, head, size, &got);
  lua_pushlstring(L, head, got);
  return scion_push_result(L, status, 1);
}

/* core.unpack(bytes, dtype, first, strides, t) -> t. The memory of the tensor `bytes` is read as elements of `dtype`. Element (i, j, ..)
 * of t becomes element number first + i*strides[1] + j*strides[2] + .. of these, where first, i, j, .. count from 0. */
static int core_unpack(lua_State *L) {
  const scion_tensor *bytes = scion_check_tensor(L, 1);
  const char *dtype = luaL_checkstring(L, 2);
  int64_t first = luaL_checkinteger(L, 3), strides[SCION_MAX_DIMS];
  scion_tensor *t = scion_check_tensor(L, 5);
  luaL_checktype(L, 4, LUA_TTABLE);
  luaL_argcheck(L, scion_check_list(L, 4) == t->dims, 4, "a stride for each dimension of the tensor");
  for (int i = 0; i < t->dims; i++) {
    lua_rawgeti(L, 4, i + 1);
    strides[i] = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  scion_check(L, scion_unpack(bytes, dtype, first, strides, t));
  scion_touch(t);
  return 1;
}

/* core.element_size("F16") -> 2, or nil for an unknown dtype */
static int core_element_size(lua_State *L) {
  size_t size = scion_element_size(luaL_checkstring(L, 1));
  if (size == 0) return 0;
  lua_pushinteger(L, (lua_Integer)size);
  return 1;
}

static const luaL_Reg functions[] = {{"read_bytes", core_read_bytes}, {"read_head", core_read_head}, {"unpack", core_unpack}, {"element_size", core_element_size}, {NULL, NULL}};

void scion_open_elements(lua_State *L) { luaL_setfuncs(L, functions, 0); }
