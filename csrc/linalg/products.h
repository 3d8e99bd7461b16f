/* The products of all pairs of columns of a matrix, or of rows, for the files of this folder. */
#ifndef SCION_PRODUCTS_H
#define SCION_PRODUCTS_H

#include <stdbool.h>

#include "scion.h"

/* products = x'x of x [n,d] row by row, [d,d]; or, of rows, xx', [n,n]. Only the lower half is written, column by column. In the threads of
 * scion_parallel_for, with the same bits for any number of them. `what` begins the message where OpenBLAS is not to be had. */
scion_status products_of_pairs(const char *what, const double *x, int n, int d, bool of_rows, double *products);

#endif
