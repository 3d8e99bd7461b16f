/* What the files of the program share: process.c, which answers the core's requests, and read.c and write.c, which call the HDF5 library. */
#ifndef SCION_HDF5_PROCESS_H
#define SCION_HDF5_PROCESS_H

#include "protocol.h"

#include <hdf5.h>

/* The one file that a process has open. */
typedef struct {
  hid_t id;           /* the library's, or -1 */
  char *path;         /* by which messages call it */
  int descriptor;     /* what is read instead of the file at the path, or -1 */
  uint64_t allowance; /* bytes that may still be read */
  char message[1024]; /* of the last call that failed: it begins with the path */
  char *text;         /* the last attribute: `count` strings, each ended by a zero */
  size_t count, used; /* bytes of the strings, while they are gathered */
  bool is_list;       /* false: the attribute was one string, no array */
} hdf5_file;

/* Leaves a sentence that begins with the path in file->message, and returns `status`. */
scion_status hdf5_fail(hdf5_file *file, scion_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));

/* ---- read.c: what ../hdf5.h says of the functions of the same names with scion_ before them */
scion_status hdf5_open(hdf5_file *file);
scion_status hdf5_has(hdf5_file *file, const char *path, const char *attribute, bool *found);
scion_status hdf5_attribute(hdf5_file *file, const char *path, const char *name);
scion_status hdf5_members(hdf5_file *file, const char *path);
scion_status hdf5_shape(hdf5_file *file, const char *path, int *dims, int64_t shape[SCION_MAX_DIMS], bool *whole);
/* Reads a piece of a dataset into `numbers`, which has room for that shape: from number `first` on, which is where the piece before ended.
 * *count = how many. Refuses a dataset of another shape. */
scion_status hdf5_read(hdf5_file *file, const char *path, int dims, const int64_t *shape, size_t first, float *numbers, size_t *count);
int64_t hdf5_open_ids(void);

/* ---- write.c: a file, its datasets, links and attributes, and its end, after which it is whole */
scion_status hdf5_create(hdf5_file *file, const char *place);
scion_status hdf5_write_dataset(hdf5_file *file, const char *path, int dims, const int64_t *shape, const float *numbers);
/* Another name for what lies at `to`. */
scion_status hdf5_write_link(hdf5_file *file, const char *path, const char *to);
/* `count` strings of `width` bytes, padded with zeros; one where it is no list. */
scion_status hdf5_write_text(hdf5_file *file, const char *path, const char *name, bool is_list, size_t count, size_t width, const char *text);
scion_status hdf5_finish(hdf5_file *file);

#endif
