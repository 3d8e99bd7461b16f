/* The entries of a folder: one call a folder, which asks the system about single entries only where the folder does not tell their kind. */
#include "read_file.h"
#include "scion.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

typedef struct {
  size_t at; /* where its name begins in the names */
  const char *name; /* the same once all are there, and the names do not move any more */
  bool link;
} entry;

struct scion_listing {
  char *names;
  size_t used, room;
  entry *entries;
  size_t count, places;
};

/* Makes room for `wanted` more elements in a buffer that grows by half. */
static bool grow(void **buffer, size_t size, size_t used, size_t *room, size_t wanted) {
  if (wanted <= *room - used) return true;
  size_t more = used + wanted + used / 2;
  void *larger = realloc(*buffer, more * size);
  if (!larger) return false;
  *buffer = larger;
  *room = more;
  return true;
}

static bool add(scion_listing *l, const char *name, bool folder, bool link) {
  size_t length = strlen(name);
  void *names = l->names, *entries = l->entries;
  bool room = grow(&names, 1, l->used, &l->room, length + 2);
  l->names = names;
  room = room && grow(&entries, sizeof(entry), l->count, &l->places, 1);
  l->entries = entries;
  if (!room) return false;
  l->entries[l->count++] = (entry){.at = l->used, .link = link};
  memcpy(l->names + l->used, name, length);
  l->used += length;
  if (folder) l->names[l->used++] = '/';
  l->names[l->used++] = '\0';
  return true;
}

/* Whether an entry is a folder, and whether it is a link to one, or to nothing. */
static bool is_folder(DIR *folder, const struct dirent *e, bool *link) {
  struct stat about;
  *link = e->d_type == DT_LNK;
  if (e->d_type != DT_UNKNOWN && e->d_type != DT_LNK) return e->d_type == DT_DIR;
  if (e->d_type == DT_UNKNOWN && fstatat(dirfd(folder), e->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0) *link = S_ISLNK(about.st_mode);
  if (fstatat(dirfd(folder), e->d_name, &about, 0) != 0) return false;
  if (!S_ISDIR(about.st_mode)) *link = false;
  return S_ISDIR(about.st_mode);
}

static int by_name(const void *a, const void *b) { return strcmp(((const entry *)a)->name, ((const entry *)b)->name); }

static scion_status fill(scion_listing *l, DIR *folder, const char *path) {
  for (;;) {
    errno = 0;
    const struct dirent *e = readdir(folder);
    if (!e && errno) return scion_fail(SCION_WORLD, "the folder %s cannot be read: %s", path, system_error(errno));
    if (!e) break;
    if (e->d_name[0] == '.') continue;
    bool link, inner = is_folder(folder, e, &link);
    if (!add(l, e->d_name, inner, link)) return scion_fail(SCION_NO_MEMORY, "out of memory: the names in %s", path);
  }
  for (size_t i = 0; i < l->count; i++) l->entries[i].name = l->names + l->entries[i].at;
  if (l->count) qsort(l->entries, l->count, sizeof *l->entries, by_name);
  return SCION_OK;
}

scion_status scion_listing_new(scion_listing **result, const char *path) {
  *result = NULL;
  DIR *folder = opendir(path);
  if (!folder) {
    bool ours = no_fault_of_file(errno);
    return scion_fail(ours ? SCION_SYSTEM : SCION_WORLD, "the folder %s cannot be read: %s", path, system_error(errno));
  }
  scion_listing *l = calloc(1, sizeof *l);
  scion_status status = l ? fill(l, folder, path) : scion_fail(SCION_NO_MEMORY, "out of memory: the names in %s", path);
  closedir(folder);
  if (status == SCION_OK)
    *result = l;
  else
    scion_listing_free(l);
  return status;
}

const char *scion_listing_name(const scion_listing *l, size_t i, bool *link) {
  if (i >= l->count) return NULL;
  *link = l->entries[i].link;
  return l->entries[i].name;
}

void scion_listing_free(scion_listing *l) {
  if (!l) return;
  free(l->names);
  free(l->entries);
  free(l);
}
