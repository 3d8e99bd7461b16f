/* A box of the image becomes one colour or noise. */
#include "ops.h"

#include <string.h>

/* Bytes that a counter gives, 16 at a time. */
typedef struct {
  uint64_t seed;
  uint32_t block;
  size_t used;
  uint32_t words[4];
} noise;

static void draw(noise *from, unsigned char *out, size_t bytes) {
  while (bytes > 0) {
    if (from->used == sizeof from->words) {
      scion_random4(from->seed, from->block++, 0, 0, SCION_DRAW_ERASE, from->words);
      from->used = 0;
    }
    size_t n = sizeof from->words - from->used < bytes ? sizeof from->words - from->used : bytes;
    memcpy(out, (const unsigned char *)from->words + from->used, n);
    from->used += n, out += n, bytes -= n;
  }
}

static int clamp(int64_t value, int high) { return value < 0 ? 0 : value > high ? high : (int)value; }

void image_op_erase(unsigned char *pixels, int height, int width, image_box box, const unsigned char colour[3], uint64_t seed) {
  int top = clamp(box.top, height), bottom = clamp((int64_t)box.top + box.height, height);
  int left = clamp(box.left, width), right = clamp((int64_t)box.left + box.width, width);
  noise from = {.seed = seed, .used = sizeof from.words};
  for (int row = top; row < bottom && left < right; row++) {
    unsigned char *x = pixels + ((size_t)row * (size_t)width + (size_t)left) * 3;
    if (colour)
      for (int i = 0; i < 3 * (right - left); i++) x[i] = colour[i % 3];
    else
      draw(&from, x, 3 * (size_t)(right - left));
  }
}
