/* The memory of tensors. */
#include "scion.h"

#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

static _Atomic size_t live_bytes;

size_t scion_storage_live_bytes(void) { return atomic_load(&live_bytes); }

/* Large tensors get large pages: kernels access pixels that lie far apart, which would miss the TLB often with small pages. They get them
 * from the system itself, since a heap gives back only what lies behind the last block in use. */
#define LARGE_PAGE ((size_t)2 << 20)

static bool is_large(size_t bytes) {
#ifdef __SANITIZE_ADDRESS__
  return (void)bytes, false; /* it knows what is used after it was freed, and the exact bounds, of malloc's memory alone */
#else
  return bytes >= 2 * LARGE_PAGE;
#endif
}

static size_t rounded_up(size_t bytes) { return bytes == 0 ? SCION_ALIGNMENT : scion_divide_up(bytes, SCION_ALIGNMENT) * SCION_ALIGNMENT; }

static void *aligned(void *memory, size_t alignment) {
  return (unsigned char *)memory + (alignment - (uintptr_t)memory % alignment) % alignment;
}

static void *allocate_large(size_t bytes, void **memory) {
  *memory = mmap(NULL, rounded_up(bytes) + LARGE_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (*memory == MAP_FAILED) return NULL;
  void *data = aligned(*memory, LARGE_PAGE);
#ifdef MADV_HUGEPAGE
  madvise(data, bytes / LARGE_PAGE * LARGE_PAGE, MADV_HUGEPAGE); /* only a hint: failure is harmless */
#endif
  return data; /* zeros */
}

/* The address is aligned by hand, since glibc's aligned_alloc searches for a block that is larger by the alignment and so never reuses
 * the block that was freed last. */
static void *allocate_small(size_t bytes, void **memory) {
#ifdef __SANITIZE_ADDRESS__
  void *data = *memory = aligned_alloc(SCION_ALIGNMENT, rounded_up(bytes));
#else
  *memory = malloc(rounded_up(bytes) + SCION_ALIGNMENT);
  void *data = *memory ? aligned(*memory, SCION_ALIGNMENT) : NULL;
#endif
  return data ? memset(data, 0, rounded_up(bytes)) : NULL;
}

/* The physical memory of the machine in bytes, SIZE_MAX if unknown. Cached, since the query takes longer than allocating a small
 * tensor. */
static size_t machine_bytes(void) {
  static _Atomic size_t known;
  size_t bytes = atomic_load(&known);
  if (bytes == 0) {
    long pages = sysconf(_SC_PHYS_PAGES), page = sysconf(_SC_PAGESIZE);
    bytes = pages > 0 && page > 0 ? (size_t)pages * (size_t)page : SIZE_MAX;
    atomic_store(&known, bytes);
  }
  return bytes;
}

static void destroy(scion_storage *storage) {
  if (!storage) return;
  if (is_large(storage->bytes)) munmap(storage->memory, rounded_up(storage->bytes) + LARGE_PAGE);
  else free(storage->memory);
  free(storage);
}

static scion_storage *fresh(size_t bytes) {
  scion_storage *storage = malloc(sizeof *storage);
  void *memory, *data = !storage ? NULL : is_large(bytes) ? allocate_large(bytes, &memory) : allocate_small(bytes, &memory);
  if (data) return *storage = (scion_storage){.data = data, .memory = memory, .bytes = bytes}, storage;
  free(storage);
  return NULL;
}

/* Large storages that were released wait for the next of their size: the system clears the pages of fresh memory, which took a sixth of
 * the time of a pass over photographs. At most KEPT of them, of KEPT_BYTES together; the oldest makes room. There is no lock, so that
 * the child of a fork never waits for a thread that it does not have. */
#define KEPT 16
#define KEPT_BYTES ((size_t)64 << 20)
static scion_storage *_Atomic kept[KEPT];
static _Atomic size_t kept_bytes, places;

static bool is_kept(size_t bytes) { return is_large(bytes) && bytes <= KEPT_BYTES; }

static scion_storage *take(size_t place) {
  scion_storage *storage = atomic_exchange(&kept[place % KEPT], NULL);
  if (storage) atomic_fetch_sub(&kept_bytes, storage->bytes);
  return storage;
}

static void put(size_t place, scion_storage *storage) {
  scion_storage *none = NULL;
  atomic_fetch_add(&kept_bytes, storage->bytes);
  if (atomic_compare_exchange_strong(&kept[place % KEPT], &none, storage)) return;
  atomic_fetch_sub(&kept_bytes, storage->bytes); /* another thread was faster */
  destroy(storage);
}

static void keep(scion_storage *storage) {
  size_t place = atomic_fetch_add(&places, 1);
  destroy(take(place));
  put(place, storage);
  for (size_t i = 1; i < KEPT && atomic_load(&kept_bytes) > KEPT_BYTES; i++) destroy(take(place + i));
}

static scion_storage *find_kept(size_t bytes) {
  for (size_t i = 0; is_kept(bytes) && i < KEPT; i++) {
    scion_storage *storage = take(i);
    if (storage && storage->bytes == bytes) return memset(storage->data, 0, bytes), storage;
    if (storage) put(i, storage);
  }
  return NULL;
}

scion_storage *scion_storage_new(size_t bytes) {
  bool possible = bytes <= SIZE_MAX / 4 && bytes + scion_storage_live_bytes() <= machine_bytes();
  scion_storage *storage = possible ? find_kept(bytes) : NULL;
  if (!storage && possible) storage = fresh(bytes);
  for (size_t i = 0; i < KEPT && !storage && possible; i++) { /* what is kept may be what is missing */
    destroy(take(i));
    storage = fresh(bytes);
  }
  if (!storage) {
    scion_fail(SCION_NO_MEMORY, "out of memory: a tensor of %zu bytes cannot be had", bytes);
    return NULL;
  }
  storage->references = 1;
  storage->version = 0;
  atomic_fetch_add(&live_bytes, bytes);
  return storage;
}

void scion_storage_retain(scion_storage *storage) {
  if (storage) atomic_fetch_add(&storage->references, 1);
}

void scion_storage_release(scion_storage *storage) {
  if (!storage || atomic_fetch_sub(&storage->references, 1) > 1) return;
  atomic_fetch_sub(&live_bytes, storage->bytes);
  if (is_kept(storage->bytes)) keep(storage);
  else destroy(storage);
}
