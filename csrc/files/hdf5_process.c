/* libhdf5 in a process of its own: the calls of scion.h go through a socket to a fork of this process, which has the file open, and
 * the numbers it reads come through memory that both share. If it dies of what it reads, the next answer fails, and says so. */
#include "hdf5.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>
#ifdef __linux__
#include <sys/prctl.h>
#endif
#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif
#ifndef MAP_NORESERVE
#define MAP_NORESERVE 0
#endif

#define MOST_SECONDS 120 /* of processor time, and one more for each 8 MB that may be read: gzip inflates far faster */
#define POLLS 300 /* some 100 microseconds: most answers come sooner than a process that sleeps wakes up */

typedef enum { OPEN, HAS, ATTRIBUTE, SHAPE, READ, IDS } operation;

typedef struct {
  operation operation;
  uint32_t path, name; /* bytes of the two strings that follow, each with its zero; no name: 0 */
  int dims;            /* READ: of the tensor */
  int64_t shape[SCION_MAX_DIMS];
} request;

typedef struct {
  scion_status status;
  bool flag; /* found, is_list */
  int dims;
  int64_t shape[SCION_MAX_DIMS];
  int64_t count;
  uint64_t bytes; /* that follow, a message or strings; or that lie in the shared memory, numbers */
} answer;

scion_status hdf5_fail(scion_hdf5 *file, scion_status status, const char *format, ...) {
  int used = snprintf(file->message, sizeof file->message, "%.700s: ", file->path);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(file->message + used, sizeof file->message - (size_t)used, format, arguments);
  va_end(arguments);
  return status;
}

/* Sends all parts, together: the other side wakes up once. */
static bool send_all(int socket, struct iovec *parts, size_t count) {
  for (struct msghdr message = {.msg_iov = parts, .msg_iovlen = count}; message.msg_iovlen;) {
    ssize_t sent = sendmsg(socket, &message, MSG_NOSIGNAL);
    if (sent < 0 && errno == EINTR) continue;
    if (sent < 0) return false;
    for (; message.msg_iovlen && (size_t)sent >= message.msg_iov->iov_len; message.msg_iov++, message.msg_iovlen--)
      sent -= (ssize_t)message.msg_iov->iov_len;
    if (!message.msg_iovlen) break;
    message.msg_iov->iov_base = (char *)message.msg_iov->iov_base + sent;
    message.msg_iov->iov_len -= (size_t)sent;
  }
  return true;
}

static bool receive_all(int socket, void *data, size_t bytes) {
  int polls = POLLS;
  for (char *to = data; bytes;) {
    ssize_t got = recv(socket, to, bytes, polls > 0 ? MSG_DONTWAIT : 0);
    if (got < 0 && (errno == EINTR || (polls-- > 0 && (errno == EAGAIN || errno == EWOULDBLOCK)))) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= (size_t)got;
  }
  return true;
}

/* ---- in the forked process */

/* Signals do what they do by default, nothing is printed, and memory and time end. */
static void confine(const scion_hdf5 *file) {
  static const int signals[] = {SIGINT, SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU};
  for (size_t i = 0; i < sizeof signals / sizeof signals[0]; i++) signal(signals[i], SIG_DFL);
  int nowhere = open("/dev/null", O_RDWR);
  for (int i = 0; nowhere >= 0 && i < 3; i++) dup2(nowhere, i); /* also what the library or the allocator would print */
  rlim_t seconds = MOST_SECONDS + file->allowance / (8 << 20);
  setrlimit(RLIMIT_CORE, &(struct rlimit){0, 0});
  setrlimit(RLIMIT_CPU, &(struct rlimit){seconds, seconds});
#ifdef __linux__
  prctl(PR_SET_PDEATHSIG, SIGKILL);
#if !defined(__SANITIZE_ADDRESS__) /* it has terabytes mapped */
  unsigned long pages = 0;
  FILE *statm = fopen("/proc/self/statm", "r");
  if (statm && fscanf(statm, "%lu", &pages) == 1) {
    rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + file->allowance;
    setrlimit(RLIMIT_AS, &(struct rlimit){most, most});
  }
  if (statm) fclose(statm);
#endif
#endif
}

/* The library has as much less memory for itself as has been handed over at most: pages of the shared memory stay. */
static void set_aside(size_t bytes) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_max == RLIM_INFINITY || limit.rlim_cur <= limit.rlim_max - bytes) return;
  limit.rlim_cur = limit.rlim_max - bytes;
  setrlimit(RLIMIT_AS, &limit);
}

static void reply(scion_hdf5 *file, int socket, answer a, char *data) {
  if (a.status != SCION_OK) {
    data = file->message;
    a.bytes = strlen(file->message) + 1;
  }
  struct iovec parts[] = {{&a, sizeof a}, {data, data ? a.bytes : 0}};
  if (!send_all(socket, parts, 2)) _exit(0);
}

static void answer_attribute(scion_hdf5 *file, int socket, const char *path, const char *name) {
  answer a = {.status = hdf5_attribute(file, path, name), .flag = file->is_list, .count = (int64_t)file->count};
  if (a.status == SCION_OK)
    for (size_t i = 0; i < file->count; i++) a.bytes += strlen(file->text + a.bytes) + 1;
  uint64_t cost = 2 * a.bytes + HDF5_NAME_COST * (uint64_t)file->count;
  if (a.status == SCION_OK && cost > file->allowance)
    a.status = hdf5_fail(file, SCION_WORLD, "what is read would take more than twice the file's size, at the attribute %s", name);
  else if (a.status == SCION_OK)
    file->allowance -= cost;
  reply(file, socket, a, file->text);
}

/* Reads into the shared memory. The file's allowance pays for what is read, as it does for names. */
static void answer_read(scion_hdf5 *file, int socket, const char *path, const request *asked) {
  scion_tensor t = {.dtype = SCION_F32, .dims = asked->dims, .data = file->shared};
  size_t bytes = sizeof(float);
  bool fits = true;
  memcpy(t.shape, asked->shape, sizeof t.shape);
  t.row_stride = t.dims ? t.shape[t.dims - 1] : 1;
  for (int i = 0; i < t.dims && fits; i++) fits = scion_multiply_sizes(bytes, (size_t)t.shape[i], &bytes);
  answer a = {.status = SCION_OK};
  if (!fits || bytes > file->allowance)
    a.status = hdf5_fail(file, SCION_WORLD, "what is read would take more than twice the file's size, at %s", path);
  else {
    set_aside(bytes);
    a.status = hdf5_read_into(file, path, &t);
  }
  if (a.status == SCION_OK) {
    a.bytes = bytes;
    file->allowance -= bytes;
  }
  reply(file, socket, a, NULL);
}

static void answer_request(scion_hdf5 *file, int socket, const request *asked, const char *path, const char *name) {
  answer a = {.status = SCION_OK};
  switch (asked->operation) {
    case OPEN: a.status = hdf5_open(file); break;
    case HAS: a.status = hdf5_has(file, path, name, &a.flag); break;
    case ATTRIBUTE: answer_attribute(file, socket, path, name); return;
    case SHAPE: a.status = hdf5_shape(file, path, &a.dims, a.shape); break;
    case READ: answer_read(file, socket, path, asked); return;
    case IDS: a.count = hdf5_open_ids(); break;
  }
  reply(file, socket, a, NULL);
}

__attribute__((noreturn)) static void serve(scion_hdf5 *file, int socket) {
  request asked;
  confine(file);
  while (receive_all(socket, &asked, sizeof asked)) {
    char *strings = calloc(1, (size_t)asked.path + asked.name + 1);
    if (!strings || !receive_all(socket, strings, (size_t)asked.path + asked.name)) break;
    answer_request(file, socket, &asked, strings, asked.name ? strings + asked.path : NULL);
    free(strings);
  }
  _exit(0);
}

/* ---- in this process */

/* Why there is no answer. The process is gone then, and the file as good as closed. */
static scion_status lost(scion_hdf5 *file) {
  int how = 0;
  if (file->process > 0) {
    kill((pid_t)file->process, SIGKILL); /* if it lives after all */
    while (waitpid((pid_t)file->process, &how, 0) < 0 && errno == EINTR) continue;
  }
  file->process = 0;
  if (WIFSIGNALED(how) && WTERMSIG(how) == SIGXCPU) return hdf5_fail(file, SCION_WORLD, "damaged: the HDF5 library reads it without end");
  return hdf5_fail(file, SCION_WORLD, "damaged: the HDF5 library broke down over it");
}

/* Asks, and receives what comes before the bytes that follow. A message of failure is taken in. */
static scion_status ask(scion_hdf5 *file, request asked, const char *path, const char *name, answer *a) {
  if (file->process <= 0) return hdf5_fail(file, SCION_WORLD, "damaged: the HDF5 library broke down over it");
  asked.path = (uint32_t)strlen(path) + 1;
  asked.name = name ? (uint32_t)strlen(name) + 1 : 0;
  struct iovec parts[] = {{&asked, sizeof asked}, {(char *)path, asked.path}, {(char *)name, asked.name}};
  if (!send_all(file->socket, parts, 3) || !receive_all(file->socket, a, sizeof *a)) return lost(file);
  if (a->status == SCION_OK) return SCION_OK;
  if (a->bytes > sizeof file->message || !receive_all(file->socket, file->message, a->bytes)) return lost(file);
  file->message[sizeof file->message - 1] = 0;
  return a->status == SCION_MISUSE || a->status == SCION_NO_MEMORY ? a->status : SCION_WORLD;
}

static scion_status start(scion_hdf5 *file) {
  int sockets[2];
  struct stat about;
  file->allowance = 2 * (stat(file->path, &about) == 0 ? (uint64_t)about.st_size : 0) + ((uint64_t)64 << 20);
  file->shared = mmap(NULL, (size_t)file->allowance, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (file->shared == MAP_FAILED) {
    file->shared = NULL;
    return hdf5_fail(file, SCION_NO_MEMORY, "no memory to read it: %s", strerror(errno));
  }
  if (socketpair(AF_UNIX, SOCK_STREAM, 0, sockets) != 0) return hdf5_fail(file, SCION_WORLD, "no process to read it: %s", strerror(errno));
  for (int i = 0; i < 2; i++) fcntl(sockets[i], F_SETFD, FD_CLOEXEC);
  pid_t process = fork();
  if (process == 0) {
    close(sockets[0]);
    serve(file, sockets[1]);
  }
  close(sockets[1]);
  file->socket = sockets[0];
  file->process = process;
  return process > 0 ? SCION_OK : hdf5_fail(file, SCION_WORLD, "no process to read it: %s", strerror(errno));
}

scion_status scion_hdf5_open(scion_hdf5 *file, const char *path, int descriptor) {
  *file = (scion_hdf5){.socket = -1, .descriptor = descriptor, .id = -1, .path = strdup(path)};
  if (!file->path) {
    snprintf(file->message, sizeof file->message, "%.700s: out of memory", path);
    return SCION_NO_MEMORY;
  }
  answer a;
  scion_status status = start(file);
  if (status == SCION_OK) status = ask(file, (request){.operation = OPEN}, "", NULL, &a);
  if (status == SCION_OK) return status;
  char message[sizeof file->message];
  memcpy(message, file->message, sizeof message);
  scion_hdf5_close(file);
  memcpy(file->message, message, sizeof message);
  return status;
}

void scion_hdf5_close(scion_hdf5 *file) {
  if (file->path && file->process > 0) { /* it has nothing to lose */
    kill((pid_t)file->process, SIGKILL);
    while (waitpid((pid_t)file->process, NULL, 0) < 0 && errno == EINTR) continue;
  }
  if (file->path && file->socket >= 0) close(file->socket);
  if (file->path && file->shared) munmap(file->shared, (size_t)file->allowance);
  free(file->path);
  free(file->text);
  *file = (scion_hdf5){.socket = -1, .descriptor = -1, .id = -1};
}

scion_status scion_hdf5_has(scion_hdf5 *file, const char *path, const char *attribute, bool *found) {
  answer a = {.flag = false};
  scion_status status = ask(file, (request){.operation = HAS}, path, attribute, &a);
  *found = a.flag;
  return status;
}

/* Whether the received text is `count` strings. */
static bool whole_strings(const char *text, size_t bytes, int64_t count) {
  int64_t zeros = 0;
  for (size_t i = 0; i < bytes; i++) zeros += text[i] == 0;
  return zeros == count && (bytes == 0 || text[bytes - 1] == 0);
}

scion_status scion_hdf5_attribute(scion_hdf5 *file, const char *path, const char *name) {
  answer a;
  free(file->text);
  file->text = NULL;
  file->count = 0;
  scion_status status = ask(file, (request){.operation = ATTRIBUTE}, path, name, &a);
  if (status != SCION_OK) return status;
  if (a.bytes > 2 * HDF5_MAX_TEXT) return lost(file);
  file->text = malloc(a.bytes + 1);
  if (!file->text) return hdf5_fail(file, SCION_NO_MEMORY, "out of memory");
  if (!receive_all(file->socket, file->text, a.bytes) || !whole_strings(file->text, a.bytes, a.count)) return lost(file);
  file->count = (size_t)a.count;
  file->is_list = a.flag;
  return SCION_OK;
}

scion_status scion_hdf5_shape(scion_hdf5 *file, const char *path, int *dims, int64_t shape[SCION_MAX_DIMS]) {
  answer a;
  scion_status status = ask(file, (request){.operation = SHAPE}, path, NULL, &a);
  if (status != SCION_OK) return status;
  if (a.dims < 0 || a.dims > SCION_MAX_DIMS) return lost(file);
  *dims = a.dims;
  memcpy(shape, a.shape, sizeof a.shape);
  return SCION_OK;
}

scion_status scion_hdf5_read_into(scion_hdf5 *file, const char *path, scion_tensor *t) {
  request asked = {.operation = READ, .dims = t->dims};
  size_t bytes = sizeof(float);
  int64_t rows = 1;
  answer a;
  memcpy(asked.shape, t->shape, sizeof asked.shape);
  for (int i = 0; i < t->dims; i++) bytes *= (size_t)t->shape[i];
  for (int i = 0; i + 1 < t->dims; i++) rows *= t->shape[i];
  if (t->dtype != SCION_F32 || (rows > 1 && t->row_stride != t->shape[t->dims - 1]))
    return hdf5_fail(file, SCION_MISUSE, "weights are read into contiguous f32 tensors");
  scion_status status = ask(file, asked, path, NULL, &a);
  if (status != SCION_OK) return status;
  if (a.bytes != bytes || bytes > file->allowance) return lost(file);
  memcpy(t->data, file->shared, bytes);
  return SCION_OK;
}

scion_status scion_hdf5_open_ids(scion_hdf5 *file, int64_t *ids) {
  answer a = {.count = 0};
  scion_status status = ask(file, (request){.operation = IDS}, "", NULL, &a);
  *ids = a.count;
  return status;
}
