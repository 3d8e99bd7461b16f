/* core.lock: a lock file that one process at a time can hold. */
#include "binding.h"

#define LOCK "scion.lock"

/* core.lock(path) -> lock, after waiting until no other process holds it; or nil and a message. Raises if this process holds it. The file
 * is never removed. If it were, one process could lock the removed file, for which it waited, and another one a new file of that name. */
static int core_lock(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  scion_lock *lock = scion_push_object(L, LOCK, sizeof *lock);
  *lock = (scion_lock){.descriptor = -1};
  return scion_push_result(L, scion_lock_take(lock, path), 1);
}

/* core.try_lock(path) -> lock on a file that is removed with it; or false where this process or another one holds it; or nil and a message */
static int core_try_lock(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  scion_lock *lock = scion_push_object(L, LOCK, sizeof *lock);
  bool taken;
  *lock = (scion_lock){.descriptor = -1};
  scion_status status = scion_lock_try(lock, path, &taken);
  if (status == SCION_OK && !taken) lua_pushboolean(L, false);
  return scion_push_result(L, status, 1);
}

/* __close and __gc: releases the lock. */
static int lock_close(lua_State *L) {
  scion_lock_release(luaL_checkudata(L, 1, LOCK));
  return 0;
}

/* lock:inherit(): programs that are started from here on hold the lock, too, until they end */
static int lock_inherit(lua_State *L) {
  scion_lock_inherit(luaL_checkudata(L, 1, LOCK));
  return 0;
}

static const luaL_Reg methods[] = {{"inherit", lock_inherit}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"lock", core_lock}, {"try_lock", core_try_lock}, {NULL, NULL}};

void scion_open_lock(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, LOCK, lock_close, methods);
}
