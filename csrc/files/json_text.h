/* Reading JSON by Jansson, also where memory is short. */
#ifndef SCION_FILES_JSON_TEXT_H
#define SCION_FILES_JSON_TEXT_H

#include <jansson.h>
#include <stdbool.h>

/* As json_loadb, but NULL with *no_memory = true where memory is short. Jansson itself tells that as a wrong text. It may also lose letters
 * of a string whose buffer could not grow, and then return another string, write beyond its buffer or end the process. */
json_t *read_json(const char *text, size_t length, size_t flags, json_error_t *error, bool *no_memory);

#endif
