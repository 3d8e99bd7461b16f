/* The arithmetic of vdpbf16ps, vpdpbusd and of AMX's tiles in software, as Intel's manuals define it ("Architecture Instruction Set
 * Extensions", the pages of VDPBF16PS and TDPBF16PS, chapter on AMX): fused multiply-adds that round to nearest even, with
 * denormals taken and left as zeros. What the kernels that use the instructions are built against here, so that all but the
 * instructions themselves is tested on any machine. */
#ifndef SCION_EMULATED_H
#define SCION_EMULATED_H

#include <float.h>
#include <math.h>
#include <string.h>

#include "tensor/element.h"

static inline float emulated_flush(float v) { return fabsf(v) < FLT_MIN ? copysignf(0, v) : v; }

static inline float emulated_fma(uint16_t a, uint16_t b, float sum) {
  return emulated_flush(fmaf(emulated_flush(bf16_to_float(a)), emulated_flush(bf16_to_float(b)), emulated_flush(sum)));
}

/* ---- vdpbf16ps on 16 lanes: the odd elements of the pairs first */

static inline void emulated_dot(float sum[16], const void *a_pairs, const void *b_pairs) {
  uint16_t a[32], b[32];
  memcpy(a, a_pairs, sizeof a);
  memcpy(b, b_pairs, sizeof b);
  for (int i = 0; i < 16; i++) {
    sum[i] = emulated_fma(a[2 * i + 1], b[2 * i + 1], sum[i]);
    sum[i] = emulated_fma(a[2 * i], b[2 * i], sum[i]);
  }
}

/* ---- tiles: a thread's eight registers, and their configuration in force. What the hardware would fault on is counted. */

typedef struct {
  int rows, row_bytes; /* 0: not configured */
  unsigned char data[16][64];
} emulated_tile;

static _Thread_local emulated_tile emulated_tiles[8];
static _Atomic int emulated_faults;

static inline void emulated_configure(const void *config) {
  const unsigned char *bytes = config;
  bool good = bytes[0] == 1 && bytes[1] == 0;
  for (int i = 2; i < 16; i++) good = good && bytes[i] == 0; /* reserved */
  for (int t = 0; t < 16; t++) {
    uint16_t row_bytes;
    memcpy(&row_bytes, bytes + 16 + 2 * t, 2);
    int rows = bytes[48 + t];
    good = good && rows <= 16 && row_bytes <= 64 && (rows == 0) == (row_bytes == 0) && (t < 8 || rows == 0);
    if (t >= 8) continue;
    emulated_tiles[t] = (emulated_tile){.rows = rows, .row_bytes = row_bytes};
  }
  if (!good) emulated_faults++;
}

static inline void emulated_release(void) { memset(emulated_tiles, 0, sizeof emulated_tiles); }

static inline emulated_tile *emulated_tile_at(int tile) {
  if (emulated_tiles[tile].rows == 0) emulated_faults++;
  return &emulated_tiles[tile];
}

static inline void emulated_zero(int tile) {
  emulated_tile *t = emulated_tile_at(tile);
  memset(t->data, 0, sizeof t->data);
}

static inline void emulated_load(int tile, const void *memory, int64_t stride) {
  emulated_tile *t = emulated_tile_at(tile);
  memset(t->data, 0, sizeof t->data);
  for (int r = 0; r < t->rows; r++) memcpy(t->data[r], (const char *)memory + r * stride, (size_t)t->row_bytes);
}

static inline void emulated_store(int tile, void *memory, int64_t stride) {
  const emulated_tile *t = emulated_tile_at(tile);
  for (int r = 0; r < t->rows; r++) memcpy((char *)memory + r * stride, t->data[r], (size_t)t->row_bytes);
}

static inline uint16_t emulated_half(const emulated_tile *t, int row, int i) {
  uint16_t half;
  memcpy(&half, t->data[row] + 2 * i, 2);
  return half;
}

/* The tiles of a product, whose shapes have to fit each other as the hardware wants them. */
typedef struct {
  emulated_tile *sums;
  const emulated_tile *a, *b;
} emulated_product;

static inline emulated_product emulated_product_of(int sums, int a, int b) {
  emulated_product p = {emulated_tile_at(sums), emulated_tile_at(a), emulated_tile_at(b)};
  if (p.a->rows != p.sums->rows || p.a->row_bytes / 4 != p.b->rows || p.b->row_bytes != p.sums->row_bytes || sums == a || sums == b || a == b)
    emulated_faults++;
  return p;
}

/* sums[m][n] += sum over k of a[m][k] * b[k][n] in pairs: even and odd products apart, from zero, and then to the sums. */
static inline void emulated_tile_dot(int sums, int a_tile, int b_tile) {
  emulated_product p = emulated_product_of(sums, a_tile, b_tile);
  emulated_tile *c = p.sums;
  const emulated_tile *a = p.a, *b = p.b;
  for (int m = 0; m < c->rows; m++)
    for (int n = 0; n < c->row_bytes / 4; n++) {
      float even = 0, odd = 0, sum;
      for (int k = 0; k < a->row_bytes / 4; k++) {
        even = emulated_fma(emulated_half(a, m, 2 * k), emulated_half(b, k, 2 * n), even);
        odd = emulated_fma(emulated_half(a, m, 2 * k + 1), emulated_half(b, k, 2 * n + 1), odd);
      }
      memcpy(&sum, c->data[m] + 4 * n, 4);
      sum = emulated_flush(emulated_flush(sum) + emulated_flush(even + odd));
      memcpy(c->data[m] + 4 * n, &sum, 4);
    }
}

/* ---- bytes, which are exact: quads of vpdpbusd on 32-bit lanes, unsigned a and signed b; and tiles of them */

static inline int32_t emulated_quad(int32_t sum, const uint8_t *a, const uint8_t *b) {
  for (int i = 0; i < 4; i++) sum += a[i] * (int8_t)b[i];
  return sum;
}

static inline void emulated_byte_dot(int32_t *sum, const void *a, const void *b, int lanes) {
  for (int i = 0; i < lanes; i++) sum[i] = emulated_quad(sum[i], (const uint8_t *)a + 4 * i, (const uint8_t *)b + 4 * i);
}

static inline void emulated_tile_byte_dot(int sums, int a_tile, int b_tile) {
  emulated_product p = emulated_product_of(sums, a_tile, b_tile);
  emulated_tile *c = p.sums;
  const emulated_tile *a = p.a, *b = p.b;
  for (int m = 0; m < c->rows; m++)
    for (int n = 0; n < c->row_bytes / 4; n++) {
      int32_t sum;
      memcpy(&sum, c->data[m] + 4 * n, 4);
      for (int k = 0; k < a->row_bytes / 4; k++) sum = emulated_quad(sum, a->data[m] + 4 * k, b->data[k] + 4 * n);
      memcpy(c->data[m] + 4 * n, &sum, 4);
    }
}

#endif
