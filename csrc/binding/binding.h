/* What the files of the binding share. The only place, with its folder, that knows of Lua. */
#ifndef SCION_BINDING_H
#define SCION_BINDING_H

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "scion.h"

#define SCION_TENSOR "scion.tensor" /* name of the tensor's metatable */

/* Each file of the folder adds its functions to the table on top of the stack (the module scion.core). */
void scion_open_tensor(lua_State *L); /* and with it the next five, which extend the tensor's metatable */
void scion_open_tensor_random(lua_State *L);
void scion_open_tensor_view(lua_State *L);
void scion_open_tensor_table(lua_State *L);
void scion_open_tensor_math(lua_State *L);
void scion_open_tensor_print(lua_State *L);
void scion_open_operations(lua_State *L);
void scion_open_program(lua_State *L);
void scion_open_system(lua_State *L);
void scion_open_json(lua_State *L);
void scion_open_safetensors(lua_State *L);
void scion_open_zip(lua_State *L);
void scion_open_elements(lua_State *L);
void scion_open_lock(lua_State *L);
void scion_open_image(lua_State *L);
void scion_open_loader(lua_State *L);
void scion_open_cache(lua_State *L);

/* Raises the core's last message, or returns if status is SCION_OK. Whoever calls holds nothing that must be freed: every
 * resource already belongs to a userdata. */
void scion_check(lua_State *L, scion_status status);
/* Pushes nil and the core's last message: how the low-level calls report what the world got wrong. */
int scion_push_failure(lua_State *L);
/* What a function returns to Lua: its results, which are pushed; where the world got something wrong, nil and the message. Raises the rest. */
int scion_push_result(lua_State *L, scion_status status, int results);

/* The string at that argument, which holds no zeros: they would end it early in C. */
static inline const char *scion_check_text(lua_State *L, int argument) {
  size_t length;
  const char *text = luaL_checklstring(L, argument, &length);
  luaL_argcheck(L, strlen(text) == length, argument, "a name holds a zero byte");
  return text;
}

/* The tensor at that argument, or an argument error. */
scion_tensor *scion_check_tensor(lua_State *L, int argument);
/* The same, or NULL where the argument is nil or none. */
scion_tensor *scion_optional_tensor(lua_State *L, int argument);
/* Pushes an empty tensor handle: what is put into it is released with it. */
scion_tensor *scion_push_handle(lua_State *L);
/* Pushes a new tensor of zeros, after a collection if much memory was taken since the last; raises when there is none. */
scion_tensor *scion_push_tensor(lua_State *L, scion_dtype dtype, int dims, const int64_t *shape);
/* Collects garbage if `bytes` more would pass the soft limit: for results that the core itself allocates. */
void scion_collect_before(lua_State *L, size_t bytes);
/* Adds functions to what a tensor's methods are, or to its metatable for names with two underscores. */
void scion_add_methods(lua_State *L, const luaL_Reg *methods);
/* Pushes an element as Lua's integer or number, by dtype. */
void scion_push_number(lua_State *L, scion_dtype dtype, double value);
/* An index, counted from 1, as one from 0 below size, or an error that names it, its place and t's shape. place counts from 1. */
int64_t scion_check_index(lua_State *L, int argument, const scion_tensor *t, int place, int64_t size);
/* Pushes a second handle to the same contents, with another shape if the caller then changes it. */
scion_tensor *scion_push_view(lua_State *L, const scion_tensor *t);
/* Pushes the u8 tensor at that argument, or where there is none a new one; returns a view of its first `bytes` bytes. */
scion_tensor scion_push_room(lua_State *L, int argument, int64_t bytes);
/* Tells caches of packed weights that the contents changed. */
void scion_touch(scion_tensor *t);

/* Whether Ctrl-C came while core.catch_interrupts() was on. */
bool scion_interrupted(void);

scion_dtype scion_check_dtype(lua_State *L, int argument, const char *otherwise);
/* Reads {2, 3, 4} at that index into shape; returns the number of dimensions. */
int scion_check_shape(lua_State *L, int index, int64_t shape[SCION_MAX_DIMS]);

/* In the order of scion_fill, ended by NULL. */
extern const char *const scion_fill_names[];

#endif
