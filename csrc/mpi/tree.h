/* Sums of vectors, one of each part of a batch, in a fixed binary tree over the parts: ((0 + 1) + (2 + 3)) + ((4 + 5) + (6 + 7)). The order in
 * which numbers are added, and with it every bit of the result, depends on how many parts there are, and not on who adds them.
 *
 * A node of the tree covers the parts index << level up to (index + 1) << level, as far as there are so many. Where nothing stands beside
 * a node, as with 6 parts beside that of 4 and 5, it is its parent, too. */
#ifndef SCION_MPI_TREE_H
#define SCION_MPI_TREE_H

#include <stdint.h>

#define TREE_DEPTH 32 /* levels of a tree of up to 2^31 parts, and so the most nodes that a stack holds, too */

typedef struct {
  int level;
  int64_t index;
  float *sum; /* [elements]; whose memory it is, is up to the caller */
} tree_node;

/* Nodes in the order of their parts, none of which is beside the other: those that are were added up. */
typedef struct {
  tree_node nodes[2 * TREE_DEPTH];
  int count;
} tree_stack;

/* What is added up: vectors of so many elements, of which the first `rounded` are rounded to bf16 after each sum, so that they can be sent as such. */
typedef struct {
  int64_t parts, elements, rounded;
} tree_sums;

/* Rounds to the nearest bf16, and of two as near to the even one. */
static inline float tree_round(float x) {
  union { float x; uint32_t bits; } u = {x};
  u.bits = x == x ? (u.bits + 0x7fff + (u.bits >> 16 & 1)) & 0xffff0000 : 0x7fc00000;
  return u.x;
}

/* Puts a node on the stack, behind the parts that are there, and adds up what is beside each other: the left sum becomes the sum of both.
 * `leave` (or NULL) is called with each right sum that is no longer needed. */
void tree_push(tree_stack *stack, tree_node node, tree_sums of, void (*leave)(void *context, float *sum), void *context);
/* The nodes that remain of the parts first .. last - 1, without their sums. */
void tree_nodes_of(tree_stack *stack, int64_t first, int64_t last, int64_t parts);

#endif
