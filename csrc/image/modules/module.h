/* Between the core and a module that decodes one format by a library of its own. A module stands beside the core where its library was
 * there at build time, and is opened when the first such file is read. Its functions are called from many threads at once. */
#ifndef SCION_IMAGE_MODULE_H
#define SCION_IMAGE_MODULE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
  int64_t height, width;
  bool alpha;                /* whether pixels may be transparent */
  const unsigned char *exif; /* within the file's bytes, or NULL */
  size_t exif_size;
} module_about;

typedef enum { MODULE_OK, MODULE_BROKEN, MODULE_TRUNCATED, MODULE_NO_MEMORY } module_result;

typedef struct {
  /* What a file holds, from its first part. */
  module_result (*about)(const unsigned char *bytes, size_t size, module_about *about);
  /* The first picture of the same file, as about->height x about->width pixels of 4 bytes (red, green, blue, opacity). */
  module_result (*decode)(const unsigned char *bytes, size_t size, const module_about *about, unsigned char *rgba);
} image_module;

#define IMAGE_MODULE_SYMBOL "scion_image_module_1" /* the number is that of this interface */
extern const image_module scion_image_module_1;

#endif
