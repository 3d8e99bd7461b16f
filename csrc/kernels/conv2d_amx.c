/* A block of the product by AMX, in bf16 and of bytes: tiles of 16 rows of 64 bytes. Each load of the left or right side serves two products,
 * and the four that sum are enough to hide one another's latency. See Intel's Architecture Instruction Set Extensions manual,
 * chapter on AMX. */
#include "conv2d_narrow.h"

/* A test brings tiles of its own, in software. */
#ifndef AMX_FUNCTION
#if defined(__x86_64__)
#include <immintrin.h>
#define AMX_FUNCTION __attribute__((target("amx-tile,amx-bf16,amx-int8")))
/* Not _tile_loadconfig: GCC's tells the compiler that it reads 8 bytes, and the rest of the configuration may never be stored. */
#define TILE_CONFIGURE(config) __asm__ volatile("ldtilecfg %0" ::"m"(*(config)))
#define TILE_RELEASE() _tile_release()
#define TILE_ZERO(tile) _tile_zero(tile)
#define TILE_LOAD(tile, memory, stride) _tile_loadd(tile, memory, stride)
#define TILE_STORE(tile, memory, stride) _tile_stored(tile, memory, stride)
#define TILE_DOT_BF16(sums, a, b) _tile_dpbf16ps(sums, a, b)
#define TILE_DOT_INT8(sums, a, b) _tile_dpbusd(sums, a, b)
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

#define MULTIPLY(sums, a, b)    \
  do {                          \
    if (bytes) {                \
      TILE_DOT_INT8(sums, a, b); \
    } else {                    \
      TILE_DOT_BF16(sums, a, b); \
    }                           \
  } while (0)

/* Tiles 0 1 / 2 3 sum, 4 5 are the left side's upper and lower rows, 6 7 the right side's left and right columns. */
AMX_FUNCTION static inline __attribute__((always_inline)) void multiply_tiles(const conv2d_block *k, const bool bytes,
                                                                              const bool lower, const bool right) {
  const int64_t pitch = k->pitch, row = k->sums_pitch * (int64_t)sizeof(float), down = NARROW_TILE * k->sums_pitch;
  const uint8_t *a = k->a, *b = k->b;
  float *sums = k->sums; /* or i32, which is as large */
  if (k->accumulate) {
    TILE_LOAD(0, sums, row);
    if (right) TILE_LOAD(1, sums + NARROW_TILE, row);
    if (lower) TILE_LOAD(2, sums + down, row);
    if (lower && right) TILE_LOAD(3, sums + down + NARROW_TILE, row);
  } else {
    TILE_ZERO(0);
    if (right) TILE_ZERO(1);
    if (lower) TILE_ZERO(2);
    if (lower && right) TILE_ZERO(3);
  }
  for (int64_t further = k->further; further >= 0; further--, a += k->further_a, b += k->further_b) {
    const uint8_t *left = a, *weights = b;
    for (int64_t depth = k->depth; depth > 0; depth -= NARROW_STEP, left += NARROW_STEP, weights += NARROW_STEP * NARROW_TILE) {
      TILE_LOAD(4, left, pitch);
      TILE_LOAD(6, weights, 64);
      MULTIPLY(0, 4, 6);
      if (right) {
        TILE_LOAD(7, weights + k->next, 64);
        MULTIPLY(1, 4, 7);
      }
      if (lower) {
        TILE_LOAD(5, left + NARROW_TILE * k->pitch, pitch);
        MULTIPLY(2, 5, 6);
        if (right) MULTIPLY(3, 5, 7);
      }
    }
  }
  TILE_STORE(0, sums, row);
  if (right) TILE_STORE(1, sums + NARROW_TILE, row);
  if (lower) TILE_STORE(2, sums + down, row);
  if (lower && right) TILE_STORE(3, sums + down + NARROW_TILE, row);
}

AMX_FUNCTION static inline __attribute__((always_inline)) void multiply(const conv2d_block *block, const bool bytes) {
  bool lower = block->rows > NARROW_TILE, right = block->columns > NARROW_TILE;
  __asm__ volatile("" ::: "memory"); /* GCC does not know that _tile_loadd reads memory */
  if (lower && right) {
    multiply_tiles(block, bytes, true, true);
  } else if (lower) {
    multiply_tiles(block, bytes, true, false);
  } else if (right) {
    multiply_tiles(block, bytes, false, true);
  } else {
    multiply_tiles(block, bytes, false, false);
  }
}

AMX_FUNCTION static void multiply_bf16(const conv2d_block *block) { multiply(block, false); }
AMX_FUNCTION static void multiply_int8(const conv2d_block *block) { multiply(block, true); }

const conv2d_unit conv2d_bf16_amx = {amx_begin, multiply_bf16, amx_end, NARROW_STEP, .strips = true};
const conv2d_unit conv2d_int8_amx = {amx_begin, multiply_int8, amx_end, NARROW_STEP, .strips = true};

#endif
