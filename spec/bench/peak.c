/* peak THREADS: one side of the bench (see side.lua): how fast this CPU multiplies and adds, by the instruction set that Scion
 * uses, and where it has AMX, in bf16. A round answers the seconds of as many operations as `prepare` told. */
#include "peak.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define CHUNKS 8 /* a thread */

static volatile float keep; /* what is computed is used */
static volatile bool bf16;

static void fma_chunk(void *data, int64_t chunk, void *scratch) {
  (void)data, (void)scratch;
  keep = SIMD_CHOOSE(peak_run)(0.999f, 0.001f + (float)chunk * 1e-6f);
}

static void bf16_chunk(void *data, int64_t chunk, void *scratch) {
  (void)data, (void)chunk, (void)scratch;
  if (peak_bf16_begin())
    peak_bf16_run();
  else
    bf16 = false;
}

static void run_round(scion_chunk_function *fn) {
  clock_t cpu = clock();
  double start = scion_clock();
  scion_parallel_for((int64_t)CHUNKS * scion_threads(), fn, NULL);
  double wall = scion_clock() - start;
  printf("{\"wall\": %.9f, \"cpu\": %.9f}\n", wall, (double)(clock() - cpu) / CLOCKS_PER_SEC);
}

int main(int argc, char **argv) {
  if (argc != 2 || scion_set_threads(atoi(argv[1])) != SCION_OK) return 2;
  char line[100];
  double chunks = (double)CHUNKS * scion_threads();
  bf16 = peak_bf16_begin();
  printf("{\"name\": \"peak\", \"version\": \"%s\"}\n", scion_isa_name(scion_isa_in_use()));
  for (fflush(stdout); fgets(line, sizeof line, stdin) && strcmp(line, "end\n") != 0; fflush(stdout)) {
    if (strncmp(line, "prepare", 7) == 0)
      printf("{\"variants\": [\"fp32\"%s], \"flops\": {\"fp32\": %.0f, \"bf16\": %.0f}}\n", bf16 ? ", \"bf16\"" : "",
             chunks * PEAK_TURNS * PEAK_SUMS * 2 * SIMD_CHOOSE(peak_width)(), chunks * PEAK_BF16_FLOPS);
    else
      run_round(strstr(line, "bf16") ? bf16_chunk : fma_chunk);
  }
  return 0;
}
