/* Declarations that the files of the Lua binding share. Only the files in this folder use Lua. */
#ifndef SCION_BINDING_H
#define SCION_BINDING_H

#include <lauxlib.h>
#include <lua.h>
#include <string.h>

#include "program/program.h"
#include "scion.h"

#define SCION_TENSOR "scion.tensor" /* registry name of the metatable of tensors */
/* registry name of the metatable of plain tables that print what they hold, and its __name: see printable.lua */
#define SCION_PRINTABLE "scion.Printable"

/* Each file of the folder adds its functions to the table on top of the stack (the module scion.core). */
void scion_open_tensor(lua_State *L); /* calls the next seven, which also extend the metatable of tensors */
void scion_open_tensor_random(lua_State *L);
void scion_open_tensor_view(lua_State *L);
void scion_open_tensor_part(lua_State *L);
void scion_open_tensor_order(lua_State *L);
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
void scion_open_listing(lua_State *L);
void scion_open_writing(lua_State *L);
void scion_open_row_facts(lua_State *L);
void scion_open_image(lua_State *L);
void scion_open_examine(lua_State *L);
void scion_open_loader(lua_State *L);
void scion_open_rows(lua_State *L);
void scion_open_cache(lua_State *L);

/* A rule for all functions of the binding: every call that allocates in Lua may run finalizers, which are Lua functions that may close an
 * object or change a list. So functions first push their results and count lists, and check objects and take pointers from them right
 * before they use them. */

/* ---- results (core.c) */

/* Raises the core's last message unless status is SCION_OK. Since raising is a longjmp, the caller must not hold anything that has to be
 * freed: every resource already belongs to a userdata. */
void scion_check(lua_State *L, scion_status status);
/* For `return scion_push_result(..)` of a C function: the number of its `results`, which are already pushed; nil and the message for
 * SCION_WORLD and SCION_SYSTEM, which scripts may want to handle. Raises any other failure. */
int scion_push_result(lua_State *L, scion_status status, int results);

/* Whether the table at an index has a metatable that does more than print it. */
static inline bool scion_is_object(lua_State *L, int index) {
  if (!lua_getmetatable(L, index)) return false;
  lua_pushliteral(L, "__name");
  lua_rawget(L, -2);
  bool shown = lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), SCION_PRINTABLE) == 0;
  return lua_pop(L, 2), !shown;
}

/* ---- classes: userdata that hold a resource */

/* Creates the metatable of a class. close becomes __gc and __close: it frees what the object holds, and does nothing when it is called
 * again. methods (or NULL) are the functions that object:name() calls. */
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

/* Pushes an object of a class, all zeros, which means closed. It is created before its resource, so that the resource has an owner at
 * once and is not lost if Lua raises an error. */
static inline void *scion_push_object(lua_State *L, const char *class, size_t size) {
  void *object = memset(lua_newuserdatauv(L, size, 0), 0, size);
  luaL_setmetatable(L, class);
  return object;
}

/* The resource of argument 1, which is an object of a class that holds one pointer. Raises "the WHAT was closed" if it is NULL. */
static inline void *scion_check_open(lua_State *L, const char *class, const char *what) {
  void *resource;
  memcpy(&resource, luaL_checkudata(L, 1, class), sizeof resource);
  if (!resource) luaL_error(L, "the %s was closed", what);
  return resource;
}

/* ---- arguments */

/* The string at an argument. Raises if it contains a zero byte, at which it would end in C. */
static inline const char *scion_check_text(lua_State *L, int argument) {
  size_t length;
  const char *text = luaL_checklstring(L, argument, &length);
  luaL_argcheck(L, strlen(text) == length, argument, "a name holds a zero byte");
  return text;
}

/* The largest length of a list that is accepted: a table with a few entries can be built so that its length is reported as 2^61. */
#define SCION_MAX_LIST ((lua_Integer)1 << 28)
/* The length of the list at an index. Raises if it is not a table, has a __len metamethod (which could return anything), or is longer
 * than SCION_MAX_LIST. Callers read entries by lua_rawgeti, which runs no metamethod that could change the list. The list then keeps
 * the entries alive. */
lua_Integer scion_check_list(lua_State *L, int index);
/* The same for what a user gives: an empty list has no other keys, and is no object. Raises "WHAT, not VALUE", such as "the shape is a list of
 * sizes, not a model". */
lua_Integer scion_check_plain_list(lua_State *L, int index, const char *what);
/* Entries first .. first + count - 1, from 1, of the list at an index as an array of C strings: a userdata, which remains on the stack.
 * The list keeps the strings alive. Raises if one is no string or holds a zero byte. */
const char *const *scion_check_paths(lua_State *L, int list, lua_Integer first, lua_Integer count);
/* The tensor that is entry i of the list at an index, which keeps it alive (rows.c). Raises if it is none. */
const scion_tensor *scion_tensor_of_list(lua_State *L, int list, lua_Integer i);
/* The whole number at an argument, in low .. high. `what` names it in the error. */
lua_Integer scion_check_range(lua_State *L, int argument, lua_Integer low, lua_Integer high, const char *what);

/* ---- errors of the user (misuse.c). If the first upvalue of a function is a string, such as "t:get" or "a + b", it is the function's
 * name in messages. */

/* Raises the string on top of the stack, preceded by the line of the user's script. */
__attribute__((noreturn)) int scion_raise(lua_State *L);
/* Raises a message, formatted as by lua_pushfstring and preceded by the function's name. */
__attribute__((noreturn)) int scion_misuse(lua_State *L, const char *format, ...);
/* Pushes and returns a description of the value at an index, such as "a table", for messages. */
const char *scion_show(lua_State *L, int index);
/* If the string at an index is similar to one of the names name(0) .. name(count - 1), pushes and returns " (did you mean 'bf16'?)";
 * otherwise returns "". */
const char *scion_meant(lua_State *L, int index, const char *(*name)(int), int count);
/* Raises that an argument has to be `what`, for example "a tensor". */
__attribute__((noreturn)) int scion_mistyped(lua_State *L, int argument, const char *what);
/* Raises that tensors have no method of the name at an argument, and suggests a similar one. The table of methods is on top of the
 * stack. */
__attribute__((noreturn)) int scion_no_method(lua_State *L, int argument);
/* The whole number, and any number, at an argument; strings are not converted. `what` names the argument in messages: "the axis". */
lua_Integer scion_check_whole(lua_State *L, int argument, const char *what);
lua_Number scion_check_number(lua_State *L, int argument, const char *what);

/* ---- tensors */

/* The tensor at an argument. Raises if it is another value or a closed tensor. */
scion_tensor *scion_check_tensor(lua_State *L, int argument);
/* The tensor at an index, or NULL for any other value. Raises if the tensor was closed. */
scion_tensor *scion_test_tensor(lua_State *L, int index);
/* As scion_check_tensor, but NULL if the argument is nil or absent. */
scion_tensor *scion_optional_tensor(lua_State *L, int argument);
/* Pushes a userdata with an empty tensor. A tensor that the caller puts into it is released with the userdata. */
scion_tensor *scion_push_handle(lua_State *L);
/* Pushes a new tensor of zeros. Calls scion_collect_before first. Raises if the shape is impossible or memory is short. */
scion_tensor *scion_push_tensor(lua_State *L, scion_dtype dtype, int dims, const int64_t *shape);
/* Collects garbage if `bytes` more would exceed the soft limit on the memory of tensors (see tensor.c). To be called before the core
 * itself allocates a result. */
void scion_collect_before(lua_State *L, size_t bytes);
/* The tensor at an argument, for writing. Raises if it is a copy that a user may take for a view, see scion_copied_by. */
scion_tensor *scion_check_target(lua_State *L, int argument);
/* Some methods, such as t:slice, return a view if possible and otherwise a copy. For such a copy this is the expression that made it, such
 * as "t:slice(...)", else NULL. Writing to it is refused, since users would expect it to change the original, too. `handle` was made by
 * scion_push_handle. */
const char **scion_copied_by(scion_tensor *handle);
/* Called for y that the expression `by` made of t. If y has another storage, it is a copy and is marked as such. If it is a view, it is
 * marked if t is. Returns 1, the number of results. */
int scion_mark_copy(const scion_tensor *t, scion_tensor *y, const char *by);
/* Adds functions to the table on top of the stack that users call scion.NAME, which is also their name in messages. */
void scion_add_constructors(lua_State *L, const luaL_Reg *constructors);
/* Adds functions to the methods of tensors, and those whose names begin with two underscores to their metatable. */
void scion_add_methods(lua_State *L, const luaL_Reg *methods);
/* Pushes an element as an integer (u8, i32) or float, by its dtype. */
void scion_push_number(lua_State *L, scion_dtype dtype, double value);
/* The index at an argument, 1 .. size, or negative, -1 for the last, converted to 0 .. size - 1. Raises with the index, the dimension
 * (`place`, from 1) and t's shape in the message. */
int64_t scion_check_index(lua_State *L, int argument, const scion_tensor *t, int place, int64_t size);
/* The axis at an argument, 1 .. dims, or negative, -1 for the last, converted to 0 .. dims - 1. */
int scion_check_axis(lua_State *L, int argument, const scion_tensor *t, int dims);
/* Pushes a new tensor with the same storage, whose shape the caller may then change. */
scion_tensor *scion_push_view(lua_State *L, const scion_tensor *t);
/* Reads three arguments, from `argument` on, of a function that reads bytes from a file: the offset, the number of bytes, and a u8 tensor
 * for them, or nil for a new one. Pushes the tensor and returns a view of its first bytes, as many as are to be read. Since it may
 * allocate, callers check afterwards that the file is still open. */
scion_tensor scion_push_extent(lua_State *L, int argument, uint64_t *offset);
/* Pushes an empty tensor for a result of yet unknown size that the core will allocate, and collects garbage before if the soft limit is
 * reached. */
scion_tensor *scion_push_later(lua_State *L);
/* Marks the contents as changed, for caches of packed weights. To be called after each write. */
void scion_touch(scion_tensor *t);

/* Reads a kernel call: the table at an index has the kernel's name as element 1 and operands and options by their names. Returns the
 * kernel and fills its options. Raises if the kernel is unknown, a key is neither an operand nor an option, or a value is out of range.
 * Operands are left to the caller. */
const scion_kernel *scion_check_kernel(lua_State *L, int index, scion_options *options);

/* Whether Ctrl-C was pressed since core.catch_interrupts() (system.c). */
bool scion_interrupted(void);

/* The dtype that an argument names; if it is nil or absent, the one that `otherwise` names, unless that is NULL. */
scion_dtype scion_check_dtype(lua_State *L, int argument, const char *otherwise);
/* Reads a list of sizes, such as {2, 3, 4}, into shape. Returns the number of dimensions. */
int scion_check_shape(lua_State *L, int index, int64_t shape[SCION_MAX_DIMS]);

/* The names of scion_fill's values in their order, ended by NULL. */
extern const char *const scion_fill_names[];
extern const char *const scion_filter_names[];
/* The fields of a table that say how image files are decoded; see core.image_load. */
scion_decoding scion_read_decoding(lua_State *L, int table);

#endif
