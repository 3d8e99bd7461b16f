/* Whole files in and out of memory, and the buffers they are held in. */
#include "files/read_file.h"
#include "image.h"

#include <stdio.h>
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

scion_status image_size_check(int64_t height, int64_t width) {
  if (height < 1 || width < 1 || height > SCION_MAX_PIXELS || width > SCION_MAX_PIXELS || height * width > SCION_MAX_PIXELS)
    return scion_fail(SCION_WORLD, "an image of %lldx%lld pixels is refused (at most %lld pixels)", (long long)width,
                      (long long)height, (long long)SCION_MAX_PIXELS);
  return SCION_OK;
}

scion_status image_pixels_reserve(image_pixels *pixels, int64_t height, int64_t width) {
  scion_status status = image_size_check(height, width);
  if (status != SCION_OK) return status;
  pixels->height = (int)height;
  pixels->width = (int)width;
  return image_buffer_reserve(&pixels->memory, (size_t)(height * width) * 3 + SLACK);
}

#define MAX_FILE ((off_t)1 << 30)

static scion_status read_all(int file, off_t length, image_buffer *bytes, size_t *size) {
  if (length == 0) return scion_fail(SCION_WORLD, "the file is empty");
  if (length > MAX_FILE) return scion_fail(SCION_WORLD, "the file is too large for an image: %lld bytes", (long long)length);
  scion_status status = image_buffer_reserve(bytes, (size_t)length);
  if (status != SCION_OK) return status;
  /* where it became shorter meanwhile, the decoder will tell */
  return read_file_at(file, bytes->data, (size_t)length, 0, size) ? SCION_OK : scion_fail(SCION_WORLD, "%s", strerror(errno));
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
  if (file < 0) return scion_fail(SCION_WORLD, "%s", why);
  scion_status status = read_all(file, about.st_size, bytes, size);
  close(file);
  return status;
}

static bool write_all(int file, const unsigned char *bytes, size_t size) {
  while (size > 0) {
    ssize_t put = write(file, bytes, size);
    if (put < 0 && errno == EINTR) continue;
    if (put < 0) return false;
    bytes += put;
    size -= (size_t)put;
  }
  return true;
}

scion_status image_write_file(const char *path, const void *bytes, size_t size) {
  size_t room = strlen(path) + 32;
  char *other = malloc(room);
  if (!other) return scion_fail(SCION_NO_MEMORY, "out of memory: no room for a file name");
  snprintf(other, room, "%s.%ld.tmp", path, (long)getpid());
  int file = open(other, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
  bool good = file >= 0 && write_all(file, bytes, size);
  if (file >= 0 && close(file) != 0) good = false;
  if (good) good = rename(other, path) == 0;
  scion_status status = good ? SCION_OK : scion_fail(SCION_WORLD, "%s", strerror(errno));
  if (!good && file >= 0) unlink(other);
  free(other);
  return status;
}
