/* The pool: every chunk once, for any number of threads, from any thread, after a fork, after a stop. To be run under
 * ThreadSanitizer as well. */
#include "test.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#if defined(__SANITIZE_THREAD__)
/* Its own restriction: a child of several threads may start none, unless told so. */
__attribute__((visibility("default"))) const char *__tsan_default_options(void);
const char *__tsan_default_options(void) { return "die_after_fork=0"; }
#endif

#define MOST 3000

typedef struct {
  int runs[MOST]; /* plain memory: ThreadSanitizer sees whether the pool orders it */
  atomic_int wrong_scratch, unblocked_signals;
  pthread_t caller;
} count_job;

static void count_chunk(void *data, int64_t chunk, void *scratch) {
  count_job *job = data;
  int64_t *mine = scratch, last = (int64_t)(SCION_SCRATCH_BYTES / sizeof *mine) - 1;
  mine[0] = mine[last] = chunk;
  job->runs[chunk]++;
  if (!pthread_equal(pthread_self(), job->caller)) {
    sigset_t mask;
    pthread_sigmask(SIG_SETMASK, NULL, &mask);
    if (!sigismember(&mask, SIGINT) || !sigismember(&mask, SIGTERM)) job->unblocked_signals++;
  }
  if (mine[0] != chunk || mine[last] != chunk || (uintptr_t)scratch % SCION_ALIGNMENT) job->wrong_scratch++;
}

/* The first complaint about a loop of that many chunks, or NULL. */
static const char *count(int64_t chunks) {
  count_job *job = calloc(1, sizeof *job);
  job->caller = pthread_self();
  const char *complaint = scion_parallel_for(chunks, count_chunk, job) == SCION_OK ? NULL : scion_error_message();
  for (int64_t i = 0; i < MOST && !complaint; i++)
    if (job->runs[i] != (i < chunks)) complaint = "a chunk did not run once";
  if (!complaint && job->wrong_scratch) complaint = "scratch is shared or misaligned";
  if (!complaint && job->unblocked_signals) complaint = "a worker may be interrupted by a signal";
  free(job);
  return complaint;
}

static void check_counts(const char *when) {
  const int64_t chunks[] = {0, 1, 2, 3, 7, 100, MOST};
  for (size_t i = 0; i < sizeof chunks / sizeof *chunks; i++) {
    const char *complaint = count(chunks[i]);
    CHECK(!complaint, "%s, %d chunks: %s", when, (int)chunks[i], complaint);
  }
}

/* Chunks that wait for each other end only if as many threads work on them. */
static void meet(void *data, int64_t chunk, void *scratch) {
  (void)chunk, (void)scratch;
  pthread_barrier_wait(data);
}

/* The first chunk of either share waits for all others, which end only if the other thread runs those of both. */
typedef struct {
  atomic_int ended;
  int first;
} help_job;

static void wait_for_help(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  help_job *job = data;
  if (chunk == job->first)
    while (atomic_load(&job->ended) < MOST - 1) sched_yield();
  atomic_fetch_add(&job->ended, 1);
}

static void test_help(void) {
  OK(scion_set_threads(2));
  for (int share = 0; share < 2; share++) {
    help_job job = {.first = MOST / 2 * share};
    OK(scion_parallel_for(MOST, wait_for_help, &job));
    CHECK(job.ended == MOST, "%d of %d chunks", job.ended, MOST);
  }
}

static void test_numbers_of_threads(void) {
  const int numbers[] = {1, 2, 5, 1, 3};
  for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
    pthread_barrier_t barrier;
    OK(scion_set_threads(numbers[i]));
    CHECK(scion_threads() == numbers[i], "%d threads instead of %d", scion_threads(), numbers[i]);
    check_counts("in turn");
    pthread_barrier_init(&barrier, NULL, (unsigned)numbers[i]);
    OK(scion_parallel_for(numbers[i], meet, &barrier));
    pthread_barrier_destroy(&barrier);
  }
  REFUSED(scion_set_threads(0));
  REFUSED(scion_set_threads(SCION_MAX_THREADS + 1));
  CHECK(scion_threads() == 3, "a refusal changes nothing");
}

static void *call_often(void *data) {
  const char **complaint = data;
  for (int i = 0; i < 100 && !*complaint; i++) *complaint = count(i * 5 % 64);
  return NULL;
}

static void test_several_callers(void) {
  pthread_t threads[6];
  const char *complaints[6] = {NULL};
  OK(scion_set_threads(2));
  for (int i = 0; i < 6; i++) CHECK(pthread_create(&threads[i], NULL, call_often, &complaints[i]) == 0, "no thread");
  for (int i = 0; i < 20; i++) OK(scion_set_threads(1 + i % 3)); /* while they work */
  for (int i = 0; i < 6; i++) {
    pthread_join(threads[i], NULL);
    CHECK(!complaints[i], "caller %d of several: %s", i, complaints[i]);
  }
}

static void test_fork(bool busy) {
  pthread_t other;
  const char *complaint = NULL;
  OK(scion_set_threads(3));
  check_counts("before a fork");
  if (busy) CHECK(pthread_create(&other, NULL, call_often, &complaint) == 0, "no thread");
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(20); /* is not inherited */
    _exit(count(MOST) || count(5) || scion_threads() != 3);
  }
  int status = -1;
  CHECK(child > 0 && waitpid(child, &status, 0) == child && WIFEXITED(status) && WEXITSTATUS(status) == 0,
        "the child's pool failed: %d", status);
  if (busy) pthread_join(other, NULL);
  CHECK(!complaint, "another caller during a fork: %s", complaint);
  check_counts("after a fork");
}

static void test_stop(void) {
  for (int i = 0; i < 5; i++) {
    scion_threads_stop();
    if (i == 2) scion_threads_stop(); /* twice is fine */
    check_counts("after a stop");
    CHECK(scion_threads() == 3, "a stop forgets the number of threads");
  }
}

/* ---- what a thread does meanwhile */

static struct {
  pthread_t of;
  int calls, others, zeros;
} looks; /* plain memory, as one thread alone calls look */

static void look(void) {
  volatile float smallest = 0x1p-126f, half = smallest / 2;
  looks.calls++;
  looks.others += !pthread_equal(pthread_self(), looks.of);
  looks.zeros += memcmp((float[]){half}, &(float){0}, sizeof(float)) == 0;
}

static void test_meanwhile(void) {
  pthread_t other;
  const char *complaint = NULL;
  looks.of = pthread_self();
  scion_meanwhile(look);
  for (int threads = 1; threads <= 3; threads++) {
    OK(scion_set_threads(threads));
    for (int flush = 0; flush < 2; flush++) {
      looks.calls = 0;
      scion_flush_subnormals(flush);
      CHECK(!count(MOST), "with looks in between");
      CHECK(threads == 1 ? looks.calls == MOST : looks.calls <= MOST, "%d looks, %d threads", looks.calls, threads);
      CHECK(scion_flush_subnormals(false) == flush, "a look changes the mode");
    }
  }
  CHECK(looks.others == 0, "another thread has looked");
  CHECK(looks.zeros == 0, "a look has subnormal numbers as zeros");
  looks.calls = 0;
  CHECK(pthread_create(&other, NULL, call_often, &complaint) == 0, "no thread");
  pthread_join(other, NULL);
  CHECK(!complaint && looks.calls == 0, "the loops of another thread are looked into");
  scion_meanwhile(NULL);
  CHECK(!count(MOST) && looks.calls == 0, "looks that were given up");
}

/* ---- subnormal numbers */

#if defined(__SSE2__) || defined(__aarch64__)
static void halve_chunk(void *data, int64_t chunk, void *scratch) {
  (void)scratch;
  volatile float *numbers = data;
  numbers[chunk] = numbers[chunk] / 2;
}

/* The smallest normal number, halved in chunks that all threads have a part in. */
static void test_subnormals(void) {
  static float numbers[MOST];
  for (int flush = 1; flush >= 0; flush--) {
    CHECK(scion_flush_subnormals(flush) == !flush, "what was in force is not told");
    for (int i = 0; i < MOST; i++) numbers[i] = 0x1p-126f;
    OK(scion_parallel_for(MOST, halve_chunk, numbers));
    int zeros = 0;
    for (int i = 0; i < MOST; i++) zeros += memcmp(&numbers[i], &(float){0}, sizeof(float)) == 0;
    CHECK(zeros == (flush ? MOST : 0), "%d of %d subnormal numbers are zero", zeros, MOST);
  }
}
#else
static void test_subnormals(void) {}
#endif

int main(void) {
  alarm(120); /* a pool that hangs fails */
  test_begin("threads");
  test_numbers_of_threads();
  test_help();
  test_several_callers();
  test_fork(false);
  test_fork(true);
  test_stop();
  test_meanwhile();
  test_subnormals();
  scion_threads_stop();
  return test_end();
}
