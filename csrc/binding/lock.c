/* core.lock: one process at a time. */
#include "binding.h"

#define LOCK "scion.lock"

/* core.lock(path) -> lock, once no other process holds it; or nil and a message. Raises where this process holds it. The file stays,
 * empty: who removed it would let in one process that waits for it and one that makes it anew. */
static int core_lock(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  scion_lock *lock = scion_push_object(L, LOCK, sizeof *lock);
  lock->descriptor = -1;
  return scion_push_result(L, scion_lock_take(lock, path), 1);
}

/* What closing and collecting a lock do: the next process may. */
static int lock_close(lua_State *L) {
  scion_lock_release(luaL_checkudata(L, 1, LOCK));
  return 0;
}

static const luaL_Reg functions[] = {{"lock", core_lock}, {NULL, NULL}};

void scion_open_lock(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, LOCK, lock_close, NULL);
}
