/* tostring(t), which the REPL shows: shape, dtype, and values. Of large tensors only the first and last ones are shown, so that lines fit
 * into a terminal of 80 columns. */
#include "binding.h"

#include <math.h>
#include <stdio.h>

#define COLUMNS 78
#define NUMBER_SIZE 48

/* Which of `count` indices are shown: the first and the last `edge` of them, or all if edge = count. */
typedef struct {
  int64_t count, edge;
} selection;

static selection select_some(int64_t count, int64_t all, int64_t edge) { return (selection){count, count <= all ? count : edge}; }

static bool gap_after(const selection *s, int64_t i) { return i + 1 == s->edge && s->edge < s->count; }

static int64_t next_shown(const selection *s, int64_t i) { return gap_after(s, i) ? s->count - s->edge : i + 1; }

/* A tensor seen as matrices (blocks) of rows and columns, and the format of its numbers. */
typedef struct {
  const scion_tensor *t;
  selection blocks, rows, columns;
  enum { WHOLE, FIXED, SCIENTIFIC } style;
  int width;
} picture;

static double value_at(const picture *p, int64_t block, int64_t row, int64_t column) {
  return scion_tensor_get(p->t, (block * p->rows.count + row) * p->columns.count + column);
}

static int write_number(const picture *p, double value, char text[NUMBER_SIZE]) {
  if (!isfinite(value)) return snprintf(text, NUMBER_SIZE, "%s", isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
  return p->style == WHOLE   ? snprintf(text, NUMBER_SIZE, "%.0f", value)
         : p->style == FIXED ? snprintf(text, NUMBER_SIZE, "%.4f", value)
                             : snprintf(text, NUMBER_SIZE, "%.4e", value);
}

/* Chooses the style (first pass) and the width (second pass) from the values that may be shown. */
static void choose_format(picture *p) {
  double largest = 0;
  bool whole = true;
  for (int pass = 0; pass < 2; pass++) {
    for (int64_t b = 0; b < p->blocks.count; b = next_shown(&p->blocks, b))
      for (int64_t r = 0; r < p->rows.count; r = next_shown(&p->rows, r))
        for (int64_t c = 0; c < p->columns.count; c = next_shown(&p->columns, c)) {
          double value = value_at(p, b, r, c);
          if (pass == 1) {
            char text[NUMBER_SIZE];
            int length = write_number(p, value, text);
            if (length > p->width) p->width = length;
          } else if (isfinite(value)) {
            if (fabs(value) > largest) largest = fabs(value);
            whole = whole && value == nearbyint(value);
          }
        }
    p->style = whole && largest < 1e10 ? WHOLE : largest < 1e5 && largest >= 1e-3 ? FIXED : SCIENTIFIC;
  }
}

static void add_row(luaL_Buffer *out, const picture *p, int64_t block, int64_t row) {
  for (int64_t c = 0; c < p->columns.count; c = next_shown(&p->columns, c)) {
    char number[NUMBER_SIZE], padded[2 * NUMBER_SIZE];
    write_number(p, value_at(p, block, row, c), number);
    snprintf(padded, sizeof padded, "%s%*s", c ? "  " : " ", p->width, number);
    luaL_addstring(out, padded);
    if (gap_after(&p->columns, c)) luaL_addstring(out, "  ...");
  }
}

/* Adds the index of a block as a script would write it: "[1][2]". */
static void add_block_name(luaL_Buffer *out, const picture *p, int64_t block) {
  int64_t place[SCION_MAX_DIMS];
  for (int d = p->t->dims - 3; d >= 0; d--) {
    place[d] = block % p->t->shape[d] + 1;
    block /= p->t->shape[d];
  }
  luaL_addchar(out, '\n');
  for (int d = 0; d < p->t->dims - 2; d++) {
    char text[32];
    snprintf(text, sizeof text, "[%lld]", (long long)place[d]);
    luaL_addstring(out, text);
  }
}

/* tostring(t) -> "tensor 2x3 f32" and the values, or some of them */
static int tensor_tostring(lua_State *L) {
  char shape[SCION_SHAPE_TEXT];
  const scion_tensor *t = scion_push_view(L, luaL_checkudata(L, 1, SCION_TENSOR)); /* a view, in case a finalizer closes t */
  if (!t->data) return lua_pushliteral(L, "tensor, closed"), 1;
  int64_t rows = t->dims > 1 ? t->shape[t->dims - 2] : 1, columns = scion_tensor_channels(t), elements = scion_tensor_elements(t);
  const char *title = lua_pushfstring(L, "tensor %s %s", scion_shape_text(t, shape, sizeof shape), scion_dtype_name(t->dtype));
  if (elements == 0) return lua_pushfstring(L, "%s, empty", title), 1;
  picture p = {.t = t, .rows = select_some(rows, 8, 3), .columns = select_some(columns, 40, 20)};
  p.blocks = select_some(elements / (rows * columns), 3, 1);
  choose_format(&p);
  int64_t fit = COLUMNS / (p.width + 2);
  p.columns = select_some(columns, fit, (COLUMNS - 5) / (p.width + 2) / 2);
  luaL_Buffer out;
  luaL_buffinit(L, &out);
  luaL_addstring(&out, title);
  for (int64_t b = 0; b < p.blocks.count; b = next_shown(&p.blocks, b)) {
    if (t->dims > 2) add_block_name(&out, &p, b);
    for (int64_t r = 0; r < rows; r = next_shown(&p.rows, r)) {
      luaL_addchar(&out, '\n');
      add_row(&out, &p, b, r);
      if (gap_after(&p.rows, r)) luaL_addstring(&out, "\n ...");
    }
    if (gap_after(&p.blocks, b)) luaL_addstring(&out, "\n...");
  }
  luaL_pushresult(&out);
  return 1;
}

static const luaL_Reg methods[] = {{"__tostring", tensor_tostring}, {NULL, NULL}};

void scion_open_tensor_print(lua_State *L) { scion_add_methods(L, methods); }
