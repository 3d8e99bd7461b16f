/* Random tensors. The Lua module scion.random chooses seed and stream. */
#include "binding.h"

static uint32_t check_stream(lua_State *L, int argument) {
  lua_Integer stream = luaL_checkinteger(L, argument);
  luaL_argcheck(L, stream >= 0 && stream <= (lua_Integer)UINT32_MAX, argument, "a stream is a number from 0 to 4294967295");
  return (uint32_t)stream;
}

/* Fills t. Arguments 2 to 5 are the seed, the stream, and the two parameters of the distribution (by default 0 and 1). */
static int fill(lua_State *L, scion_tensor *t, bool normal) {
  uint64_t seed = (uint64_t)luaL_checkinteger(L, 2);
  uint32_t stream = check_stream(L, 3);
  float first = (float)luaL_optnumber(L, 4, 0), second = (float)luaL_optnumber(L, 5, 1);
  scion_check(L, normal ? scion_random_normal(t, seed, stream, SCION_DRAW_WEIGHTS, first, second)
                        : scion_random_uniform(t, seed, stream, SCION_DRAW_WEIGHTS, first, second));
  scion_touch(t);
  return 1;
}

static int fill_new(lua_State *L, bool normal) {
  int64_t shape[SCION_MAX_DIMS];
  int dims = scion_check_shape(L, 1, shape);
  return fill(L, scion_push_tensor(L, SCION_F32, dims, shape), normal);
}

static int fill_old(lua_State *L, bool normal) {
  scion_tensor *t = scion_check_target(L, 1);
  fill(L, t, normal);
  lua_settop(L, 1);
  return 1;
}

/* core.randn(shape, seed, stream, mean = 0, deviation = 1) -> f32 tensor of normal numbers */
static int core_randn(lua_State *L) { return lua_settop(L, 5), fill_new(L, true); }

/* core.uniform(shape, seed, stream, low = 0, high = 1) -> f32 tensor of numbers in [low, high) */
static int core_uniform(lua_State *L) { return lua_settop(L, 5), fill_new(L, false); }

/* core.fill_normal(t, seed, stream, mean = 0, deviation = 1) -> t */
static int core_fill_normal(lua_State *L) { return fill_old(L, true); }

/* core.fill_uniform(t, seed, stream, low = 0, high = 1) -> t */
static int core_fill_uniform(lua_State *L) { return fill_old(L, false); }

static const luaL_Reg functions[] = {{"randn", core_randn}, {"uniform", core_uniform}, {"fill_normal", core_fill_normal},
                                     {"fill_uniform", core_fill_uniform}, {NULL, NULL}};

void scion_open_tensor_random(lua_State *L) { luaL_setfuncs(L, functions, 0); }
