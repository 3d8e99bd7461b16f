/* WebP through libwebp: still images, and the first picture of animated ones, on their canvas. */
#include "module.h"

#include <errno.h>
#include <string.h>

#include <webp/decode.h>
#include <webp/demux.h>

static uint32_t little_endian(const unsigned char *p) { return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24; }

/* The header tells how many bytes follow its first eight. */
static module_result why_not(const unsigned char *bytes, size_t size) {
  return size < 12 || size - 8 < little_endian(bytes + 4) ? MODULE_TRUNCATED : MODULE_BROKEN;
}

/* What libwebp finds in a file; NULL where it is none, or memory is short: malloc tells that, and libwebp does not. */
static WebPDemuxer *open_file(const unsigned char *bytes, size_t size, module_result *result) {
  errno = 0;
  WebPDemuxer *file = WebPDemux(&(WebPData){bytes, size});
  *result = file ? MODULE_OK : errno == ENOMEM ? MODULE_NO_MEMORY : why_not(bytes, size);
  return file;
}

static module_result about(const unsigned char *bytes, size_t size, module_about *about) {
  module_result result;
  WebPDemuxer *file = open_file(bytes, size, &result);
  WebPBitstreamFeatures features;
  WebPChunkIterator exif = {.chunk_num = 0};
  if (!file) return result;
  *about = (module_about){.height = WebPDemuxGetI(file, WEBP_FF_CANVAS_HEIGHT), .width = WebPDemuxGetI(file, WEBP_FF_CANVAS_WIDTH)};
  about->alpha = WebPGetFeatures(bytes, size, &features) == VP8_STATUS_OK && features.has_alpha;
  if (WebPDemuxGetChunk(file, "EXIF", 1, &exif)) about->exif = exif.chunk.bytes, about->exif_size = exif.chunk.size;
  WebPDemuxReleaseChunkIterator(&exif);
  WebPDemuxDelete(file);
  return MODULE_OK;
}

/* What the picture leaves free of the canvas is black, and transparent. */
static module_result draw(const WebPIterator *frame, const module_about *about, unsigned char *rgba) {
  size_t stride = (size_t)about->width * 4, bytes = (size_t)about->height * stride;
  if (frame->x_offset < 0 || frame->y_offset < 0 || frame->width < 1 || frame->height < 1 || frame->x_offset > about->width - frame->width ||
      frame->y_offset > about->height - frame->height)
    return MODULE_BROKEN;
  if (frame->width < about->width || frame->height < about->height) memset(rgba, 0, bytes);
  size_t at = (size_t)frame->y_offset * stride + (size_t)frame->x_offset * 4;
  WebPDecoderConfig config;
  if (!WebPInitDecoderConfig(&config)) return MODULE_BROKEN;
  config.output.colorspace = MODE_RGBA;
  config.output.is_external_memory = 1;
  config.output.u.RGBA = (WebPRGBABuffer){.rgba = rgba + at, .stride = (int)stride, .size = bytes - at};
  errno = 0;
  VP8StatusCode status = WebPDecode(frame->fragment.bytes, frame->fragment.size, &config);
  if (status == VP8_STATUS_OK) return MODULE_OK;
  if (status == VP8_STATUS_OUT_OF_MEMORY || errno == ENOMEM) return MODULE_NO_MEMORY; /* it may call that a broken picture */
  return status == VP8_STATUS_SUSPENDED || status == VP8_STATUS_NOT_ENOUGH_DATA ? MODULE_TRUNCATED : MODULE_BROKEN;
}

static module_result decode(const unsigned char *bytes, size_t size, const module_about *about, unsigned char *rgba) {
  module_result result;
  WebPDemuxer *file = open_file(bytes, size, &result);
  WebPIterator frame = {.frame_num = 0};
  if (!file) return result;
  result = WebPDemuxGetFrame(file, 1, &frame) ? draw(&frame, about, rgba) : MODULE_BROKEN;
  WebPDemuxReleaseIterator(&frame);
  WebPDemuxDelete(file);
  return result;
}

__attribute__((visibility("default"))) const image_module scion_image_module_1 = {about, decode};
