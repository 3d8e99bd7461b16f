/* Why the HDF5 library failed. It calls note_failure for each of its functions that fails, so that no failure is missed: many give a
 * negative number for "no" and for "it could not be found out", and what fails when an object is closed is seen nowhere else. */
#include "process.h"

#include "../system_error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

scion_status hdf5_fail(hdf5_file *file, scion_status status, const char *format, ...) {
  int used = snprintf(file->message, sizeof file->message, "%.700s: ", file->path);
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(file->message + used, sizeof file->message - (size_t)used, format, arguments);
  va_end(arguments);
  return status;
}

/* What a failure is put down to. */
typedef struct {
  char text[200]; /* the innermost reason that the library gives, or the system's words */
  int system;     /* the number of the system's error, 0: it was none */
} reason;

static herr_t look_at_error(unsigned n, const H5E_error2_t *error, void *data) {
  reason *found = data;
  const char *number = error->desc ? strstr(error->desc, "errno = ") : NULL;
  if (n == 0 && error->desc) snprintf(found->text, sizeof found->text, "%s", error->desc);
  if (number && !found->system) found->system = atoi(number + strlen("errno = "));
  return 0;
}

/* The first failure is the one that led to all others. */
static herr_t note_failure(hid_t errors, void *data) {
  int left = errno; /* by the system, of which the driver for streams does not tell the library */
  hdf5_file *file = data;
  reason found = {.text = ""};
  H5Ewalk2(errors, H5E_WALK_UPWARD, look_at_error, &found);
  if (!found.system && no_fault_of_file(left)) found.system = left;
  if (file->failed) return 0;
  file->failed = true;
  file->system = found.system;
  snprintf(file->reason, sizeof file->reason, "%s", found.system ? system_error(found.system) : found.text);
  return 0;
}

void hdf5_begin_request(hdf5_file *file) {
  file->failed = false;
  file->system = 0;
  errno = 0;
  H5Eset_auto2(H5E_DEFAULT, note_failure, file); /* and prints nothing */
}

scion_status hdf5_end_request(hdf5_file *file, scion_status status) {
  if (file->writes && file->failed) return hdf5_fail(file, SCION_WORLD, "writing failed: %s", file->reason);
  if (no_fault_of_file(file->system)) return hdf5_fail(file, SCION_WORLD, "cannot be read: %s", file->reason);
  return status;
}
