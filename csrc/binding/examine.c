/* What image files hold, which images look alike, and contact sheets. */
#include "binding.h"

#include <string.h>

static const char *const formats[] = {"other", "jpeg", "png", "gif", "webp"}, *const modes[] = {"colour", "grey", "cmyk", "deep grey"};

static void push_facts(lua_State *L, const scion_image_facts *facts) {
  lua_createtable(L, 0, 9);
  lua_pushstring(L, formats[facts->format]);
  lua_setfield(L, -2, "format");
  lua_pushinteger(L, facts->bytes);
  lua_setfield(L, -2, "bytes");
  if (facts->status != SCION_OK) {
    lua_pushstring(L, facts->message);
    lua_setfield(L, -2, "message");
    return;
  }
  lua_pushlstring(L, (const char *)facts->content, sizeof facts->content);
  lua_setfield(L, -2, "content");
  lua_pushlstring(L, (const char *)&facts->look, sizeof facts->look);
  lua_setfield(L, -2, "look");
  lua_pushstring(L, modes[facts->mode]);
  lua_setfield(L, -2, "mode");
  lua_pushboolean(L, facts->alpha);
  lua_setfield(L, -2, "alpha");
  lua_pushinteger(L, facts->height);
  lua_setfield(L, -2, "height");
  lua_pushinteger(L, facts->width);
  lua_setfield(L, -2, "width");
  lua_pushinteger(L, facts->orientation);
  lua_setfield(L, -2, "orientation");
}

/* core.image_examine(files or u8 tensor NxHxWx3, first, count, decoding or nil) -> list of { format, bytes, content, look, mode, alpha, height, width,
 * orientation } of images first .. first + count - 1, from 1; of one that cannot be read { format, bytes, message }. `content` and `look`
 * are strings. nil after Ctrl-C, see core.interrupted. Raises what is no fault of a file, such as too many open files. */
static int core_image_examine(lua_State *L) {
  const scion_tensor *images = scion_test_tensor(L, 1);
  lua_Integer length = images ? images->shape[0] : scion_check_list(L, 1);
  lua_Integer first = scion_check_range(L, 2, 1, length + 1, "the first image");
  lua_Integer count = scion_check_range(L, 3, 0, length - first + 1, "the number of images");
  scion_decoding decoding = {0};
  if (!lua_isnoneornil(L, 4)) {
    luaL_checktype(L, 4, LUA_TTABLE);
    decoding = scion_read_decoding(L, 4);
  }
  scion_image_facts *facts = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *facts, 0);
  const char *const *paths = images ? NULL : scion_check_paths(L, 1, first, count);
  if (images) images = scion_check_tensor(L, 1);
  scion_check(L, images ? scion_image_examine_pixels(images, first - 1, count, facts) : scion_image_examine(paths, count, &decoding, scion_interrupted, facts));
  if (scion_interrupted()) return 0;
  for (lua_Integer i = 0; i < count; i++)
    if (facts[i].status != SCION_OK && facts[i].status != SCION_WORLD)
      scion_check(L, scion_fail(facts[i].status, "%s: %s", paths ? paths[i] : "an image", facts[i].message));
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 0; i < count; i++) {
    push_facts(L, &facts[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* The looks in the list at an argument, as a userdata, which remains on the stack. */
static scion_image_look *check_looks(lua_State *L, int argument, lua_Integer *count) {
  *count = scion_check_list(L, argument);
  scion_image_look *looks = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *looks, 0);
  for (lua_Integer i = 0; i < *count; i++) {
    size_t size;
    const char *text = lua_rawgeti(L, argument, i + 1) == LUA_TSTRING ? lua_tolstring(L, -1, &size) : NULL;
    if (!text || size != sizeof *looks) luaL_error(L, "entry %I of the list is no look", i + 1);
    memcpy(&looks[i], text, sizeof *looks);
    lua_pop(L, 1);
  }
  return looks;
}

/* core.image_alike(looks, among) -> list of which of `among` is most like each, from 1; 0: none is a copy. Without `among`, the earlier
 * ones of `looks`. nil after Ctrl-C, see core.interrupted. */
static int core_image_alike(lua_State *L) {
  lua_Integer count, others = 0;
  lua_settop(L, 2);
  const scion_image_look *looks = check_looks(L, 1, &count), *among = lua_isnil(L, 2) ? NULL : check_looks(L, 2, &others);
  int32_t *nearest = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *nearest, 0);
  scion_check(L, scion_image_alike(looks, count, among, others, scion_interrupted, nearest));
  if (scion_interrupted()) return 0;
  lua_createtable(L, (int)count, 0);
  for (lua_Integer i = 0; i < count; i++) {
    lua_pushinteger(L, nearest[i] + 1);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* core.image_sheet(tiles, texts, columns, scale) -> u8 tensor HxWx3; see scion_image_sheet */
static int core_image_sheet(lua_State *L) {
  const scion_tensor *tiles = scion_check_tensor(L, 1);
  luaL_argcheck(L, tiles->dims == 4 && scion_check_list(L, 2) == tiles->shape[0], 2, "a text for each tile expected");
  int columns = (int)scion_check_range(L, 3, 1, tiles->shape[0], "a number of columns"), scale = (int)scion_check_range(L, 4, 1, 16, "a scale");
  const char *const *texts = scion_check_paths(L, 2, 1, tiles->shape[0]);
  scion_tensor *sheet = scion_push_later(L);
  scion_check(L, scion_image_sheet(scion_check_tensor(L, 1), texts, columns, scale, sheet));
  return 1;
}

/* core.image_sheet_writes(text) -> whether a sheet's font has all of its characters */
static int core_image_sheet_writes(lua_State *L) {
  lua_pushboolean(L, scion_image_sheet_writes(luaL_checkstring(L, 1)));
  return 1;
}

static const luaL_Reg functions[] = {
    {"image_examine", core_image_examine}, {"image_alike", core_image_alike}, {"image_sheet", core_image_sheet},
    {"image_sheet_writes", core_image_sheet_writes}, {NULL, NULL}};

void scion_open_examine(lua_State *L) { luaL_setfuncs(L, functions, 0); }
