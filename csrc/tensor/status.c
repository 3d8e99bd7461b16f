/* The last failure of each thread, as one sentence. */
#include "scion.h"

#include <stdarg.h>
#include <stdio.h>

static _Thread_local char message[1024];

const char *scion_error_message(void) { return message; }

scion_status scion_fail(scion_status status, const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, sizeof message, format, arguments);
  va_end(arguments);
  return status;
}
