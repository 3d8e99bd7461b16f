/* Memory in the program that calls the HDF5 library: what is asked for is there, or the program ends and says why. The library does not
 * always look whether it got any, and what it does without is told by no error, or by another. */
#include "process.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#ifndef __SANITIZE_ADDRESS__ /* which has its own */

static void *there(void *block, size_t bytes) {
  if (!block && bytes) _exit(HDF5_TOO_LARGE);
  return block;
}

/* These stand before those of the C library, which are looked up when they are first called. */
#define NEXT(name) \
  static __typeof__(name) *next_##name(void) { \
    static __typeof__(name) *next; \
    if (!next) { \
      void *address = dlsym(RTLD_NEXT, #name); \
      memcpy(&next, &address, sizeof next); \
    } \
    return next; \
  }

NEXT(malloc)
NEXT(calloc)
NEXT(realloc)

#define PUBLIC __attribute__((visibility("default")))
PUBLIC void *malloc(size_t bytes) { return there(next_malloc()(bytes), bytes); }
PUBLIC void *calloc(size_t count, size_t bytes) { return there(next_calloc()(count, bytes), count && bytes); }
PUBLIC void *realloc(void *block, size_t bytes) { return there(next_realloc()(block, bytes), bytes); }

#endif
