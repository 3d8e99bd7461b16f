/* core.hdf5_open, core.hdf5_write, and the userdata of an HDF5 file that is open for reading. */
#include "binding.h"
#include "files/hdf5.h"

#include <stdio.h>
#include <string.h>

#define HDF5 "scion.hdf5"

/* ---- life */

static scion_hdf5 *check_open(lua_State *L) {
  scion_hdf5 *file = luaL_checkudata(L, 1, HDF5);
  if (!file->path) luaL_error(L, "the HDF5 file was closed");
  return file;
}

/* core.hdf5_open(path) -> file, or nil and a message. core.hdf5_open(path, file) reads `file`, an open file of Lua's io library that was
 * unpacked from the archive at that path. Messages name the archive, and its size sets the limits. */
static int core_hdf5_open(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  const luaL_Stream *stream = lua_isnoneornil(L, 2) ? NULL : luaL_checkudata(L, 2, LUA_FILEHANDLE);
  luaL_argcheck(L, !stream || stream->closef, 2, "a closed file");
  scion_hdf5 *file = scion_push_object(L, HDF5, sizeof *file);
  return scion_push_result(L, scion_hdf5_open(file, path, stream ? fileno(stream->f) : -1), 1);
}

/* file:close(). It may be called again. */
static int file_close(lua_State *L) {
  scion_hdf5_close(luaL_checkudata(L, 1, HDF5));
  return 0;
}

/* file:open_ids() -> how many objects of the HDF5 library (files, groups, datasets, ..) are open, by which tests find leaks; or nil and a
 * message */
static int file_open_ids(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  int64_t ids = 0;
  scion_status status = scion_hdf5_open_ids(file, &ids);
  lua_pushinteger(L, ids);
  return scion_push_result(L, status, 1);
}

/* ---- contents */

/* file:has(path) -> whether there is an object of that path. file:has(path, attribute) -> whether it has that attribute. Or nil and a
 * message. */
static int file_has(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  const char *path = scion_check_text(L, 2), *attribute = lua_isnoneornil(L, 3) ? NULL : scion_check_text(L, 3);
  bool found = false;
  scion_status status = scion_hdf5_has(file, path, attribute, &found);
  lua_pushboolean(L, found);
  return scion_push_result(L, status, 1);
}

/* Pushes the strings that were read, as a list or as one. */
static int push_strings(lua_State *L, const scion_hdf5 *file) {
  if (!file->is_list) {
    lua_pushstring(L, file->text);
    return 1;
  }
  size_t count = file->count, bytes = 0;
  for (size_t i = 0; i < count; i++) bytes += strlen(file->text + bytes) + 1;
  char *copy = lua_newuserdatauv(L, bytes, 0); /* a copy, since a finalizer may close the file while tables and strings are created */
  const char *text = memcpy(copy, check_open(L)->text, bytes);
  lua_newtable(L);
  for (size_t i = 0; i < count; i++) {
    lua_pushstring(L, text);
    lua_rawseti(L, -2, (lua_Integer)i + 1);
    text += strlen(text) + 1;
  }
  return 1;
}

/* file:attribute(path, name) -> a string or a list of strings, or nil and a message */
static int file_attribute(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  const char *path = scion_check_text(L, 2), *name = scion_check_text(L, 3);
  scion_status status = scion_hdf5_attribute(file, path, name);
  return status == SCION_OK ? push_strings(L, file) : scion_push_result(L, status, 1);
}

/* file:members(path) -> the names of what lies in a group, or nil and a message */
static int file_members(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  scion_status status = scion_hdf5_members(file, scion_check_text(L, 2));
  return status == SCION_OK ? push_strings(L, file) : scion_push_result(L, status, 1);
}

/* file:shape(path) -> {2, 3} of a dataset that can be read, nil, and whether its numbers are integers; or nil and a message */
static int file_shape(lua_State *L) {
  const char *path = scion_check_text(L, 2);
  scion_hdf5 *file = check_open(L);
  int64_t shape[SCION_MAX_DIMS] = {0};
  int dims = 0;
  bool whole = false;
  scion_status status = scion_hdf5_shape(file, path, &dims, shape, &whole);
  if (status != SCION_OK) return scion_push_result(L, status, 1);
  lua_createtable(L, dims, 0);
  for (int i = 0; i < dims; i++) {
    lua_pushinteger(L, shape[i]);
    lua_rawseti(L, -2, i + 1);
  }
  lua_pushnil(L);
  lua_pushboolean(L, whole);
  return 3;
}

/* file:read_into(path, tensor) -> true, or nil and a message. The tensor is f32 and has the dataset's shape. */
static int file_read_into(lua_State *L) {
  scion_hdf5 *file = check_open(L);
  const char *path = scion_check_text(L, 2);
  scion_tensor *t = scion_check_tensor(L, 3);
  scion_status status = scion_hdf5_read_into(file, path, t);
  scion_touch(t);
  lua_pushboolean(L, 1);
  return scion_push_result(L, status, 1);
}

/* ---- writing */

/* Pushes element i of the list at an argument; the element has to be a table. */
static void push_element(lua_State *L, int argument, size_t i) {
  if (lua_rawgeti(L, argument, (lua_Integer)i + 1) != LUA_TTABLE) luaL_argerror(L, argument, "a list of tables expected");
}

#define KEPT 5 /* stack index of a list that keeps strings and tensors alive, even if a finalizer changes the tables they come from */

/* Pushes t[key] of the table t on top of the stack, appends it to KEPT, and returns its type. */
static int push_field(lua_State *L, const char *key) {
  lua_pushstring(L, key);
  int type = lua_rawget(L, -2);
  lua_pushvalue(L, -1);
  lua_rawseti(L, KEPT, (lua_Integer)lua_rawlen(L, KEPT) + 1);
  return type;
}

/* The string t[key] of the table t on top of the stack. */
static const char *text_field(lua_State *L, int argument, const char *key) {
  size_t length;
  if (push_field(L, key) != LUA_TSTRING) luaL_argerror(L, argument, lua_pushfstring(L, "'%s' is no string", key));
  const char *text = lua_tolstring(L, -1, &length);
  luaL_argcheck(L, strlen(text) == length, argument, "a name holds a zero byte");
  lua_pop(L, 1);
  return text;
}

/* Pushes a userdata with the datasets of argument 2, a list. */
static scion_hdf5_dataset *push_datasets(lua_State *L, size_t n) {
  scion_hdf5_dataset *datasets = lua_newuserdatauv(L, (n + 1) * sizeof *datasets, 0);
  for (size_t i = 0; i < n; i++) {
    push_element(L, 2, i);
    datasets[i].path = text_field(L, 2, "path");
    push_field(L, "tensor");
    const scion_tensor *t = scion_test_tensor(L, -1);
    luaL_argcheck(L, t && t->dtype == SCION_F32 && scion_tensor_contiguous(t), 2, "datasets are contiguous f32 tensors");
    datasets[i].tensor = t;
    lua_pop(L, 2);
  }
  return datasets;
}

/* Pops a string, or a list of strings, and packs it into a userdata in KEPT: fields of equal width, padded with zeros. The first pass
 * finds the width. */
static void pack_strings(lua_State *L, scion_hdf5_text *t) {
  t->is_list = lua_istable(L, -1);
  t->count = t->is_list ? (size_t)scion_check_list(L, -1) : 1;
  t->width = 1;
  size_t bytes;
  for (int pass = 0; pass < 2; pass++) {
    if (!scion_multiply_sizes(t->count, t->width, &bytes) || bytes > (size_t)1 << 40) luaL_argerror(L, 3, "the strings are too long");
    char *packed = pass ? lua_newuserdatauv(L, bytes + 1, 0) : NULL;
    if (packed) memset(packed, 0, bytes + 1);
    for (size_t i = 0; i < t->count; i++) {
      size_t length;
      if (t->is_list) lua_rawgeti(L, pass ? -2 : -1, (lua_Integer)i + 1);
      const char *text = luaL_checklstring(L, t->is_list || !pass ? -1 : -2, &length);
      if (packed) memcpy(packed + i * t->width, text, length < t->width ? length : t->width);
      if (!packed && length > t->width) t->width = length;
      if (t->is_list) lua_pop(L, 1);
    }
    t->text = packed;
  }
  lua_rawseti(L, KEPT, (lua_Integer)lua_rawlen(L, KEPT) + 1);
  lua_pop(L, 1);
}

/* Pushes a userdata with the attributes of argument 3, a list. */
static scion_hdf5_text *push_texts(lua_State *L, size_t m) {
  scion_hdf5_text *texts = lua_newuserdatauv(L, (m + 1) * sizeof *texts, 0);
  for (size_t i = 0; i < m; i++) {
    push_element(L, 3, i);
    texts[i] = (scion_hdf5_text){.path = text_field(L, 3, "path"), .name = text_field(L, 3, "name")};
    push_field(L, "value");
    pack_strings(L, &texts[i]);
    lua_pop(L, 1);
  }
  return texts;
}

/* Pushes a userdata with the links of argument 4. */
static scion_hdf5_link *push_links(lua_State *L, size_t count) {
  scion_hdf5_link *links = lua_newuserdatauv(L, (count + 1) * sizeof *links, 0);
  for (size_t i = 0; i < count; i++) {
    push_element(L, 4, i);
    links[i] = (scion_hdf5_link){.path = text_field(L, 4, "path"), .to = text_field(L, 4, "to")};
    lua_pop(L, 1);
  }
  return links;
}

/* core.hdf5_write(path, {{path =, tensor =}, ...}, {{path =, name =, value = text or list of texts}, ...}, {{path =, to =}, ...}) -> true, or
 * nil and a message: datasets, attributes, and, where they are given, other names for what lies at `to`. The file appears whole or not at
 * all. */
static int core_hdf5_write(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  lua_settop(L, 4);
  if (lua_isnil(L, 4)) {
    lua_newtable(L);
    lua_replace(L, 4);
  }
  scion_hdf5_contents contents = {.dataset_count = (size_t)scion_check_list(L, 2), .text_count = (size_t)scion_check_list(L, 3),
                                  .link_count = (size_t)scion_check_list(L, 4)};
  lua_settop(L, 4);
  lua_newtable(L); /* KEPT */
  contents.datasets = push_datasets(L, contents.dataset_count);
  contents.texts = push_texts(L, contents.text_count);
  contents.links = push_links(L, contents.link_count);
  lua_pushboolean(L, 1);
  return scion_push_result(L, scion_hdf5_write(path, &contents), 1);
}

static const luaL_Reg functions[] = {{"hdf5_open", core_hdf5_open}, {"hdf5_write", core_hdf5_write}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"has", file_has},     {"attribute", file_attribute}, {"members", file_members}, {"shape", file_shape},
                                   {"read_into", file_read_into}, {"open_ids", file_open_ids}, {"close", file_close}, {NULL, NULL}};

void scion_open_hdf5(lua_State *L) {
  scion_hdf5_find_program();
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, HDF5, file_close, methods);
}
