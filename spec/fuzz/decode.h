/* What both programs that decode damaged images share. */
#ifndef SCION_FUZZ_DECODE_H
#define SCION_FUZZ_DECODE_H

#include "image/image.h"

#include <stdlib.h>

/* Decodes with one kind of options; a size of more pixels is refused, so that a run is not one of the allocator. Whatever is wrong with
 * a file must end in a message. */
static inline scion_status decode(const unsigned char *bytes, size_t size, unsigned kind, int64_t most_pixels) {
  image_pixels pixels = {0};
  scion_decoding decoding = {.max_pixels = most_pixels, .keep_truncated = kind & 1, .composite = kind & 2, .background = {255, 128, 0}};
  image_enough enough = kind & 4 ? (image_enough){.height = 16, .width = 16} : (image_enough){0};
  scion_status status = image_decode(bytes, size, enough, &decoding, &pixels);
  if (status == SCION_OK && (pixels.height < 1 || pixels.width < 1 || pixels.box.right > pixels.width || pixels.box.bottom > pixels.height)) abort();
  if (status == SCION_MISUSE || (status != SCION_OK && !*scion_error_message())) abort();
  image_buffer_free(&pixels.memory);
  return status;
}

#endif
