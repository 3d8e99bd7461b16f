/* The kernels as Lua sees them: by name, with named operands and options. */
#ifndef SCION_OPERATIONS_H
#define SCION_OPERATIONS_H

#include "binding.h"

#define SCION_MAX_OPERANDS 10

/* Every option that a kernel can have; a row of the table reads those that are its own. */
typedef struct {
  scion_window window;
  scion_activation activation;
  scion_gate gate;
  int accumulate, include_padding, reverse, nesterov, bilinear, examples, top, left, size;
  double epsilon, momentum, rate, threshold, lr, rho, beta1, beta2, decay, alpha, beta, k;
  uint64_t seed;
  uint32_t stream;
  int64_t step; /* set by whoever runs: the optimizer's count, or the training step that a dropout belongs to */
  float scale[3], shift[3];
} scion_options;

typedef scion_status scion_operation_function(scion_tensor *const *t, const scion_options *o);

/* operands: names in order, each followed by ? if it may be absent and ! if it is written; options: the names read. */
typedef struct {
  const char *name, *operands, *options;
  scion_operation_function *run;
} scion_operation;

/* One operand of a row: its name, copied out of `operands`. */
typedef struct {
  char name[24];
  bool optional, written;
} scion_operand;

/* The row named by the element 1 of the table at that index; raises on an unknown one. */
const scion_operation *scion_check_operation(lua_State *L, int index);
/* Splits a row's operands; returns how many. */
int scion_operands(const scion_operation *operation, scion_operand operands[SCION_MAX_OPERANDS]);
/* Reads the row's options from the table at that index, and raises on keys that are neither operands nor options. */
void scion_read_options(lua_State *L, int index, const scion_operation *operation, scion_options *options);
/* Runs it with subnormal numbers as zeros. */
scion_status scion_run_operation(const scion_operation *operation, scion_tensor *const *tensors, const scion_options *options);

#endif
