#include "tree.h"

#include <stddef.h>

static void add(float *restrict left, const float *restrict right, tree_sums of) {
  for (int64_t i = 0; i < of.rounded; i++) left[i] = tree_round(left[i] + right[i]);
  for (int64_t i = of.rounded; i < of.elements; i++) left[i] += right[i];
}

/* A node with nothing beside it stands for its parent. */
static void lift(tree_node *node, int64_t parts) {
  while (node->index > 0 && node->index % 2 == 0 && ((node->index + 1) << node->level) >= parts) node->level++, node->index /= 2;
}

void tree_push(tree_stack *stack, tree_node node, tree_sums of, void (*leave)(void *context, float *sum), void *context) {
  lift(&node, of.parts);
  while (stack->count > 0) {
    tree_node *left = &stack->nodes[stack->count - 1];
    if (left->level != node.level || left->index % 2 != 0 || left->index + 1 != node.index) break;
    if (left->sum) add(left->sum, node.sum, of);
    if (leave) leave(context, node.sum);
    node = (tree_node){.level = left->level + 1, .index = left->index / 2, .sum = left->sum};
    lift(&node, of.parts);
    stack->count--;
  }
  stack->nodes[stack->count++] = node;
}

void tree_nodes_of(tree_stack *stack, int64_t first, int64_t last, int64_t parts) {
  stack->count = 0;
  for (int64_t part = first; part < last; part++) tree_push(stack, (tree_node){.index = part}, (tree_sums){.parts = parts}, NULL, NULL);
}
