/* The tensor userdata: handles, life and memory, shape, elements, views. */
#include "binding.h"

#include <string.h>

/* ---- life */

void scion_touch(scion_tensor *t) {
  if (t->storage) t->storage->version++;
}

scion_tensor *scion_check_tensor(lua_State *L, int argument) { return luaL_checkudata(L, argument, SCION_TENSOR); }

scion_tensor *scion_optional_tensor(lua_State *L, int argument) {
  return lua_isnoneornil(L, argument) ? NULL : scion_check_tensor(L, argument);
}

scion_tensor *scion_push_handle(lua_State *L) {
  scion_tensor *t = lua_newuserdatauv(L, sizeof *t, 0);
  *t = (scion_tensor){.dtype = SCION_F32};
  luaL_setmetatable(L, SCION_TENSOR);
  return t;
}

/* Lua's collector sees a handle of a hundred bytes where megabytes hang. So before an allocation that would take the bytes
 * held past a soft limit, collect: garbage goes before memory grows. The limit then follows what is really alive. */
#define SOFT_LIMIT_FLOOR ((size_t)256 << 20)
static size_t soft_limit = SOFT_LIMIT_FLOOR;

static void collect_before(lua_State *L, size_t bytes) {
  size_t live = scion_storage_live_bytes();
  if (live + bytes <= soft_limit) return;
  lua_gc(L, LUA_GCCOLLECT);
  live = scion_storage_live_bytes() + bytes;
  soft_limit = live + live / 2 > SOFT_LIMIT_FLOOR ? live + live / 2 : SOFT_LIMIT_FLOOR;
}

scion_tensor *scion_push_tensor(lua_State *L, scion_dtype dtype, int dims, const int64_t *shape) {
  double bytes = (double)scion_dtype_size(dtype);
  for (int i = 0; i < dims; i++) bytes *= (double)shape[i];
  if (bytes > 0 && bytes < 1e15) collect_before(L, (size_t)bytes);
  scion_tensor *t = scion_push_handle(L);
  scion_check(L, scion_tensor_new(t, dtype, dims, shape));
  return t;
}

scion_tensor *scion_push_view(lua_State *L, const scion_tensor *t) {
  scion_tensor *view = scion_push_handle(L);
  *view = *t;
  scion_storage_retain(view->storage);
  return view;
}

static int tensor_gc(lua_State *L) {
  scion_tensor_release(scion_check_tensor(L, 1));
  return 0;
}

/* ---- arguments */

scion_dtype scion_check_dtype(lua_State *L, int argument, const char *otherwise) {
  const char *name = luaL_optstring(L, argument, otherwise);
  for (int dtype = 0; dtype < SCION_DTYPES; dtype++)
    if (strcmp(name, scion_dtype_name((scion_dtype)dtype)) == 0) return (scion_dtype)dtype;
  luaL_argerror(L, argument, lua_pushfstring(L, "unknown dtype '%s' (f32, bf16, u8 or i32)", name));
  return SCION_F32;
}

int scion_check_shape(lua_State *L, int index, int64_t shape[SCION_MAX_DIMS]) {
  luaL_checktype(L, index, LUA_TTABLE);
  lua_Integer dims = luaL_len(L, index);
  if (dims > SCION_MAX_DIMS) luaL_argerror(L, index, "a tensor has at most 6 dimensions");
  for (int i = 0; i < (int)dims; i++) {
    int whole;
    lua_geti(L, index, i + 1);
    shape[i] = lua_tointegerx(L, -1, &whole);
    lua_pop(L, 1);
    if (!whole || shape[i] < 0) luaL_argerror(L, index, lua_pushfstring(L, "dimension %d is not a whole number from 0 up", i + 1));
  }
  return (int)dims;
}

/* ---- functions of the module */

/* core.new(shape, dtype = "f32") -> tensor of zeros */
static int core_new(lua_State *L) {
  int64_t shape[SCION_MAX_DIMS];
  int dims = scion_check_shape(L, 1, shape);
  scion_push_tensor(L, scion_check_dtype(L, 2, "f32"), dims, shape);
  return 1;
}

/* core.live_bytes() -> bytes held by all tensors */
static int core_live_bytes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)scion_storage_live_bytes());
  return 1;
}

/* ---- methods */

/* t:shape() -> {2, 3} */
static int tensor_shape(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  lua_createtable(L, t->dims, 0);
  for (int i = 0; i < t->dims; i++) {
    lua_pushinteger(L, t->shape[i]);
    lua_seti(L, -2, i + 1);
  }
  return 1;
}

/* t:dtype() -> "f32" */
static int tensor_dtype(lua_State *L) {
  lua_pushstring(L, scion_dtype_name(scion_check_tensor(L, 1)->dtype));
  return 1;
}

/* t:version() -> a number that changes with the contents */
static int tensor_version(lua_State *L) {
  const scion_tensor *t = scion_check_tensor(L, 1);
  lua_pushinteger(L, t->storage ? (lua_Integer)t->storage->version : 0);
  return 1;
}

static const luaL_Reg functions[] = {{"new", core_new}, {"live_bytes", core_live_bytes}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"shape", tensor_shape}, {"dtype", tensor_dtype}, {"version", tensor_version}, {NULL, NULL}};

void scion_open_tensor(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  luaL_newmetatable(L, SCION_TENSOR);
  lua_pushcfunction(L, tensor_gc);
  lua_setfield(L, -2, "__gc");
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
