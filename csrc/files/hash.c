/* Hashes by the xxHash library: of memory, tensors and files, and what tells that a file has not changed since. */
#include "read_file.h"
#include "scion.h"

#include <stdlib.h>
#include <time.h>
#include <xxhash.h>

#define PIECE ((size_t)1 << 18)

static void canonical(XXH128_hash_t value, unsigned char hash[SCION_HASH_BYTES]) {
  XXH128_canonical_t bytes;
  XXH128_canonicalFromHash(&bytes, value);
  memcpy(hash, bytes.digest, SCION_HASH_BYTES);
}

void scion_hash_bytes(const void *data, size_t bytes, unsigned char hash[SCION_HASH_BYTES]) { canonical(XXH3_128bits(data, bytes), hash); }

uint64_t scion_checksum(const void *data, size_t bytes, uint64_t seed) { return XXH3_64bits_withSeed(data, bytes, seed); }

scion_status scion_hash_tensor(const scion_tensor *t, unsigned char hash[SCION_HASH_BYTES]) {
  XXH3_state_t *state = XXH3_createState();
  if (!state) return scion_fail(SCION_NO_MEMORY, "out of memory: a hash");
  XXH3_128bits_reset(state);
  int64_t form[2 + SCION_MAX_DIMS] = {t->dtype, t->dims};
  for (int d = 0; d < t->dims; d++) form[2 + d] = t->shape[d];
  XXH3_128bits_update(state, form, sizeof form);
  size_t size = scion_dtype_size(t->dtype), width = (size_t)scion_tensor_channels(t) * size;
  int64_t rows = scion_tensor_rows(t);
  if (scion_tensor_contiguous(t)) {
    XXH3_128bits_update(state, t->data, (size_t)rows * width);
  } else {
    for (int64_t r = 0; r < rows; r++) XXH3_128bits_update(state, (const char *)t->data + (size_t)(r * t->row_stride) * size, width);
  }
  canonical(XXH3_128bits_digest(state), hash);
  XXH3_freeState(state);
  return SCION_OK;
}

/* Hashes what is left of an open file. */
static scion_status hash_open_file(const char *path, int file, XXH3_state_t *state, void *piece) {
  XXH3_128bits_reset(state);
  for (;;) {
    ssize_t got = read(file, piece, PIECE);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return scion_fail(no_fault_of_file(errno) ? SCION_SYSTEM : SCION_WORLD, "%s: cannot be read: %s", path, system_error(errno));
    if (got == 0) return SCION_OK;
    XXH3_128bits_update(state, piece, (size_t)got);
  }
}

scion_status scion_hash_file(const char *path, unsigned char hash[SCION_HASH_BYTES]) {
  struct stat about;
  const char *why;
  int file = open_regular_file(path, O_RDONLY, &about, &why);
  if (file < 0) return scion_fail(no_fault_of_file(errno) ? SCION_SYSTEM : SCION_WORLD, "%s: cannot be hashed: %s", path, why);
  XXH3_state_t *state = XXH3_createState();
  void *piece = malloc(PIECE);
  scion_status status = state && piece ? hash_open_file(path, file, state, piece) : scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  if (status == SCION_OK) canonical(XXH3_128bits_digest(state), hash);
  free(piece);
  XXH3_freeState(state);
  close(file);
  return status;
}

scion_status scion_file_stamp(const char *path, int64_t stamp[3], double *age) {
  struct stat about;
  if (stat(path, &about) != 0) return scion_fail(SCION_WORLD, "%s: %s", path, system_error(errno));
  if (!S_ISREG(about.st_mode)) return scion_fail(SCION_WORLD, "%s: not a regular file", path);
#ifdef __APPLE__
  struct timespec changed = about.st_mtimespec, touched = about.st_ctimespec;
#else
  struct timespec changed = about.st_mtim, touched = about.st_ctim;
#endif
  stamp[0] = (int64_t)about.st_size;
  stamp[1] = (int64_t)changed.tv_sec * 1000000000 + changed.tv_nsec;
  stamp[2] = (int64_t)touched.tv_sec * 1000000000 + touched.tv_nsec;
  struct timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  *age = (double)(now.tv_sec - changed.tv_sec) + 1e-9 * (double)(now.tv_nsec - changed.tv_nsec);
  return SCION_OK;
}
