/* core.lock: one process at a time. */
#include "binding.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define LOCK "scion.lock"

/* core.lock(path) -> lock, once no other process holds it; or nil and a message. The file stays, empty: who removed it would let in
 * one process that waits for it and one that makes it anew. */
static int core_lock(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  int *descriptor = lua_newuserdatauv(L, sizeof *descriptor, 0);
  *descriptor = -1;
  luaL_setmetatable(L, LOCK);
  *descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0666);
  int failed = *descriptor < 0;
  while (!failed && (failed = flock(*descriptor, LOCK_EX)) != 0 && errno == EINTR) failed = 0;
  if (!failed) return 1;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: cannot be locked: %s", path, strerror(errno));
  return 2;
}

/* What closing and collecting a lock do: the next process may. */
static int lock_close(lua_State *L) {
  int *descriptor = luaL_checkudata(L, 1, LOCK);
  if (*descriptor >= 0) close(*descriptor);
  *descriptor = -1;
  return 0;
}

static const luaL_Reg functions[] = {{"lock", core_lock}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", lock_close}, {"__close", lock_close}, {NULL, NULL}};

void scion_open_lock(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  luaL_newmetatable(L, LOCK);
  luaL_setfuncs(L, metamethods, 0);
  lua_pop(L, 1);
}
