/* The core's side of HDF5: it starts the program that calls the library, asks it by requests over a socket, and takes in the answers.
 * Numbers come through memory that both share. */
#include "hdf5.h"
#include "hdf5/protocol.h"
#include "system_error.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#ifndef SOCK_CLOEXEC
#define SOCK_CLOEXEC 0
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

extern char **environ;

/* ---- the program */

#define PROGRAM "hdf5_process"

static char *program; /* its path, or NULL where the library's own cannot be told */

static void find_program(void) { program = scion_path_beside_core(PROGRAM); }

void scion_hdf5_find_program(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, find_program);
}

/* ---- starting it */

/* Moves an open file away from the numbers that the program's own get, which would overwrite it. */
static bool move_up(int *descriptor) {
  int moved = fcntl(*descriptor, F_DUPFD_CLOEXEC, HDF5_FILE + 1);
  if (moved < 0) return false;
  close(*descriptor);
  *descriptor = moved;
  return true;
}

/* Memory without a name, as an open file; -1 with errno where there is none. */
static int new_shared_memory(size_t bytes) {
#ifdef __linux__
  int memory = memfd_create("scion-hdf5", MFD_CLOEXEC);
#else
  char name[64];
  snprintf(name, sizeof name, "/scion-%ld-%p", (long)getpid(), (void *)&bytes);
  int memory = shm_open(name, O_RDWR | O_CREAT | O_EXCL, 0600);
  if (memory >= 0) shm_unlink(name);
#endif
  if (memory >= 0 && ftruncate(memory, (off_t)bytes) == 0) return memory;
  if (memory >= 0) close(memory);
  return -1;
}

/* How much can be shared: as much as may be read, unless this process may not make files of that size. */
static size_t shareable_bytes(uint64_t size) {
  struct rlimit limit;
  uint64_t most = hdf5_most_bytes(size);
  if (getrlimit(RLIMIT_FSIZE, &limit) == 0 && limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < most) most = limit.rlim_cur;
  return most > 0 ? (size_t)most : 1;
}

/* Maps memory for what is read; *memory is the open file for the program, which has to be closed. */
static scion_status share_memory(scion_hdf5 *file, int *memory) {
  file->shared_bytes = shareable_bytes(file->size);
  *memory = new_shared_memory(file->shared_bytes);
  if (*memory < 0) return scion_fail(SCION_SYSTEM, "%s: no memory can be shared with the program that reads it: %s", file->path, system_error(errno));
  file->shared = mmap(NULL, file->shared_bytes, PROT_READ, MAP_SHARED | MAP_NORESERVE, *memory, 0);
  if (file->shared != MAP_FAILED && move_up(memory)) return SCION_OK;
  if (file->shared == MAP_FAILED) file->shared = NULL;
  return scion_fail(SCION_SYSTEM, "%s: no memory can be shared with the program that reads it: %s", file->path, system_error(errno));
}

/* Starts the program with these open files; *memory and *contents may be -1. Returns an error number or 0. */
static int spawn(scion_hdf5 *file, int socket, int memory, int contents) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  sigset_t none, all;
  char *arguments[] = {(char *)PROGRAM, (char *)HDF5_PROTOCOL, NULL};
  pid_t process = 0;
  sigemptyset(&none);
  sigfillset(&all);
  int error = posix_spawn_file_actions_init(&actions);
  if (error) return error;
  error = posix_spawnattr_init(&attributes);
  if (!error) {
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    error = posix_spawn_file_actions_adddup2(&actions, socket, HDF5_SOCKET);
    for (int i = 1; i < 3 && !error; i++) error = posix_spawn_file_actions_addopen(&actions, i, "/dev/null", O_RDWR, 0);
    if (!error && memory >= 0) error = posix_spawn_file_actions_adddup2(&actions, memory, HDF5_SHARED);
    if (!error && contents >= 0) error = posix_spawn_file_actions_adddup2(&actions, contents, HDF5_FILE);
    if (!error) error = posix_spawn(&process, program, &actions, &attributes, arguments, environ);
    posix_spawnattr_destroy(&attributes);
  }
  posix_spawn_file_actions_destroy(&actions);
  file->process = error ? 0 : process;
  return error;
}

static scion_status start(scion_hdf5 *file, int memory, int contents) {
  int sockets[2];
  scion_hdf5_find_program();
  if (!program) return scion_fail(SCION_SYSTEM, "%s: the program " PROGRAM " that reads and writes HDF5 cannot be found", file->path);
  if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0)
    return scion_fail(SCION_SYSTEM, "%s: no process for HDF5: %s", file->path, system_error(errno));
  for (int i = 0; i < 2; i++) fcntl(sockets[i], F_SETFD, FD_CLOEXEC);
  file->socket = sockets[0];
  file->polls = HDF5_MOST_POLLS;
  int error = move_up(&sockets[1]) ? spawn(file, sockets[1], memory, contents) : errno;
  close(sockets[1]);
  if (!error) return SCION_OK;
  if (error == ENOENT || error == EACCES)
    return scion_fail(SCION_SYSTEM, "%s: the program that reads and writes HDF5, %s, cannot be started: %s; install Scion anew", file->path, program,
                      system_error(error));
  return scion_fail(SCION_SYSTEM, "%s: no process for HDF5: %s", file->path, system_error(error));
}

/* ---- asking */

/* Waits until the process has ended; how it did. It may be asked again. */
static int wait_for(scion_hdf5 *file) {
  while (file->process > 0 && waitpid((pid_t)file->process, &file->how, 0) < 0 && errno == EINTR) continue;
  file->process = 0;
  return file->how;
}

/* Why there is no answer. The process is gone then, or is ended, and the file is as good as closed. */
static scion_status lost(scion_hdf5 *file) {
  if (file->process > 0) kill((pid_t)file->process, SIGKILL); /* if it lives after all */
  int how = wait_for(file);
  if (WIFEXITED(how) && WEXITSTATUS(how) == 127)
    return scion_fail(SCION_SYSTEM, "%s: the program that reads and writes HDF5 does not start; is the HDF5 library installed?", file->path);
  if (file->writes)
    return scion_fail(SCION_SYSTEM, "%s: writing failed: %s", file->path,
                      WIFEXITED(how) && WEXITSTATUS(how) == HDF5_TOO_LARGE ? "out of memory" : "the process that writes HDF5 was ended");
  if (WIFEXITED(how) && WEXITSTATUS(how) == HDF5_TOO_LONG)
    return scion_fail(SCION_WORLD, "%s: damaged: it makes the HDF5 library work for more than %llu s, too long for its %llu bytes", file->path,
                      (unsigned long long)hdf5_most_seconds(file->size), (unsigned long long)file->size);
  if (WIFEXITED(how) && WEXITSTATUS(how) == HDF5_TOO_LARGE)
    return scion_fail(SCION_WORLD, "%s: damaged, or out of memory: it makes the HDF5 library take more than %llu MB, too much for its %llu bytes, or more "
                      "than this machine has", file->path,
                      (unsigned long long)(hdf5_most_bytes(file->size) >> 20), (unsigned long long)file->size);
  return scion_fail(SCION_WORLD, "%s: damaged: the HDF5 library broke down over it", file->path);
}

/* Asks, with data behind the strings, and receives what comes before the bytes that follow. The message of a failure is taken in. */
static scion_status ask(scion_hdf5 *file, hdf5_request asked, const char *path, const char *name, const void *data, hdf5_answer *a) {
  if (file->process <= 0) return lost(file);
  asked.path = (uint32_t)strlen(path) + 1;
  asked.name = name ? (uint32_t)strlen(name) + 1 : 0;
  struct iovec parts[] = {{&asked, sizeof asked}, {(char *)(uintptr_t)path, asked.path}, {(char *)(uintptr_t)name, asked.name},
                          {(char *)(uintptr_t)data, asked.bytes}};
  if (!hdf5_send(file->socket, parts, 4) || !hdf5_receive(file->socket, a, sizeof *a, &file->polls)) return lost(file);
  if (a->status == SCION_OK) return SCION_OK;
  char message[1024];
  if (a->bytes > sizeof message || !hdf5_receive(file->socket, message, a->bytes, &file->polls)) return lost(file);
  message[sizeof message - 1] = 0;
  return scion_fail(a->status == SCION_MISUSE || a->status == SCION_NO_MEMORY ? a->status : SCION_WORLD, "%s", message);
}

/* Asks about a file that is read, if that was not done too often. */
static scion_status ask_about(scion_hdf5 *file, hdf5_request asked, const char *path, const char *name, hdf5_answer *a) {
  if (++file->requests > hdf5_most_requests(file->size))
    return scion_fail(SCION_WORLD, "%s: damaged: it lists more than its %llu bytes can hold", file->path, (unsigned long long)file->size);
  return ask(file, asked, path, name, NULL, a);
}

/* ---- reading */

/* Ends the process and gives everything back; the last message stays. */
void scion_hdf5_close(scion_hdf5 *file) {
  if (file->path && file->process > 0) { /* it has nothing to lose */
    kill((pid_t)file->process, SIGKILL);
    wait_for(file);
  }
  if (file->path && file->socket >= 0) close(file->socket);
  if (file->path && file->shared) munmap(file->shared, file->shared_bytes);
  free(file->path);
  free(file->text);
  *file = (scion_hdf5){.socket = -1};
}

/* Starts the process that reads, and has it open the file. */
static scion_status start_reading(scion_hdf5 *file, int descriptor) {
  struct stat about;
  int memory = -1, contents = -1;
  hdf5_answer a;
  file->size = stat(file->path, &about) == 0 && about.st_size > 0 ? (uint64_t)about.st_size : 0;
  scion_status status = share_memory(file, &memory);
  if (status == SCION_OK && descriptor >= 0 && (contents = fcntl(descriptor, F_DUPFD_CLOEXEC, HDF5_FILE + 1)) < 0)
    status = scion_fail(SCION_SYSTEM, "%s: cannot be read: %s", file->path, system_error(errno));
  if (status == SCION_OK) status = start(file, memory, contents);
  if (memory >= 0) close(memory);
  if (contents >= 0) close(contents);
  if (status != SCION_OK) return status;
  hdf5_request asked = {.operation = HDF5_OPEN, .flag = descriptor >= 0, .size = file->size, .count = file->shared_bytes};
  return ask_about(file, asked, file->path, NULL, &a);
}

scion_status scion_hdf5_open(scion_hdf5 *file, const char *path, int descriptor) {
  *file = (scion_hdf5){.socket = -1, .path = strdup(path)};
  if (!file->path) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  scion_status status = start_reading(file, descriptor);
  if (status != SCION_OK) scion_hdf5_close(file);
  return status;
}

scion_status scion_hdf5_has(scion_hdf5 *file, const char *path, const char *attribute, bool *found) {
  hdf5_answer a = {.flag = false};
  scion_status status = ask_about(file, (hdf5_request){.operation = HDF5_HAS}, path, attribute, &a);
  *found = a.flag;
  return status;
}

/* Whether the received text is `count` strings. */
static bool whole_strings(const char *text, size_t bytes, int64_t count) {
  int64_t zeros = 0;
  for (size_t i = 0; i < bytes; i++) zeros += text[i] == 0;
  return zeros == count && (bytes == 0 || text[bytes - 1] == 0);
}

/* Asks for strings, and takes them in. */
static scion_status receive_strings(scion_hdf5 *file, hdf5_operation operation, const char *path, const char *name) {
  hdf5_answer a;
  free(file->text);
  file->text = NULL;
  file->count = 0;
  scion_status status = ask_about(file, (hdf5_request){.operation = operation}, path, name, &a);
  if (status != SCION_OK) return status;
  if (a.bytes > 2 * HDF5_MAX_TEXT) return lost(file);
  file->text = malloc(a.bytes + 1);
  if (!file->text) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  if (!hdf5_receive(file->socket, file->text, a.bytes, &file->polls) || !whole_strings(file->text, a.bytes, a.count)) return lost(file);
  file->count = (size_t)a.count;
  file->is_list = a.flag;
  return SCION_OK;
}

scion_status scion_hdf5_attribute(scion_hdf5 *file, const char *path, const char *name) {
  return receive_strings(file, HDF5_ATTRIBUTE, path, name);
}

scion_status scion_hdf5_members(scion_hdf5 *file, const char *path) { return receive_strings(file, HDF5_MEMBERS, path, NULL); }

scion_status scion_hdf5_shape(scion_hdf5 *file, const char *path, int *dims, int64_t shape[SCION_MAX_DIMS], bool *whole) {
  hdf5_answer a;
  scion_status status = ask_about(file, (hdf5_request){.operation = HDF5_SHAPE}, path, NULL, &a);
  if (status != SCION_OK) return status;
  if (a.dims < 0 || a.dims > SCION_MAX_DIMS) return lost(file);
  *dims = a.dims;
  *whole = a.flag;
  memcpy(shape, a.shape, sizeof a.shape);
  return SCION_OK;
}

scion_status scion_hdf5_read_into(scion_hdf5 *file, const char *path, scion_tensor *t) {
  hdf5_request asked = {.operation = HDF5_READ, .dims = t->dims, .size = file->shared_bytes};
  size_t bytes = (size_t)scion_tensor_elements(t) * sizeof(float), done = 0;
  memcpy(asked.shape, t->shape, sizeof asked.shape);
  if (t->dtype != SCION_F32 || !scion_tensor_contiguous(t))
    return scion_fail(SCION_MISUSE, "%s: weights are read into contiguous f32 tensors", file->path);
  do {
    hdf5_answer a;
    asked.count = done / sizeof(float);
    scion_status status = ask_about(file, asked, path, NULL, &a);
    if (status != SCION_OK) return status;
    if (a.bytes > bytes - done || a.bytes > file->shared_bytes || a.bytes % sizeof(float) != 0 || (a.bytes == 0 && bytes > 0)) return lost(file);
    memcpy((unsigned char *)t->data + done, file->shared, a.bytes);
    done += a.bytes;
  } while (done < bytes);
  return SCION_OK;
}

scion_status scion_hdf5_open_ids(scion_hdf5 *file, int64_t *ids) {
  hdf5_answer a = {.count = 0};
  scion_status status = ask_about(file, (hdf5_request){.operation = HDF5_IDS}, "", NULL, &a);
  *ids = a.count;
  return status;
}

/* ---- writing */

static scion_status write_dataset(scion_hdf5 *file, const scion_hdf5_dataset *d) {
  const scion_tensor *t = d->tensor;
  if (t->dtype != SCION_F32 || !scion_tensor_contiguous(t)) return scion_fail(SCION_MISUSE, "%s: datasets are contiguous f32 tensors", file->path);
  hdf5_request asked = {.operation = HDF5_DATASET, .dims = t->dims, .bytes = (uint64_t)scion_tensor_elements(t) * sizeof(float)};
  hdf5_answer a;
  memcpy(asked.shape, t->shape, sizeof asked.shape);
  return ask(file, asked, d->path, NULL, t->data, &a);
}

static scion_status write_text(scion_hdf5 *file, const scion_hdf5_text *t) {
  hdf5_request asked = {.operation = HDF5_TEXT, .flag = t->is_list, .size = t->width, .count = t->count, .bytes = (uint64_t)t->count * t->width};
  hdf5_answer a;
  return ask(file, asked, t->path, t->name, t->text, &a);
}

static scion_status write_link(scion_hdf5 *file, const scion_hdf5_link *l) {
  hdf5_answer a;
  return ask(file, (hdf5_request){.operation = HDF5_LINK}, l->path, l->to, NULL, &a);
}

static scion_status write_all(scion_hdf5 *file, const char *place, const scion_hdf5_contents *c) {
  hdf5_answer a;
  scion_status status = start(file, -1, -1);
  if (status == SCION_OK) status = ask(file, (hdf5_request){.operation = HDF5_CREATE}, file->path, place, NULL, &a);
  for (size_t i = 0; i < c->dataset_count && status == SCION_OK; i++) status = write_dataset(file, &c->datasets[i]);
  for (size_t i = 0; i < c->link_count && status == SCION_OK; i++) status = write_link(file, &c->links[i]);
  for (size_t i = 0; i < c->text_count && status == SCION_OK; i++) status = write_text(file, &c->texts[i]);
  return status == SCION_OK ? ask(file, (hdf5_request){.operation = HDF5_FINISH}, "", NULL, NULL, &a) : status;
}

scion_status scion_hdf5_write(const char *path, const scion_hdf5_contents *contents) {
  scion_new_file target;
  scion_status status = scion_new_file_open(&target, path);
  if (status != SCION_OK) return status;
  if (target.nowhere) return scion_new_file_commit(&target); /* the library wants a file that it can seek in */
  scion_hdf5 file = {.socket = -1, .writes = true, .path = strdup(path)};
  status = file.path ? write_all(&file, target.temporary, contents) : scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  scion_hdf5_close(&file);
  if (status == SCION_OK) return scion_new_file_commit(&target);
  scion_new_file_discard(&target);
  return status;
}
