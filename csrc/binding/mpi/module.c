/* The module scion.mpi as C sees it: messages between the processes that mpirun has started. lua/scion/mpi.lua makes of it what users see.
 * It is a library of its own, which is linked to MPI and not to the core: of binding.h it uses what stands in the header alone. Ranks count
 * from 0, as in MPI. One thread calls MPI, the one that runs Lua. */
#include "binding/binding.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

#include <mpi.h>

#include "mpi/reduction.h"
#include "mpi/vectors.h"
#include "mpi/wait.h"

#define REDUCTION "scion.mpi.reduction"

static MPI_Comm comm = MPI_COMM_NULL; /* a copy of the world, so that nobody else's messages are taken for ours */
static int rank, ranks;
static reduction *under_way; /* whose messages progress() looks after */

/* ---- beginning and end */

#define LOOKS_APART 2e-4 /* seconds between two looks, of which each takes some microseconds */

/* Lets messages travel: the core calls it while it computes, and whoever waits for other messages does, so that the others can end a sum before they
 * hear that this rank has failed. */
static void progress(void) {
  static double last;
  if (!under_way || MPI_Wtime() - last < LOOKS_APART) return;
  reduction_progress(under_way);
  last = MPI_Wtime();
}

static const char *processor(void) {
  static char name[MPI_MAX_PROCESSOR_NAME];
  int length;
  MPI_Get_processor_name(name, &length);
  return name;
}

/* mpi.start(threads) -> rank, ranks, how many ranks this machine has, and how many CPUs, the machine's name. threads: core.parallel_for() */
static int start(lua_State *L) {
  int given, there;
  parallel_for *const *threads = lua_touserdata(L, 1);
  luaL_argcheck(L, lua_islightuserdata(L, 1) && threads, 1, "a pointer to a function expected");
  vectors_use(*threads);
  MPI_Initialized(&there);
  if (!there) {
    MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &given);
    if (given < MPI_THREAD_FUNNELED) return luaL_error(L, "this MPI cannot be used by a process that has several threads");
  }
  if (comm == MPI_COMM_NULL) MPI_Comm_dup(MPI_COMM_WORLD, &comm);
  mpi_while_waiting(progress);
  MPI_Comm here;
  int local;
  MPI_Comm_rank(comm, &rank);
  MPI_Comm_size(comm, &ranks);
  MPI_Comm_split_type(comm, MPI_COMM_TYPE_SHARED, rank, MPI_INFO_NULL, &here);
  MPI_Comm_size(here, &local);
  MPI_Comm_free(&here);
  lua_pushinteger(L, rank);
  lua_pushinteger(L, ranks);
  lua_pushinteger(L, local);
  lua_pushinteger(L, sysconf(_SC_NPROCESSORS_ONLN));
  lua_pushstring(L, processor());
  return 5;
}

/* mpi.finish(): the last call, which all ranks make */
static int finish(lua_State *L) {
  int over;
  (void)L;
  MPI_Finalized(&over);
  if (over || comm == MPI_COMM_NULL) return 0;
  MPI_Comm_free(&comm);
  MPI_Finalize();
  return 0;
}

/* mpi.abort(code): ends all ranks at once */
static int abort_all(lua_State *L) {
  MPI_Abort(comm, (int)luaL_checkinteger(L, 1));
  return 0;
}

/* ---- what rank 0 alone does */

static int kept_stderr = -1;

static int redirect(lua_State *L, int descriptor) {
  int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (nowhere < 0 || dup2(nowhere, descriptor) < 0) return luaL_error(L, "/dev/null: %s", strerror(errno));
  close(nowhere);
  return 0;
}

/* mpi.print_nothing(): what this process prints on standard output is lost from here on */
static int print_nothing(lua_State *L) { return redirect(L, STDOUT_FILENO); }

/* mpi.mute(yes): whether what it writes to standard error is lost */
static int mute(lua_State *L) {
  if (lua_toboolean(L, 1)) {
    if (kept_stderr >= 0) return 0;
    kept_stderr = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 3);
    return redirect(L, STDERR_FILENO);
  }
  if (kept_stderr < 0) return 0;
  dup2(kept_stderr, STDERR_FILENO);
  close(kept_stderr);
  kept_stderr = -1;
  return 0;
}

/* ---- meeting */

/* mpi.meet(place, state, number, same): returns when all ranks have come. Gives lists of what each rank gave, from rank 0: four lists of integers. */
static int meet(lua_State *L) {
  int64_t mine[4] = {luaL_checkinteger(L, 1), luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), luaL_checkinteger(L, 4)};
  int64_t *all = lua_newuserdatauv(L, (size_t)ranks * sizeof mine, 0);
  MPI_Request request;
  MPI_Iallgather(mine, 4, MPI_INT64_T, all, 4, MPI_INT64_T, comm, &request);
  mpi_wait(&request, 1);
  for (int k = 0; k < 4; k++) {
    lua_createtable(L, ranks, 0);
    for (int i = 0; i < ranks; i++) {
      lua_pushinteger(L, all[4 * i + k]);
      lua_rawseti(L, -2, i + 1);
    }
  }
  return 4;
}

/* Makes the bytes those of rank root. */
static void spread(void *data, int64_t bytes, int root) {
  for (int64_t at = 0; at < bytes; at += INT32_MAX) {
    MPI_Request request;
    MPI_Ibcast((char *)data + at, (int)(bytes - at < INT32_MAX ? bytes - at : INT32_MAX), MPI_BYTE, root, comm, &request);
    mpi_wait(&request, 1);
  }
}

/* mpi.tell(root, text) -> the text of that rank; the others' is not read */
static int tell(lua_State *L) {
  int root = (int)luaL_checkinteger(L, 1);
  size_t length = 0;
  const char *text = luaL_optlstring(L, 2, "", &length);
  int64_t size = (int64_t)length;
  spread(&size, sizeof size, root);
  luaL_Buffer buffer;
  char *to = luaL_buffinitsize(L, &buffer, (size_t)size);
  if (rank == root) memcpy(to, text, (size_t)size);
  spread(to, size, root);
  luaL_pushresultsize(&buffer, (size_t)size);
  return 1;
}

/* mpi.ping(bytes, times) -> the shortest time, in seconds, in which so many bytes went from the first rank to the last or back; all ranks call it */
static int ping(lua_State *L) {
  lua_Integer bytes = luaL_checkinteger(L, 1), times = luaL_checkinteger(L, 2);
  luaL_argcheck(L, bytes >= 0 && bytes <= INT32_MAX, 1, "out of range");
  char *memory = lua_newuserdatauv(L, (size_t)bytes + 1, 0);
  memset(memory, 0, (size_t)bytes + 1);
  bool first = rank == 0, last = rank == ranks - 1;
  int other = first ? ranks - 1 : 0;
  double shortest = 0;
  for (lua_Integer i = 0; i < times && first != last; i++) {
    MPI_Request request;
    double began = MPI_Wtime();
    for (int turn = 0; turn < 2; turn++) {
      if (first == (turn == 0)) MPI_Isend(memory, (int)bytes, MPI_BYTE, other, 0, comm, &request);
      else MPI_Irecv(memory, (int)bytes, MPI_BYTE, other, 0, comm, &request);
      MPI_Wait(&request, MPI_STATUS_IGNORE);
    }
    double seconds = (MPI_Wtime() - began) / 2;
    if (i == 0 || seconds < shortest) shortest = seconds;
  }
  spread(&shortest, sizeof shortest, 0);
  lua_pushnumber(L, shortest);
  return 1;
}

/* ---- tensors */

/* The tensor at an argument: a contiguous one, whose bytes are *bytes. */
static scion_tensor *check_tensor(lua_State *L, int argument, int64_t *bytes) {
  scion_tensor *t = luaL_checkudata(L, argument, SCION_TENSOR);
  luaL_argcheck(L, t->data, argument, "the tensor was closed");
  int64_t elements = 1, last = t->dims ? t->shape[t->dims - 1] : 1;
  for (int i = 0; i < t->dims; i++) elements *= t->shape[i];
  luaL_argcheck(L, elements == last || t->row_stride == last, argument, "a contiguous tensor expected");
  *bytes = elements * (t->dtype == SCION_U8 ? 1 : t->dtype == SCION_BF16 ? 2 : 4);
  return t;
}

/* The list of how many rows each rank has, as MPI's counts and, behind them, offsets: a userdata, which remains on the stack. */
static int *counts_of(lua_State *L, int list) {
  luaL_checktype(L, list, LUA_TTABLE);
  int *counts = lua_newuserdatauv(L, 2 * (size_t)ranks * sizeof *counts, 0);
  int64_t at = 0;
  for (int i = 0; i < ranks; i++) {
    lua_rawgeti(L, list, i + 1);
    lua_Integer n = luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    luaL_argcheck(L, n >= 0 && n <= INT32_MAX - at, list, "too many rows");
    counts[i] = (int)n, counts[ranks + i] = (int)at;
    at += n;
  }
  return counts;
}

#define MOST_GATHERS 8

static struct {
  MPI_Request requests[MOST_GATHERS];
  int *counts[MOST_GATHERS]; /* which MPI reads until the end */
  int started;
} gathers;

/* mpi.gather(from, to, rows): begins to = all ranks' from, one behind the other; rows: how many each rank has, a list. Up to 8 are under way
 * together, until mpi.gathered: the caller keeps their tensors. */
static int gather(lua_State *L) {
  int64_t mine, all;
  int *counts = counts_of(L, 3);
  const scion_tensor *from = check_tensor(L, 1, &mine);
  scion_tensor *to = check_tensor(L, 2, &all);
  int64_t rows = counts[ranks - 1] + (int64_t)counts[2 * ranks - 1], unit = rows ? all / rows : 0;
  luaL_argcheck(L, unit <= INT32_MAX && all == rows * unit, 2, "another size than that of all together");
  luaL_argcheck(L, mine == counts[rank] * unit, 1, "another size than was told");
  if (all == 0) return 0; /* on all ranks */
  luaL_argcheck(L, gathers.started < MOST_GATHERS, 1, "too many are under way");
  int *kept = malloc(2 * (size_t)ranks * sizeof *kept);
  if (!kept) return luaL_error(L, "out of memory: values of all ranks");
  memcpy(kept, counts, 2 * (size_t)ranks * sizeof *kept);
  MPI_Datatype piece;
  MPI_Type_contiguous((int)unit, MPI_BYTE, &piece);
  MPI_Type_commit(&piece);
  MPI_Iallgatherv(from->data, kept[rank], piece, to->data, kept, kept + ranks, piece, comm, &gathers.requests[gathers.started]);
  gathers.counts[gathers.started++] = kept;
  MPI_Type_free(&piece); /* once nobody uses it */
  return 0;
}

/* mpi.gathered(): waits until all that were begun are there */
static int gathered(lua_State *L) {
  (void)L;
  mpi_wait(gathers.requests, gathers.started);
  while (gathers.started > 0) free(gathers.counts[--gathers.started]);
  return 0;
}

/* mpi.broadcast(tensor, root): the tensor becomes that of rank root */
static int broadcast(lua_State *L) {
  int64_t bytes;
  const scion_tensor *t = check_tensor(L, 1, &bytes);
  spread(t->data, bytes, (int)luaL_checkinteger(L, 2));
  return 0;
}

/* ---- sums over the parts of a batch: see reduction.h */

static reduction *check_reduction(lua_State *L) { return scion_check_open(L, REDUCTION, "reduction"); }

static int no_memory(lua_State *L) { return luaL_error(L, "out of memory: the sum of gradients over machines"); }

/* mpi.reduction(elements, parts, rounded = 0) -> reduction */
static int new_reduction(lua_State *L) {
  lua_Integer elements = luaL_checkinteger(L, 1), parts = luaL_checkinteger(L, 2), rounded = luaL_optinteger(L, 3, 0);
  luaL_argcheck(L, elements >= 0 && elements < (lua_Integer)1 << 40, 1, "out of range");
  luaL_argcheck(L, parts >= ranks && parts <= 1 << 20, 2, "a rank would have no part");
  luaL_argcheck(L, rounded >= 0 && rounded <= elements, 3, "out of range");
  reduction **r = scion_push_object(L, REDUCTION, sizeof *r);
  *r = reduction_new(comm, elements, parts, rounded);
  return *r ? 1 : no_memory(L);
}

/* r:add(part, at, tensor, factor): adds a tensor times a factor to elements at .. of a part, both from 0 */
static int add(lua_State *L) {
  int64_t bytes;
  reduction *r = check_reduction(L);
  const scion_tensor *t = check_tensor(L, 4, &bytes);
  luaL_argcheck(L, t->dtype == SCION_F32, 4, "an f32 tensor expected");
  lua_Integer part = luaL_checkinteger(L, 2), at = luaL_checkinteger(L, 3);
  if (!reduction_takes(r, part, at, bytes / 4)) return luaL_error(L, "part %d, element %d: out of range, or released", (int)part, (int)at);
  return reduction_add(r, part, at, t->data, bytes / 4, (float)luaL_checknumber(L, 5)) ? 0 : no_memory(L);
}

/* r:open(): begins the sum; nothing more comes for this rank's parts before its last one */
static int open_reduction(lua_State *L) {
  reduction *r = check_reduction(L);
  luaL_argcheck(L, !under_way, 1, "another sum is under way");
  if (!reduction_open(r)) return no_memory(L);
  under_way = r;
  return 0;
}

/* r:release(elements): so many first elements of the part at hand are complete; sends what it can */
static int release(lua_State *L) {
  reduction *r = check_reduction(L);
  luaL_argcheck(L, under_way == r || !reduction_at_last(r), 1, "it is not open");
  return reduction_release(r, luaL_checkinteger(L, 2)) ? 0 : no_memory(L);
}

/* r:finish(): waits for the sum */
static int finish_reduction(lua_State *L) {
  reduction *r = check_reduction(L);
  luaL_argcheck(L, under_way == r, 1, "it is not open");
  reduction_finish(r);
  under_way = NULL;
  return 0;
}

/* r:take(at, tensor, factor): the tensor becomes elements at .. of the sum, times a factor */
static int take(lua_State *L) {
  int64_t bytes;
  reduction *r = check_reduction(L);
  scion_tensor *t = check_tensor(L, 3, &bytes);
  lua_Integer at = luaL_checkinteger(L, 2);
  luaL_argcheck(L, t->dtype == SCION_F32, 3, "an f32 tensor expected");
  if (!reduction_has(r, at, bytes / 4)) return luaL_error(L, "element %d: out of range", (int)at);
  bool good = reduction_take(r, at, t->data, bytes / 4, (float)luaL_checknumber(L, 4));
  if (t->storage) t->storage->version++;
  return good ? 0 : no_memory(L);
}

/* r:forget(): gives up what was added to this step. An open sum is finished first, as all other ranks do. */
static int forget(lua_State *L) {
  reduction *r = check_reduction(L);
  if (under_way == r) reduction_finish(r), under_way = NULL;
  reduction_forget(r);
  return 0;
}

static int close_reduction(lua_State *L) {
  reduction **r = luaL_checkudata(L, 1, REDUCTION);
  if (*r && under_way == *r) return 0; /* MPI may still write to its memory: the process ends */
  reduction_free(*r);
  *r = NULL;
  return 0;
}

/* mpi.progress() -> the function that lets messages travel, for core.meanwhile */
static int get_progress(lua_State *L) {
  static void (*const function)(void) = progress;
  lua_pushlightuserdata(L, (void *)&function);
  return 1;
}

/* mpi.seconds() -> seconds that this process has waited for messages so far; that sums took to travel; and in which it did nothing but wait
 * meanwhile */
static int seconds(lua_State *L) {
  double travelled, waited;
  reduction_seconds(&travelled, &waited);
  lua_pushnumber(L, mpi_seconds_waited());
  lua_pushnumber(L, travelled);
  lua_pushnumber(L, waited);
  return 3;
}

static const luaL_Reg methods[] = {{"add", add}, {"open", open_reduction}, {"release", release},
                                   {"finish", finish_reduction}, {"take", take}, {"forget", forget}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"start", start}, {"finish", finish}, {"abort", abort_all}, {"print_nothing", print_nothing}, {"mute", mute},
                                     {"meet", meet}, {"tell", tell}, {"gather", gather}, {"gathered", gathered}, {"broadcast", broadcast},
                                     {"reduction", new_reduction}, {"progress", get_progress}, {"seconds", seconds}, {"ping", ping}, {NULL, NULL}};

__attribute__((visibility("default"))) int luaopen_scion_mpi(lua_State *L);
int luaopen_scion_mpi(lua_State *L) {
  scion_new_class(L, REDUCTION, close_reduction, methods);
  luaL_newlib(L, functions);
  return 1;
}
