/* A chunk of a convolution in bf16: pixels x a group of panels. And the product of a block in f32 arithmetic, for machines that
 * have none for bf16. */
#include "conv2d_bf16.h"

#include "activation.h"

/* ---- gathering */

#define WIDE (2 * SIMD_WIDTH) /* elements of a vector */
typedef uint16_t wide __attribute__((vector_size(2 * WIDE), aligned(2), may_alias));

/* A run of an image is mostly a multiple of a vector; the last one overlaps. */
static inline void copy_run(uint16_t *out, const uint16_t *in, int64_t n) {
  if (n < WIDE) {
    memcpy(out, in, (size_t)n * sizeof *out);
    return;
  }
  for (int64_t i = 0; i + WIDE <= n; i += WIDE) *(wide *)(out + i) = *(const wide *)(in + i);
  *(wide *)(out + n - WIDE) = *(const wide *)(in + n - WIDE);
}

static inline void clear_run(uint16_t *out, int64_t n) {
  if (n > 0) memset(out, 0, (size_t)n * sizeof *out);
}

/* Elements [at, at + n) of an image row that has `limit` of them, zeros outside. */
static inline void copy_clipped(uint16_t *out, const uint16_t *row, int64_t at, int64_t n, int64_t limit) {
  int64_t from = at < 0 ? (-at < n ? -at : n) : 0, to = at + n > limit ? (limit > at ? limit - at : 0) : n;
  if (to < from) to = from;
  clear_run(out, from);
  if (from < to) copy_run(out + from, row + at + from, to - from);
  clear_run(out + to, n - to);
}

/* The values k0 .. k1-1 of taps x channels under output pixel (n, i, j). Taps that are neighbours in memory, too, are one run. */
static void gather_pixel(const conv2d_bf16_job *g, int64_t n, int64_t i, int64_t j, int64_t k0, int64_t k1, uint16_t *out) {
  const scion_window *w = &g->window;
  const bool joined = w->dilation[1] == 1 && g->x_stride == g->channels;
  const int64_t run = joined ? w->kernel[1] * g->channels : g->channels, runs = joined ? 1 : w->kernel[1];
  const int64_t limit = g->size[1] * g->x_stride;
  int64_t r = k0 / run / runs, s = k0 / run % runs, offset = k0 % run;
  for (int64_t k = k0, length; k < k1; k += length, out += length, offset = 0) {
    length = run - offset < k1 - k ? run - offset : k1 - k;
    int64_t h = i * w->stride[0] + r * w->dilation[0] - w->before[0];
    int64_t at = (j * w->stride[1] + s * w->dilation[1] - w->before[1]) * g->x_stride + offset;
    if (h < 0 || h >= g->size[0]) {
      clear_run(out, length);
    } else {
      copy_clipped(out, g->x + (n * g->size[0] + h) * limit, at, length, limit);
    }
    if (++s == runs) s = 0, r++;
  }
}

/* Rows [pixel] x pitch of a depth that is filled up with zeros, which times zeros of the kernel stay zeros. */
static void gather(const conv2d_bf16_job *g, int64_t first, int64_t count, int64_t k0, int64_t length, int64_t pitch,
                   uint16_t *out) {
  int64_t k1 = k0 + length < g->depth ? k0 + length : g->depth;
  int64_t j = first % g->grid[1], i = first / g->grid[1] % g->grid[0], n = first / g->grid[1] / g->grid[0];
  for (int64_t p = 0; p < count; p++, out += pitch) {
    gather_pixel(g, n, i, j, k0, k1, out);
    clear_run(out + k1 - k0, k0 + length - k1);
    if (++j == g->grid[1]) {
      j = 0;
      if (++i == g->grid[0]) i = 0, n++;
    }
  }
}

/* ---- what follows the product: bias, addend, activation, and the store in the dtype of y */

static void finish(const conv2d_bf16_job *g, const conv2d_bf16_block *block, int64_t pixel, int64_t column) {
  for (int r = 0; r < block->rows; r++, pixel++)
    for (int c = 0; c < block->columns; c += SIMD_WIDTH) {
      int64_t n = block->columns - c < SIMD_WIDTH ? block->columns - c : SIMD_WIDTH, at = column + c;
      simd_float v = simd_load(block->sums + r * BF16_BLOCK + c);
      if (g->bias) v += simd_load_some(g->bias + at, n);
      if (g->addend) v += simd_load_of(g->addend_dtype, g->addend, pixel * g->addend_stride + at, n);
      simd_store_of(g->y_dtype, g->y, pixel * g->y_stride + at, simd_activate(v, g->activation), n);
    }
}

/* ---- chunks */

typedef struct {
  uint16_t a[BF16_PIXELS * (BF16_DEPTH + BF16_STEP)];
  float sums[BF16_PIXELS / BF16_BLOCK * BF16_GROUP][BF16_BLOCK * BF16_BLOCK]; /* a row's: one, unless the depth comes in parts */
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a chunk fits into a thread's scratch");

/* Panel `panel` times the gathered pixels, which are `count`. */
static void run_panel(const conv2d_bf16_job *g, chunk_scratch *scratch, int64_t first, int64_t count, int64_t panel, int64_t k,
                      int64_t length, int64_t pitch) {
  int64_t column = panel * BF16_BLOCK, columns = g->out_channels - column;
  bool whole = length == g->padded;
  conv2d_bf16_block block = {.b = g->packed + column * g->padded + k * BF16_TILE, .pitch = pitch, .next = BF16_TILE * g->padded,
                             .depth = length, .columns = columns < BF16_BLOCK ? (int)columns : BF16_BLOCK, .accumulate = k > 0};
  for (int64_t at = 0; at < count; at += BF16_BLOCK) {
    block.a = scratch->a + at * pitch;
    block.rows = count - at < BF16_BLOCK ? (int)(count - at) : BF16_BLOCK;
    block.sums = scratch->sums[whole ? 0 : panel % g->group_panels * (BF16_PIXELS / BF16_BLOCK) + at / BF16_BLOCK];
    g->unit->multiply(&block);
    if (k + length == g->padded) finish(g, &block, first + at, column);
  }
}

void SIMD(conv2d_bf16_chunk)(void *data, int64_t chunk, void *memory) {
  const conv2d_bf16_job *g = data;
  chunk_scratch *scratch = memory;
  int64_t first = chunk / g->groups * g->block, count = g->pixels - first < g->block ? g->pixels - first : g->block;
  int64_t panels = scion_divide_up(g->out_channels, BF16_BLOCK), begin = chunk % g->groups * g->group_panels;
  int64_t end = begin + g->group_panels < panels ? begin + g->group_panels : panels;
  if (g->unit->begin) g->unit->begin();
  for (int64_t k = 0, length; k < g->padded; k += length) {
    int64_t left = g->padded - k, parts = scion_divide_up(left, BF16_DEPTH);
    length = scion_divide_up(left / BF16_STEP, parts) * BF16_STEP; /* nearly equal parts */
    int64_t pitch = length + BF16_STEP; /* no power of two: the rows of a tile lie in different sets of the cache */
    gather(g, first, count, k, length, pitch, scratch->a);
    for (int64_t panel = begin; panel < end; panel++) run_panel(g, scratch, first, count, panel, k, length, pitch);
  }
  if (g->unit->end) g->unit->end();
}

/* ---- the product in f32: a bf16 is the upper half of an f32, so that a pair is two of them after a mask and a shift */

#define VECTORS (BF16_TILE / SIMD_WIDTH)
#define ROWS (SIMD_WIDTH == 16 ? 8 : 4)

static inline simd_float upper(simd_bits pair) { return (simd_float)(pair & 0xffff0000u); }
static inline simd_float lower(simd_bits pair) { return (simd_float)(pair << 16); }

static void multiply_rows(const conv2d_bf16_block *k, const uint16_t *a, const uint16_t *b, float *out) {
  simd_float sum[ROWS][VECTORS];
  for (int r = 0; r < ROWS; r++)
    for (int v = 0; v < VECTORS; v++)
      sum[r][v] = k->accumulate ? simd_load(out + r * BF16_BLOCK + v * SIMD_WIDTH) : (simd_float){0};
  for (int64_t i = 0; i < k->depth; i += 2, b += 2 * BF16_TILE) {
    simd_bits pairs[VECTORS];
    memcpy(pairs, b, sizeof pairs);
    _Pragma("GCC unroll 8") for (int r = 0; r < ROWS; r++) {
      uint32_t pair;
      memcpy(&pair, a + r * k->pitch + i, sizeof pair);
      simd_bits same = pair - (simd_bits){0};
      for (int v = 0; v < VECTORS; v++) {
        sum[r][v] += lower(same) * lower(pairs[v]);
        sum[r][v] += upper(same) * upper(pairs[v]);
      }
    }
  }
  for (int r = 0; r < ROWS; r++)
    for (int v = 0; v < VECTORS; v++) simd_store(out + r * BF16_BLOCK + v * SIMD_WIDTH, sum[r][v]);
}

void SIMD(conv2d_bf16_multiply)(const conv2d_bf16_block *k) {
  for (int column = 0; column < k->columns; column += BF16_TILE)
    for (int row = 0; row < k->rows; row += ROWS)
      multiply_rows(k, k->a + row * k->pitch, k->b + column / BF16_TILE * k->next, k->sums + row * BF16_BLOCK + column);
}
