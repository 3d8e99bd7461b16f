/* The Lua module scion.core, with the functions of the C core. It is used by the Lua files of the package; users call the module
 * scion. */
#include "binding.h"

void scion_check(lua_State *L, scion_status status) {
  if (status == SCION_OK) return;
  lua_pushstring(L, scion_error_message());
  scion_raise(L);
}

int scion_push_result(lua_State *L, scion_status status, int results) {
  if (status != SCION_WORLD && status != SCION_SYSTEM) {
    scion_check(L, status);
    return results;
  }
  lua_pushnil(L);
  lua_pushstring(L, scion_error_message());
  return 2;
}

lua_Integer scion_check_list(lua_State *L, int index) {
  if (!lua_istable(L, index)) scion_misuse(L, "a list is expected, not %s", scion_show(L, index));
  if (luaL_getmetafield(L, index, "__len") != LUA_TNIL) scion_misuse(L, "a list with a __len of its own is not taken: give a plain table");
  lua_Unsigned length = lua_rawlen(L, index);
  if (length > (lua_Unsigned)SCION_MAX_LIST) scion_misuse(L, "a list of more than %I entries is not taken", SCION_MAX_LIST);
  return (lua_Integer)length;
}

lua_Integer scion_check_plain_list(lua_State *L, int index, const char *what) {
  lua_Integer length = scion_check_list(L, index);
  if (length > 0) return length;
  index = lua_absindex(L, index);
  bool object = scion_is_object(L, index);
  lua_pushnil(L);
  if (object || lua_next(L, index)) scion_misuse(L, "%s, not %s", what, scion_show(L, index));
  return 0;
}

const char *const *scion_check_paths(lua_State *L, int list, lua_Integer first, lua_Integer count) {
  const char **paths = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *paths, 0);
  for (lua_Integer i = 0; i < count; i++) {
    size_t length;
    if (lua_rawgeti(L, list, first + i) != LUA_TSTRING) luaL_error(L, "file %I of the list is not a string", first + i);
    paths[i] = lua_tolstring(L, -1, &length);
    if (strlen(paths[i]) != length) luaL_error(L, "file %I of the list has a zero byte in its name", first + i);
    lua_pop(L, 1);
  }
  return paths;
}

lua_Integer scion_check_range(lua_State *L, int argument, lua_Integer low, lua_Integer high, const char *what) {
  lua_Integer value = luaL_checkinteger(L, argument);
  if (value < low || value > high)
    luaL_argerror(L, argument, lua_pushfstring(L, "%s is from %I to %I, not %I", what, low, high, value));
  return value;
}

__attribute__((visibility("default"))) int luaopen_scion_core(lua_State *L);

int luaopen_scion_core(lua_State *L) {
  scion_check(L, scion_isa_check());
  lua_newtable(L);
  scion_open_tensor(L);
  scion_open_kernels(L);
  scion_open_program(L);
  scion_open_system(L);
  scion_open_json(L);
  scion_open_safetensors(L);
  scion_open_hdf5(L);
  scion_open_zip(L);
  scion_open_elements(L);
  scion_open_lock(L);
  scion_open_listing(L);
  scion_open_writing(L);
  scion_open_row_facts(L);
  scion_open_image(L);
  scion_open_rows(L);
  scion_open_examine(L);
  scion_open_loader(L);
  scion_open_cache(L);
  return 1;
}
