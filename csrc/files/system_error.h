/* Why a system call failed, in words that say what to do where a limit was reached. */
#ifndef SCION_SYSTEM_ERROR_H
#define SCION_SYSTEM_ERROR_H

#include <errno.h>
#include <stdbool.h>
#include <string.h>

/* The words for an error number. */
static inline const char *system_error(int error) {
  if (error == ENFILE) return "too many open files on this machine; raise its limit (sysctl fs.file-max), or end other programs";
  return error == EMFILE ? "too many open files in this process; raise its limit (ulimit -n), or close some" : strerror(error);
}

/* Whether an error is no fault of the file, which then must not pass for a damaged or missing one. */
static inline bool no_fault_of_file(int error) { return error == EMFILE || error == ENFILE || error == ENOMEM || error == EIO; }

/* The error number if a library is not missing, but too many files are open: dlopen tells that in words alone. 0: another reason. */
static inline int library_error(const char *why) {
  return strstr(why, strerror(EMFILE)) ? EMFILE : strstr(why, strerror(ENFILE)) ? ENFILE : 0;
}

#endif
