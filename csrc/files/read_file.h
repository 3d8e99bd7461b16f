/* Opening files to read them, and reading from a place in one. */
#ifndef SCION_READ_FILE_H
#define SCION_READ_FILE_H

#include "system_error.h"

#include <fcntl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>
#include <unistd.h>

/* What to do with a file of which a part is missing. */
#define COPY_AGAIN "download or copy it again"

/* Opens a regular file with those flags (O_RDONLY ..) and tells about it; -1, and *why, where it cannot be opened (errno) or is something
 * else (errno is 0).
 * A pipe that nobody writes to is refused at once, where an ordinary open would wait, and so is /dev/zero, which has no end. */
static inline int open_regular_file(const char *path, int flags, struct stat *about, const char **why) {
  int descriptor = open(path, flags | O_CLOEXEC | O_NONBLOCK, 0666);
  int error = descriptor < 0 || fstat(descriptor, about) != 0 ? errno : 0;
  *why = error                       ? system_error(error)
         : S_ISREG(about->st_mode)   ? NULL
         : S_ISDIR(about->st_mode)   ? "is a folder, not a regular file"
                                     : "not a regular file";
  if (*why && descriptor >= 0) close(descriptor);
  errno = error;
  return *why ? -1 : descriptor;
}

/* Reads `bytes` bytes from `offset` on; *got is less only where the file ends. False, with errno, where it cannot be read. By pread and
 * never by mmap: a file that shrinks meanwhile is an error and not a signal. */
static inline bool read_file_at(int descriptor, void *data, size_t bytes, uint64_t offset, size_t *got) {
  const size_t piece = (size_t)16 << 20;
  *got = 0;
  while (*got < bytes) {
    size_t left = bytes - *got;
    ssize_t now = pread(descriptor, (char *)data + *got, left < piece ? left : piece, (off_t)(offset + *got));
    if (now < 0 && errno == EINTR) continue;
    if (now < 0) return false;
    if (now == 0) break;
    *got += (size_t)now;
  }
  return true;
}

#endif
