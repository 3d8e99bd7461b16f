/* Brightness, contrast, saturation and sharpness: between an image and a duller one of it. */
#include "kernels.h"
#include "ops.h"

#include <string.h>

#define CHUNK 3072 /* bytes that stay in the nearest cache */

static void blend_with(unsigned char *pixels, int height, int width, int value, double factor) {
  unsigned char base[CHUNK];
  memset(base, value, sizeof base);
  ptrdiff_t bytes = (ptrdiff_t)height * width * 3;
  for (ptrdiff_t i = 0; i < bytes; i += CHUNK)
    SIMD_CHOOSE(ops_blend)(pixels + i, base, bytes - i < CHUNK ? bytes - i : CHUNK, (float)factor);
}

void image_op_brightness(unsigned char *pixels, int height, int width, double factor) { blend_with(pixels, height, width, 0, factor); }

void image_op_contrast(unsigned char *pixels, int height, int width, double factor) {
  blend_with(pixels, height, width, (int)(image_colour_mean(pixels, height, width, NULL) + 0.5), factor);
}

void image_op_saturation(unsigned char *pixels, int height, int width, double factor) {
  SIMD_CHOOSE(ops_saturate)(pixels, (ptrdiff_t)height * width, (float)factor);
}

scion_status image_op_sharpness(unsigned char *pixels, int height, int width, double factor, image_buffer *work) {
  if (height < 3 || width < 3) return SCION_OK;
  size_t bytes = (size_t)width * 3;
  scion_status status = image_buffer_reserve(work, 3 * bytes);
  if (status != SCION_OK) return status;
  /* a row is needed as it was while the one below it is smoothed */
  unsigned char *above = work->data, *middle = above + bytes, *smooth = middle + bytes;
  memcpy(above, pixels, bytes);
  for (int row = 1; row < height - 1; row++) {
    unsigned char *x = pixels + (size_t)row * bytes;
    memcpy(middle, x, bytes);
    SIMD_CHOOSE(ops_smooth)((const unsigned char *const[]){above, middle, x + bytes}, smooth, width);
    SIMD_CHOOSE(ops_blend)(x + 3, smooth + 3, (ptrdiff_t)bytes - 6, (float)factor);
    unsigned char *next = above;
    above = middle;
    middle = next;
  }
  return SCION_OK;
}
