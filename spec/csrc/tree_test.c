/* The tree in which parts of a batch are added up, against a plain recursion: 1 to 40 parts, each on 1 to as many ranks. Without MPI: the test
 * does what reduction.c does, each rank by itself and then the sums of all ranks in their order. */
#include "test.h"

#include <string.h>

#include "mpi/tree.c"

enum { most = 40, elements = 3, nodes_of_a_rank = 2 * TREE_DEPTH };

static float parts_of[most][elements]; /* the vectors */

/* The sum of the parts first .. last - 1 as the header has it: two halves, of which the left one covers a power of two. */
static void recursion(int first, int last, float *sum) {
  float right[elements];
  int half = 1;
  if (last - first == 1) {
    memcpy(sum, parts_of[first], sizeof right);
    return;
  }
  while (2 * half < last - first) half *= 2;
  recursion(first, first + half, sum);
  recursion(first + half, last, right);
  for (int i = 0; i < elements; i++) sum[i] += right[i];
}

static int left_over; /* vectors that a tree has let go */

static void count(void *context, float *sum) {
  (void)context, (void)sum;
  left_over++;
}

static int first_of(int parts, int rank, int ranks) { return parts * rank / ranks; }

/* What the ranks come to, into sum. */
static void by_ranks(int parts, int ranks, float *sum) {
  float own[most][elements];
  tree_stack all = {.count = 0};
  memcpy(own, parts_of, sizeof own);
  left_over = 0;
  int nodes = 0, sent = 0;
  for (int rank = 0; rank < ranks; rank++) {
    int first = first_of(parts, rank, ranks), last = first_of(parts, rank + 1, ranks);
    tree_stack mine = {.count = 0}, told;
    for (int p = first; p < last; p++) tree_push(&mine, (tree_node){.index = p, .sum = own[p]}, (tree_sums){.parts = parts, .elements = elements}, count, NULL);
    tree_nodes_of(&told, first, last, parts);
    CHECK(told.count == mine.count && mine.count >= 1 && mine.count <= nodes_of_a_rank, "%d parts, rank %d of %d: %d nodes, and %d were told", parts, rank, ranks,
          mine.count, told.count);
    for (int k = 0; k < mine.count; k++) {
      CHECK(told.nodes[k].level == mine.nodes[k].level && told.nodes[k].index == mine.nodes[k].index, "%d parts, rank %d of %d: node %d is another than was told",
            parts, rank, ranks, k);
      tree_node node = told.nodes[k];
      node.sum = mine.nodes[k].sum;
      tree_push(&all, node, (tree_sums){.parts = parts, .elements = elements}, count, NULL);
    }
    nodes += last - first, sent += mine.count;
  }
  CHECK(nodes == parts && sent <= parts, "%d parts on %d ranks: %d nodes are sent", parts, ranks, sent);
  CHECK(all.count == 1 && left_over == parts - 1, "%d parts on %d ranks: %d sums remain, %d were let go", parts, ranks, all.count, left_over);
  memcpy(sum, all.nodes[0].sum, elements * sizeof *sum);
}

static void test_every_number_of_ranks(void) {
  int otherwise = 0;
  for (int parts = 1; parts <= most; parts++) {
    float expected[elements], sum[elements], in_order[elements] = {0};
    for (int p = 0; p < parts; p++)
      for (int i = 0; i < elements; i++) {
        parts_of[p][i] = (float)test_integer(-1000000, 1000000) / 7;
        in_order[i] += parts_of[p][i];
      }
    recursion(0, parts, expected);
    for (int ranks = 1; ranks <= parts; ranks++) {
      by_ranks(parts, ranks, sum);
      CHECK(memcmp(sum, expected, sizeof sum) == 0, "%d parts on %d ranks: %.9g, not %.9g", parts, ranks, (double)sum[0], (double)expected[0]);
    }
    otherwise += memcmp(in_order, expected, sizeof expected) != 0;
  }
  CHECK(otherwise > most / 2, "sums one by one differ for %d numbers of parts: the vectors show no order", otherwise);
}

/* Nodes of very many parts: as many as a rank of two thirds of them has at most, and their levels as the header has them. */
static void test_many_parts(void) {
  tree_stack stack;
  tree_nodes_of(&stack, 333333, 1000000, 1000000);
  int64_t at = 333333;
  for (int k = 0; k < stack.count; k++) {
    CHECK(stack.nodes[k].index << stack.nodes[k].level == at, "node %d of the last parts begins at another part than %lld", k, (long long)at);
    at = (stack.nodes[k].index + 1) << stack.nodes[k].level;
  }
  CHECK(at >= 1000000 && stack.count <= nodes_of_a_rank, "%d nodes up to part %lld", stack.count, (long long)at);
}

int main(void) {
  test_begin("tree");
  test_every_number_of_ranks();
  test_many_parts();
  return test_end();
}
