/* What readers and the writer of safetensors agree on. */
#ifndef SCION_FILES_SAFETENSORS_H
#define SCION_FILES_SAFETENSORS_H

#include <stdbool.h>
#include <stdint.h>

#define MAX_HEADER 100000000 /* bytes: the reference reader's limit */
#define HEADER_COST 128      /* bytes of memory that a byte of a forged header may take when it is parsed */

/* Whether a header of so many bytes is too long for a file of that size: parsing it could take more than twice the file and 64 MiB. */
static inline bool header_too_long(uint64_t length, uint64_t size) { return length > (2 * size + ((uint64_t)64 << 20)) / HEADER_COST; }

#endif
