/* What a file really is, by its first bytes, whatever its name says: which decoder reads it, or what a message says of it. */
#include "files/read_file.h"
#include "image.h"

#include <string.h>
#include <strings.h>

typedef struct {
  const char *name, *remedy; /* no remedy: it can be read */
} format;

/* What a format's files begin with, from byte `at` on. */
typedef struct {
  size_t at, length;
  const char *bytes;
  format is;
  scion_format read;
} signature;

#define CONVERT "convert it to JPEG or PNG "
#define NO_IMAGE "which is no image: "
#define AT(place, text) .at = (place), .length = sizeof(text) - 1, .bytes = (text)

static const format heic = {"a HEIC image", CONVERT "(heif-convert in.heic out.jpg)"}, avif = {"an AVIF image", CONVERT "(avifdec in.avif out.png)"},
                    video = {"a video", NO_IMAGE "take pictures from it (ffmpeg -i video picture%04d.jpg)"},
                    tiff = {"a TIFF image", CONVERT "(magick in.tif out.png)"}, jpeg_xl = {"a JPEG XL image", CONVERT "(djxl in.jxl out.png)"},
                    jpeg_2000 = {"a JPEG 2000 image", CONVERT "(magick in.jp2 out.png)"}, html = {"an HTML page", NO_IMAGE "it was saved in place of one; download it anew"},
                    text = {"a text file", NO_IMAGE "take it out of the folder"}, svg = {"an SVG drawing", CONVERT "(rsvg-convert in.svg -o out.png)"},
                    archive = {"a compressed archive", NO_IMAGE "unpack it"}, gif = {"a GIF image", NULL},
                    zeros = {"a file of zeros", NO_IMAGE "an interrupted copy leaves such files; copy it anew"};

static signature signature_of(const unsigned char *bytes, size_t size) {
  const signature known[] = {
      {AT(0, "\xff\xd8\xff"), {"a JPEG image", NULL}, SCION_FORMAT_JPEG}, {AT(0, "\x89PNG\r\n\x1a\n"), {"a PNG image", NULL}, SCION_FORMAT_PNG},
      {AT(8, "WEBP"), {"a WebP image", NULL}, SCION_FORMAT_WEBP}, {AT(0, "GIF87a"), gif, SCION_FORMAT_GIF}, {AT(0, "GIF89a"), gif, SCION_FORMAT_GIF},
      {AT(4, "ftypavif"), avif}, {AT(4, "ftypavis"), avif}, {AT(4, "ftyphe"), heic}, {AT(4, "ftypmif1"), heic}, {AT(4, "ftypmsf1"), heic},
      {AT(4, "ftypcrx "), {"a raw photograph", CONVERT "(darktable-cli in.cr3 out.jpg)"}}, {AT(4, "ftyp"), video},
      {AT(0, "\x1a\x45\xdf\xa3"), video}, {AT(8, "AVI "), video},
      {AT(0, "II*\0"), tiff}, {AT(0, "MM\0*"), tiff}, {AT(0, "II+\0"), tiff}, {AT(0, "MM\0+"), tiff},
      {AT(0, "\xff\x0a"), jpeg_xl}, {AT(0, "\0\0\0\x0cJXL "), jpeg_xl}, {AT(0, "\0\0\0\x0cjP  "), jpeg_2000}, {AT(0, "\xff\x4f\xff\x51"), jpeg_2000},
      {AT(0, "\0\0\1\0"), {"an icon", CONVERT "(magick in.ico out.png)"}}, {AT(0, "8BPS"), {"a Photoshop image", CONVERT "(magick 'in.psd[0]' out.png)"}},
      {AT(128, "DICM"), {"a DICOM image", CONVERT "(dcmj2pnm +on in.dcm out.png)"}},
      {AT(0, "%PDF-"), {"a PDF file", CONVERT "(pdftoppm -jpeg in.pdf page)"}},
      {AT(0, "PK\3\4"), {"a ZIP archive", NO_IMAGE "unpack it"}}, {AT(0, "\x1f\x8b"), archive}, {AT(0, "Rar!\x1a\x07"), archive},
      {AT(0, "7z\xbc\xaf\x27\x1c"), archive}, {AT(0, "BZh"), archive}, {AT(0, "\xfd" "7zXZ"), archive},
      {AT(0, "\x93NUMPY"), {"a NumPy array", NO_IMAGE "save its pictures as PNG"}},
      {AT(0, "version https://git-lfs"), {"a Git LFS pointer", "which stands for the image: git lfs pull brings it"}}};
  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (size >= known[i].at + known[i].length && memcmp(bytes + known[i].at, known[i].bytes, known[i].length) == 0) return known[i];
  return (signature){0};
}

/* A bitmap's two letters may begin a text; a bitmap goes on with zeros that it reserves. */
static bool is_bitmap(const unsigned char *bytes, size_t size) {
  return size >= 14 && memcmp(bytes, "BM", 2) == 0 && memcmp(bytes + 6, "\0\0\0\0", 4) == 0;
}

static bool is_pnm(const unsigned char *bytes, size_t size) {
  return size >= 3 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' && (bytes[2] == ' ' || bytes[2] == '\n');
}

static bool begins(const unsigned char *bytes, size_t size, const char *with) {
  return size >= strlen(with) && strncasecmp((const char *)bytes, with, strlen(with)) == 0;
}

static bool contains(const unsigned char *bytes, size_t size, const char *what) {
  for (size_t i = 0; i < size; i++)
    if (begins(bytes + i, size - i, what)) return true;
  return false;
}

/* Whether a byte may stand in UTF-8 behind another one; control characters may not, but for tabulators and ends of lines. */
static bool is_text(unsigned char before, unsigned char byte) {
  if (byte < ' ') return byte == '\t' || byte == '\n' || byte == '\r' || byte == '\f';
  return byte < 128 ? byte != 127 : byte >= 0xc2 ? before < 0xc2 : before >= 128;
}

static format of_text(const unsigned char *bytes, size_t size) {
  for (size_t i = 0; i < size; i++)
    if (!is_text(i > 0 ? bytes[i - 1] : 0, bytes[i])) return (format){0};
  if (contains(bytes, size, "<svg")) return svg;
  if (contains(bytes, size, "<!doctype html") || contains(bytes, size, "<html")) return html;
  return text;
}

#define HEAD 512 /* bytes that are looked at */

static format format_of(const unsigned char *bytes, size_t size) {
  if (size == 0) return (format){"an empty file", NO_IMAGE "copy or download it anew"};
  if (size > HEAD) size = HEAD;
  format found = signature_of(bytes, size).is;
  if (found.name) return found;
  if (is_bitmap(bytes, size)) return (format){"a BMP image", CONVERT "(magick in.bmp out.png)"};
  if (is_pnm(bytes, size)) return (format){"a PNM image", CONVERT "(magick in.ppm out.png)"};
  if (bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0) return zeros;
  return of_text(bytes, size);
}

scion_format image_format(const unsigned char *bytes, size_t size) { return signature_of(bytes, size).read; }

scion_status image_format_refuse(const unsigned char *bytes, size_t size) {
  format is = format_of(bytes, size);
  if (is.name && is.remedy) return scion_fail(SCION_WORLD, "%s, %s", is.name, is.remedy);
  return scion_fail(SCION_WORLD, "no JPEG, PNG, WebP or GIF image, and none of a format that Scion knows");
}

const char *scion_image_format_name(const char *path) {
  unsigned char head[HEAD];
  struct stat about;
  const char *why;
  size_t size = 0;
  int file = open_regular_file(path, O_RDONLY, &about, &why);
  if (file < 0) return NULL;
  bool read = read_file_at(file, head, sizeof head, 0, &size);
  close(file);
  return read ? format_of(head, size).name : NULL;
}
