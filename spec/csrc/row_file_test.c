/* Files of rows: what is written comes back, what is damaged, torn or unfinished does not, and a file that may not grow is an error
 * and no signal. */
#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROWS 20

static char path[64];

typedef struct {
  unsigned char keys[ROWS][SCION_HASH_BYTES], *rows[ROWS];
  size_t bytes;
} table;

static table random_rows(size_t bytes) {
  table t = {.bytes = bytes};
  for (int i = 0; i < ROWS; i++) {
    t.rows[i] = malloc(bytes);
    for (size_t b = 0; b < bytes; b++) t.rows[i][b] = (unsigned char)test_integer(0, 255);
    scion_hash_bytes(t.rows[i], bytes, t.keys[i]);
    t.keys[i][0] = (unsigned char)(i + 1);
  }
  return t;
}

static void free_rows(table *t) {
  for (int i = 0; i < ROWS; i++) free(t->rows[i]);
}

static scion_status append(scion_row_file *file, const table *t, int from, int count, int64_t *first) {
  const unsigned char *keys[ROWS];
  const void *rows[ROWS];
  for (int i = 0; i < count; i++) keys[i] = t->keys[from + i], rows[i] = t->rows[from + i];
  return scion_row_file_append(file, count, keys, rows, first);
}

/* Which of the rows can be read, as bits; those that can must be right. */
static unsigned readable(scion_row_file *file, const table *t) {
  unsigned bits = 0;
  unsigned char *row = malloc(t->bytes);
  for (int i = 0; i < ROWS; i++) {
    if (scion_row_file_read(file, i, t->keys[i], row) != SCION_OK) continue;
    bits |= 1u << i;
    CHECK(memcmp(row, t->rows[i], t->bytes) == 0, "row %d came back changed", i);
  }
  free(row);
  return bits;
}

static void flip(off_t at) {
  unsigned char byte;
  int file = open(path, O_RDWR);
  CHECK(pread(file, &byte, 1, at) == 1, "no byte %lld", (long long)at);
  byte ^= 1u << test_integer(0, 7);
  CHECK(pwrite(file, &byte, 1, at) == 1, "byte %lld", (long long)at);
  close(file);
}

#define ALL ((1u << ROWS) - 1)

static void round_trip(size_t bytes) {
  table t = random_rows(bytes);
  scion_row_file *file = NULL, *other = NULL;
  int64_t first, count;
  unsigned char key[SCION_HASH_BYTES];
  unlink(path);
  OK(scion_row_file_open(&file, path, bytes));
  OK(scion_row_file_open(&other, path, bytes));
  if (!file || !other) return;
  OK(append(file, &t, 0, 7, &first));
  CHECK(first == 0, "record %lld", (long long)first);
  OK(append(other, &t, 7, ROWS - 7, &first));
  CHECK(first == 7, "record %lld", (long long)first);
  OK(scion_row_file_count(file, &count));
  CHECK(count == ROWS, "%lld records", (long long)count);
  OK(scion_row_file_key(file, 8, key));
  CHECK(memcmp(key, t.keys[8], sizeof key) == 0, "another key");
  CHECK(readable(file, &t) == ALL, "rows %x", readable(file, &t));
  off_t record = 24 + (off_t)bytes, at = test_integer(0, (int)record - 1);
  flip(32 + 3 * record + at);
  CHECK(readable(other, &t) == (ALL & ~(1u << 3)), "a flipped byte %lld of a record: rows %x", (long long)at, readable(other, &t));
  CHECK(truncate(path, 32 + 15 * record - test_integer(1, (int)record - 1)) == 0, "truncate");
  CHECK(readable(file, &t) == (0x3fffu & ~(1u << 3)), "a torn file: rows %x", readable(file, &t));
  OK(append(file, &t, 15, 1, &first));
  CHECK(first == 15 && readable(file, &t) == (0xbfffu & ~(1u << 3)), "record %lld after a torn one", (long long)first);
  scion_row_file_close(other);
  flip(test_integer(0, 31));
  OK(scion_row_file_open(&other, path, bytes));
  OK(scion_row_file_count(other, &count));
  CHECK(count == 0 && readable(file, &t) == 0, "a damaged header leaves %lld records", (long long)count);
  OK(append(file, &t, 0, 1, &first));
  CHECK(first == 0 && readable(other, &t) == 1, "the file is not usable anew");
  scion_row_file_close(file);
  scion_row_file_close(other);
  free_rows(&t);
}

#define WRITERS 4
#define TURNS 40

/* Rows that several processes append one by one at the same time: each is there as often as it was written. */
static void processes(void) {
  table t = random_rows(3000);
  scion_row_file *file = NULL;
  int64_t first, count;
  int starting[2];
  pid_t children[WRITERS];
  unlink(path);
  if (pipe(starting) != 0) return;
  for (int c = 0; c < WRITERS; c++) {
    if ((children[c] = fork())) continue;
    char go;
    scion_status status = scion_row_file_open(&file, path, t.bytes);
    close(starting[1]);
    if (read(starting[0], &go, 1) != 0) _exit(2); /* until the parent closes its end */
    for (int turn = 0; turn < TURNS; turn++)
      for (int i = c; i < ROWS && status == SCION_OK; i += WRITERS) status = append(file, &t, i, 1, &first);
    _exit(status != SCION_OK);
  }
  close(starting[0]);
  close(starting[1]);
  for (int c = 0; c < WRITERS; c++) {
    int status;
    CHECK(waitpid(children[c], &status, 0) == children[c] && status == 0, "a process ended with %d", status);
  }
  OK(scion_row_file_open(&file, path, t.bytes));
  OK(scion_row_file_count(file, &count));
  int found[ROWS] = {0};
  unsigned char key[SCION_HASH_BYTES], *row = malloc(t.bytes);
  for (int64_t i = 0; i < count; i++) {
    OK(scion_row_file_key(file, i, key));
    if (key[0] >= 1 && key[0] <= ROWS && scion_row_file_read(file, i, key, row) == SCION_OK) found[key[0] - 1]++;
  }
  for (int i = 0; i < ROWS; i++) CHECK(found[i] == TURNS, "row %d is there %d times", i, found[i]);
  free(row);
  scion_row_file_close(file);
  free_rows(&t);
}

static void no_room(void) {
  table t = random_rows(1000);
  scion_row_file *file = NULL;
  int64_t first, count;
  struct rlimit before, limit;
  unlink(path);
  OK(scion_row_file_open(&file, path, t.bytes));
  OK(append(file, &t, 0, 3, &first));
  getrlimit(RLIMIT_FSIZE, &before);
  limit = before;
  limit.rlim_cur = 5000;
  setrlimit(RLIMIT_FSIZE, &limit);
  CHECK(append(file, &t, 3, 3, &first) == SCION_WORLD && strstr(scion_error_message(), path), "%s", scion_error_message());
  CHECK(readable(file, &t) == 7, "rows %x", readable(file, &t));
  OK(append(file, &t, 3, 1, &first));
  setrlimit(RLIMIT_FSIZE, &before);
  OK(scion_row_file_count(file, &count));
  CHECK(count == 4 && readable(file, &t) == 15, "%lld records", (long long)count);
  scion_row_file_close(file);
  CHECK(scion_row_file_open(&file, "/proc/no/such.rows", 8) == SCION_WORLD && !file, "opened where nothing can be");
  CHECK(scion_row_file_open(&file, "/dev/full", 8) == SCION_WORLD && !file, "opened a full device");
  free_rows(&t);
}

/* Slices hash as their copies, and every part of a tensor counts. The 128 bits of nothing are XXH3's published ones. */
static void hashes(void) {
  unsigned char a[SCION_HASH_BYTES], b[SCION_HASH_BYTES];
  static const unsigned char empty[] = {0x99, 0xaa, 0x06, 0xd3, 0x01, 0x47, 0x98, 0xd8, 0x60, 0x01, 0xc3, 0x24, 0x46, 0x8d, 0x49, 0x7f};
  scion_hash_bytes("", 0, a);
  CHECK(memcmp(a, empty, sizeof a) == 0, "the hash of nothing");
  scion_tensor slice = SLICE(3, 4, 5), copy = TENSOR(4, 5);
  OK(scion_tensor_copy(&slice, &copy, 0));
  OK(scion_hash_tensor(&slice, a));
  OK(scion_hash_tensor(&copy, b));
  CHECK(memcmp(a, b, sizeof a) == 0, "a slice hashes unlike its copy");
  copy.shape[0] = 5, copy.shape[1] = copy.row_stride = 4;
  OK(scion_hash_tensor(&copy, b));
  CHECK(memcmp(a, b, sizeof a) != 0, "another shape hashes the same");
  scion_tensor_release(&slice);
  scion_tensor_release(&copy);
}

int main(void) {
  char folder[] = "/tmp/scion-rows-XXXXXX";
  test_begin("row_file");
  if (!mkdtemp(folder)) return 2;
  snprintf(path, sizeof path, "%s/t.rows", folder);
  for (int i = 0; i < 20; i++) round_trip((size_t)test_integer(1, 300));
  round_trip(100000);
  processes();
  no_room();
  hashes();
  unlink(path);
  rmdir(folder);
  return test_end();
}
