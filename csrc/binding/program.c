/* A program: the compiled list of steps of a plan, which one call executes. An operand of a step is either a tensor that lives
 * by itself (a weight) or a place in the model's arena, given as a table { offset =, shape =, stride =, dtype =, batch = }:
 * offset in bytes, stride in elements from row to row; where batch is true the first dimension is that of the batch, and
 * shrinks to the number of examples of the run. */
#include "operations.h"

#include <stdlib.h>
#include <string.h>

#define SCION_PROGRAM "scion.program"

typedef enum { ABSENT, WEIGHT, PLACE } operand_kind;

typedef struct {
  operand_kind kind;
  bool batch, written;
  size_t offset;       /* of a PLACE */
  scion_tensor tensor; /* a retained WEIGHT, or the shape of a PLACE */
} operand;

typedef struct {
  const scion_operation *operation;
  scion_options options;
  int count;
  operand operands[SCION_MAX_OPERANDS];
  double seconds; /* spent in this step so far */
} step;

typedef struct {
  step *steps;
  int count, capacity;
  size_t arena_bytes;
} program;

static program *check_program(lua_State *L) { return luaL_checkudata(L, 1, SCION_PROGRAM); }

static int program_gc(lua_State *L) {
  program *p = check_program(L);
  for (int i = 0; i < p->count; i++)
    for (int j = 0; j < p->steps[i].count; j++)
      if (p->steps[i].operands[j].kind == WEIGHT) scion_tensor_release(&p->steps[i].operands[j].tensor);
  free(p->steps);
  *p = (program){.steps = NULL};
  return 0;
}

static lua_Integer integer_field(lua_State *L, int index, const char *name) {
  lua_getfield(L, index, name);
  int whole;
  lua_Integer value = lua_tointegerx(L, -1, &whole);
  if (!whole || value < 0) luaL_error(L, "a place in the arena needs '%s', a whole number", name);
  lua_pop(L, 1);
  return value;
}

/* Reads the table on top of the stack as a place in the arena. */
static void read_place(lua_State *L, program *p, operand *o) {
  int index = lua_gettop(L);
  lua_getfield(L, index, "shape");
  o->tensor.dims = scion_check_shape(L, index + 1, o->tensor.shape);
  lua_getfield(L, index, "dtype");
  o->tensor.dtype = scion_check_dtype(L, index + 2, "f32");
  lua_getfield(L, index, "batch");
  o->batch = lua_toboolean(L, -1);
  lua_settop(L, index);
  o->offset = (size_t)integer_field(L, index, "offset");
  o->tensor.row_stride = integer_field(L, index, "stride");
  o->kind = PLACE;
  size_t end = (size_t)((scion_tensor_rows(&o->tensor) - 1) * o->tensor.row_stride + scion_tensor_channels(&o->tensor));
  end = o->offset + end * scion_dtype_size(o->tensor.dtype);
  if (end > p->arena_bytes) p->arena_bytes = end;
}

/* Reads the table at the top of the stack as the next step. The step is counted before it holds anything, so that the
 * program's __gc finds whatever an error leaves. */
static void read_step(lua_State *L, program *p) {
  int index = lua_gettop(L);
  luaL_checktype(L, index, LUA_TTABLE);
  step *s = &p->steps[p->count];
  *s = (step){.operation = scion_check_operation(L, index)};
  p->count++;
  scion_read_options(L, index, s->operation, &s->options);
  scion_operand names[SCION_MAX_OPERANDS];
  int count = scion_operands(s->operation, names);
  for (int i = 0; i < count; i++, s->count++) {
    operand *o = &s->operands[i];
    *o = (operand){.kind = ABSENT, .written = names[i].written};
    lua_getfield(L, index, names[i].name);
    scion_tensor *weight = luaL_testudata(L, -1, SCION_TENSOR);
    if (weight) {
      o->tensor = *weight;
      o->kind = WEIGHT;
      scion_storage_retain(weight->storage);
    } else if (lua_istable(L, -1)) {
      read_place(L, p, o);
    } else if (!lua_isnil(L, -1) || !names[i].optional) {
      luaL_error(L, "%s: operand '%s' must be a tensor or a place, not %s", s->operation->name, names[i].name, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
  }
}

/* core.program(steps) -> program */
static int core_program(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_Integer count = luaL_len(L, 1);
  program *p = lua_newuserdatauv(L, sizeof *p, 0);
  *p = (program){.steps = NULL};
  luaL_setmetatable(L, SCION_PROGRAM);
  p->steps = calloc((size_t)count + 1, sizeof *p->steps);
  if (!p->steps) return luaL_error(L, "out of memory: a program of %d steps", (int)count);
  for (int i = 1; i <= (int)count; i++) {
    lua_geti(L, 1, i);
    read_step(L, p);
    lua_pop(L, 1);
  }
  return 1;
}

/* The step's operands for `examples` examples, as the kernel takes them: pointers into `tensors`. */
static void resolve(step *s, const scion_tensor *arena, int64_t examples, scion_tensor *tensors, scion_tensor **pointers) {
  for (int j = 0; j < s->count; j++) {
    operand *o = &s->operands[j];
    pointers[j] = o->kind == ABSENT ? NULL : &tensors[j];
    tensors[j] = o->tensor;
    if (o->kind != PLACE) continue;
    tensors[j].data = (unsigned char *)arena->data + o->offset;
    if (o->batch) tensors[j].shape[0] = examples;
  }
}

/* program:run(arena, examples, step) -> true, or false if an interrupt came: what ran until then is whole, the rest is not
 * begun. arena: a u8 tensor of at least program:arena_bytes(). */
static int program_run(lua_State *L) {
  program *p = check_program(L);
  const scion_tensor *arena = scion_check_tensor(L, 2);
  int64_t examples = luaL_checkinteger(L, 3);
  int64_t count = luaL_optinteger(L, 4, 0);
  if (!arena->storage || arena->storage->bytes < p->arena_bytes) return luaL_error(L, "the arena is smaller than the program needs");
  for (int i = 0; i < p->count; i++) {
    if (scion_interrupted()) return lua_pushboolean(L, 0), 1;
    step *s = &p->steps[i];
    scion_tensor tensors[SCION_MAX_OPERANDS], *pointers[SCION_MAX_OPERANDS];
    resolve(s, arena, examples, tensors, pointers);
    s->options.step = count;
    double start = scion_clock();
    scion_status status = scion_run_operation(s->operation, pointers, &s->options);
    s->seconds += scion_clock() - start;
    if (status != SCION_OK) return luaL_error(L, "%s (step %d, %s)", scion_error_message(), i + 1, s->operation->name);
    for (int j = 0; j < s->count; j++)
      if (s->operands[j].kind == WEIGHT && s->operands[j].written) scion_touch(&s->operands[j].tensor);
  }
  return lua_pushboolean(L, 1), 1;
}

/* program:arena_bytes() -> bytes */
static int program_arena_bytes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)check_program(L)->arena_bytes);
  return 1;
}

/* program:seconds() -> {s1, s2, ...}: the time each step took over all runs; and sets them back to zero */
static int program_seconds(lua_State *L) {
  program *p = check_program(L);
  lua_createtable(L, p->count, 0);
  for (int i = 0; i < p->count; i++) {
    lua_pushnumber(L, p->steps[i].seconds);
    lua_seti(L, -2, i + 1);
    p->steps[i].seconds = 0;
  }
  return 1;
}

/* core.place(arena, place, examples) -> tensor: a view into the arena, for whoever reads it before the next run */
static int core_place(lua_State *L) {
  const scion_tensor *arena = scion_check_tensor(L, 1);
  program extent = {.steps = NULL};
  operand o = {.kind = ABSENT};
  luaL_checktype(L, 2, LUA_TTABLE);
  int64_t examples = luaL_optinteger(L, 3, -1);
  lua_settop(L, 2);
  read_place(L, &extent, &o);
  if (!arena->storage || arena->storage->bytes < extent.arena_bytes) return luaL_error(L, "the place lies outside of the arena");
  scion_tensor *view = scion_push_view(L, arena);
  scion_storage *storage = view->storage;
  *view = o.tensor;
  view->storage = storage;
  view->data = (unsigned char *)arena->data + o.offset;
  if (o.batch && examples >= 0 && examples <= view->shape[0]) view->shape[0] = examples;
  return 1;
}

static const luaL_Reg methods[] = {{"run", program_run}, {"arena_bytes", program_arena_bytes}, {"seconds", program_seconds}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"program", core_program}, {"place", core_place}, {NULL, NULL}};

void scion_open_program(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  luaL_newmetatable(L, SCION_PROGRAM);
  lua_pushcfunction(L, program_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
