/* Functions for examples by their numbers: orders, picking, counting; class numbers; comparing names. */
#include "binding.h"

#include <string.h>

/* core.permutation(n, seed, stream) -> i32 tensor: 0 .. n-1 in a random order */
static int core_permutation(lua_State *L) {
  lua_Integer n = scion_check_range(L, 1, 0, INT32_MAX, "the length of a permutation"), seed = luaL_checkinteger(L, 2);
  lua_Integer stream = scion_check_range(L, 3, 0, UINT32_MAX, "a stream");
  scion_tensor *t = scion_push_tensor(L, SCION_I32, 1, (int64_t[]){n});
  scion_check(L, scion_random_permutation(t, (uint64_t)seed, (uint32_t)stream));
  return 1;
}

/* core.gather(t, indices) -> tensor of the parts t[indices[i]] along the first dimension, counted from 0 */
static int core_gather(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1), *indices = scion_check_tensor(L, 2);
  int64_t shape[SCION_MAX_DIMS] = {0};
  memcpy(shape, x->shape, sizeof shape);
  shape[0] = scion_tensor_elements(indices);
  scion_check(L, scion_gather(x, 0, indices, scion_push_tensor(L, x->dtype, x->dims, shape)));
  return 1;
}

/* core.from_one(numbers) -> i32 tensor of the numbers minus 1, the largest of the numbers (0 if there are none). The numbers are at least
 * 1, in a list or a contiguous i32 tensor. It converts class numbers of Lua to those of C. */
static int core_from_one(lua_State *L) {
  const scion_tensor *x = scion_test_tensor(L, 1);
  if (x) x = scion_push_view(L, x);
  luaL_argcheck(L, x ? x->dtype == SCION_I32 && scion_tensor_contiguous(x) : lua_istable(L, 1), 1, "a list or an i32 tensor expected");
  int64_t n = x ? scion_tensor_elements(x) : scion_check_list(L, 1);
  scion_tensor *t = scion_push_tensor(L, SCION_I32, 1, &n);
  lua_Integer largest = 0;
  for (int64_t i = 0; i < n; i++) {
    lua_Integer value;
    int whole = 1;
    if (x) {
      value = ((const int32_t *)x->data)[i];
    } else {
      lua_rawgeti(L, 1, i + 1);
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

/* core.count(numbers, kinds) -> list of how often 0, 1, .. kinds-1 occur in an i32 tensor */
static int core_count(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  int64_t kinds = scion_check_range(L, 2, 0, 1 << 24, "a number of kinds");
  scion_tensor *counts = scion_push_tensor(L, SCION_I32, 1, &kinds);
  scion_check(L, scion_count(x, counts));
  lua_createtable(L, (int)kinds, 0);
  for (int64_t i = 0; i < kinds; i++) {
    lua_pushinteger(L, ((const int32_t *)counts->data)[i]);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

/* core.one_hot(labels, classes) -> f32 tensor [n, classes] of rows that are 1 at the label, counted from 0, and 0 elsewhere */
static int core_one_hot(lua_State *L) {
  const scion_tensor *labels = scion_check_tensor(L, 1);
  int64_t classes = scion_check_range(L, 2, 0, 1 << 24, "a number of classes");
  scion_tensor *y = scion_push_tensor(L, SCION_F32, 2, (int64_t[]){scion_tensor_elements(labels), classes});
  scion_check(L, scion_one_hot(labels, y));
  return 1;
}

/* core.byte_less(a, b) -> whether a sorts before b by bytes, which in UTF-8 is the order of code points. Lua's < depends on the
 * locale. */
static int core_byte_less(lua_State *L) {
  size_t a_size, b_size;
  const char *a = luaL_checklstring(L, 1, &a_size), *b = luaL_checklstring(L, 2, &b_size);
  int order = memcmp(a, b, a_size < b_size ? a_size : b_size);
  lua_pushboolean(L, order < 0 || (order == 0 && a_size < b_size));
  return 1;
}

const scion_tensor *scion_tensor_of_list(lua_State *L, int list, lua_Integer i) {
  lua_rawgeti(L, list, i);
  const scion_tensor *t = scion_test_tensor(L, -1);
  if (!t) scion_misuse(L, "entry %I of the list is %s, not a tensor", i, scion_show(L, -1));
  lua_pop(L, 1);
  return t;
}

static const luaL_Reg functions[] = {{"permutation", core_permutation}, {"gather", core_gather}, {"from_one", core_from_one},
                                     {"count", core_count}, {"one_hot", core_one_hot}, {"byte_less", core_byte_less}, {NULL, NULL}};

void scion_open_rows(lua_State *L) { luaL_setfuncs(L, functions, 0); }
