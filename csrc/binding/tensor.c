/* The userdata of tensors: lifetime, memory, arguments and constructors. */
#include "binding.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

/* ---- lifetime and memory */

void scion_touch(scion_tensor *t) {
  if (t->storage) t->storage->version++;
}

scion_tensor *scion_check_tensor(lua_State *L, int argument) {
  scion_tensor *t = luaL_testudata(L, argument, SCION_TENSOR);
  if (!t) scion_mistyped(L, argument, "a tensor");
  if (!t->data) scion_misuse(L, "the tensor was closed");
  return t;
}

/* The contents of the userdata. */
typedef struct {
  scion_tensor t; /* first, so that a pointer to it is one to the handle */
  const char *copied_by; /* see scion_copied_by */
} tensor_handle;

const char **scion_copied_by(scion_tensor *handle) { return &((tensor_handle *)(void *)handle)->copied_by; }

int scion_mark_copy(const scion_tensor *t, scion_tensor *y, const char *by) {
  *scion_copied_by(y) = y->storage == t->storage ? *scion_copied_by((scion_tensor *)(uintptr_t)t) : by;
  return 1;
}

scion_tensor *scion_check_target(lua_State *L, int argument) {
  scion_tensor *t = scion_check_tensor(L, argument);
  const char *by = *scion_copied_by(t);
  if (by)
    scion_misuse(L, "this tensor is a copy, made by %s: what is written to it would not reach t. t[{ {}, {1, 2} }] = value writes to a part of t, "
                    "here all of axis 1 and 1 to 2 of axis 2. To write to a tensor of its own, take %s:copy()", by, by);
  return t;
}

scion_tensor *scion_test_tensor(lua_State *L, int index) {
  scion_tensor *t = luaL_testudata(L, index, SCION_TENSOR);
  if (t && !t->data) scion_misuse(L, "the tensor was closed");
  return t;
}

scion_tensor *scion_optional_tensor(lua_State *L, int argument) {
  return lua_isnoneornil(L, argument) ? NULL : scion_check_tensor(L, argument);
}

scion_tensor *scion_push_handle(lua_State *L) {
  tensor_handle *handle = scion_push_object(L, SCION_TENSOR, sizeof *handle);
  return &handle->t;
}

/* Lua's collector sees a userdata of a hundred bytes, but not the megabytes of its tensor, and so would run too rarely. Therefore an
 * allocation that would bring the memory of all tensors above a soft limit triggers a full collection. The limit is one and a half
 * times the memory that survived the last collection, at least SOFT_LIMIT_FLOOR. To update it after collections that Lua starts itself,
 * there is a sentinel: an unreferenced userdata that is finalized in every cycle, sets the limit, and creates its successor. */
#define SOFT_LIMIT_FLOOR ((size_t)64 << 20)
#define SENTINEL "scion.sentinel"
static _Atomic size_t soft_limit = SOFT_LIMIT_FLOOR;

static void set_soft_limit(size_t live) {
  atomic_store(&soft_limit, live + live / 2 > SOFT_LIMIT_FLOOR ? live + live / 2 : SOFT_LIMIT_FLOOR);
}

void scion_collect_before(lua_State *L, size_t bytes) {
  if (scion_storage_live_bytes() + bytes <= atomic_load(&soft_limit)) return;
  lua_gc(L, LUA_GCCOLLECT);
  set_soft_limit(scion_storage_live_bytes() + bytes);
}

static void leave_sentinel(lua_State *L) {
  lua_newuserdatauv(L, 0, 0);
  luaL_setmetatable(L, SENTINEL);
  lua_pop(L, 1);
}

static int sentinel_gc(lua_State *L) {
  set_soft_limit(scion_storage_live_bytes());
  leave_sentinel(L);
  return 0;
}

scion_tensor *scion_push_tensor(lua_State *L, scion_dtype dtype, int dims, const int64_t *shape) {
  double bytes = (double)scion_dtype_size(dtype);
  for (int i = 0; i < dims; i++) bytes *= (double)shape[i];
  if (bytes > 0 && bytes < 1e15) scion_collect_before(L, (size_t)bytes);
  scion_tensor *t = scion_push_handle(L);
  scion_check(L, scion_tensor_new(t, dtype, dims, shape));
  return t;
}

scion_tensor *scion_push_later(lua_State *L) {
  scion_collect_before(L, 1);
  return scion_push_handle(L);
}

scion_tensor *scion_push_view(lua_State *L, const scion_tensor *t) {
  scion_tensor *view = scion_push_handle(L);
  *view = *t;
  scion_storage_retain(view->storage);
  return view;
}

/* __gc and __close: releases the tensor and leaves the userdata closed. */
static int tensor_release(lua_State *L) {
  scion_tensor_release(luaL_checkudata(L, 1, SCION_TENSOR));
  return 0;
}

/* ---- arguments */

static const char *dtype_name(int dtype) { return scion_dtype_name((scion_dtype)dtype); }

scion_dtype scion_check_dtype(lua_State *L, int argument, const char *otherwise) {
  const char *name = lua_isnoneornil(L, argument) && otherwise ? otherwise : lua_type(L, argument) == LUA_TSTRING ? lua_tostring(L, argument) : "";
  for (int dtype = 0; dtype < SCION_DTYPES; dtype++)
    if (strcmp(name, scion_dtype_name((scion_dtype)dtype)) == 0) return (scion_dtype)dtype;
  const char *shown = scion_show(L, argument);
  scion_misuse(L, "a dtype is 'f32', 'bf16', 'u8' or 'i32', not %s%s", shown, scion_meant(L, argument, dtype_name, SCION_DTYPES));
}

/* The size at a stack index; `dimension`, counted from 1, is named in the error. */
static int64_t check_size(lua_State *L, int index, int dimension) {
  int whole;
  lua_Integer size = lua_tointegerx(L, index, &whole);
  if (!whole || size < 0 || lua_type(L, index) != LUA_TNUMBER)
    scion_misuse(L, "dimension %d of the shape is a whole number from 0 up, not %s", dimension, scion_show(L, index));
  return size;
}

int scion_check_shape(lua_State *L, int index, int64_t shape[SCION_MAX_DIMS]) {
  lua_Integer dims = scion_check_list(L, index);
  if (dims > SCION_MAX_DIMS) scion_misuse(L, "a tensor has at most 6 dimensions, not %I", dims);
  for (int i = 0; i < (int)dims; i++) {
    lua_rawgeti(L, index, i + 1);
    shape[i] = check_size(L, lua_gettop(L), i + 1);
    lua_pop(L, 1);
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

/* core.live_bytes() -> memory of all tensors in bytes */
static int core_live_bytes(lua_State *L) {
  lua_pushinteger(L, (lua_Integer)scion_storage_live_bytes());
  return 1;
}

/* Pushes a new tensor. The arguments are a shape, either {2, 3} or 2, 3, and a dtype that may be absent. *next is the index of the
 * dtype. */
static scion_tensor *push_shaped(lua_State *L, int *next) {
  int64_t shape[SCION_MAX_DIMS];
  int dims = 0;
  if (lua_istable(L, 1)) {
    scion_check_plain_list(L, 1, "the shape is a list of sizes");
    dims = scion_check_shape(L, 1, shape);
    *next = 2;
  } else {
    for (; lua_type(L, dims + 1) == LUA_TNUMBER; dims++) {
      if (dims == SCION_MAX_DIMS) scion_misuse(L, "a tensor has at most 6 dimensions");
      shape[dims] = check_size(L, dims + 1, dims + 1);
    }
    if (dims == 0) scion_misuse(L, "the shape is a list of sizes, {2, 3}, or sizes, not %s", scion_show(L, 1));
    *next = dims + 1;
  }
  scion_dtype dtype = scion_check_dtype(L, *next, "f32");
  if (lua_gettop(L) > *next) scion_misuse(L, "nothing follows the dtype, but %s was given", scion_show(L, *next + 1));
  return scion_push_tensor(L, dtype, dims, shape);
}

/* core.zeros({2, 3}, dtype = "f32") or core.zeros(2, 3, dtype) -> tensor */
static int core_zeros(lua_State *L) {
  int next;
  push_shaped(L, &next);
  return 1;
}

/* core.ones({2, 3}, dtype = "f32") or core.ones(2, 3, dtype) -> tensor */
static int core_ones(lua_State *L) {
  int next;
  scion_check(L, scion_tensor_fill(push_shaped(L, &next), 1));
  return 1;
}

/* core.full({2, 3}, value, dtype = "f32") -> tensor; core.full(n, value, dtype) -> vector of n elements */
static int core_full(lua_State *L) {
  int64_t shape[SCION_MAX_DIMS];
  int dims = 1;
  if (lua_type(L, 1) == LUA_TNUMBER) {
    shape[0] = check_size(L, 1, 1);
  } else {
    scion_check_plain_list(L, 1, "the shape is a list of sizes");
    dims = scion_check_shape(L, 1, shape);
  }
  double value = scion_check_number(L, 2, "the value");
  scion_check(L, scion_tensor_fill(scion_push_tensor(L, scion_check_dtype(L, 3, "f32"), dims, shape), value));
  return 1;
}

/* core.fill(t, value) -> t */
static int core_fill(lua_State *L) {
  scion_tensor *t = scion_check_target(L, 1);
  scion_check(L, scion_tensor_fill(t, luaL_checknumber(L, 2)));
  scion_touch(t);
  lua_settop(L, 1);
  return 1;
}

/* core.copy(source, target, accumulate = false) -> target, converted as by scion_tensor_copy */
static int core_copy(lua_State *L) {
  const scion_tensor *source = scion_check_tensor(L, 1);
  scion_tensor *target = scion_check_target(L, 2);
  scion_check(L, scion_tensor_copy(source, target, lua_toboolean(L, 3)));
  scion_touch(target);
  lua_settop(L, 2);
  return 1;
}

static double check_finite(lua_State *L, int argument, const char *what) {
  double value = scion_check_number(L, argument, what);
  if (!isfinite(value)) scion_misuse(L, "%s is finite, not %s", what, scion_show(L, argument));
  return value;
}

/* core.arange(first, last, step = 1, dtype = "f32") -> vector first, first + step, .. up to and including last, like a for loop in Lua */
static int core_arange(lua_State *L) {
  double first = check_finite(L, 1, "the first number"), last = check_finite(L, 2, "the last number");
  double step = lua_isnoneornil(L, 3) ? 1 : check_finite(L, 3, "the step");
  if (step == 0) scion_misuse(L, "the step is 0");
  double steps = (last - first) / step + 1e-9; /* against rounding: from 0 to 0.3 by 0.1 has to include 0.3 */
  if (!(steps < INT32_MAX)) scion_misuse(L, "from %f to %f by %f are more than 2^31 - 1 numbers", first, last, step);
  int64_t count = steps >= 0 ? (int64_t)steps + 1 : 0;
  scion_tensor *t = scion_push_tensor(L, scion_check_dtype(L, 4, "f32"), 1, &count);
  scion_check(L, scion_tensor_arange(t, first, step));
  return 1;
}

static const luaL_Reg functions[] = {{"new", core_new}, {"live_bytes", core_live_bytes}, {"fill", core_fill}, {"copy", core_copy}, {NULL, NULL}};

static const luaL_Reg constructors[] = {{"zeros", core_zeros}, {"ones", core_ones}, {"full", core_full}, {"arange", core_arange}, {NULL, NULL}};

void scion_add_constructors(lua_State *L, const luaL_Reg *constructor) {
  for (; constructor->name; constructor++) {
    lua_pushfstring(L, "scion.%s", constructor->name);
    lua_pushcclosure(L, constructor->func, 1);
    lua_setfield(L, -2, constructor->name);
  }
}

void scion_open_tensor(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_add_constructors(L, constructors);
  scion_new_class(L, SCION_TENSOR, tensor_release, NULL);
  luaL_getmetatable(L, SCION_TENSOR);
  lua_newtable(L);
  lua_setfield(L, -2, "methods");
  lua_pop(L, 1);
  scion_new_class(L, SENTINEL, sentinel_gc, NULL);
  leave_sentinel(L);
  scion_open_tensor_random(L);
  scion_open_tensor_view(L);
  scion_open_tensor_part(L);
  scion_open_tensor_order(L);
  scion_open_tensor_table(L);
  scion_open_tensor_math(L);
  scion_open_tensor_print(L);
}
