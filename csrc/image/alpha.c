/* Transparent pixels: opacity is dropped, or they are laid upon a colour. */
#include "image.h"

/* (above * opacity + below * (255 - opacity)) / 255, rounded: what Pillow's paste and alpha_composite give. */
static unsigned char blend(int above, int below, int opacity) {
  int sum = above * opacity + below * (255 - opacity) + 128;
  return (unsigned char)(((sum >> 8) + sum) >> 8);
}

void image_take_alpha(image_pixels *pixels, const scion_decoding *decoding) {
  const unsigned char *rgba = pixels->memory.data;
  unsigned char *rgb = pixels->memory.data; /* it falls behind, so that nothing is overwritten that is yet to be read */
  const bool composite = decoding && decoding->composite;
  for (size_t i = (size_t)pixels->height * (size_t)pixels->width; i > 0; i--, rgba += 4, rgb += 3) {
    const int opacity = composite ? rgba[3] : 255;
    for (int c = 0; c < 3; c++) rgb[c] = opacity == 255 ? rgba[c] : blend(rgba[c], decoding->background[c], opacity);
  }
}
