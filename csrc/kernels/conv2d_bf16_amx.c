/* A block of the product in bf16 by AMX: tiles of 16 rows of 64 bytes. Each load of the left or right side serves two products,
 * and the four that sum are enough to hide one another's latency. See Intel's Architecture Instruction Set Extensions manual,
 * chapter on AMX. */
#include "conv2d_bf16.h"

/* A test brings tiles of its own, in software. */
#ifndef AMX_FUNCTION
#if defined(__x86_64__)
#include <immintrin.h>
#define AMX_FUNCTION __attribute__((target("amx-tile,amx-bf16")))
/* Not _tile_loadconfig: GCC's tells the compiler that it reads 8 bytes, and the rest of the configuration may never be stored. */
#define TILE_CONFIGURE(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(config)))
#define TILE_RELEASE() _tile_release()
#define TILE_ZERO(tile) _tile_zero(tile)
#define TILE_LOAD(tile, memory, stride) _tile_loadd(tile, memory, stride)
#define TILE_STORE(tile, memory, stride) _tile_stored(tile, memory, stride)
#define TILE_DOT(sums, a, b) _tile_dpbf16ps(sums, a, b)
#endif
#endif

#ifdef AMX_FUNCTION

/* What ldtilecfg reads: palette 1, for each tile its bytes a row and its rows. */
typedef struct {
  uint8_t palette, start_row, reserved[14];
  uint16_t row_bytes[16];
  uint8_t rows[16];
} tile_config;
_Static_assert(sizeof(tile_config) == 64, "the layout is the hardware's");

static const tile_config config __attribute__((aligned(64))) = {.palette = 1,
                                                                .row_bytes = {64, 64, 64, 64, 64, 64, 64, 64},
                                                                .rows = {16, 16, 16, 16, 16, 16, 16, 16}};

AMX_FUNCTION static void amx_begin(void) { TILE_CONFIGURE(&config); }
AMX_FUNCTION static void amx_end(void) { TILE_RELEASE(); }

/* Tiles 0 1 / 2 3 sum, 4 5 are the left side's upper and lower rows, 6 7 the right side's left and right columns. */
AMX_FUNCTION static inline __attribute__((always_inline)) void multiply_tiles(const conv2d_bf16_block *k, const bool lower,
                                                                              const bool right) {
  const int64_t pitch = k->pitch * 2, row = BF16_BLOCK * sizeof(float), down = BF16_TILE * BF16_BLOCK;
  const uint16_t *a = k->a, *b = k->b;
  float *sums = k->sums;
  if (k->accumulate) {
    TILE_LOAD(0, sums, row);
    if (right) TILE_LOAD(1, sums + BF16_TILE, row);
    if (lower) TILE_LOAD(2, sums + down, row);
    if (lower && right) TILE_LOAD(3, sums + down + BF16_TILE, row);
  } else {
    TILE_ZERO(0);
    if (right) TILE_ZERO(1);
    if (lower) TILE_ZERO(2);
    if (lower && right) TILE_ZERO(3);
  }
  for (int64_t left = k->depth; left > 0; left -= BF16_STEP, a += BF16_STEP, b += BF16_STEP * BF16_TILE) {
    TILE_LOAD(4, a, pitch);
    TILE_LOAD(6, b, 64);
    TILE_DOT(0, 4, 6);
    if (right) {
      TILE_LOAD(7, b + k->next, 64);
      TILE_DOT(1, 4, 7);
    }
    if (lower) {
      TILE_LOAD(5, a + BF16_TILE * k->pitch, pitch);
      TILE_DOT(2, 5, 6);
      if (right) TILE_DOT(3, 5, 7);
    }
  }
  TILE_STORE(0, sums, row);
  if (right) TILE_STORE(1, sums + BF16_TILE, row);
  if (lower) TILE_STORE(2, sums + down, row);
  if (lower && right) TILE_STORE(3, sums + down + BF16_TILE, row);
}

AMX_FUNCTION static void amx_multiply(const conv2d_bf16_block *block) {
  bool lower = block->rows > BF16_TILE, right = block->columns > BF16_TILE;
  __asm__ volatile("" ::: "memory"); /* GCC does not know that _tile_loadd reads memory */
  if (lower && right) {
    multiply_tiles(block, true, true);
  } else if (lower) {
    multiply_tiles(block, true, false);
  } else if (right) {
    multiply_tiles(block, false, true);
  } else {
    multiply_tiles(block, false, false);
  }
}

const conv2d_bf16_unit conv2d_bf16_amx = {amx_begin, amx_multiply, amx_end};

#endif
