/* The thread pool, which runs one job at a time. Each thread begins with its own share of neighbouring chunks. It is the same in every job
 * of as many chunks, so what a thread wrote in one kernel, and still has in its cache, is mostly what it reads in the next one. Then it
 * helps with the shares of the others.
 * After a job workers spin for a short time before they sleep on a condition variable, and so does the caller that waits for the last
 * worker. A training step is a rapid sequence of kernels, in which spinning avoids locks and system calls. */
#include "scion.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SPINS 500 /* each with a pause instruction: about 25 microseconds in all */

typedef struct {
  scion_chunk_function *fn;
  void *data;
  int threads;
  uint64_t mode; /* the caller's floating-point mode, see read_mode */
  void (*meanwhile)(void); /* what the caller's thread does between two chunks; NULL: nothing */
} pool_job;

typedef struct {
  _Alignas(SCION_ALIGNMENT) _Atomic int64_t next; /* next chunk; aligned so that no two shares are in one cache line */
  int64_t end;
} pool_share;

static struct {
  pthread_mutex_t callers;   /* held by the thread whose job runs, so that callers take turns */
  pthread_mutex_t mutex;     /* protects going to sleep on the condition variables and waking */
  pthread_cond_t work, idle; /* signalled when a job was posted; when the last worker has finished it */
  atomic_int sleepers;       /* workers that sleep on `work` or are about to */
  atomic_bool waiting;       /* the caller sleeps on `idle` or is about to */
  pthread_t threads[SCION_MAX_THREADS];
  unsigned char *scratch[SCION_MAX_THREADS]; /* index 0 is the caller's */
  int wanted, running;                       /* threads requested, the caller included; POSIX threads that exist, without it */
  void (*meanwhile)(void);   /* see scion_meanwhile, with the thread that has called it */
  pthread_t meanwhile_of;
  bool stop;              /* protected by the mutex */
  pool_job job;           /* job and the ends of the shares change only while no worker is busy */
  pool_share shares[SCION_MAX_THREADS];
  atomic_uint generation; /* counts jobs */
  atomic_int busy;        /* workers that have not yet finished the job */
} pool = {.callers = PTHREAD_MUTEX_INITIALIZER, .mutex = PTHREAD_MUTEX_INITIALIZER, .work = PTHREAD_COND_INITIALIZER, .idle = PTHREAD_COND_INITIALIZER};

static inline void pause_cpu(void) {
#if defined(__x86_64__) || defined(__i386__)
  __builtin_ia32_pause();
#elif defined(__aarch64__)
  __asm__ volatile("yield");
#endif
}

/* The CPU's floating-point control register: rounding, and whether subnormals are flushed to zero. */
static inline uint64_t read_mode(void) {
#if defined(__SSE2__)
  return __builtin_ia32_stmxcsr();
#elif defined(__aarch64__)
  uint64_t mode;
  __asm__ volatile("mrs %0, fpcr" : "=r"(mode));
  return mode;
#else
  return 0;
#endif
}
static inline void write_mode(uint64_t mode) {
#if defined(__SSE2__)
  __builtin_ia32_ldmxcsr((unsigned)mode);
#elif defined(__aarch64__)
  __asm__ volatile("msr fpcr, %0" : : "r"(mode));
#else
  (void)mode;
#endif
}
#if defined(__SSE2__)
#define FLUSHES ((uint64_t)0x8040) /* FTZ and DAZ */
#elif defined(__aarch64__)
#define FLUSHES ((uint64_t)1 << 24) /* FZ */
#else
#define FLUSHES ((uint64_t)0)
#endif

bool scion_flush_subnormals(bool flush) {
  uint64_t mode = read_mode();
  write_mode(flush ? mode | FLUSHES : mode & ~FLUSHES);
  return (mode & FLUSHES) != 0;
}

/* With the floating-point mode of a thread that computes nothing: what is added up here must not depend on when. */
static void do_meanwhile(void (*meanwhile)(void)) {
  uint64_t mode = read_mode();
  write_mode(mode & ~FLUSHES);
  meanwhile();
  write_mode(mode);
}

static void run_chunks(const pool_job *job, int thread) {
  void *scratch = pool.scratch[thread];
  void (*meanwhile)(void) = thread == 0 ? job->meanwhile : NULL;
  uint64_t before = read_mode();
  write_mode(job->mode);
  for (int i = 0; i < job->threads; i++) {
    pool_share *share = &pool.shares[(thread + i) % job->threads];
    for (int64_t chunk; atomic_load(&share->next) < share->end && (chunk = atomic_fetch_add(&share->next, 1)) < share->end;) {
      job->fn(job->data, chunk, scratch); /* the load before the increment is cheaper for shares that are used up, as most are by then */
      if (meanwhile) do_meanwhile(meanwhile);
    }
  }
  write_mode(before);
}

/* Sleeps until there is another job than number `seen`; false if the pool stops. No wake-up is lost: a worker first increments
 * `sleepers` and then reads `generation`, while post first increments `generation` and then reads `sleepers`, so at least one of them
 * sees what the other did. `waiting` and `busy` work in the same way. */
static bool sleep_until_work(unsigned seen) {
  pthread_mutex_lock(&pool.mutex);
  atomic_fetch_add(&pool.sleepers, 1);
  while (atomic_load(&pool.generation) == seen && !pool.stop) pthread_cond_wait(&pool.work, &pool.mutex);
  atomic_fetch_sub(&pool.sleepers, 1);
  bool work = !pool.stop;
  pthread_mutex_unlock(&pool.mutex);
  return work;
}

static void *worker(void *argument) {
  int thread = (int)(intptr_t)argument;
  unsigned seen = 0; /* threads are started before the first job of their pool */
  for (;;) {
    for (int i = 0; i < SPINS && atomic_load(&pool.generation) == seen; i++) pause_cpu();
    if (atomic_load(&pool.generation) == seen && !sleep_until_work(seen)) return NULL;
    seen = atomic_load(&pool.generation);
    run_chunks(&pool.job, thread);
    if (atomic_fetch_sub(&pool.busy, 1) == 1 && atomic_load(&pool.waiting)) {
      pthread_mutex_lock(&pool.mutex);
      pthread_cond_signal(&pool.idle);
      pthread_mutex_unlock(&pool.mutex);
    }
  }
}

static void cut_shares(int64_t chunks, int threads) {
  for (int t = 0; t < threads; t++) {
    atomic_store(&pool.shares[t].next, chunks * t / threads);
    pool.shares[t].end = chunks * (t + 1) / threads;
  }
}

static void post(const pool_job *job) {
  pool.job = *job;
  atomic_store(&pool.busy, pool.running);
  atomic_fetch_add(&pool.generation, 1);
  if (atomic_load(&pool.sleepers) == 0) return;
  pthread_mutex_lock(&pool.mutex);
  pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.mutex);
}

static void wait_for_workers(void) {
  for (int i = 0; i < SPINS && atomic_load(&pool.busy) > 0; i++) pause_cpu();
  if (atomic_load(&pool.busy) == 0) return;
  pthread_mutex_lock(&pool.mutex);
  atomic_store(&pool.waiting, true);
  while (atomic_load(&pool.busy) > 0) pthread_cond_wait(&pool.idle, &pool.mutex);
  atomic_store(&pool.waiting, false);
  pthread_mutex_unlock(&pool.mutex);
}

static void join_workers(void) {
  pthread_mutex_lock(&pool.mutex);
  pool.stop = true;
  pthread_cond_broadcast(&pool.work);
  pthread_mutex_unlock(&pool.mutex);
  for (int i = 0; i < pool.running; i++) pthread_join(pool.threads[i], NULL);
  pool.running = 0;
  pool.stop = false;
}

/* A forked child has only the thread that called fork. Both mutexes are held during the fork, so that in the child no thread that no
 * longer exists holds them. */
static void before_fork(void) {
  pthread_mutex_lock(&pool.callers);
  pthread_mutex_lock(&pool.mutex);
}
static void after_fork_in_parent(void) {
  pthread_mutex_unlock(&pool.mutex);
  pthread_mutex_unlock(&pool.callers);
}
static void after_fork_in_child(void) {
  pool.running = 0;
  atomic_store(&pool.busy, 0);
  atomic_store(&pool.sleepers, 0);
  pthread_cond_init(&pool.work, NULL);
  pthread_cond_init(&pool.idle, NULL);
  after_fork_in_parent();
}
static void register_fork(void) { pthread_atfork(before_fork, after_fork_in_parent, after_fork_in_child); }

/* Starts the pool's threads, none of which runs now. If fewer than wanted can be created, those have to do; missing memory for scratch
 * is a failure. */
static scion_status start_workers(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, register_fork);
  for (int i = 0; i < pool.wanted; i++)
    if (!pool.scratch[i] && !(pool.scratch[i] = aligned_alloc(SCION_ALIGNMENT, SCION_SCRATCH_BYTES)))
      return scion_fail(SCION_NO_MEMORY, "out of memory: no scratch for a worker thread");
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the threads of the program, not for workers */
  atomic_store(&pool.generation, 0);
  while (pool.running < pool.wanted - 1 &&
         pthread_create(&pool.threads[pool.running], NULL, worker, (void *)(intptr_t)(pool.running + 1)) == 0)
    pool.running++;
  pthread_sigmask(SIG_SETMASK, &before, NULL);
  pool.wanted = pool.running + 1;
  return SCION_OK;
}

static int default_threads(void) {
  int count = (int)sysconf(_SC_NPROCESSORS_ONLN);
#ifdef __linux__
  cpu_set_t set; /* a container or taskset may allow fewer CPUs */
  if (sched_getaffinity(0, sizeof set, &set) == 0) count = CPU_COUNT(&set);
#endif
  return count < 1 ? 1 : count > SCION_MAX_THREADS ? SCION_MAX_THREADS : count;
}

scion_status scion_parallel_for(int64_t chunks, scion_chunk_function *fn, void *data) {
  if (chunks <= 0) return SCION_OK;
  pthread_mutex_lock(&pool.callers);
  if (pool.wanted == 0) pool.wanted = default_threads();
  scion_status status = SCION_OK;
  if (!pool.scratch[0] || (chunks > 1 && pool.running != pool.wanted - 1)) {
    join_workers();
    status = start_workers();
  }
  if (status == SCION_OK) {
    bool shared = chunks > 1 && pool.running > 0;
    bool can = pool.meanwhile && pthread_equal(pthread_self(), pool.meanwhile_of);
    pool_job job = {fn, data, shared ? pool.running + 1 : 1, read_mode(), can ? pool.meanwhile : NULL};
    cut_shares(chunks, job.threads);
    if (shared) post(&job);
    run_chunks(&job, 0);
    if (shared) wait_for_workers();
  }
  pthread_mutex_unlock(&pool.callers);
  return status;
}

void scion_meanwhile(void (*f)(void)) {
  pthread_mutex_lock(&pool.callers);
  pool.meanwhile = f, pool.meanwhile_of = pthread_self();
  pthread_mutex_unlock(&pool.callers);
}

int scion_threads(void) {
  pthread_mutex_lock(&pool.callers);
  if (pool.wanted == 0) pool.wanted = default_threads();
  int threads = pool.wanted;
  pthread_mutex_unlock(&pool.callers);
  return threads;
}

scion_status scion_set_threads(int threads) {
  if (threads < 1 || threads > SCION_MAX_THREADS)
    return scion_fail(SCION_MISUSE, "the number of threads is 1 to %d, not %d", SCION_MAX_THREADS, threads);
  pthread_mutex_lock(&pool.callers);
  pool.wanted = threads;
  pthread_mutex_unlock(&pool.callers);
  return SCION_OK;
}

void scion_threads_stop(void) {
  pthread_mutex_lock(&pool.callers);
  join_workers();
  for (int i = 0; i < SCION_MAX_THREADS; i++) {
    free(pool.scratch[i]);
    pool.scratch[i] = NULL;
  }
  pthread_mutex_unlock(&pool.callers);
}

double scion_clock(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}
