/* Files that appear whole or not at all. */
#include "scion.h"

#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define PIECE ((size_t)16 << 20) /* bytes in one call of write: some systems refuse 2 GB and more */

static scion_status fail(const scion_new_file *file, const char *what) {
  return scion_fail(SCION_WORLD, "%s: %s: %s", file->path, what, strerror(errno));
}

/* Length of the folder's part of a path, its last slash included; 0 for the current folder. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* Makes the temporary file: its name is short, so that it fits wherever the final one does. */
static scion_status create_temporary(scion_new_file *file) {
  static _Atomic unsigned counter;
  size_t folder = folder_length(file->path), size = folder + 64;
  file->temporary = malloc(size);
  if (!file->temporary) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  do {
    snprintf(file->temporary, size, "%.*s.scion-%ld-%u.tmp", (int)folder, file->path, (long)getpid(), atomic_fetch_add(&counter, 1));
    file->descriptor = open(file->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
  } while (file->descriptor < 0 && errno == EEXIST);
  if (file->descriptor >= 0) return SCION_OK;
  scion_status status = fail(file, "cannot be written in its folder");
  free(file->temporary);
  file->temporary = NULL;
  return status;
}

scion_status scion_new_file_open(scion_new_file *file, const char *path) {
  *file = (scion_new_file){.descriptor = -1};
  struct stat older;
  bool exists = stat(path, &older) == 0;
  file->path = exists ? realpath(path, NULL) : strdup(path); /* a link stays one */
  if (!file->path) return scion_fail(SCION_WORLD, "%s: cannot be written: %s", path, strerror(errno));
  scion_status status = SCION_OK;
  if (exists && !S_ISREG(older.st_mode))
    status = scion_fail(SCION_WORLD, "%s: cannot be written: it is not a regular file", path);
  else if (exists && access(path, W_OK) != 0)
    status = fail(file, "cannot be written");
  if (status == SCION_OK) status = create_temporary(file);
  if (status == SCION_OK && exists && fchmod(file->descriptor, older.st_mode & 07777) != 0) status = fail(file, "cannot keep its permissions");
  if (status != SCION_OK) scion_new_file_discard(file);
  return status;
}

scion_status scion_new_file_write(scion_new_file *file, const void *data, size_t bytes) {
  const char *from = data;
  while (bytes) {
    ssize_t written = write(file->descriptor, from, bytes < PIECE ? bytes : PIECE);
    if (written < 0 && errno == EINTR) continue;
    if (written <= 0) return fail(file, "writing failed");
    from += written;
    bytes -= (size_t)written;
  }
  return SCION_OK;
}

/* Makes the new name itself durable. Some file systems cannot, and a folder may be closed to readers: that is no failure. */
static scion_status sync_folder(scion_new_file *file) {
  size_t folder = folder_length(file->path);
  char *name = folder ? strndup(file->path, folder) : strdup(".");
  if (!name) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  int descriptor = open(name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  free(name);
  if (descriptor < 0) return errno == EACCES ? SCION_OK : fail(file, "its folder cannot be opened");
  scion_status status = SCION_OK;
  if (fsync(descriptor) != 0 && errno != EINVAL && errno != ENOTSUP) status = fail(file, "its folder cannot be brought to the disk");
  close(descriptor);
  return status;
}

scion_status scion_new_file_commit(scion_new_file *file) {
  scion_status status = SCION_OK;
  if (fsync(file->descriptor) != 0) status = fail(file, "writing failed");
  if (close(file->descriptor) != 0 && status == SCION_OK && errno != EINTR) status = fail(file, "writing failed");
  file->descriptor = -1;
  if (status == SCION_OK && rename(file->temporary, file->path) != 0) status = fail(file, "cannot be replaced");
  if (status == SCION_OK) {
    free(file->temporary);
    file->temporary = NULL; /* nothing is left to remove */
    status = sync_folder(file);
  }
  scion_new_file_discard(file);
  return status;
}

void scion_new_file_discard(scion_new_file *file) {
  if (file->path && file->descriptor >= 0) close(file->descriptor);
  if (file->temporary) unlink(file->temporary);
  free(file->temporary);
  free(file->path);
  *file = (scion_new_file){.descriptor = -1};
}
