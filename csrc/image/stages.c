/* The table of stages, out of stages.def, and the checks of what is given to them. */
#include "stages.h"

#include <math.h>
#include <string.h>

#define NUMBER(name, low, high) {#name, low, high},
#define STAGE(name, kind, numbers) {#name, STAGE_##kind, {numbers {NULL, 0, 0}}, image_stage_##name},
const image_stage_row image_stage_rows[] = {
#include "stages.def"
    {NULL, 0, {{NULL, 0, 0}}, NULL}};

int scion_stage_find(const char *name) {
  for (int i = 0; image_stage_rows[i].name; i++)
    if (strcmp(image_stage_rows[i].name, name) == 0) return i;
  return -1;
}

const char *scion_stage_number(int op, int i) {
  return i >= 0 && i < SCION_STAGE_NUMBERS ? image_stage_rows[op].numbers[i].name : NULL;
}

static int rows(void) { return (int)(sizeof image_stage_rows / sizeof *image_stage_rows) - 1; }

static scion_status check_numbers(const scion_stage *stage) {
  const image_stage_row *row = &image_stage_rows[stage->op];
  for (int k = 0; k < SCION_STAGE_NUMBERS && row->numbers[k].name; k++) {
    double n = stage->numbers[k], low = row->numbers[k].low, high = row->numbers[k].high;
    if (!(n >= low && n <= high))
      return scion_fail(SCION_MISUSE, "stage %s: %s is a number from %g to %g, not %g", row->name, row->numbers[k].name, low, high, n);
  }
  return SCION_OK;
}

scion_status image_stages_check(const scion_stage *stages, int count) {
  for (int i = 0; i < count; i++) {
    const scion_stage *stage = &stages[i];
    if (stage->op < 0 || stage->op >= rows()) return scion_fail(SCION_MISUSE, "stage %d is of no kind", i);
    const image_stage_row *row = &image_stage_rows[stage->op];
    if (!(stage->p >= 0 && stage->p <= 1)) return scion_fail(SCION_MISUSE, "stage %s: p is 0 to 1, not %g", row->name, stage->p);
    if (stage->members < 0 || stage->members > count - i - 1 || (row->kind == STAGE_MEMBERS) != (stage->members > 0))
      return scion_fail(SCION_MISUSE, "stage %s cannot have %d members", row->name, stage->members);
    if ((unsigned)stage->fill > SCION_FILLS) return scion_fail(SCION_MISUSE, "stage %s: no such fill", row->name);
    scion_status status = check_numbers(stage);
    if (status != SCION_OK) return status;
    for (int k = 1; k <= stage->members; k++)
      if (stages[i + k].members) return scion_fail(SCION_MISUSE, "stage %s: its members have members", row->name);
  }
  return SCION_OK;
}

bool image_stages_crop(const scion_stage *stages, int count) {
  for (int i = 0; i < count; i++)
    if (image_stage_rows[stages[i].op].kind == STAGE_CROP) return true;
  return false;
}
