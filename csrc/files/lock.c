/* Locks on files, for one process at a time. */
#include "read_file.h"
#include "scion.h"

#include <pthread.h>
#include <stdlib.h>
#include <sys/file.h>

/* All that this process holds or waits for: whoever asked for the same file again would wait for itself, since the system tells
 * descriptors apart and not processes. */
static scion_lock *first;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER; /* of the list */

static scion_lock **find(const struct stat *about) {
  scion_lock **place = &first;
  while (*place && ((*place)->device != (uint64_t)about->st_dev || (*place)->inode != (uint64_t)about->st_ino)) place = &(*place)->next;
  return place;
}

bool scion_lock_held(int descriptor) {
  struct stat about;
  if (fstat(descriptor, &about) != 0) return false;
  pthread_mutex_lock(&mutex);
  bool held = *find(&about) != NULL;
  pthread_mutex_unlock(&mutex);
  return held;
}

/* Puts it into the list, where it says which file is locked; false where that is there already. */
static bool enlist(scion_lock *lock, const struct stat *about) {
  pthread_mutex_lock(&mutex);
  scion_lock **place = find(about);
  bool new = *place == NULL;
  if (new) {
    lock->device = (uint64_t)about->st_dev, lock->inode = (uint64_t)about->st_ino;
    lock->next = NULL;
    *place = lock;
  }
  pthread_mutex_unlock(&mutex);
  return new;
}

static void delist(const scion_lock *lock) {
  pthread_mutex_lock(&mutex);
  scion_lock **place = &first;
  while (*place && *place != lock) place = &(*place)->next;
  if (*place) *place = lock->next;
  pthread_mutex_unlock(&mutex);
}

scion_status scion_lock_take(scion_lock *lock, const char *path) {
  struct stat about;
  const char *why;
  *lock = (scion_lock){.descriptor = open_regular_file(path, O_RDWR | O_CREAT, &about, &why)};
  if (lock->descriptor < 0) return scion_fail(SCION_WORLD, "%s: cannot be locked: %s", path, why);
  if (!enlist(lock, &about)) {
    close(lock->descriptor);
    lock->descriptor = -1;
    return scion_fail(SCION_MISUSE, "%s: this process holds that lock already: close it first", path);
  }
  while (flock(lock->descriptor, LOCK_EX) != 0) {
    if (errno == EINTR) continue;
    scion_fail(SCION_WORLD, "%s: cannot be locked: %s", path, system_error(errno));
    scion_lock_release(lock);
    return SCION_WORLD;
  }
  return SCION_OK;
}

/* Whether a path is still that of an open file: who held the lock before may have removed it. */
static bool is_at(const char *path, const struct stat *about) {
  struct stat now;
  return stat(path, &now) == 0 && now.st_dev == about->st_dev && now.st_ino == about->st_ino;
}

scion_status scion_lock_try(scion_lock *lock, const char *path, bool *taken) {
  struct stat about;
  const char *why;
  *lock = (scion_lock){.descriptor = -1};
  *taken = false;
  for (;;) {
    lock->descriptor = open_regular_file(path, O_RDWR | O_CREAT, &about, &why);
    if (lock->descriptor < 0) return scion_fail(SCION_WORLD, "%s: cannot be locked: %s", path, why);
    bool held = !enlist(lock, &about) || (flock(lock->descriptor, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK);
    if (!held && is_at(path, &about)) {
      *taken = true;
      lock->path = realpath(path, NULL); /* the process may go to another folder; without memory the file stays, which does no harm */
      return SCION_OK;
    }
    scion_lock_release(lock);
    if (held) return SCION_OK;
  }
}

void scion_lock_inherit(const scion_lock *lock) {
  if (lock->descriptor >= 0) fcntl(lock->descriptor, F_SETFD, 0);
}

void scion_lock_release(scion_lock *lock) {
  struct stat about;
  delist(lock);
  if (lock->path && fstat(lock->descriptor, &about) == 0 && about.st_size == 0) unlink(lock->path); /* a file with something in it is somebody's */
  free(lock->path);
  lock->path = NULL;
  if (lock->descriptor >= 0) close(lock->descriptor);
  lock->descriptor = -1;
}
