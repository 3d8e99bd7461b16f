/* Writing all of some bytes to an open file. */
#ifndef SCION_WRITE_FILE_H
#define SCION_WRITE_FILE_H

#include <errno.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <unistd.h>

#define AT_ITS_PLACE ((off_t)-1) /* where the last write to the file ended */

/* Like pwrite, or write. Where a process may not make a file longer (ulimit -f), the system sends SIGXFSZ, which ends the process unless it
 * is handled. Here the signal is held back and taken away, and what remains is the error EFBIG. */
static inline ssize_t write_within_limit(int descriptor, const void *data, size_t bytes, off_t offset) {
  sigset_t too_large, before, waiting;
  sigemptyset(&too_large);
  sigaddset(&too_large, SIGXFSZ);
  sigpending(&waiting);
  bool already = sigismember(&waiting, SIGXFSZ) == 1; /* somebody else's, which stays */
  pthread_sigmask(SIG_BLOCK, &too_large, &before);
  ssize_t written = offset == AT_ITS_PLACE ? write(descriptor, data, bytes) : pwrite(descriptor, data, bytes, offset);
  int error = errno, taken;
  if (written < 0 && error == EFBIG && !already && sigpending(&waiting) == 0 && sigismember(&waiting, SIGXFSZ) == 1) sigwait(&too_large, &taken);
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  errno = error;
  return written;
}

/* Writes all of it from there on, or returns false with errno. */
static inline bool write_file(int descriptor, const void *data, size_t bytes, off_t offset) {
  const size_t piece = (size_t)16 << 20; /* bytes in one call: some systems refuse 2 GB and more */
  for (const char *from = data; bytes;) {
    ssize_t written = write_within_limit(descriptor, from, bytes < piece ? bytes : piece, offset);
    if (written < 0 && errno == EINTR) continue;
    if (written == 0) errno = ENOSPC;
    if (written <= 0) return false;
    from += written;
    bytes -= (size_t)written;
    if (offset != AT_ITS_PLACE) offset += written;
  }
  return true;
}

#endif
