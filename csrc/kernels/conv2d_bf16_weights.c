/* The gradient to the weights in bf16, by the units of the forward pass: rows are input channels of a tap, columns output channels, and what is
 * summed are the pixels of dy. A unit takes its rows as they lie in memory, so that x is turned: a row of it is a channel. Of the columns it
 * reads two neighbours of the depth side by side, pairs of pixels.
 *
 * Where windows lie a pixel apart, x is turned once for all taps, as a strip (see conv2d_narrow_strip): a tap is the same matrix some pixels
 * further on. dy then has the strip's pixels, too, with zeros for those that are no pixels of it. Elsewhere x is turned anew for each tap. */
#include <string.h>

#include "conv2d_narrow.h"
#include "conv2d_weights.h"
#include "require.h"

#define PIXELS 512   /* of dy at a time: 32 rows of them stay in the first-level cache */
#define CHANNELS 256 /* rows of x that are turned at a time, at most */
#define COLUMNS (NARROW_GROUP * NARROW_BLOCK) /* output channels of a chunk */
#define TURNED_BYTES (512 << 10) /* of x: these, and the sums of a chunk, stay in the second-level cache */
#define SUM_BYTES (512 << 10)
#define PAIRS_APART (NARROW_STEP / NARROW_QUAD) /* behind the pixels: rows of no power of two, and what a unit reads past a row's end */

static const uint16_t zeros[COLUMNS];

/* A pixel that is counted over the rows and columns of images of such a size. */
typedef struct {
  int64_t image, row, column;
  const int64_t *size;
} place;

static place place_of(int64_t number, const int64_t size[2]) {
  return (place){number / size[1] / size[0], number / size[1] % size[0], number % size[1], size};
}

/* Chunks are parts of the pixels x some taps x blocks of input channels x groups of output channels. */
typedef struct {
  const uint16_t *x, *dy;
  int64_t x_stride, dy_stride, channels, out_channels, images;
  int64_t size[2], grid[2]; /* rows and columns of x and dy */
  int64_t counted[2];       /* of a strip, or of dy: over these pixels are counted */
  bool strip;
  scion_window window;
  uint32_t *shared; /* dy as all chunks read it; NULL where one alone does, and gathers it */
  float *dw; /* [parts][taps][channels][out_channels] */
  int64_t pixels, parts, part_pixels, taps, group_taps, tap_groups, blocks, block_channels, groups, pitch;
  const conv2d_unit *unit;
} gradient_job;

/* A block of pixels, which begins at a multiple of PIXELS: so many pairs of them, in whole steps. */
typedef struct {
  int64_t first, pairs;
} run;

typedef struct {
  uint32_t turned[TURNED_BYTES / sizeof(uint32_t)]; /* of x: [channel][pair], or [tap][channel][pair] */
  uint32_t dy[PIXELS / 2 * COLUMNS];
  float sums[NARROW_BLOCK * NARROW_BLOCK];
  const uint16_t *rows[]; /* as many as there is memory for */
} chunk_scratch;
#define ROWS_MOST ((int64_t)((SCION_SCRATCH_BYTES - sizeof(chunk_scratch)) / sizeof(uint16_t *)))

static run run_at(const gradient_job *g, int64_t first) {
  const int64_t count = g->pixels - first < PIXELS ? g->pixels - first : PIXELS;
  return (run){first, scion_divide_up(count * (int64_t)sizeof(uint16_t), NARROW_STEP) * NARROW_STEP / NARROW_QUAD};
}

/* Up to where a row of counted pixels goes on, of those before `end`. */
static int64_t rest_of_row(const place *at, int64_t number, int64_t end) {
  const int64_t left = at->size[1] - at->column;
  return left < end - number ? left : end - number;
}

/* ---- dy */

/* The pixels of a run for a group of output channels; where a strip has none, zeros. */
static void point_dy(const gradient_job *g, const run *p, int64_t first_column, const uint16_t **rows) {
  for (int64_t k = 0, n; k < 2 * p->pairs; k += n) {
    const place at = place_of(p->first + k, g->counted);
    n = rest_of_row(&at, k, 2 * p->pairs);
    const int64_t pixel = (at.image * g->grid[0] + at.row) * g->grid[1] + at.column;
    const bool inside = at.image < g->images && at.row < g->grid[0];
    for (int64_t i = 0; i < n; i++) rows[k + i] = inside && at.column + i < g->grid[1] ? g->dy + (pixel + i) * g->dy_stride + first_column : zeros;
  }
}

/* A run as [tile][pair][NARROW_TILE]. What fills up a tile meets no sum that is kept. */
static void gather_dy(const gradient_job *g, const run *p, int64_t first_column, int64_t columns, const uint16_t **rows, uint32_t *out) {
  __auto_type pair = SIMD_CHOOSE(conv2d_pair_part);
  point_dy(g, p, first_column, rows);
  for (int64_t k = 0; k < p->pairs; k++, out += NARROW_TILE) pair(rows[2 * k], rows[2 * k + 1], columns, out, NARROW_TILE, p->pairs * NARROW_TILE);
}

static int64_t columns_of(const gradient_job *g, int64_t first) { return g->out_channels - first < COLUMNS ? g->out_channels - first : COLUMNS; }

/* Where many chunks read the same: a chunk here gathers a run for a group. */
static uint32_t *shared_dy(const gradient_job *g, const run *p, int64_t first_column) {
  return g->shared + p->first / 2 * (scion_divide_up(g->out_channels, NARROW_TILE) * NARROW_TILE) + first_column * p->pairs;
}

static void gather_dy_chunk(void *data, int64_t chunk, void *memory) {
  const gradient_job *g = data;
  chunk_scratch *scratch = memory;
  const run p = run_at(g, chunk / g->groups * PIXELS);
  const int64_t first_column = chunk % g->groups * COLUMNS;
  gather_dy(g, &p, first_column, columns_of(g, first_column), scratch->rows, shared_dy(g, &p, first_column));
}

/* ---- x */

/* How far behind a strip's pixel that of a tap lies. */
static int64_t reach(const gradient_job *g, int64_t tap) {
  return g->strip ? tap / g->window.kernel[1] * g->counted[1] + tap % g->window.kernel[1] : 0;
}

/* How far apart the first and the last tap of a group of so many lie, at most. */
static int64_t span(const gradient_job *g, int64_t taps) {
  int64_t most = 0;
  for (int64_t first = 0; first < g->taps; first += taps) {
    const int64_t last = first + taps < g->taps ? first + taps - 1 : g->taps - 1, apart = reach(g, last) - reach(g, first);
    if (apart > most) most = apart;
  }
  return most;
}

/* Pairs of pixels of a chunk's turned rows: a run of them, and those under its taps. */
static int64_t pitch_for(const gradient_job *g, int64_t taps) {
  return scion_divide_up(PIXELS + span(g, taps), 2 * PAIRS_APART) * PAIRS_APART + PAIRS_APART;
}

/* What a chunk has of both images and of the gradient. */
typedef struct {
  int64_t first_channel, channels, first_column, columns, first_tap, taps;
  float *dw;
} share;

/* Pixels of x, from one on: those of a strip, or those under a tap. */
static void point(const gradient_job *g, const share *s, int64_t first, int64_t count, int64_t tap, const uint16_t **rows) {
  const scion_window *w = &g->window;
  int64_t step[2] = {1, 1}, from[2] = {-w->before[0], -w->before[1]};
  for (int axis = 0; axis < 2 && !g->strip; axis++) {
    step[axis] = w->stride[axis];
    from[axis] += (axis ? tap % w->kernel[1] : tap / w->kernel[1]) * w->dilation[axis];
  }
  for (int64_t k = 0, n; k < count; k += n) {
    const place at = place_of(first + k, g->counted);
    n = rest_of_row(&at, k, count);
    const int64_t h = at.row * step[0] + from[0], v = at.column * step[1] + from[1];
    const int64_t row = (at.image * g->size[0] + h) * g->size[1];
    const bool inside = at.image < g->images && h >= 0 && h < g->size[0];
    for (int64_t i = 0; i < n; i++) {
      const int64_t column = v + i * step[1];
      rows[k + i] = inside && column >= 0 && column < g->size[1] ? g->x + (row + column) * g->x_stride + s->first_channel : zeros;
    }
  }
}

/* All that a run's taps read: a strip from the first tap on, with what is behind the last; or the rows of one tap below those of another. */
static void turn_x(const gradient_job *g, const share *s, const run *p, chunk_scratch *scratch) {
  __auto_type turn = SIMD_CHOOSE(conv2d_turn_pairs);
  if (g->strip) {
    point(g, s, p->first + reach(g, s->first_tap), 2 * g->pitch, 0, scratch->rows);
    turn(scratch->rows, s->channels, g->pitch, scratch->turned, g->pitch);
    return;
  }
  for (int64_t t = 0; t < s->taps; t++) {
    point(g, s, p->first, 2 * p->pairs, s->first_tap + t, scratch->rows);
    turn(scratch->rows, s->channels, p->pairs, scratch->turned + t * s->channels * g->pitch, g->pitch);
  }
}

/* ---- the product */

/* A block of the gradient that is no whole tiles, or whose rows are not aligned, is summed elsewhere: to there and back. */
static void carry(const conv2d_block *block, float *dw, int64_t dw_pitch, bool back) {
  for (int r = 0; r < block->rows; r++) {
    float *sums = (float *)block->sums + r * block->sums_pitch, *row = dw + r * dw_pitch;
    memcpy(back ? row : sums, back ? sums : row, (size_t)block->columns * sizeof *row);
  }
}

/* Rows of x, `turned`, times dy, added to the gradient or stored there. */
static void multiply(const gradient_job *g, const share *s, const run *p, const uint8_t *turned, const uint32_t *dy, int64_t count, float *dw, bool add,
                     float *sums) {
  const bool aligned = g->out_channels % NARROW_TILE == 0 && (uintptr_t)dw % (NARROW_TILE * sizeof *dw) == 0;
  for (int64_t row = 0; row < count; row += NARROW_BLOCK)
    for (int64_t column = 0; column < s->columns; column += NARROW_BLOCK) {
      const int64_t rows = count - row, columns = s->columns - column;
      float *to = dw + row * g->out_channels + column;
      conv2d_block block = {.a = turned + row * g->pitch * NARROW_QUAD, .b = (const uint8_t *)(dy + column * p->pairs),
                            .pitch = g->pitch * NARROW_QUAD, .next = NARROW_TILE * p->pairs * NARROW_QUAD, .depth = p->pairs * NARROW_QUAD,
                            .rows = rows < NARROW_BLOCK ? (int)rows : NARROW_BLOCK, .columns = columns < NARROW_BLOCK ? (int)columns : NARROW_BLOCK,
                            .sums = to, .sums_pitch = g->out_channels, .accumulate = add};
      const bool there = aligned && block.rows % NARROW_TILE == 0 && block.columns % NARROW_TILE == 0;
      if (!there) block.sums = sums, block.sums_pitch = NARROW_BLOCK;
      if (!there && add) carry(&block, to, g->out_channels, false);
      g->unit->multiply(&block);
      if (!there) carry(&block, to, g->out_channels, true);
    }
}

static void multiply_run(const gradient_job *g, const share *s, const run *p, bool add, chunk_scratch *scratch) {
  const uint8_t *turned = (const uint8_t *)scratch->turned;
  const uint32_t *dy = g->shared ? shared_dy(g, p, s->first_column) : scratch->dy;
  const int64_t tap_elements = g->channels * g->out_channels;
  if (!g->strip && s->channels == g->channels) { /* then the taps' rows lie one below the other in the gradient, too */
    multiply(g, s, p, turned, dy, s->taps * s->channels, s->dw, add, scratch->sums);
    return;
  }
  for (int64_t t = 0; t < s->taps; t++) {
    const int64_t at = g->strip ? 2 * (reach(g, s->first_tap + t) - reach(g, s->first_tap)) : t * s->channels * g->pitch * NARROW_QUAD;
    multiply(g, s, p, turned + at, dy, s->channels, s->dw + t * tap_elements, add, scratch->sums);
  }
}

static share share_of(const gradient_job *g, int64_t chunk, int64_t *part) {
  const int64_t group = chunk % g->groups, block = chunk / g->groups % g->blocks, taps = chunk / g->groups / g->blocks % g->tap_groups;
  *part = chunk / g->groups / g->blocks / g->tap_groups;
  share s = {.first_channel = block * g->block_channels, .first_column = group * COLUMNS, .first_tap = taps * g->group_taps};
  s.channels = g->channels - s.first_channel < g->block_channels ? g->channels - s.first_channel : g->block_channels;
  s.columns = columns_of(g, s.first_column);
  s.taps = g->taps - s.first_tap < g->group_taps ? g->taps - s.first_tap : g->group_taps;
  s.dw = g->dw + ((*part * g->taps + s.first_tap) * g->channels + s.first_channel) * g->out_channels + s.first_column;
  return s;
}

static void gradient_chunk(void *data, int64_t chunk, void *memory) {
  const gradient_job *g = data;
  chunk_scratch *scratch = memory;
  int64_t part;
  const share s = share_of(g, chunk, &part);
  const int64_t begin = part * g->part_pixels, end = begin + g->part_pixels < g->pixels ? begin + g->part_pixels : g->pixels;
  if (g->unit->begin) g->unit->begin();
  for (int64_t first = begin; first < end; first += PIXELS) {
    const run p = run_at(g, first);
    if (!g->shared) gather_dy(g, &p, s.first_column, s.columns, scratch->rows, scratch->dy);
    turn_x(g, &s, &p, scratch);
    multiply_run(g, &s, &p, first > begin, scratch);
  }
  if (g->unit->end) g->unit->end();
}

/* ---- how the work is cut */

/* Whether turned rows of so many channels of so many taps fit; of a strip those of all taps are the same. */
static bool fits(const gradient_job *g, int64_t channels, int64_t taps) {
  const int64_t pitch = pitch_for(g, taps);
  if (!g->strip) return channels * taps <= CHANNELS;
  return 2 * pitch <= ROWS_MOST && channels <= TURNED_BYTES / NARROW_QUAD / pitch;
}

/* Input channels so that their sums stay in the cache. Then there should be some chunks: by parts of the pixels, where there are many of them, since
 * each part has sums of its own; else by taps. */
static void cut(gradient_job *g) {
  const int64_t columns = g->out_channels < COLUMNS ? g->out_channels : COLUMNS;
  int64_t most = SUM_BYTES / (int64_t)sizeof(float) / columns / g->taps;
  while (most > NARROW_BLOCK && !fits(g, most < g->channels ? most : g->channels, g->strip ? g->taps : 1)) most /= 2;
  if (most > CHANNELS) most = CHANNELS;
  if (most < NARROW_BLOCK) most = NARROW_BLOCK;
  g->blocks = scion_divide_up(g->channels, most);
  g->block_channels = scion_divide_up(scion_divide_up(g->channels, g->blocks), NARROW_BLOCK) * NARROW_BLOCK;
  if (g->block_channels > g->channels) g->block_channels = g->channels;
  g->blocks = scion_divide_up(g->channels, g->block_channels);
  g->groups = scion_divide_up(g->out_channels, COLUMNS);
  const int64_t lines = g->blocks * g->groups, most_parts = g->pixels / (2 * PIXELS);
  int64_t parts = CONV2D_CHUNKS / lines < most_parts ? CONV2D_CHUNKS / lines : most_parts;
  if (parts < 1) parts = 1;
  g->part_pixels = scion_divide_up(scion_divide_up(g->pixels, PIXELS), parts) * PIXELS;
  g->parts = scion_divide_up(g->pixels, g->part_pixels);
  const int64_t tap_groups = scion_divide_up(CONV2D_CHUNKS, lines * g->parts);
  g->group_taps = scion_divide_up(g->taps, tap_groups < g->taps ? tap_groups : g->taps);
  while (g->group_taps > 1 && !fits(g, g->block_channels, g->group_taps)) g->group_taps = scion_divide_up(g->group_taps, 2);
  g->tap_groups = scion_divide_up(g->taps, g->group_taps);
  g->pitch = pitch_for(g, g->group_taps);
}

/* Counted over the pixels of a strip, unless turning what is behind each run would cost more than turning every tap, or would not fit. */
static void count_pixels(gradient_job *g) {
  gradient_job other = *g;
  other.strip = true;
  memcpy(g->counted, g->grid, sizeof g->grid);
  if (g->taps > 1 && conv2d_narrow_strip(&g->window, g->size, g->grid, other.counted) && span(&other, g->taps) < (g->taps - 1) * PIXELS &&
      fits(&other, g->channels < NARROW_BLOCK ? g->channels : NARROW_BLOCK, g->taps))
    *g = other;
  g->pixels = g->images * g->counted[0] * g->counted[1];
}

/* Memory for dy where several chunks read the same of it: it is large, and a storage has large pages. */
static scion_status share_dy(const char *kernel, gradient_job *g, scion_storage **shared) {
  if (g->blocks * g->tap_groups == 1) return SCION_OK;
  size_t pixels = (size_t)(scion_divide_up(g->pixels, PIXELS) * PIXELS), columns = (size_t)scion_divide_up(g->out_channels, NARROW_TILE) * NARROW_TILE;
  size_t bytes;
  *shared = scion_multiply_sizes(pixels * sizeof(uint16_t), columns, &bytes) ? scion_storage_new(bytes) : NULL;
  if (!*shared) return scion_fail(SCION_NO_MEMORY, "%s: out of memory: %lld pixels to work with cannot be had", kernel, (long long)g->pixels);
  g->shared = (uint32_t *)(void *)(*shared)->data;
  return SCION_OK;
}

scion_status conv2d_bf16_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw, const scion_window *window,
                                          const conv2d_unit *unit) {
  const char *kernel = "conv2d_bf16_backward_weights";
  SCION_TRY(scion_require_dtype(kernel, "x", x, SCION_BF16));
  SCION_TRY(scion_require_dtype(kernel, "dy", dy, SCION_BF16));
  SCION_TRY(conv2d_check_window(window));
  SCION_TRY(scion_require_window(kernel, window, "x", x, "dy", dy, scion_tensor_channels(dy)));
  SCION_TRY(conv2d_narrow_require_depth(kernel, window, x, dy));
  SCION_TRY(conv2d_check_dw(x, dy, dw, window));
  gradient_job g = {.x = x->data, .dy = dy->data, .x_stride = x->row_stride, .dy_stride = dy->row_stride, .channels = x->shape[3],
                    .out_channels = dy->shape[3], .images = dy->shape[0], .size = {x->shape[1], x->shape[2]}, .grid = {dy->shape[1], dy->shape[2]},
                    .window = *window, .taps = (int64_t)window->kernel[0] * window->kernel[1], .unit = unit};
  if (scion_tensor_rows(dy) == 0) return scion_tensor_fill(dw, 0);
  count_pixels(&g);
  cut(&g);
  float *parts = NULL;
  scion_storage *shared = NULL;
  SCION_TRY(share_dy(kernel, &g, &shared));
  scion_status status = conv2d_new_parts(g.parts, dw, &parts);
  g.dw = parts ? parts : dw->data;
  if (status == SCION_OK && shared) status = scion_parallel_for(scion_divide_up(g.pixels, PIXELS) * g.groups, gather_dy_chunk, &g);
  if (status == SCION_OK) status = scion_parallel_for(g.parts * g.tap_groups * g.blocks * g.groups, gradient_chunk, &g);
  if (shared) scion_storage_release(shared);
  return conv2d_sum_parts(status, parts, g.parts, dw);
}

scion_status scion_conv2d_bf16_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw, const scion_window *window) {
  conv2d_unit unit = conv2d_bf16_unit();
  return conv2d_bf16_backward_weights(x, dy, dw, window, &unit);
}
