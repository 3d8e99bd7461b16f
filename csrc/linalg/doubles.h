/* Matrices in double precision, for the files of this folder. */
#ifndef SCION_DOUBLES_H
#define SCION_DOUBLES_H

#include "scion.h"

/* Room for rows * columns numbers, at least one; NULL if memory is short. */
double *doubles_room(int64_t rows, int64_t columns);

/* An f32 matrix, row by row. */
void doubles_widen(const scion_tensor *t, double *to);

#endif
