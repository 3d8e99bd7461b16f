/* Between peak.c and the builds of peak_simd.c. */
#ifndef SCION_BENCH_PEAK_H
#define SCION_BENCH_PEAK_H

#include "kernels/simd.h"

#define PEAK_SUMS 12 /* independent sums: more than two units of latency 4 or 5 have under way, few enough for 16 registers */
#define PEAK_TURNS 1000000

/* PEAK_TURNS fused multiply-adds on each of PEAK_SUMS vectors, in registers alone. The result depends on all of them. */
SIMD_DECLARE(float, peak_run, float scale, float shift);
SIMD_DECLARE(int, peak_width, void);

/* The same for bf16 on AMX: PEAK_TURNS / 100 products of two tiles into each of four; PEAK_BF16_FLOPS in all. */
#define PEAK_BF16_FLOPS (PEAK_TURNS / 100 * 4.0 * 2 * 16 * 16 * 32)
bool peak_bf16_begin(void); /* false: this CPU, build or system has no AMX; in each thread that runs */
void peak_bf16_run(void);

#endif
