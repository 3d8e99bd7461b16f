/* The loader userdata, and what data sets need beside it: orders, class numbers, sorted names. */
#include "binding.h"

#include <math.h>
#include <string.h>

#define SCION_LOADER "scion.loader"

typedef struct {
  scion_loader *loader; /* NULL before it is made and after it is freed */
} handle;

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

static int size_field(lua_State *L, int table, const char *name, lua_Integer otherwise) {
  lua_Integer value = whole_field(L, table, name, otherwise);
  return value < 0 ? 0 : value > SCION_MAX_PIXELS ? (int)SCION_MAX_PIXELS : (int)value;
}

static bool flag(lua_State *L, int table, const char *name) {
  lua_getfield(L, table, name);
  bool value = lua_toboolean(L, -1);
  lua_pop(L, 1);
  return value;
}

static scion_augment read_augment(lua_State *L, int table) {
  scion_augment a = {
      .rotation = field(L, table, "rotation", 0), .shear = field(L, table, "shear", 0),
      .width_shift = field(L, table, "width_shift", 0), .height_shift = field(L, table, "height_shift", 0),
      .zoom = {field(L, table, "zoom_low", 1), field(L, table, "zoom_high", 1)},
      .flip_horizontal = flag(L, table, "flip_horizontal"), .flip_vertical = flag(L, table, "flip_vertical"),
      .brightness = {field(L, table, "brightness_low", 1), field(L, table, "brightness_high", 1)},
      .channel_shift = field(L, table, "channel_shift", 0)};
  lua_getfield(L, table, "fill");
  a.fill = (scion_fill)luaL_checkoption(L, -1, "nearest", scion_fill_names);
  lua_pop(L, 1);
  lua_Number value = field(L, table, "fill_value", 0);
  a.fill_value = (unsigned char)(value < 0 ? 0 : value > 255 ? 255 : value + 0.5);
  return a;
}

/* The strings of the list at that index as C strings: the array is a userdata left on the stack, the list keeps the strings. */
static const char *const *read_paths(lua_State *L, int list, lua_Integer count) {
  const char **paths = lua_newuserdatauv(L, ((size_t)count + 1) * sizeof *paths, 0);
  for (lua_Integer i = 0; i < count; i++) {
    if (lua_geti(L, list, i + 1) != LUA_TSTRING) luaL_error(L, "file %d of the list is not a string", (int)i + 1);
    paths[i] = lua_tostring(L, -1);
    lua_pop(L, 1);
  }
  return paths;
}

#define SCION_IMAGE_STORE "scion.image_store"

/* core.image_store(count, height, width, bytes) -> store: see scion.h */
static int core_image_store(lua_State *L) {
  lua_Number bytes = luaL_checknumber(L, 4);
  luaL_argcheck(L, bytes >= 0 && bytes < 1e18, 4, "a number of bytes expected");
  scion_image_store **store = lua_newuserdatauv(L, sizeof *store, 0);
  *store = NULL;
  luaL_setmetatable(L, SCION_IMAGE_STORE);
  lua_Integer height = luaL_checkinteger(L, 2), width = luaL_checkinteger(L, 3);
  luaL_argcheck(L, height > 0 && height <= SCION_MAX_PIXELS && width > 0 && width <= SCION_MAX_PIXELS, 2, "sizes in pixels expected");
  scion_check(L, scion_image_store_new(store, luaL_checkinteger(L, 1), (int)height, (int)width, (size_t)bytes));
  return 1;
}

static scion_image_store **check_store(lua_State *L, int index) { return luaL_checkudata(L, index, SCION_IMAGE_STORE); }

/* #store -> bytes in it */
static int store_len(lua_State *L) {
  scion_image_store *store = *check_store(L, 1);
  lua_pushinteger(L, store ? (lua_Integer)scion_image_store_bytes(store) : 0);
  return 1;
}

static int store_gc(lua_State *L) {
  scion_image_store **store = check_store(L, 1);
  scion_image_store_release(*store);
  *store = NULL;
  return 0;
}

/* core.loader{ files = {paths} or images = u8 tensor NxHxWx3, height=, width=, workers = core.threads(), ahead = 4, seed = 0,
 *              reducing_gap = 0, store = core.image_store(..) or nil,
 *              augment = { rotation, shear, width_shift, height_shift, zoom_low, zoom_high, flip_horizontal, flip_vertical,
 *                          brightness_low, brightness_high, channel_shift, fill, fill_value } or nil } -> loader */
static int core_loader(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  scion_loader_options options = {.height = size_field(L, 1, "height", 0), .width = size_field(L, 1, "width", 0),
                                  .workers = size_field(L, 1, "workers", scion_threads()), .ahead = size_field(L, 1, "ahead", 4),
                                  .seed = (uint64_t)whole_field(L, 1, "seed", 0), .reducing_gap = field(L, 1, "reducing_gap", 0)};
  scion_augment augment;
  if (lua_getfield(L, 1, "augment") == LUA_TTABLE) {
    augment = read_augment(L, lua_gettop(L));
    options.augment = &augment;
  }
  if (lua_getfield(L, 1, "store") != LUA_TNIL) options.store = *check_store(L, lua_gettop(L));
  lua_pop(L, 1);
  handle *h = lua_newuserdatauv(L, sizeof *h, 0);
  h->loader = NULL;
  luaL_setmetatable(L, SCION_LOADER);
  if (lua_getfield(L, 1, "files") == LUA_TTABLE) {
    options.count = luaL_len(L, -1);
    options.paths = read_paths(L, lua_gettop(L), options.count);
  } else {
    lua_getfield(L, 1, "images");
    options.images = luaL_testudata(L, -1, SCION_TENSOR);
    if (!options.images) return luaL_error(L, "a loader wants 'files', a list of paths, or 'images', a tensor");
    options.count = options.images->dims ? options.images->shape[0] : 0;
  }
  scion_check(L, scion_loader_new(&h->loader, &options));
  lua_settop(L, 3); /* above the handle lie the list and its array */
  return 1;
}

static scion_loader *check_loader(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, SCION_LOADER);
  luaL_argcheck(L, h->loader, 1, "the loader was closed");
  return h->loader;
}

/* ---- methods */

/* loader:start(order or nil, batch, epoch = 1): order is an i32 tensor of indices from 0; nil: all of them, as they come */
static int loader_start(lua_State *L) {
  scion_loader *loader = check_loader(L);
  const scion_tensor *order = scion_optional_tensor(L, 2);
  luaL_argcheck(L, !order || (order->dtype == SCION_I32 && scion_tensor_contiguous(order)), 2, "an order is a contiguous i32 tensor");
  int64_t n = order ? scion_tensor_elements(order) : scion_loader_count(loader);
  scion_check(L, scion_loader_start(loader, order ? order->data : NULL, n, luaL_checkinteger(L, 3), (uint32_t)luaL_optinteger(L, 4, 1)));
  return 0;
}

/* loader:next() -> images u8 [n,H,W,3], indices i32 [n] from 0, { {index=, message=}.. } or nil; or nil at the end of the pass */
static int loader_next(lua_State *L) {
  scion_loader *loader = check_loader(L);
  lua_settop(L, 1);
  scion_tensor *images = scion_push_tensor(L, SCION_U8, 1, (int64_t[]){1}); /* collects garbage if much has been taken */
  scion_tensor_release(images);
  scion_tensor *indices = scion_push_handle(L);
  scion_check(L, scion_loader_next(loader, images, indices));
  if (!images->storage) return 0;
  int32_t index;
  const char *message = scion_loader_failure(loader, 0, &index);
  if (!message) return 2;
  lua_newtable(L);
  for (int i = 0; message; message = scion_loader_failure(loader, ++i, &index)) {
    lua_createtable(L, 0, 2);
    lua_pushinteger(L, index);
    lua_setfield(L, -2, "index");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    lua_seti(L, -2, i + 1);
  }
  return 3;
}

/* loader:stop() */
static int loader_stop(lua_State *L) {
  scion_loader_stop(check_loader(L));
  return 0;
}

static int loader_close(lua_State *L) {
  handle *h = luaL_checkudata(L, 1, SCION_LOADER);
  scion_loader_free(h->loader);
  h->loader = NULL;
  return 0;
}

/* ---- orders and numbers */

/* core.permutation(n, seed, stream) -> i32 tensor: 0 .. n-1 in a random order */
static int core_permutation(lua_State *L) {
  lua_Integer n = luaL_checkinteger(L, 1), seed = luaL_checkinteger(L, 2), stream = luaL_checkinteger(L, 3);
  luaL_argcheck(L, n >= 0 && n <= INT32_MAX, 1, "a permutation has 0 to 2^31-1 elements");
  scion_tensor *t = scion_push_tensor(L, SCION_I32, 1, (int64_t[]){n});
  scion_check(L, scion_random_permutation(t, (uint64_t)seed, (uint32_t)stream));
  return 1;
}

/* core.gather(t, indices) -> the rows t[indices[i]], counted from 0 */
static int core_gather(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1), *indices = scion_check_tensor(L, 2);
  int64_t shape[SCION_MAX_DIMS] = {0};
  memcpy(shape, x->shape, sizeof shape);
  shape[0] = scion_tensor_elements(indices);
  scion_check(L, scion_gather(x, indices, scion_push_tensor(L, x->dtype, x->dims, shape)));
  return 1;
}

/* core.from_one(numbers) -> i32 tensor of the numbers less 1, the largest of the numbers (0: there are none); they count from 1
 * and come as a list or an i32 tensor */
static int core_from_one(lua_State *L) {
  const scion_tensor *x = luaL_testudata(L, 1, SCION_TENSOR);
  luaL_argcheck(L, x ? x->dtype == SCION_I32 && scion_tensor_contiguous(x) : lua_istable(L, 1), 1, "a list or an i32 tensor expected");
  int64_t n = x ? scion_tensor_elements(x) : luaL_len(L, 1);
  scion_tensor *t = scion_push_tensor(L, SCION_I32, 1, &n);
  lua_Integer largest = 0;
  for (int64_t i = 0; i < n; i++) {
    lua_Integer value;
    int whole = 1;
    if (x) {
      value = ((const int32_t *)x->data)[i];
    } else {
      lua_geti(L, 1, i + 1);
      value = lua_tointegerx(L, -1, &whole);
      lua_pop(L, 1);
    }
    if (!whole || value < 1 || value > INT32_MAX) return luaL_error(L, "number %I is not a whole number from 1 up", (lua_Integer)i + 1);
    ((int32_t *)t->data)[i] = (int32_t)(value - 1);
    if (value > largest) largest = value;
  }
  lua_pushinteger(L, largest);
  return 2;
}

/* core.count(numbers, kinds) -> list: how often 0, 1, .. kinds-1 occur in an i32 tensor */
static int core_count(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  int64_t kinds = luaL_checkinteger(L, 2);
  scion_tensor *counts = scion_push_tensor(L, SCION_I32, 1, &kinds);
  scion_check(L, scion_count(x, counts));
  lua_createtable(L, (int)kinds, 0);
  for (int64_t i = 0; i < kinds; i++) {
    lua_pushinteger(L, ((const int32_t *)counts->data)[i]);
    lua_seti(L, -2, i + 1);
  }
  return 1;
}

/* core.byte_less(a, b) -> whether a comes before b by its bytes, so in UTF-8 by code point; Lua's < follows the locale */
static int core_byte_less(lua_State *L) {
  size_t a_size, b_size;
  const char *a = luaL_checklstring(L, 1, &a_size), *b = luaL_checklstring(L, 2, &b_size);
  int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
  lua_pushboolean(L, order < 0 || (order == 0 && a_size < b_size));
  return 1;
}

static const luaL_Reg functions[] = {{"loader", core_loader}, {"image_store", core_image_store}, {"permutation", core_permutation}, {"gather", core_gather},
                                     {"from_one", core_from_one}, {"count", core_count}, {"byte_less", core_byte_less}, {NULL, NULL}};
static const luaL_Reg methods[] = {{"start", loader_start}, {"next", loader_next}, {"stop", loader_stop}, {NULL, NULL}};
static const luaL_Reg store_metamethods[] = {{"__len", store_len}, {"__gc", store_gc}, {"__close", store_gc}, {NULL, NULL}};
static const luaL_Reg metamethods[] = {{"__gc", loader_close}, {"__close", loader_close}, {NULL, NULL}};

void scion_open_loader(lua_State *L) {
  luaL_setfuncs(L, functions, 0);
  luaL_newmetatable(L, SCION_IMAGE_STORE);
  luaL_setfuncs(L, store_metamethods, 0);
  lua_pop(L, 1);
  luaL_newmetatable(L, SCION_LOADER);
  luaL_setfuncs(L, metamethods, 0);
  luaL_newlib(L, methods);
  lua_setfield(L, -2, "__index");
  lua_pop(L, 1);
}
