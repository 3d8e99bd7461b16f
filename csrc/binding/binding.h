/* What the files of the binding share. The only place, with its folder, that knows of Lua. */
#ifndef SCION_BINDING_H
#define SCION_BINDING_H

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "program/program.h"
#include "scion.h"

#define SCION_TENSOR "scion.tensor" /* name of the tensor's metatable */

/* Each file of the folder adds its functions to the table on top of the stack (the module scion.core). */
void scion_open_tensor(lua_State *L); /* and with it the next five, which extend the tensor's metatable */
void scion_open_tensor_random(lua_State *L);
void scion_open_tensor_view(lua_State *L);
void scion_open_tensor_table(lua_State *L);
void scion_open_tensor_math(lua_State *L);
void scion_open_tensor_print(lua_State *L);
void scion_open_kernels(lua_State *L);
void scion_open_program(lua_State *L);
void scion_open_system(lua_State *L);
void scion_open_json(lua_State *L);
void scion_open_safetensors(lua_State *L);
void scion_open_hdf5(lua_State *L);
void scion_open_zip(lua_State *L);
void scion_open_elements(lua_State *L);
void scion_open_lock(lua_State *L);
void scion_open_image(lua_State *L);
void scion_open_loader(lua_State *L);
void scion_open_cache(lua_State *L);

/* Whatever allocates in Lua may run finalizers, and these may close an object or change a list that a function has looked at already. So
 * results are pushed and lists are counted first; objects are checked, and pointers taken, right before they are used. */

/* ---- results (core.c) */

/* Raises the core's last message, or returns if status is SCION_OK. Whoever calls holds nothing that must be freed: every
 * resource already belongs to a userdata. */
void scion_check(lua_State *L, scion_status status);
/* What a function returns to Lua: its results, which are pushed; where the world got something wrong, nil and the message. Raises the rest. */
int scion_push_result(lua_State *L, scion_status status, int results);

/* ---- classes: userdata that hold a resource */

/* Makes the metatable of a class: close, which must do nothing the second time, frees what an object holds, and is both __gc and
 * __close; methods are what object:name() finds, or NULL. */
static inline void scion_new_class(lua_State *L, const char *name, lua_CFunction close, const luaL_Reg *methods) {
  luaL_newmetatable(L, name);
  lua_pushcfunction(L, close);
  lua_pushvalue(L, -1);
  lua_setfield(L, -3, "__gc");
  lua_setfield(L, -2, "__close");
  if (methods) {
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_setfield(L, -2, "__index");
  }
  lua_pop(L, 1);
}

/* Pushes an object of a class, all zeros: it exists, closed, before the resource that it will hold. */
static inline void *scion_push_object(lua_State *L, const char *class, size_t size) {
  void *object = memset(lua_newuserdatauv(L, size, 0), 0, size);
  luaL_setmetatable(L, class);
  return object;
}

/* The resource of argument 1, an object of a class that holds one pointer; raises "the WHAT was closed" when that is NULL. */
static inline void *scion_check_open(lua_State *L, const char *class, const char *what) {
  void *resource;
  memcpy(&resource, luaL_checkudata(L, 1, class), sizeof resource);
  if (!resource) luaL_error(L, "the %s was closed", what);
  return resource;
}

/* ---- arguments */

/* The string at that argument, which holds no zeros: they would end it early in C. */
static inline const char *scion_check_text(lua_State *L, int argument) {
  size_t length;
  const char *text = luaL_checklstring(L, argument, &length);
  luaL_argcheck(L, strlen(text) == length, argument, "a name holds a zero byte");
  return text;
}

/* The most entries that a list may have: a table can be made to claim 2^61 of them. */
#define SCION_MAX_LIST ((lua_Integer)1 << 28)
/* The length of the list at that index; raises on what is no table, and on one with a __len of its own, which could say anything.
 * Entries are read by lua_rawgeti: then nothing runs meanwhile that might change the list, and it keeps alive what was read. */
lua_Integer scion_check_list(lua_State *L, int index);
/* The whole number at that argument, in low .. high; what names it in the error. */
lua_Integer scion_check_range(lua_State *L, int argument, lua_Integer low, lua_Integer high, const char *what);

/* ---- mistakes (misuse.c). A function is called in messages as its first upvalue says, if that is a string: "t:get", "a + b". */

/* Raises the string on top of the stack, with the line of the user's script in front. */
__attribute__((noreturn)) int scion_raise(lua_State *L);
/* Raises a message, as for lua_pushfstring, after the function's name. */
__attribute__((noreturn)) int scion_misuse(lua_State *L, const char *format, ...);
/* Pushes, and returns, the value at that index in words. */
const char *scion_show(lua_State *L, int index);
/* Pushes, and returns, " (did you mean 'bf16'?)" where the string at that index is nearly one of the names, or an empty string. */
const char *scion_meant(lua_State *L, int index, const char *(*name)(int), int count);
/* Raises that the argument is not `what`, "a tensor". */
__attribute__((noreturn)) int scion_mistyped(lua_State *L, int argument, const char *what);
/* Raises that a tensor has no method of the name at that argument, and which is meant; the methods are on top of the stack. */
__attribute__((noreturn)) int scion_no_method(lua_State *L, int argument);
/* The whole number, and any number, at that argument; a string is none. what names the argument: "the axis". */
lua_Integer scion_check_whole(lua_State *L, int argument, const char *what);
lua_Number scion_check_number(lua_State *L, int argument, const char *what);

/* The tensor at that argument, or an argument error. */
scion_tensor *scion_check_tensor(lua_State *L, int argument);
/* The tensor at that index, or NULL where something else is; raises on one that was closed. */
scion_tensor *scion_test_tensor(lua_State *L, int index);
/* The same, or NULL where the argument is nil or none. */
scion_tensor *scion_optional_tensor(lua_State *L, int argument);
/* Pushes an empty tensor handle: what is put into it is released with it. */
scion_tensor *scion_push_handle(lua_State *L);
/* Pushes a new tensor of zeros, after a collection if much memory was taken since the last; raises when there is none. */
scion_tensor *scion_push_tensor(lua_State *L, scion_dtype dtype, int dims, const int64_t *shape);
/* Collects garbage if `bytes` more would pass the soft limit: for results that the core itself allocates. */
void scion_collect_before(lua_State *L, size_t bytes);
/* The tensor at that argument, to be written to: raises on a copy that would be taken for a view, see scion_copied_by. */
scion_tensor *scion_check_target(lua_State *L, int argument);
/* Which method copied what it often gives as a view ("slice"), or NULL: writing to that copy would change nothing else, and is refused.
 * Of a handle that scion_push_handle made. */
const char **scion_copied_by(scion_tensor *handle);
/* Adds functions to what a tensor's methods are, or to its metatable for names with two underscores. */
void scion_add_methods(lua_State *L, const luaL_Reg *methods);
/* Pushes an element as Lua's integer or number, by dtype. */
void scion_push_number(lua_State *L, scion_dtype dtype, double value);
/* An index, counted from 1, as one from 0 below size, or an error that names it, its place and t's shape. place counts from 1. */
int64_t scion_check_index(lua_State *L, int argument, const scion_tensor *t, int place, int64_t size);
/* Pushes a second handle to the same contents, with another shape if the caller then changes it. */
scion_tensor *scion_push_view(lua_State *L, const scion_tensor *t);
/* What is to be read of a file, as three arguments from that one on: *offset; a number of bytes; and a u8 tensor with room for them, or nil
 * for a new one. Pushes the tensor, and returns a view of its first bytes, so many. It may allocate: the file is to be checked afterwards. */
scion_tensor scion_push_extent(lua_State *L, int argument, uint64_t *offset);
/* Pushes an empty handle for a tensor that the core will allocate, after the collection that such an allocation may call for. */
scion_tensor *scion_push_later(lua_State *L);
/* Tells caches of packed weights that the contents changed. */
void scion_touch(scion_tensor *t);

/* The kernel that element 1 of the table at that index names, with the options that the table gives; raises on an unknown kernel, on keys
 * that are neither its operands nor its options, and on values out of range. */
const scion_kernel *scion_check_kernel(lua_State *L, int index, scion_options *options);

/* Whether Ctrl-C came while core.catch_interrupts() was on. */
bool scion_interrupted(void);

scion_dtype scion_check_dtype(lua_State *L, int argument, const char *otherwise);
/* Reads {2, 3, 4} at that index into shape; returns the number of dimensions. */
int scion_check_shape(lua_State *L, int index, int64_t shape[SCION_MAX_DIMS]);

/* In the order of scion_fill, ended by NULL. */
extern const char *const scion_fill_names[];

#endif
