/* OpenBLAS, for the files of this folder. */
#ifndef SCION_OPENBLAS_H
#define SCION_OPENBLAS_H

#include "scion.h"

/* *function = OpenBLAS's function of that name. The first call loads the library and sets it to one thread: its own threads would change
 * results with their number. SCION_WORLD if it cannot be loaded, or lacks the function; `what` begins the message. */
scion_status openblas_find(const char *what, const char *name, void **function);

#endif
