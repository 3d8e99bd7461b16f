/* Image files: decoded, turned upright, loaded and saved. */
#include "image.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Puts the path before the last message. */
static scion_status fail_in(const char *path, scion_status status) {
  char message[1024];
  snprintf(message, sizeof message, "%s", scion_error_message());
  return scion_fail(status, "%s: %s", path, message);
}

/* Turns an image by EXIF's orientation, 1 .. 8. Each of them is a walk through the stored pixels: it begins where the upright image's
 * first pixel lies, and takes one step to the next pixel to the right and another to the next one below. */
static scion_status turn_upright(image_pixels *pixels, int orientation) {
  if (orientation == 1) return SCION_OK;
  bool swap = orientation >= 5;
  image_pixels upright = {0};
  scion_status status = image_pixels_reserve(&upright, swap ? pixels->width : pixels->height, swap ? pixels->height : pixels->width, 3);
  if (status != SCION_OK) return status;
  const scion_box box = pixels->box;
  ptrdiff_t across = 3, down = (ptrdiff_t)pixels->width * 3;
  bool from_right = orientation == 2 || orientation == 3 || orientation == 7 || orientation == 8;
  bool from_bottom = orientation == 3 || orientation == 4 || orientation == 6 || orientation == 7;
  const unsigned char *first = pixels->memory.data + (from_right ? down - across : 0) + (from_bottom ? (pixels->height - 1) * down : 0);
  if (from_right) across = -across;
  if (from_bottom) down = -down;
  ptrdiff_t right = swap ? down : across, below = swap ? across : down;
  unsigned char *target = upright.memory.data;
  for (int y = 0; y < upright.height; y++) {
    const unsigned char *source = first + y * below;
    for (int x = 0; x < upright.width; x++, source += right, target += 3)
      target[0] = source[0], target[1] = source[1], target[2] = source[2];
  }
  double columns[] = {from_right ? pixels->width - box.right : box.left, from_right ? pixels->width - box.left : box.right};
  double rows[] = {from_bottom ? pixels->height - box.bottom : box.top, from_bottom ? pixels->height - box.top : box.bottom};
  upright.box = swap ? (scion_box){rows[0], columns[0], rows[1], columns[1]} : (scion_box){columns[0], rows[0], columns[1], rows[1]};
  image_buffer_free(&pixels->memory);
  *pixels = upright;
  return SCION_OK;
}

scion_status image_decode(const unsigned char *bytes, size_t size, image_enough enough, const scion_decoding *decoding,
                          image_pixels *pixels) {
  int orientation = 1;
  scion_status status;
  scion_format format = image_format(bytes, size);
  switch (format) {
    case SCION_FORMAT_JPEG: status = image_jpeg_decode(bytes, size, enough, decoding, pixels, &orientation); break;
    case SCION_FORMAT_PNG: status = image_png_decode(bytes, size, decoding, pixels, &orientation); break;
    case SCION_FORMAT_GIF:
    case SCION_FORMAT_WEBP: status = image_module_decode(format, bytes, size, decoding, pixels, &orientation); break;
    default: return image_format_refuse(bytes, size);
  }
  if (status == SCION_OK) status = turn_upright(pixels, orientation);
  pixels->orientation = orientation;
  return status;
}

scion_status image_read(const char *path, image_enough enough, const scion_decoding *decoding, image_buffer *bytes, image_pixels *pixels) {
  size_t size;
  scion_status status = image_read_file(path, bytes, &size);
  if (status == SCION_OK) status = image_decode(bytes->data, size, enough, decoding, pixels);
  return status == SCION_OK ? SCION_OK : fail_in(path, status);
}

scion_status scion_image_load(const char *path, const scion_decoding *decoding, scion_tensor *image) {
  image_buffer bytes = {0};
  image_pixels pixels = {0};
  *image = (scion_tensor){.dtype = SCION_U8};
  scion_status status = image_read(path, (image_enough){0}, decoding, &bytes, &pixels);
  image_buffer_free(&bytes);
  if (status == SCION_OK) status = scion_tensor_new(image, SCION_U8, 3, (int64_t[]){pixels.height, pixels.width, 3});
  if (status == SCION_OK) memcpy(image->data, pixels.memory.data, (size_t)scion_tensor_elements(image));
  image_buffer_free(&pixels.memory);
  return status;
}

#define JPEG_QUALITY 95 /* of files that are saved */

static bool ends_in(const char *path, const char *extension) {
  size_t length = strlen(path), tail = strlen(extension);
  return length > tail && strcasecmp(path + length - tail, extension) == 0;
}

/* Refuses what is no image to be encoded. */
static scion_status check_picture(const scion_tensor *image) {
  char shape[SCION_SHAPE_TEXT];
  if (image->dtype != SCION_U8 || image->dims != 3 || image->shape[2] != 3 || !scion_tensor_contiguous(image) ||
      image->shape[0] < 1 || image->shape[1] < 1 || scion_tensor_rows(image) > SCION_MAX_PIXELS)
    return scion_fail(SCION_MISUSE, "an image to be saved is a contiguous u8 tensor HxWx3, not %s %s", scion_dtype_name(image->dtype),
                      scion_shape_text(image, shape, sizeof shape));
  return SCION_OK;
}

scion_status scion_image_save(const char *path, const scion_tensor *image) {
  scion_status status = check_picture(image);
  if (status != SCION_OK) return status;
  bool png = ends_in(path, ".png");
  if (!png && !ends_in(path, ".jpg") && !ends_in(path, ".jpeg"))
    return scion_fail(SCION_MISUSE, "%s: images are saved as .png, .jpg or .jpeg", path);
  image_buffer bytes = {0};
  size_t size = 0;
  int height = (int)image->shape[0], width = (int)image->shape[1];
  status = png ? image_png_encode(image->data, height, width, &bytes, &size)
               : image_jpeg_encode(image->data, height, width, JPEG_QUALITY, &bytes, &size);
  status = status == SCION_OK ? scion_write_file(path, bytes.data, size) : fail_in(path, status);
  image_buffer_free(&bytes);
  return status;
}

scion_status scion_image_encode(const scion_tensor *image, int quality, scion_tensor *bytes) {
  *bytes = (scion_tensor){.dtype = SCION_U8};
  if (quality < 1 || quality > 100) return scion_fail(SCION_MISUSE, "the quality of a JPEG is from 1 to 100, not %d", quality);
  scion_status status = check_picture(image);
  if (status != SCION_OK) return status;
  image_buffer encoded = {0};
  size_t size = 0;
  status = image_jpeg_encode(image->data, (int)image->shape[0], (int)image->shape[1], quality, &encoded, &size);
  if (status == SCION_OK) status = scion_tensor_new(bytes, SCION_U8, 1, (int64_t[]){(int64_t)size});
  if (status == SCION_OK) memcpy(bytes->data, encoded.data, size);
  image_buffer_free(&encoded);
  return status;
}
