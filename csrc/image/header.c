/* What the header of an image file tells without decoding it: the format, the size as stored, the kind of pixels.
 * A file that is cut off or damaged tells as much as is there. */
#include "image.h"

#include <string.h>

static uint32_t big_endian(const unsigned char *p, int bytes) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value = value << 8 | p[i];
  return value;
}

/* The markers from the first on up to the frame's (ITU T.81, B.1.1.2). */
static void read_jpeg(const unsigned char *bytes, size_t size, scion_image_facts *facts) {
  for (size_t at = 2; at + 4 <= size;) {
    if (bytes[at] != 0xff) return;
    int marker = bytes[at + 1];
    if (marker == 0xff || marker == 0x01 || (marker >= 0xd0 && marker <= 0xd8)) { /* fill bytes, and markers without a length */
      at += marker == 0xff ? 1 : 2;
      continue;
    }
    size_t length = big_endian(bytes + at + 2, 2);
    const unsigned char *content = bytes + at + 4;
    if (length < 2 || length > size - at - 2 || marker == 0xd9 || marker == 0xda) return;
    if (marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc) {
      if (length < 8) return;
      facts->height = (int)big_endian(content + 1, 2);
      facts->width = (int)big_endian(content + 3, 2);
      facts->mode = content[5] == 1 ? SCION_MODE_GREY : content[5] == 4 ? SCION_MODE_CMYK : SCION_MODE_COLOUR;
      return;
    }
    at += 2 + length;
  }
}

/* The chunks (PNG, 3rd edition, 5). */
static void read_png(const unsigned char *bytes, size_t size, scion_image_facts *facts) {
  for (size_t at = 8; at + 12 <= size;) {
    size_t length = big_endian(bytes + at, 4);
    const unsigned char *name = bytes + at + 4, *content = name + 4;
    if (length > size - at - 12) return;
    if (memcmp(name, "IHDR", 4) == 0 && length >= 13) {
      uint32_t width = big_endian(content, 4), height = big_endian(content + 4, 4);
      facts->width = width > INT32_MAX ? INT32_MAX : (int)width;
      facts->height = height > INT32_MAX ? INT32_MAX : (int)height;
      facts->mode = content[9] & 2 ? SCION_MODE_COLOUR : content[8] == 16 && content[9] == 0 ? SCION_MODE_DEEP_GREY : SCION_MODE_GREY;
      facts->alpha = content[9] & 4;
    }
    if (memcmp(name, "tRNS", 4) == 0) facts->alpha = true;
    at += 12 + length;
  }
}

void image_header(const unsigned char *bytes, size_t size, scion_image_facts *facts) {
  facts->format = image_format(bytes, size);
  facts->mode = SCION_MODE_COLOUR;
  switch (facts->format) {
    case SCION_FORMAT_JPEG: read_jpeg(bytes, size, facts); break;
    case SCION_FORMAT_PNG: read_png(bytes, size, facts); break;
    case SCION_FORMAT_GIF:
    case SCION_FORMAT_WEBP: facts->alpha = true; break;
    case SCION_FORMAT_OTHER: break;
  }
}
