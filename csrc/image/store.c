/* Images that were decoded and resized once, for later passes. Entries are only ever added, so that readers need no lock; one
 * whose file changed since is not used any more. */
#include "image.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

typedef struct {
  image_stamp stamp;
  unsigned char pixels[];
} entry;

struct scion_image_store {
  _Atomic int references;
  int64_t count;
  int height, width;
  size_t image_bytes, budget;
  _Atomic size_t used;
  entry *_Atomic *entries;
};

scion_status scion_image_store_new(scion_image_store **result, int64_t count, int height, int width, size_t budget) {
  *result = NULL;
  if (count < 0 || count > INT32_MAX || height < 1 || width < 1 || (int64_t)height * width > SCION_MAX_PIXELS)
    return scion_fail(SCION_MISUSE, "a store cannot hold %lld images of %dx%d", (long long)count, height, width);
  scion_image_store *store = calloc(1, sizeof *store);
  if (store) store->entries = calloc((size_t)count + 1, sizeof *store->entries);
  if (!store || !store->entries) {
    free(store);
    return scion_fail(SCION_NO_MEMORY, "out of memory: a store of %lld images", (long long)count);
  }
  store->references = 1;
  store->count = count;
  store->height = height;
  store->width = width;
  store->image_bytes = (size_t)height * (size_t)width * 3;
  store->budget = budget;
  *result = store;
  return SCION_OK;
}

void image_store_retain(scion_image_store *store) { store->references++; }

void scion_image_store_release(scion_image_store *store) {
  if (!store || --store->references > 0) return;
  for (int64_t i = 0; i < store->count; i++) free(store->entries[i]);
  free(store->entries);
  free(store);
}

size_t scion_image_store_bytes(const scion_image_store *store) { return store->used; }

bool image_store_fits(const scion_image_store *store, int64_t count, int height, int width) {
  return store->count == count && store->height == height && store->width == width;
}

const unsigned char *image_store_get(const scion_image_store *store, int32_t index, const image_stamp *stamp) {
  const entry *found = store->entries[index];
  return found && memcmp(&found->stamp, stamp, sizeof *stamp) == 0 ? found->pixels : NULL;
}

void image_store_put(scion_image_store *store, int32_t index, const image_stamp *stamp, const unsigned char *pixels) {
  size_t bytes = sizeof(entry) + store->image_bytes;
  if (store->entries[index]) return;
  entry *made = atomic_fetch_add(&store->used, bytes) + bytes <= store->budget ? malloc(bytes) : NULL;
  if (made) {
    made->stamp = *stamp;
    memcpy(made->pixels, pixels, store->image_bytes);
    entry *none = NULL;
    if (atomic_compare_exchange_strong(&store->entries[index], &none, made)) return;
  }
  free(made);
  store->used -= bytes;
}
