/* What a JPEG of low quality leaves of an image. */
#include "ops.h"

#include <string.h>

scion_status image_op_jpeg(unsigned char *pixels, int height, int width, int quality, image_buffer *work) {
  image_buffer file = {0};
  size_t size;
  scion_status status = image_jpeg_encode(pixels, height, width, quality, &file, &size);
  image_pixels decoded = {.memory = *work}; /* used as the scratch that it is, and given back */
  int orientation;
  if (status == SCION_OK) status = image_jpeg_decode(file.data, size, (image_enough){0}, &decoded, &orientation);
  *work = decoded.memory;
  image_buffer_free(&file);
  if (status == SCION_OK) memcpy(pixels, decoded.memory.data, (size_t)height * (size_t)width * 3);
  return status;
}
