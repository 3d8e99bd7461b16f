/* PNG through libpng's low-level interface. Everything becomes 8-bit RGB without colour management: palettes and few-bit grays
 * are expanded, of 16 bits the upper 8 are kept (but 16 bits of gray alone are cut off at 255, as Pillow does), alpha and transparent
 * colours are dropped, gamma and background ignored. */
#include "image.h"

#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

#include <png.h>

/* What a read or a write works on; libpng's two callbacks reach it through their pointers. */
typedef struct {
  png_structp png;
  png_infop info;
  const unsigned char *bytes; /* what is yet to be read */
  size_t left;
  image_buffer *out; /* what was written */
  size_t used;
  bool no_memory;   /* some could not be had: libpng may call that a broken image, or pass over it */
  bool complete;    /* all pixels were read, and their checksums were right */
  int orientation;  /* EXIF's */
  scion_status status;
} png_job;

static void on_error(png_structp png, png_const_charp text) {
  png_job *job = png_get_error_ptr(png);
  if (job->status == SCION_OK) job->status = scion_fail(SCION_WORLD, "broken PNG: %s", text);
  png_longjmp(png, 1);
}

static void on_warning(png_structp png, png_const_charp text) {
  (void)png;
  (void)text;
}

static png_voidp allocate(png_structp png, png_alloc_size_t bytes) {
  png_job *job = png_get_mem_ptr(png);
  void *memory = malloc(bytes);
  if (!memory) job->no_memory = true;
  return memory;
}

static void release(png_structp png, png_voidp memory) {
  (void)png;
  free(memory);
}

static void read_bytes(png_structp png, png_bytep target, size_t count) {
  png_job *job = png_get_io_ptr(png);
  if (count > job->left) {
    job->status = scion_fail(SCION_WORLD, "truncated PNG: the file ends before the image does");
    png_error(png, "truncated");
  }
  memcpy(target, job->bytes, count);
  job->bytes += count;
  job->left -= count;
}

/* All that pixels do not need but EXIF is passed over unread: a few kilobytes of text may inflate to megabytes, and any number of them may
 * stand in a file. */
static void skip_extras(png_structp png) {
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
  png_set_keep_unknown_chunks(png, PNG_HANDLE_CHUNK_AS_DEFAULT, (png_const_bytep)"eXIf", 1);
}

static void stop(png_job *job, scion_status status) {
  job->status = status;
  png_error(job->png, "stopped"); /* on_error keeps the status and its message */
}

/* Row by row, since a list of rows may take more memory than a file of many empty ones lets expect. The rows of an interlaced image come
 * seven times, each time with more pixels. */
static void read_rows(png_job *job, unsigned char *pixels, int height, int passes) {
  size_t bytes = png_get_rowbytes(job->png, job->info);
  for (int pass = 0; pass < passes; pass++)
    for (int y = 0; y < height; y++) png_read_row(job->png, pixels + (size_t)y * bytes, NULL);
}

/* From behind, since what is written is longer than what is read from the same memory. */
static void saturate(unsigned char *pixels, size_t count) {
  for (size_t i = count; i-- > 0;) {
    unsigned char value = pixels[2 * i] ? 255 : pixels[2 * i + 1];
    for (int c = 0; c < 3; c++) pixels[3 * i + (size_t)c] = value;
  }
}

static void read_pixels(png_job *job, const scion_decoding *decoding, image_pixels *pixels) {
  png_structp png = job->png;
  int type = png_get_color_type(png, job->info);
  bool wide_gray = type == PNG_COLOR_TYPE_GRAY && png_get_bit_depth(png, job->info) == 16;
  bool alpha = decoding->composite && !wide_gray && (type & PNG_COLOR_MASK_ALPHA || png_get_valid(png, job->info, PNG_INFO_tRNS));
  if (!wide_gray) {
    if (type == PNG_COLOR_TYPE_PALETTE) png_set_palette_to_rgb(png);
    if (type == PNG_COLOR_TYPE_GRAY) png_set_expand_gray_1_2_4_to_8(png);
    if (alpha) png_set_tRNS_to_alpha(png);
    if (!(type & PNG_COLOR_MASK_COLOR)) png_set_gray_to_rgb(png);
    png_set_strip_16(png);
    if (!alpha) png_set_strip_alpha(png);
  }
  int passes = png_set_interlace_handling(png), bytes = wide_gray ? 2 : alpha ? 4 : 3;
  png_read_update_info(png, job->info);
  if (png_get_rowbytes(png, job->info) != (size_t)pixels->width * (size_t)bytes) png_error(png, "unexpected pixel format");
  scion_status status = image_pixels_reserve(pixels, pixels->height, pixels->width, bytes > 3 ? bytes : 3);
  if (status != SCION_OK) stop(job, status);
  read_rows(job, pixels->memory.data, pixels->height, passes);
  if (wide_gray) saturate(pixels->memory.data, (size_t)pixels->height * (size_t)pixels->width);
  if (alpha) image_take_alpha(pixels, decoding);
}

static void decode(png_job *job, const scion_decoding *decoding, image_pixels *pixels) {
  png_structp png = job->png;
  png_set_read_fn(png, job, read_bytes);
  png_set_benign_errors(png, 1);
  png_set_user_limits(png, 0x7fffffff, 0x7fffffff); /* none here: image_size_check has its own */
  skip_extras(png);
  png_read_info(png, job->info);
  int64_t height = png_get_image_height(png, job->info), width = png_get_image_width(png, job->info);
  scion_status status = image_size_check(height, width, decoding);
  if (status != SCION_OK) stop(job, status);
  pixels->height = (int)height;
  pixels->width = (int)width;
  read_pixels(job, decoding, pixels);
  job->complete = true;
  png_read_end(png, job->info); /* for an EXIF behind the pixels */
}

/* EXIF is taken even where reading ended early. */
static void read_orientation(png_job *job) {
  png_uint_32 count;
  png_bytep exif;
  if (png_get_eXIf_1(job->png, job->info, &count, &exif)) job->orientation = image_exif_orientation(exif, count);
}

/* Returns when all is done, and also after an error: libpng then jumps back to setjmp. The job belongs to the caller, since local
 * variables may lose their values in such a jump. */
static void try_decode(png_job *job, const scion_decoding *decoding, image_pixels *pixels) {
  if (setjmp(png_jmpbuf(job->png)) == 0) decode(job, decoding, pixels);
}

scion_status image_png_decode(const unsigned char *bytes, size_t size, const scion_decoding *decoding, image_pixels *pixels,
                              int *orientation) {
  png_job job = {.bytes = bytes, .left = size, .orientation = 1};
  job.png = png_create_read_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job, allocate, release);
  job.info = job.png ? png_create_info_struct(job.png) : NULL;
  if (job.info) try_decode(&job, decoding, pixels);
  if (job.complete) { /* nobody misses what follows the pixels */
    job.status = SCION_OK;
    read_orientation(&job);
  }
  if (!job.info || job.no_memory) job.status = scion_fail(SCION_NO_MEMORY, "out of memory: a PNG cannot be read");
  png_destroy_read_struct(&job.png, &job.info, NULL);
  *orientation = job.orientation;
  return job.status;
}

static void write_bytes(png_structp png, png_bytep source, size_t count) {
  png_job *job = png_get_io_ptr(png);
  size_t wanted = job->used + count;
  if (wanted > job->out->capacity) {
    unsigned char *grown = realloc(job->out->data, wanted * 2);
    if (!grown) {
      job->status = scion_fail(SCION_NO_MEMORY, "out of memory: a PNG of %zu bytes", wanted);
      png_error(png, "memory");
    }
    *job->out = (image_buffer){grown, wanted * 2};
  }
  memcpy(job->out->data + job->used, source, count);
  job->used = wanted;
}

static void flush_bytes(png_structp png) { (void)png; }

static void encode(png_job *job, const unsigned char *rgb, int height, int width) {
  png_set_write_fn(job->png, job, write_bytes, flush_bytes);
  png_set_user_limits(job->png, 0x7fffffff, 0x7fffffff);
  png_set_IHDR(job->png, job->info, (png_uint_32)width, (png_uint_32)height, 8, PNG_COLOR_TYPE_RGB, PNG_INTERLACE_NONE,
               PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(job->png, job->info);
  for (int y = 0; y < height; y++) png_write_row(job->png, rgb + (size_t)y * (size_t)width * 3);
  png_write_end(job->png, job->info);
}

static void try_encode(png_job *job, const unsigned char *rgb, int height, int width) {
  if (setjmp(png_jmpbuf(job->png)) == 0) encode(job, rgb, height, width);
}

scion_status image_png_encode(const unsigned char *rgb, int height, int width, image_buffer *out, size_t *size) {
  png_job job = {.out = out};
  job.png = png_create_write_struct_2(PNG_LIBPNG_VER_STRING, &job, on_error, on_warning, &job, allocate, release);
  job.info = job.png ? png_create_info_struct(job.png) : NULL;
  if (job.info) try_encode(&job, rgb, height, width);
  if (!job.info || job.no_memory) job.status = scion_fail(SCION_NO_MEMORY, "out of memory: a PNG cannot be written");
  png_destroy_write_struct(&job.png, &job.info);
  *size = job.used;
  return job.status;
}
