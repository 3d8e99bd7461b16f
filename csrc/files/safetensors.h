/* What readers and the writer of safetensors agree on. */
#ifndef SCION_FILES_SAFETENSORS_H
#define SCION_FILES_SAFETENSORS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MAX_HEADER 100000000 /* bytes: the reference reader's limit */
#define HEADER_COST 128      /* bytes of memory that a byte of a forged header may take when it is parsed, */
#define TEXT_COST 5          /* and one between quotation marks: the header, the parser's buffer that doubles, its string, and Lua's */

/* The memory that parsing a header may take. Long texts, as the history of a training, take far less than what is made of many values. */
static inline uint64_t header_cost(const char *text, size_t length) {
  uint64_t cost = 0;
  bool quoted = false;
  for (size_t i = 0; i < length; i++) {
    cost += quoted && text[i] != '"' ? TEXT_COST : HEADER_COST;
    if (text[i] == '"')
      quoted = !quoted;
    else if (quoted && text[i] == '\\' && i + 1 < length)
      i++, cost += TEXT_COST;
  }
  return cost;
}

/* The memory that a file of a size may ask for. */
static inline uint64_t allowance(uint64_t size) { return 2 * size + ((uint64_t)64 << 20); }

#endif
