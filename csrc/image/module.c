/* The core's side of the modules for formats that Scion can do without: each is looked for once, when it is first needed. */
#include "files/system_error.h"
#include "modules/module.h"
#include "image.h"

#include <dlfcn.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct {
  const char *format, *file, *library, *packages;
  bool sought;
  const image_module *found;
  char why[256]; /* it was not found */
} entry;

static entry entries[] = {
    [SCION_FORMAT_WEBP] = {.format = "WebP", .file = "image_webp.so", .library = "libwebp",
                           .packages = "Debian: apt-get install libwebp-dev; Fedora: libwebp-devel; macOS: webp"},
    [SCION_FORMAT_GIF] = {.format = "GIF", .file = "image_gif.so", .library = "giflib",
                          .packages = "Debian: apt-get install libgif-dev; Fedora: giflib-devel; macOS: giflib"}};

/* Returns an error number where too many files are open, so that it has to be looked for again. */
static int open_module(entry *e) {
  char *path = scion_path_beside_core(e->file);
  void *module = path && access(path, F_OK) == 0 ? dlopen(path, RTLD_NOW | RTLD_LOCAL) : NULL;
  const char *why = module || !path || access(path, F_OK) != 0 ? NULL : dlerror();
  int error = why ? library_error(why) : 0;
  e->sought = error == 0;
  e->found = module ? dlsym(module, IMAGE_MODULE_SYMBOL) : NULL;
  if (module && !e->found) snprintf(e->why, sizeof e->why, "%s is of another version of Scion: install Scion anew", path);
  else if (why) snprintf(e->why, sizeof e->why, "%s", why);
  else snprintf(e->why, sizeof e->why, "Scion was built without it");
  free(path);
  return error;
}

static scion_status find_module(entry *e) {
  static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
  pthread_mutex_lock(&mutex);
  int error = e->sought ? 0 : open_module(e);
  pthread_mutex_unlock(&mutex);
  if (error) return scion_fail(SCION_SYSTEM, "a %s image, which is read with %s, which cannot be loaded: %s", e->format, e->library, system_error(error));
  if (e->found) return SCION_OK;
  return scion_fail(SCION_SYSTEM, "a %s image, which is read with %s (%s): install it (%s) and build Scion anew, or convert the image to PNG", e->format,
                    e->library, e->why, e->packages);
}

static scion_status status_of(module_result result, const char *format) {
  switch (result) {
    case MODULE_OK: return SCION_OK;
    case MODULE_TRUNCATED: return scion_fail(SCION_WORLD, "truncated %s: the file ends before the image does", format);
    case MODULE_NO_MEMORY: return scion_fail(SCION_NO_MEMORY, "out of memory: a %s image", format);
    default: return scion_fail(SCION_WORLD, "broken %s: its contents are damaged", format);
  }
}

scion_status image_module_decode(scion_format format, const unsigned char *bytes, size_t size, const scion_decoding *decoding,
                                 image_pixels *pixels, int *orientation) {
  entry *e = &entries[format];
  scion_status status = find_module(e);
  if (status != SCION_OK) return status;
  module_about about;
  status = status_of(e->found->about(bytes, size, &about), e->format);
  if (status == SCION_OK) status = image_size_check(about.height, about.width, decoding);
  if (status == SCION_OK) status = image_pixels_reserve(pixels, about.height, about.width, 4);
  if (status == SCION_OK) status = status_of(e->found->decode(bytes, size, &about, pixels->memory.data), e->format);
  if (status != SCION_OK) return status;
  image_take_alpha(pixels, about.alpha ? decoding : NULL);
  size_t head = about.exif_size >= 6 && memcmp(about.exif, "Exif\0\0", 6) == 0 ? 6 : 0; /* some writers begin as JPEG does */
  if (about.exif) *orientation = image_exif_orientation(about.exif + head, about.exif_size - head);
  return SCION_OK;
}
