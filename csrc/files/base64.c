/* Base64, for pictures that stand in a page of HTML. */
#include "scion.h"

size_t scion_base64_length(size_t bytes) { return (bytes + 2) / 3 * 4; }

void scion_base64(const void *data, size_t bytes, char *text) {
  static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const unsigned char *from = data;
  for (size_t i = 0; i < bytes; i += 3) {
    size_t left = bytes - i;
    uint32_t three = (uint32_t)from[i] << 16 | (left > 1 ? (uint32_t)from[i + 1] << 8 : 0) | (left > 2 ? from[i + 2] : 0);
    *text++ = digits[three >> 18];
    *text++ = digits[three >> 12 & 63];
    *text++ = left > 1 ? digits[three >> 6 & 63] : '=';
    *text++ = left > 2 ? digits[three & 63] : '=';
  }
}
