/* What the files of the program share: process.c, which answers the core's requests, read.c and write.c, which call the HDF5 library,
 * errors.c, to which the library tells what has failed, and memory.c, from which it gets its memory. */
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
  bool writes;        /* it is a new one */
  char message[1024]; /* of the last call that failed: it begins with the path */
  bool failed;        /* whether a function of the library has failed since the request came */
  char reason[200];   /* of the first one that has */
  int system;         /* the number of the system's error that it had, 0: none */
  char *text;         /* the last attribute: `count` strings, each ended by a zero */
  size_t count, used; /* bytes of the strings, while they are gathered */
  bool is_list;       /* false: the attribute was one string, no array */
} hdf5_file;

/* ---- errors.c */

/* Leaves a sentence that begins with the path in file->message, and returns `status`. */
scion_status hdf5_fail(hdf5_file *file, scion_status status, const char *format, ...) __attribute__((format(printf, 3, 4)));
/* From now on failures of the library are noted. */
void hdf5_begin_request(hdf5_file *file);
/* The status of a request that has come to that one: of a file that is written any failure counts, of one that is read those of the system,
 * which then are the reason whatever the request made of them. */
scion_status hdf5_end_request(hdf5_file *file, scion_status status);

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

/* ---- write.c: a file, its datasets, links and attributes, and its end, after which it is whole. What fails is noted. */
void hdf5_create(hdf5_file *file, const char *place);
void hdf5_write_dataset(hdf5_file *file, const char *path, int dims, const int64_t *shape, const float *numbers);
/* Another name for what lies at `to`. */
void hdf5_write_link(hdf5_file *file, const char *path, const char *to);
/* `count` strings of `width` bytes, padded with zeros; one where it is no list. */
void hdf5_write_text(hdf5_file *file, const char *path, const char *name, bool is_list, size_t count, size_t width, const char *text);
void hdf5_finish(hdf5_file *file);

#endif
