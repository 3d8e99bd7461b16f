/* Which instruction set the kernels use: the best that CPU and kernel allow, or the lesser one asked for. */
#include "scion.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static scion_isa chosen;

const char *scion_isa_name(scion_isa isa) {
  static const char *const names[] = {[SCION_ISA_PORTABLE] = "portable", [SCION_ISA_AVX2] = "avx2", [SCION_ISA_AVX512] = "avx512"};
  return names[isa];
}

static void choose(void) {
#if defined(__x86_64__)
  __builtin_cpu_init(); /* __builtin_cpu_supports also asks the operating system, by XGETBV */
  if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma")) chosen = SCION_ISA_AVX2;
  if (chosen == SCION_ISA_AVX2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512dq") &&
      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512vl"))
    chosen = SCION_ISA_AVX512;
#endif
  const char *wanted = getenv("SCION_ISA");
  for (int isa = SCION_ISA_PORTABLE; wanted && isa < (int)chosen; isa++)
    if (strcmp(wanted, scion_isa_name((scion_isa)isa)) == 0) chosen = (scion_isa)isa;
}

scion_isa scion_isa_in_use(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
  return chosen;
}
