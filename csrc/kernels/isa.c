/* Which instructions the kernels use: the best that CPU and operating system allow, or the lesser ones asked for. One ladder:
 * whoever has vdpbf16ps has AVX-512, and whoever has AMX has both. */
#include "scion.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__)
#include <cpuid.h>
#endif
#if defined(__x86_64__) && defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif

enum { RUNG_PORTABLE, RUNG_AVX2, RUNG_AVX512, RUNG_AVX512_BF16, RUNG_AMX, RUNGS };
static const char *const rung_names[RUNGS] = {"portable", "avx2", "avx512", "avx512bf16", "amx"};
static int chosen;
static const char *unknown; /* what SCION_ISA asks for, where that cannot be had */

#if defined(__x86_64__)
/* A bit of CPUID's leaf 7: register 0 to 3 is EAX to EDX. */
static bool leaf7(unsigned subleaf, int reg, int bit) {
  unsigned r[4] = {0};
  return __get_cpuid_count(7, subleaf, &r[0], &r[1], &r[2], &r[3]) && (r[reg] >> bit & 1);
}

/* Tiles are large state: the operating system saves it (XCR0 bits 17 and 18) only for processes that asked, before their first
 * use of it. The permission is the process's, its threads' and its children's. */
static bool tiles_permitted(void) {
#if defined(__linux__) && defined(SYS_arch_prctl)
  const unsigned long request_permission = 0x1023, tile_data = 18; /* ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA */
  unsigned low, high;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return (low >> 17 & 3) == 3 && syscall(SYS_arch_prctl, request_permission, tile_data) == 0;
#else
  return false;
#endif
}
#endif

static int best(void) {
#if defined(__x86_64__)
  __builtin_cpu_init(); /* __builtin_cpu_supports also asks the operating system, by XGETBV */
  if (!__builtin_cpu_supports("avx2") || !__builtin_cpu_supports("fma")) return RUNG_PORTABLE;
  if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512bw") ||
      !__builtin_cpu_supports("avx512vl"))
    return RUNG_AVX2;
  if (!leaf7(1, 0, 5)) return RUNG_AVX512; /* avx512_bf16 */
  return leaf7(0, 3, 24) && leaf7(0, 3, 22) && tiles_permitted() ? RUNG_AMX : RUNG_AVX512_BF16; /* amx-tile, amx-bf16 */
#else
  return RUNG_PORTABLE;
#endif
}

static void choose(void) {
  const char *wanted = getenv("SCION_ISA");
  chosen = best();
  if (!wanted || !*wanted) return;
  for (int rung = RUNG_PORTABLE; rung <= chosen; rung++)
    if (strcmp(wanted, rung_names[rung]) == 0) {
      chosen = rung;
      return;
    }
  unknown = wanted;
}

static int rung(void) {
  static pthread_once_t once = PTHREAD_ONCE_INIT;
  pthread_once(&once, choose);
  return chosen;
}

/* Bytes: all units give the same results, so that the ladder needs no rungs for vpdpbusd. */
scion_int8 scion_int8_in_use(void) {
#if defined(__x86_64__)
  static _Atomic int known = -1;
  if (known < 0) {
    int at = rung();
    known = at == RUNG_AMX && leaf7(0, 3, 25)        ? SCION_INT8_AMX /* amx-int8 */
            : at >= RUNG_AVX512 && leaf7(0, 2, 11) ? SCION_INT8_VNNI /* avx512_vnni */
            : at == RUNG_AVX2 && leaf7(1, 0, 4)    ? SCION_INT8_AVXVNNI /* avx_vnni */
                                                   : SCION_INT8_PLAIN;
  }
  return (scion_int8)known;
#else
  return SCION_INT8_PLAIN;
#endif
}

const char *scion_int8_name(scion_int8 int8) {
  static const char *const names[] = {[SCION_INT8_AVXVNNI] = "avxvnni", [SCION_INT8_VNNI] = "avx512vnni", [SCION_INT8_AMX] = "amx"};
  return int8 == SCION_INT8_PLAIN ? scion_isa_name(scion_isa_in_use()) : names[int8];
}

scion_isa scion_isa_in_use(void) { return rung() < RUNG_AVX512 ? (scion_isa)rung() : SCION_ISA_AVX512; }

scion_status scion_isa_check(void) {
  int most = rung();
  if (!unknown) return SCION_OK;
  char names[80];
  return scion_fail(SCION_MISUSE, "the environment's SCION_ISA is '%.40s', but on this CPU it can be %s", unknown,
                    scion_list_words(names, sizeof names, rung_names, most + 1));
}

const char *scion_isa_name(scion_isa isa) { return rung_names[isa]; }

scion_bf16 scion_bf16_in_use(void) {
  return rung() == RUNG_AMX ? SCION_BF16_AMX : rung() == RUNG_AVX512_BF16 ? SCION_BF16_AVX512 : SCION_BF16_F32;
}

const char *scion_bf16_name(scion_bf16 bf16) {
  return bf16 == SCION_BF16_AMX ? rung_names[RUNG_AMX] : bf16 == SCION_BF16_AVX512 ? rung_names[RUNG_AVX512_BF16] : "f32";
}
