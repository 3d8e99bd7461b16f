/* Loading and storing elements of any dtype as doubles, which hold all of them exactly. */
#ifndef SCION_ELEMENT_H
#define SCION_ELEMENT_H

#include "scion.h"

#include <math.h>
#include <string.h>

static inline float bf16_to_float(uint16_t bits) {
  uint32_t wide = (uint32_t)bits << 16;
  float value;
  memcpy(&value, &wide, sizeof value);
  return value;
}

static inline uint16_t float_to_bf16(float value) {
  uint32_t bits;
  memcpy(&bits, &value, sizeof bits);
  if ((bits & 0x7fffffffu) > 0x7f800000u) return (uint16_t)(bits >> 16 | 0x40); /* a NaN stays one */
  return (uint16_t)((bits + 0x7fffu + (bits >> 16 & 1)) >> 16);
}

static inline double element_load(const void *data, scion_dtype dtype, int64_t i) {
  switch (dtype) {
    case SCION_F32: return ((const float *)data)[i];
    case SCION_BF16: return bf16_to_float(((const uint16_t *)data)[i]);
    case SCION_U8: return ((const uint8_t *)data)[i];
    default: return ((const int32_t *)data)[i];
  }
}

static inline double element_clamp(double value, double low, double high) {
  return !(value >= low) ? low : value > high ? high : value; /* NaN becomes low */
}

static inline void element_store(void *data, scion_dtype dtype, int64_t i, double value) {
  switch (dtype) {
    case SCION_F32: ((float *)data)[i] = (float)value; break;
    case SCION_BF16: ((uint16_t *)data)[i] = float_to_bf16((float)value); break;
    case SCION_U8: ((uint8_t *)data)[i] = (uint8_t)element_clamp(nearbyint(value), 0, 255); break;
    default: ((int32_t *)data)[i] = (int32_t)element_clamp(nearbyint(value), INT32_MIN, INT32_MAX);
  }
}

/* The same for n elements from index `first` on. */
static inline void element_load_block(const void *data, scion_dtype dtype, int64_t first, int64_t n, double *out) {
  if (dtype == SCION_F32) {
    const float *source = (const float *)data + first;
    for (int64_t i = 0; i < n; i++) out[i] = source[i];
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = element_load(data, dtype, first + i);
  }
}

static inline void element_store_block(void *data, scion_dtype dtype, int64_t first, int64_t n, const double *values) {
  if (dtype == SCION_F32) {
    float *target = (float *)data + first;
    for (int64_t i = 0; i < n; i++) target[i] = (float)values[i];
  } else {
    for (int64_t i = 0; i < n; i++) element_store(data, dtype, first + i, values[i]);
  }
}

/* The address of the element that lies `offset` elements after t's first one in memory. */
static inline void *element_at(const scion_tensor *t, int64_t offset) {
  return (char *)t->data + (size_t)offset * scion_dtype_size(t->dtype);
}

#endif
