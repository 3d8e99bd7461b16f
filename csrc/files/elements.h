/* IEEE's half precision, for the files of this folder. */
#ifndef SCION_ELEMENTS_H
#define SCION_ELEMENTS_H

#include "../tensor/element.h"

static inline float half_to_float(uint16_t half) {
  uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, fraction = half & 1023, bits;
  float value;
  if (exponent == 0) {
    value = (float)fraction * 0x1p-24f; /* subnormal: exact */
    return sign ? -value : value;
  }
  bits = sign | (exponent == 31 ? 255u : exponent + 112) << 23 | fraction << 13;
  memcpy(&value, &bits, sizeof value);
  return value;
}

#endif
