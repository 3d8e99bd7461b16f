/* core.zip_open and the userdata of an open zip archive. */
#include "binding.h"

#include <stdio.h>
#include <string.h>

#define ZIP "scion.zip"

/* ---- life */

static scion_zip *check_open(lua_State *L) { return scion_check_open(L, ZIP, "zip archive"); }

/* core.zip_open(path) -> archive, or nil and a message */
static int core_zip_open(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  scion_zip **archive = scion_push_object(L, ZIP, sizeof *archive);
  return scion_push_result(L, scion_zip_open(archive, path), 1);
}

/* archive:close(). It may be called again. */
static int archive_close(lua_State *L) {
  scion_zip **archive = luaL_checkudata(L, 1, ZIP);
  scion_zip_close(*archive);
  *archive = NULL;
  return 0;
}

/* ---- contents */

/* archive:entries() -> {name = {bytes = size of the contents, packed = compressed size, stored = whether not compressed}, ...} */
static int archive_entries(lua_State *L) {
  scion_zip_entry entry;
  lua_newtable(L);
  for (size_t i = 0; scion_zip_entry_at(check_open(L), i, &entry); i++) {
    lua_pushstring(L, entry.name); /* first, since whatever allocates may run a finalizer that closes the archive */
    lua_createtable(L, 0, 3);
    lua_pushinteger(L, (lua_Integer)entry.bytes);
    lua_setfield(L, -2, "bytes");
    lua_pushinteger(L, (lua_Integer)entry.packed);
    lua_setfield(L, -2, "packed");
    lua_pushboolean(L, entry.stored);
    lua_setfield(L, -2, "stored");
    lua_rawset(L, -3);
  }
  return 1;
}

/* archive:read(name, offset, bytes, room = new tensor) -> the u8 tensor `room`, which then begins with these bytes of an entry's contents;
 * or nil and a message */
static int archive_read(lua_State *L) {
  uint64_t offset;
  const char *name = scion_check_text(L, 2);
  scion_tensor t = scion_push_extent(L, 3, &offset);
  return scion_push_result(L, scion_zip_read(check_open(L), name, offset, &t), 1);
}

/* archive:copy(name, file) -> true, or nil and a message. Writes the contents of an entry to an open file of Lua's io library. */
static int archive_copy(lua_State *L) {
  scion_zip *archive = check_open(L);
  const char *name = scion_check_text(L, 2);
  const luaL_Stream *stream = luaL_checkudata(L, 3, LUA_FILEHANDLE);
  luaL_argcheck(L, stream->closef, 3, "a closed file");
  scion_status status = fflush(stream->f) == 0 ? scion_zip_copy(archive, name, fileno(stream->f))
                                               : scion_fail(SCION_WORLD, "a file cannot be written");
  lua_pushboolean(L, 1);
  return scion_push_result(L, status, 1);
}

static const luaL_Reg functions[] = {{"zip_open", core_zip_open}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"entries", archive_entries}, {"read", archive_read}, {"copy", archive_copy}, {"close", archive_close}, {NULL, NULL}};

void scion_open_zip(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, ZIP, archive_close, methods);
}
