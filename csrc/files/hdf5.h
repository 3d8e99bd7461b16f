/* What the two halves of reading HDF5 share: hdf5.c, which calls the library, and hdf5_process.c, which has it do so in a process of its
 * own. The functions do what scion.h says of those with scion_ before their names. */
#ifndef SCION_HDF5_H
#define SCION_HDF5_H

#include "scion.h"

#define HDF5_MAX_TEXT ((size_t)4 << 20) /* bytes in one attribute */
#define HDF5_NAME_COST 1024             /* bytes that whoever asks may need for one of its strings */

scion_status hdf5_open(scion_hdf5 *file);
scion_status hdf5_has(scion_hdf5 *file, const char *path, const char *attribute, bool *found);
scion_status hdf5_attribute(scion_hdf5 *file, const char *path, const char *name);
scion_status hdf5_shape(scion_hdf5 *file, const char *path, int *dims, int64_t shape[SCION_MAX_DIMS]);
scion_status hdf5_read_into(scion_hdf5 *file, const char *path, scion_tensor *t);
int64_t hdf5_open_ids(void);

/* Leaves a sentence that begins with the path in file->message and returns `status`. */
scion_status hdf5_fail(scion_hdf5 *file, scion_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

#endif
