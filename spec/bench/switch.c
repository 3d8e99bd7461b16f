/* switch RATE DELAY NAMESPACE..: a network switch in user space, for measuring on one machine what several would do. In each network namespace
 * there becomes a device `net0`, a cable of RATE bits a second in each direction; a frame arrives DELAY seconds after its last bit has
 * left. Frames go by the last byte of their addresses, 02:00:00:00:00:01 for the first namespace and so on. Linux, as root; it ends with SIGTERM,
 * and prints what went through it and the seconds of CPU that it took. `tc netem` does as much where the kernel has it. */
#include <errno.h>
#include <fcntl.h>
#include <linux/if.h>
#include <linux/if_tun.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#define MOST_PORTS 64
#define MOST_BYTES 65536
#define HEADERS 24 /* preamble, checksum and gap on the wire, which are not in a frame */

typedef struct frame {
  struct frame *next;
  double at; /* when its last bit leaves the cable */
  int to;    /* port, or -1 for all */
  int from, bytes;
  char data[];
} frame;

typedef struct {
  frame *first, *last;
  double free; /* when the cable has carried all that it was given */
} queue;

typedef struct {
  int device;
  queue up, down;
} port;

static port ports[MOST_PORTS];
static int count;
static double rate, delay;
static uint64_t frames, bytes;
static volatile sig_atomic_t ended;

static void end(int signal) { (void)signal, ended = 1; }

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void die(const char *what) {
  fprintf(stderr, "switch: %s: %s\n", what, strerror(errno));
  exit(1);
}

static void push(queue *q, frame *f) {
  f->next = NULL;
  if (q->first) q->last->next = f;
  else q->first = f;
  q->last = f;
}

static frame *pop(queue *q) {
  frame *f = q->first;
  q->first = f->next;
  return f;
}

static double on_the_wire(const frame *f) { return (f->bytes + HEADERS) * 8.0 / rate; }

/* A device in a namespace, whose file stays ours when we have left it. */
static int open_device(const char *name) {
  char path[256];
  snprintf(path, sizeof path, "/var/run/netns/%s", name);
  int space = open(path, O_RDONLY);
  if (space < 0 || setns(space, CLONE_NEWNET) != 0) die(path);
  close(space);
  int device = open("/dev/net/tun", O_RDWR | O_NONBLOCK);
  struct ifreq request = {.ifr_flags = IFF_TAP | IFF_NO_PI};
  strcpy(request.ifr_name, "net0");
  if (device < 0 || ioctl(device, TUNSETIFF, &request) != 0) die("/dev/net/tun");
  return device;
}

/* What a host has sent enters its cable. */
static void take_from(int p) {
  static char data[MOST_BYTES];
  ssize_t n;
  while ((n = read(ports[p].device, data, sizeof data)) > 0) {
    if (n < 12) continue;
    frame *f = malloc(sizeof *f + (size_t)n);
    if (!f) die("memory");
    *f = (frame){.from = p, .bytes = (int)n, .to = data[0] & 1 ? -1 : (unsigned char)data[5] - 1};
    memcpy(f->data, data, (size_t)n);
    double t = now();
    f->at = ports[p].up.free = (t > ports[p].up.free ? t : ports[p].up.free) + on_the_wire(f);
    push(&ports[p].up, f);
    frames++, bytes += (uint64_t)n;
  }
}

static frame *copy_of(const frame *f) {
  frame *copy = malloc(sizeof *copy + (size_t)f->bytes);
  if (!copy) die("memory");
  memcpy(copy, f, sizeof *copy + (size_t)f->bytes);
  return copy;
}

/* A frame has come to the switch: it goes on into the cable of each port that it is for. Bits go on as they come, where that cable is free. */
static void forward(frame *f) {
  bool one = f->to >= 0 && f->to < count;
  for (int p = 0; p < count; p++) {
    if (f->to >= 0 ? f->to != p : f->from == p) continue;
    frame *copy = one ? f : copy_of(f);
    double after = ports[p].down.free + on_the_wire(f);
    copy->at = ports[p].down.free = f->at > after ? f->at : after;
    copy->at += delay;
    push(&ports[p].down, copy);
  }
  if (!one) free(f);
}

/* Does what is due; returns when there is something to do next, or 0. */
static double work(void) {
  for (;;) {
    double t = now(), next = 0;
    int soonest = -1;
    for (int p = 0; p < count; p++)
      if (ports[p].up.first && (soonest < 0 || ports[p].up.first->at < ports[soonest].up.first->at)) soonest = p;
    if (soonest >= 0 && ports[soonest].up.first->at <= t) {
      forward(pop(&ports[soonest].up));
      continue;
    }
    if (soonest >= 0) next = ports[soonest].up.first->at;
    for (int p = 0; p < count; p++) {
      while (ports[p].down.first && ports[p].down.first->at <= t) {
        frame *f = pop(&ports[p].down);
        if (write(ports[p].device, f->data, (size_t)f->bytes) < 0 && errno != EIO) die("write"); /* EIO: the device is not up yet */
        free(f);
      }
      if (ports[p].down.first && (next == 0 || ports[p].down.first->at < next)) next = ports[p].down.first->at;
    }
    return next;
  }
}

int main(int argc, char **argv) {
  if (argc < 4 || argc - 3 > MOST_PORTS) return fprintf(stderr, "usage: switch RATE DELAY NAMESPACE..\n"), 2;
  rate = atof(argv[1]), delay = atof(argv[2]), count = argc - 3;
  struct pollfd polled[MOST_PORTS];
  for (int p = 0; p < count; p++) polled[p] = (struct pollfd){.fd = ports[p].device = open_device(argv[p + 3]), .events = POLLIN};
  sigset_t none, term; /* SIGTERM comes while it waits, and at no other time */
  sigemptyset(&none), sigemptyset(&term), sigaddset(&term, SIGTERM);
  sigprocmask(SIG_BLOCK, &term, NULL);
  signal(SIGTERM, end);
  prctl(PR_SET_TIMERSLACK, 1);
  if (sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 10}) != 0) fprintf(stderr, "switch: no real time: delays are longer where the CPU is busy\n");
  puts("ready");
  fflush(stdout);
  while (!ended) {
    double next = work(), wait = next - now();
    if (next > 0 && wait <= 0) continue;
    struct timespec timeout = {.tv_sec = (time_t)wait, .tv_nsec = (long)((wait - (double)(time_t)wait) * 1e9)};
    if (ppoll(polled, (nfds_t)count, next > 0 ? &timeout : NULL, &none) <= 0) continue;
    for (int p = 0; p < count; p++)
      if (polled[p].revents) take_from(p);
  }
  struct rusage used;
  getrusage(RUSAGE_SELF, &used);
  printf("%llu frames, %.1f MB, %.2f s of CPU\n", (unsigned long long)frames, (double)bytes / 1e6,
         (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) + (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) * 1e-6);
  return 0;
}
