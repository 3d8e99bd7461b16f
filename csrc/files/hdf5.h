/* HDF5 files: reading and writing as much of the format as weights need. Groups by hard links, datasets of numbers that lie
 * within the file, contiguous, compact or in chunks under shuffle and deflate, attributes of strings.
 *
 * The HDF5 library trusts a file's own tables, so that a damaged or forged file can crash it, keep it busy or exhaust the memory. It runs
 * in a process of its own (the program in the folder hdf5), one for each open file, started by posix_spawn. While it reads, its memory and
 * processor time are limited by the file's size (see hdf5/protocol.h). Whatever becomes of that process is an error here. */
#ifndef SCION_HDF5_H
#define SCION_HDF5_H

#include "scion.h"

typedef struct {
  int socket;        /* to the process, -1: closed */
  int64_t process;   /* its number; 0: it is gone */
  int how;           /* it ended, as waitpid says */
  void *shared;      /* memory of shared_bytes bytes, with that process: what it has read */
  size_t shared_bytes;
  bool writes;       /* it writes a new file, without limits */
  uint64_t size;     /* of the file that is read, in bytes: the limits follow it */
  uint64_t requests; /* so far */
  int polls;         /* that are left: see hdf5_receive */
  char *path;
  char *text;        /* the last attribute: `count` strings, each ended by a zero */
  size_t count;
  bool is_list;      /* false: the attribute was one string, no array */
} scion_hdf5;

/* Finds the program beside the library that this code is part of. To be called before the process may change its folder, since the
 * library may have been found by a path that begins in that folder. */
void scion_hdf5_find_program(void);

/* `descriptor`: an open file that is read instead, and whose limits and messages are those of `path`, where it comes from; or -1. */
scion_status scion_hdf5_open(scion_hdf5 *file, const char *path, int descriptor);
void scion_hdf5_close(scion_hdf5 *file); /* idempotent */
/* *found = whether there is an object at that path, or with attribute, whether it has that attribute. */
scion_status scion_hdf5_has(scion_hdf5 *file, const char *path, const char *attribute, bool *found);
/* Reads an attribute into text, count, is_list. One without elements is an empty list, whatever its type. */
scion_status scion_hdf5_attribute(scion_hdf5 *file, const char *path, const char *name);
/* The names of what lies in a group, into text, count, is_list. */
scion_status scion_hdf5_members(scion_hdf5 *file, const char *path);
/* *dims and shape of a dataset that scion_hdf5_read_into can read; *whole = whether its numbers are integers. */
scion_status scion_hdf5_shape(scion_hdf5 *file, const char *path, int *dims, int64_t shape[SCION_MAX_DIMS], bool *whole);
/* Reads a dataset, converted from its precision, into a contiguous f32 tensor of the same shape, which a failure leaves as it was. What
 * is read of one file may take twice its size and 64 MB. */
scion_status scion_hdf5_read_into(scion_hdf5 *file, const char *path, scion_tensor *t);
/* *ids = how many files, groups, datasets, types and attributes are open, for tests. */
scion_status scion_hdf5_open_ids(scion_hdf5 *file, int64_t *ids);

typedef struct {
  const char *path;           /* groups on the way are made */
  const scion_tensor *tensor; /* contiguous f32 */
} scion_hdf5_dataset;

typedef struct {
  const char *path, *name; /* of the object and its attribute */
  const char *text;        /* `count` strings of `width` bytes, padded with zeros; one where it is no list */
  size_t count, width;
  bool is_list;
} scion_hdf5_text;

typedef struct {
  const char *path, *to; /* another name, and what is there already */
} scion_hdf5_link;

/* What a new file holds. */
typedef struct {
  const scion_hdf5_dataset *datasets;
  const scion_hdf5_link *links;
  const scion_hdf5_text *texts;
  size_t dataset_count, link_count, text_count;
} scion_hdf5_contents;

/* Writes a file by scion_new_file: datasets, then links, then attributes. Upon failure an older file is as it was. */
scion_status scion_hdf5_write(const char *path, const scion_hdf5_contents *contents);

#endif
