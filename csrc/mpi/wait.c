#include "wait.h"

#include <sched.h>
#include <time.h>

#define LOOKS 64 /* before it sleeps */

static double waited;

void mpi_give_way(unsigned *turns) {
  double began = MPI_Wtime();
  if (++*turns < LOOKS)
    sched_yield();
  else
    nanosleep(&(struct timespec){.tv_nsec = 50000}, NULL);
  waited += MPI_Wtime() - began;
}

static void (*meanwhile)(void);

void mpi_while_waiting(void (*progress)(void)) { meanwhile = progress; }

void mpi_wait(MPI_Request *requests, int count) {
  unsigned turns = 0;
  for (int done = 0; MPI_Testall(count, requests, &done, MPI_STATUSES_IGNORE), !done; mpi_give_way(&turns))
    if (meanwhile) meanwhile();
}

double mpi_seconds_waited(void) { return waited; }
