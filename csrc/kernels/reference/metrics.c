/* What metrics count, from the definitions. */
#include <math.h>
#include <string.h>

#include "reference.h"

static int finite_row(const real *x, int64_t width) {
  for (int64_t c = 0; c < width; c++)
    if (!isfinite((double)x[c])) return 0;
  return 1;
}

/* The first of the largest that are smaller than x[after], or equal to it with a higher number; after = -1: of all. */
static int64_t next_largest(const real *x, int64_t width, int64_t after) {
  int64_t best = -1;
  for (int64_t c = 0; c < width; c++) {
    int left = after < 0 || x[c] < x[after] || (x[c] == x[after] && c > after);
    if (left && (best < 0 || x[c] > x[best])) best = c;
  }
  return best;
}

void reference_ranks(const real *x, const int32_t *labels, int32_t *counts, int64_t rows, int64_t width) {
  memset(counts, 0, (size_t)width * sizeof *counts);
  for (int64_t r = 0; r < rows; r++, x += width) {
    if (!finite_row(x, width)) continue;
    int64_t rank = 0;
    for (int64_t c = next_largest(x, width, -1); c != labels[r]; c = next_largest(x, width, c)) rank++;
    counts[rank]++;
  }
}

void reference_calibration(const real *x, const int32_t *labels, int32_t *counts, real *confidence, int64_t rows, int64_t width,
                           int64_t bins) {
  memset(counts, 0, (size_t)(2 * bins) * sizeof *counts);
  for (int64_t b = 0; b < bins; b++) {
    confidence[b] = 0;
    for (int64_t r = 0; r < rows; r++) {
      const real *p = x + r * width;
      if (!finite_row(p, width)) continue;
      int64_t predicted = width > 1 ? next_largest(p, width, -1) : p[0] > (real)0.5;
      real value = width > 1 ? p[predicted] : predicted ? p[0] : 1 - p[0];
      if (value * (real)bins > (real)(b + 1) || (b > 0 && value * (real)bins <= (real)b)) continue;
      counts[2 * b]++, counts[2 * b + 1] += predicted == labels[r], confidence[b] += value;
    }
  }
}

void reference_areas(const real *x, const int32_t *labels, const real *targets, real *roc, real *precision, int64_t rows, int64_t width) {
  for (int64_t c = 0; c < width; c++) {
    real pairs = 0, won = 0, positives = 0, found = 0;
    int finite = 1;
    for (int64_t r = 0; r < rows; r++) {
      finite = finite && isfinite((double)x[r * width + c]);
      if (targets ? targets[r * width + c] <= (real)0.5 : labels[r] != (width == 1 ? 1 : c)) continue;
      real above = 0, hits = 0; /* at the threshold of this positive's score */
      for (int64_t o = 0; o < rows; o++) {
        real mine = x[r * width + c], other = x[o * width + c];
        int positive = targets ? targets[o * width + c] > (real)0.5 : labels[o] == (width == 1 ? 1 : c);
        above += other >= mine, hits += positive && other >= mine;
        if (!positive) pairs++, won += mine > other ? 1 : mine == other ? (real)0.5 : 0;
      }
      positives++, found += hits / above;
    }
    roc[c] = finite && pairs > 0 ? won / pairs : (real)NAN;
    precision[c] = finite && positives > 0 ? found / positives : (real)NAN;
  }
}
