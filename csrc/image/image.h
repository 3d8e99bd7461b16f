/* What the files of this folder share. Pixels are u8 RGB, rows from the top, without gaps. */
#ifndef SCION_IMAGE_H
#define SCION_IMAGE_H

#include "scion.h"

/* Memory that grows and is used again, so that a worker takes none for each image. {0} is empty. */
typedef struct {
  unsigned char *data;
  size_t capacity;
} image_buffer;

scion_status image_buffer_reserve(image_buffer *buffer, size_t bytes); /* the contents may be lost */
void image_buffer_free(image_buffer *buffer);

/* An image in a buffer. A few bytes behind the last pixel may be read. */
typedef struct {
  image_buffer memory;
  int height, width;
} image_pixels;

/* Makes room for height x width pixels; refuses an empty image and one of more than SCION_MAX_PIXELS. */
scion_status image_pixels_reserve(image_pixels *pixels, int64_t height, int64_t width);

/* ---- file.c: messages do not name the file, the callers do */
scion_status image_read_file(const char *path, image_buffer *bytes, size_t *size);
/* Writes under another name beside it, then renames: the path holds the old file or the whole new one. */
scion_status image_write_file(const char *path, const void *bytes, size_t size);

/* ---- jpeg.c, png.c: one format each. *orientation is EXIF's, 1 .. 8. */
scion_status image_jpeg_decode(const unsigned char *bytes, size_t size, image_pixels *pixels, int *orientation);
scion_status image_png_decode(const unsigned char *bytes, size_t size, image_pixels *pixels);
/* rgb: height x width pixels. The bytes of the file are put into *out, their number into *size. */
scion_status image_jpeg_encode(const unsigned char *rgb, int height, int width, image_buffer *out, size_t *size);
scion_status image_png_encode(const unsigned char *rgb, int height, int width, image_buffer *out, size_t *size);

/* ---- decode.c: recognises the format by content and turns the image upright. */
scion_status image_decode(const unsigned char *bytes, size_t size, image_pixels *pixels);
/* Reads and decodes; the message names the path. */
scion_status image_read(const char *path, image_buffer *bytes, image_pixels *pixels);

/* ---- resize.c: scion_image_resize on bare memory; work is scratch. */
scion_status image_resize(const unsigned char *x, int height, int width, unsigned char *y, int new_height, int new_width,
                          image_buffer *work);

/* ---- augment.c: scion_image_warp on bare memory. x and y are height x width and apart. */
void image_warp(const unsigned char *x, unsigned char *y, int height, int width, const scion_warp *warp, scion_fill fill,
                unsigned char value);

#endif
