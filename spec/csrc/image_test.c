/* What of the images Lua cannot see: the matrix that is drawn, and a loader in a process that forks. */
#include "image/pipeline.h"
#include "test.h"

#include <dirent.h>
#include <sched.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

typedef struct {
  double m[3][3];
} matrix;

static matrix times(matrix a, matrix b) {
  matrix c = {{{0}}};
  for (int i = 0; i < 3; i++)
    for (int j = 0; j < 3; j++)
      for (int k = 0; k < 3; k++) c.m[i][j] += a.m[i][k] * b.m[k][j];
  return c;
}

static matrix translation(double x, double y) { return (matrix){{{1, 0, x}, {0, 1, y}, {0, 0, 1}}}; }

/* Keras's apply_affine_transform followed by its flips, for the draw made of three counters. */
static matrix keras(const double *n, uint32_t epoch, uint32_t index, int height, int width) {
  uint32_t words[8];
  for (uint32_t block = 0; block < 2; block++) scion_random4(test_seed, epoch, index, block, SCION_DRAW_AUGMENT, words + 4 * block);
  double u[8];
  for (int i = 0; i < 8; i++) u[i] = (double)scion_unit(words[i]);
  double theta = (2 * u[0] - 1) * n[1] * acos(-1) / 180, shear = (2 * u[3] - 1) * n[7] * acos(-1) / 180;
  double range = n[9] - n[8], zx = n[8] + range * u[4], zy = n[8] + range * u[5];
  matrix rotate = {{{cos(theta), -sin(theta), 0}, {sin(theta), cos(theta), 0}, {0, 0, 1}}};
  matrix shift = translation((2 * u[1] - 1) * n[3] * width, (2 * u[2] - 1) * n[5] * height);
  matrix slant = {{{1, -sin(shear), 0}, {0, cos(shear), 0}, {0, 0, 1}}};
  matrix zoom = {{{zx, 0, 0}, {0, zy, 0}, {0, 0, 1}}};
  matrix all = times(times(times(rotate, shift), slant), zoom);
  all = times(times(translation(width / 2.0 - 0.5, height / 2.0 - 0.5), all), translation(0.5 - width / 2.0, 0.5 - height / 2.0));
  matrix mirror = {{{-1, 0, width - 1}, {0, 1, 0}, {0, 0, 1}}}, upset = {{{1, 0, 0}, {0, -1, height - 1}, {0, 0, 1}}};
  if (n[10] > 0 && u[6] >= 0.5) all = times(all, mirror);
  if (n[11] > 0 && u[7] >= 0.5) all = times(all, upset);
  return all;
}

static void draws_are_keras(void) {
  double n[] = {-40, 40, -0.3, 0.3, -0.1, 0.1, -25, 25, 0.6, 1.7, 0.5, 0.5, 0, 0, 0};
  static const unsigned char pixels[120 * 90 * 3]; /* a canvas without them would settle before the stage */
  for (uint32_t index = 0; index < 200; index++) {
    image_canvas canvas = {0};
    image_canvas_set(&canvas, pixels, 120, 90);
    image_draw draw = image_draw_from(test_seed, 3, index, 0);
    OK(image_stage_affine(&canvas, n, &draw));
    matrix wanted = keras(n, 3, index, 120, 90);
    double worst = 0;
    for (int i = 0; i < 6; i++) worst = fmax(worst, fabs(wanted.m[i / 3][i % 3] - canvas.matrix[i]));
    CHECK(worst < 1e-9, "index %u: %g", index, worst);
  }
}

/* The boxes that torchvision makes of its draws. */
static void crops_are_torchvisions(void) {
  static const struct {
    int height, width;
    double ratio[2];
    int count;
    double draws[24];
    int box[4];
  } cases[] = {
#include "../fixtures/image/crop_boxes.inc"
  };
  for (size_t k = 0; k < sizeof cases / sizeof *cases; k++) {
    const double *d = cases[k].draws;
    image_part part;
    bool fits = false;
    int at = 0;
    for (; at + 1 < cases[k].count && !fits; at += 2)
      fits = image_part_fits(cases[k].height, cases[k].width, d[at], exp(d[at + 1]), false, &part);
    if (fits) {
      part.top = (int)(d[at] * (cases[k].height - part.height + 1));
      part.left = (int)(d[at + 1] * (cases[k].width - part.width + 1));
      CHECK(at + 2 == cases[k].count, "case %d: fits after %d draws of %d", (int)k, at, cases[k].count);
    } else {
      CHECK(cases[k].count == 20, "case %d: none fits in %d draws", (int)k, cases[k].count);
      part = image_part_middle(cases[k].height, cases[k].width, cases[k].ratio);
    }
    const int *box = cases[k].box;
    CHECK(part.top == box[0] && part.left == box[1] && part.height == box[2] && part.width == box[3], "case %d: %d %d %d %d, not %d %d %d %d",
          (int)k, part.top, part.left, part.height, part.width, box[0], box[1], box[2], box[3]);
  }
}

/* Where a coordinate is read, for the two fills without a jump. */
static double read_at(double x, int size, scion_fill fill) {
  if (fill == SCION_FILL_REFLECT && (x < 0 || x > size - 1)) {
    x = x + 0.5 - 2.0 * size * floor((x + 0.5) / (2.0 * size));
    x = (x > size ? 2.0 * size - x : x) - 0.5;
  }
  return fmin(fmax(x, 0), size - 1);
}

static double plain_warp(const scion_tensor *x, const scion_warp *w, scion_fill fill, int row, int column, int c) {
  int height = (int)x->shape[0], width = (int)x->shape[1];
  double sx = read_at(w->matrix[0] * column + w->matrix[1] * row + w->matrix[2], width, fill);
  double sy = read_at(w->matrix[3] * column + w->matrix[4] * row + w->matrix[5], height, fill);
  int left = (int)sx, top = (int)sy, right = left + 1 < width ? left + 1 : left, bottom = top + 1 < height ? top + 1 : top;
  const unsigned char *p = x->data;
  double a = p[(top * width + left) * 3 + c], b = p[(top * width + right) * 3 + c];
  double d = p[(bottom * width + left) * 3 + c], e = p[(bottom * width + right) * 3 + c];
  double upper = a + (sx - left) * (b - a), lower = d + (sx - left) * (e - d);
  double value = (upper + (sy - top) * (lower - upper)) * (double)w->gain + (double)w->shift[c];
  return fmin(fmax(value, 0), 255);
}

static double between(double low, double high) { return low + (high - low) * test_integer(0, 1000) / 1000; }

/* Sizes around those of the vectors, images of a single row or column, colours changed or not. */
static void warps_are_plain_ones(void) {
  for (int round = 0; round < 60; round++) {
    int height = test_integer(1, 40), width = test_integer(1, 70);
    scion_fill fill = round % 2 ? SCION_FILL_REFLECT : SCION_FILL_NEAREST;
    scion_tensor x, y;
    OK(scion_tensor_new(&x, SCION_U8, 3, (int64_t[]){height, width, 3}));
    OK(scion_tensor_new(&y, SCION_U8, 3, (int64_t[]){height, width, 3}));
    for (int i = 0; i < height * width * 3; i++) ((unsigned char *)x.data)[i] = (unsigned char)test_integer(0, 255);
    scion_warp w = {.matrix = {between(-2, 2), between(-1, 1), between(-20, 20), between(-1, 1), between(-2, 2), between(-20, 20)}, .gain = 1};
    if (round % 3) w.gain = (float)between(0, 3), w.shift[0] = (float)between(-90, 90), w.shift[2] = (float)between(-9, 9);
    if (round % 3 == 2) memcpy(w.matrix, (double[]){1, 0, 0, 0, 1, 0}, sizeof w.matrix);
    OK(scion_image_warp(&x, &y, &w, fill, 0));
    double worst = 0;
    for (int i = 0; i < height * width * 3; i++) {
      double wanted = plain_warp(&x, &w, fill, i / 3 / width, i / 3 % width, i % 3);
      worst = fmax(worst, fabs(((unsigned char *)y.data)[i] - wanted));
    }
    CHECK(worst < 0.52, "%dx%d, fill %d: off by %g", height, width, (int)fill, worst);
    scion_tensor_release(&x);
    scion_tensor_release(&y);
  }
}

static scion_loader *new_loader(const scion_tensor *images, int workers) {
  scion_loader *loader;
  scion_loader_options options = {.images = images, .count = images->shape[0], .height = 9, .width = 9, .workers = workers, .ahead = 2};
  OK(scion_loader_new(&loader, &options));
  return loader;
}

/* How many threads this process has; 0 where the system does not tell. */
static int thread_count(void) {
  DIR *tasks = opendir("/proc/self/task");
  int count = 0;
  while (tasks && readdir(tasks)) count++;
  if (tasks) closedir(tasks);
  return count;
}

/* The threads stay with the parent: the child must neither wait for them nor be served. */
static void a_child_forgets_the_threads(void) {
  scion_tensor images, batch, indices;
  int before = thread_count();
  OK(scion_tensor_new(&images, SCION_U8, 4, (int64_t[]){40, 12, 10, 3}));
  scion_loader *loader = new_loader(&images, 2);
  OK(scion_loader_start(loader, NULL, 40, 4, 1));
  int64_t n = 0;
  for (int b = 0; b < 10; b++) {
    OK(scion_loader_next(loader, &batch, &indices));
    n += batch.shape[0];
    scion_tensor_release(&batch);
    scion_tensor_release(&indices);
  }
  /* After the last batch the threads free their memory and end. A fork meanwhile could hang the child: a sanitizer's allocator stays
   * locked there. */
  while (thread_count() > before) sched_yield();
  fflush(stdout);
  pid_t child = fork();
  if (child == 0) {
    alarm(30); /* a child that hangs is a failure */
    bool refused = scion_loader_next(loader, &batch, &indices) != SCION_OK && scion_loader_start(loader, NULL, 40, 4, 1) != SCION_OK;
    scion_loader_stop(loader);
    scion_loader_free(loader);
    scion_loader *own = new_loader(&images, 2);
    refused = refused && scion_loader_start(own, NULL, 40, 40, 1) == SCION_OK && scion_loader_next(own, &batch, &indices) == SCION_OK &&
              batch.shape[0] == 40;
    _exit(refused ? 0 : 1);
  }
  int status = -1;
  waitpid(child, &status, 0);
  CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0, "the child ended with %x", (unsigned)status);
  OK(scion_loader_next(loader, &batch, &indices));
  CHECK(!batch.storage, "the pass has no eleventh batch");
  CHECK(n == 40, "the parent got %lld images", (long long)n);
  scion_loader_free(loader);
  scion_tensor_release(&images);
}

/* Started and left at every point: nothing hangs, and nothing stays. */
static void loaders_are_left_anywhere(void) {
  scion_tensor images, batch, indices;
  OK(scion_tensor_new(&images, SCION_U8, 4, (int64_t[]){30, 12, 10, 3}));
  size_t before = scion_storage_live_bytes();
  for (int taken = 0; taken <= 8; taken++)
    for (int workers = 1; workers <= 5; workers += 2) {
      scion_loader *loader = new_loader(&images, workers);
      for (int pass = 0; pass < 3; pass++) {
        OK(scion_loader_start(loader, NULL, 30, 4, (uint32_t)pass));
        for (int i = 0; i < taken; i++) {
          OK(scion_loader_next(loader, &batch, &indices));
          scion_tensor_release(&batch);
          scion_tensor_release(&indices);
        }
      }
      scion_loader_free(loader);
      CHECK(scion_storage_live_bytes() == before, "%d taken, %d workers", taken, workers);
    }
  scion_tensor_release(&images);
}

int main(void) {
  test_begin("image");
  draws_are_keras();
  crops_are_torchvisions();
  warps_are_plain_ones();
  a_child_forgets_the_threads();
  loaders_are_left_anywhere();
  scion_threads_stop();
  return test_end();
}
