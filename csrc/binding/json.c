/* JSON to and from Lua values, through Jansson.
 *   objects   tables with string keys; written with sorted keys. A key that occurs twice in a text is an error.
 *   arrays    tables with the keys 1 .. n. An empty table is an object unless its metatable is core.json_array, which
 *             empty arrays get when they are read.
 *   numbers   integers and floats remain distinct; NaN and infinities are refused
 *   null      core.null */
#include "binding.h"
#include "files/json_text.h"

#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <string.h>

#define OWNER_METATABLE "scion.json_owner"
#define ARRAY_METATABLE "scion.json_array"
#define MAX_DEPTH 100

/* Pushes a userdata that owns and frees a JSON value, since Lua may raise an error at any time. */
static json_t **push_owner(lua_State *L) { return scion_push_object(L, OWNER_METATABLE, sizeof(json_t *)); }

static int owner_close(lua_State *L) {
  json_t **owner = luaL_checkudata(L, 1, OWNER_METATABLE);
  json_decref(*owner);
  *owner = NULL;
  return 0;
}

/* ---- Lua to JSON */

static json_t *from_lua(lua_State *L, int index);
static void fill(lua_State *L, int index, json_t *json, int depth);

static void out_of_memory(lua_State *L) { scion_check(L, scion_fail(SCION_NO_MEMORY, "out of memory")); }

/* Whether a table becomes an array: its keys are 1 .. n, or it is empty and marked as an array. */
static bool is_sequence(lua_State *L, int index) {
  lua_Unsigned n = lua_rawlen(L, index), keys = 0;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    keys++;
    if (lua_isinteger(L, -2) && lua_tointeger(L, -2) >= 1 && (lua_Unsigned)lua_tointeger(L, -2) <= n) continue;
    lua_pop(L, 2);
    return false;
  }
  if (keys == 0 && lua_getmetatable(L, index)) {
    bool marked = luaL_getmetatable(L, ARRAY_METATABLE) && lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return marked;
  }
  return keys > 0 && keys == n;
}

/* A new JSON value for the Lua value at an index; for a table an empty array or object, which `fill` then fills. Raises if JSON has no
 * such value. */
static json_t *from_lua(lua_State *L, int index) {
  json_t *json = NULL;
  size_t length;
  switch (lua_type(L, index)) {
    case LUA_TBOOLEAN: json = json_boolean(lua_toboolean(L, index)); break;
    case LUA_TSTRING: {
      const char *text = lua_tolstring(L, index, &length);
      errno = 0;
      json = json_stringn(text, length);
      if (!json && errno != ENOMEM) luaL_error(L, "json: a string is not UTF-8");
      break;
    }
    case LUA_TNUMBER:
      if (lua_isinteger(L, index)) {
        json = json_integer(lua_tointeger(L, index));
      } else {
        if (!isfinite(lua_tonumber(L, index))) luaL_error(L, "json: NaN and infinite numbers cannot be written");
        json = json_real(lua_tonumber(L, index));
      }
      break;
    case LUA_TTABLE: json = is_sequence(L, index) ? json_array() : json_object(); break;
    case LUA_TLIGHTUSERDATA:
      if (!lua_touserdata(L, index)) json = json_null();
      if (json) break; /* fall through */
    default: luaL_error(L, "json: a %s cannot be written", luaL_typename(L, index));
  }
  if (!json) out_of_memory(L);
  return json;
}

/* The key of an object, which lies below the value on top of the stack. */
static const char *check_key(lua_State *L) {
  size_t length;
  if (lua_type(L, -2) != LUA_TSTRING)
    luaL_error(L, "json: a table is neither a list without holes nor an object: its key %s is no string", luaL_tolstring(L, -2, NULL));
  const char *key = lua_tolstring(L, -2, &length);
  if (strlen(key) != length) luaL_error(L, "json: a key holds a zero byte");
  return key;
}

/* Adds the entries of a table to its JSON value. Each entry is handed to its parent at once, so that it is freed if an error is
 * raised. */
static void fill(lua_State *L, int index, json_t *json, int depth) {
  if (depth > MAX_DEPTH) luaL_error(L, "json: tables lie more than %d deep (or within themselves)", MAX_DEPTH);
  luaL_checkstack(L, 6, "json");
  lua_Integer n = json_is_array(json) ? (lua_Integer)lua_rawlen(L, index) : 0;
  for (lua_Integer i = 1; i <= n; i++) {
    lua_rawgeti(L, index, i);
    json_t *value = from_lua(L, lua_gettop(L));
    if (json_array_append_new(json, value) != 0) out_of_memory(L);
    if (lua_istable(L, -1)) fill(L, lua_gettop(L), value, depth + 1);
    lua_pop(L, 1);
  }
  if (json_is_array(json)) return;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    const char *key = check_key(L);
    json_t *value = from_lua(L, lua_gettop(L));
    errno = 0;
    if (json_object_set_new(json, key, value) != 0) {
      if (errno == ENOMEM) out_of_memory(L);
      luaL_error(L, "json: the key '%s' is not UTF-8", key);
    }
    if (lua_istable(L, -1)) fill(L, lua_gettop(L), value, depth + 1);
  }
}

/* core.json_encode(value) -> text. Raises if JSON has no such value. */
static int core_json_encode(lua_State *L) {
  const size_t flags = JSON_COMPACT | JSON_SORT_KEYS | JSON_ENCODE_ANY;
  luaL_checkany(L, 1);
  lua_settop(L, 1);
  json_t **owner = push_owner(L);
  *owner = from_lua(L, 1);
  if (lua_istable(L, 1)) fill(L, 1, *owner, 1);
  size_t size = json_dumpb(*owner, NULL, 0, flags);
  luaL_Buffer buffer;
  char *text = luaL_buffinitsize(L, &buffer, size);
  if (size == 0 || json_dumpb(*owner, text, size, flags) != size) out_of_memory(L);
  luaL_pushresultsize(&buffer, size);
  json_decref(*owner);
  *owner = NULL;
  return 1;
}

/* ---- JSON to Lua */

/* The number of entries to preallocate in a table, limited to what fits an int and is reasonable. */
static int room_for(size_t entries) { return entries < 1 << 20 ? (int)entries : 1 << 20; }

/* Pushes a JSON value that is nested in `depth` others; false if it is nested too deeply. */
static bool to_lua(lua_State *L, json_t *json, int depth) {
  const char *key;
  json_t *value;
  size_t i;
  if (depth >= MAX_DEPTH && (json_is_object(json) || json_is_array(json))) return false;
  luaL_checkstack(L, 4, "json");
  switch (json_typeof(json)) {
    case JSON_OBJECT:
      lua_createtable(L, 0, room_for(json_object_size(json)));
      json_object_foreach(json, key, value) {
        lua_pushstring(L, key);
        if (!to_lua(L, value, depth + 1)) return false;
        lua_rawset(L, -3);
      }
      break;
    case JSON_ARRAY:
      lua_createtable(L, room_for(json_array_size(json)), 0);
      if (json_array_size(json) == 0) luaL_setmetatable(L, ARRAY_METATABLE);
      json_array_foreach(json, i, value) {
        if (!to_lua(L, value, depth + 1)) return false;
        lua_rawseti(L, -2, (lua_Integer)i + 1);
      }
      break;
    case JSON_STRING: lua_pushlstring(L, json_string_value(json), json_string_length(json)); break;
    case JSON_INTEGER: lua_pushinteger(L, json_integer_value(json)); break;
    case JSON_REAL: lua_pushnumber(L, json_real_value(json)); break;
    case JSON_NULL: lua_pushlightuserdata(L, NULL); break;
    default: lua_pushboolean(L, json_is_true(json));
  }
  return true;
}

/* core.json_decode(text) -> value, or nil and a message. Raises where memory is short. */
static int core_json_decode(lua_State *L) {
  size_t length;
  json_error_t error;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_settop(L, 1);
  json_t **owner = push_owner(L);
  bool no_memory;
  *owner = read_json(text, length, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL, &error, &no_memory);
  if (no_memory) out_of_memory(L);
  if (!*owner) {
    lua_pushnil(L);
    lua_pushfstring(L, "json: line %d, column %d: %s", error.line, error.column, error.text);
    return 2;
  }
  bool shallow = to_lua(L, *owner, 0);
  json_decref(*owner);
  *owner = NULL;
  if (shallow) return 1;
  lua_pushnil(L);
  lua_pushfstring(L, "json: values lie more than %d deep", MAX_DEPTH);
  return 2;
}

/* core.json_cost(text) -> bytes of memory that core.json_decode may take for a text, whatever is in it */
static int core_json_cost(lua_State *L) {
  enum { CONTAINER = 300, COLON = 55, COMMA = 70, STRING = 40 }; /* measured with texts of nothing else, and rounded up */
  size_t length;
  const char *text = luaL_checklstring(L, 1, &length);
  lua_Integer cost = 2 * (lua_Integer)length;
  bool quoted = false;
  for (size_t i = 0; i < length; i++) {
    if (quoted && text[i] == '\\')
      i++;
    else if (text[i] == '"')
      quoted = !quoted, cost += quoted ? STRING : 0;
    else if (!quoted)
      cost += text[i] == '{' || text[i] == '[' ? CONTAINER : text[i] == ':' ? COLON : text[i] == ',' ? COMMA : 0;
  }
  lua_pushinteger(L, cost);
  return 1;
}

static const luaL_Reg functions[] = {
    {"json_encode", core_json_encode}, {"json_decode", core_json_decode}, {"json_cost", core_json_cost}, {NULL, NULL}};

/* core.null stands for JSON's null, since nil cannot be stored in a table. core.json_array is the metatable that marks an empty table
 * as an array. */
void scion_open_json(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_pushlightuserdata(L, NULL);
  lua_setfield(L, -2, "null");
  scion_new_class(L, OWNER_METATABLE, owner_close, NULL);
  luaL_newmetatable(L, ARRAY_METATABLE);
  lua_setfield(L, -2, "json_array");
}
