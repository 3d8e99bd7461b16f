/* A chunk of a convolution in narrow numbers: pixels x a group of panels. */
#include "conv2d_narrow.h"

#include "activation.h"

/* ---- gathering: bytes, whatever they are of */

#define WIDE (4 * SIMD_WIDTH) /* bytes of a vector */
typedef uint8_t wide __attribute__((vector_size(WIDE), aligned(1), may_alias));

/* Fewer bytes than a vector: two copies that overlap. */
static inline void copy_short(uint8_t *out, const uint8_t *in, int64_t n) {
  if (n >= 32) {
    memcpy(out, in, 32);
    memcpy(out + n - 32, in + n - 32, 32);
  } else if (n >= 16) {
    memcpy(out, in, 16);
    memcpy(out + n - 16, in + n - 16, 16);
  } else if (n >= 8) {
    memcpy(out, in, 8);
    memcpy(out + n - 8, in + n - 8, 8);
  } else if (n >= 4) {
    memcpy(out, in, 4);
    memcpy(out + n - 4, in + n - 4, 4);
  } else {
    for (int64_t i = 0; i < n; i++) out[i] = in[i];
  }
}

/* A run of an image is mostly a multiple of a vector; the last one overlaps. */
static inline void copy_run(uint8_t *out, const uint8_t *in, int64_t n) {
  if (n < WIDE) {
    copy_short(out, in, n);
    return;
  }
  for (int64_t i = 0; i + WIDE <= n; i += WIDE) *(wide *)(out + i) = *(const wide *)(in + i);
  *(wide *)(out + n - WIDE) = *(const wide *)(in + n - WIDE);
}

static inline void fill_run(uint8_t *out, uint8_t with, int64_t n) {
  if (n > 0) memset(out, with, (size_t)n);
}

/* Bytes [at, at + n) of an image row that has `limit` of them, and what is outside. */
static inline void copy_clipped(uint8_t *out, const uint8_t *row, int64_t at, int64_t n, int64_t limit, uint8_t outside) {
  int64_t from = at < 0 ? (-at < n ? -at : n) : 0, to = at + n > limit ? (limit > at ? limit - at : 0) : n;
  if (to < from) to = from;
  fill_run(out, outside, from);
  if (from < to) copy_run(out + from, row + at + from, to - from);
  fill_run(out + to, outside, n - to);
}

/* The bytes k0 .. k1-1 of taps x channels under output pixel (n, i, j), as the kernel's depth is packed. Taps that are neighbours in memory,
 * too, are one run. */
static void gather_pixel(const conv2d_narrow_job *g, int64_t n, int64_t i, int64_t j, int64_t k0, int64_t k1, uint8_t *out) {
  const scion_window *w = &g->window;
  const bool joined = w->dilation[1] == 1 && g->x_stride == g->channels;
  const int64_t run = joined ? w->kernel[1] * g->channels : g->channels, runs = joined ? 1 : w->kernel[1];
  const int64_t limit = g->size[1] * g->x_stride;
  int64_t r = k0 / g->depth.pitch, in_row = k0 % g->depth.pitch, s = in_row < g->depth.row ? in_row / run : runs, offset = in_row - s * run;
  for (int64_t k = k0, length; k < k1; k += length, out += length, offset = 0) {
    if (s == runs) { /* behind a row */
      length = g->depth.pitch - g->depth.row - offset;
      if (length > k1 - k) length = k1 - k;
      fill_run(out, 0, length);
      s = 0, r++;
      continue;
    }
    length = run - offset < k1 - k ? run - offset : k1 - k;
    int64_t h = i * w->stride[0] + r * w->dilation[0] - w->before[0];
    int64_t at = (j * w->stride[1] + s * w->dilation[1] - w->before[1]) * g->x_stride + offset;
    if (h < 0 || h >= g->size[0]) {
      fill_run(out, g->outside, length);
    } else {
      copy_clipped(out, g->x + (n * g->size[0] + h) * limit, at, length, limit, g->outside);
    }
    s++;
  }
}

/* The same of all bytes, where the window lies within the image, and each of its rows is one run: most pixels of most convolutions. */
static inline bool gather_within(const conv2d_narrow_job *g, int64_t n, int64_t i, int64_t j, uint8_t *out) {
  const scion_window *w = &g->window;
  const int64_t h = i * w->stride[0] - w->before[0], at = j * w->stride[1] - w->before[1], run = w->kernel[1] * g->channels;
  if (h < 0 || at < 0 || h + (int64_t)w->dilation[0] * (w->kernel[0] - 1) >= g->size[0] || at + w->kernel[1] > g->size[1]) return false;
  const uint8_t *from = g->x + ((n * g->size[0] + h) * g->size[1] + at) * g->x_stride;
  const int64_t next = w->dilation[0] * g->size[1] * g->x_stride;
  for (int r = 0; r < w->kernel[0]; r++, from += next, out += run) copy_run(out, from, run);
  return true;
}

/* Rows [pixel] x pitch of a depth that is filled up with zeros, which times zeros of the kernel stay zeros. */
static void gather(const conv2d_narrow_job *g, int64_t first, int64_t count, int64_t k0, int64_t length, int64_t pitch,
                   uint8_t *out) {
  const int64_t depth = g->depth.rows * g->depth.pitch, k1 = k0 + length < depth ? k0 + length : depth;
  const bool joined = g->window.kernel[1] == 1 || (g->window.dilation[1] == 1 && g->x_stride == g->channels);
  const bool whole = joined && k0 == 0 && k1 == depth && g->depth.pitch == g->depth.row;
  int64_t j = first % g->grid[1], i = first / g->grid[1] % g->grid[0], n = first / g->grid[1] / g->grid[0];
  for (int64_t p = 0; p < count; p++, out += pitch) {
    if (!whole || !gather_within(g, n, i, j, out)) gather_pixel(g, n, i, j, k0, k1, out);
    fill_run(out + k1 - k0, 0, k0 + length - k1);
    if (++j == g->grid[1]) {
      j = 0;
      if (++i == g->grid[0]) i = 0, n++;
    }
  }
}

/* Pixels of a strip (see make_strips) from `first` on, side by side, and zeros behind them. */
static void fill_strip(const conv2d_narrow_job *g, int64_t first, int64_t count, uint8_t *out) {
  const scion_window *w = &g->window;
  const int64_t images = g->pixels / g->strip[0] / g->strip[1], row_bytes = g->size[1] * g->x_stride;
  for (int64_t at = first, end = first + count, n; at < end; at += n) {
    const int64_t j = at % g->strip[1] - w->before[1], i = at / g->strip[1] % g->strip[0] - w->before[0], image = at / g->strip[1] / g->strip[0];
    n = g->strip[1] - w->before[1] - j < end - at ? g->strip[1] - w->before[1] - j : end - at;
    const uint8_t *row = g->x + (image * g->size[0] + i) * row_bytes;
    if (image >= images || i < 0 || i >= g->size[0]) {
      fill_run(out, g->outside, n * g->channels);
    } else if (g->x_stride == g->channels) {
      copy_clipped(out, row, j * g->channels, n * g->channels, row_bytes, g->outside);
    } else {
      for (int64_t p = 0; p < n; p++) {
        if (j + p < 0 || j + p >= g->size[1]) fill_run(out + p * g->channels, g->outside, g->channels);
        else copy_run(out + p * g->channels, row + (j + p) * g->x_stride, g->channels);
      }
    }
    out += n * g->channels;
  }
  fill_run(out, 0, NARROW_STEP);
}

/* ---- what follows the product: bias, addend, activation, and the store in the dtype of y */

/* A code stands for (code - zero) * scale. */
SIMD_INLINE simd_float load_codes(const void *codes, int64_t at, int64_t n, scion_quantization q) {
  return (simd_load_of(SCION_U8, codes, at, n) - (float)q.zero) * q.scale;
}

/* What is the same for all of a job. The common ones are compiled by themselves: see `finish`. */
typedef struct {
  bool codes, adds, bends; /* sums of codes; an addend; an activation that is no clamp */
  scion_dtype addend, y;
  int vectors;             /* side by side in a whole block: all of them, or one for less code */
} ending;

/* What a column of a block has for all its rows: sums of codes times weights stand for (sum - zero) * scale. */
typedef struct {
  simd_bits zero;
  simd_float scale, bias;
} column_terms;

SIMD_INLINE column_terms terms_of(const conv2d_narrow_job *g, int64_t column, int64_t n, const ending e) {
  column_terms t = {.bias = g->bias ? simd_load_some(g->bias + column, n) : (simd_float){0}};
  if (!e.codes) return t;
  memcpy(&t.zero, g->weights + column, (size_t)n * sizeof *g->weights);
  t.zero *= (uint32_t)g->quantized[0].zero;
  t.scale = simd_load_some(g->scales + column, n) * g->quantized[0].scale;
  return t;
}

/* The sums as they are, or as what they stand for: these whole numbers wrap around, and the result is exact. */
SIMD_INLINE simd_float load_sums(const void *sums, const column_terms *t, const ending e) {
  if (!e.codes) return simd_load(sums);
  return __builtin_convertvector((simd_int)(*(const simd_bits *)sums - t->zero), simd_float) * t->scale;
}

/* Columns of a block from `at` on, in so many vectors side by side, of which the last has n: whole lines of memory where they can be. The row of
 * number r is row rows[r] of y and of the addend. */
SIMD_INLINE void finish_vectors(const conv2d_narrow_job *g, const conv2d_block *block, const int64_t *rows, int at, int64_t column, const int vectors,
                                const int64_t n, const ending e) {
  const bool clamp = g->activation == SCION_RELU || g->activation == SCION_RELU6;
  const simd_float low = simd_set(clamp ? 0 : -INFINITY), high = simd_set(g->activation == SCION_RELU6 ? 6 : INFINITY);
  const float factor = g->out_factor, out_zero = e.y == SCION_U8 ? (float)g->quantized[2].zero : 0;
  const float *sums = (const float *)block->sums + at; /* or i32 */
  const int64_t y_stride = g->y_stride, addend_stride = g->addend_stride, count = block->rows;
  const void *addend = g->addend;
  void *y = g->y;
  column_terms t[NARROW_BLOCK / SIMD_WIDTH];
  _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++) t[i] = terms_of(g, column + i * SIMD_WIDTH, n, e);
  for (int64_t r = 0; r < count; r++)
    _Pragma("GCC unroll 8") for (int i = 0; i < vectors; i++) {
      const int64_t from = column + i * SIMD_WIDTH;
      simd_float v = load_sums(sums + r * NARROW_BLOCK + i * SIMD_WIDTH, &t[i], e) + t[i].bias;
      if (e.adds && e.addend == SCION_U8) v += load_codes(addend, rows[r] * addend_stride + from, n, g->quantized[1]);
      else if (e.adds) v += simd_load_of(e.addend, addend, rows[r] * addend_stride + from, n);
      v = e.bends ? simd_activate(v, g->activation) : simd_min(high, simd_max(low, v)); /* in this order NaN stays */
      if (e.y == SCION_U8) v = v * factor + out_zero;
      simd_store_of(e.y, y, rows[r] * y_stride + from, v, n);
    }
}

SIMD_INLINE void finish_columns(const conv2d_narrow_job *g, const conv2d_block *block, const int64_t *rows, int64_t column, const ending e) {
  int c = 0;
  if (block->columns == NARROW_BLOCK && e.vectors > 1) finish_vectors(g, block, rows, 0, column, e.vectors, SIMD_WIDTH, e), c = NARROW_BLOCK;
  for (; c + SIMD_WIDTH <= block->columns; c += SIMD_WIDTH) finish_vectors(g, block, rows, c, column + c, 1, SIMD_WIDTH, e);
  if (c < block->columns) finish_vectors(g, block, rows, c, column + c, 1, block->columns - c, e);
}

/* The output pixel that a pixel of the grid is. */
static inline int64_t output_pixel(const conv2d_narrow_job *g, int64_t pixel) {
  if (!g->apart) return pixel;
  int64_t j = pixel % g->grid[1], i = pixel / g->grid[1] % g->grid[0], n = pixel / g->grid[1] / g->grid[0];
  return (n * g->out_size[0] + i * g->out_step[0] + g->out_first[0]) * g->out_size[1] + j * g->out_step[1] + g->out_first[1];
}

/* Not inlined, so that each stands once. */
#define ALL (NARROW_BLOCK / SIMD_WIDTH)
#define FINISH(name, ...)                                                                                                            \
  static __attribute__((noinline)) void name(const conv2d_narrow_job *g, const conv2d_block *block, const int64_t *rows, int64_t column) { \
    finish_columns(g, block, rows, column, (ending){__VA_ARGS__});                                                                   \
  }
FINISH(finish_any, .codes = g->quantized, .adds = g->addend, .bends = scion_activation_bends(g->activation), .addend = g->addend_dtype, .y = g->y_dtype,
       .vectors = 1)
FINISH(finish_bf16, .y = SCION_BF16, .vectors = ALL)
FINISH(finish_bf16_sum, .adds = true, .addend = SCION_BF16, .y = SCION_BF16, .vectors = ALL)
FINISH(finish_codes, .codes = true, .y = SCION_U8, .vectors = ALL)
FINISH(finish_codes_sum, .codes = true, .adds = true, .addend = SCION_U8, .y = SCION_U8, .vectors = ALL)

static void finish(const conv2d_narrow_job *g, const conv2d_block *block, int64_t pixel, int64_t column) {
  int64_t rows[NARROW_BLOCK];
  for (int r = 0; r < block->rows; r++) rows[r] = output_pixel(g, pixel + r);
  const bool alike = !scion_activation_bends(g->activation) && g->y_dtype == (g->quantized ? SCION_U8 : SCION_BF16) &&
                     (!g->addend || g->addend_dtype == g->y_dtype);
  if (!alike) finish_any(g, block, rows, column);
  else if (g->addend) (g->quantized ? finish_codes_sum : finish_bf16_sum)(g, block, rows, column);
  else (g->quantized ? finish_codes : finish_bf16)(g, block, rows, column);
}

/* Of a block of a strip the pixels that are pixels of the grid. */
static void finish_strip(const conv2d_narrow_job *g, const conv2d_block *block, int64_t pixel, int64_t column) {
  for (int64_t r = 0, n; r < block->rows; r += n) {
    const int64_t j = (pixel + r) % g->strip[1], i = (pixel + r) / g->strip[1] % g->strip[0], image = (pixel + r) / g->strip[1] / g->strip[0];
    const bool is_pixel = i < g->grid[0] && j < g->grid[1];
    n = (is_pixel ? g->grid[1] : g->strip[1]) - j;
    if (n > block->rows - r) n = block->rows - r;
    if (!is_pixel) continue;
    conv2d_block part = *block;
    part.sums = (float *)block->sums + r * NARROW_BLOCK, part.rows = (int)n;
    finish(g, &part, (image * g->grid[0] + i) * g->grid[1] + j, column);
  }
}

/* ---- chunks */

typedef struct {
  uint8_t a[NARROW_PIXELS * (NARROW_DEPTH + NARROW_STEP)]; /* or a strip */
  float sums[NARROW_PIXELS / NARROW_BLOCK * NARROW_GROUP][NARROW_BLOCK * NARROW_BLOCK]; /* a row's: one, unless the depth comes in parts */
} chunk_scratch;
_Static_assert(sizeof(chunk_scratch) <= SCION_SCRATCH_BYTES, "a chunk fits into a thread's scratch");
_Static_assert(NARROW_STRIP_BYTES <= NARROW_PIXELS * (NARROW_DEPTH + NARROW_STEP), "so does a strip");

/* Panel `panel` times the gathered pixels, which are `count`. */
static void run_panel(const conv2d_narrow_job *g, chunk_scratch *scratch, int64_t first, int64_t count, int64_t panel, int64_t k,
                      int64_t length, int64_t pitch) {
  int64_t column = panel * NARROW_BLOCK, columns = g->out_channels - column, left = scion_divide_up(g->depth.rows * g->depth.pitch - k, g->unit->step) * g->unit->step;
  bool whole = length == g->depth.padded;
  conv2d_block block = {.b = g->packed + column * g->depth.padded + k * NARROW_TILE, .pitch = pitch, .next = NARROW_TILE * g->depth.padded,
                        .depth = left < length ? left : length, .columns = columns < NARROW_BLOCK ? (int)columns : NARROW_BLOCK,
                        .sums_pitch = NARROW_BLOCK, .accumulate = k > 0};
  for (int64_t at = 0; at < count; at += NARROW_BLOCK) {
    block.a = scratch->a + at * pitch;
    block.rows = count - at < NARROW_BLOCK ? (int)(count - at) : NARROW_BLOCK;
    block.sums = scratch->sums[whole ? 0 : panel % g->group_panels * (NARROW_PIXELS / NARROW_BLOCK) + at / NARROW_BLOCK];
    g->unit->multiply(&block);
    if (k + length == g->depth.padded) finish(g, &block, first + at, column);
  }
}

/* The left side comes from memory as it is where no window leaves its pixel and rows are whole steps; a unit reads whole tiles. */
static void run_strip(const conv2d_narrow_job *g, chunk_scratch *scratch, int64_t first, int64_t count, int64_t begin, int64_t end) {
  const scion_window *w = &g->window;
  const bool as_it_is = w->kernel[0] == 1 && w->kernel[1] == 1 && g->strip[0] == g->size[0] && g->strip[1] == g->size[1] &&
                        g->depth.row == g->depth.pitch && count % NARROW_TILE == 0;
  const int64_t pitch = as_it_is ? g->x_stride : g->channels, under = count + (w->kernel[0] - 1) * g->strip[1] + w->kernel[1] - 1;
  if (!as_it_is) fill_strip(g, first, under, scratch->a);
  const int64_t panels = end - begin, blocks = scion_divide_up(count, NARROW_BLOCK);
  for (int64_t i = 0; i < panels * blocks; i++) {
    const int64_t panel = begin + (g->pixels_first ? i % panels : i / blocks), at = (g->pixels_first ? i / panels : i % blocks) * NARROW_BLOCK;
    const int64_t column = panel * NARROW_BLOCK, columns = g->out_channels - column;
    conv2d_block block = {.a = (as_it_is ? g->x + first * pitch : scratch->a) + at * pitch, .b = g->packed + column * g->depth.padded, .pitch = pitch,
                          .next = NARROW_TILE * g->depth.padded, .depth = g->depth.pitch, .further = g->depth.rows - 1,
                          .further_a = g->strip[1] * pitch, .further_b = g->depth.pitch * NARROW_TILE,
                          .rows = count - at < NARROW_BLOCK ? (int)(count - at) : NARROW_BLOCK,
                          .columns = columns < NARROW_BLOCK ? (int)columns : NARROW_BLOCK, .sums = scratch->sums[0], .sums_pitch = NARROW_BLOCK};
    g->unit->multiply(&block);
    finish_strip(g, &block, first + at, column);
  }
}

static void run_gathered(const conv2d_narrow_job *g, chunk_scratch *scratch, int64_t first, int64_t count, int64_t begin, int64_t end) {
  int64_t k = 0, length;
  do { /* once, too, where no tap meets the grid: sums of nothing */
    int64_t left = g->depth.padded - k, parts = scion_divide_up(left, NARROW_DEPTH);
    length = parts ? scion_divide_up(left / NARROW_STEP, parts) * NARROW_STEP : 0; /* nearly equal parts */
    int64_t pitch = length + NARROW_STEP; /* no power of two: the rows of a tile lie in different sets of the cache */
    if (length > 0) gather(g, first, count, k, length, pitch, scratch->a);
    for (int64_t panel = begin; panel < end; panel++) run_panel(g, scratch, first, count, panel, k, length, pitch);
    k += length;
  } while (k < g->depth.padded);
}

void SIMD(conv2d_narrow_chunk)(void *data, int64_t chunk, void *memory) {
  const conv2d_narrow_job *g = data;
  int64_t first = chunk / g->groups * g->block, count = g->pixels - first < g->block ? g->pixels - first : g->block;
  int64_t panels = scion_divide_up(g->out_channels, NARROW_BLOCK), begin = chunk % g->groups * g->group_panels;
  int64_t end = begin + g->group_panels < panels ? begin + g->group_panels : panels;
  if (g->unit->begin) g->unit->begin();
  (g->strip[0] > 0 ? run_strip : run_gathered)(g, memory, first, count, begin, end);
  if (g->unit->end) g->unit->end();
}
