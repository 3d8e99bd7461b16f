/* Files that appear whole or not at all. A new file is written under a temporary name beside the one it is to have, and renamed when
 * every byte has reached the disk.
 *
 * The temporary file of /folder/net.h5 is called /folder/.net.h5.scion-PID-COUNT. Its writer holds a lock on it (flock) until it is
 * renamed. A process that is killed leaves its temporary file behind; the next write of the same name removes it: when there is no
 * process PID and nobody holds the lock. The lock tells what the number cannot, since containers that share a folder number their
 * processes each for itself. */
#include "scion.h"
#include "system_error.h"
#include "write_file.h"

#include <ctype.h>
#include <dirent.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#define MOST_OF_NAME 180 /* bytes of the file's own name in the temporary one: names of more than 255 bytes are refused by file systems */

static scion_status fail(const scion_new_file *file, const char *what) {
  return scion_fail(SCION_WORLD, "%s: %s: %s", file->path, what, system_error(errno));
}

/* Length of the folder's part of a path, its last slash included; 0 for the current folder. */
static size_t folder_length(const char *path) {
  const char *slash = strrchr(path, '/');
  return slash ? (size_t)(slash - path) + 1 : 0;
}

/* The folder of a path, to be freed; NULL without memory. */
static char *folder_of(const char *path) {
  size_t length = folder_length(path);
  return length ? strndup(path, length) : strdup(".");
}

/* ---- temporary files that a killed process left behind */

/* What the temporary names of a path begin with, without the folder; returns its length. */
static int prefix_of(const char *path, char prefix[256]) {
  return snprintf(prefix, 256, ".%.*s.scion-", MOST_OF_NAME, path + folder_length(path));
}

/* Whether a name is the prefix, the number of a process that is no more, and a count. */
static bool left_behind(const char *name, const char *prefix, int length) {
  if (strncmp(name, prefix, (size_t)length) != 0 || !isdigit((unsigned char)name[length])) return false;
  char *rest;
  errno = 0;
  long process = strtol(name + length, &rest, 10);
  if (errno != 0 || process < 1 || process != (pid_t)process || *rest != '-') return false;
  return kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* Removes what is left of a folder's open temporary file, unless somebody holds its lock. */
static void remove_unlocked(int folder, const char *name) {
  int descriptor = openat(folder, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (descriptor < 0) return;
  if (flock(descriptor, LOCK_EX | LOCK_NB) == 0) unlinkat(folder, name, 0);
  close(descriptor);
}

/* Best effort: what cannot be removed, stays, and does no harm. */
static void sweep(const char *path) {
  char prefix[256], *name = folder_of(path);
  int length = prefix_of(path, prefix);
  DIR *folder = name ? opendir(name) : NULL;
  free(name);
  if (!folder) return;
  for (const struct dirent *found; (found = readdir(folder));)
    if (left_behind(found->d_name, prefix, length)) remove_unlocked(dirfd(folder), found->d_name);
  closedir(folder);
}

/* ---- a new file */

static bool writes_nothing;

void scion_write_no_files(bool none) { writes_nothing = none; }

/* A file that takes all that is written to it, and of which nothing remains. */
static scion_status open_nowhere(scion_new_file *file, const char *path) {
  file->path = strdup(path);
  if (!file->path) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", path);
  file->nowhere = true;
  file->descriptor = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (file->descriptor >= 0) return SCION_OK;
  scion_status status = fail(file, "cannot be written");
  scion_new_file_discard(file);
  return status;
}

/* Makes the folders of a path that are missing; false with errno where one cannot be made. */
static bool make_folders(char *path) {
  struct stat there;
  bool made = true;
  for (char *slash = strchr(path + 1, '/'); slash && made; slash = strchr(slash + 1, '/')) {
    *slash = 0;
    made = stat(path, &there) == 0 || mkdir(path, 0777) == 0 || errno == EEXIST;
    *slash = '/';
  }
  return made;
}

static int open_new(const char *path) { return open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666); }

static scion_status create_temporary(scion_new_file *file) {
  static _Atomic unsigned counter;
  char prefix[256];
  size_t folder = folder_length(file->path), size = folder + sizeof prefix + 64;
  prefix_of(file->path, prefix);
  file->temporary = malloc(size);
  if (!file->temporary) return scion_fail(SCION_NO_MEMORY, "%s: out of memory", file->path);
  do {
    snprintf(file->temporary, size, "%.*s%s%ld-%u", (int)folder, file->path, prefix, (long)getpid(), atomic_fetch_add(&counter, 1));
    file->descriptor = open_new(file->temporary);
    if (file->descriptor < 0 && errno == ENOENT && make_folders(file->temporary)) file->descriptor = open_new(file->temporary);
  } while (file->descriptor < 0 && errno == EEXIST);
  if (file->descriptor >= 0) {
    flock(file->descriptor, LOCK_EX | LOCK_NB); /* where a file system has no locks, the number of the process has to do */
    return SCION_OK;
  }
  scion_status status = fail(file, "cannot be written in its folder");
  free(file->temporary);
  file->temporary = NULL;
  return status;
}

/* The path that a link leads to, whether there is a file or not; any other path as it is. To be freed; NULL with errno. A link stays
 * one: its target is replaced. */
static char *follow_links(const char *path) {
  char *at = strdup(path), target[4096];
  for (int links = 0; at; links++) {
    ssize_t length = readlink(at, target, sizeof target - 1);
    if (length < 0) return at; /* no link */
    size_t folder = target[0] == '/' ? 0 : folder_length(at);
    char *next = links < 40 ? malloc(folder + (size_t)length + 1) : (errno = ELOOP, NULL);
    if (next) memcpy(next, at, folder), memcpy(next + folder, target, (size_t)length), next[folder + (size_t)length] = 0;
    free(at);
    at = next;
  }
  return NULL;
}

scion_status scion_new_file_open(scion_new_file *file, const char *path) {
  *file = (scion_new_file){.descriptor = -1};
  struct stat older;
  if (writes_nothing) return open_nowhere(file, path);
  bool exists = stat(path, &older) == 0;
  file->path = follow_links(path);
  if (!file->path) return scion_fail(SCION_WORLD, "%s: cannot be written: %s", path, system_error(errno));
  scion_status status = SCION_OK;
  if (exists && !S_ISREG(older.st_mode))
    status = scion_fail(SCION_WORLD, "%s: cannot be written: it is not a regular file", path);
  else if (exists && access(path, W_OK) != 0)
    status = fail(file, "cannot be written");
  if (status == SCION_OK) {
    sweep(file->path);
    status = create_temporary(file);
  }
  if (status == SCION_OK && exists && fchmod(file->descriptor, older.st_mode & 07777) != 0) status = fail(file, "cannot keep its permissions");
  if (status != SCION_OK) scion_new_file_discard(file);
  return status;
}

scion_status scion_new_file_write(scion_new_file *file, const void *data, size_t bytes) {
  return write_file(file->descriptor, data, bytes, AT_ITS_PLACE) ? SCION_OK : fail(file, "writing failed");
}

/* Brings the new name itself to the disk. Some file systems cannot, and a folder may be closed to readers: neither is a failure. */
static scion_status sync_folder(scion_new_file *file) {
  char *name = folder_of(file->path);
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
  if (file->nowhere) return scion_new_file_discard(file), SCION_OK;
  if (fsync(file->descriptor) != 0) status = fail(file, "writing failed");
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
  if (file->temporary) unlink(file->temporary); /* while the lock is held: afterwards the next writer may remove it */
  if (file->path && file->descriptor >= 0) close(file->descriptor);
  free(file->temporary);
  free(file->path);
  *file = (scion_new_file){.descriptor = -1};
}

scion_status scion_write_file(const char *path, const void *bytes, size_t size) {
  scion_new_file file;
  scion_status status = scion_new_file_open(&file, path);
  if (status == SCION_OK) status = scion_new_file_write(&file, bytes, size);
  if (status == SCION_OK) return scion_new_file_commit(&file);
  scion_new_file_discard(&file);
  return status;
}
