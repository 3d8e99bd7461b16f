/* require "scion.hdf5": the userdata of an HDF5 file open for reading. A module of its own beside scion.core, whose tensors it
 * fills: of the core it knows the struct, not the code. */
#include "binding.h"

#include <string.h>

#define HDF5 "scion.hdf5"

/* ---- life */

static scion_hdf5 *check_open(lua_State *L) {
  scion_hdf5 *file = luaL_checkudata(L, 1, HDF5);
  if (file->socket < 0) luaL_error(L, "attempt to use a closed HDF5 file");
  return file;
}

/* What the world got wrong is nil and a message; the rest raises. */
static int result(lua_State *L, const scion_hdf5 *file, scion_status status, int results) {
  if (status == SCION_OK) return results;
  if (status != SCION_WORLD) return luaL_error(L, "%s", file->message);
  lua_pushnil(L);
  lua_pushstring(L, file->message);
  return 2;
}

/* A string without zeros, which would end it early in C. */
static const char *check_text(lua_State *L, int argument) {
  size_t length;
  const char *text = luaL_checklstring(L, argument, &length);
  luaL_argcheck(L, strlen(text) == length, argument, "a name holds a zero byte");
  return text;
}

/* hdf5.open(path) -> file, or nil and a message */
static int module_open(lua_State *L) {
  const char *path = check_text(L, 1);
  scion_hdf5 *file = lua_newuserdatauv(L, sizeof *file, 0);
  *file = (scion_hdf5){.socket = -1};
  luaL_setmetatable(L, HDF5);
  return result(L, file, scion_hdf5_open(file, path), 1);
}

/* file:close(), as often as you like */
static int file_close(lua_State *L) {
  scion_hdf5_close(luaL_checkudata(L, 1, HDF5));
  return 0;
}

/* file:open_ids() -> how many files, groups, datasets, types and attributes are open, for tests; or nil and a message */
static int file_open_ids(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  int64_t ids = 0;
  scion_status status = scion_hdf5_open_ids(file, &ids);
  lua_pushinteger(L, ids);
  return result(L, file, status, 1);
}

/* ---- contents */

/* file:has(path) -> whether there is an object; file:has(path, attribute) -> whether it has that attribute; or nil and a message */
static int file_has(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  const char *path = check_text(L, 2), *attribute = lua_isnoneornil(L, 3) ? NULL : check_text(L, 3);
  bool found = false;
  scion_status status = scion_hdf5_has(file, path, attribute, &found);
  lua_pushboolean(L, found);
  return result(L, file, status, 1);
}

/* file:attribute(path, name) -> a string or a list of strings, or nil and a message */
static int file_attribute(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  const char *path = check_text(L, 2), *name = check_text(L, 3);
  scion_status status = scion_hdf5_attribute(file, path, name);
  if (status != SCION_OK) return result(L, file, status, 1);
  const char *text = file->text;
  if (!file->is_list) {
    lua_pushstring(L, text);
    return 1;
  }
  lua_createtable(L, (int)file->count, 0);
  for (size_t i = 0; i < file->count; i++) {
    lua_pushstring(L, text);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    text += strlen(text) + 1;
  }
  return 1;
}

/* file:shape(path) -> {2, 3} of a dataset that can be read, or nil and a message */
static int file_shape(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  int64_t shape[SCION_MAX_DIMS] = {0};
  int dims = 0;
  scion_status status = scion_hdf5_shape(file, check_text(L, 2), &dims, shape);
  if (status != SCION_OK) return result(L, file, status, 1);
  lua_createtable(L, dims, 0);
  for (int i = 0; i < dims; i++) {
    lua_pushinteger(L, shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* file:read_into(path, tensor) -> true, or nil and a message. The tensor is f32 and has the dataset's shape. */
static int file_read_into(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  const char *path = check_text(L, 2);
  scion_tensor *t = luaL_checkudata(L, 3, SCION_TENSOR);
  scion_status status = scion_hdf5_read_into(file, path, t);
  if (t->storage) t->storage->version++; /* caches of packed weights are stale */
  lua_pushboolean(L, 1);
  return result(L, file, status, 1);
}

static const luaL_Reg functions[] = {{"open", module_open}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"has", file_has},     {"attribute", file_attribute}, {"shape", file_shape},
                                   {"read_into", file_read_into}, {"open_ids", file_open_ids}, {"close", file_close}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_scion_hdf5(lua_State *L);

int luaopen_scion_hdf5(lua_State *L) {
  luaL_newmetatable(L, HDF5);
  lua_pushcfunction(L, file_close);
  lua_setfield(L, -2, "__gc");
  lua_pushcfunction(L, file_close);
  lua_setfield(L, -2, "__close");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  luaL_newlib(L, functions);
  return 1;
}
