/* Waiting for messages. MPI's own waits turn on the spot: where several processes share a CPU, one that waits would take the time from
 * the one it waits for. These look, give way, and after a while sleep between two looks. */
#ifndef SCION_MPI_WAIT_H
#define SCION_MPI_WAIT_H

#include <mpi.h>

/* What is called between two looks of mpi_wait: it lets other messages travel meanwhile. */
void mpi_while_waiting(void (*progress)(void));
/* Returns when all of the requests are done. */
void mpi_wait(MPI_Request *requests, int count);
/* What a loop that looks for itself calls between two looks that found nothing; *turns counts these and begins at 0. */
void mpi_give_way(unsigned *turns);
/* Seconds that this process has spent so in all, while nothing was computed. */
double mpi_seconds_waited(void);

#endif
