/* Writing files of text, and bytes as text. */
#include "binding.h"

/* core.write_file(path, bytes) -> true, or nil and a message. The path holds the old file or the whole new one: see scion_new_file. */
static int core_write_file(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  size_t length;
  const char *bytes = luaL_checklstring(L, 2, &length);
  scion_status status = scion_write_file(path, bytes, length);
  lua_pushboolean(L, 1);
  return scion_push_result(L, status, 1);
}

/* core.base64(bytes) -> text */
static int core_base64(lua_State *L) {
  size_t length;
  const char *bytes = luaL_checklstring(L, 1, &length);
  luaL_Buffer buffer;
  scion_base64(bytes, length, luaL_buffinitsize(L, &buffer, scion_base64_length(length)));
  luaL_pushresultsize(&buffer, scion_base64_length(length));
  return 1;
}

/* core.write_no_files(none): see scion_write_no_files */
static int core_write_no_files(lua_State *L) {
  scion_write_no_files(lua_toboolean(L, 1));
  return 0;
}

static const luaL_Reg functions[] = {{"write_file", core_write_file}, {"write_no_files", core_write_no_files}, {"base64", core_base64}, {NULL, NULL}};

void scion_open_writing(lua_State *L) { luaL_setfuncs(L, functions, 0); }
