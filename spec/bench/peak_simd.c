/* The fastest that this instruction set multiplies and adds: no memory, no dependency but each sum's on itself. */
#include "peak.h"

int SIMD(peak_width)(void) { return SIMD_WIDTH; }

float SIMD(peak_run)(float scale, float shift) {
  simd_float sums[PEAK_SUMS], by = simd_set(scale), plus = simd_set(shift);
  _Pragma("GCC unroll 16") for (int i = 0; i < PEAK_SUMS; i++) sums[i] = simd_set((float)i);
  for (int turn = 0; turn < PEAK_TURNS; turn++) {
    _Pragma("GCC unroll 16") for (int i = 0; i < PEAK_SUMS; i++) sums[i] = sums[i] * by + plus;
  }
  float total = 0;
  for (int i = 0; i < PEAK_SUMS; i++) total += sums[i][0];
  return total;
}
