/* Contact sheets: many small pictures in rows, with a line of text below each. */
#include "font.h"
#include "image.h"

#include <string.h>

#define GAP 8 /* around tiles, in pixels */
#define LEADING FONT_ACCENT_HEIGHT /* rows of dots between a tile and its text */
#define PAPER 255
#define INK 40

/* Draws rows of dots whose upper left corner is at `at`; each dot is scale x scale pixels. */
static void draw_dots(unsigned char *at, ptrdiff_t row, const char *dots, int height, int scale) {
  for (int y = 0; y < height * scale; y++)
    for (int x = 0; x < FONT_WIDTH * scale; x++)
      if (dots[y / scale * (FONT_WIDTH + 1) + x / scale] == '#') memset(at + y * row + x * 3, INK, 3);
}

static const char *find(const font_entry *entries, size_t count, uint32_t code) {
  for (size_t i = 0; i < count; i++)
    if (entries[i].code == code) return entries[i].dots;
  return NULL;
}
#define FIND(entries, code) find(entries, sizeof entries / sizeof *entries, code)

/* The dots of a character; NULL where the font has none. */
static const char *glyph_of(uint32_t code) {
  return code >= FONT_FIRST && code <= FONT_LAST ? font_glyphs[code - FONT_FIRST] : FIND(font_others, code);
}

/* The character at *text, in UTF-8, which is passed over. */
static uint32_t next_character(const char **text) {
  const unsigned char *p = (const unsigned char *)*text;
  uint32_t code = *p < 0x80 ? *p : *p < 0xc0 ? 0xfffd : *p < 0xe0 ? *p & 31u : *p < 0xf0 ? *p & 15u : *p & 7u;
  bool several = *p++ >= 0xc0;
  while (several && (*p & 0xc0) == 0x80) code = code << 6 | (*p++ & 63u);
  *text = (const char *)p;
  return code;
}

static bool is_accent(uint32_t code) { return FIND(font_above, code) || FIND(font_below, code); }

bool scion_image_sheet_writes(const char *text) {
  while (*text) {
    uint32_t code = next_character(&text);
    if (!glyph_of(code) && !is_accent(code)) return false;
  }
  return true;
}

/* Draws a character and the accents behind it, which are passed over. Small letters leave room for an accent; over others, and over another
 * accent, it stands in the 2 rows of dots above the line. */
static void draw_character(unsigned char *at, ptrdiff_t row, uint32_t letter, const char **text, int scale) {
  const char *rest = *text, *glyph = glyph_of(letter), *dots;
  uint32_t accent = next_character(&rest);
  if (FIND(font_above, accent) && (letter == 'i' || letter == 'j')) glyph = letter == 'i' ? glyph_of(DOTLESS_I) : font_dotless_j;
  if (!glyph) glyph = font_box;
  draw_dots(at, row, glyph, FONT_HEIGHT, scale);
  bool taken = memchr(glyph, '#', FONT_WIDTH) != NULL;
  for (; is_accent(accent); *text = rest, accent = next_character(&rest)) {
    if ((dots = FIND(font_below, accent))) draw_dots(at + (FONT_HEIGHT - 1) * scale * row, row, dots, 1, scale);
    if (!(dots = FIND(font_above, accent))) continue;
    draw_dots(taken ? at - FONT_ACCENT_HEIGHT * scale * row : at, row, dots, FONT_ACCENT_HEIGHT, scale);
    taken = true;
  }
}

/* Draws as much of a text as fits the width. */
static void draw_text(unsigned char *at, ptrdiff_t row, int width, const char *text, int scale) {
  for (int x = 0; *text && x + FONT_WIDTH * scale <= width; x += (FONT_WIDTH + 1) * scale) {
    uint32_t letter = next_character(&text);
    draw_character(at + x * 3, row, letter, &text, scale);
  }
}

scion_status scion_image_sheet(const scion_tensor *tiles, const char *const *texts, int columns, int scale, scion_tensor *sheet) {
  *sheet = (scion_tensor){.dtype = SCION_U8};
  int64_t count = tiles->shape[0], height = tiles->shape[1], width = tiles->shape[2];
  if (tiles->dtype != SCION_U8 || tiles->dims != 4 || tiles->shape[3] != 3 || !scion_tensor_contiguous(tiles) || count < 1 || columns < 1 ||
      columns > count || scale < 1 || scale > 16 || count * height * width > SCION_MAX_PIXELS)
    return scion_fail(SCION_MISUSE, "a contact sheet is made of a contiguous u8 tensor NxHxWx3");
  int64_t across = width + GAP, down = height + GAP + (FONT_HEIGHT + LEADING) * scale, rows = (count + columns - 1) / columns;
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
    draw_text(corner + (height + LEADING * scale) * row, row, (int)width, texts[i], scale);
  }
  return SCION_OK;
}
