/* core.lock: one process at a time. */
#include "binding.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOCK "scion.lock"

/* A lock that this process holds, or waits for. All of them are in a list: whoever asks for the same file again would wait for itself,
 * since the system tells apart descriptors and not processes. */
typedef struct held {
  int descriptor; /* -1: none */
  dev_t device;
  ino_t inode;
  struct held *next;
} held;

static held *first;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of the list */

/* Puts it into the list; false where its file is there already. */
static bool enlist(held *lock) {
  pthread_mutex_lock(&mutex);
  const held *other = first;
  while (other && (other->device != lock->device || other->inode != lock->inode)) other = other->next;
  if (!other) lock->next = first, first = lock;
  pthread_mutex_unlock(&mutex);
  return !other;
}

static void delist(const held *lock) {
  pthread_mutex_lock(&mutex);
  held **place = &first;
  while (*place && *place != lock) place = &(*place)->next;
  if (*place) *place = lock->next;
  pthread_mutex_unlock(&mutex);
}

/* core.lock(path) -> lock, once no other process holds it; or nil and a message. Raises where this process holds it. The file stays,
 * empty: who removed it would let in one process that waits for it and one that makes it anew. */
static int core_lock(lua_State *L) {
  struct stat about;
  const char *path = scion_check_text(L, 1);
  held *lock = scion_push_object(L, LOCK, sizeof *lock);
  lock->descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NONBLOCK, 0666);
  int failed = lock->descriptor < 0 || fstat(lock->descriptor, &about) != 0;
  if (!failed) {
    lock->device = about.st_dev, lock->inode = about.st_ino;
    if (!enlist(lock)) return luaL_error(L, "%s: this process holds that lock already: close it first", path);
    while ((failed = flock(lock->descriptor, LOCK_EX)) != 0 && errno == EINTR) continue;
  }
  if (!failed) return 1;
  lua_pushnil(L);
  lua_pushfstring(L, "%s: cannot be locked: %s", path, strerror(errno));
  return 2;
}

/* What closing and collecting a lock do: the next process may. */
static int lock_close(lua_State *L) {
  held *lock = luaL_checkudata(L, 1, LOCK);
  delist(lock);
  if (lock->descriptor >= 0) close(lock->descriptor);
  lock->descriptor = -1;
  return 0;
}

static const luaL_Reg functions[] = {{"lock", core_lock}, {NULL, NULL}};

void scion_open_lock(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, LOCK, lock_close, NULL);
}
