/* The userdata of image loaders and image stores. */
#include "binding.h"

#include <math.h>
#include <string.h>

#define SCION_LOADER "scion.loader"

/* ---- options */

static lua_Number field(lua_State *L, int table, const char *name, lua_Number otherwise) {
  lua_getfield(L, table, name);
  lua_Number value = luaL_optnumber(L, -1, otherwise);
  lua_pop(L, 1);
  if (!isfinite(value)) luaL_error(L, "'%s' is not a finite number", name);
  return value;
}

static lua_Integer whole_field(lua_State *L, int table, const char *name, lua_Integer otherwise) {
  lua_getfield(L, table, name);
  int whole;
  lua_Integer value = lua_isnil(L, -1) ? (whole = 1, otherwise) : lua_tointegerx(L, -1, &whole);
  if (!whole) luaL_error(L, "'%s' is not a whole number", name);
  lua_pop(L, 1);
  return value;
}

/* A size, limited to 0 .. SCION_MAX_PIXELS so that it fits an int; the core refuses sizes that are still wrong. */
static int size_field(lua_State *L, int table, const char *name, lua_Integer otherwise) {
  lua_Integer value = whole_field(L, table, name, otherwise);
  return value < 0 ? 0 : value > SCION_MAX_PIXELS ? (int)SCION_MAX_PIXELS : (int)value;
}

/* The stage in the table at an index: { op =, p = 1, counter = 0, members = 0, fill =, fill_value = 0 } and its numbers by their names. */
static scion_stage read_stage(lua_State *L, int table) {
  lua_getfield(L, table, "op");
  const char *name = luaL_checkstring(L, -1);
  scion_stage stage = {.op = scion_stage_find(name), .p = field(L, table, "p", 1), .counter = (uint32_t)whole_field(L, table, "counter", 0),
                       .members = size_field(L, table, "members", 0), .fill = SCION_FILLS};
  if (stage.op < 0) luaL_error(L, "there is no stage '%s'", name);
  if (lua_getfield(L, table, "fill") != LUA_TNIL) stage.fill = (scion_fill)luaL_checkoption(L, -1, NULL, scion_fill_names);
  lua_Number value = field(L, table, "fill_value", 0);
  stage.fill_value = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
  for (int i = 0; scion_stage_number(stage.op, i); i++) {
    lua_getfield(L, table, scion_stage_number(stage.op, i));
    int number;
    stage.numbers[i] = lua_tonumberx(L, -1, &number);
    if (!number) luaL_error(L, "stage %s: '%s' is not a number", name, scion_stage_number(stage.op, i));
    lua_pop(L, 1);
  }
  lua_pop(L, 2);
  return stage;
}

/* The list at an index as an array of stages, a userdata that remains on the stack. */
static const scion_stage *read_stages(lua_State *L, int list, int *count) {
  *count = (int)scion_check_list(L, list);
  scion_stage *stages = lua_newuserdatauv(L, ((size_t)*count + 1) * sizeof *stages, 0);
  for (int i = 0; i < *count; i++) {
    if (lua_rawgeti(L, list, i + 1) != LUA_TTABLE) luaL_error(L, "stage %d is not a table", i + 1);
    stages[i] = read_stage(L, lua_gettop(L));
    lua_pop(L, 1);
  }
  return stages;
}

#define SCION_IMAGE_STORE "scion.image_store"

/* core.image_store(count, height, width, bytes) -> store for at most so many bytes, see scion_image_store */
static int core_image_store(lua_State *L) {
  lua_Integer count = luaL_checkinteger(L, 1);
  int height = (int)scion_check_range(L, 2, 1, SCION_MAX_PIXELS, "a height");
  int width = (int)scion_check_range(L, 3, 1, SCION_MAX_PIXELS, "a width");
  lua_Number bytes = luaL_checknumber(L, 4);
  luaL_argcheck(L, bytes >= 0 && bytes < 1e18, 4, "a number of bytes expected");
  scion_image_store **store = scion_push_object(L, SCION_IMAGE_STORE, sizeof *store);
  scion_check(L, scion_image_store_new(store, count, height, width, (size_t)bytes));
  return 1;
}

static scion_image_store **check_store(lua_State *L, int index) { return luaL_checkudata(L, index, SCION_IMAGE_STORE); }

/* #store -> bytes that it uses now */
static int store_len(lua_State *L) {
  scion_image_store *store = *check_store(L, 1);
  lua_pushinteger(L, store ? (lua_Integer)scion_image_store_bytes(store) : 0);
  return 1;
}

static int store_close(lua_State *L) {
  scion_image_store **store = check_store(L, 1);
  scion_image_store_release(*store);
  *store = NULL;
  return 0;
}

/* core.loader{ files = {paths} or images = u8 tensor NxHxWx3, height=, width=, workers = core.threads(), ahead = 4, seed = 0,
 *              reducing_gap = 0, store = core.image_store(..) or nil, fit = "squash", fit_value = 0, filter = "bilinear",
 *              the fields of core.image_load's second argument, stages = { {op=, ..}, .. } or nil } -> loader
 * See scion_loader_options and read_stage. */
static int core_loader(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  scion_loader_options options = {.height = size_field(L, 1, "height", 0), .width = size_field(L, 1, "width", 0),
                                  .workers = size_field(L, 1, "workers", scion_threads()), .ahead = size_field(L, 1, "ahead", 4),
                                  .seed = (uint64_t)whole_field(L, 1, "seed", 0), .reducing_gap = field(L, 1, "reducing_gap", 0)};
  options.decoding = scion_read_decoding(L, 1);
  options.interrupted = scion_interrupted;
  lua_getfield(L, 1, "fit");
  options.fit = (scion_fit)luaL_checkoption(L, -1, "squash", (const char *const[]){"squash", "crop", "pad", NULL});
  lua_getfield(L, 1, "filter");
  options.filter = (scion_filter)luaL_checkoption(L, -1, "bilinear", scion_filter_names);
  int value = size_field(L, 1, "fit_value", 0);
  options.fit_value = (unsigned char)(value < 255 ? value : 255);
  if (lua_getfield(L, 1, "stages") == LUA_TTABLE) options.stages = read_stages(L, lua_gettop(L), &options.stage_count);
  const int store = lua_gettop(L) + 1, files = store + 1, images = store + 2, place = store + 3;
  lua_getfield(L, 1, "store"); /* get all three before checking any: a metamethod that one lookup calls might close another object */
  lua_getfield(L, 1, "files");
  lua_getfield(L, 1, "images");
  scion_loader **loader = scion_push_object(L, SCION_LOADER, sizeof *loader);
  if (lua_istable(L, files)) {
    options.count = scion_check_list(L, files);
    options.paths = scion_check_paths(L, files, 1, options.count);
  } else {
    options.images = scion_test_tensor(L, images);
    if (!options.images) return luaL_error(L, "a loader wants 'files', a list of paths, or 'images', a tensor");
    options.count = options.images->dims ? options.images->shape[0] : 0;
  }
  if (!lua_isnil(L, store) && !(options.store = *check_store(L, store))) return luaL_error(L, "the store of images was closed");
  scion_check(L, scion_loader_new(loader, &options));
  lua_settop(L, place);
  return 1;
}

static scion_loader *check_loader(lua_State *L) { return scion_check_open(L, SCION_LOADER, "loader"); }

/* ---- methods */

/* loader:start(order or nil, batch, epoch = 1). order is a contiguous i32 tensor of indices from 0; nil means all images in their
 * order. */
static int loader_start(lua_State *L) {
  const scion_tensor *order = scion_optional_tensor(L, 2);
  scion_loader *loader = check_loader(L);
  luaL_argcheck(L, !order || (order->dtype == SCION_I32 && scion_tensor_contiguous(order)), 2, "an order is a contiguous i32 tensor");
  int64_t n = order ? scion_tensor_elements(order) : scion_loader_count(loader);
  int64_t batch = luaL_checkinteger(L, 3);
  uint32_t epoch = lua_isnoneornil(L, 4) ? 1 : (uint32_t)scion_check_range(L, 4, 0, UINT32_MAX, "an epoch");
  scion_check(L, scion_loader_start(loader, order ? order->data : NULL, n, batch, epoch));
  return 0;
}

/* loader:next() -> images u8 [n,H,W,3], indices i32 [n] from 0, and, if images were left out, { {index=, message=}, .. }; nothing at the
 * end of the pass and after Ctrl-C, see core.interrupted. Raises if an image could not be read for a reason that is not the fault of its file, such as too many open files. */
static int loader_next(lua_State *L) {
  int32_t index;
  const char *message;
  lua_settop(L, 1);
  scion_tensor *images = scion_push_later(L);
  scion_tensor *indices = scion_push_handle(L);
  scion_check(L, scion_loader_next(check_loader(L), images, indices));
  if (!images->storage) return 0;
  if (!scion_loader_failure(check_loader(L), 0, &index)) return 2;
  lua_newtable(L);
  for (int i = 0; (message = scion_loader_failure(check_loader(L), i, &index)); i++) {
    lua_pushstring(L, message); /* first, since whatever allocates may run a finalizer that closes the loader */
    lua_createtable(L, 0, 2);
    lua_insert(L, -2);
    lua_setfield(L, -2, "message");
    lua_pushinteger(L, index);
    lua_setfield(L, -2, "index");
    lua_rawseti(L, -2, i + 1);
  }
  return 3;
}

/* loader:stop() */
static int loader_stop(lua_State *L) {
  scion_loader_stop(check_loader(L));
  return 0;
}

static int loader_close(lua_State *L) {
  scion_loader **loader = luaL_checkudata(L, 1, SCION_LOADER);
  scion_loader_free(*loader);
  *loader = NULL;
  return 0;
}

static const luaL_Reg functions[] = {{"loader", core_loader}, {"image_store", core_image_store}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"start", loader_start}, {"next", loader_next}, {"stop", loader_stop}, {NULL, NULL}};

void scion_open_loader(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  scion_new_class(L, SCION_LOADER, loader_close, methods);
  scion_new_class(L, SCION_IMAGE_STORE, store_close, NULL);
  luaL_getmetatable(L, SCION_IMAGE_STORE);
  lua_pushcfunction(L, store_len);
  lua_setfield(L, -2, "__len");
  lua_pop(L, 1);
}
