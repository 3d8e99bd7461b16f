/* The table of kernels and that of their options, out of kernels.def; and the checks of what is given to them. */
#include "program.h"

#include <float.h>
#include <limits.h>
#include <stdint.h>
#include <string.h>

#define F32 (1u << SCION_F32)
#define BF16 (1u << SCION_BF16)
#define U8 (1u << SCION_U8)
#define I32 (1u << SCION_I32)
#define NUMBER (F32 | BF16)
#define ANY (F32 | BF16 | U8 | I32)

/* ---- options */

enum {
#define OPTION(name, ...) OPTION_##name,
#include "program/kernels.def"
  OPTIONS
};
_Static_assert(OPTIONS <= 64, "the options of a kernel are the bits of 64");

static const scion_option options[OPTIONS] = {
#define OPTION(name, type, kind, lowest, highest, ...) {#name, kind, offsetof(scion_options, name), lowest, highest, {__VA_ARGS__}},
#include "program/kernels.def"
};

/* ---- kernels: for each a struct that gives its operands their names, and the function that calls it with them */

#define IN(name, dtypes) scion_tensor *name;
#define OUT IN
#define MAY_IN IN
#define MAY_OUT IN
#define KERNEL(name, operands, options, call)                                           \
  typedef struct {                                                                      \
    operands                                                                            \
  } name##_operands;                                                                    \
  _Static_assert(sizeof(name##_operands) <= SCION_MAX_OPERANDS * sizeof(scion_tensor *), #name " has too many operands"); \
  static scion_status run_##name(scion_tensor *const *tensors, const scion_options *o) { \
    const name##_operands *t = (const void *)tensors;                                   \
    (void)o;                                                                            \
    return call;                                                                        \
  }
#include "program/kernels.def"
#undef IN
#undef OUT
#undef MAY_IN
#undef MAY_OUT

#define IN(name, dtypes) {#name, dtypes, false, false},
#define OUT(name, dtypes) {#name, dtypes, false, true},
#define MAY_IN(name, dtypes) {#name, dtypes, true, false},
#define MAY_OUT(name, dtypes) {#name, dtypes, true, true},
#define O(name) (UINT64_C(1) << OPTION_##name)
static const scion_kernel kernels[] = {
#define KERNEL(name, operands, options, call) \
  {#name, {operands}, sizeof(name##_operands) / sizeof(scion_tensor *), options, run_##name},
#include "program/kernels.def"
};

const scion_kernel *scion_kernel_at(size_t i) { return i < sizeof kernels / sizeof kernels[0] ? &kernels[i] : NULL; }

const scion_kernel *scion_kernel_named(const char *name) {
  for (size_t i = 0; i < sizeof kernels / sizeof kernels[0]; i++)
    if (*kernels[i].name == *name && strcmp(kernels[i].name, name) == 0) return &kernels[i];
  return NULL;
}

int scion_kernel_operand(const scion_kernel *kernel, const char *name) {
  for (int i = 0; i < kernel->count; i++)
    if (strcmp(kernel->operands[i].name, name) == 0) return i;
  return -1;
}

const scion_option *scion_kernel_option(const scion_kernel *kernel, const char *name) {
  for (int i = 0; i < OPTIONS; i++)
    if (kernel->options >> i & 1 && strcmp(options[i].name, name) == 0) return &options[i];
  return NULL;
}

/* ---- what is given */

static void *field_of(scion_options *of, const scion_option *option) { return (char *)of + option->offset; }

static scion_status require_range(const scion_option *option, double value) {
  if (value >= option->lowest && value <= option->highest) return SCION_OK; /* a NaN is in no range */
  return scion_fail(SCION_MISUSE, "the option '%s' is %g, but should be from %g to %g", option->name, value, option->lowest, option->highest);
}

scion_status scion_option_set_whole(scion_options *of, const scion_option *option, int64_t value) {
  void *field = field_of(of, option);
  if (option->kind == SCION_OPTION_FLAG) return *(int *)field = value != 0, SCION_OK;
  if (option->kind == SCION_OPTION_WORD) return *(uint64_t *)field = (uint64_t)value, SCION_OK;
  scion_status status = require_range(option, (double)value);
  if (status != SCION_OK) return status;
  if (option->kind == SCION_OPTION_INT)
    *(int *)field = (int)value;
  else
    *(int64_t *)field = value;
  return SCION_OK;
}

scion_status scion_option_set_number(scion_options *of, const scion_option *option, double value) {
  *(double *)field_of(of, option) = value;
  return require_range(option, value);
}

scion_status scion_option_set_word(scion_options *of, const scion_option *option, const char *word) {
  for (int i = 0; option->words[i]; i++)
    if (strcmp(option->words[i], word) == 0) return *(int *)field_of(of, option) = i, SCION_OK;
  return scion_fail(SCION_MISUSE, "unknown %s '%s'", option->name, word);
}
/* A word is stored through an int, whichever the enum. */
_Static_assert(sizeof(scion_activation) == sizeof(int), "enums are as large as an int");

scion_status scion_option_set_triple(scion_options *of, const scion_option *option, const double value[3]) {
  scion_status status = SCION_OK;
  for (int i = 0; i < 3 && status == SCION_OK; i++) {
    status = require_range(option, value[i]);
    if (status == SCION_OK) ((float *)field_of(of, option))[i] = (float)value[i];
  }
  return status;
}

scion_status scion_window_check(const scion_window *window) {
  for (int axis = 0; axis < 2; axis++) {
    const int from_one[] = {window->kernel[axis], window->stride[axis], window->dilation[axis]};
    const int from_zero[] = {window->before[axis], window->after[axis]};
    for (int i = 0; i < 3; i++)
      if (from_one[i] < 1 || from_one[i] > SCION_MAX_WINDOW)
        return scion_fail(SCION_MISUSE, "a window's kernel, stride and dilation are from 1 to %d, not %d", SCION_MAX_WINDOW, from_one[i]);
    for (int i = 0; i < 2; i++)
      if (from_zero[i] < 0 || from_zero[i] > SCION_MAX_WINDOW)
        return scion_fail(SCION_MISUSE, "a window's padding is from 0 to %d, not %d", SCION_MAX_WINDOW, from_zero[i]);
  }
  return SCION_OK;
}

scion_status scion_option_set_window(scion_options *of, const scion_option *option, const scion_window *value) {
  *(scion_window *)field_of(of, option) = *value;
  return scion_window_check(value);
}

scion_status scion_operand_check(const scion_kernel *kernel, int operand, const scion_tensor *t) {
  const scion_operand *o = &kernel->operands[operand];
  if (!t) return o->optional ? SCION_OK : scion_fail(SCION_MISUSE, "%s: operand '%s' is missing", kernel->name, o->name);
  if (!t->data) return scion_fail(SCION_MISUSE, "%s: operand '%s' is a tensor that was closed", kernel->name, o->name);
  if (o->dtypes >> t->dtype & 1) return SCION_OK;
  const char *taken[SCION_DTYPES];
  char expected[32];
  int count = 0;
  for (int d = 0; d < SCION_DTYPES; d++)
    if (o->dtypes >> d & 1) taken[count++] = scion_dtype_name((scion_dtype)d);
  return scion_fail(SCION_MISUSE, "%s: operand '%s' is %s, not %s", kernel->name, o->name, scion_dtype_name(t->dtype),
                    scion_list_words(expected, sizeof expected, taken, count));
}

scion_status scion_kernel_run(const scion_kernel *kernel, scion_tensor *const *tensors, const scion_options *with) {
  bool flushed = scion_flush_subnormals(true);
  scion_status status = kernel->run(tensors, with);
  scion_flush_subnormals(flushed);
  for (int i = 0; i < kernel->count; i++)
    if (kernel->operands[i].written && tensors[i] && tensors[i]->storage) tensors[i]->storage->version++;
  return status;
}
