/* The engine: kernels by name, and programs, which are lists of kernels compiled from a plan and run by one call.
 *
 * What Lua hands over is checked where it comes in, by the functions below, once: which operands a kernel has, their dtypes, that a
 * place lies in memory, the range of every option. A run then checks nothing but the number of examples; shapes that do not fit each
 * other are refused by the kernel itself. */
#ifndef SCION_PROGRAM_H
#define SCION_PROGRAM_H

#include "scion.h"

/* ---------------------------------------------------------------- kernels and their options (program/kernels.c, kernels.def) */

#define SCION_MAX_OPERANDS 8

typedef float scion_triple[3];

/* Every option that a kernel can have; each kernel reads those of its row. `step` is set by whoever runs: the optimizer's count of
 * updates, or the training step that a dropout belongs to. */
typedef struct {
#define OPTION(name, type, ...) type name;
#include "program/kernels.def"
} scion_options;
#define SCION_DEFAULT_OPTIONS {.threshold = 0.5}

typedef enum {
  SCION_OPTION_FLAG,   /* int, 0 or 1 */
  SCION_OPTION_CHOICE, /* an enum: one of the words */
  SCION_OPTION_INT,    /* int */
  SCION_OPTION_WHOLE,  /* int64_t */
  SCION_OPTION_WORD,   /* uint64_t, any 64 bits */
  SCION_OPTION_NUMBER, /* double, and no NaN */
  SCION_OPTION_TRIPLE, /* scion_triple */
  SCION_OPTION_WINDOW  /* scion_window */
} scion_option_kind;

typedef struct {
  const char *name;
  scion_option_kind kind;
  size_t offset; /* of its field in scion_options */
  double lowest, highest;
  const char *words[12]; /* of a CHOICE, ended by NULL */
} scion_option;

typedef struct {
  const char *name;
  unsigned dtypes; /* bit 1 << dtype is set for those it takes */
  bool optional, written;
} scion_operand;

typedef scion_status scion_kernel_function(scion_tensor *const *tensors, const scion_options *options);

typedef struct {
  const char *name;
  scion_operand operands[SCION_MAX_OPERANDS];
  int count;        /* of operands */
  uint64_t options; /* bit i is set where it has option number i */
  scion_kernel_function *run;
} scion_kernel;

/* Kernel number i, in the order of the table; NULL when there are no more. */
const scion_kernel *scion_kernel_at(size_t i);
/* The kernel of that name, or NULL. */
const scion_kernel *scion_kernel_named(const char *name);
/* The number of the kernel's operand of that name, or -1. */
int scion_kernel_operand(const scion_kernel *kernel, const char *name);
/* The kernel's option of that name, or NULL. */
const scion_option *scion_kernel_option(const scion_kernel *kernel, const char *name);

/* Set an option after checking its range; SCION_MISUSE names the option, what was given and what is expected. */
scion_status scion_option_set_whole(scion_options *options, const scion_option *option, int64_t value); /* FLAG, INT, WHOLE, WORD */
scion_status scion_option_set_number(scion_options *options, const scion_option *option, double value);
scion_status scion_option_set_word(scion_options *options, const scion_option *option, const char *word);
scion_status scion_option_set_triple(scion_options *options, const scion_option *option, const double value[3]);
scion_status scion_option_set_window(scion_options *options, const scion_option *option, const scion_window *value);

#define SCION_MAX_WINDOW 65535 /* the largest kernel, stride, dilation and padding */
/* Refuses what is no window: kernel, stride and dilation from 1, padding from 0, all up to SCION_MAX_WINDOW. */
scion_status scion_window_check(const scion_window *window);

/* Whether a tensor (NULL: none is given) can be that operand: refuses a missing one, a closed one and one of another dtype. */
scion_status scion_operand_check(const scion_kernel *kernel, int operand, const scion_tensor *t);
/* Runs a kernel on operands that passed scion_operand_check, in the order of its row, with subnormal numbers as zeros; raises the
 * version of what it wrote. */
scion_status scion_kernel_run(const scion_kernel *kernel, scion_tensor *const *tensors, const scion_options *options);

/* ---------------------------------------------------------------- programs (program/program.c) */

/* Where a value lies in the arena, the memory that all calls share. */
typedef struct {
  int64_t offset; /* in bytes, a multiple of the dtype's size */
  scion_dtype dtype;
  int dims;
  int64_t shape[SCION_MAX_DIMS];
  int64_t stride; /* elements from row to row, at least the size of the last dimension */
  bool batch;     /* the first dimension is that of the batch, and shrinks to the number of examples of a run */
} scion_place;

/* Refuses a place that no arena can hold, in checked arithmetic; *end = the byte behind its last element. */
scion_status scion_place_check(const scion_place *place, int64_t *end);
/* *view = the place in an arena, borrowing its storage, of so many examples (-1: as many as it has room for). The place passed
 * scion_place_check; it is refused where the arena is too small for it, or where there are more examples than it has room for. */
scion_status scion_place_view(const scion_place *place, const scion_tensor *arena, int64_t examples, scion_tensor *view);

typedef struct scion_program scion_program;

scion_program *scion_program_new(void); /* NULL and a message when memory is short */
void scion_program_free(scion_program *program);
/* Adds a call of a kernel. All its operands follow, by the two functions below. */
scion_status scion_program_add(scion_program *program, const scion_kernel *kernel, const scion_options *options);
/* Give the last call's operand number i: a tensor that lives by itself (retained), or NULL where it is absent; or a place. */
scion_status scion_program_give_tensor(scion_program *program, int operand, const scion_tensor *t);
scion_status scion_program_give_place(scion_program *program, int operand, const scion_place *place);

int64_t scion_program_arena_bytes(const scion_program *program); /* what its places need */
int scion_program_calls(const scion_program *program);
/* The time that call number i took over all runs, in seconds; and sets it back to zero. */
double scion_program_take_seconds(scion_program *program, int i);

/* Makes the calls first .. last - 1, of those from 0 on, on a u8 arena of at least the bytes above, for `examples` examples: from 0 to the room of the smallest place
 * of a batch. `step` becomes every call's option of that name. Before each call `stop` is asked (NULL: never) whether to leave the rest
 * undone, which *complete tells. */
scion_status scion_program_run(scion_program *program, const scion_tensor *arena, int64_t examples, int64_t step, int64_t first, int64_t last,
                               bool (*stop)(void), bool *complete);

#endif
