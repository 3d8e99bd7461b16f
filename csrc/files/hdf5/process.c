/* The program that calls the HDF5 library. The core starts it for each file that is read or written, since the library trusts a file's
 * own tables: a damaged or forged file can make it crash, work without end or take all memory. It ends when the core closes the
 * socket. */
#include "process.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

/* ---- limits. Of time the system enforces two: at the lower one this process is told, and can say why it ends, before the higher one ends it
 * whatever it does. For memory see memory.c. */

static void out_of_time(int number) {
  (void)number;
  _exit(HDF5_TOO_LONG);
}

#if defined(__linux__) && !defined(__SANITIZE_ADDRESS__) /* AddressSanitizer maps terabytes, so that no limit would do */
static void limit_memory(uint64_t allowance) {
  unsigned long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (statm && fscanf(statm, "%lu", &pages) == 1) {
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + allowance;
    setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
  }
  if (statm) fclose(statm);
}
#else
static void limit_memory(uint64_t allowance) { (void)allowance; }
#endif

static uint64_t most_seconds; /* 0: no limit */

/* Some systems count a process's time by looking now and then who runs, and hardly see one that answers and sleeps by turns. Its clock is
 * exact, and is looked at before each answer. */
static void check_time(void) {
  if (most_seconds && (uint64_t)clock() / CLOCKS_PER_SEC >= most_seconds) out_of_time(SIGXCPU);
}

static void limit_time(uint64_t seconds) {
  most_seconds = seconds;
  signal(SIGXCPU, out_of_time);
  setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds + 1});
}

/* The library may take as much less memory as the largest dataset may take of the shared memory, which stays with it. */
static void set_aside(size_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_max == RLIM_INFINITY || limit.rlim_cur <= limit.rlim_max - bytes) return;
  limit.rlim_cur = limit.rlim_max - bytes;
  setrlimit(RLIMIT_AS, &limit);
}

/* ---- answers */

static int polls = HDF5_MOST_POLLS; /* that are left: see hdf5_receive */

static void reply(hdf5_file *file, hdf5_answer a, char *data) {
  a.status = hdf5_end_request(file, a.status);
  if (a.status != SCION_OK) {
    data = file->message;
    a.bytes = strlen(file->message) + 1;
  }
  struct iovec parts[] = {{&a, sizeof a}, {data, data ? a.bytes : 0}};
  if (!hdf5_send(HDF5_SOCKET, parts, 2)) _exit(0);
}

/* What was read so far lies here, and stays until the next dataset. */
static void *shared = MAP_FAILED;

static scion_status open_file(hdf5_file *file, const hdf5_request *asked) {
  shared = mmap(NULL, (size_t)asked->count, PROT_READ | PROT_WRITE, MAP_SHARED, HDF5_SHARED, 0);
  if (shared == MAP_FAILED) return hdf5_fail(file, SCION_NO_MEMORY, "no memory to read it: %s", strerror(errno));
  close(HDF5_SHARED);
  file->allowance = hdf5_most_bytes(asked->size);
  if (asked->flag) file->descriptor = HDF5_FILE;
  limit_time(hdf5_most_seconds(asked->size));
  limit_memory(file->allowance);
  return hdf5_open(file);
}

/* Sends the strings that an attribute or a list of names left, and counts them. */
static void answer_strings(hdf5_file *file, scion_status status, const char *name) {
  hdf5_answer a = {.status = status, .flag = file->is_list, .count = (int64_t)file->count};
  if (a.status == SCION_OK)
    for (size_t i = 0; i < file->count; i++) a.bytes += strlen(file->text + a.bytes) + 1;
  uint64_t cost = 2 * a.bytes + HDF5_NAME_COST * (uint64_t)file->count;
  if (a.status == SCION_OK && cost > file->allowance)
    a.status = hdf5_fail(file, SCION_WORLD, "what is read would take more than twice the file's size, at the names in %s", name);
  else if (a.status == SCION_OK)
    file->allowance -= cost;
  reply(file, a, file->text);
}

/* Bytes of f32 numbers of that shape; false when they are more than a size_t holds. */
static bool bytes_of(int dims, const int64_t *shape, size_t *bytes) {
  bool fits = dims >= 0 && dims <= SCION_MAX_DIMS;
  *bytes = sizeof(float);
  for (int i = 0; fits && i < dims; i++) fits = shape[i] >= 0 && scion_multiply_sizes(*bytes, (size_t)shape[i], bytes);
  return fits;
}

/* Reads a dataset, or a piece of it, into the shared memory. What is read counts towards what may be read, as strings do. */
static void answer_read(hdf5_file *file, const char *path, const hdf5_request *asked) {
  size_t bytes, count = 0;
  hdf5_answer a = {.status = SCION_OK};
  if (!bytes_of(asked->dims, asked->shape, &bytes) || bytes - asked->count * sizeof(float) > file->allowance)
    a.status = hdf5_fail(file, SCION_WORLD, "what is read would take more than twice the file's size, at %s", path);
  else if (bytes > asked->size)
    a.status = hdf5_fail(file, SCION_WORLD, "%s takes %zu bytes of memory that the limit on the size of files does not allow; raise it (ulimit -f)",
                         path, bytes);
  else {
    set_aside(bytes);
    a.status = hdf5_read(file, path, asked->dims, asked->shape, (size_t)asked->count, shared, &count);
  }
  if (a.status == SCION_OK) {
    a.bytes = count * sizeof(float);
    file->allowance -= a.bytes;
  }
  reply(file, a, NULL);
}

/* Takes in what is to be written, and writes it. */
static void answer_write(hdf5_file *file, const char *path, const char *name, const hdf5_request *asked) {
  hdf5_answer a = {.status = SCION_OK};
  char *data = malloc((size_t)asked->bytes + 1);
  if (!hdf5_receive(HDF5_SOCKET, data, (size_t)asked->bytes, &polls)) _exit(0);
  if (asked->operation == HDF5_DATASET)
    hdf5_write_dataset(file, path, asked->dims, asked->shape, (const float *)(void *)data);
  else
    hdf5_write_text(file, path, name, asked->flag, (size_t)asked->count, (size_t)asked->size, data);
  free(data);
  reply(file, a, NULL);
}

static void answer_request(hdf5_file *file, const hdf5_request *asked, const char *path, const char *name) {
  hdf5_answer a = {.status = SCION_OK};
  switch (asked->operation) {
    case HDF5_OPEN: a.status = open_file(file, asked); break;
    case HDF5_HAS: a.status = hdf5_has(file, path, name, &a.flag); break;
    case HDF5_ATTRIBUTE: answer_strings(file, hdf5_attribute(file, path, name), name); return;
    case HDF5_MEMBERS: answer_strings(file, hdf5_members(file, path), path); return;
    case HDF5_SHAPE: a.status = hdf5_shape(file, path, &a.dims, a.shape, &a.flag); break;
    case HDF5_READ: answer_read(file, path, asked); return;
    case HDF5_IDS: a.count = hdf5_open_ids(); break;
    case HDF5_CREATE: hdf5_create(file, name); break;
    case HDF5_LINK: hdf5_write_link(file, path, name); break;
    case HDF5_DATASET:
    case HDF5_TEXT: answer_write(file, path, name, asked); return;
    case HDF5_FINISH: hdf5_finish(file); break;
  }
  reply(file, a, NULL);
}

int main(int argc, char **argv) {
  if (argc != 2 || strcmp(argv[1], HDF5_PROTOCOL) != 0) {
    fprintf(stderr, "%s: a part of Scion, which starts it to read and write HDF5 files\n", argv[0]);
    return 2;
  }
  signal(SIGINT, SIG_IGN);  /* Ctrl-C is meant for the process that started this one, and closes the socket if that ends */
  signal(SIGXFSZ, SIG_IGN); /* then writing fails, and says so */
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  hdf5_file file = {.id = H5I_INVALID_HID, .descriptor = -1};
  hdf5_request asked;
  while (hdf5_receive(HDF5_SOCKET, &asked, sizeof asked, &polls)) {
    char *strings = calloc(1, (size_t)asked.path + asked.name + 1);
    if (!hdf5_receive(HDF5_SOCKET, strings, (size_t)asked.path + asked.name, &polls)) break;
    if (asked.operation == HDF5_OPEN || asked.operation == HDF5_CREATE) file.path = strdup(strings);
    check_time();
    hdf5_begin_request(&file);
    answer_request(&file, &asked, strings, asked.name ? strings + asked.path : NULL);
    free(strings);
  }
  _exit(0); /* without the library's own ending, which would write on what is broken */
}
