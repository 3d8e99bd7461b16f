/* Threads, the clock, interrupts by Ctrl-C, the terminal, the limit of open files, and the version. */
#include "binding.h"
#include "files/system_error.h"

#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* core.threads() -> number of threads that kernels use; core.threads(n) sets it first */
static int core_threads(lua_State *L) {
  if (!lua_isnoneornil(L, 1)) {
    lua_Integer n = luaL_checkinteger(L, 1);
    luaL_argcheck(L, n >= 1 && n <= SCION_MAX_THREADS, 1, "the number of threads is 1 to 256");
    scion_check(L, scion_set_threads((int)n));
  }
  lua_pushinteger(L, scion_threads());
  return 1;
}

/* core.isa() -> the instruction set in use: "portable", "avx2", "avx512" */
static int core_isa(lua_State *L) {
  lua_pushstring(L, scion_isa_name(scion_isa_in_use()));
  return 1;
}

/* core.clock() -> seconds of a monotonic clock */
static int core_clock(lua_State *L) {
  lua_pushnumber(L, scion_clock());
  return 1;
}

/* ---- interrupts: while they are caught, the first Ctrl-C only sets a flag, which is read between kernels and images; the second one ends the process */

static atomic_int interrupts; /* read by the loaders' workers, too */
static struct sigaction before, before_termination;
static bool catching, termination_too; /* whether SIGTERM counts as Ctrl-C */

static void on_interrupt(int signal_number) {
  if (interrupts++ == 0) return;
  signal(signal_number, SIG_DFL);
  raise(signal_number);
}

bool scion_interrupted(void) { return interrupts > 0; }

/* core.catch_interrupts() -> true. From now on Ctrl-C sets the flag. false if that was the case already. */
static int core_catch_interrupts(lua_State *L) {
  bool begins = !catching;
  if (begins) {
    struct sigaction action = {.sa_handler = on_interrupt};
    sigemptyset(&action.sa_mask);
    interrupts = 0;
    catching = sigaction(SIGINT, &action, &before) == 0;
    if (catching && termination_too) sigaction(SIGTERM, &action, &before_termination);
  }
  lua_pushboolean(L, begins);
  return 1;
}

/* core.release_interrupts() -> whether Ctrl-C was pressed since core.catch_interrupts(). Restores the previous handler. */
static int core_release_interrupts(lua_State *L) {
  lua_pushboolean(L, interrupts > 0);
  if (catching) sigaction(SIGINT, &before, NULL);
  if (catching && termination_too) sigaction(SIGTERM, &before_termination, NULL);
  catching = false;
  interrupts = 0;
  return 1;
}

/* core.hear_termination(): from here on SIGTERM, by which mpirun ends processes, is caught as Ctrl-C is */
static int core_hear_termination(lua_State *L) {
  if (catching) return luaL_error(L, "interrupts are caught already");
  termination_too = true;
  return 0;
}

/* core.interrupt(): as if Ctrl-C was pressed, while it is caught; another machine has heard it */
static int core_interrupt(lua_State *L) {
  (void)L;
  if (catching && interrupts == 0) interrupts = 1;
  return 0;
}

/* At the prompt nothing runs that Ctrl-C could end. The text ends with a prompt, since the line that was begun is still there. */
static void on_interrupt_at_prompt(int signal_number) {
  static const char text[] = "\nNothing runs that Ctrl-C could end; Ctrl-D ends the prompt.\n> ";
  (void)signal_number;
  if (write(STDOUT_FILENO, text, sizeof text - 1) < 0) return;
}

/* core.keep_prompt(): until a line runs, Ctrl-C ends nothing. lua sets its own handlers before a line and after it. */
static int core_keep_prompt(lua_State *L) {
  (void)L;
  struct sigaction action = {.sa_handler = on_interrupt_at_prompt, .sa_flags = SA_RESTART};
  sigemptyset(&action.sa_mask);
  sigaction(SIGINT, &action, NULL);
  return 0;
}

/* core.interrupted() -> whether Ctrl-C was pressed since core.catch_interrupts() */
static int core_interrupted(lua_State *L) {
  lua_pushboolean(L, interrupts > 0);
  return 1;
}

/* core.at_terminal() -> whether standard input is a terminal, at which someone types */
static int core_at_terminal(lua_State *L) {
  lua_pushboolean(L, isatty(STDIN_FILENO));
  return 1;
}

static bool no_terminal;

/* core.no_terminal(): what looks like a terminal is none, since what stands behind it is a file: core.terminal_width gives nil from here on */
static int core_no_terminal(lua_State *L) {
  (void)L;
  no_terminal = true;
  return 0;
}

/* core.terminal_width([stream]) -> columns of the terminal at standard output, or at "stderr" (80 if unknown); nil if that is not a terminal */
static int core_terminal_width(lua_State *L) {
  static const char *const streams[] = {"stdout", "stderr", NULL};
  int stream = luaL_checkoption(L, 1, "stdout", streams) == 0 ? STDOUT_FILENO : STDERR_FILENO;
  struct winsize size = {.ws_col = 0};
  if (no_terminal || !isatty(stream)) return 0;
  lua_pushinteger(L, ioctl(stream, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80);
  return 1;
}

/* core.file_limit() -> what keeps this process from opening another file, and what to do; nil if nothing does */
static int core_file_limit(lua_State *L) {
  int file = open("/", O_RDONLY | O_CLOEXEC), error = file < 0 ? errno : 0;
  if (file >= 0) close(file);
  if (error != EMFILE && error != ENFILE) return 0;
  lua_pushstring(L, system_error(error));
  return 1;
}

/* Ends the threads when the Lua state that loaded the module is closed. If another state still needs them, its next kernel starts them
 * again. */
static int stop_threads(lua_State *L) {
  (void)L;
  scion_threads_stop();
  return 0;
}

/* core.meanwhile(function): a userdata that points to a pointer to a function, which this thread calls again and again while it computes, between
 * two pieces of its work (scion_meanwhile); nil: none is */
static int core_meanwhile(lua_State *L) {
  void (*const *function)(void) = lua_touserdata(L, 1);
  luaL_argcheck(L, lua_isnoneornil(L, 1) || (lua_islightuserdata(L, 1) && function), 1, "a pointer to a function expected");
  scion_meanwhile(function ? *function : NULL);
  return 0;
}

/* core.parallel_for() -> a pointer to a pointer to scion_parallel_for, for modules that are not linked to this one */
static int core_parallel_for(lua_State *L) {
  static scion_status (*const function)(int64_t, scion_chunk_function *, void *) = scion_parallel_for;
  lua_pushlightuserdata(L, (void *)&function);
  return 1;
}

static const luaL_Reg functions[] = {{"threads", core_threads}, {"meanwhile", core_meanwhile}, {"parallel_for", core_parallel_for}, {"isa", core_isa}, {"clock", core_clock},
                                     {"catch_interrupts", core_catch_interrupts}, {"keep_prompt", core_keep_prompt},
                                     {"release_interrupts", core_release_interrupts},
                                     {"interrupted", core_interrupted}, {"interrupt", core_interrupt}, {"hear_termination", core_hear_termination},
                                     {"file_limit", core_file_limit},
                                     {"at_terminal", core_at_terminal},
                                     {"terminal_width", core_terminal_width},
                                     {"no_terminal", core_no_terminal},
                                     {NULL, NULL}};

void scion_open_system(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_pushstring(L, SCION_VERSION);
  lua_setfield(L, -2, "version");
  lua_newuserdatauv(L, 0, 0);
  lua_createtable(L, 0, 1);
  lua_pushcfunction(L, stop_threads);
  lua_setfield(L, -2, "__gc");
  lua_setmetatable(L, -2);
  luaL_ref(L, LUA_REGISTRYINDEX); /* so that it is collected only when the state is closed */
}
