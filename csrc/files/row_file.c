/* Files of rows that are found by their keys, for several processes at once. The header says how long a row is; records follow:
 *   key [16] | checksum of key and row [8] | row
 * A writer reserves room at the end under a lock, and fills it without: the row first, its key last. So a record that was never
 * finished has no key or a wrong checksum, and both mean that there is no such row. */
#include "read_file.h"
#include "scion.h"
#include "write_file.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>

#define HEADER 32
#define HEAD (SCION_HASH_BYTES + 8) /* of a record, before the row */
#define LARGEST_ROW ((size_t)1 << 40)

static const char magic[16] = "scion rows 1";

struct scion_row_file {
  int descriptor;
  char *path;
  size_t row_bytes;
};

static scion_status fail(const scion_row_file *file, const char *what, int error) {
  return scion_fail(SCION_WORLD, "%s: %s: %s", file->path, what, system_error(error));
}

/* ---- bytes */

static scion_status write_at(const scion_row_file *file, const void *data, size_t bytes, off_t offset) {
  return write_file(file->descriptor, data, bytes, offset) ? SCION_OK : fail(file, "cannot be written", errno);
}

/* *whole = false where the file ends before that. */
static scion_status read_at(const scion_row_file *file, void *data, size_t bytes, off_t offset, bool *whole) {
  size_t got;
  if (!read_file_at(file->descriptor, data, bytes, (uint64_t)offset, &got)) return fail(file, "cannot be read", errno);
  *whole = got == bytes;
  return SCION_OK;
}

static scion_status size_of(const scion_row_file *file, off_t *size) {
  struct stat about;
  if (fstat(file->descriptor, &about) != 0) return fail(file, "cannot be read", errno);
  *size = about.st_size;
  return SCION_OK;
}

static scion_status lock(const scion_row_file *file) {
  if (scion_lock_held(file->descriptor)) return scion_fail(SCION_MISUSE, "%s: this process holds a lock of that file", file->path);
  while (flock(file->descriptor, LOCK_EX) != 0)
    if (errno != EINTR) return fail(file, "cannot be locked", errno);
  return SCION_OK;
}

static void unlock(const scion_row_file *file) { flock(file->descriptor, LOCK_UN); }

/* ---- life */

/* Writes the header of a new file; what has another one is begun anew, since nothing in it can be trusted. */
static scion_status begin(scion_row_file *file) {
  unsigned char wanted[HEADER], found[HEADER];
  uint64_t bytes = file->row_bytes;
  memcpy(wanted, magic, sizeof magic);
  memcpy(wanted + 16, &bytes, 8);
  uint64_t sum = scion_checksum(wanted, 24, 0);
  memcpy(wanted + 24, &sum, 8);
  bool whole;
  scion_status status = read_at(file, found, HEADER, 0, &whole);
  if (status != SCION_OK || (whole && memcmp(wanted, found, HEADER) == 0)) return status;
  if (ftruncate(file->descriptor, 0) != 0) return fail(file, "cannot be written", errno);
  return write_at(file, wanted, HEADER, 0);
}

scion_status scion_row_file_open(scion_row_file **result, const char *path, size_t row_bytes) {
  *result = NULL;
  if (row_bytes < 1 || row_bytes > LARGEST_ROW) return scion_fail(SCION_MISUSE, "%s: rows of %zu bytes", path, row_bytes);
  scion_row_file *file = calloc(1, sizeof *file);
  if (!file) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  *file = (scion_row_file){.descriptor = -1, .path = strdup(path), .row_bytes = row_bytes};
  scion_status status = file->path ? SCION_OK : scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  struct stat about;
  const char *why;
  if (status == SCION_OK) file->descriptor = open_regular_file(path, O_RDWR | O_CREAT, &about, &why);
  if (status == SCION_OK && file->descriptor < 0) status = scion_fail(SCION_WORLD, "%s: cannot be opened: %s", path, why);
  if (status == SCION_OK) status = lock(file);
  if (status == SCION_OK) {
    status = begin(file);
    unlock(file);
  }
  if (status == SCION_OK)
    *result = file;
  else
    scion_row_file_close(file);
  return status;
}

void scion_row_file_close(scion_row_file *file) {
  if (!file) return;
  if (file->descriptor >= 0) close(file->descriptor);
  free(file->path);
  free(file);
}

/* ---- records */

size_t scion_row_file_bytes(const scion_row_file *file) { return file->row_bytes; }

static off_t place_of(const scion_row_file *file, int64_t record) { return HEADER + (off_t)record * (off_t)(HEAD + file->row_bytes); }

scion_status scion_row_file_count(const scion_row_file *file, int64_t *count) {
  off_t size = 0, record = (off_t)(HEAD + file->row_bytes);
  scion_status status = size_of(file, &size);
  *count = status == SCION_OK && size > HEADER ? scion_divide_up(size - HEADER, record) : 0;
  return status;
}

scion_status scion_row_file_key(const scion_row_file *file, int64_t record, unsigned char key[SCION_HASH_BYTES]) {
  bool whole;
  scion_status status = read_at(file, key, SCION_HASH_BYTES, place_of(file, record), &whole);
  if (status == SCION_OK && !whole) memset(key, 0, SCION_HASH_BYTES);
  return status;
}

static uint64_t checksum(const scion_row_file *file, const unsigned char key[SCION_HASH_BYTES], const void *row) {
  uint64_t halves[2];
  memcpy(halves, key, sizeof halves);
  return scion_checksum(row, file->row_bytes, halves[0] ^ halves[1]);
}

scion_status scion_row_file_read(const scion_row_file *file, int64_t record, const unsigned char key[SCION_HASH_BYTES], void *row) {
  unsigned char head[HEAD];
  bool whole;
  int64_t count;
  scion_status status = scion_row_file_count(file, &count);
  if (status == SCION_OK && (record < 0 || record >= count))
    return scion_fail(SCION_WORLD, "%s: there is no row %lld", file->path, (long long)record);
  if (status == SCION_OK) status = read_at(file, head, HEAD, place_of(file, record), &whole);
  if (status == SCION_OK && whole) status = read_at(file, row, file->row_bytes, place_of(file, record) + HEAD, &whole);
  if (status != SCION_OK) return status;
  uint64_t sum = checksum(file, key, row);
  if (!whole || memcmp(head, key, SCION_HASH_BYTES) != 0 || memcmp(head + SCION_HASH_BYTES, &sum, 8) != 0)
    return scion_fail(SCION_WORLD, "%s: row %lld is damaged", file->path, (long long)record);
  return SCION_OK;
}

/* Room on the disk for that many records, from *first on. A process may be forbidden longer files (ulimit -f), of which the
 * system would tell by a signal. */
static scion_status reserve(scion_row_file *file, int64_t count, int64_t *first) {
  off_t size = 0, bytes;
  if (__builtin_mul_overflow((off_t)(HEAD + file->row_bytes), (off_t)count, &bytes)) return fail(file, "cannot grow", EFBIG);
  scion_status status = lock(file);
  if (status != SCION_OK) return status;
  status = scion_row_file_count(file, first);
  if (status == SCION_OK) status = size_of(file, &size);
  if (status == SCION_OK) {
    struct rlimit limit;
    off_t from = place_of(file, *first);
    bool forbidden = getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && (rlim_t)(from + bytes) > limit.rlim_cur;
    int error = forbidden ? EFBIG : 0;
    if (!error) do error = posix_fallocate(file->descriptor, from, bytes); while (error == EINTR);
    if (error) {
      status = fail(file, "cannot grow", error);
      if (!forbidden && ftruncate(file->descriptor, size) != 0) status = fail(file, "cannot grow", errno);
    }
  }
  unlock(file);
  return status;
}

scion_status scion_row_file_append(scion_row_file *file, int64_t count, const unsigned char *const *keys, const void *const *rows,
                                   int64_t *first) {
  *first = 0;
  scion_status status = count > 0 ? reserve(file, count, first) : SCION_OK;
  for (int64_t i = 0; i < count && status == SCION_OK; i++) {
    unsigned char head[HEAD];
    uint64_t sum = checksum(file, keys[i], rows[i]);
    memcpy(head, keys[i], SCION_HASH_BYTES);
    memcpy(head + SCION_HASH_BYTES, &sum, 8);
    status = write_at(file, rows[i], file->row_bytes, place_of(file, *first + i) + HEAD);
    if (status == SCION_OK) status = write_at(file, head, HEAD, place_of(file, *first + i));
  }
  return status;
}
