/* JPEG through libjpeg-turbo. Its errors end in a longjmp to the function that called; everything that must be freed lies in
 * structures which that function owns. */
#include "image.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jpeglib.h>
/* after jpeglib.h, which it needs */
#include <jerror.h>

typedef struct {
  struct jpeg_error_mgr base; /* first: libjpeg sees this one */
  jmp_buf escape;
  scion_status status;
  bool cut;            /* the file ended before its end marker, and another one stands for it */
  bool keep_truncated; /* see scion_decoding */
} jpeg_errors;

static scion_status truncated(const jpeg_errors *errors) {
  return scion_fail(SCION_WORLD, "truncated JPEG: the file ends before the image does%s",
                    errors->keep_truncated ? ", too early for any of it to be read" : "; truncated = 'keep' reads what is there");
}

static void fail(j_common_ptr info, scion_status status) {
  jpeg_errors *errors = (jpeg_errors *)info->err;
  errors->status = status; /* its message was left by scion_fail */
  longjmp(errors->escape, 1);
}

static void on_error(j_common_ptr info) {
  jpeg_errors *errors = (jpeg_errors *)info->err;
  char text[JMSG_LENGTH_MAX];
  errors->base.format_message(info, text);
  if (info->err->msg_code == JERR_OUT_OF_MEMORY) fail(info, scion_fail(SCION_NO_MEMORY, "out of memory: a JPEG"));
  fail(info, errors->cut ? truncated(errors) : scion_fail(SCION_WORLD, "broken JPEG: %s", text));
}

/* libjpeg paints over lost data and calls that a warning; for us it is an error. Oddities that lose nothing pass. */
static void on_warning(j_common_ptr info, int level) {
  const jpeg_errors *errors = (const jpeg_errors *)info->err;
  if (level >= 0 || (errors->cut && errors->keep_truncated)) return;
  switch (info->err->msg_code) {
    case JWRN_HIT_MARKER:
    case JWRN_HUFF_BAD_CODE:
    case JWRN_ARITH_BAD_CODE:
    case JWRN_JPEG_EOF:
    case JWRN_MUST_RESYNC: on_error(info); break;
    default: break;
  }
}

static void on_message(j_common_ptr info) { (void)info; }

static struct jpeg_error_mgr *set_errors(jpeg_errors *errors) {
  jpeg_std_error(&errors->base);
  errors->base.error_exit = on_error;
  errors->base.emit_message = on_warning;
  errors->base.output_message = on_message;
  return &errors->base;
}

/* ---- the source: bytes in memory */

static void source_nothing(j_decompress_ptr info) { (void)info; }

/* Where the file ends, an end marker stands in for its own: all pixels may be there nevertheless, and if they are not, libjpeg warns. */
static boolean source_end(j_decompress_ptr info) {
  static const JOCTET end[] = {0xff, JPEG_EOI};
  ((jpeg_errors *)info->err)->cut = true;
  info->src->next_input_byte = end;
  info->src->bytes_in_buffer = sizeof end;
  return TRUE;
}

static void source_skip(j_decompress_ptr info, long count) {
  if (count <= 0) return;
  if ((size_t)count >= info->src->bytes_in_buffer) {
    source_end(info);
    return;
  }
  info->src->next_input_byte += count;
  info->src->bytes_in_buffer -= (size_t)count;
}

/* Passes over a marker APP1, and takes EXIF's orientation from the first that tells one: client_data points to it. libjpeg would keep all
 * of them in a list and walk through it for each, without end where a file has millions. */
static boolean read_app1(j_decompress_ptr info) {
  int *orientation = info->client_data;
  const unsigned char *bytes = info->src->next_input_byte;
  size_t size = info->src->bytes_in_buffer >= 2 ? (size_t)bytes[0] << 8 | bytes[1] : 0;
  if (size < 2) fail((j_common_ptr)info, info->src->bytes_in_buffer >= 2 ? scion_fail(SCION_WORLD, "broken JPEG: a marker without a length") : truncated((jpeg_errors *)info->err));
  if (*orientation == 1 && size >= 8 && size <= info->src->bytes_in_buffer && memcmp(bytes + 2, "Exif\0\0", 6) == 0)
    *orientation = image_exif_orientation(bytes + 8, size - 8);
  source_skip(info, (long)size);
  return TRUE;
}

/* ---- decoding */

/* Each scan of a progressive JPEG goes over all its blocks, and a scan of nothing takes a few bytes: without a limit, a file of some
 * hundred kilobytes keeps a decoder busy for minutes. Encoders write some ten scans. */
#define MAX_SCANS 100
#define MAX_SCANNED ((uint64_t)1 << 32) /* pixels, all scans together: 16 scans of the largest picture */

static void on_progress(j_common_ptr common) {
  const struct jpeg_decompress_struct *info = (const struct jpeg_decompress_struct *)common;
  uint64_t pixels = (uint64_t)info->image_width * info->image_height, most = MAX_SCANNED / pixels;
  if (most > MAX_SCANS) most = MAX_SCANS;
  if ((uint64_t)info->input_scan_number > most)
    fail(common, scion_fail(SCION_WORLD, "a JPEG of more than %llu scans of %ux%u pixels, which no picture has", (unsigned long long)most,
                            info->image_width, info->image_height));
}

/* Four inks, inverted as all writers in use do since Adobe began it, to RGB: each channel is ink times black over 255. */
static void inks_to_rgb(const unsigned char *inks, unsigned char *rgb, int width) {
  for (int x = 0; x < width; x++, inks += 4, rgb += 3)
    for (int c = 0; c < 3; c++) {
      int ink = (255 - inks[c]) * inks[3] + 128;
      int value = inks[3] - (((ink >> 8) + ink) >> 8);
      rgb[c] = (unsigned char)(value < 0 ? 0 : value);
    }
}

/* libjpeg's own reduction: the discrete cosine transform of each block is inverted at a smaller size. */
static unsigned reduction(const struct jpeg_decompress_struct *info, image_enough enough, int orientation) {
  bool turned = orientation >= 5;
  int rows = (int)(turned ? info->image_width : info->image_height), columns = (int)(turned ? info->image_height : info->image_width);
  if (enough.of) enough = enough.of(enough.data, rows, columns);
  double height = turned ? enough.width : enough.height, width = turned ? enough.height : enough.width;
  for (unsigned by = 8; by > 1 && height > 0; by /= 2)
    if (info->image_height >= by * height && info->image_width >= by * width) return by;
  return 1;
}

/* Decoders of these look for more than the next pixel, and do not warn where it is missing. */
static bool needs_its_end(struct jpeg_decompress_struct *info) { return jpeg_has_multiple_scans(info) || info->arith_code; }

static void decode(struct jpeg_decompress_struct *info, image_enough enough, const scion_decoding *decoding, image_pixels *pixels,
                   int *orientation) {
  *orientation = 1;
  info->client_data = orientation;
  jpeg_set_marker_processor(info, JPEG_APP0 + 1, read_app1);
  jpeg_read_header(info, TRUE);
  info->scale_num = 1;
  info->scale_denom = reduction(info, enough, *orientation);
  jpeg_calc_output_dimensions(info);
  scion_status status = image_size_check(info->image_height, info->image_width, decoding);
  if (status == SCION_OK) status = image_pixels_reserve(pixels, info->output_height, info->output_width, 3);
  if (status != SCION_OK) fail((j_common_ptr)info, status);
  pixels->box.right = (double)info->image_width / info->scale_denom; /* sizes are rounded up */
  pixels->box.bottom = (double)info->image_height / info->scale_denom;
  bool inks = info->jpeg_color_space == JCS_CMYK || info->jpeg_color_space == JCS_YCCK;
  info->out_color_space = inks ? JCS_CMYK : JCS_RGB;
  jpeg_start_decompress(info);
  JSAMPARRAY line = inks ? info->mem->alloc_sarray((j_common_ptr)info, JPOOL_IMAGE, info->output_width * 4, 1) : NULL;
  while (info->output_scanline < info->output_height) {
    unsigned char *row = pixels->memory.data + (size_t)info->output_scanline * info->output_width * 3;
    jpeg_read_scanlines(info, line ? line : &row, 1);
    if (line) inks_to_rgb(line[0], row, (int)info->output_width);
  }
  const jpeg_errors *errors = (const jpeg_errors *)info->err;
  if (errors->cut && !errors->keep_truncated && needs_its_end(info)) fail((j_common_ptr)info, truncated(errors));
}

/* Returns when all is done, and also after an error: libjpeg then jumps back to setjmp. All that changes in between belongs to the
 * caller, since local variables may lose their values in such a jump. */
static void try_decode(struct jpeg_decompress_struct *info, struct jpeg_source_mgr *source, jpeg_errors *errors,
                       struct jpeg_progress_mgr *progress, image_enough enough, const scion_decoding *decoding,
                       image_pixels *pixels, int *orientation) {
  if (setjmp(errors->escape) != 0) return;
  jpeg_create_decompress(info);
  info->progress = progress;
  info->src = source;
  decode(info, enough, decoding, pixels, orientation);
}

scion_status image_jpeg_decode(const unsigned char *bytes, size_t size, image_enough enough, const scion_decoding *decoding,
                               image_pixels *pixels, int *orientation) {
  struct jpeg_decompress_struct info = {0};
  struct jpeg_source_mgr source = {.next_input_byte = bytes, .bytes_in_buffer = size, .init_source = source_nothing,
                                   .fill_input_buffer = source_end, .skip_input_data = source_skip,
                                   .resync_to_restart = jpeg_resync_to_restart, .term_source = source_nothing};
  jpeg_errors errors = {.status = SCION_OK, .keep_truncated = decoding->keep_truncated};
  info.err = set_errors(&errors);
  struct jpeg_progress_mgr progress = {.progress_monitor = on_progress};
  try_decode(&info, &source, &errors, &progress, enough, decoding, pixels, orientation);
  jpeg_destroy_decompress(&info);
  return errors.status;
}

/* ---- encoding */

typedef struct {
  struct jpeg_compress_struct info;
  jpeg_errors errors;
  unsigned char *bytes; /* malloc'd by libjpeg */
  unsigned long size;
} encoder;

static void encode(encoder *e, const unsigned char *rgb, int height, int width, int quality) {
  jpeg_create_compress(&e->info);
  jpeg_mem_dest(&e->info, &e->bytes, &e->size);
  e->info.image_height = (JDIMENSION)height;
  e->info.image_width = (JDIMENSION)width;
  e->info.input_components = 3;
  e->info.in_color_space = JCS_RGB;
  jpeg_set_defaults(&e->info);
  jpeg_set_quality(&e->info, quality, TRUE);
  jpeg_start_compress(&e->info, TRUE);
  while (e->info.next_scanline < e->info.image_height) {
    const unsigned char *row = rgb + (size_t)e->info.next_scanline * (size_t)width * 3;
    jpeg_write_scanlines(&e->info, &(JSAMPROW){(JSAMPROW)(uintptr_t)row}, 1);
  }
  jpeg_finish_compress(&e->info);
}

static void try_encode(encoder *e, const unsigned char *rgb, int height, int width, int quality) {
  if (setjmp(e->errors.escape) == 0) encode(e, rgb, height, width, quality);
}

scion_status image_jpeg_encode(const unsigned char *rgb, int height, int width, int quality, image_buffer *out, size_t *size) {
  encoder e = {.errors = {.status = SCION_OK}};
  e.info.err = set_errors(&e.errors);
  try_encode(&e, rgb, height, width, quality);
  jpeg_destroy_compress(&e.info);
  scion_status status = e.errors.status;
  if (status == SCION_OK) status = image_buffer_reserve(out, e.size);
  if (status == SCION_OK) {
    memcpy(out->data, e.bytes, e.size);
    *size = e.size;
  }
  free(e.bytes);
  return status;
}
