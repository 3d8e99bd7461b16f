/* Jansson's parser goes on where the buffer of a string could not grow. So while a text is parsed, memory that cannot be had comes from a
 * reserve, and the parser is told that the text ends. What it has made by then is given up. */
#include "json_text.h"

#include <pthread.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define PIECE 256 /* bytes that the parser gets at a time, and so may still parse once memory was short */
#define MOST_OF_PIECE ((size_t)128 << 10) /* more than all values take that are in a piece: an array in each byte takes some 110 bytes */

typedef struct {
  const char *text;
  size_t left;
  unsigned char *reserve;
  size_t bytes, used; /* of the reserve */
  bool short_of_memory;
} reading;

static pthread_key_t key; /* of the reading that runs in this thread; no _Thread_local, see status.c */
static bool have_key;

static void *take_reserve(reading *r, size_t bytes) {
  r->short_of_memory = true;
  size_t whole = bytes <= r->bytes ? (bytes + 15) / 16 * 16 : SIZE_MAX;
  if (whole > r->bytes - r->used) return NULL;
  r->used += whole;
  return r->reserve + r->used - whole;
}

static void *allocate(size_t bytes) {
  void *memory = malloc(bytes);
  if (memory) return memory;
  reading *r = pthread_getspecific(key);
  return r ? take_reserve(r, bytes) : NULL;
}

static void release(void *memory) {
  const reading *r = pthread_getspecific(key);
  bool reserved = r && (unsigned char *)memory >= r->reserve && (unsigned char *)memory < r->reserve + r->bytes;
  if (!reserved) free(memory);
}

static void prepare(void) {
  have_key = pthread_key_create(&key, NULL) == 0;
  if (have_key) json_set_alloc_funcs(allocate, release); /* for others in this process, too, to whom it is malloc and free */
}

static size_t next_piece(void *to, size_t room, void *data) {
  reading *r = data;
  size_t bytes = r->short_of_memory ? 0 : r->left;
  if (bytes > PIECE) bytes = PIECE;
  if (bytes > room) bytes = room;
  memcpy(to, r->text, bytes);
  r->text += bytes;
  r->left -= bytes;
  return bytes;
}

json_t *read_json(const char *text, size_t length, size_t flags, json_error_t *error, bool *no_memory) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, prepare);
  /* the buffer of the longest string grows to twice its bytes, and the string is copied out of it */
  reading r = {.text = text, .left = length, .bytes = 4 * length + MOST_OF_PIECE};
  r.reserve = have_key ? malloc(r.bytes) : NULL; /* pages that are not used take no memory */
  *no_memory = !r.reserve || pthread_setspecific(key, &r) != 0;
  json_t *json = *no_memory ? NULL : json_load_callback(next_piece, &r, flags, error);
  if (r.short_of_memory) {
    json_decref(json);
    json = NULL;
    *no_memory = true;
  }
  pthread_setspecific(key, NULL);
  free(r.reserve);
  return json;
}
