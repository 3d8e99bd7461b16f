/* Operations that make another value of each value, by a table for each channel. */
#include "ops.h"

#include <math.h>
#include <string.h>

typedef struct {
  unsigned char value[3][256];
} colour_table;

static void apply(unsigned char *pixels, int height, int width, const colour_table *table) {
  const unsigned char *red = table->value[0], *green = table->value[1], *blue = table->value[2];
  unsigned char *end = pixels + (size_t)height * (size_t)width * 3;
  for (; pixels < end; pixels += 3) {
    pixels[0] = red[pixels[0]];
    pixels[1] = green[pixels[1]];
    pixels[2] = blue[pixels[2]];
  }
}

/* The same for all channels. */
static void spread(colour_table *table) {
  for (int c = 1; c < 3; c++) memcpy(table->value[c], table->value[0], 256);
}

void image_op_invert(unsigned char *pixels, int height, int width) { image_op_solarize(pixels, height, width, 0); }

void image_op_solarize(unsigned char *pixels, int height, int width, double threshold) {
  colour_table table;
  for (int i = 0; i < 256; i++) table.value[0][i] = (unsigned char)(i < threshold ? i : 255 - i);
  spread(&table);
  apply(pixels, height, width, &table);
}

void image_op_posterize(unsigned char *pixels, int height, int width, int bits) {
  colour_table table;
  for (int i = 0; i < 256; i++) table.value[0][i] = (unsigned char)(i >> (8 - bits) << (8 - bits));
  spread(&table);
  apply(pixels, height, width, &table);
}

/* How often each value occurs. Two counts a value, for neighbours that are equal would wait for each other. */
static void count_values(const unsigned char *pixels, int height, int width, uint32_t counts[3][256]) {
  uint32_t other[3][256] = {{0}};
  memset(counts, 0, sizeof other);
  ptrdiff_t n = (ptrdiff_t)height * width, i = 0;
  for (; i + 2 <= n; i += 2, pixels += 6)
    for (int c = 0; c < 3; c++) {
      counts[c][pixels[c]]++;
      other[c][pixels[3 + c]]++;
    }
  for (int c = 0; c < 3; c++) {
    if (i < n) counts[c][pixels[c]]++;
    for (int v = 0; v < 256; v++) counts[c][v] += other[c][v];
  }
}

void image_op_channel_shift(unsigned char *pixels, int height, int width, double shift) {
  uint32_t counts[3][256];
  colour_table table;
  int low = 0, high = 255;
  count_values(pixels, height, width, counts);
  while (low < 255 && counts[0][low] + counts[1][low] + counts[2][low] == 0) low++;
  while (high > 0 && counts[0][high] + counts[1][high] + counts[2][high] == 0) high--;
  for (int v = 0; v < 256; v++) {
    double value = rint(v + shift);
    table.value[0][v] = (unsigned char)(value < low ? low : value > high ? high : value);
  }
  spread(&table);
  apply(pixels, height, width, &table);
}

static void equalize(const uint32_t counts[256], unsigned char table[256]) {
  uint32_t total = 0, last = 0;
  for (int v = 0; v < 256; v++) {
    total += counts[v];
    if (counts[v] > 0) last = counts[v];
  }
  uint32_t step = (total - last) / 255, sum = step / 2;
  for (int v = 0; v < 256; sum += counts[v++]) {
    uint32_t level = step > 0 ? sum / step : (uint32_t)v;
    table[v] = (unsigned char)(level < 255 ? level : 255);
  }
}

static void stretch(const uint32_t counts[256], unsigned char table[256]) {
  int low = 0, high = 255;
  while (low < 255 && counts[low] == 0) low++;
  while (high > 0 && counts[high] == 0) high--;
  double scale = high > low ? 255.0 / (high - low) : 1, offset = high > low ? -low * scale : 0;
  for (int v = 0; v < 256; v++) {
    double value = v * scale + offset;
    table[v] = (unsigned char)(int)(value < 0 ? 0 : value > 255 ? 255 : value);
  }
}

static void by_counts(unsigned char *pixels, int height, int width, void (*fill)(const uint32_t[256], unsigned char[256])) {
  uint32_t counts[3][256];
  colour_table table;
  count_values(pixels, height, width, counts);
  for (int c = 0; c < 3; c++) fill(counts[c], table.value[c]);
  apply(pixels, height, width, &table);
}

void image_op_equalize(unsigned char *pixels, int height, int width) { by_counts(pixels, height, width, equalize); }
void image_op_autocontrast(unsigned char *pixels, int height, int width) { by_counts(pixels, height, width, stretch); }
