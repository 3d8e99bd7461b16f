#include "reduction.h"

#include <stdlib.h>
#include <string.h>

#include "vectors.h"
#include "wait.h"

#define LEAST_SEGMENT ((int64_t)1 << 12) /* elements: smaller messages cost more than they carry */
/* A little less than the 64 KB that Open MPI sends by TCP at once: longer ones are announced, and what answers that stands behind all that was
 * sent before, so that sums at 100 Mbit/s took a third longer than the wire. */
#define MOST_SEGMENT ((int64_t)15 << 10)

enum { TAG_PART = 1, TAG_SUM };

/* A segment whose home this rank is. */
typedef struct {
  int64_t at, count; /* its elements in the buffer */
  bool halves;       /* whether it is sent as bf16 */
  int missing;       /* ranks' sums that have not come: of other ranks by nodes, of this one all together */
  float **sums;      /* of all nodes of all ranks, in the order of their parts */
} segment;

struct reduction {
  MPI_Comm comm;
  int rank, ranks;
  tree_sums of;
  int64_t first, last;               /* this rank's parts are first .. last - 1 */
  int64_t per_segment, segments, halves; /* the first segments, so many, are sent as bf16 */
  float *total;     /* [elements], from `rounded` on */
  float **leaves;   /* of this rank's parts: NULL, or the vector so far */
  int64_t *written; /* of it, how many elements, the first ones; what lies behind was never set */
  tree_stack own;   /* of the parts that are complete */
  int64_t part;     /* the first one that is not */
  int64_t released; /* of it, how many segments are */
  float **spare; /* vectors that nobody uses */
  int spares;
  /* of all ranks: the nodes that they send, in the order of their parts */
  tree_stack *of_rank;
  int nodes;
  /* while messages are under way */
  bool busy;
  double began, waited; /* when it was opened, and how long this process had waited for messages until then */
  int received, sent, results; /* requests of each kind */
  int sends;                   /* that were begun, of those to be sent */
  MPI_Request *requests;       /* [received], of which request i belongs to home segment homes[i]; then [sent]; then [results] */
  int *homes, *done;
  segment *mine;
  int mine_count, mine_done, results_sent;
  MPI_Request *result_requests;
  float *inbox;
  uint16_t *inbox16, *outbox16, *total16; /* what is sent as bf16: as inbox, as the nodes' sums one behind the other, as total */
};

static double travelled, waited;

void reduction_seconds(double *all, double *of_these_waited) { *all = travelled, *of_these_waited = waited; }

int64_t reduction_first_part(int64_t parts, int rank, int ranks) { return parts * rank / ranks; }

/* ---- the segments and their homes */

static int home_of(const reduction *r, int64_t s) { return (int)(s % r->ranks); }

static segment segment_of(const reduction *r, int64_t s) {
  bool halves = s < r->halves;
  int64_t at = halves ? s * r->per_segment : r->of.rounded + (s - r->halves) * r->per_segment;
  int64_t left = (halves ? r->of.rounded : r->of.elements) - at;
  return (segment){.at = at, .count = left < r->per_segment ? left : r->per_segment, .halves = halves};
}

/* How many elements are released of the part at hand. */
static int64_t released_of(const reduction *r) { return r->released < r->segments ? segment_of(r, r->released).at : r->of.elements; }

static int homes_of(const reduction *r, int rank) { return (int)((r->segments + r->ranks - 1 - rank) / r->ranks); }

/* ---- life */

/* As many segments for each rank, so that none sends or receives more than the others. */
static void cut(reduction *r) {
  int64_t fair = (r->of.elements + r->ranks - 1) / r->ranks, each = (fair + MOST_SEGMENT - 1) / MOST_SEGMENT;
  r->per_segment = fair < LEAST_SEGMENT ? LEAST_SEGMENT : (fair + each - 1) / each;
  r->halves = (r->of.rounded + r->per_segment - 1) / r->per_segment;
  r->segments = r->halves + (r->of.elements - r->of.rounded + r->per_segment - 1) / r->per_segment;
}

/* The memory for messages, all of it before any is sent. */
static bool allocate(reduction *r) {
  int foreign = r->nodes - r->of_rank[r->rank].count, own = r->of_rank[r->rank].count;
  r->mine_count = homes_of(r, r->rank);
  int64_t inbox = 0;
  for (int64_t s = r->rank; s < r->segments; s += r->ranks) inbox += segment_of(r, s).count * foreign;
  r->received = r->mine_count * foreign;
  r->sent = ((int)r->segments - r->mine_count) * own;
  r->results = (int)r->segments - r->mine_count;
  size_t requests = (size_t)r->received + (size_t)r->sent + (size_t)r->results;
  r->requests = malloc((requests + 1) * sizeof *r->requests);
  r->result_requests = malloc(((size_t)r->mine_count * (size_t)r->ranks + 1) * sizeof *r->result_requests);
  r->homes = malloc(((size_t)r->received + 1) * sizeof *r->homes);
  r->done = malloc(((size_t)r->received + 1) * sizeof *r->done);
  r->mine = calloc((size_t)r->mine_count + 1, sizeof *r->mine);
  r->inbox = malloc((size_t)inbox * sizeof *r->inbox + 1);
  bool halves = r->halves > 0;
  r->inbox16 = malloc(halves ? (size_t)inbox * sizeof *r->inbox16 + 1 : 1);
  r->outbox16 = malloc(halves ? (size_t)r->of.rounded * (size_t)own * sizeof *r->outbox16 : 1);
  r->total16 = malloc(halves ? (size_t)r->of.rounded * sizeof *r->total16 : 1);
  if (!r->requests || !r->result_requests || !r->homes || !r->done || !r->mine || !r->inbox || !r->inbox16 || !r->outbox16 || !r->total16) return false;
  for (int i = 0; i < r->mine_count; i++) {
    int64_t s = (int64_t)i * r->ranks + r->rank;
    r->mine[i] = segment_of(r, s);
    r->mine[i].sums = calloc((size_t)r->nodes, sizeof *r->mine[i].sums);
    if (!r->mine[i].sums) return false;
  }
  return true;
}

reduction *reduction_new(MPI_Comm comm, int64_t elements, int64_t parts, int64_t rounded) {
  reduction *r = calloc(1, sizeof *r);
  if (!r) return NULL;
  r->comm = comm, r->of = (tree_sums){.parts = parts, .elements = elements, .rounded = rounded};
  MPI_Comm_rank(comm, &r->rank);
  MPI_Comm_size(comm, &r->ranks);
  r->first = reduction_first_part(parts, r->rank, r->ranks);
  r->last = reduction_first_part(parts, r->rank + 1, r->ranks);
  r->part = r->first;
  cut(r);
  r->of_rank = calloc((size_t)r->ranks, sizeof *r->of_rank);
  r->total = malloc((size_t)elements * sizeof *r->total + 1);
  r->leaves = calloc((size_t)(r->last - r->first) + 1, sizeof *r->leaves);
  r->written = calloc((size_t)(r->last - r->first) + 1, sizeof *r->written);
  r->spare = calloc((size_t)(r->last - r->first) + 1, sizeof *r->spare);
  bool good = r->of_rank && r->total && r->leaves && r->written && r->spare;
  for (int i = 0; good && i < r->ranks; i++) {
    tree_nodes_of(&r->of_rank[i], reduction_first_part(parts, i, r->ranks), reduction_first_part(parts, i + 1, r->ranks), parts);
    r->nodes += r->of_rank[i].count;
  }
  if (good && allocate(r)) return r;
  reduction_free(r);
  return NULL;
}

void reduction_free(reduction *r) {
  if (!r) return;
  reduction_forget(r);
  for (int i = 0; i < r->spares; i++) free(r->spare[i]);
  for (int i = 0; r->mine && i < r->mine_count; i++) free(r->mine[i].sums);
  free(r->spare), free(r->leaves), free(r->written), free(r->total), free(r->of_rank);
  free(r->requests), free(r->result_requests), free(r->homes), free(r->done), free(r->mine), free(r->inbox);
  free(r->inbox16), free(r->outbox16), free(r->total16);
  free(r);
}

/* ---- this rank's parts */

static void leave(void *context, float *sum) {
  reduction *r = context;
  r->spare[r->spares++] = sum;
}

static bool begin_leaf(reduction *r, int64_t i) {
  if (!r->leaves[i]) {
    r->leaves[i] = r->spares > 0 ? r->spare[--r->spares] : malloc((size_t)r->of.elements * sizeof(float) + 1);
    r->written[i] = 0;
  }
  return r->leaves[i] != NULL;
}

bool reduction_add(reduction *r, int64_t part, int64_t at, const float *x, int64_t count, float factor) {
  int64_t leaf = part - r->first;
  if (!begin_leaf(r, leaf)) return false;
  bool further = at < r->written[leaf]; /* another batch of the step */
  if (!vectors_scale(r->leaves[leaf] + at, x, count, factor, further)) return false;
  if (!further) r->written[leaf] = at + count;
  return true;
}

/* What was never set of a part's first elements is zero, as all of it is in a part without images. */
static void fill(reduction *r, int64_t leaf, int64_t count) {
  if (r->written[leaf] >= count) return;
  memset(r->leaves[leaf] + r->written[leaf], 0, (size_t)(count - r->written[leaf]) * sizeof(float));
  r->written[leaf] = count;
}

/* This rank's sums of a segment, to which it adds the part at hand. */
static tree_stack sums_of(const reduction *r, const segment *s) {
  tree_stack sums = r->own;
  tree_sums of = {.parts = r->of.parts, .elements = s->count, .rounded = s->halves ? s->count : 0};
  float *leaf = r->leaves[r->part - r->first] + s->at;
  for (int64_t e = 0; e < of.rounded; e++) leaf[e] = tree_round(leaf[e]);
  for (int k = 0; k < sums.count; k++) sums.nodes[k].sum += s->at;
  tree_push(&sums, (tree_node){.index = r->part, .sum = leaf}, of, NULL, NULL);
  return sums;
}

void reduction_forget(reduction *r) {
  for (int64_t i = 0; r->leaves && i < r->last - r->first; i++) {
    if (r->leaves[i]) leave(r, r->leaves[i]);
    r->leaves[i] = NULL;
  }
  for (int i = 0; i < r->own.count; i++) leave(r, r->own.nodes[i].sum);
  r->own.count = 0;
  r->part = r->first, r->released = 0;
}

bool reduction_takes(const reduction *r, int64_t part, int64_t at, int64_t count) {
  return part >= r->part && part < r->last && (part > r->part || at >= released_of(r)) && at >= 0 && count >= 0 && at <= r->of.elements - count;
}

bool reduction_has(const reduction *r, int64_t at, int64_t count) { return !r->busy && at >= 0 && count >= 0 && at <= r->of.elements - count; }

bool reduction_at_last(const reduction *r) { return r->part == r->last - 1; }

/* ---- messages */

static MPI_Datatype type_of(const segment *s) { return s->halves ? MPI_UINT16_T : MPI_FLOAT; }

/* Asks for what this rank is the home of. Messages between two ranks arrive in the order in which they were sent, so that they need no names. */
static void receive_parts(reduction *r) {
  float *to = r->inbox;
  int n = 0;
  for (int i = 0; i < r->mine_count; i++) {
    segment *s = &r->mine[i];
    s->missing = 1;
    for (int rank = 0, node = 0; rank < r->ranks; rank++)
      for (int k = 0; k < r->of_rank[rank].count; k++, node++) {
        if (rank == r->rank) continue;
        s->sums[node] = to;
        MPI_Irecv(s->halves ? (void *)(r->inbox16 + (to - r->inbox)) : to, (int)s->count, type_of(s), rank, TAG_PART, r->comm, &r->requests[n]);
        r->homes[n++] = i, s->missing++;
        to += s->count;
      }
  }
}

/* The number of this rank's first node among those of all. */
static int own_node(const reduction *r) {
  int node = 0;
  for (int rank = 0; rank < r->rank; rank++) node += r->of_rank[rank].count;
  return node;
}

static void send(reduction *r, const segment *s, int home) {
  tree_stack sums = sums_of(r, s);
  for (int k = 0; k < sums.count; k++) {
    uint16_t *halves = s->halves ? r->outbox16 + k * r->of.rounded + s->at : NULL;
    if (halves) vectors_to_halves(halves, sums.nodes[k].sum, s->count);
    MPI_Request *request = &r->requests[r->received + r->sends++];
    MPI_Isend(halves ? (const void *)halves : sums.nodes[k].sum, (int)s->count, type_of(s), home, TAG_PART, r->comm, request);
  }
}

static void receive_sums(reduction *r) {
  MPI_Request *next = r->requests + r->received + r->sent;
  for (int64_t i = 0; i < r->segments; i++) {
    segment s = segment_of(r, i);
    void *to = s.halves ? (void *)(r->total16 + s.at) : r->total + s.at;
    if (home_of(r, i) != r->rank) MPI_Irecv(to, (int)s.count, type_of(&s), home_of(r, i), TAG_SUM, r->comm, next++);
  }
}

/* All sums of a segment are here: adds them up, and sends the result to all. */
static void conclude(reduction *r, segment *s) {
  tree_stack stack = {.count = 0};
  tree_sums of = {.parts = r->of.parts, .elements = s->count, .rounded = s->halves ? s->count : 0};
  for (int rank = 0, node = 0; rank < r->ranks; rank++)
    for (int k = 0; k < r->of_rank[rank].count; k++, node++) {
      tree_node each = r->of_rank[rank].nodes[k];
      each.sum = s->sums[node];
      if (s->halves && rank != r->rank) vectors_from_halves(each.sum, r->inbox16 + (each.sum - r->inbox), s->count);
      tree_push(&stack, each, of, NULL, NULL);
    }
  if (s->halves) vectors_to_halves(r->total16 + s->at, stack.nodes[0].sum, s->count);
  else memcpy(r->total + s->at, stack.nodes[0].sum, (size_t)s->count * sizeof(float));
  r->mine_done++;
  const void *result = s->halves ? (const void *)(r->total16 + s->at) : r->total + s->at;
  for (int turn = 1; turn < r->ranks; turn++)
    MPI_Isend(result, (int)s->count, type_of(s), (r->rank + turn) % r->ranks, TAG_SUM, r->comm, &r->result_requests[r->results_sent++]);
}

/* Segments whose home this rank is are not sent. */
static void keep(reduction *r, segment *s) {
  tree_stack sums = sums_of(r, s);
  for (int k = 0, node = own_node(r); k < sums.count; k++) s->sums[node++] = sums.nodes[k].sum;
  if (--s->missing == 0) conclude(r, s);
}

/* Segments first .. end - 1 of the last part leave. */
static void send_segments(reduction *r, int64_t first, int64_t end) {
  for (int turn = 1; turn <= r->ranks; turn++) { /* each begins with another home, so that not all send to one */
    int home = (r->rank + turn) % r->ranks;
    for (int64_t i = first + (home - first % r->ranks + r->ranks) % r->ranks; i < end; i += r->ranks) {
      segment s = segment_of(r, i);
      if (home == r->rank) keep(r, &r->mine[i / r->ranks]);
      else send(r, &s, home);
    }
  }
}

/* All of a part that is not the last one was added to the sums of those before. */
static void end_part(reduction *r) {
  int64_t leaf = r->part - r->first;
  tree_push(&r->own, (tree_node){.index = r->part++, .sum = r->leaves[leaf]}, (tree_sums){.parts = r->of.parts}, leave, r);
  r->leaves[leaf] = NULL;
  r->released = 0;
}

bool reduction_release(reduction *r, int64_t count) {
  int64_t leaf = r->part - r->first, first = r->released;
  if (!begin_leaf(r, leaf)) return false;
  while (r->released < r->segments) {
    segment s = segment_of(r, r->released);
    if (s.at + s.count > count) break;
    r->released++;
  }
  fill(r, leaf, released_of(r));
  if (reduction_at_last(r)) {
    send_segments(r, first, r->released);
  } else {
    for (int64_t i = first; i < r->released; i++) {
      segment s = segment_of(r, i);
      sums_of(r, &s);
    }
    if (r->released == r->segments) end_part(r);
  }
  return true;
}

bool reduction_open(reduction *r) {
  while (!reduction_at_last(r))
    if (!reduction_release(r, r->of.elements)) return false;
  if (!begin_leaf(r, r->part - r->first)) return false;
  r->busy = true, r->began = MPI_Wtime(), r->waited = mpi_seconds_waited();
  r->mine_done = r->results_sent = r->sends = 0;
  for (int i = 0; i < r->sent; i++) r->requests[r->received + i] = MPI_REQUEST_NULL;
  receive_sums(r);
  receive_parts(r);
  return true;
}

bool reduction_progress(reduction *r) {
  if (!r->busy) return true;
  int n = 0, all = 0;
  if (r->mine_done < r->mine_count) {
    MPI_Testsome(r->received, r->requests, &n, r->done, MPI_STATUSES_IGNORE);
    for (int i = 0; n != MPI_UNDEFINED && i < n; i++) {
      segment *s = &r->mine[r->homes[r->done[i]]];
      if (--s->missing == 0) conclude(r, s);
    }
  }
  if (r->mine_done < r->mine_count || r->released < r->segments) return false;
  MPI_Testall(r->sent + r->results, r->requests + r->received, &all, MPI_STATUSES_IGNORE);
  if (all) MPI_Testall(r->results_sent, r->result_requests, &all, MPI_STATUSES_IGNORE);
  if (all) r->busy = false, travelled += MPI_Wtime() - r->began, waited += mpi_seconds_waited() - r->waited;
  return !r->busy;
}

void reduction_finish(reduction *r) {
  unsigned turns = 0;
  reduction_release(r, r->of.elements);
  while (!reduction_progress(r)) mpi_give_way(&turns);
  reduction_forget(r);
}

bool reduction_take(const reduction *r, int64_t at, float *x, int64_t count, float factor) {
  int64_t left = r->of.rounded - at, halves = left < 0 ? 0 : left < count ? left : count;
  return vectors_scale_halves(x, r->total16 + at, halves, factor) && vectors_scale(x + halves, r->total + at + halves, count - halves, factor, false);
}
