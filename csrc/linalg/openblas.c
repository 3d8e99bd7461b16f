/* OpenBLAS is loaded by the first call that needs it. Loading it takes longer than everything else at start together, and starts a thread
 * for each CPU; most programs need none of it. */
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

static void load(void) {
  library = dlopen(OPENBLAS, RTLD_NOW | RTLD_LOCAL);
  void (*set_threads)(int) = NULL;
  if (library) *(void **)&set_threads = dlsym(library, "openblas_set_num_threads");
  if (set_threads) return set_threads(1);
  snprintf(trouble, sizeof trouble, "%s", dlerror());
  library = NULL;
}

scion_status openblas_find(const char *what, const char *name, void **function) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, load);
  if (!library) return scion_fail(SCION_WORLD, "%s: OpenBLAS cannot be loaded: %s", what, trouble);
  void *found = dlsym(library, name);
  if (!found) return scion_fail(SCION_WORLD, "%s: this OpenBLAS lacks %s; install one with LAPACK (libopenblas-dev has it)", what, name);
  *function = found;
  return SCION_OK;
}
