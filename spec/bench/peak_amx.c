/* The peak of AMX on bf16: products of tiles that stay in their registers. */
#include "peak.h"

#if defined(__x86_64__) && defined(__linux__) && defined(__has_include)
#if __has_include(<amxbf16intrin.h>)
#define HAVE_AMX 1
#endif
#endif

#ifdef HAVE_AMX
#include <cpuid.h>
#include <immintrin.h>
#include <sys/syscall.h>
#include <unistd.h>

#define ARCH_REQ_XCOMP_PERM 0x1023 /* the system gives the tiles' state only to processes that ask */
#define XFEATURE_XTILEDATA 18

static bool cpu_has_amx(void) {
  unsigned a, b, c, d;
  return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (d >> 22 & 1) && (d >> 24 & 1); /* AMX-BF16, AMX-TILE */
}

__attribute__((target("amx-tile,amx-bf16"))) bool peak_bf16_begin(void) {
  if (!cpu_has_amx() || syscall(SYS_arch_prctl, ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA) != 0) return false;
  struct {
    unsigned char palette, start, reserved[14];
    unsigned short row_bytes[16];
    unsigned char rows[16];
  } __attribute__((aligned(64))) shape = {.palette = 1};
  for (int i = 0; i < 8; i++) shape.row_bytes[i] = 64, shape.rows[i] = 16;
  /* not _tile_loadconfig: GCC's tells the compiler that it reads 8 bytes, and the other stores above are dropped as dead */
  __asm__ volatile("ldtilecfg %0" ::"m"(shape));
  _tile_zero(0); _tile_zero(1); _tile_zero(2); _tile_zero(3);
  _tile_zero(4); _tile_zero(5); _tile_zero(6); _tile_zero(7);
  return true;
}

__attribute__((target("amx-tile,amx-bf16"))) void peak_bf16_run(void) {
  for (int turn = 0; turn < PEAK_TURNS / 100; turn++) {
    _tile_dpbf16ps(0, 4, 6);
    _tile_dpbf16ps(1, 4, 7);
    _tile_dpbf16ps(2, 5, 6);
    _tile_dpbf16ps(3, 5, 7);
  }
}
#else
bool peak_bf16_begin(void) { return false; }
void peak_bf16_run(void) {}
#endif
