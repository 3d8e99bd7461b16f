/* Images: files, sizes, warps, and raw bytes in and out of tensors. */
#include "binding.h"

#include <string.h>

/* Pushes an empty handle for what the core will allocate, after the collection that such an allocation may call for. */
static scion_tensor *push_later(lua_State *L) {
  scion_tensor *t = scion_push_tensor(L, SCION_U8, 1, (int64_t[]){1});
  scion_tensor_release(t);
  return t;
}

/* What the world gets wrong becomes nil and a message, misuse raises. */
static int result(lua_State *L, scion_status status) {
  if (status == SCION_WORLD) return scion_push_failure(L);
  scion_check(L, status);
  return 1;
}

/* core.image_load(path) -> u8 tensor HxWx3, or nil and a message */
static int core_image_load(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  return result(L, scion_image_load(path, push_later(L)));
}

/* core.image_save(path, image) -> true, or nil and a message */
static int core_image_save(lua_State *L) {
  const char *path = luaL_checkstring(L, 1);
  scion_status status = scion_image_save(path, scion_check_tensor(L, 2));
  lua_pushboolean(L, 1);
  return result(L, status);
}

/* core.image_resize(image, height, width) -> u8 tensor */
static int core_image_resize(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  int64_t shape[] = {luaL_checkinteger(L, 2), luaL_checkinteger(L, 3), 3};
  luaL_argcheck(L, shape[0] >= 1 && shape[0] <= SCION_MAX_PIXELS, 2, "a height is at least 1");
  luaL_argcheck(L, shape[1] >= 1 && shape[0] * shape[1] <= SCION_MAX_PIXELS, 3, "a width is at least 1, and the image not immense");
  scion_check(L, scion_image_resize(x, scion_push_tensor(L, SCION_U8, 3, shape)));
  return 1;
}

const char *const scion_fill_names[] = {"nearest", "constant", "reflect", "wrap", NULL};

/* core.image_warp(image, {6 numbers}, fill = "nearest", value = 0) -> u8 tensor of that size */
static int core_image_warp(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  luaL_checktype(L, 2, LUA_TTABLE);
  scion_fill fill = (scion_fill)luaL_checkoption(L, 3, "nearest", scion_fill_names);
  lua_Integer value = luaL_optinteger(L, 4, 0);
  luaL_argcheck(L, value >= 0 && value <= 255, 4, "a value is 0 to 255");
  scion_warp warp = {.gain = 1};
  for (int i = 0; i < 6; i++) {
    lua_geti(L, 2, i + 1);
    warp.matrix[i] = luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
  scion_tensor *y = scion_push_tensor(L, SCION_U8, x->dims, x->shape);
  scion_check(L, scion_image_warp(x, y, &warp, fill, (unsigned char)value));
  return 1;
}

static const luaL_Reg functions[] = {{"image_load", core_image_load},
                                     {"image_save", core_image_save},
                                     {"image_resize", core_image_resize},
                                     {"image_warp", core_image_warp},
                                     {NULL, NULL}};

void scion_open_image(lua_State *L) { luaL_setfuncs(L, functions, 0); }
