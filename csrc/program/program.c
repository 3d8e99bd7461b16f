/* Programs: the compiled list of a plan's kernel calls. */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef enum { ABSENT, TENSOR, PLACE } operand_kind;

typedef struct {
  operand_kind kind;
  bool batch;
  int64_t offset;      /* of a PLACE */
  scion_tensor tensor; /* retained, or the form of a PLACE */
} operand;

typedef struct {
  const scion_kernel *kernel;
  scion_options options;
  operand operands[SCION_MAX_OPERANDS];
  double seconds; /* spent in this call so far */
} call;

struct scion_program {
  call *calls;
  int count, capacity;
  int64_t arena_bytes, most_examples; /* the room of the smallest place of a batch */
};

/* ---- places */

scion_status scion_place_check(const scion_place *place, int64_t *end) {
  int64_t bytes, size = (int64_t)scion_dtype_size(place->dtype), rows = 1, channels = 1, last;
  scion_status status = scion_shape_check(place->dtype, place->dims, place->shape, &bytes);
  if (status != SCION_OK) return status;
  for (int d = 0; d < place->dims; d++) *(d + 1 < place->dims ? &rows : &channels) *= place->shape[d]; /* shape_check: no overflow */
  if (place->batch && place->dims == 0) return scion_fail(SCION_MISUSE, "a place of a batch needs a first dimension");
  if (place->offset < 0 || place->offset % size != 0)
    return scion_fail(SCION_MISUSE, "a place's offset of %lld bytes is no multiple of %lld from 0 up", (long long)place->offset, (long long)size);
  if (place->stride < channels)
    return scion_fail(SCION_MISUSE, "a place's stride of %lld is less than its %lld channels", (long long)place->stride, (long long)channels);
  if (__builtin_mul_overflow(rows > 0 ? rows : 1, place->stride, &last) || __builtin_add_overflow(last, channels, &last) ||
      __builtin_mul_overflow(last, size, &last) || __builtin_add_overflow(last, place->offset, &last))
    return scion_fail(SCION_MISUSE, "a place of that offset, shape and stride has more bytes than memory can address");
  *end = place->offset + (rows > 0 && channels > 0 ? (rows - 1) * place->stride + channels : 0) * size;
  return SCION_OK;
}

/* The form of a place as a tensor without memory. */
static scion_tensor form_of(const scion_place *place) {
  scion_tensor t = {.dtype = place->dtype, .dims = place->dims, .row_stride = place->stride};
  memcpy(t.shape, place->shape, (size_t)place->dims * sizeof t.shape[0]);
  return t;
}

/* An arena is memory to put places into: its bytes from data on, as far as its storage has them. */
static bool arena_holds(const scion_tensor *arena, int64_t bytes) {
  return arena->storage && arena->data == arena->storage->data && arena->storage->bytes >= (size_t)bytes;
}

scion_status scion_place_view(const scion_place *place, const scion_tensor *arena, int64_t examples, scion_tensor *view) {
  int64_t end;
  scion_status status = scion_place_check(place, &end);
  if (status != SCION_OK) return status;
  if (!arena_holds(arena, end)) return scion_fail(SCION_MISUSE, "the place lies outside of the arena");
  if (place->batch && examples > place->shape[0])
    return scion_fail(SCION_MISUSE, "the place has room for %lld examples, not for %lld", (long long)place->shape[0], (long long)examples);
  *view = form_of(place);
  view->storage = arena->storage;
  view->data = (unsigned char *)arena->data + place->offset;
  if (place->batch && examples >= 0) view->shape[0] = examples;
  return SCION_OK;
}

/* ---- making a program */

scion_program *scion_program_new(void) {
  scion_program *p = malloc(sizeof *p);
  if (p)
    *p = (scion_program){.most_examples = INT64_MAX};
  else
    scion_fail(SCION_NO_MEMORY, "out of memory: a program");
  return p;
}

void scion_program_free(scion_program *p) {
  if (!p) return;
  for (int i = 0; i < p->count; i++)
    for (int j = 0; j < SCION_MAX_OPERANDS; j++)
      if (p->calls[i].operands[j].kind == TENSOR) scion_tensor_release(&p->calls[i].operands[j].tensor);
  free(p->calls);
  free(p);
}

scion_status scion_program_add(scion_program *p, const scion_kernel *kernel, const scion_options *options) {
  if (p->count == p->capacity) {
    int capacity = p->capacity ? p->capacity * 2 : 64;
    call *calls = p->capacity < (1 << 24) ? realloc(p->calls, (size_t)capacity * sizeof *calls) : NULL;
    if (!calls) return scion_fail(SCION_NO_MEMORY, "out of memory: a program of more than %d calls", p->count);
    p->calls = calls, p->capacity = capacity;
  }
  p->calls[p->count++] = (call){.kernel = kernel, .options = *options};
  return SCION_OK;
}

scion_status scion_program_give_tensor(scion_program *p, int i, const scion_tensor *t) {
  call *c = &p->calls[p->count - 1];
  scion_status status = scion_operand_check(c->kernel, i, t);
  if (status != SCION_OK || !t) return status;
  scion_storage_retain(t->storage);
  c->operands[i] = (operand){.kind = TENSOR, .tensor = *t};
  return SCION_OK;
}

scion_status scion_program_give_place(scion_program *p, int i, const scion_place *place) {
  call *c = &p->calls[p->count - 1];
  int64_t end;
  scion_status status = scion_place_check(place, &end);
  if (status != SCION_OK) return status;
  scion_tensor form = form_of(place);
  form.data = p; /* its memory is known when it runs; until then anything but NULL, which would be a closed tensor's */
  status = scion_operand_check(c->kernel, i, &form);
  if (status != SCION_OK) return status;
  if (end > p->arena_bytes) p->arena_bytes = end;
  if (place->batch && place->shape[0] < p->most_examples) p->most_examples = place->shape[0];
  c->operands[i] = (operand){.kind = PLACE, .batch = place->batch, .offset = place->offset, .tensor = form};
  return SCION_OK;
}

/* ---- running it */

int64_t scion_program_arena_bytes(const scion_program *p) { return p->arena_bytes; }
int scion_program_calls(const scion_program *p) { return p->count; }

double scion_program_take_seconds(scion_program *p, int i) {
  double seconds = p->calls[i].seconds;
  p->calls[i].seconds = 0;
  return seconds;
}

/* Makes a call on the tensors that its operands are for so many examples. */
static scion_status run_call(call *c, const scion_tensor *arena, int64_t examples) {
  scion_tensor tensors[SCION_MAX_OPERANDS], *pointers[SCION_MAX_OPERANDS];
  for (int j = 0; j < c->kernel->count; j++) {
    const operand *o = &c->operands[j];
    pointers[j] = o->kind == ABSENT ? NULL : &tensors[j];
    if (o->kind == ABSENT) continue;
    tensors[j] = o->tensor;
    if (o->kind != PLACE) continue;
    tensors[j].data = (unsigned char *)arena->data + o->offset;
    if (o->batch) tensors[j].shape[0] = examples;
  }
  double start = scion_clock();
  scion_status status = scion_kernel_run(c->kernel, pointers, &c->options);
  c->seconds += scion_clock() - start;
  return status;
}

scion_status scion_program_run(scion_program *p, const scion_tensor *arena, int64_t examples, int64_t step, int64_t first, int64_t last,
                               bool (*stop)(void), bool *complete) {
  *complete = false;
  if (!arena_holds(arena, p->arena_bytes)) return scion_fail(SCION_MISUSE, "the arena is smaller than the program needs");
  if (examples < 0 || examples > p->most_examples)
    return scion_fail(SCION_MISUSE, "the program has room for 0 to %lld examples, not for %lld", (long long)p->most_examples, (long long)examples);
  if (step < 0) return scion_fail(SCION_MISUSE, "a step is counted from 0 up, not %lld", (long long)step);
  if (first < 0 || last < first || last > p->count)
    return scion_fail(SCION_MISUSE, "the program has %d calls, and not number %lld to %lld", p->count, (long long)first + 1, (long long)last);
  for (int i = (int)first; i < last; i++) {
    if (stop && stop()) return SCION_OK;
    call *c = &p->calls[i];
    c->options.step = step;
    scion_status status = run_call(c, arena, examples);
    if (status != SCION_OK) {
      char message[512];
      snprintf(message, sizeof message, "%s", scion_error_message());
      return scion_fail(status, "%s (step %d, %s)", message, i + 1, c->kernel->name);
    }
  }
  *complete = true;
  return SCION_OK;
}
