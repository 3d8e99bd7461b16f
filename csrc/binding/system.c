/* Threads, clock, version: the process's side of the core. */
#include "binding.h"

/* core.threads() -> how many threads work; core.threads(n) sets it */
static int core_threads(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= SCION_MAX_THREADS, 1, "the number of threads is 1 to 256");
    scion_check(L, scion_set_threads((int)n));
  }
  lua_pushinteger(L, scion_threads());
  return 1;
}

/* core.clock() -> seconds, never going back */
static int core_clock(lua_State *L) {
  lua_pushnumber(L, scion_clock());
  return 1;
}

/* The pool ends with the state that loaded the module; another state's next step starts it again. */
static int stop_threads(lua_State *L) {
  (void)L;
  scion_threads_stop();
  return 0;
}

static const luaL_Reg functions[] = {{"threads", core_threads}, {"clock", core_clock}, {NULL, NULL}};

void scion_open_system(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_pushstring(L, SCION_VERSION);
  lua_setfield(L, -2, "version");
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, stop_threads);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX); /* lives as long as the state */
}
