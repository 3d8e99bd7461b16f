/* What metrics count, and areas under curves: by hand, and against references with ties, missing classes and what is not finite. */
#include "compare.h"
#include "kernels/reference/reference.h"

static scion_tensor random_labels(int64_t rows, int64_t classes) {
  scion_tensor labels;
  OK(scion_tensor_new(&labels, SCION_I32, 1, &rows));
  for (int64_t r = 0; r < rows; r++) ((int32_t *)labels.data)[r] = test_integer(0, (int)classes - 1);
  return labels;
}

static void confusion(void) {
  const float rows[6][3] = {{1, 2, 0}, {1, 2, 0}, {5, 5, 5}, {0, 1, 9}, {NAN, 9, 0}, {0, INFINITY, 0}};
  const int32_t truth[6] = {1, 0, 2, 2, 1, 1}, expected[9] = {0, 1, 0, 0, 1, 0, 1, 0, 1};
  scion_tensor x = TENSOR(6, 3), labels = random_labels(6, 3), counts, support, pair, one = TENSOR(6, 1);
  OK(scion_tensor_new(&counts, SCION_I32, 2, (int64_t[]){3, 3}));
  OK(scion_tensor_new(&pair, SCION_I32, 2, (int64_t[]){2, 2}));
  memcpy(x.data, rows, sizeof rows), memcpy(labels.data, truth, sizeof truth);
  OK(scion_tensor_new(&support, SCION_I32, 1, (int64_t[]){3}));
  OK(scion_confusion(&x, &labels, &counts, &support, 0));
  CHECK(memcmp(counts.data, expected, sizeof expected) == 0, "the counts are others");
  CHECK(memcmp(support.data, (int32_t[]){1, 3, 2}, 3 * sizeof(int32_t)) == 0, "rows that are not finite are missing in the support");
  OK(scion_confusion(&x, &labels, &counts, NULL, 0)); /* adds */
  CHECK(((int32_t *)counts.data)[8] == 2, "%d", (int)((int32_t *)counts.data)[8]);
  REFUSED_WITH(scion_confusion(&x, &labels, &pair, NULL, 0), "counts is 2x2");
  const float scores[6] = {0.5f, 0.7f, 0.2f, 0.51f, 0.9f, NAN};
  const int32_t binary[6] = {0, 1, 1, 0, 1, 1}, binary_expected[4] = {1, 1, 1, 2};
  memcpy(one.data, scores, sizeof scores), memcpy(labels.data, binary, sizeof binary);
  OK(scion_confusion(&one, &labels, &pair, NULL, 0.5));
  CHECK(memcmp(pair.data, binary_expected, sizeof binary_expected) == 0, "the counts are others");
  ((int32_t *)labels.data)[2] = 2;
  REFUSED_WITH(scion_confusion(&one, &labels, &pair, NULL, 0.5), "not in 0 .. 1");
  REFUSED_WITH(scion_confusion(&x, &labels, &counts, &pair, 0), "support is 2x2, but should be 3 numbers in a row");
  RELEASE(&x, &labels, &counts, &support, &pair, &one);
}

static void label_confusion(void) {
  const float rows[5][3] = {{0.9f, 0.5f, 0.1f}, {0.6f, 0.4f, 0.8f}, {0.2f, NAN, 0.9f}, {0.1f, 0.7f, 0.51f}, {0, 0, 0}};
  const float truth[5][3] = {{1, 0, 0}, {0, 1, 1}, {0, 1, 1}, {0, 1, 0.5f}, {0, 0, 0}};
  const int32_t expected[12] = {2, 1, 0, 1, 2, 0, 1, 1, 2, 1, 0, 1}, expected_support[3] = {1, 3, 2};
  scion_tensor x = TENSOR(5, 3), targets = TENSOR(5, 3), two = TENSOR(5, 2), counts, support, exact;
  OK(scion_tensor_new(&counts, SCION_I32, 2, (int64_t[]){3, 4}));
  OK(scion_tensor_new(&support, SCION_I32, 1, (int64_t[]){3}));
  OK(scion_tensor_new(&exact, SCION_I32, 1, (int64_t[]){1}));
  memcpy(x.data, rows, sizeof rows), memcpy(targets.data, truth, sizeof truth);
  OK(scion_label_confusion(&x, &targets, &counts, &support, &exact, 0.5));
  CHECK(memcmp(counts.data, expected, sizeof expected) == 0, "the counts are others");
  CHECK(memcmp(support.data, expected_support, sizeof expected_support) == 0, "the support is another");
  CHECK(*(int32_t *)exact.data == 2, "%d are exact", (int)*(int32_t *)exact.data);
  OK(scion_label_confusion(&x, &targets, &counts, &support, &exact, 0.5)); /* adds */
  CHECK(*(int32_t *)exact.data == 4, "%d are exact", (int)*(int32_t *)exact.data);
  REFUSED_WITH(scion_label_confusion(&x, &two, &counts, &support, &exact, 0.5), "one shape");
  REFUSED_WITH(scion_label_confusion(&two, &two, &counts, &support, &exact, 0.5), "counts is 3x4, but should be 2x4");
  REFUSED_WITH(scion_label_confusion(&x, &targets, &counts, &exact, &exact, 0.5), "support is 1, but should be 3 numbers");
  REFUSED_WITH(scion_label_confusion(&x, &targets, &counts, &support, &support, 0.5), "exact is 3, but should be 1 numbers");
  RELEASE(&x, &targets, &two, &counts, &support, &exact);
}

/* Probabilities of few different values, so that many are equal; now and then a row holds a NaN. */
static scion_tensor random_scores(int64_t rows, int64_t width, int gap, bool broken) {
  scion_tensor x = SLICE(gap, rows, width);
  for (int64_t i = 0; i < rows * width; i++)
    ((float *)x.data)[i / width * x.row_stride + i % width] = broken && test_integer(0, 40) == 0 ? NAN : (float)test_integer(0, 30) / 30;
  return x;
}

static void against_reference(int64_t rows, int64_t width, int gap, bool broken) {
  scion_tensor x = random_scores(rows, width, gap, broken), labels = random_labels(rows, width > 2 ? width : 2);
  scion_tensor targets = SLICE(gap, rows, width), ranks, bins, confidence = TENSOR(15), roc = TENSOR(width), precision = TENSOR(width);
  OK(scion_random_uniform(&targets, test_seed, 5, SCION_DRAW_TENSOR, 0, 1));
  real *rx = test_real(&x), *rt = test_real(&targets), *rroc = new_reals(width), *rprecision = new_reals(width), *rc = new_reals(15);
  int32_t *counts = calloc((size_t)(width > 30 ? width : 30), sizeof *counts);
  if (width > 1) {
    OK(scion_tensor_new(&ranks, SCION_I32, 1, &width));
    OK(scion_ranks(&x, &labels, &ranks));
    reference_ranks(rx, labels.data, counts, rows, width);
    CHECK(memcmp(ranks.data, counts, (size_t)width * sizeof *counts) == 0, "other ranks for %dx%d", (int)rows, (int)width);
    scion_tensor_release(&ranks);
  }
  OK(scion_tensor_new(&bins, SCION_I32, 2, (int64_t[]){15, 2}));
  OK(scion_tensor_fill(&confidence, 0));
  OK(scion_calibration(&x, &labels, &bins, &confidence));
  reference_calibration(rx, labels.data, counts, rc, rows, width, 15);
  CHECK(memcmp(bins.data, counts, 30 * sizeof *counts) == 0, "other bins for %dx%d", (int)rows, (int)width);
  CLOSE(confidence, rc, 1e-6);
  for (int soft = 0; soft < 2; soft++) {
    reference_areas(rx, soft ? NULL : labels.data, soft ? rt : NULL, rroc, rprecision, rows, width);
    SAME_BITS(roc, scion_areas(&x, soft ? &targets : &labels, &roc, &precision));
    for (int64_t c = 0; c < width; c++) {
      double one = (double)((float *)roc.data)[c], other = (double)((float *)precision.data)[c];
      CHECK(isnan(one) == isnan(rroc[c]) && !(fabs(one - (double)rroc[c]) > 1e-6), "roc %g, not %g", one, (double)rroc[c]);
      CHECK(isnan(other) == isnan(rprecision[c]) && !(fabs(other - (double)rprecision[c]) > 1e-6), "precision %g, not %g", other, (double)rprecision[c]);
    }
  }
  RELEASE(&x, &labels, &targets, &bins, &confidence, &roc, &precision);
  free(rx), free(rt), free(rroc), free(rprecision), free(rc), free(counts);
}

static void ranks_by_hand(void) {
  const float rows[5][3] = {{0.2f, 0.5f, 0.3f}, {0.4f, 0.2f, 0.4f}, {0.4f, 0.2f, 0.4f}, {NAN, 1, 0}, {1, 1, 1}};
  const int32_t truth[5] = {2, 0, 2, 0, 1}, expected[3] = {1, 3, 0};
  scion_tensor x = TENSOR(5, 3), labels = random_labels(5, 3), counts;
  memcpy(x.data, rows, sizeof rows), memcpy(labels.data, truth, sizeof truth);
  OK(scion_tensor_new(&counts, SCION_I32, 1, (int64_t[]){3}));
  OK(scion_ranks(&x, &labels, &counts));
  CHECK(memcmp(counts.data, expected, sizeof expected) == 0, "the counts are others");
  OK(scion_ranks(&x, &labels, &counts)); /* adds */
  CHECK(((int32_t *)counts.data)[1] == 6, "%d", (int)((int32_t *)counts.data)[1]);
  ((int32_t *)labels.data)[2] = 3;
  REFUSED_WITH(scion_ranks(&x, &labels, &counts), "a label is 3");
  REFUSED_WITH(scion_ranks(&x, &counts, &counts), "labels is 3");
  REFUSED_WITH(scion_ranks(&x, &labels, &labels), "counts is 5");
  RELEASE(&x, &labels, &counts);
}

static void calibration_by_hand(void) {
  const float rows[4][2] = {{0.5f, 0.5f}, {0.25f, 0.75f}, {1, 0}, {0, 1}};
  const int32_t truth[4] = {0, 0, 0, 1}, expected[8] = {0, 0, 1, 1, 1, 0, 2, 2};
  scion_tensor x = TENSOR(4, 2), labels = random_labels(4, 2), counts, confidence = TENSOR(4), one = TENSOR(4, 1);
  memcpy(x.data, rows, sizeof rows), memcpy(labels.data, truth, sizeof truth);
  OK(scion_tensor_new(&counts, SCION_I32, 2, (int64_t[]){4, 2}));
  OK(scion_tensor_fill(&confidence, 0));
  OK(scion_calibration(&x, &labels, &counts, &confidence)); /* 0.5 and 0.75 are the upper ends of their bins */
  CHECK(memcmp(counts.data, expected, sizeof expected) == 0, "the counts are others");
  EXACTLY(confidence, ((real[]){0, 0.5, 0.75, 2}), 1e-7);
  for (int r = 0; r < 4; r++) ((float *)one.data)[r] = rows[r][1];
  OK(scion_calibration(&one, &labels, &counts, &confidence)); /* a single column says the same, and adds to it */
  CHECK(((int32_t *)counts.data)[7] == 4 && ((int32_t *)counts.data)[3] == 2, "the counts are others");
  EXACTLY(confidence, ((real[]){0, 1, 1.5, 4}), 1e-7);
  REFUSED_WITH(scion_calibration(&x, &labels, &labels, &confidence), "counts is 4, but should be bins x 2");
  REFUSED_WITH(scion_calibration(&x, &labels, &counts, &x), "confidence is 4x2, but should be 4");
  RELEASE(&x, &labels, &counts, &confidence, &one);
}

static void areas_undefined(void) {
  const float scores[4] = {0.1f, 0.4f, 0.4f, 0.9f};
  scion_tensor x = TENSOR(4, 1), labels = random_labels(4, 2), roc = TENSOR(1), precision = TENSOR(1), none = TENSOR(0, 1), two = TENSOR(2);
  memcpy(x.data, scores, sizeof scores);
  for (int positive = 0; positive < 2; positive++) {
    for (int r = 0; r < 4; r++) ((int32_t *)labels.data)[r] = positive;
    OK(scion_areas(&x, &labels, &roc, &precision));
    CHECK(isnan(*(float *)roc.data), "an area of one class alone: %g", (double)*(float *)roc.data);
    CHECK(positive ? *(float *)precision.data == 1 : isnan(*(float *)precision.data), "%g", (double)*(float *)precision.data);
  }
  memcpy(labels.data, (int32_t[]){0, 1, 0, 1}, 4 * sizeof(int32_t));
  OK(scion_areas(&x, &labels, &roc, &precision));
  EXACTLY(roc, ((real[]){0.875}), 1e-7);
  EXACTLY(precision, ((real[]){0.5 * 1 + 0.5 * 2 / 3}), 1e-7);
  OK(scion_tensor_fill(&x, 0.5));
  OK(scion_areas(&x, &labels, &roc, &precision)); /* constant scores tell nothing */
  CHECK(*(float *)roc.data == 0.5f && *(float *)precision.data == 0.5f, "constant scores");
  ((float *)x.data)[1] = NAN;
  OK(scion_areas(&x, &labels, &roc, &precision));
  CHECK(isnan(*(float *)roc.data) && isnan(*(float *)precision.data), "a score that is no number has no place");
  scion_tensor no_labels;
  OK(scion_tensor_new(&no_labels, SCION_I32, 1, (int64_t[]){0}));
  OK(scion_areas(&none, &no_labels, &roc, &precision));
  CHECK(isnan(*(float *)roc.data), "no examples");
  REFUSED_WITH(scion_areas(&x, &labels, &two, &precision), "roc is 2, but should be 1");
  REFUSED_WITH(scion_areas(&x, &two, &roc, &precision), "one shape");
  RELEASE(&x, &labels, &roc, &precision, &none, &two, &no_labels);
}

int main(void) {
  test_begin("metrics");
  confusion();
  label_confusion();
  ranks_by_hand();
  calibration_by_hand();
  areas_undefined();
  for (int broken = 0; broken < 2; broken++) {
    against_reference(1, 1, 0, broken), against_reference(60, 1, 0, broken), against_reference(300, 2, 3, broken);
    against_reference(200, 17, 0, broken), against_reference(40, 101, 2, broken);
  }
  return test_end();
}
