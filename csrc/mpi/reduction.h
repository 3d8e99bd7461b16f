/* The sum over the parts of a batch of a flat buffer, of gradients as a rule, whose parts lie on the ranks of a communicator: each rank adds
 * up its own as far as the tree lets it (tree.h), and every one ends with the whole sum.
 *
 * The buffer is cut into segments, and each has a rank that is its home. All send their sums of a segment there; the home adds them and sends
 * the result to all. So each rank sends and receives about twice the buffer, however many they are. Messages travel while the caller
 * computes something else, as far as it calls reduction_progress now and then; the first segments leave while the last ones of this rank's last
 * part are not computed yet. Once a rank has opened a sum, all of them open and finish it, even if nobody wants it any more. */
#ifndef SCION_MPI_REDUCTION_H
#define SCION_MPI_REDUCTION_H

#include <mpi.h>
#include <stdbool.h>

#include "tree.h"

typedef struct reduction reduction;

/* The first part of a rank; it has those up to the first of the next one. */
int64_t reduction_first_part(int64_t parts, int rank, int ranks);

/* A buffer of so many elements, of a batch in so many parts. The first `rounded` elements of each sum are rounded to bf16, and sent so, in half
 * the bytes: the result remains the same for any number of ranks. NULL without memory. */
reduction *reduction_new(MPI_Comm comm, int64_t elements, int64_t parts, int64_t rounded);
/* Nothing may be under way. NULL is fine. */
void reduction_free(reduction *r);

/* Adds a vector, times a factor, to elements at .. at + count - 1 of one of this rank's parts. The vectors of a part come one behind the other, from
 * its first element to its last, as often as there are batches in a step. False without memory. */
bool reduction_add(reduction *r, int64_t part, int64_t at, const float *x, int64_t count, float factor);
/* Nothing more comes for the first `count` elements of the part at hand, which begins with this rank's first one, and of which what did not come
 * is zero. Adds the segments that they fill to the parts before; with all of them the next part is at hand. The last part is released
 * when the sum is open, and its segments leave. False without memory, and not of an open sum. */
bool reduction_release(reduction *r, int64_t count);
/* Begins the sum, and releases this rank's parts before its last one. False without memory, and then no message was sent. */
bool reduction_open(reduction *r);
/* Lets messages travel. True once the sum is there. */
bool reduction_progress(reduction *r);
/* Releases what was not, and waits until the sum is there. */
void reduction_finish(reduction *r);
/* x = elements at .. at + count - 1 of the sum, times a factor. False without memory. */
bool reduction_take(const reduction *r, int64_t at, float *x, int64_t count, float factor);
/* Whether elements at .. at + count - 1 of a part can be added to: this rank has it, the buffer has them, and they were not released. */
bool reduction_takes(const reduction *r, int64_t part, int64_t at, int64_t count);
/* Whether the sum of these elements can be taken. */
bool reduction_has(const reduction *r, int64_t at, int64_t count);
/* Gives up what was added. Nothing may be under way. */
void reduction_forget(reduction *r);
/* Seconds from reduction_open to when reduction_progress found the sum there, and those of them in which this process did nothing but wait, for
 * the sum or for other messages meanwhile; of all sums so far. */
void reduction_seconds(double *all, double *of_these_waited);
/* Whether the part at hand is this rank's last one. */
bool reduction_at_last(const reduction *r);

#endif
