/* Contact sheets: many small pictures in rows, with a line of text below each. */
#include "font.h"
#include "image.h"

#include <string.h>

#define GAP 8 /* around tiles, in pixels */
#define PAPER 255
#define INK 40

/* Draws a glyph whose upper left corner is at `at`; each dot is scale x scale pixels. */
static void draw_glyph(unsigned char *at, ptrdiff_t row, const char *glyph, int scale) {
  for (int y = 0; y < FONT_HEIGHT * scale; y++)
    for (int x = 0; x < FONT_WIDTH * scale; x++)
      if (glyph[y / scale * (FONT_WIDTH + 1) + x / scale] == '#') memset(at + y * row + x * 3, INK, 3);
}

/* Draws as much of a text as fits the width. Of a character of several bytes in UTF-8 the first draws a box and the others nothing. */
static void draw_text(unsigned char *at, ptrdiff_t row, int width, const char *text, int scale) {
  for (int x = 0; *text && x + FONT_WIDTH * scale <= width; text++) {
    unsigned char c = (unsigned char)*text;
    if (c >= 0x80 && c < 0xc0) continue;
    draw_glyph(at + x * 3, row, c >= FONT_FIRST && c <= FONT_LAST ? font_glyphs[c - FONT_FIRST] : font_box, scale);
    x += (FONT_WIDTH + 1) * scale;
  }
}

scion_status scion_image_sheet(const scion_tensor *tiles, const char *const *texts, int columns, int scale, scion_tensor *sheet) {
  *sheet = (scion_tensor){.dtype = SCION_U8};
  int64_t count = tiles->shape[0], height = tiles->shape[1], width = tiles->shape[2];
  if (tiles->dtype != SCION_U8 || tiles->dims != 4 || tiles->shape[3] != 3 || !scion_tensor_contiguous(tiles) || count < 1 || columns < 1 ||
      columns > count || scale < 1 || scale > 16 || count * height * width > SCION_MAX_PIXELS)
    return scion_fail(SCION_MISUSE, "a contact sheet is made of a contiguous u8 tensor NxHxWx3");
  int64_t across = width + GAP, down = height + GAP + (FONT_HEIGHT + 2) * scale, rows = (count + columns - 1) / columns;
  int64_t shape[] = {rows * down + GAP, columns * across + GAP, 3};
  if (shape[0] * shape[1] > SCION_MAX_PIXELS)
    return scion_fail(SCION_MISUSE, "a contact sheet of %lldx%lld pixels is too large", (long long)shape[0], (long long)shape[1]);
  scion_status status = scion_tensor_new(sheet, SCION_U8, 3, shape);
  if (status != SCION_OK) return status;
  unsigned char *paper = sheet->data;
  ptrdiff_t row = shape[1] * 3;
  memset(paper, PAPER, (size_t)(shape[0] * row));
  for (int64_t i = 0; i < count; i++) {
    unsigned char *corner = paper + (GAP + i / columns * down) * row + (GAP + i % columns * across) * 3;
    const unsigned char *tile = (const unsigned char *)tiles->data + i * height * width * 3;
    for (int64_t y = 0; y < height; y++) memcpy(corner + y * row, tile + y * width * 3, (size_t)width * 3);
    draw_text(corner + (height + 2 * scale) * row, row, (int)width, texts[i], scale);
  }
  return SCION_OK;
}
