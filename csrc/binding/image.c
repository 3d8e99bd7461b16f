/* Loading, saving, resizing and warping images. */
#include "binding.h"

#include <string.h>

/* The `count` numbers of the list at an index. */
static void read_numbers(lua_State *L, int index, double *numbers, int count, const char *what) {
  luaL_checktype(L, index, LUA_TTABLE);
  for (int i = 0; i < count; i++) {
    int number;
    lua_rawgeti(L, index, i + 1);
    numbers[i] = lua_tonumberx(L, -1, &number);
    luaL_argcheck(L, number, index, what);
    lua_pop(L, 1);
  }
}

static const char *const truncated_names[] = {"error", "keep", NULL};

scion_decoding scion_read_decoding(lua_State *L, int table) {
  lua_getfield(L, table, "max_pixels");
  scion_decoding decoding = {.max_pixels = lua_isnil(L, -1) ? 0 : scion_check_range(L, -1, 1, SCION_MAX_PIXELS, "max_pixels")};
  lua_getfield(L, table, "truncated");
  decoding.keep_truncated = luaL_checkoption(L, -1, "error", truncated_names) == 1;
  decoding.composite = lua_getfield(L, table, "background") != LUA_TNIL;
  double colour[3];
  if (decoding.composite) read_numbers(L, lua_gettop(L), colour, 3, "three numbers expected");
  for (int c = 0; decoding.composite && c < 3; c++) decoding.background[c] = (unsigned char)(colour[c] > 0 ? colour[c] < 255 ? colour[c] : 255 : 0);
  lua_pop(L, 3);
  return decoding;
}

/* core.image_load(path, { max_pixels, truncated = "error" or "keep", background = {red, green, blue} } or nil) -> u8 tensor HxWx3, or nil and a message; see scion_decoding */
static int core_image_load(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  scion_decoding decoding = {0};
  if (!lua_isnoneornil(L, 2)) {
    luaL_checktype(L, 2, LUA_TTABLE);
    decoding = scion_read_decoding(L, 2);
  }
  return scion_push_result(L, scion_image_load(path, &decoding, scion_push_later(L)), 1);
}

/* core.image_format(path) -> what the file really is, such as "a HEIC image"; nil where that is unknown or the file cannot be read */
static int core_image_format(lua_State *L) {
  lua_pushstring(L, scion_image_format_name(scion_check_text(L, 1)));
  return 1;
}

/* core.image_save(path, image) -> true, or nil and a message */
static int core_image_save(lua_State *L) {
  const char *path = scion_check_text(L, 1);
  scion_status status = scion_image_save(path, scion_check_tensor(L, 2));
  lua_pushboolean(L, 1);
  return scion_push_result(L, status, 1);
}

/* core.image_encode(image, quality) -> u8 tensor: the bytes of a JPEG file of that quality, 1 .. 100 */
static int core_image_encode(lua_State *L) {
  const scion_tensor *image = scion_check_tensor(L, 1);
  int quality = (int)scion_check_range(L, 2, 1, 100, "the quality");
  scion_check(L, scion_image_encode(image, quality, scion_push_later(L)));
  return 1;
}

const char *const scion_filter_names[] = {"nearest", "bilinear", "bicubic", "area", NULL};

/* core.image_resize(image, height, width, {left, top, right, bottom} or nil, filter = "bilinear") -> u8 tensor; the image is HxWx3 or
 * NxHxWx3. See scion_image_resize. */
static int core_image_resize(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  int64_t height = scion_check_range(L, 2, 1, SCION_MAX_PIXELS, "a height");
  int64_t width = scion_check_range(L, 3, 1, SCION_MAX_PIXELS / height, "a width");
  double edges[4];
  bool part = !lua_isnoneornil(L, 4);
  if (part) read_numbers(L, 4, edges, 4, "four numbers expected");
  scion_box box = part ? (scion_box){edges[0], edges[1], edges[2], edges[3]} : (scion_box){0};
  scion_filter filter = (scion_filter)luaL_checkoption(L, 5, "bilinear", scion_filter_names);
  bool several = x->dims == 4;
  int64_t shape[] = {several ? x->shape[0] : height, several ? height : width, several ? width : 3, 3};
  scion_check(L, scion_image_resize(x, scion_push_tensor(L, SCION_U8, several ? 4 : 3, shape), part ? &box : NULL, filter));
  return 1;
}

const char *const scion_fill_names[] = {"nearest", "constant", "reflect", "wrap", NULL};

/* core.image_warp(image, {6 numbers of the matrix}, fill = "nearest", value = 0) -> u8 tensor of the same size; see scion_warp */
static int core_image_warp(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  scion_fill fill = (scion_fill)luaL_checkoption(L, 3, "nearest", scion_fill_names);
  lua_Integer value = lua_isnoneornil(L, 4) ? 0 : scion_check_range(L, 4, 0, 255, "a value");
  scion_warp warp = {.gain = 1};
  read_numbers(L, 2, warp.matrix, 6, "six numbers expected");
  scion_tensor *y = scion_push_tensor(L, SCION_U8, x->dims, x->shape);
  scion_check(L, scion_image_warp(x, y, &warp, fill, (unsigned char)value));
  return 1;
}

#define MOST_AMOUNTS 12

/* core.image_op(name, image, numbers..) -> u8 tensor: a copy of the image, changed by scion_image_op */
static int core_image_op(lua_State *L) {
  const char *name = scion_check_text(L, 1);
  const scion_tensor *x = scion_check_tensor(L, 2);
  int count = lua_gettop(L) - 2;
  luaL_argcheck(L, count <= MOST_AMOUNTS, MOST_AMOUNTS + 3, "too many numbers");
  double amounts[MOST_AMOUNTS];
  for (int i = 0; i < count; i++) amounts[i] = luaL_checknumber(L, 3 + i);
  scion_tensor *y = scion_push_tensor(L, x->dtype, x->dims, x->shape);
  scion_check(L, scion_tensor_copy(x, y, 0));
  scion_check(L, scion_image_op(y, name, amounts, count));
  return 1;
}

/* core.mixup(x, partner, share) -> tensor; see scion_mixup */
static int core_mixup(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1), *partner = scion_check_tensor(L, 2);
  double share = luaL_checknumber(L, 3);
  scion_check(L, scion_mixup(x, partner, share, scion_push_tensor(L, x->dtype, x->dims, x->shape)));
  return 1;
}

/* core.cutmix(x, partner, share, row, column) -> tensor, the share that remains of each image; pixels count from 0, see scion_cutmix */
static int core_cutmix(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1), *partner = scion_check_tensor(L, 2);
  double share = luaL_checknumber(L, 3), kept;
  lua_Integer row = luaL_checkinteger(L, 4), column = luaL_checkinteger(L, 5);
  scion_check(L, scion_cutmix(x, partner, share, row, column, scion_push_tensor(L, x->dtype, x->dims, x->shape), &kept));
  lua_pushnumber(L, kept);
  return 2;
}

static const luaL_Reg functions[] = {{"image_load", core_image_load},
                                     {"image_format", core_image_format},
                                     {"image_save", core_image_save},
                                     {"image_encode", core_image_encode},
                                     {"image_resize", core_image_resize},
                                     {"image_warp", core_image_warp},
                                     {"image_op", core_image_op},
                                     {"mixup", core_mixup},
                                     {"cutmix", core_cutmix},
                                     {NULL, NULL}};

void scion_open_image(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  lua_pushinteger(L, SCION_MAX_IMAGE_FILE);
  lua_setfield(L, -2, "max_image_file");
}
