/* require "scion.core": what C computes, for the Lua files of the package. Users see it through scion. */
#include "binding.h"

void scion_check(lua_State *L, scion_status status) {
  if (status != SCION_OK) luaL_error(L, "%s", scion_error_message());
}

int scion_push_failure(lua_State *L) {
  lua_pushnil(L);
  lua_pushstring(L, scion_error_message());
  return 2;
}

int scion_push_result(lua_State *L, scion_status status, int results) {
  if (status == SCION_WORLD) return scion_push_failure(L);
  scion_check(L, status);
  return results;
}

__attribute__((visibility("default"))) int luaopen_scion_core(lua_State *L);

int luaopen_scion_core(lua_State *L) {
  lua_newtable(L);
  scion_open_tensor(L);
  scion_open_operations(L);
  scion_open_program(L);
  scion_open_system(L);
  scion_open_json(L);
  scion_open_safetensors(L);
  scion_open_zip(L);
  scion_open_elements(L);
  scion_open_lock(L);
  scion_open_image(L);
  scion_open_loader(L);
  scion_open_cache(L);
  return 1;
}
