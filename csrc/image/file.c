/* Whole files in and out of memory, and the buffers they are held in. */
#include "files/read_file.h"
#include "image.h"

#include <stdlib.h>

scion_status image_buffer_reserve(image_buffer *buffer, size_t bytes) {
  if (bytes <= buffer->capacity) return SCION_OK;
  image_buffer_free(buffer);
  buffer->data = malloc(bytes);
  if (!buffer->data) return scion_fail(SCION_NO_MEMORY, "out of memory: an image needs %zu bytes", bytes);
  buffer->capacity = bytes;
  return SCION_OK;
}

void image_buffer_free(image_buffer *buffer) {
  free(buffer->data);
  *buffer = (image_buffer){0};
}

#define SLACK 16 /* bytes behind the last pixel that vector loads may touch */

scion_status image_size_check(int64_t height, int64_t width, const scion_decoding *decoding) {
  const int64_t most = decoding->max_pixels ? decoding->max_pixels : SCION_USUAL_PIXELS;
  const long long h = (long long)height, w = (long long)width;
  if (height < 1 || width < 1) return scion_fail(SCION_WORLD, "an image of %lldx%lld pixels, which is empty", w, h);
  if (height > SCION_MAX_PIXELS || width > SCION_MAX_PIXELS || height * width > SCION_MAX_PIXELS)
    return scion_fail(SCION_WORLD, "an image of %lldx%lld pixels; the largest that can be read have %lld: make it smaller, or cut it into tiles", w,
                      h, (long long)SCION_MAX_PIXELS);
  if (height * width > most)
    return scion_fail(SCION_WORLD, "an image of %lldx%lld pixels is refused, since it has more than %lld; max_pixels = %lld lets it in", w, h,
                      (long long)most, w * h);
  return SCION_OK;
}

scion_status image_pixels_reserve(image_pixels *pixels, int64_t height, int64_t width, int bytes) {
  pixels->height = (int)height;
  pixels->width = (int)width;
  pixels->box = (scion_box){0, 0, (double)width, (double)height};
  return image_buffer_reserve(&pixels->memory, (size_t)(height * width) * (size_t)bytes + SLACK);
}

/* ---- reading */

/* A failure of a system call. What the file itself is not to blame for must not pass for a damaged image. */
static scion_status system_failure(int error, const char *why) {
  switch (error) {
    case EMFILE:
    case ENFILE: return scion_fail(SCION_SYSTEM, "%s", why);
    case ENOMEM: return scion_fail(SCION_NO_MEMORY, "out of memory: the file cannot be read");
    case EIO: return scion_fail(SCION_SYSTEM, "the disk failed to read it (%s); look at it and its connection before you go on", why);
    default: return scion_fail(SCION_WORLD, "%s", why);
  }
}

static scion_status read_all(int file, off_t length, image_buffer *bytes, size_t *size) {
  if (length == 0) return scion_fail(SCION_WORLD, "the file is empty");
  if (length > SCION_MAX_IMAGE_FILE) return scion_fail(SCION_WORLD, "the file is too large for an image: %lld bytes", (long long)length);
  scion_status status = image_buffer_reserve(bytes, (size_t)length);
  if (status != SCION_OK) return status;
  /* where it became shorter meanwhile, the decoder will tell */
  return read_file_at(file, bytes->data, (size_t)length, 0, size) ? SCION_OK : system_failure(errno, system_error(errno));
}

image_stamp image_stamp_of(const char *path) {
  struct stat about;
  if (stat(path, &about) != 0) return (image_stamp){0};
#ifdef __APPLE__
  return (image_stamp){about.st_size, {about.st_mtimespec.tv_sec, about.st_mtimespec.tv_nsec},
                       {about.st_ctimespec.tv_sec, about.st_ctimespec.tv_nsec}};
#else
  return (image_stamp){about.st_size, {about.st_mtim.tv_sec, about.st_mtim.tv_nsec}, {about.st_ctim.tv_sec, about.st_ctim.tv_nsec}};
#endif
}

scion_status image_read_file(const char *path, image_buffer *bytes, size_t *size) {
  struct stat about;
  const char *why;
  int file = open_regular_file(path, O_RDONLY, &about, &why);
  if (file < 0) return system_failure(errno, why);
  scion_status status = read_all(file, about.st_size, bytes, size);
  close(file);
  return status;
}
