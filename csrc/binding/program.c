/* The userdata of a program, which is a list of kernel calls that program:run makes. This file reads the tables that describe them.
 *
 * An operand of a call is either a tensor of its own, such as a weight, or a place in the arena, the memory that all calls share. A
 * place is a table { offset =, shape =, stride =, dtype =, batch = }. The offset is in bytes, the stride in elements from row to row. If
 * batch is true, the first dimension counts examples and is reduced to the number of examples of a run. */
#include "binding.h"

#define PROGRAM "scion.program"

static scion_program *check_program(lua_State *L) { return scion_check_open(L, PROGRAM, "program"); }

static int program_close(lua_State *L) {
  scion_program **program = luaL_checkudata(L, 1, PROGRAM);
  scion_program_free(*program);
  *program = NULL;
  return 0;
}

static int64_t place_field(lua_State *L, int index, const char *name) {
  int whole;
  lua_getfield(L, index, name);
  lua_Integer value = lua_tointegerx(L, -1, &whole);
  if (!whole || value < 0) luaL_error(L, "a place in the arena needs '%s', a whole number", name);
  lua_pop(L, 1);
  return value;
}

/* Reads a place from the table on top of the stack. The caller still has to check it. */
static scion_place read_place(lua_State *L) {
  scion_place place;
  int index = lua_gettop(L);
  luaL_checkstack(L, 4, NULL);
  lua_getfield(L, index, "shape");
  place.dims = scion_check_shape(L, index + 1, place.shape);
  lua_getfield(L, index, "dtype");
  place.dtype = scion_check_dtype(L, index + 2, "f32");
  lua_getfield(L, index, "batch");
  place.batch = lua_toboolean(L, -1);
  lua_settop(L, index);
  place.offset = place_field(L, index, "offset");
  place.stride = place_field(L, index, "stride");
  return place;
}

/* Adds the kernel call that the table on top of the stack describes. */
static void read_call(lua_State *L, scion_program *p) {
  int index = lua_gettop(L);
  scion_options options;
  if (!lua_istable(L, index)) luaL_error(L, "a step of a program is a table, not a %s", luaL_typename(L, index));
  const scion_kernel *kernel = scion_check_kernel(L, index, &options);
  scion_check(L, scion_program_add(p, kernel, &options));
  for (int i = 0; i < kernel->count; i++) {
    lua_pushstring(L, kernel->operands[i].name);
    lua_rawget(L, index);
    const scion_tensor *t = scion_test_tensor(L, -1);
    if (t || lua_isnil(L, -1)) {
      scion_check(L, scion_program_give_tensor(p, i, t));
    } else if (lua_istable(L, -1)) {
      scion_place place = read_place(L);
      if (scion_program_give_place(p, i, &place) != SCION_OK)
        luaL_error(L, "%s, operand '%s': %s", kernel->name, kernel->operands[i].name, scion_error_message());
    } else {
      luaL_error(L, "%s: operand '%s' must be a tensor or a place, not %s", kernel->name, kernel->operands[i].name, luaL_typename(L, -1));
    }
    lua_pop(L, 1);
  }
}

/* core.program(list of calls) -> program. A call is a table as for core.run, whose operands may also be places. */
static int core_program(lua_State *L) {
  lua_settop(L, 1);
  lua_Integer count = scion_check_list(L, 1);
  lua_settop(L, 1);
  scion_program **program = scion_push_object(L, PROGRAM, sizeof *program), *p = scion_program_new();
  if (!p) return scion_check(L, SCION_NO_MEMORY), 0;
  *program = p;
  for (lua_Integer i = 1; i <= count; i++) {
    lua_rawgeti(L, 1, i);
    read_call(L, p);
    lua_pop(L, 1);
  }
  return 1;
}

/* program:run(arena, examples, step = 0, first = 1, last = the last one) -> true; or false if Ctrl-C was pressed: then the calls so far are complete, and no
 * further one has begun. arena: a tensor with a storage of at least program:arena_bytes(). examples: at most the first dimension of every place
 * whose batch is true. first, last: the numbers of the first call to make and of the last one. */
static int program_run(lua_State *L) {
  scion_program *p = check_program(L);
  const scion_tensor *arena = scion_check_tensor(L, 2);
  int64_t first = luaL_optinteger(L, 5, 1) - 1, last = luaL_optinteger(L, 6, scion_program_calls(p));
  bool complete;
  scion_check(L, scion_program_run(p, arena, luaL_checkinteger(L, 3), luaL_optinteger(L, 4, 0), first, last, scion_interrupted, &complete));
  lua_pushboolean(L, complete);
  return 1;
}

/* program:arena_bytes() -> bytes */
static int program_arena_bytes(lua_State *L) {
  lua_pushinteger(L, scion_program_arena_bytes(check_program(L)));
  return 1;
}

/* program:seconds() -> {s1, s2, ...}: the time that each call took, summed over all runs since the last program:seconds() */
static int program_seconds(lua_State *L) {
  int calls = scion_program_calls(check_program(L));
  lua_createtable(L, calls, 0);
  scion_program *p = check_program(L);
  for (int i = 0; i < calls; i++) {
    lua_pushnumber(L, scion_program_take_seconds(p, i));
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* core.place(arena, place, examples = all) -> tensor, a view of that place. The next run overwrites its contents. */
static int core_place(lua_State *L) {
  lua_settop(L, 3);
  luaL_checktype(L, 2, LUA_TTABLE);
  int64_t examples = lua_isnil(L, 3) ? -1 : scion_check_range(L, 3, 0, LUA_MAXINTEGER, "a number of examples");
  lua_pushvalue(L, 2);
  scion_place place = read_place(L);
  scion_tensor *handle = scion_push_handle(L), view;
  scion_check(L, scion_place_view(&place, scion_check_tensor(L, 1), examples, &view));
  scion_storage_retain(view.storage);
  *handle = view;
  return 1;
}

static const luaL_Reg methods[] = {{"run", program_run}, {"arena_bytes", program_arena_bytes}, {"seconds", program_seconds}, {NULL, NULL}};
static const luaL_Reg functions[] = {{"program", core_program}, {"place", core_place}, {NULL, NULL}};

void scion_open_program(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, PROGRAM, program_close, methods);
}
