/* core.safetensors_open, core.safetensors_write, and the userdata of a safetensors file that is open for reading. */
#include "binding.h"

#include <stdlib.h>
#include <string.h>

#define SAFETENSORS "scion.safetensors"

/* ---- life */

static scion_safetensors *check_open(lua_State *L) { return scion_check_open(L, SAFETENSORS, "safetensors file"); }

/* core.safetensors_open(path) -> file, or nil and a message */
static int core_safetensors_open(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  scion_safetensors **file = scion_push_object(L, SAFETENSORS, sizeof *file);
  return scion_push_result(L, scion_safetensors_open(file, path), 1);
}

/* file:close(). It may be called again. */
static int file_close(lua_State *L) {
  scion_safetensors **file = luaL_checkudata(L, 1, SAFETENSORS);
  scion_safetensors_close(*file);
  *file = NULL;
  return 0;
}

/* ---- reading */

/* Pushes {dtype =, place =, shape =}. All values are on the stack before the first table is created, since that may run a finalizer that
 * closes the file. (The name of the dtype is a constant.) */
static void push_entry(lua_State *L, const scion_safetensors_entry *entry) {
  int dims = entry->dims;
  luaL_checkstack(L, dims + 6, "a tensor has too many dimensions");
  for (int i = 0; i < dims; i++) lua_pushinteger(L, entry->shape[i]);
  lua_pushinteger(L, (lua_Integer)entry->place);
  lua_pushstring(L, entry->dtype);
  lua_createtable(L, 0, 3);
  lua_insert(L, -3);
  lua_setfield(L, -3, "dtype");
  lua_setfield(L, -2, "place");
  lua_createtable(L, dims, 0);
  lua_insert(L, -2 - dims);
  lua_insert(L, -2 - dims);
  for (int i = dims; i > 0; i--) lua_rawseti(L, -1 - i, i);
  lua_setfield(L, -2, "shape");
}

/* file:header() -> {name = {dtype = "F32", shape = {2, 3}, place = offset of its first byte}, ...}, metadata {key = text, ...}: all
 * tensors but padding */
static int file_header(lua_State *L) {
  scion_safetensors_entry entry;
  scion_metadata pair;
  lua_newtable(L);
  for (size_t i = 0; scion_safetensors_entry_at(check_open(L), i, &entry); i++) {
    if (strcmp(entry.name, SCION_SAFETENSORS_PADDING) == 0) continue;
    push_entry(L, &entry);
    scion_safetensors_entry_at(check_open(L), i, &entry);
    lua_pushstring(L, entry.name);
    lua_insert(L, -2);
    lua_rawset(L, -3);
  }
  lua_newtable(L);
  for (size_t i = 0; scion_safetensors_metadata_at(check_open(L), i, &pair); i++) {
    lua_pushstring(L, pair.key);
    if (!scion_safetensors_metadata_at(check_open(L), i, &pair)) break;
    lua_pushlstring(L, pair.value, pair.bytes);
    lua_rawset(L, -3);
  }
  return 2;
}

/* file:read(name) -> tensor (F32, F16 and F64 become f32, BF16 bf16, U8 u8, I32 i32), or nil and a message */
static int file_read(lua_State *L) {
  const char *name = scion_check_text(L, 2);
  scion_tensor *t = scion_push_later(L);
  return scion_push_result(L, scion_safetensors_read(check_open(L), name, t), 1);
}

/* file:read_into(name, tensor) -> true, or nil and a message; see scion_safetensors_read_into */
static int file_read_into(lua_State *L) {
  scion_safetensors *file = check_open(L);
  const char *name = scion_check_text(L, 2);
  scion_tensor *t = scion_check_tensor(L, 3);
  scion_status status = scion_safetensors_read_into(file, name, t);
  scion_touch(t);
  lua_pushboolean(L, 1);
  return scion_push_result(L, status, 1);
}

/* file:bytes(offset, count, room = new tensor) -> the u8 tensor `room`, which then begins with these bytes of the file; or nil and a
 * message */
static int file_bytes(lua_State *L) {
  uint64_t offset;
  scion_tensor t = scion_push_extent(L, 2, &offset);
  return scion_push_result(L, scion_safetensors_bytes(check_open(L), offset, &t), 1);
}

/* file:size() -> bytes of the whole file */
static int file_size(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)scion_safetensors_size(check_open(L)));
  return 1;
}

/* ---- writing */

static int by_name(const void *a, const void *b) {
  return strcmp(((const scion_named_tensor *)a)->name, ((const scion_named_tensor *)b)->name);
}

static int by_key(const void *a, const void *b) {
  return strcmp(((const scion_metadata *)a)->key, ((const scion_metadata *)b)->key);
}

/* The number of key-value pairs of a table. */
static size_t count_pairs(lua_State *L, int index) {
  size_t count = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) count++;
  return count;
}

/* The name at index `name` and the tensor on top of the stack. The tables that they come from keep both alive. */
static scion_named_tensor take(lua_State *L, int name) {
  size_t length;
  const char *text = lua_type(L, name) == LUA_TSTRING ? lua_tolstring(L, name, &length) : NULL;
  if (!text || strlen(text) != length) luaL_argerror(L, 2, "a tensor's name must be a string without zeros");
  const scion_tensor *t = scion_test_tensor(L, -1);
  if (!t) luaL_argerror(L, 2, lua_pushfstring(L, "'%s' is a %s, not a tensor", text, luaL_typename(L, -1)));
  return (scion_named_tensor){text, t};
}

/* Reads `count` tensors from argument 2: a list of {name =, tensor =} in its order, or a table from names to tensors, sorted by name.
 * Nothing here allocates in Lua, so no finalizer can change the tables; that is why the strings "name" and "tensor" are already at
 * stack indices 4 and 5. */
static void take_tensors(lua_State *L, scion_named_tensor *tensors, size_t count) {
  lua_Unsigned length = lua_rawlen(L, 2);
  size_t i = 0;
  if (length && length != count) luaL_argerror(L, 2, "expected a list of {name =, tensor =} or a table from names to tensors");
  for (; length && i < count; i++) {
    if (lua_rawgeti(L, 2, (lua_Integer)i + 1) != LUA_TTABLE) luaL_argerror(L, 2, "a list holds tables {name =, tensor =}");
    lua_pushvalue(L, 4);
    lua_rawget(L, -2);
    lua_pushvalue(L, 5);
    lua_rawget(L, -3);
    tensors[i] = take(L, -2);
    lua_pop(L, 3);
  }
  if (length) return;
  for (lua_pushnil(L); lua_next(L, 2); lua_pop(L, 1)) {
    if (i == count) luaL_argerror(L, 2, "the table was changed meanwhile");
    tensors[i++] = take(L, -2);
  }
  if (i != count) luaL_argerror(L, 2, "the table was changed meanwhile");
  qsort(tensors, count, sizeof *tensors, by_name);
}

/* Reads `count` pairs of metadata from argument 3 and sorts them by key. Does not allocate in Lua, either. */
static void take_metadata(lua_State *L, scion_metadata *pairs, size_t count) {
  size_t i = 0, length;
  if (lua_isnil(L, 3)) return;
  for (lua_pushnil(L); lua_next(L, 3); lua_pop(L, 1)) {
    if (i == count) luaL_argerror(L, 3, "the table was changed meanwhile");
    if (lua_type(L, -2) != LUA_TSTRING || lua_type(L, -1) != LUA_TSTRING) luaL_argerror(L, 3, "keys and values of metadata are strings");
    pairs[i].key = lua_tolstring(L, -2, &length);
    if (strlen(pairs[i].key) != length) luaL_argerror(L, 3, "a key of metadata holds a zero byte");
    pairs[i].value = lua_tolstring(L, -1, &pairs[i].bytes);
    i++;
  }
  if (i != count) luaL_argerror(L, 3, "the table was changed meanwhile");
  qsort(pairs, count, sizeof *pairs, by_key);
}

#define DECODED_MOST 1024 /* else a wrong number would fill the disk with zeros */

/* core.safetensors_write(path, {name = tensor, ...} or {{name =, tensor =}, ...}, metadata = {}, decoded = 0) -> true, or nil and a
 * message. See scion_safetensors_write. */
static int core_safetensors_write(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  if (!lua_isnoneornil(L, 3)) luaL_checktype(L, 3, LUA_TTABLE);
  lua_Integer decoded = luaL_optinteger(L, 4, 0);
  luaL_argcheck(L, decoded >= 0, 4, "it cannot be negative");
  lua_settop(L, 3);
  lua_pushliteral(L, "name");
  lua_pushliteral(L, "tensor");
  size_t count = count_pairs(L, 2), pairs = lua_isnil(L, 3) ? 0 : count_pairs(L, 3);
  scion_named_tensor *tensors = lua_newuserdatauv(L, (count + 1) * sizeof *tensors, 0);
  scion_metadata *metadata = lua_newuserdatauv(L, (pairs + 1) * sizeof *metadata, 0);
  take_tensors(L, tensors, count);
  take_metadata(L, metadata, pairs);
  size_t bytes = 0;
  for (size_t i = 0; i < pairs; i++) bytes += metadata[i].bytes;
  if ((uint64_t)decoded / DECODED_MOST > bytes)
    return luaL_error(L, "%d bytes of memory for each byte of the metadata are the most that decoding it may take", DECODED_MOST);
  scion_status status = scion_safetensors_write(path, tensors, count, metadata, pairs, (uint64_t)decoded);
  lua_pushboolean(L, 1);
  return scion_push_result(L, status, 1);
}

static const luaL_Reg functions[] = {{"safetensors_open", core_safetensors_open}, {"safetensors_write", core_safetensors_write}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"header", file_header}, {"read", file_read}, {"read_into", file_read_into},
                                   {"bytes", file_bytes},   {"size", file_size}, {"close", file_close}, {NULL, NULL}};

void scion_open_safetensors(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, SAFETENSORS, file_close, methods);
}
