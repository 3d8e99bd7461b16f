/* Reading the table of a kernel call, core.run, which runs one kernel, and functions that query the kernels. */
#include "binding.h"

#include <stdio.h>

/* ---- options */

/* Raises the core's message, preceded by the kernel's name, unless status is SCION_OK. */
static void check(lua_State *L, const scion_kernel *kernel, scion_status status) {
  if (status != SCION_OK) luaL_error(L, "%s: %s", kernel->name, scion_error_message());
}

/* Reads the pair window[name], such as {2, 3}; `window` is an absolute stack index. */
static void read_pair(lua_State *L, int window, const char *name, int pair[2]) {
  if (lua_getfield(L, window, name) != LUA_TTABLE) luaL_error(L, "a window needs '%s', a pair such as {2, 3}", name);
  for (int i = 0; i < 2; i++) {
    int whole;
    lua_rawgeti(L, -1, i + 1);
    lua_Integer value = lua_tointegerx(L, -1, &whole);
    if (!whole || value < 0 || value > SCION_MAX_WINDOW)
      luaL_error(L, "a window's '%s' is a pair of whole numbers up to %d", name, SCION_MAX_WINDOW);
    pair[i] = (int)value;
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

/* Reads a window from the table on top of the stack. The caller still has to check it by scion_window_check. */
static scion_window read_window(lua_State *L) {
  scion_window window;
  int index = lua_gettop(L);
  if (!lua_istable(L, index)) luaL_error(L, "a window is a table, not a %s", luaL_typename(L, index));
  read_pair(L, index, "kernel", window.kernel);
  read_pair(L, index, "stride", window.stride);
  read_pair(L, index, "dilation", window.dilation);
  read_pair(L, index, "before", window.before);
  read_pair(L, index, "after", window.after);
  return window;
}

static double number_on_top(lua_State *L, const scion_kernel *kernel, const scion_option *option) {
  int number;
  double value = lua_tonumberx(L, -1, &number);
  if (!number) luaL_error(L, "%s: the option '%s' wants a number, not a %s", kernel->name, option->name, luaL_typename(L, -1));
  return value;
}

/* Sets an option to the value on top of the stack. */
static void read_option(lua_State *L, const scion_kernel *kernel, const scion_option *option, scion_options *options) {
  switch (option->kind) {
    case SCION_OPTION_FLAG: check(L, kernel, scion_option_set_whole(options, option, lua_toboolean(L, -1))); break;
    case SCION_OPTION_INT:
    case SCION_OPTION_WHOLE:
    case SCION_OPTION_WORD: {
      int whole;
      lua_Integer value = lua_tointegerx(L, -1, &whole);
      if (!whole) luaL_error(L, "%s: the option '%s' is not a whole number", kernel->name, option->name);
      check(L, kernel, scion_option_set_whole(options, option, value));
      break;
    }
    case SCION_OPTION_NUMBER: check(L, kernel, scion_option_set_number(options, option, number_on_top(L, kernel, option))); break;
    case SCION_OPTION_CHOICE:
      if (lua_type(L, -1) != LUA_TSTRING)
        luaL_error(L, "%s: the option '%s' wants a name, not a %s", kernel->name, option->name, luaL_typename(L, -1));
      check(L, kernel, scion_option_set_word(options, option, lua_tostring(L, -1)));
      break;
    case SCION_OPTION_TRIPLE: {
      double triple[3];
      if (!lua_istable(L, -1)) luaL_error(L, "%s: the option '%s' wants three numbers", kernel->name, option->name);
      for (int i = 0; i < 3; i++) {
        lua_rawgeti(L, -1, i + 1);
        triple[i] = number_on_top(L, kernel, option);
        lua_pop(L, 1);
      }
      check(L, kernel, scion_option_set_triple(options, option, triple));
      break;
    }
    case SCION_OPTION_WINDOW: {
      scion_window window = read_window(L);
      check(L, kernel, scion_option_set_window(options, option, &window));
    }
  }
}

const scion_kernel *scion_check_kernel(lua_State *L, int index, scion_options *options) {
  index = lua_absindex(L, index);
  luaL_checkstack(L, 8, NULL);
  const char *name = lua_rawgeti(L, index, 1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
  const scion_kernel *kernel = name ? scion_kernel_named(name) : NULL;
  if (!kernel) luaL_error(L, "unknown operation '%s'", name ? name : luaL_typename(L, -1));
  lua_pop(L, 1);
  *options = (scion_options)SCION_DEFAULT_OPTIONS;
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue; /* the kernel's name */
    const char *key = lua_tostring(L, -2);
    if (scion_kernel_operand(kernel, key) >= 0) continue;
    const scion_option *option = scion_kernel_option(kernel, key);
    if (!option) luaL_error(L, "%s has no operand or option '%s'", kernel->name, key);
    read_option(L, kernel, option, options);
  }
  return kernel;
}

/* ---- functions */

typedef struct {
  const scion_kernel *kernel;
  scion_options options;
  scion_tensor *tensors[SCION_MAX_OPERANDS];
} kernel_call;

/* Reads the call that the table at an index describes, which keeps its tensors alive. */
static void read_call(lua_State *L, int index, kernel_call *call) {
  const scion_kernel *kernel = call->kernel = scion_check_kernel(L, index, &call->options);
  for (int i = 0; i < kernel->count; i++) {
    lua_pushstring(L, kernel->operands[i].name);
    lua_rawget(L, index);
    call->tensors[i] = scion_test_tensor(L, -1);
    if (!call->tensors[i] && !lua_isnil(L, -1))
      luaL_error(L, "%s: operand '%s' must be a tensor, not %s", kernel->name, kernel->operands[i].name, luaL_typename(L, -1));
    lua_pop(L, 1);
  }
}

static void check_operands(lua_State *L, const kernel_call *call) {
  for (int i = 0; i < call->kernel->count; i++) scion_check(L, scion_operand_check(call->kernel, i, call->tensors[i]));
}

/* core.run{ "add_forward", a = t, b = u, y = v, activation = "relu" }: runs one kernel. Returns nothing; or nil and a message if an
 * optimizer left out weights that would have overflowed (it has updated all others), or if OpenBLAS cannot be loaded. */
static int core_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  kernel_call call;
  read_call(L, 1, &call);
  check_operands(L, &call);
  return scion_push_result(L, scion_kernel_run(call.kernel, call.tensors, &call.options), 0);
}

/* Runs a call, or the dry update of an optimizer's. */
static scion_status run_call(const kernel_call *call, bool dry) {
  scion_options options = call->options;
  options.dry |= dry;
  return scion_kernel_run(call->kernel, call->tensors, &options);
}

/* core.run_all{ {..}, {..}, .. }: runs kernels, one after the other, each as for core.run, or none: all calls are read before the first one
 * runs, and dry updates tell whether optimizers would leave out weights. Returns nothing; or the number of the first such call and its
 * message. */
static int core_run_all(lua_State *L) {
  lua_settop(L, 1);
  lua_Integer count = scion_check_list(L, 1);
  lua_settop(L, 1);
  kernel_call *calls = lua_newuserdatauv(L, (size_t)(count + 1) * sizeof *calls, 0);
  for (lua_Integer i = 0; i < count; i++) {
    if (lua_rawgeti(L, 1, i + 1) != LUA_TTABLE) return luaL_error(L, "a call is a table, not a %s", luaL_typename(L, -1));
    read_call(L, lua_gettop(L), &calls[i]);
    lua_pop(L, 1);
  }
  for (lua_Integer i = 0; i < count; i++) check_operands(L, &calls[i]);
  for (lua_Integer i = 0; i < count; i++) {
    scion_status status = scion_kernel_option(calls[i].kernel, "dry") ? run_call(&calls[i], true) : SCION_OK;
    if (status == SCION_WORLD) {
      lua_pushinteger(L, i + 1);
      lua_pushstring(L, scion_error_message());
      return 2;
    }
    scion_check(L, status);
  }
  for (lua_Integer i = 0; i < count; i++) scion_check(L, run_call(&calls[i], false));
  return 0;
}

/* core.kernels() -> { name = { {name =, optional =, written =, f32 =, bf16 =, u8 =, i32 =}, .. }, .. }: the operands of each kernel in
 * their order; the last four are whether an operand may have that dtype */
static int core_kernels(lua_State *L) {
  const scion_kernel *kernel;
  lua_newtable(L);
  for (size_t k = 0; (kernel = scion_kernel_at(k)); k++) {
    lua_createtable(L, kernel->count, 0);
    for (int i = 0; i < kernel->count; i++) {
      const scion_operand *o = &kernel->operands[i];
      lua_createtable(L, 0, 3 + SCION_DTYPES);
      lua_pushstring(L, o->name), lua_setfield(L, -2, "name");
      lua_pushboolean(L, o->optional), lua_setfield(L, -2, "optional");
      lua_pushboolean(L, o->written), lua_setfield(L, -2, "written");
      for (int d = 0; d < SCION_DTYPES; d++)
        lua_pushboolean(L, o->dtypes >> d & 1), lua_setfield(L, -2, scion_dtype_name((scion_dtype)d));
      lua_rawseti(L, -2, i + 1);
    }
    lua_setfield(L, -2, kernel->name);
  }
  return 1;
}

/* core.conv2d_packed(kernel, transposed) -> number of elements of the packed tensor, see scion_conv2d_packed_elements */
static int core_conv2d_packed(lua_State *L) {
  lua_pushinteger(L, scion_conv2d_packed_elements(scion_check_tensor(L, 1), lua_toboolean(L, 2)));
  return 1;
}

/* core.grouped_conv2d_packed(kernel, groups, transposed) -> number of elements of the tensor packed in groups */
static int core_grouped_conv2d_packed(lua_State *L) {
  lua_Integer groups = luaL_checkinteger(L, 2);
  luaL_argcheck(L, groups >= 1 && groups <= INT_MAX, 2, "groups are from 1 on");
  lua_pushinteger(L, scion_grouped_conv2d_packed_elements(scion_check_tensor(L, 1), (int)groups, lua_toboolean(L, 3)));
  return 1;
}

/* core.winograd_fits(window) -> whether convolution by minimal filtering supports the window */
static int core_winograd_fits(lua_State *L) {
  lua_settop(L, 1);
  scion_window window = read_window(L);
  scion_check(L, scion_window_check(&window));
  lua_pushboolean(L, scion_winograd_fits(&window));
  return 1;
}

/* core.winograd_packed(kernel, transposed) -> number of elements of the tensor packed for minimal filtering */
static int core_winograd_packed(lua_State *L) {
  lua_pushinteger(L, scion_winograd_packed_elements(scion_check_tensor(L, 1), lua_toboolean(L, 2)));
  return 1;
}

/* core.conv2d_bf16_packed(kernel [, window]) -> number of elements of the tensor packed in bf16; with a window: for the gradient to the
 * input */
static int core_conv2d_bf16_packed(lua_State *L) {
  const scion_tensor *kernel = scion_check_tensor(L, 1);
  lua_settop(L, 2);
  if (!lua_toboolean(L, 2)) return lua_pushinteger(L, scion_conv2d_bf16_packed_elements(kernel, NULL)), 1;
  scion_window window = read_window(L);
  scion_check(L, scion_window_check(&window));
  lua_pushinteger(L, scion_conv2d_bf16_packed_elements(kernel, &window));
  return 1;
}

/* core.conv2d_int8_packed(kernel) -> number of elements of the tensor packed as bytes */
static int core_conv2d_int8_packed(lua_State *L) {
  lua_pushinteger(L, scion_conv2d_int8_packed_elements(scion_check_tensor(L, 1)));
  return 1;
}

/* core.int8() -> how products of bytes are computed: the name of the instruction set, "avxvnni", "avx512vnni" or "amx" */
static int core_int8(lua_State *L) {
  lua_pushstring(L, scion_int8_name(scion_int8_in_use()));
  return 1;
}

/* core.bf16() -> how products of bf16 are computed: "avx512bf16", "amx", or "f32" if the CPU has no instructions for them */
static int core_bf16(lua_State *L) {
  lua_pushstring(L, scion_bf16_name(scion_bf16_in_use()));
  return 1;
}

/* core.finite(t) -> whether every element of an f32 tensor is a finite number */
static int core_finite(lua_State *L) {
  bool finite = false;
  scion_check(L, scion_all_finite(scion_check_tensor(L, 1), &finite));
  lua_pushboolean(L, finite);
  return 1;
}

/* core.norm(t) -> the square root of the sum of the squares of an f32 tensor's elements */
static int core_norm(lua_State *L) {
  double norm = 0;
  scion_check(L, scion_norm(scion_check_tensor(L, 1), &norm));
  lua_pushnumber(L, norm);
  return 1;
}

static const luaL_Reg functions[] = {{"run", core_run}, {"run_all", core_run_all}, {"kernels", core_kernels}, {"conv2d_packed", core_conv2d_packed},
                                     {"grouped_conv2d_packed", core_grouped_conv2d_packed},
                                     {"winograd_packed", core_winograd_packed}, {"winograd_fits", core_winograd_fits},
                                     {"conv2d_bf16_packed", core_conv2d_bf16_packed}, {"bf16", core_bf16},
                                     {"conv2d_int8_packed", core_conv2d_int8_packed}, {"int8", core_int8},
                                     {"finite", core_finite}, {"norm", core_norm}, {NULL, NULL}};

void scion_open_kernels(lua_State *L) { luaL_setfuncs(L, functions, 0); }
