/* What the core (files/hdf5.c) and the program that calls the HDF5 library (the other files of this folder) say to each other.
 *
 * The core starts the program with a socket as its standard input, and the memory and the file below as open files. It then asks one
 * request after the other, and gets one answer to each. A request is the struct, then two strings, then `bytes` bytes of data. An answer
 * is the struct, then a message where it failed, or else the strings of an attribute. Numbers that were read lie in the shared memory,
 * those of large datasets a piece at a time. */
#ifndef SCION_HDF5_PROTOCOL_H
#define SCION_HDF5_PROTOCOL_H

#include "scion.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define HDF5_PROTOCOL "4" /* the program's argument: it does not serve a core that speaks otherwise */

enum { HDF5_SOCKET = 0, HDF5_SHARED = 3, HDF5_FILE = 4 }; /* the program's open files; HDF5_FILE is there only where the request says so */

enum { HDF5_TOO_LONG = 81, HDF5_TOO_LARGE = 82 }; /* how the program ends when time or memory ran out, as its status */

#define HDF5_MAX_TEXT ((size_t)4 << 20) /* bytes in one attribute */
#define HDF5_MOST_REQUESTS ((uint64_t)40000) /* about one file, beside the first 5000 */
#define HDF5_NAME_COST 1024             /* bytes that whoever asks may need for one of an attribute's strings */

/* What a file of `size` bytes may cost. Forged files of few bytes can hold what takes any time and memory to read.
 * Bytes of memory, and of numbers read: twice the file's size, which is what half precision takes as f32, and 64 MB. */
static inline uint64_t hdf5_most_bytes(uint64_t size) { return 2 * size + ((uint64_t)64 << 20); }
/* Seconds of the program's processor time: reading takes a tenth of that on a quiet machine, and inflating what gzip packed half; a busy one
 * needs several times as long. */
static inline uint64_t hdf5_most_seconds(uint64_t size) { return 2 + size / ((uint64_t)50 << 20); }
/* Requests. Each object takes some hundred bytes of a file, and each is asked for a few times. The largest networks, of some thousand layers,
 * take ten thousand; without the second limit a file of some megabytes could keep the core busy for longer than the program may be. */
static inline uint64_t hdf5_most_requests(uint64_t size) { return size < HDF5_MOST_REQUESTS * 32 ? 5000 + size / 32 : 5000 + HDF5_MOST_REQUESTS; }

typedef enum {
  HDF5_OPEN, HDF5_HAS, HDF5_ATTRIBUTE, HDF5_MEMBERS, HDF5_SHAPE, HDF5_READ, HDF5_IDS, /* of a file that is read */
  HDF5_CREATE, HDF5_DATASET, HDF5_LINK, HDF5_TEXT, HDF5_FINISH                        /* of one that is written */
} hdf5_operation;

typedef struct {
  hdf5_operation operation;
  bool flag;             /* OPEN: read HDF5_FILE and not the file at the path; TEXT: a list */
  uint32_t path, name;   /* bytes of the two strings that follow, each with its zero; 0: there is no name */
  int dims;              /* READ, DATASET: of the tensor */
  int64_t shape[SCION_MAX_DIMS];
  uint64_t size;         /* OPEN: of the file, which the limits follow; READ: bytes of the shared memory; TEXT: bytes of each string */
  uint64_t count;        /* READ: numbers that were read before, in pieces; TEXT: strings */
  uint64_t bytes;        /* of data that follow the strings: numbers or strings to be written */
} hdf5_request;

typedef struct {
  scion_status status;
  bool flag; /* HAS: found; ATTRIBUTE, MEMBERS: a list; SHAPE: of whole numbers */
  int dims;
  int64_t shape[SCION_MAX_DIMS];
  int64_t count;  /* ATTRIBUTE, MEMBERS: strings; IDS: open ones */
  uint64_t bytes; /* that follow, a message or strings; READ: that lie in the shared memory */
} hdf5_answer;

#ifndef MSG_NOSIGNAL
#define MSG_NOSIGNAL 0
#endif

/* Sends all parts together, so that the other side wakes up once. False when it is gone. */
static inline bool hdf5_send(int socket, struct iovec *parts, size_t count) {
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

#define HDF5_POLLS 300       /* some 100 microseconds: most answers come sooner than a process that sleeps wakes up */
#define HDF5_MOST_POLLS 60000 /* in vain, for one file: they cost processor time, too, and a forged file can make every answer late */

/* Receives that many bytes. It asks again and again for a moment before it waits, as long as *polls, which counts down those in vain, are
 * left. False when the other side is gone. */
static inline bool hdf5_receive(int socket, void *data, size_t bytes, int *polls) {
  const int before = *polls, least = before > HDF5_POLLS ? before - HDF5_POLLS : 0;
  for (char *to = data; bytes;) {
    ssize_t got = recv(socket, to, bytes, *polls > least ? MSG_DONTWAIT : 0);
    if (got < 0 && (errno == EINTR || (*polls > least && (*polls)-- && (errno == EAGAIN || errno == EWOULDBLOCK)))) continue;
    if (got <= 0) return false;
    to += got;
    bytes -= (size_t)got;
  }
  if (*polls > least) *polls = before;
  return true;
}

#endif
