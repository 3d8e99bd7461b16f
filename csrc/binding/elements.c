/* core.read_bytes, core.unpack and core.crc32: numbers out of other people's files. */
#include "binding.h"

#include <string.h>

/* core.read_bytes(path, offset, bytes) -> a u8 tensor with that many bytes of a file, or nil and a message */
static int core_read_bytes(lua_State *L) {
  size_t length;
  const char *path = luaL_checklstring(L, 1, &length);
  luaL_argcheck(L, strlen(path) == length, 1, "a name holds a zero byte");
  lua_Integer offset = luaL_checkinteger(L, 2);
  int64_t bytes = luaL_checkinteger(L, 3);
  luaL_argcheck(L, offset >= 0 && bytes >= 0, 2, "offset and bytes count from 0");
  scion_tensor *t = scion_push_tensor(L, SCION_U8, 1, &bytes);
  scion_status status = scion_read_bytes(path, (uint64_t)offset, t);
  if (status == SCION_WORLD) return scion_push_failure(L);
  scion_check(L, status);
  return 1;
}

/* core.unpack(bytes, dtype, first, strides, t) -> t, whose element (i, j, ..) is number first + i*strides[1] + j*strides[2] + .. of
 * the elements that the bytes of the tensor `bytes` are; first counts from 0. */
static int core_unpack(lua_State *L) {
  const scion_tensor *bytes = scion_check_tensor(L, 1);
  const char *dtype = luaL_checkstring(L, 2);
  int64_t first = luaL_checkinteger(L, 3), strides[SCION_MAX_DIMS];
  scion_tensor *t = scion_check_tensor(L, 5);
  luaL_checktype(L, 4, LUA_TTABLE);
  luaL_argcheck(L, luaL_len(L, 4) == t->dims, 4, "a stride for each dimension of the tensor");
  for (int i = 0; i < t->dims; i++) {
    lua_geti(L, 4, i + 1);
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

/* core.crc32(bytes) -> the CRC-32 of a u8 tensor */
static int core_crc32(lua_State *L) {
  const scion_tensor *bytes = scion_check_tensor(L, 1);
  luaL_argcheck(L, bytes->dtype == SCION_U8 && scion_tensor_contiguous(bytes), 1, "a contiguous u8 tensor");
  lua_pushinteger(L, scion_crc32(bytes));
  return 1;
}

static const luaL_Reg functions[] = {{"read_bytes", core_read_bytes}, {"unpack", core_unpack}, {"element_size", core_element_size},
                                     {"crc32", core_crc32}, {NULL, NULL}};

void scion_open_elements(lua_State *L) { luaL_setfuncs(L, functions, 0); }
