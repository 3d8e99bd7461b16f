/* Files that are installed beside the core. */
#include "scion.h"

#include <dlfcn.h>
#include <stdlib.h>
#include <string.h>

char *scion_path_beside_core(const char *name) {
  Dl_info about;
  char *library = dladdr((const void *)(uintptr_t)&scion_path_beside_core, &about) != 0 ? realpath(about.dli_fname, NULL) : NULL;
  char *slash = library ? strrchr(library, '/') : NULL;
  size_t folder = slash ? (size_t)(slash - library) + 1 : 0, length = strlen(name) + 1;
  char *path = slash ? malloc(folder + length) : NULL;
  if (path) {
    memcpy(path, library, folder);
    memcpy(path + folder, name, length);
  }
  free(library);
  return path;
}
