/* Zip archives through libzip, which checks each entry that is read to its end against its CRC. */
#include "read_file.h"
#include "scion.h"
#include "write_file.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <zip.h>

#define PIECE ((size_t)1 << 20)
#define MOST_TIMES 4      /* that as many bytes may be inflated as all entries may have */
#define MOST_DIRECTORY ((uint64_t)4 << 20) /* bytes that are read to open an archive: libzip makes several times as much of them */

typedef struct {
  zip_file_t *handle; /* NULL: closed */
  zip_stat_t about;
  uint64_t place; /* how much was read */
} entry_reader;

struct scion_zip {
  zip_t *archive; /* NULL while it is being opened */
  entry_reader last; /* what was read last, and may be read on: what is deflated is unpacked once, and the CRC counts all of it */
  char *path;
  int descriptor;
  uint64_t size, opening; /* bytes of the file, and that were read to open it */
  uint64_t inflated;      /* bytes so far, with those that were skipped */
  zip_int64_t place;
  zip_error_t error; /* of the source */
  int trouble;       /* the error number of a read that failed, or 0: libzip may call it a premature end of the file */
};

/* What is not the archive's fault: SCION_OK where it is. */
static scion_status no_fault_of_archive(const scion_zip *file, zip_error_t *error) {
  if (file->trouble) return scion_fail(SCION_WORLD, "%s: cannot be read: %s", file->path, strerror(file->trouble));
  if (zip_error_code_zip(error) == ZIP_ER_MEMORY) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  return SCION_OK;
}

static scion_status damaged(const scion_zip *file, zip_error_t *error) {
  scion_status status = no_fault_of_archive(file, error);
  /* libzip looks for the end first; that the file begins as an archive does is known already */
  const char *why = zip_error_code_zip(error) == ZIP_ER_NOZIP ? "its end, where the list of its files is, is missing" : zip_error_strerror(error);
  return status != SCION_OK ? status : scion_fail(SCION_WORLD, "%s: a damaged or truncated zip archive: %s; " COPY_AGAIN, file->path, why);
}

static scion_status wrong_entry(const scion_zip *file, const char *name, const char *why) {
  return scion_fail(SCION_WORLD, "%s: '%s' in it cannot be read: %s", file->path, name, why);
}

static scion_status damaged_entry(const scion_zip *file, const char *name, zip_error_t *error) {
  scion_status status = no_fault_of_archive(file, error);
  return status != SCION_OK ? status : wrong_entry(file, name, zip_error_strerror(error));
}

/* ---- the archive */

static zip_int64_t source_failure(scion_zip *file, int what, int why) {
  zip_error_set(&file->error, what, why);
  return -1;
}

static zip_int64_t source_read(scion_zip *file, void *data, zip_uint64_t bytes) {
  size_t got;
  if (!file->archive && (file->opening += bytes) > MOST_DIRECTORY) return source_failure(file, ZIP_ER_READ, EFBIG);
  if (!read_file_at(file->descriptor, data, (size_t)bytes, (uint64_t)file->place, &got))
    return file->trouble = errno, source_failure(file, ZIP_ER_READ, errno);
  file->place += (zip_int64_t)got;
  return (zip_int64_t)got;
}

/* Where libzip gets the file's bytes from: a source of its own would read a directory of any length into memory. */
static zip_int64_t source(void *user, void *data, zip_uint64_t bytes, zip_source_cmd_t command) {
  scion_zip *file = user;
  zip_int64_t place;
  switch (command) {
    case ZIP_SOURCE_OPEN: return file->place = 0;
    case ZIP_SOURCE_READ: return source_read(file, data, bytes);
    case ZIP_SOURCE_SEEK:
      place = zip_source_seek_compute_offset((zip_uint64_t)file->place, file->size, data, bytes, &file->error);
      if (place >= 0) file->place = place;
      return place < 0 ? -1 : 0;
    case ZIP_SOURCE_TELL: return file->place;
    case ZIP_SOURCE_STAT:
      zip_stat_init(data);
      ((zip_stat_t *)data)->size = file->size;
      ((zip_stat_t *)data)->valid = ZIP_STAT_SIZE;
      return sizeof(zip_stat_t);
    case ZIP_SOURCE_ERROR: return zip_error_to_data(&file->error, data, bytes);
    case ZIP_SOURCE_CLOSE:
    case ZIP_SOURCE_FREE: return 0;
    case ZIP_SOURCE_SUPPORTS:
      return zip_source_make_command_bitmap(ZIP_SOURCE_OPEN, ZIP_SOURCE_READ, ZIP_SOURCE_CLOSE, ZIP_SOURCE_STAT, ZIP_SOURCE_ERROR,
                                            ZIP_SOURCE_FREE, ZIP_SOURCE_SEEK, ZIP_SOURCE_TELL, ZIP_SOURCE_SUPPORTS, -1);
    default: return source_failure(file, ZIP_ER_OPNOTSUPP, 0);
  }
}

static scion_status open_archive(scion_zip *file) {
  zip_error_t error;
  zip_error_init(&error);
  errno = 0; /* what is not read for want of memory is no zip archive to libzip; malloc tells */
  zip_source_t *origin = zip_source_function_create(source, file, &error);
  zip_t *archive = origin ? zip_open_from_source(origin, ZIP_RDONLY, &error) : NULL;
  if (origin && !archive) zip_source_free(origin);
  file->archive = archive;
  scion_status status = SCION_OK;
  if (!archive && file->opening > MOST_DIRECTORY)
    status = scion_fail(SCION_WORLD, "%s: a zip archive whose directory is too long", file->path);
  else if (!archive)
    status = errno == ENOMEM ? scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path) : damaged(file, &error);
  zip_error_fini(&error);
  return status;
}

/* What all entries together may inflate to. */
static uint64_t most_inflated(const scion_zip *file) { return 2 * file->size + ((uint64_t)32 << 20); }

/* That all entries have names of their own and sizes, and together do not inflate to far more than the file has bytes. */
static scion_status check_entries(const scion_zip *file) {
  uint64_t left = most_inflated(file);
  for (zip_uint64_t i = 0, n = (zip_uint64_t)zip_get_num_entries(file->archive, 0); i < n; i++) {
    zip_stat_t about;
    const zip_uint64_t needed = ZIP_STAT_NAME | ZIP_STAT_SIZE | ZIP_STAT_COMP_SIZE | ZIP_STAT_COMP_METHOD;
    if (zip_stat_index(file->archive, i, 0, &about) != 0) return damaged(file, zip_get_error(file->archive));
    if ((about.valid & needed) != needed) return scion_fail(SCION_WORLD, "%s: a zip archive that does not tell what is in it", file->path);
    if (zip_name_locate(file->archive, about.name, 0) != (zip_int64_t)i)
      return scion_fail(SCION_WORLD, "%s: a zip archive with two entries '%s'", file->path, about.name);
    if (about.comp_size > file->size) return wrong_entry(file, about.name, "it is truncated");
    if (about.size > left)
      return scion_fail(SCION_WORLD, "%s: a zip archive that would inflate to more than twice its size and 32 MB, at '%s' of %llu bytes",
                        file->path, about.name, (unsigned long long)about.size);
    left -= about.size;
  }
  return SCION_OK;
}

scion_status scion_zip_open(scion_zip **result, const char *path) {
  *result = NULL;
  scion_zip *file = calloc(1, sizeof *file);
  if (!file || !(file->path = strdup(path))) {
    free(file);
    return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  }
  struct stat about;
  scion_status status = SCION_OK;
  zip_error_init(&file->error);
  const char *why;
  file->descriptor = open_regular_file(path, O_RDONLY, &about, &why);
  if (file->descriptor < 0) {
    status = scion_fail(SCION_WORLD, "%s: %s", path, why);
  } else {
    file->size = (uint64_t)about.st_size;
    status = open_archive(file);
  }
  if (status == SCION_OK) status = check_entries(file);
  if (status == SCION_OK)
    *result = file;
  else
    scion_zip_close(file);
  return status;
}

static void close_entry(entry_reader *reader) {
  if (reader->handle) zip_fclose(reader->handle);
  reader->handle = NULL;
}

void scion_zip_close(scion_zip *file) {
  if (!file) return;
  close_entry(&file->last);
  if (file->archive) zip_discard(file->archive);
  if (file->descriptor >= 0) close(file->descriptor);
  zip_error_fini(&file->error);
  free(file->path);
  free(file);
}

bool scion_zip_entry_at(const scion_zip *file, size_t i, scion_zip_entry *entry) {
  zip_stat_t about;
  if (zip_stat_index(file->archive, i, 0, &about) != 0) return false;
  *entry = (scion_zip_entry){about.name, about.size, about.comp_size, about.comp_method == ZIP_CM_STORE};
  return true;
}

/* ---- an entry */

static scion_status open_entry(const scion_zip *file, const char *name, entry_reader *reader) {
  *reader = (entry_reader){0};
  zip_int64_t i = zip_name_locate(file->archive, name, 0);
  if (i < 0) return scion_fail(SCION_WORLD, "%s: has no entry '%s'", file->path, name);
  if (zip_stat_index(file->archive, (zip_uint64_t)i, 0, &reader->about) != 0) return damaged(file, zip_get_error(file->archive));
  if (reader->about.comp_method != ZIP_CM_STORE && reader->about.comp_method != ZIP_CM_DEFLATE) /* others may take any memory to inflate */
    return wrong_entry(file, name, "it is neither stored nor deflated");
  reader->handle = zip_fopen_index(file->archive, (zip_uint64_t)i, 0);
  return reader->handle ? SCION_OK : damaged_entry(file, name, zip_get_error(file->archive));
}

/* Reads what comes next. At the entry's end, asks for one byte more: then libzip compares the CRC, and what inflates to more than was
 * declared gives one. */
static scion_status read_next(scion_zip *file, entry_reader *reader, void *data, size_t bytes) {
  const char *name = reader->about.name;
  for (char *to = data; bytes;) {
    zip_int64_t got = zip_fread(reader->handle, to, bytes);
    if (got < 0) return damaged_entry(file, name, zip_file_get_error(reader->handle));
    if (got == 0) return wrong_entry(file, name, "it is truncated");
    to += got;
    bytes -= (size_t)got;
    reader->place += (uint64_t)got;
    if (reader->about.comp_method != ZIP_CM_STORE && (file->inflated += (uint64_t)got) > MOST_TIMES * most_inflated(file))
      return wrong_entry(file, name, "what is wanted of it lies in such an order that it would be inflated again and again; pack it without compression, as zip -0 does");
  }
  if (reader->place < reader->about.size) return SCION_OK;
  char more;
  zip_int64_t got = zip_fread(reader->handle, &more, 1);
  if (got < 0) return damaged_entry(file, name, zip_file_get_error(reader->handle));
  return got == 0 ? SCION_OK : wrong_entry(file, name, "it is longer than the archive says");
}

/* What is stored can be read from anywhere; what is deflated, from its start on. */
static scion_status skip_to(scion_zip *file, entry_reader *reader, uint64_t offset) {
  if (offset == reader->place) return SCION_OK;
  if (reader->about.comp_method == ZIP_CM_STORE) {
    if (zip_fseek(reader->handle, (zip_int64_t)offset, SEEK_SET) != 0)
      return damaged_entry(file, reader->about.name, zip_file_get_error(reader->handle));
    reader->place = offset;
    return SCION_OK;
  }
  char skipped[16384];
  scion_status status = SCION_OK;
  while (status == SCION_OK && reader->place < offset) {
    uint64_t left = offset - reader->place;
    status = read_next(file, reader, skipped, left < sizeof skipped ? (size_t)left : sizeof skipped);
  }
  return status;
}

scion_status scion_zip_read(scion_zip *file, const char *name, uint64_t offset, scion_tensor *t) {
  if (t->dtype != SCION_U8 || !scion_tensor_contiguous(t)) return scion_fail(SCION_MISUSE, "bytes are read into contiguous u8 tensors");
  uint64_t bytes = (uint64_t)scion_tensor_elements(t);
  entry_reader *reader = &file->last;
  scion_status status = SCION_OK;
  if (!reader->handle || strcmp(reader->about.name, name) != 0 || offset < reader->place) {
    close_entry(reader);
    status = open_entry(file, name, reader);
  }
  if (status == SCION_OK && (bytes > reader->about.size || offset > reader->about.size - bytes))
    status = wrong_entry(file, name, "it ends before that");
  if (status == SCION_OK) status = skip_to(file, reader, offset);
  if (status == SCION_OK) status = read_next(file, reader, t->data, (size_t)bytes);
  if (status != SCION_OK || reader->place == reader->about.size) close_entry(reader);
  return status;
}

scion_status scion_zip_copy(scion_zip *file, const char *name, int descriptor) {
  entry_reader reader;
  char *piece = malloc(PIECE);
  if (!piece) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  scion_status status = open_entry(file, name, &reader);
  while (status == SCION_OK && reader.place < reader.about.size) {
    uint64_t left = reader.about.size - reader.place;
    size_t bytes = left < PIECE ? (size_t)left : PIECE;
    status = read_next(file, &reader, piece, bytes);
    if (status == SCION_OK && !write_file(descriptor, piece, bytes, AT_ITS_PLACE))
      status = scion_fail(SCION_WORLD, "%s: cannot be unpacked: %s", file->path, system_error(errno));
  }
  close_entry(&reader);
  free(piece);
  return status;
}
