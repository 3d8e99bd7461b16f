/* Faults on order, for tests: a library that is loaded before all others (LD_PRELOAD) and stands in for calls of the C library that may
 * fail. Lua gets at it by require "spec.faults" in the same process, and says which call is to fail: the Nth of its kind from now on, once
 * or from then on. Each kind has one error, which is what a user would most likely meet:
 *   memory  malloc and its relatives, mmap           ENOMEM   calls from C: Scion's core and the libraries that it uses
 *   lua     the same, from the interpreter           ENOMEM   shrinking a block never fails, as with a real allocator
 *   write   write, pwrite, fwrite, ftruncate, ..     ENOSPC
 *   sync    fsync, fdatasync                         EIO
 *   rename  rename                                   EIO
 *   open    open, openat, fopen                      EMFILE
 *   read    read, pread, fread                       EIO
 *   close   close, fclose                            EIO      they close all the same, as Linux does
 *   thread  pthread_create                           EAGAIN
 *   process posix_spawn, socketpair, memfd_create    EAGAIN
 * The same kinds with "hdf5 " before them are of the program that calls the HDF5 library, which gets this library by LD_PRELOAD, too, and
 * maps the counters that it finds by the variable SCION_FAULTS.
 * It also counts the blocks of memory that are in use and were not allocated by the interpreter or the dynamic linker, so that a leak shows.
 *
 * Memory that the dynamic linker asks for is spared, and counted as such: it is for variables that each thread has of its own, in libraries
 * that were loaded late, such as libjpeg's, and the process ends where there is none. OpenBLAS ends the process, too; it is loaded by the first
 * matrix product, and no test with faults computes one. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <link.h>
#include <lua.h>
#include <malloc.h>
#include <pthread.h>
#include <spawn.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define PUBLIC __attribute__((visibility("default")))
#define CALLER __builtin_return_address(0)

/* ---- which call fails */

enum { MEMORY, LUA, WRITE, SYNC, RENAME, OPEN, READ, CLOSE, THREAD, PROCESS, KINDS };
static const char *const names[] = {"memory", "lua", "write", "sync", "rename", "open", "read", "close", "thread", "process",
                                    "hdf5 memory", "hdf5 lua", "hdf5 write", "hdf5 sync", "hdf5 rename", "hdf5 open", "hdf5 read", "hdf5 close",
                                    "hdf5 thread", "hdf5 process", NULL};
static const int errors[KINDS] = {ENOMEM, ENOMEM, ENOSPC, EIO, EIO, EMFILE, EIO, EIO, EAGAIN, EAGAIN};

/* What is to fail, and what was counted, in this process and in the other one. */
typedef struct {
  atomic_bool armed; /* calls are counted */
  atomic_long calls[2 * KINDS], failed;
  atomic_int wanted_kind; /* -1: none */
  atomic_long wanted; /* which call of that kind fails */
  atomic_bool forever; /* and all after it */
  char culprit[200]; /* where the first one that failed was called */
} order;

#define SHARED "SCION_FAULTS" /* the variable: a path of memory with that struct, for the other process */
static order own = {.wanted_kind = -1}, *of = &own;
static int kinds_from; /* of the kinds of this process: 0 or KINDS */

/* "core.so+0x1234 (scion_function)" of an address in code, for addr2line. */
static void place_of_code(void *address, char *text, size_t size) {
  Dl_info about;
  snprintf(text, size, "?");
  if (!address || !dladdr(address, &about)) return;
  const char *slash = strrchr(about.dli_fname, '/');
  snprintf(text, size, "%s+0x%zx (%s)", slash ? slash + 1 : about.dli_fname, (size_t)((uintptr_t)address - (uintptr_t)about.dli_fbase),
           about.dli_sname ? about.dli_sname : "?");
}

/* Counts a call; true, with errno, where it is to fail. */
static bool fails(int kind, void *caller) {
  if (!atomic_load(&of->armed)) return false;
  long number = atomic_fetch_add(&of->calls[kinds_from + kind], 1) + 1, at = atomic_load(&of->wanted);
  if (kinds_from + kind != atomic_load(&of->wanted_kind) || number < at || (number > at && !atomic_load(&of->forever))) return false;
  if (atomic_fetch_add(&of->failed, 1) == 0) place_of_code(caller, of->culprit, sizeof of->culprit);
  errno = errors[kind];
  return true;
}

/* Where a library or program is in memory. */
typedef struct {
  uintptr_t begin, end, inside; /* an address in it, by which it is found */
} range;

static bool is_inside(const range *r, const void *address) { return (uintptr_t)address >= r->begin && (uintptr_t)address < r->end; }

static int find(struct dl_phdr_info *about, size_t size, void *result) {
  (void)size;
  range *r = result;
  uintptr_t begin = UINTPTR_MAX, end = 0;
  for (int i = 0; i < about->dlpi_phnum; i++) {
    if (about->dlpi_phdr[i].p_type != PT_LOAD) continue;
    uintptr_t from = about->dlpi_addr + about->dlpi_phdr[i].p_vaddr, to = from + about->dlpi_phdr[i].p_memsz;
    if (from < begin) begin = from;
    if (to > end) end = to;
  }
  if (r->inside < begin || r->inside >= end) return 0;
  r->begin = begin, r->end = end;
  return 1;
}

static bool find_range(range *r, uintptr_t inside) {
  r->inside = inside;
  return inside != 0 && dl_iterate_phdr(find, r) == 1;
}

static range lua, linker; /* the interpreter; the dynamic linker */

__attribute__((constructor)) static void find_linker(void) { find_range(&linker, getauxval(AT_BASE)); }

/* ---- blocks of memory in use, by their address: a table with open addressing, of the process's lifetime */

#define PLACES ((size_t)1 << 20)
typedef struct {
  void *block; /* NULL: a free place */
  void *caller;
} entry;
static entry *entries;
static size_t live; /* places that are taken */
static bool overflowed;
static pthread_mutex_t of_entries = PTHREAD_MUTEX_INITIALIZER;

static size_t place_of(const void *block) { return ((uintptr_t)block >> 4) * 0x9E3779B97F4A7C15u % PLACES; }

static void note(void *block, void *caller) {
  if (!block || !entries || is_inside(&lua, caller)) return;
  pthread_mutex_lock(&of_entries);
  size_t i = place_of(block);
  while (entries[i].block) i = (i + 1) % PLACES;
  if (live < PLACES / 2) live++, entries[i] = (entry){block, caller};
  else overflowed = true;
  pthread_mutex_unlock(&of_entries);
}

static void forget(const void *block) {
  if (!block || !entries) return;
  pthread_mutex_lock(&of_entries);
  size_t i = place_of(block);
  while (entries[i].block && entries[i].block != block) i = (i + 1) % PLACES;
  if (entries[i].block) {
    live--;
    for (size_t next = (i + 1) % PLACES; entries[next].block; next = (next + 1) % PLACES) { /* what had to go further takes the place */
      size_t home = place_of(entries[next].block);
      bool stays = i < next ? home > i && home <= next : home > i || home <= next;
      if (!stays) entries[i] = entries[next], i = next;
    }
    entries[i].block = NULL;
  }
  pthread_mutex_unlock(&of_entries);
}

/* ---- the functions behind, each looked up at its first call, which allocates nothing where it is there */

#define REAL(name) \
  static __typeof__(name) *_Atomic found_##name; \
  static __typeof__(name) *real_##name(void) { \
    __typeof__(name) *real = atomic_load(&found_##name); \
    if (!real) { \
      void *address = dlsym(RTLD_NEXT, #name); \
      memcpy(&real, &address, sizeof real); \
      atomic_store(&found_##name, real); \
    } \
    return real; \
  }

/* ---- memory */

REAL(malloc)
REAL(calloc)
REAL(realloc)
REAL(aligned_alloc)
REAL(memalign)
REAL(posix_memalign)
REAL(free)

static atomic_long spared;

/* Whether an allocation is to fail. */
static bool refuses(void *caller) { return fails(is_inside(&lua, caller) ? LUA : MEMORY, caller); }

/* Whether it is the linker's. Then nothing is done but the call of the real function, which so seems to be called by the linker: the
 * sanitizers, which look for leaks, know by that what is none. */
static bool spares(void *caller) {
  real_free(); /* looked up before a block is there that looking it up might free */
  if (!is_inside(&linker, caller)) return false;
  if (atomic_load(&of->armed)) atomic_fetch_add(&spared, 1);
  return true;
}

PUBLIC void *malloc(size_t bytes) {
  if (spares(CALLER)) return real_malloc()(bytes);
  if (refuses(CALLER)) return NULL;
  void *block = real_malloc()(bytes);
  note(block, CALLER);
  return block;
}

PUBLIC void *calloc(size_t count, size_t bytes) {
  if (spares(CALLER)) return real_calloc()(count, bytes);
  if (refuses(CALLER)) return NULL;
  void *block = real_calloc()(count, bytes);
  note(block, CALLER);
  return block;
}

PUBLIC void *realloc(void *old, size_t bytes) {
  if (spares(CALLER)) return real_realloc()(old, bytes);
  bool smaller = old && is_inside(&lua, CALLER) && bytes <= malloc_usable_size(old);
  if (!smaller && refuses(CALLER)) return NULL;
  forget(old); /* before another thread may be given its address */
  void *block = real_realloc()(old, bytes);
  note(block ? block : bytes ? old : NULL, CALLER);
  return block;
}

PUBLIC void *aligned_alloc(size_t alignment, size_t bytes) {
  if (refuses(CALLER)) return NULL;
  void *block = real_aligned_alloc()(alignment, bytes);
  note(block, CALLER);
  return block;
}

PUBLIC void *memalign(size_t alignment, size_t bytes) {
  if (refuses(CALLER)) return NULL;
  void *block = real_memalign()(alignment, bytes);
  note(block, CALLER);
  return block;
}

PUBLIC int posix_memalign(void **block, size_t alignment, size_t bytes) {
  if (refuses(CALLER)) return ENOMEM;
  int result = real_posix_memalign()(block, alignment, bytes);
  if (result == 0) note(*block, CALLER);
  return result;
}

PUBLIC void free(void *block) {
  forget(block);
  real_free()(block);
}

/* ---- everything else */

#define STAND_IN(kind, failure, type, name, parameters, arguments) \
  REAL(name) \
  PUBLIC type name parameters { return fails(kind, CALLER) ? (failure) : real_##name() arguments; }

STAND_IN(MEMORY, MAP_FAILED, void *, mmap, (void *at, size_t bytes, int protection, int flags, int file, off_t offset),
         (at, bytes, protection, flags, file, offset))
STAND_IN(WRITE, -1, ssize_t, write, (int file, const void *data, size_t bytes), (file, data, bytes))
STAND_IN(WRITE, -1, ssize_t, pwrite, (int file, const void *data, size_t bytes, off_t offset), (file, data, bytes, offset))
STAND_IN(WRITE, -1, int, ftruncate, (int file, off_t bytes), (file, bytes))
STAND_IN(WRITE, ENOSPC, int, posix_fallocate, (int file, off_t offset, off_t bytes), (file, offset, bytes))
/* A test does not wait for the disk: what survives a crash of the machine is not what it looks at. */
PUBLIC int fsync(int file) { return fails(SYNC, CALLER) ? -1 : fcntl(file, F_GETFD) < 0 ? -1 : 0; }
PUBLIC int fdatasync(int file) { return fsync(file); }
STAND_IN(RENAME, -1, int, rename, (const char *from, const char *to), (from, to))
STAND_IN(READ, -1, ssize_t, read, (int file, void *data, size_t bytes), (file, data, bytes))
STAND_IN(READ, -1, ssize_t, pread, (int file, void *data, size_t bytes, off_t offset), (file, data, bytes, offset))
STAND_IN(THREAD, EAGAIN, int, pthread_create, (pthread_t *thread, const pthread_attr_t *how, void *(*run)(void *), void *data),
         (thread, how, run, data))
STAND_IN(PROCESS, EAGAIN, int, posix_spawn, (pid_t *process, const char *path, const posix_spawn_file_actions_t *actions,
         const posix_spawnattr_t *attributes, char *const arguments[], char *const environment[]),
         (process, path, actions, attributes, arguments, environment))
STAND_IN(PROCESS, -1, int, socketpair, (int domain, int type, int protocol, int sockets[2]), (domain, type, protocol, sockets))
STAND_IN(PROCESS, -1, int, memfd_create, (const char *name, unsigned flags), (name, flags))
STAND_IN(OPEN, NULL, FILE *, fopen, (const char *path, const char *how), (path, how))
STAND_IN(OPEN, NULL, FILE *, fopen64, (const char *path, const char *how), (path, how)) /* the same, as the interpreter calls it */

REAL(open)
PUBLIC int open(const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return fails(OPEN, CALLER) ? -1 : real_open()(path, flags, mode);
}

REAL(openat)
PUBLIC int openat(int folder, const char *path, int flags, ...) {
  va_list more;
  va_start(more, flags);
  mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
  va_end(more);
  return fails(OPEN, CALLER) ? -1 : real_openat()(folder, path, flags, mode);
}

REAL(close)
PUBLIC int close(int file) {
  bool fault = fails(CLOSE, CALLER);
  int result = real_close()(file);
  return fault ? errno = EIO, -1 : result;
}

/* Streams of files alone: what a test prints is not what it tests. A stream is marked, as one that had an error is: some ask for that. */
static bool is_file(FILE *stream) {
  struct stat about;
  return fstat(fileno(stream), &about) == 0 && S_ISREG(about.st_mode);
}

static size_t mark(FILE *stream) {
  stream->_flags |= _IO_ERR_SEEN;
  return 0;
}

REAL(fwrite)
PUBLIC size_t fwrite(const void *data, size_t size, size_t count, FILE *stream) {
  return atomic_load(&of->armed) && is_file(stream) && fails(WRITE, CALLER) ? mark(stream) : real_fwrite()(data, size, count, stream);
}

REAL(fread)
PUBLIC size_t fread(void *data, size_t size, size_t count, FILE *stream) {
  return atomic_load(&of->armed) && is_file(stream) && fails(READ, CALLER) ? mark(stream) : real_fread()(data, size, count, stream);
}

REAL(fclose)
PUBLIC int fclose(FILE *stream) {
  bool fault = atomic_load(&of->armed) && is_file(stream) && fails(CLOSE, CALLER);
  int result = real_fclose()(stream);
  return fault ? errno = EIO, EOF : result;
}

/* ---- for Lua */

/* faults.arm(kind or nil, nth = 1, forever = false): calls are counted from now on, and that one fails; with nil none does. */
static int faults_arm(lua_State *L) {
  int kind = lua_isnoneornil(L, 1) ? -1 : luaL_checkoption(L, 1, NULL, names);
  atomic_store(&of->wanted_kind, kind);
  atomic_store(&of->wanted, (long)luaL_optinteger(L, 2, 1));
  atomic_store(&of->forever, lua_toboolean(L, 3));
  for (int i = 0; i < 2 * KINDS; i++) atomic_store(&of->calls[i], 0);
  atomic_store(&of->failed, 0);
  atomic_store(&spared, 0);
  strcpy(of->culprit, "?");
  atomic_store(&of->armed, true);
  return 0;
}

/* faults.disarm() -> how many calls failed. It allocates nothing, so that it works where nothing can be allocated. */
static int faults_disarm(lua_State *L) {
  atomic_store(&of->armed, false);
  lua_pushinteger(L, atomic_load(&of->failed));
  return 1;
}

/* faults.calls() -> how many calls of each kind there were since faults.arm; `spared`: how many more that never fail */
static int faults_calls(lua_State *L) {
  lua_newtable(L);
  lua_pushinteger(L, atomic_load(&spared));
  lua_setfield(L, -2, "spared");
  for (int i = 0; i < 2 * KINDS; i++) {
    lua_pushinteger(L, atomic_load(&of->calls[i]));
    lua_setfield(L, -2, names[i]);
  }
  return 1;
}

/* faults.culprit() -> where the first call that failed stands */
static int faults_culprit(lua_State *L) {
  lua_pushstring(L, of->culprit);
  return 1;
}

/* faults.blocks() -> how many blocks of memory are in use that neither the interpreter nor the linker has allocated */
static int faults_blocks(lua_State *L) {
  if (overflowed) return luaL_error(L, "too many blocks to count");
  pthread_mutex_lock(&of_entries);
  lua_pushinteger(L, (lua_Integer)live); /* which allocates nothing */
  pthread_mutex_unlock(&of_entries);
  return 1;
}

/* faults.by_caller() -> how many of them were allocated at each place */
static int faults_by_caller(lua_State *L) {
  lua_newtable(L);
  for (size_t i = 0; i < PLACES; i++) {
    pthread_mutex_lock(&of_entries);
    entry one = entries[i];
    pthread_mutex_unlock(&of_entries);
    if (!one.block) continue;
    char text[200];
    place_of_code(one.caller, text, sizeof text);
    lua_pushstring(L, text);
    lua_pushvalue(L, -1);
    lua_Integer before = lua_rawget(L, -3) == LUA_TNUMBER ? lua_tointeger(L, -1) : 0;
    lua_pop(L, 1);
    lua_pushinteger(L, before + 1);
    lua_rawset(L, -3);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"arm", faults_arm}, {"disarm", faults_disarm}, {"calls", faults_calls}, {"culprit", faults_culprit},
                                     {"blocks", faults_blocks}, {"by_caller", faults_by_caller}, {NULL, NULL}};

/* Memory for both processes, and the variable by which the other one finds it; NULL where there is none. */
static order *new_shared(void) {
  char path[64];
  int memory = real_memfd_create()("faults", MFD_CLOEXEC);
  if (memory < 0 || real_ftruncate()(memory, sizeof(order)) != 0) return NULL;
  void *made = real_mmap()(NULL, sizeof(order), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  snprintf(path, sizeof path, "/proc/%ld/fd/%d", (long)getpid(), memory);
  return made == MAP_FAILED || setenv(SHARED, path, 1) != 0 ? NULL : made;
}

/* In the program that calls the HDF5 library. */
__attribute__((constructor)) static void join(void) {
  const char *path = strcmp(program_invocation_short_name, "hdf5_process") == 0 ? getenv(SHARED) : NULL;
  int memory = path ? real_open()(path, O_RDWR | O_CLOEXEC) : -1;
  void *found = memory < 0 ? MAP_FAILED : real_mmap()(NULL, sizeof(order), PROT_READ | PROT_WRITE, MAP_SHARED, memory, 0);
  if (memory >= 0) real_close()(memory);
  if (found != MAP_FAILED) of = found, kinds_from = KINDS;
}

PUBLIC int luaopen_spec_faults(lua_State *L);
int luaopen_spec_faults(lua_State *L) {
  order *shared = of == &own ? new_shared() : of;
  if (!shared) return luaL_error(L, "no memory to share");
  of = shared;
  if (!entries) {
    /* by name, since programs without Lua load this library, too */
    if (!find_range(&lua, (uintptr_t)dlsym(RTLD_DEFAULT, "lua_newstate")) || !linker.end) return luaL_error(L, "Lua or the linker is not found");
    entry *made = real_mmap()(NULL, PLACES * sizeof *made, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (made == MAP_FAILED) return luaL_error(L, "no memory for a table of blocks");
    entries = made;
  }
  Dl_info about;
  void *first = dlsym(RTLD_DEFAULT, "malloc");
  if (!dladdr(first, &about) || !strstr(about.dli_fname, "faults")) return luaL_error(L, "this library is not preloaded");
  luaL_newlib(L, functions);
  return 1;
}
