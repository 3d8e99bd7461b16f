/* A block of the product by an instruction that multiplies the quads of two vectors and adds to sums; for inclusion by a file that
 * defines
 *   DOT(sum, a, b)   the instruction: a quad of the left side in every lane, times a row of quads of the right side
 *   DOT_BYTES        of a vector
 *   DOT_NUMBER       of a sum: float or int32_t
 *   DOT_ROWS         a divisor of NARROW_BLOCK; x the vectors: more sums than the latency of the instruction
 *   DOT_FUNCTION     the attribute that allows it
 *   DOT_MULTIPLY     the name of the unit's function */
#include <string.h>

#include "conv2d_narrow.h"

typedef DOT_NUMBER dot_sums __attribute__((vector_size(DOT_BYTES)));
typedef int32_t dot_quads __attribute__((vector_size(DOT_BYTES)));
#define DOT_LANES (DOT_BYTES / NARROW_QUAD)
#define DOT_MOST 2 /* vectors side by side */
#define DOT_EACH(statement)                                  \
  _Pragma("GCC unroll 8") for (int r = 0; r < DOT_ROWS; r++) \
    _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++) statement

DOT_FUNCTION static inline __attribute__((always_inline)) void multiply_rows(const conv2d_block *k, int row, int column, const int vectors) {
  DOT_NUMBER *out = (DOT_NUMBER *)k->sums + row * k->sums_pitch + column;
  const uint8_t *a = k->a + row * k->pitch, *from[DOT_MOST];
  dot_sums sum[DOT_ROWS][DOT_MOST];
  for (int v = 0; v < vectors; v++) {
    int at = column + v * DOT_LANES;
    from[v] = k->b + at / NARROW_TILE * k->next + at % NARROW_TILE * NARROW_QUAD;
  }
  if (k->accumulate) {
    DOT_EACH(sum[r][v] = *(const dot_sums *)(out + r * k->sums_pitch + v * DOT_LANES);)
  } else {
    DOT_EACH(sum[r][v] = (dot_sums){0};)
  }
  for (int64_t i = 0; i < k->depth; i += NARROW_QUAD) {
    dot_quads b[DOT_MOST];
    _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++) memcpy(&b[v], from[v] + i * NARROW_TILE, sizeof b[v]);
    _Pragma("GCC unroll 8") for (int r = 0; r < DOT_ROWS; r++) {
      int32_t quad;
      memcpy(&quad, a + r * k->pitch + i, sizeof quad);
      dot_quads same = quad - (dot_quads){0};
      _Pragma("GCC unroll 2") for (int v = 0; v < vectors; v++) sum[r][v] = DOT(sum[r][v], same, b[v]);
    }
  }
  DOT_EACH(*(dot_sums *)(out + r * k->sums_pitch + v * DOT_LANES) = sum[r][v];)
}

DOT_FUNCTION static void DOT_MULTIPLY(const conv2d_block *block) {
  for (int row = 0; row < block->rows; row += DOT_ROWS)
    for (int column = 0; column < block->columns; column += DOT_MOST * DOT_LANES) {
      if (block->columns - column > DOT_LANES) {
        multiply_rows(block, row, column, DOT_MOST);
      } else {
        multiply_rows(block, row, column, 1);
      }
    }
}
