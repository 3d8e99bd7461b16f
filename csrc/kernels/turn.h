/* A square of numbers turned in registers; for inclusion by *_simd.c files. */
#ifndef SCION_TURN_H
#define SCION_TURN_H

#include "loops.h"

#if SIMD_WIDTH == 16
#define TURN_LOWER 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23
#define TURN_UPPER 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31
#elif SIMD_WIDTH == 8
#define TURN_LOWER 0, 8, 1, 9, 2, 10, 3, 11
#define TURN_UPPER 4, 12, 5, 13, 6, 14, 7, 15
#else
#define TURN_LOWER 0, 4, 1, 5
#define TURN_UPPER 2, 6, 3, 7
#endif

/* Row i of the square becomes its column. Each of the rounds, as many as the width has bits, moves the upper bit of a row's number to the
 * lowest place of the number within the row. */
SIMD_INLINE void simd_turn(simd_float square[SIMD_WIDTH]) {
  simd_float rows[2][SIMD_WIDTH];
  int now = 0;
  _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++) rows[0][i] = square[i];
  _Pragma("GCC unroll 4") for (int bit = 1; bit < SIMD_WIDTH; bit *= 2, now = !now)
    _Pragma("GCC unroll 8") for (int i = 0; i < SIMD_WIDTH / 2; i++) {
      simd_float a = rows[now][i], b = rows[now][i + SIMD_WIDTH / 2];
      rows[!now][2 * i] = __builtin_shufflevector(a, b, TURN_LOWER);
      rows[!now][2 * i + 1] = __builtin_shufflevector(a, b, TURN_UPPER);
    }
  _Pragma("GCC unroll 16") for (int i = 0; i < SIMD_WIDTH; i++) square[i] = rows[now][i];
}

#endif
