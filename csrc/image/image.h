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
  scion_box box; /* what the picture covers: all, but for the outermost pixels of a JPEG that was decoded at a fraction of its size */
  int orientation; /* EXIF's, by which image_decode turned it: 1 .. 8 */
} image_pixels;

/* Refuses an empty image of a file, and one of more than the allowed pixels. */
scion_status image_size_check(int64_t height, int64_t width, const scion_decoding *decoding);
/* Makes room for height x width pixels, at most SCION_MAX_PIXELS; the box is all of them. A decoder may first put 3 or 4 bytes a pixel there. */
scion_status image_pixels_reserve(image_pixels *pixels, int64_t height, int64_t width, int bytes);

/* ---- file.c */

/* Reads a whole file into the buffer. The message does not name the file, the caller does. SCION_WORLD: there is something wrong with the
 * file; SCION_SYSTEM and SCION_NO_MEMORY: with the machine, and the same file may be read another time. */
scion_status image_read_file(const char *path, image_buffer *bytes, size_t *size);
/* What tells that a file is as it was: its size and times. Equal ones have equal bytes; all zero where there is no such file. */
typedef struct {
  int64_t size, modified[2], changed[2];
} image_stamp;
image_stamp image_stamp_of(const char *path);

/* The upright image need not be larger than this: a JPEG is decoded at 1/2, 1/4 or 1/8 of its size where that is no smaller.
 * {0}: whole. `of`, if it is given, tells how large when the upright size of a JPEG is known. */
typedef struct image_enough {
  double height, width;
  struct image_enough (*of)(void *data, int height, int width);
  void *data;
} image_enough;

/* ---- exif.c: the orientation, 1 .. 8, in EXIF data from their TIFF header on; 1, upright, where they tell none. */
int image_exif_orientation(const unsigned char *tiff, size_t size);

/* ---- jpeg.c, png.c: one format each. *orientation is EXIF's, 1 .. 8. */
scion_status image_jpeg_decode(const unsigned char *bytes, size_t size, image_enough enough, const scion_decoding *decoding,
                               image_pixels *pixels, int *orientation);
scion_status image_png_decode(const unsigned char *bytes, size_t size, const scion_decoding *decoding, image_pixels *pixels,
                              int *orientation);
/* GIF and WebP, which are read by modules; a message tells what to install where there is none. */
scion_status image_module_decode(scion_format format, const unsigned char *bytes, size_t size, const scion_decoding *decoding,
                                 image_pixels *pixels, int *orientation);
/* rgb: height x width pixels; a JPEG has a quality of 1 .. 100. The bytes of the file are put into *out, their number into *size. */
scion_status image_jpeg_encode(const unsigned char *rgb, int height, int width, int quality, image_buffer *out, size_t *size);
scion_status image_png_encode(const unsigned char *rgb, int height, int width, image_buffer *out, size_t *size);

/* ---- alpha.c: makes RGB of pixels that hold RGBA; NULL: opacity is dropped. */
void image_take_alpha(image_pixels *pixels, const scion_decoding *decoding);

/* ---- formats.c: by content; SCION_FORMAT_OTHER: none that Scion reads. */
scion_format image_format(const unsigned char *bytes, size_t size);
/* Fails, and says what the file is and what to do with it. */
scion_status image_format_refuse(const unsigned char *bytes, size_t size);

/* ---- decode.c: by the format that the content is of, and turned upright. */
scion_status image_decode(const unsigned char *bytes, size_t size, image_enough enough, const scion_decoding *decoding,
                          image_pixels *pixels);
/* Reads and decodes; the message names the path. */
scion_status image_read(const char *path, image_enough enough, const scion_decoding *decoding, image_buffer *bytes, image_pixels *pixels);

/* ---- header.c: fills in format, mode, alpha (whether it may be transparent) and, for JPEG and PNG, the size as stored. */
void image_header(const unsigned char *bytes, size_t size, scion_image_facts *facts);

/* ---- look.c: how the part of an image in the box looks (NULL: all of it); work is scratch. */
scion_status image_look(const unsigned char *pixels, int height, int width, const scion_box *box, scion_image_look *look,
                        image_buffer *work);

/* ---- store.c: beside the public functions */
void image_store_retain(scion_image_store *store);
bool image_store_fits(const scion_image_store *store, int64_t count, int height, int width);
/* The pixels of image `index`, or NULL: not there, or its file changed. They stay as long as the store. */
const unsigned char *image_store_get(const scion_image_store *store, int32_t index, const image_stamp *stamp);
/* Keeps a copy, unless that would exceed the budget. */
void image_store_put(scion_image_store *store, int32_t index, const image_stamp *stamp, const unsigned char *pixels);

/* ---- resize.c: scion_image_resize on bare memory; work is scratch. */
scion_status image_resize(const unsigned char *x, int height, int width, const scion_box *box, scion_filter filter, unsigned char *y,
                          int new_height, int new_width, image_buffer *work);

/* ---- warp.c: scion_image_warp on bare memory, from any size to any other; x and y lie apart. */
void image_warp(const unsigned char *x, int height, int width, unsigned char *y, int new_height, int new_width, const scion_warp *warp,
                scion_fill fill, unsigned char value);

#endif
