/* Reading from a place in a file. By pread and never by mmap: a file that shrinks meanwhile is an error and not a signal. */
#ifndef SCION_READ_FILE_H
#define SCION_READ_FILE_H

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unistd.h>

/* Reads `bytes` bytes from `offset` on; *got is less only where the file ends. False, with errno, where it cannot be read. */
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
