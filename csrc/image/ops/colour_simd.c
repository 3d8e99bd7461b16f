/* Colours, a vector of pixels at a time. */
#include "pixels.h"

static inline simd_int gray(simd_int words, const void *data) {
  (void)data;
  return gray_of(words) * 0x10101;
}

void SIMD(ops_gray)(unsigned char *x, ptrdiff_t count) { map_pixels(x, count, gray, NULL); }

static inline void add_lanes(int64_t *total, simd_int sum) {
  for (int lane = 0; lane < SIMD_WIDTH; lane++) *total += sum[lane];
}

void SIMD(ops_sums)(const unsigned char *x, ptrdiff_t count, int64_t sums[4]) {
  ptrdiff_t whole = whole_vectors(count);
  for (int k = 0; k < 4; k++) sums[k] = 0;
  for (ptrdiff_t from = 0; from < whole;) { /* as many as a sum of 32 bits holds */
    ptrdiff_t end = whole - from < 1 << 20 ? whole : from + (1 << 20);
    simd_int red = {0}, green = {0}, blue = {0}, grays = {0};
    for (; from < end; from += SIMD_WIDTH) {
      simd_int words = load_pixels(x + 3 * from);
      red += channel(words, 0), green += channel(words, 1), blue += channel(words, 2), grays += gray_of(words);
    }
    add_lanes(&sums[0], red), add_lanes(&sums[1], green), add_lanes(&sums[2], blue), add_lanes(&sums[3], grays);
  }
  last_pixels last = take_last(x + 3 * whole, count - whole);
  for (ptrdiff_t i = 0; i < count - whole; i += SIMD_WIDTH) { /* 0 where there is no pixel */
    simd_int words = load_pixels(last.bytes + 3 * i);
    for (int c = 0; c < 3; c++) add_lanes(&sums[c], channel(words, c));
    add_lanes(&sums[3], gray_of(words));
  }
}

static inline simd_int saturate(simd_int words, const void *data) {
  float factor = *(const float *)data;
  simd_int base = gray_of(words), result = {0};
  _Pragma("GCC unroll 3") for (int c = 0; c < 3; c++)
    result |= to_byte(to_float(base) + factor * to_float(channel(words, c) - base)) << 8 * c;
  return result;
}

void SIMD(ops_saturate)(unsigned char *x, ptrdiff_t count, float factor) { map_pixels(x, count, saturate, &factor); }

static inline simd_int matrix(simd_int words, const void *data) {
  const float *m = data;
  simd_float red = to_float(channel(words, 0)), green = to_float(channel(words, 1)), blue = to_float(channel(words, 2));
  simd_int result = {0};
  _Pragma("GCC unroll 3") for (int c = 0; c < 3; c++, m += 4)
    result |= to_byte(m[0] * red + m[1] * green + m[2] * blue + m[3] + 0.5f) << 8 * c;
  return result;
}

void SIMD(ops_matrix)(unsigned char *x, ptrdiff_t count, const float m[12]) {
  float copy[12]; /* which x cannot be part of */
  memcpy(copy, m, sizeof copy);
  map_pixels(x, count, matrix, copy);
}

static inline simd_int magnitude(simd_int x) { return either(x < 0, -x, x); }

/* v * (1 - s * w), rounded, where s and w have 255 for 1, and w is cut off to that. The product is a whole number below 2^24 and 65025 is
 * odd: floats are exact enough. */
static inline simd_int fade(simd_int v, simd_int s, simd_int w) {
  return __builtin_convertvector(to_float(v * (65025 - s * cut_off(w, 255)) + 32512) / 65025.0f, simd_int);
}

/* Pillow's way to HSV, 8 bits each, and back; each division and sum is rounded as there. Hue is counted in sixths of the circle from red:
 * the highest and the lowest of the three tell in which sixth it lies, and the middle one where in it. */
static inline simd_int turn_hue(simd_int words, const void *data) {
  simd_int r = channel(words, 0), g = channel(words, 1), b = channel(words, 2);
  simd_int v = either(r > g, r, g), least = either(r > g, g, r);
  v = either(b > v, b, v), least = either(b < least, b, least);
  simd_int middle = r + g + b - v - least, range = v - least, none = range == 0;
  simd_int red = r == v, green = ~red & (g == v);
  simd_int upwards = either(red, b != least, either(green, b == least, r == least)); /* hue grows as the middle one falls */
  simd_int sixth = either(red, (simd_int){0} + 1, either(green, (simd_int){0} + 3, (simd_int){0} + 5)) + (upwards & -2);
  simd_float part = to_float(v - middle) / to_float(range - none);
  simd_float h = to_float(sixth) + simd_select(upwards, part, -part);
  h = h / 6.0f + simd_select(h < 0, simd_set(1), simd_set(0));
  simd_int hue = __builtin_convertvector(h * 255.0f, simd_int) & ~none;
  simd_int s = __builtin_convertvector(to_float(range) / to_float(v - (v == 0)) * 255.0f, simd_int);
  simd_int turned = ((hue + *(const int *)data) & 255) * 6;
  return fade(v, s, 510 - magnitude(turned - 765)) | fade(v, s, magnitude(turned - 510) - 255) << 8 |
         fade(v, s, magnitude(turned - 1020) - 255) << 16;
}

void SIMD(ops_hue)(unsigned char *x, ptrdiff_t count, int turn) { map_pixels(x, count, turn_hue, &turn); }
