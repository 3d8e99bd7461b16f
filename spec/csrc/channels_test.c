/* Zeros before and after channels, and channels in another order: f32 against the formula, bf16 against f32. */
#include "compare.h"

/* A bf16 tensor with gaps, and an f32 one with the same numbers. */
static scion_tensor narrowed(scion_tensor *x, int gap) {
  scion_tensor t;
  OK(scion_tensor_new(&t, SCION_BF16, 2, (int64_t[]){x->shape[0], x->shape[1] + gap}));
  t.shape[1] = x->shape[1];
  OK(scion_tensor_copy(x, &t, 0));
  OK(scion_tensor_copy(&t, x, 0));
  return t;
}

static void same_numbers(const scion_tensor *a, const scion_tensor *b) {
  int wrong = 0;
  for (int64_t i = 0; i < elements(a); i++) wrong += scion_tensor_get(a, i) != scion_tensor_get(b, i);
  CHECK(wrong == 0, "%d of %lld differ between the dtypes", wrong, (long long)elements(a));
}

static void padded(int64_t rows, int64_t channels, int before, int after, int gap) {
  int64_t wide = before + channels + after;
  scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap, rows, wide), wide_y = SLICE(0, rows, wide);
  scion_tensor narrow = narrowed(&x, gap + 1), narrow_y = narrowed(&wide_y, gap);
  real *rx = test_real(&x), *ry = new_reals(elements(&y));
  for (int64_t i = 0; i < elements(&x); i++) ry[i / channels * wide + before + i % channels] = rx[i];
  SAME_BITS(y, scion_pad_channels(&x, &y, before));
  CLOSE(y, ry, 0);
  OK(scion_pad_channels(&narrow, &narrow_y, before));
  same_numbers(&narrow_y, &y);
  RELEASE(&x, &y, &wide_y, &narrow, &narrow_y);
  free(rx), free(ry);
}

static void shuffled(int64_t rows, int groups, int64_t size, int gap) {
  int64_t channels = groups * size;
  scion_tensor x = SLICE(gap, rows, channels), y = SLICE(gap + 1, rows, channels), back = SLICE(gap, rows, channels), like = SLICE(0, rows, channels);
  scion_tensor narrow = narrowed(&x, gap), narrow_y = narrowed(&like, gap + 1);
  real *rx = test_real(&x);
  for (int accumulate = 0; accumulate < 2; accumulate++) {
    real *ry = new_reals(elements(&y));
    for (int64_t i = 0; i < elements(&y); i++) { /* channel k comes from group k % groups */
      int64_t k = i % channels;
      ry[i] = rx[i - k + k % groups * size + k / groups];
    }
    if (!accumulate) {
      OK(scion_channel_shuffle(&narrow, &narrow_y, groups, 0));
      OK(scion_channel_shuffle(&x, &like, groups, 0));
      same_numbers(&narrow_y, &like);
    }
    ry = accumulated(&y, ry, accumulate);
    SAME_BITS(y, scion_channel_shuffle(&x, &y, groups, accumulate));
    CLOSE(y, ry, 1e-7);
    free(ry);
  }
  OK(scion_channel_shuffle(&x, &y, groups, 0));
  SAME_BITS(back, scion_channel_shuffle(&y, &back, (int)size, 0));
  CLOSE(back, rx, 0);
  RELEASE(&x, &y, &back, &like, &narrow, &narrow_y);
  free(rx);
}

static void refusals(void) {
  scion_tensor x = TENSOR(4, 6), y = TENSOR(4, 9), none = TENSOR(0, 6), narrow = narrowed(&x, 0);
  REFUSED_WITH(scion_pad_channels(&x, &y, 4), "does not fit into y of 4x9 behind 4 channels");
  REFUSED_WITH(scion_pad_channels(&x, &y, -1), "does not fit");
  REFUSED_WITH(scion_pad_channels(&y, &x, 0), "does not fit");
  REFUSED_WITH(scion_pad_channels(&narrow, &y, 0), "y is f32, not bf16");
  REFUSED_WITH(scion_channel_shuffle(&x, &x, 4, 0), "6 channels are not 4 groups of one size");
  REFUSED_WITH(scion_channel_shuffle(&x, &x, 0, 0), "are not 0 groups");
  REFUSED_WITH(scion_channel_shuffle(&x, &y, 2, 0), "one shape");
  REFUSED_WITH(scion_channel_shuffle(&narrow, &x, 2, 0), "y is f32, not bf16");
  OK(scion_channel_shuffle(&none, &none, 2, 0));
  OK(scion_pad_channels(&none, &none, 0));
  RELEASE(&x, &y, &none, &narrow);
}

int main(void) {
  test_begin("channels");
  padded(1, 1, 0, 0, 0), padded(37, 17, 3, 5, 2), padded(2, 70000, 1, 2, 0), padded(900, 33, 0, 7, 1);
  shuffled(1, 1, 1, 0), shuffled(37, 2, 29, 3), shuffled(900, 2, 58, 0), shuffled(37, 29, 2, 3), shuffled(2, 3, 30000, 1);
  for (int i = 0; i < 20; i++) {
    padded(test_integer(1, 300), test_integer(1, 70), test_integer(0, 20), test_integer(0, 20), i % 3);
    shuffled(test_integer(1, 300), test_integer(1, 9), test_integer(1, 40), i % 3);
  }
  refusals();
  scion_threads_stop();
  return test_end();
}
