/* Vectors that are scaled, added and converted. Whole ones are gone over by the core's threads, if it has lent them. */
#ifndef SCION_MPI_VECTORS_H
#define SCION_MPI_VECTORS_H

#include <stdbool.h>
#include <stdint.h>

#include "scion.h"

typedef scion_status parallel_for(int64_t chunks, scion_chunk_function *fn, void *data); /* see scion_parallel_for */

/* Whose threads the functions below use; NULL: the caller's own. */
void vectors_use(parallel_for *f);

/* to = x * factor, or to += x * factor. False without memory, and then nothing has changed. */
bool vectors_scale(float *to, const float *x, int64_t count, float factor, bool add);
/* The same of bf16 numbers: to = x * factor. */
bool vectors_scale_halves(float *to, const uint16_t *x, int64_t count, float factor);

/* The bf16 numbers among f32 ones: x are such already. By the caller alone. */
void vectors_to_halves(uint16_t *to, const float *x, int64_t count);
void vectors_from_halves(float *to, const uint16_t *x, int64_t count);

#endif
