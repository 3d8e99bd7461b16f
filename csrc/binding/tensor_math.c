/* Arithmetic operators, comparisons, reductions and matrix products of tensors, for scripts. */
#include "binding.h"

#include <math.h>

/* Memory for a number that is used as an operand: it becomes a scalar tensor, i32 if it is an integer in Lua and fits, else f32. In
 * comparisons a whole float is an integer, too, since f32 may not hold it. */
typedef struct {
  scion_tensor t;
  float f32;
  int32_t i32;
} number_space;

/* The operand at an argument: a tensor, or a number, which is put into `space`. */
static const scion_tensor *check_operand(lua_State *L, int argument, bool compares, number_space *space) {
  if (lua_type(L, argument) != LUA_TNUMBER) {
    if (!luaL_testudata(L, argument, SCION_TENSOR)) scion_mistyped(L, argument, "a tensor or a number");
    return scion_check_tensor(L, argument);
  }
  int whole = 0;
  lua_Integer integer = compares || lua_isinteger(L, argument) ? lua_tointegerx(L, argument, &whole) : 0;
  whole = whole && integer >= INT32_MIN && integer <= INT32_MAX;
  space->i32 = whole ? (int32_t)integer : 0;
  space->f32 = (float)lua_tonumber(L, argument);
  space->t = (scion_tensor){.data = whole ? (void *)&space->i32 : &space->f32, .dtype = whole ? SCION_I32 : SCION_F32, .row_stride = 1};
  return &space->t;
}

static int binary(lua_State *L, scion_binary_op op) {
  number_space first, second;
  bool compares = op >= SCION_OP_EQ;
  const scion_tensor *a = check_operand(L, 1, compares, &first), *b = check_operand(L, 2, compares, &second);
  int64_t shape[SCION_MAX_DIMS];
  int dims = scion_broadcast_shape(a, b, shape);
  if (dims < 0) scion_misuse(L, "%s", scion_error_message());
  scion_check(L, scion_binary(op, a, b, scion_push_tensor(L, scion_binary_dtype(op, a->dtype, b->dtype), dims, shape)));
  return 1;
}

/* Whether elements of a dtype hold the number at an argument, apart from rounding. */
static bool holds(lua_State *L, int argument, scion_dtype dtype) {
  double value = lua_tonumber(L, argument);
  if (dtype == SCION_F32 || dtype == SCION_BF16) return true;
  return value == floor(value) && value >= (dtype == SCION_U8 ? 0 : INT32_MIN) && value <= (dtype == SCION_U8 ? UINT8_MAX : INT32_MAX);
}

/* The dtype of a choice between the operands at arguments 2 and 3: theirs if it is the same, that of a tensor if the other one is a number
 * that it holds, and else f32. */
static scion_dtype chosen_dtype(lua_State *L, const scion_tensor *a, const scion_tensor *b) {
  bool a_number = lua_type(L, 2) == LUA_TNUMBER, b_number = lua_type(L, 3) == LUA_TNUMBER;
  if (a->dtype == b->dtype) return a->dtype;
  if (a_number && !b_number && holds(L, 2, b->dtype)) return b->dtype;
  if (b_number && !a_number && holds(L, 3, a->dtype)) return a->dtype;
  return SCION_F32;
}

/* core.where(condition, a, b) -> tensor of a's elements where the condition is not 0, and of b's elsewhere; see scion_where */
static int core_where(lua_State *L) {
  lua_settop(L, 3);
  number_space spaces[3];
  const scion_tensor *condition = check_operand(L, 1, false, &spaces[0]), *a = check_operand(L, 2, false, &spaces[1]),
                     *b = check_operand(L, 3, false, &spaces[2]);
  int64_t shape[SCION_MAX_DIMS];
  int dims = scion_where_shape(condition, a, b, shape);
  if (dims < 0) scion_misuse(L, "%s", scion_error_message());
  scion_tensor *y = scion_push_tensor(L, chosen_dtype(L, a, b), dims, shape);
  scion_check(L, scion_where(condition, a, b, y));
  return 1;
}

static int unary(lua_State *L, scion_unary_op op, double low, double high) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  scion_check(L, scion_unary(op, x, low, high, scion_push_tensor(L, scion_unary_dtype(op, x->dtype), x->dims, x->shape)));
  return 1;
}

/* a + b, a - b, a * b, a / b, a ^ b -> tensor; a or b may be a number. Shapes are broadcast as in NumPy. The result is f32, but + - * of
 * i32 with i32 or an integer give i32 and saturate. */
static int tensor_add(lua_State *L) { return binary(L, SCION_OP_ADD); }
static int tensor_subtract(lua_State *L) { return binary(L, SCION_OP_SUBTRACT); }
static int tensor_multiply(lua_State *L) { return binary(L, SCION_OP_MULTIPLY); }
static int tensor_divide(lua_State *L) { return binary(L, SCION_OP_DIVIDE); }
/* also a:pow(b) */
static int tensor_power(lua_State *L) { return binary(L, SCION_OP_POWER); }

/* a:eq(b), a:ne(b), a:lt(b), a:le(b), a:gt(b), a:ge(b) -> u8 tensor of 1 and 0; b may be a number */
static int tensor_eq(lua_State *L) { return binary(L, SCION_OP_EQ); }
static int tensor_ne(lua_State *L) { return binary(L, SCION_OP_NE); }
static int tensor_lt(lua_State *L) { return binary(L, SCION_OP_LT); }
static int tensor_le(lua_State *L) { return binary(L, SCION_OP_LE); }
static int tensor_gt(lua_State *L) { return binary(L, SCION_OP_GT); }
static int tensor_ge(lua_State *L) { return binary(L, SCION_OP_GE); }

/* -a, a:abs(), a:exp(), a:log(), a:sqrt() -> tensor */
static int tensor_negate(lua_State *L) { return unary(L, SCION_OP_NEGATE, 0, 0); }
static int tensor_abs(lua_State *L) { return unary(L, SCION_OP_ABS, 0, 0); }
static int tensor_exp(lua_State *L) { return unary(L, SCION_OP_EXP, 0, 0); }
static int tensor_log(lua_State *L) { return unary(L, SCION_OP_LOG, 0, 0); }
static int tensor_sqrt(lua_State *L) { return unary(L, SCION_OP_SQRT, 0, 0); }

/* a < b, a <= b: refused, since Lua would convert the result to a single boolean */
static int tensor_no_order(lua_State *L) {
  return scion_misuse(L, "tensors are compared element by element, by a:lt(b), a:le(b), a:gt(b), a:ge(b), a:eq(b) or a:ne(b)");
}

/* a:clamp(low, high) -> tensor */
static int tensor_clamp(lua_State *L) {
  scion_check_tensor(L, 1);
  double low = scion_check_number(L, 2, "the lower bound"), high = scion_check_number(L, 3, "the upper bound");
  if (!(low <= high)) scion_misuse(L, "the lower bound, %s, is not below the upper one, %s", scion_show(L, 2), scion_show(L, 3));
  return unary(L, SCION_OP_CLAMP, low, high);
}

/* Reduces along the axis at argument 2, or all elements if it is nil. */
static int reduce(lua_State *L, scion_reduce_op op) {
  const scion_tensor *x = scion_check_tensor(L, 1);
  scion_dtype dtype = scion_reduce_dtype(op, x->dtype);
  int base = op == SCION_REDUCE_ARGMAX; /* added to results, since indices count from 1 in Lua */
  if (lua_isnoneornil(L, 2)) {
    double result;
    scion_check(L, scion_reduce_all(op, x, &result));
    scion_push_number(L, dtype, result + base);
    return 1;
  }
  int axis = scion_check_axis(L, 2, x, x->dims);
  int64_t shape[SCION_MAX_DIMS];
  for (int i = 0, d = 0; d < x->dims; d++)
    if (d != axis) shape[i++] = x->shape[d];
  scion_tensor *y = scion_push_tensor(L, dtype, x->dims - 1, shape);
  scion_check(L, scion_reduce_axis(op, x, axis, y));
  if (scion_tensor_elements(y) == 1) {
    scion_push_number(L, dtype, scion_tensor_get(y, 0) + base);
  } else if (base) {
    lua_pushinteger(L, 1);
    lua_arith(L, LUA_OPADD); /* calls tensor_add */
  }
  return 1;
}

/* t:sum([axis]), and likewise t:mean, t:max, t:min, t:argmax -> tensor without that axis; a number if that has one element or no axis is
 * given. t:argmax() without an axis is a row-major index. */
static int tensor_sum(lua_State *L) { return reduce(L, SCION_REDUCE_SUM); }
static int tensor_mean(lua_State *L) { return reduce(L, SCION_REDUCE_MEAN); }
static int tensor_max(lua_State *L) { return reduce(L, SCION_REDUCE_MAX); }
static int tensor_min(lua_State *L) { return reduce(L, SCION_REDUCE_MIN); }
static int tensor_argmax(lua_State *L) { return reduce(L, SCION_REDUCE_ARGMAX); }

/* a:matmul(b) -> the matrix product [M,N] of a [M,K] and b [K,N], all f32. A vector a is used as a row, a vector b as a column; the result
 * then lacks that dimension. Two vectors give a number. */
static int tensor_matmul(lua_State *L) {
  char first[SCION_SHAPE_TEXT], second[SCION_SHAPE_TEXT];
  scion_tensor a = *scion_push_view(L, scion_check_tensor(L, 1)), b = *scion_push_view(L, scion_check_tensor(L, 2));
  bool row = a.dims == 1, column = b.dims == 1;
  scion_shape_text(&a, first, sizeof first);
  scion_shape_text(&b, second, sizeof second);
  if (a.dtype != SCION_F32 || b.dtype != SCION_F32)
    scion_misuse(L, "both tensors are to be f32, not %s and %s; t:to \"f32\" converts", scion_dtype_name(a.dtype), scion_dtype_name(b.dtype));
  if (a.dims < 1 || a.dims > 2 || b.dims < 1 || b.dims > 2 || scion_tensor_channels(&a) != b.shape[0])
    scion_misuse(L, "matrices of %s and %s do not fit: the columns of the first are the rows of the second", first, second);
  if (row) a.shape[1] = a.shape[0], a.shape[0] = 1, a.dims = 2, a.row_stride = a.shape[1];
  if (column) b.shape[1] = 1, b.dims = 2, b.row_stride = 1;
  scion_tensor *c = scion_push_tensor(L, SCION_F32, 2, (int64_t[]){a.shape[0], b.shape[1]});
  scion_check(L, scion_matmul(&a, 0, &b, 0, c));
  if (row && column) lua_pushnumber(L, scion_tensor_get(c, 0));
  if (row != column) scion_check(L, scion_tensor_reshape(c, 1, (int64_t[]){-1}, scion_push_handle(L)));
  return 1;
}

/* a:svd() -> u [M,K], s [K], vt [K,N] with K = min(M,N), see scion_svd */
static int tensor_svd(lua_State *L) {
  char text[SCION_SHAPE_TEXT];
  scion_tensor a = *scion_push_view(L, scion_check_tensor(L, 1));
  if (a.dtype != SCION_F32 || a.dims != 2 || a.shape[0] < 1 || a.shape[1] < 1)
    scion_misuse(L, "an f32 matrix with rows and columns is decomposed, not %s %s", scion_dtype_name(a.dtype), scion_shape_text(&a, text, sizeof text));
  int64_t k = a.shape[0] < a.shape[1] ? a.shape[0] : a.shape[1];
  scion_tensor *u = scion_push_tensor(L, SCION_F32, 2, (int64_t[]){a.shape[0], k});
  scion_tensor *values = scion_push_tensor(L, SCION_F32, 1, &k);
  scion_tensor *vt = scion_push_tensor(L, SCION_F32, 2, (int64_t[]){k, a.shape[1]});
  scion_check(L, scion_svd(&a, u, values, vt));
  return 3;
}

#define PENALTIES_MOST 1000

/* x:least_squares(y, penalty) -> w [D,K]; x:least_squares(y, { penalty, .. }) -> w [P,D,K], one for each, see scion_least_squares */
static int tensor_least_squares(lua_State *L) {
  scion_tensor x = *scion_push_view(L, scion_check_tensor(L, 1)), y = *scion_push_view(L, scion_check_tensor(L, 2));
  bool several = lua_istable(L, 3);
  lua_Integer count = several ? (lua_Integer)lua_rawlen(L, 3) : 1;
  if (count < 1 || count > PENALTIES_MOST) scion_misuse(L, "a list of 1 to %d penalties is needed", PENALTIES_MOST);
  double *penalties = lua_newuserdatauv(L, (size_t)count * sizeof *penalties, 0);
  for (lua_Integer i = 0; i < count; i++) {
    if (several) lua_rawgeti(L, 3, i + 1);
    int found = 0;
    penalties[i] = lua_tonumberx(L, several ? -1 : 3, &found);
    if (!found) scion_misuse(L, "a penalty is a number, or a list of them");
    if (several) lua_pop(L, 1);
  }
  scion_tensor *w = scion_push_tensor(L, SCION_F32, 3, (int64_t[]){count, scion_tensor_channels(&x), scion_tensor_channels(&y)});
  scion_check(L, scion_least_squares(&x, &y, penalties, count, w));
  if (!several) scion_check(L, scion_tensor_reshape(w, 2, (int64_t[]){w->shape[1], w->shape[2]}, scion_push_handle(L)));
  return 1;
}

/* core.log_evidence(x [N,D], y [N,K]) -> list of K numbers, see scion_log_evidence */
static int core_log_evidence(lua_State *L) {
  const scion_tensor *x = scion_check_tensor(L, 1), *y = scion_check_tensor(L, 2);
  int64_t columns = y->dims == 2 ? y->shape[1] : 0;
  double *evidence = lua_newuserdatauv(L, (size_t)(columns + 1) * sizeof *evidence, 0);
  scion_check(L, scion_log_evidence(x, y, evidence));
  lua_createtable(L, (int)columns, 0);
  for (int64_t c = 0; c < columns; c++) {
    lua_pushnumber(L, evidence[c]);
    lua_rawseti(L, -2, c + 1);
  }
  return 1;
}

static const luaL_Reg methods[] = {
  {"__add", tensor_add}, {"__sub", tensor_subtract}, {"__mul", tensor_multiply}, {"__div", tensor_divide}, {"__pow", tensor_power},
  {"__unm", tensor_negate}, {"__lt", tensor_no_order}, {"__le", tensor_no_order}, {"pow", tensor_power}, {"eq", tensor_eq}, {"ne", tensor_ne}, {"lt", tensor_lt}, {"le", tensor_le},
  {"gt", tensor_gt}, {"ge", tensor_ge}, {"abs", tensor_abs}, {"exp", tensor_exp}, {"log", tensor_log}, {"sqrt", tensor_sqrt},
  {"clamp", tensor_clamp}, {"sum", tensor_sum}, {"mean", tensor_mean}, {"max", tensor_max}, {"min", tensor_min},
  {"argmax", tensor_argmax}, {"matmul", tensor_matmul}, {"svd", tensor_svd},
  {"least_squares", tensor_least_squares}, {NULL, NULL}};

static const luaL_Reg functions[] = {{"where", core_where}, {"log_evidence", core_log_evidence}, {NULL, NULL}};

void scion_open_tensor_math(lua_State *L) {
  scion_add_constructors(L, functions);
  scion_add_methods(L, methods);
}
