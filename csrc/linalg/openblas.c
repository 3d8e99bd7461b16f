/* OpenBLAS is loaded by the first call that needs it. Loading it takes longer than everything else at start together, and starts a thread
 * for each CPU; most programs need none of it. */
#include "files/system_error.h"
#include "openblas.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>

#ifdef __APPLE__
#define OPENBLAS "libopenblas.0.dylib"
#else
#define OPENBLAS "libopenblas.so.0"
#endif

static void *library; /* NULL where it could not be loaded: `trouble` says why */
static char trouble[300];
static bool sought;
static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;

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
  if (!sought) load();
  pthread_mutex_unlock(&mutex);
  if (!library) return scion_fail(sought ? SCION_WORLD : SCION_SYSTEM, "%s: OpenBLAS cannot be loaded: %s", what, trouble);
  void *found = dlsym(library, name);
  if (!found) return scion_fail(SCION_WORLD, "%s: this OpenBLAS lacks %s; install one with LAPACK (libopenblas-dev has it)", what, name);
  *function = found;
  return SCION_OK;
}
