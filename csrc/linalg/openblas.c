/* OpenBLAS is loaded by the first call that needs it. Loading it takes longer than everything else at start together, and starts a thread
 * for each CPU; most programs need none of it. */
#include "files/system_error.h"
#include "openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/mman.h>

#ifdef __APPLE__
#define OPENBLAS "libopenblas.0.dylib"
#else
#define OPENBLAS "libopenblas.so.0"
#endif

static void *library; /* NULL where it could not be loaded: `trouble` says why */
static char trouble[300];
static bool sought;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

/* OpenBLAS takes a buffer for each thread that calls it, and one more. Where it cannot have one, it asks for it again and again and never returns:
 * so they are asked for here before it is loaded. Nothing is kept, and memory that somebody else takes before they are taken may still be missing. */
#define BUFFER ((size_t)128 << 20)
#define LIBRARY ((size_t)64 << 20)

static scion_status find_room(const char *what) {
  size_t bytes = LIBRARY + BUFFER * (size_t)(scion_threads() + 1);
  void *room = mmap(NULL, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (room == MAP_FAILED)
    return scion_fail(SCION_NO_MEMORY, "out of memory: %s is OpenBLAS's, which wants %zu MB of addresses for %d threads: raise ulimit -v, or use fewer threads",
                      what, bytes >> 20, scion_threads());
  munmap(room, bytes);
  return SCION_OK;
}

static void load(void) {
  library = dlopen(OPENBLAS, RTLD_NOW | RTLD_LOCAL);
  void (*set_threads)(int) = NULL;
  sought = true;
  if (library) *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  if (set_threads) return set_threads(1);
  const char *why = dlerror();
  int error = library_error(why);
  sought = !error; /* it is there, then, and is looked for again */
  snprintf(trouble, sizeof trouble, "%s", error ? system_error(error) : why);
  library = NULL;
}

scion_status openblas_find(const char *what, const char *name, void **function) {
  pthread_mutex_lock(&mutex);
  scion_status room = sought ? SCION_OK : find_room(what);
  if (!sought && room == SCION_OK) load();
  pthread_mutex_unlock(&mutex);
  if (room != SCION_OK) return room;
  if (!library) return scion_fail(sought ? SCION_WORLD : SCION_SYSTEM, "%s: OpenBLAS cannot be loaded: %s", what, trouble);
  void *found = dlsym(library, name);
  if (!found) return scion_fail(SCION_WORLD, "%s: this OpenBLAS lacks %s; install one with LAPACK (libopenblas-dev has it)", what, name);
  *function = found;
  return SCION_OK;
}
