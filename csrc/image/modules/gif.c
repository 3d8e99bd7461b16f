/* GIF through giflib: the first picture, on its screen, as Pillow paints it. */
#include "module.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <gif_lib.h>

typedef struct {
  const unsigned char *bytes;
  size_t left;
  bool ended;
  int transparent; /* the colour's number, or -1 */
} gif_source;

/* Behind the file one zero may be read: the end of its last block, which nobody misses. Zeros in place of pixels would be read as some. */
static int read_bytes(GifFileType *gif, GifByteType *target, int count) {
  gif_source *source = gif->UserData;
  size_t wanted = count > 0 ? (size_t)count : 0, there = wanted < source->left ? wanted : source->left;
  memcpy(target, source->bytes, there);
  if (there < wanted) {
    bool end = wanted == 1 && !source->ended;
    source->ended = true;
    source->left = 0;
    *target = 0;
    return end ? 1 : 0;
  }
  source->bytes += there;
  source->left -= there;
  return count;
}

static module_result why_not(int error, const gif_source *source) {
  if (error == D_GIF_ERR_NOT_ENOUGH_MEM || errno == ENOMEM) return MODULE_NO_MEMORY; /* giflib does not always tell */
  return source->ended ? MODULE_TRUNCATED : MODULE_BROKEN;
}

static bool read_extension(GifFileType *gif, gif_source *source) {
  GifByteType *block; /* its length, then its bytes */
  int kind;
  if (DGifGetExtension(gif, &kind, &block) != GIF_OK) return false;
  if (kind == GRAPHICS_EXT_FUNC_CODE && block && block[0] >= 4 && block[1] & 1) source->transparent = block[4];
  while (block)
    if (DGifGetExtensionNext(gif, &block) != GIF_OK) return false;
  return true;
}

/* Reads up to the first picture; it stands in gif->Image then. */
static module_result find_picture(GifFileType *gif, gif_source *source) {
  GifRecordType record = UNDEFINED_RECORD_TYPE;
  source->transparent = -1;
  while (DGifGetRecordType(gif, &record) == GIF_OK && record == EXTENSION_RECORD_TYPE)
    if (!read_extension(gif, source)) return why_not(gif->Error, source);
  if (record != IMAGE_DESC_RECORD_TYPE || DGifGetImageDesc(gif) != GIF_OK) return why_not(gif->Error, source);
  return gif->Image.Width > 0 && gif->Image.Height > 0 ? MODULE_OK : why_not(0, source);
}

static module_result open_picture(const unsigned char *bytes, size_t size, gif_source *source, GifFileType **gif) {
  int error = 0;
  *source = (gif_source){.bytes = bytes, .left = size};
  errno = 0;
  *gif = DGifOpen(source, read_bytes, &error);
  return *gif ? find_picture(*gif, source) : why_not(error, source);
}

static void close_file(GifFileType *gif) {
  int error;
  if (gif) DGifCloseFile(gif, &error);
}

static int larger(int a, int b) { return a > b ? a : b; }

static module_result about(const unsigned char *bytes, size_t size, module_about *about) {
  gif_source source;
  GifFileType *gif;
  module_result result = open_picture(bytes, size, &source, &gif);
  if (result == MODULE_OK) /* a picture that reaches beyond the screen makes it larger */
    *about = (module_about){.height = larger(gif->SHeight, gif->Image.Top + gif->Image.Height),
                            .width = larger(gif->SWidth, gif->Image.Left + gif->Image.Width), .alpha = source.transparent >= 0};
  close_file(gif);
  return result;
}

/* 256 colours of 4 bytes. Those that the file does not name are grays. */
static void read_colours(const GifFileType *gif, int transparent, unsigned char *colours) {
  const ColorMapObject *map = gif->Image.ColorMap ? gif->Image.ColorMap : gif->SColorMap;
  for (int i = 0; i < 256; i++) {
    const GifColorType *colour = map && i < map->ColorCount ? &map->Colors[i] : NULL;
    unsigned char gray = (unsigned char)i;
    memcpy(colours + 4 * i, (unsigned char[]){colour ? colour->Red : gray, colour ? colour->Green : gray, colour ? colour->Blue : gray,
                                              i == transparent ? 0 : 255}, 4);
  }
}

static void paint(const unsigned char *numbers, size_t count, const unsigned char *colours, unsigned char *rgba) {
  for (size_t i = 0; i < count; i++) memcpy(rgba + 4 * i, colours + 4 * numbers[i], 4);
}

/* The rows of an interlaced picture come in four passes. */
static module_result draw(GifFileType *gif, const gif_source *source, const module_about *about, const unsigned char *colours,
                          unsigned char *line, unsigned char *rgba) {
  static const int firsts[] = {0, 4, 2, 1}, steps[] = {8, 8, 4, 2};
  const GifImageDesc *picture = &gif->Image;
  for (int pass = 0; pass < (picture->Interlace ? 4 : 1); pass++)
    for (int y = picture->Interlace ? firsts[pass] : 0; y < picture->Height; y += picture->Interlace ? steps[pass] : 1) {
      if (DGifGetLine(gif, line, picture->Width) != GIF_OK) return why_not(gif->Error, source);
      size_t at = (size_t)(picture->Top + y) * (size_t)about->width + (size_t)picture->Left;
      paint(line, (size_t)picture->Width, colours, rgba + 4 * at);
    }
  return MODULE_OK;
}

static module_result decode(const unsigned char *bytes, size_t size, const module_about *about, unsigned char *rgba) {
  gif_source source;
  GifFileType *gif;
  module_result result = open_picture(bytes, size, &source, &gif);
  unsigned char colours[4 * 256], *line = result == MODULE_OK ? malloc((size_t)gif->Image.Width) : NULL;
  if (result == MODULE_OK && !line) result = MODULE_NO_MEMORY;
  if (result == MODULE_OK) {
    read_colours(gif, source.transparent, colours);
    const unsigned char *free_colour = colours + 4 * (source.transparent >= 0 ? source.transparent : 0); /* where no picture is */
    for (int64_t i = 0; i < about->height * about->width; i++) memcpy(rgba + 4 * i, free_colour, 4);
    result = draw(gif, &source, about, colours, line, rgba);
  }
  free(line);
  close_file(gif);
  return result;
}

__attribute__((visibility("default"))) const image_module scion_image_module_1 = {about, decode};
