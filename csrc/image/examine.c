/* What image files hold, without keeping their pixels: each is read once, by the threads of the pool. */
#include "image.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  const char *const *paths;
  const scion_decoding *decoding; /* of paths */
  const scion_tensor *images;
  int64_t first, count;
  bool (*interrupted)(void);
  scion_image_facts *facts;
} examination;

#define FILES 4 /* of a chunk */

typedef struct {
  image_buffer bytes, work;
  image_pixels pixels, white;
} memory;

#define VISIBLE 32 /* levels between two colours */
#define PART 100   /* one pixel of so many */

/* Whether the picture looks otherwise where its transparent pixels are laid upon white. */
static bool differs_on_white(size_t size, memory *m) {
  scion_decoding on_white = {.max_pixels = SCION_MAX_PIXELS, .composite = true, .background = {255, 255, 255}};
  if (image_decode(m->bytes.data, size, (image_enough){0}, &on_white, &m->white) != SCION_OK) return false;
  const unsigned char *a = m->pixels.memory.data, *b = m->white.memory.data;
  int64_t count = (int64_t)m->pixels.height * m->pixels.width, visible = 0;
  for (int64_t i = 0; i < count; i++, a += 3, b += 3)
    visible += abs(a[0] - b[0]) > VISIBLE || abs(a[1] - b[1]) > VISIBLE || abs(a[2] - b[2]) > VISIBLE;
  return visible * PART > count;
}

static scion_status examine_file(const char *path, const scion_decoding *decoding, memory *m, scion_image_facts *facts) {
  size_t size;
  scion_status status = image_read_file(path, &m->bytes, &size);
  if (status != SCION_OK) return status;
  facts->bytes = (int64_t)size;
  scion_hash_bytes(m->bytes.data, size, facts->content);
  image_header(m->bytes.data, size, facts);
  status = image_decode(m->bytes.data, size, (image_enough){.height = SCION_LOOK_SIDE, .width = SCION_LOOK_SIDE}, decoding, &m->pixels);
  if (status != SCION_OK) return status;
  facts->orientation = m->pixels.orientation;
  facts->alpha = facts->alpha && !decoding->composite && differs_on_white(size, m);
  if (facts->format != SCION_FORMAT_JPEG) facts->height = m->pixels.height, facts->width = m->pixels.width;
  else if (facts->orientation >= 5) {
    int height = facts->height;
    facts->height = facts->width, facts->width = height;
  }
  return image_look(m->pixels.memory.data, m->pixels.height, m->pixels.width, &m->pixels.box, &facts->look, &m->work);
}

static scion_status examine_pixels(const scion_tensor *images, int64_t index, memory *m, scion_image_facts *facts) {
  int64_t height = images->shape[1], width = images->shape[2], bytes = height * width * 3;
  const unsigned char *pixels = (const unsigned char *)images->data + index * bytes;
  *facts = (scion_image_facts){.bytes = bytes, .height = (int)height, .width = (int)width, .orientation = 1, .mode = SCION_MODE_COLOUR};
  scion_hash_bytes(pixels, (size_t)bytes, facts->content);
  return image_look(pixels, (int)height, (int)width, NULL, &facts->look, &m->work);
}

static void examine_some(void *data, int64_t chunk, void *scratch) {
  const examination *job = data;
  memory m = {0};
  (void)scratch;
  for (int64_t i = chunk * FILES; i < (chunk + 1) * FILES && i < job->count; i++) {
    if (job->interrupted && job->interrupted()) break;
    scion_image_facts *facts = &job->facts[i];
    *facts = (scion_image_facts){.orientation = 1};
    facts->status = job->paths ? examine_file(job->paths[i], job->decoding, &m, facts) : examine_pixels(job->images, job->first + i, &m, facts);
    if (facts->status != SCION_OK) snprintf(facts->message, sizeof facts->message, "%s", scion_error_message());
  }
  image_buffer_free(&m.bytes);
  image_buffer_free(&m.work);
  image_buffer_free(&m.pixels.memory);
  image_buffer_free(&m.white.memory);
}

scion_status scion_image_examine(const char *const *paths, int64_t count, const scion_decoding *decoding, bool (*interrupted)(void),
                                 scion_image_facts *facts) {
  examination job = {.paths = paths, .decoding = decoding, .count = count, .interrupted = interrupted, .facts = facts};
  return scion_parallel_for((count + FILES - 1) / FILES, examine_some, &job);
}

scion_status scion_image_examine_pixels(const scion_tensor *images, int64_t first, int64_t count, scion_image_facts *facts) {
  if (images->dtype != SCION_U8 || images->dims != 4 || images->shape[3] != 3 || !scion_tensor_contiguous(images) || images->shape[1] < 1 ||
      images->shape[2] < 1 || images->shape[1] * images->shape[2] > SCION_MAX_PIXELS || first < 0 || count < 0 || first + count > images->shape[0])
    return scion_fail(SCION_MISUSE, "examine: wants a contiguous u8 tensor NxHxWx3 and some of its images");
  examination job = {.images = images, .first = first, .count = count, .facts = facts};
  return scion_parallel_for((count + FILES - 1) / FILES, examine_some, &job);
}
