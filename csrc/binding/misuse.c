/* Raising errors of the user. The Lua module scion.check puts the line of the user's script in front of messages, describes values and
 * suggests names. Everything here also works without that module. */
#include "binding.h"

#include <stdarg.h>

/* Pushes a function of the module scion.check; false, with nothing pushed, if the module is not loaded. */
static bool push_check(lua_State *L, const char *name) {
  luaL_getsubtable(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
  if (lua_getfield(L, -1, "scion.check") != LUA_TTABLE) return lua_pop(L, 2), false;
  lua_getfield(L, -1, name);
  lua_replace(L, -3);
  lua_pop(L, 1);
  return true;
}

int scion_raise(lua_State *L) {
  luaL_checkstack(L, 8, "a message");
  if (push_check(L, "raise")) {
    lua_insert(L, -2);
    lua_call(L, 1, 0);
  }
  luaL_where(L, 1);
  lua_insert(L, -2);
  lua_concat(L, 2);
  lua_error(L);
  __builtin_unreachable();
}

/* The name of the running function in messages: its first upvalue if that is a string, else NULL. */
static const char *name_of(lua_State *L) {
  return lua_type(L, lua_upvalueindex(1)) == LUA_TSTRING ? lua_tostring(L, lua_upvalueindex(1)) : NULL;
}

int scion_misuse(lua_State *L, const char *format, ...) {
  const char *name = name_of(L);
  luaL_checkstack(L, 8, "a message");
  lua_pushfstring(L, name ? "%s: " : "", name);
  va_list arguments;
  va_start(arguments, format);
  lua_pushvfstring(L, format, arguments);
  va_end(arguments);
  lua_concat(L, 2);
  scion_raise(L);
}

const char *scion_show(lua_State *L, int index) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, "a message");
  if (lua_type(L, index) == LUA_TNONE) return lua_pushliteral(L, "nothing");
  if (!push_check(L, "show")) return luaL_tolstring(L, index, NULL);
  lua_pushvalue(L, index);
  lua_call(L, 1, 1);
  return lua_tostring(L, -1);
}

int scion_mistyped(lua_State *L, int argument, const char *what) {
  const char *name = name_of(L), *shown = scion_show(L, argument);
  if (!name) scion_misuse(L, "argument %d is %s, not %s", argument, what, shown);
  if (strchr(name, ':')) {
    if (argument == 1) scion_misuse(L, "it is called with a colon on a tensor, and was called on %s", shown);
    scion_misuse(L, "argument %d is %s, not %s", argument - 1, what, shown);
  }
  scion_misuse(L, "an operand is %s, not %s", what, shown);
}

lua_Integer scion_check_whole(lua_State *L, int argument, const char *what) {
  int whole = 0;
  lua_Integer value = lua_type(L, argument) == LUA_TNUMBER ? lua_tointegerx(L, argument, &whole) : 0;
  if (!whole) scion_misuse(L, "%s is a whole number, not %s", what, scion_show(L, argument));
  return value;
}

lua_Number scion_check_number(lua_State *L, int argument, const char *what) {
  if (lua_type(L, argument) != LUA_TNUMBER) scion_misuse(L, "%s is a number, not %s", what, scion_show(L, argument));
  return lua_tonumber(L, argument);
}

const char *scion_meant(lua_State *L, int index, const char *(*name)(int), int count) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, "a message");
  if (lua_type(L, index) != LUA_TSTRING || !push_check(L, "suggestion")) return "";
  lua_pushvalue(L, index);
  lua_createtable(L, count, 0);
  for (int i = 0; i < count; i++) {
    lua_pushstring(L, name(i));
    lua_rawseti(L, -2, i + 1);
  }
  lua_call(L, 2, 1);
  const char *remedy = lua_tostring(L, -1);
  return strncmp(remedy, "did you mean", 12) == 0 ? lua_pushfstring(L, " (%s)", remedy) : "";
}

int scion_no_method(lua_State *L, int argument) {
  lua_newtable(L); /* list of the names of all methods, which are the keys of the table below it */
  lua_pushnil(L);
  for (lua_Integer i = 1; lua_next(L, -3); i++) {
    lua_pop(L, 1);
    lua_pushvalue(L, -1);
    lua_seti(L, -3, i);
  }
  const char *remedy = "";
  if (push_check(L, "suggestion")) {
    lua_pushvalue(L, argument);
    lua_pushvalue(L, -3);
    lua_pushliteral(L, "it has");
    lua_call(L, 3, 1);
    remedy = lua_tostring(L, -1);
  }
  lua_pushfstring(L, "a tensor has no method %s: %s", scion_show(L, argument), remedy);
  scion_raise(L);
}
