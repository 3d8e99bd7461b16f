/* What the tests of convolution in narrow numbers share: AMX's sources, built against its instructions in software; a list of units; and shapes. */
#ifndef NARROW_H
#define NARROW_H

#include "conv2d_shapes.h"
#include "emulated.h"
#include "kernels/conv2d_narrow.h"

#define AMX_FUNCTION
#define TILE_CONFIGURE emulated_configure
#define TILE_RELEASE emulated_release
#define TILE_ZERO emulated_zero
#define TILE_LOAD emulated_load
#define TILE_STORE emulated_store
#define TILE_DOT_BF16 emulated_tile_dot
#define TILE_DOT_INT8 emulated_tile_byte_dot
#define conv2d_bf16_amx emulated_bf16_amx
#define conv2d_int8_amx emulated_int8_amx
#include "../../csrc/kernels/conv2d_amx.c"
#undef conv2d_bf16_amx
#undef conv2d_int8_amx

static struct {
  const char *name;
  conv2d_unit unit;
} units[8];
static int unit_count;

/* A kernel is packed for units that gather, or for those that read strips. */
static const conv2d_unit layouts[2] = {{.strips = false}, {.strips = true}};
static int layout_of(int unit) { return units[unit].unit.strips; }

static void add_unit(const char *name, conv2d_unit unit) {
  units[unit_count].name = name;
  units[unit_count++].unit = unit;
}

/* Calls test(shape, gaps between rows of x, of y) for shapes that are chosen, and for random ones. numbers: how many fill the bytes of a bf16. */
static void test_shapes(void (*test)(reference_conv2d d, int x_gap, int y_gap), int numbers) {
  const reference_conv2d shapes[] = {
      {.n = 1, .h = 1, .w = 1, .ci = 1, .co = 1, .window = window(1, 1, 1, 0, 0)},
      {.n = 2, .h = 5, .w = 5, .ci = 17, .co = 17, .window = window(1, 1, 1, 0, 0)},
      {.n = 1, .h = 8, .w = 8, .ci = 64, .co = 32, .window = window(1, 1, 1, 0, 0)}, /* whole tiles */
      {.n = 3, .h = 9, .w = 8, .ci = 17, .co = 33, .window = window(3, 3, 1, 1, 1)},
      {.n = 1, .h = 23, .w = 23, .ci = 3, .co = 32, .window = window(3, 3, 2, 0, 0)},
      {.n = 1, .h = 9, .w = 9, .ci = 8, .co = 9, .window = window(1, 1, 2, 0, 0)}, /* stride over the kernel */
      {.n = 2, .h = 2, .w = 3, .ci = 5, .co = 6, .window = window(5, 5, 1, 2, 2)}, /* kernel over the image */
      {.n = 1, .h = 3, .w = 3, .ci = 2, .co = 2, .window = window(2, 2, 1, 4, 5)}, /* windows in padding alone */
      {.n = 1, .h = 8, .w = 7, .ci = 40, .co = 48, .window = {{1, 7}, {1, 1}, {1, 1}, {0, 3}, {0, 3}}},
      {.n = 3, .h = 5, .w = 5, .ci = 96 * numbers, .co = 40, .window = window(3, 3, 1, 1, 1)}, /* images in one strip */
      {.n = 2, .h = 12, .w = 12, .ci = 80 * numbers, .co = 33, .window = {{7, 1}, {1, 1}, {1, 1}, {3, 0}, {3, 0}}},
      {.n = 2, .h = 9, .w = 20, .ci = 33 * numbers, .co = 20, .window = window(2, 4, 1, 0, 3)}, /* more padding on one side */
      {.n = 1, .h = 40, .w = 40, .ci = 64 * numbers, .co = 16, .window = window(3, 3, 1, 0, 0)}, /* chunks of a strip */
      {.n = 2, .h = 16, .w = 16, .ci = 64 * numbers, .co = 70, .window = window(1, 1, 1, 0, 0)}, /* as it is */
      {.n = 1, .h = 15, .w = 14, .ci = 6, .co = 7, .window = {{3, 4}, {4, 6}, {2, 3}, {2, 3}, {2, 3}}},
      {.n = 1, .h = 3, .w = 3, .ci = 150 * numbers, .co = 40, .window = window(3, 3, 1, 1, 1)}, /* depth in two parts */
      {.n = 1, .h = 1, .w = 2, .ci = 2500 * numbers + numbers / 2, .co = 20, .window = window(1, 1, 1, 0, 0)}, /* in three */
      {.n = 1, .h = 2, .w = 2, .ci = 1030 * numbers, .co = 600, .window = window(1, 1, 1, 0, 0)}, /* and groups of panels */
      {.n = 5, .h = 31, .w = 29, .ci = 2, .co = 3, .window = window(1, 1, 1, 0, 0)}, /* large blocks */
  };
  for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
    test(shapes[i], 0, 0);
    test(shapes[i], 5, 16);
  }
  for (int trial = 0; trial < 40; trial++) test(random_conv2d(4, 2, 10, 40), random_gap(), random_gap());
}

#endif
