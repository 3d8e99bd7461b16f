/* The message of the last failure in each thread. */
#include "scion.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

/* A POSIX key and not _Thread_local: the C library allocates _Thread_local variables of a shared library at a thread's first use and
 * aborts the process if there is no memory. With a key we can report that there is none. */
#define MESSAGE_SIZE 1024
static pthread_key_t key;
static bool have_key;
static void make_key(void) { have_key = pthread_key_create(&key, free) == 0; }

/* This thread's buffer, which is allocated at its first failure (make = true). NULL if there is none, or no memory for it. */
static char *buffer(bool make) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, make_key);
  if (!have_key) return NULL;
  char *message = pthread_getspecific(key);
  if (message || !make || !(message = calloc(1, MESSAGE_SIZE))) return message;
  if (pthread_setspecific(key, message) == 0) return message;
  free(message);
  return NULL;
}

const char *scion_error_message(void) {
  const char *message = buffer(false);
  return message ? message : "out of memory, also for telling what failed";
}

char *scion_list_words(char *text, size_t size, const char *const *words, int count) {
  size_t used = 0;
  for (int i = 0; i < count && used < size; i++)
    used += (size_t)snprintf(text + used, size - used, "%s%s", i == 0 ? "" : i < count - 1 ? ", " : " or ", words[i]);
  return text;
}

scion_status scion_fail(scion_status status, const char *format, ...) {
  char *message = buffer(true);
  if (!message) return status;
  va_list arguments;
  va_start(arguments, format);
  vsnprintf(message, MESSAGE_SIZE, format, arguments);
  va_end(arguments);
  return status;
}
