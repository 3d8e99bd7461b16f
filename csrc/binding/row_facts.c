/* Functions that look at the rows of matrices. */
#include "binding.h"

/* core.row_facts(t, tolerance) -> whether all numbers are 0 or 1, the first row with a number outside 0 to 1 or nil, the first row whose sum
 * is not 1 within the tolerance or nil, that sum. Rows count from 1. */
static int core_row_facts(lua_State *L) {
  scion_rows_are are;
  scion_check(L, scion_row_facts(scion_check_tensor(L, 1), luaL_checknumber(L, 2), &are));
  lua_pushboolean(L, are.whole);
  for (int i = 0; i < 2; i++) {
    int64_t row = i == 0 ? are.outside : are.odd;
    if (row < 0)
      lua_pushnil(L);
    else
      lua_pushinteger(L, row + 1);
  }
  lua_pushnumber(L, are.sum);
  return 4;
}

/* core.broken_rows(t) -> list of the numbers, from 1, of rows with a NaN or an infinity */
static int core_broken_rows(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  luaL_argcheck(L, x->dims > 0 && x->shape[0] <= INT32_MAX, 1, "rows expected");
  scion_tensor *rows = scion_push_tensor(L, SCION_I32, 1, (int64_t[]){x->shape[0]});
  int64_t count;
  scion_check(L, scion_rows_not_finite(scion_check_tensor(L, 1), rows->data, &count));
  lua_createtable(L, (int)count, 0);
  for (int64_t i = 0; i < count; i++) {
    lua_pushinteger(L, ((const int32_t *)rows->data)[i] + 1);
    lua_rawseti(L, -2, i + 1);
  }
  return 1;
}

static const luaL_Reg functions[] = {{"row_facts", core_row_facts}, {"broken_rows", core_broken_rows}, {NULL, NULL}};

void scion_open_row_facts(lua_State *L) { luaL_setfuncs(L, functions, 0); }
