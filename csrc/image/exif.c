/* EXIF's orientation: tag 0x0112 in the first directory of a TIFF (CIPA DC-008, 4.6). JPEG holds that in a marker APP1, PNG in a chunk
 * eXIf. */
#include "image.h"

#define ORIENTATION 0x0112

enum { SHORT = 3, LONG = 4 }; /* types of a value; the standard has SHORT here, but some writers use LONG */

static uint32_t read_number(const unsigned char *p, int bytes, bool little) {
  uint32_t value = 0;
  for (int i = 0; i < bytes; i++) value |= (uint32_t)p[i] << 8 * (little ? i : bytes - 1 - i);
  return value;
}

int image_exif_orientation(const unsigned char *tiff, size_t size) {
  if (size < 8) return 1;
  bool little = tiff[0] == 'I';
  size_t directory = read_number(tiff + 4, 4, little);
  if (directory > size || size - directory < 2) return 1;
  size_t entries = read_number(tiff + directory, 2, little), room = (size - directory - 2) / 12;
  for (size_t i = 0; i < entries && i < room; i++) {
    const unsigned char *entry = tiff + directory + 2 + 12 * i;
    if (read_number(entry, 2, little) != ORIENTATION) continue;
    uint32_t type = read_number(entry + 2, 2, little), value = read_number(entry + 8, type == LONG ? 4 : 2, little);
    return (type == SHORT || type == LONG) && value >= 1 && value <= 8 ? (int)value : 1;
  }
  return 1;
}
