/* Hashes and the file of rows, of which the Lua side builds its cache of the outputs of frozen layers. Hashes and keys are strings of
 * 16 bytes. */
#include "binding.h"

#include <string.h>

#define ROW_FILE "scion.row_file"

/* ---- hashes */

static int push_hash(lua_State *L, const unsigned char hash[SCION_HASH_BYTES]) {
  lua_pushlstring(L, (const char *)hash, SCION_HASH_BYTES);
  return 1;
}

/* core.hash(string or tensor) -> 16 bytes. The hash of a tensor depends on its dtype and shape, too. */
static int core_hash(lua_State *L) {
  unsigned char hash[SCION_HASH_BYTES];
  const scion_tensor *t = scion_test_tensor(L, 1);
  if (t) {
    scion_check(L, scion_hash_tensor(t, hash));
  } else {
    size_t bytes;
    const char *text = luaL_checklstring(L, 1, &bytes);
    scion_hash_bytes(text, bytes, hash);
  }
  return push_hash(L, hash);
}

/* core.hash_file(path) -> 16 bytes, or nil and a message. Raises what is no fault of the file, such as too many open files. */
static int core_hash_file(lua_State *L) {
  unsigned char hash[SCION_HASH_BYTES] = {0};
  scion_status status = scion_hash_file(scion_check_text(L, 1), hash);
  if (status == SCION_SYSTEM) scion_check(L, status);
  push_hash(L, hash);
  return scion_push_result(L, status, 1);
}

/* core.file_stamp(path) -> a string that is made of the file's size and times of change, the seconds since its contents changed; or nil
 * and a message */
static int core_file_stamp(lua_State *L) {
  int64_t stamp[3] = {0};
  double age = 0;
  scion_status status = scion_file_stamp(scion_check_text(L, 1), stamp, &age);
  lua_pushlstring(L, (const char *)stamp, sizeof stamp);
  lua_pushnumber(L, age);
  return scion_push_result(L, status, 2);
}

/* ---- files of rows */

static scion_row_file *check_open(lua_State *L) { return scion_check_open(L, ROW_FILE, "file of rows"); }

/* The key at an index. The pointer is valid as long as the string is on the stack or in its list. */
static const unsigned char *check_key(lua_State *L, int index) {
  size_t bytes;
  if (lua_type(L, index) != LUA_TSTRING) luaL_error(L, "a key is a string of 16 bytes, not a %s", luaL_typename(L, index));
  const char *key = lua_tolstring(L, index, &bytes);
  if (bytes != SCION_HASH_BYTES) luaL_error(L, "a key has 16 bytes, not %d", (int)bytes);
  return (const unsigned char *)key;
}

static bool is_row(const scion_tensor *t, const scion_row_file *file) {
  return scion_tensor_contiguous(t) && (size_t)scion_tensor_elements(t) * scion_dtype_size(t->dtype) == scion_row_file_bytes(file);
}

/* core.row_file(path, row_bytes) -> file, or nil and a message */
static int core_row_file(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  lua_Integer bytes = luaL_checkinteger(L, 2);
  luaL_argcheck(L, bytes > 0, 2, "a row has at least one byte");
  scion_row_file **file = scion_push_object(L, ROW_FILE, sizeof *file);
  return scion_push_result(L, scion_row_file_open(file, path, (size_t)bytes), 1);
}

/* file:close(). It may be called again. */
static int file_close(lua_State *L) {
  scion_row_file **file = luaL_checkudata(L, 1, ROW_FILE);
  scion_row_file_close(*file);
  *file = NULL;
  return 0;
}

/* file:keys(first = 1) -> list of the keys of the records from `first` on, with false for unfinished records; or nil and a message */
static int file_keys(lua_State *L) {
  static const unsigned char none[SCION_HASH_BYTES];
  lua_Integer first = luaL_optinteger(L, 2, 1);
  luaL_argcheck(L, first >= 1, 2, "records count from 1");
  int64_t count;
  lua_newtable(L);
  scion_status status = scion_row_file_count(check_open(L), &count);
  for (int64_t i = first - 1; i < count && status == SCION_OK; i++) {
    unsigned char key[SCION_HASH_BYTES];
    status = scion_row_file_key(check_open(L), i, key);
    if (status == SCION_OK && memcmp(key, none, SCION_HASH_BYTES) != 0)
      push_hash(L, key);
    else
      lua_pushboolean(L, 0);
    lua_rawseti(L, -2, (lua_Integer)(i - first + 2));
  }
  return scion_push_result(L, status, 1);
}

/* file:read(record, key, tensor) -> true, or nil and a message. Fills the tensor, which is contiguous and has as many bytes as a row. */
static int file_read(lua_State *L) {
  const scion_row_file *file = check_open(L);
  lua_Integer record = luaL_checkinteger(L, 2);
  luaL_argcheck(L, record >= 1, 2, "records count from 1");
  const unsigned char *key = check_key(L, 3);
  scion_tensor *t = scion_check_tensor(L, 4);
  luaL_argcheck(L, is_row(t, file), 4, "not a contiguous tensor of a row's size");
  scion_status status = scion_row_file_read(file, record - 1, key, t->data);
  scion_touch(t);
  lua_pushboolean(L, 1);
  return scion_push_result(L, status, 1);
}

/* file:append({key, ..}, {row, ..}) -> number of the first new record, which the others follow; or nil and a message. Rows are contiguous
 * tensors. */
static int file_append(lua_State *L) {
  lua_settop(L, 3);
  lua_Integer count = scion_check_list(L, 2);
  luaL_argcheck(L, scion_check_list(L, 3) == count, 3, "there are not as many rows as keys");
  lua_settop(L, 3);
  const unsigned char **keys = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *keys, 0);
  const void **rows = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *rows, 0);
  scion_row_file *file = check_open(L);
  for (lua_Integer i = 0; i < count; i++) { /* the lists keep the strings and tensors alive */
    lua_rawgeti(L, 2, i + 1);
    keys[i] = check_key(L, -1);
    lua_pop(L, 1);
    const scion_tensor *t = scion_tensor_of_list(L, 3, i + 1);
    luaL_argcheck(L, is_row(t, file), 3, "not contiguous tensors of a row's size");
    rows[i] = t->data;
  }
  int64_t first;
  scion_status status = scion_row_file_append(file, count, keys, rows, &first);
  lua_pushinteger(L, (lua_Integer)first + 1);
  return scion_push_result(L, status, 1);
}

static const luaL_Reg functions[] = {{"hash", core_hash}, {"hash_file", core_hash_file}, {"file_stamp", core_file_stamp},
                                     {"row_file", core_row_file}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"keys", file_keys}, {"read", file_read}, {"append", file_append}, {"close", file_close}, {NULL, NULL}};

void scion_open_cache(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, ROW_FILE, file_close, methods);
}
