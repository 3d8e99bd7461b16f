/* Colours: several changes in one matrix beside one operation after the other. The operations themselves are compared with Pillow in
 * spec/image/ops_spec.lua. */
#include "image/ops/ops.h"
#include "test.h"

#define HEIGHT 31
#define WIDTH 45
#define BYTES (HEIGHT * WIDTH * 3)

/* Far enough from black and white that nothing is cut off. */
static void fill(unsigned char *pixels) {
  for (int i = 0; i < BYTES; i++) pixels[i] = (unsigned char)(80 + (i * i * 7 + i * 31) % 97 * (1 + i / 3 % 2) / 2);
}

/* The mean and the largest difference. Each operation drops fractions, the matrix rounds once. */
static void beside(const char *what, const unsigned char *steps, const unsigned char *folded, double most_mean, int most) {
  int64_t sum = 0;
  int worst = 0;
  for (int i = 0; i < BYTES; i++) {
    int difference = abs(steps[i] - folded[i]);
    sum += difference;
    if (difference > worst) worst = difference;
  }
  CHECK((double)sum / BYTES <= most_mean && worst <= most, "%s: differs by %g, at most %d", what, (double)sum / BYTES, worst);
}

static void one_change(void) {
  unsigned char steps[BYTES], folded[BYTES];
  float m[12];
  fill(steps), fill(folded);
  image_colour_identity(m);
  image_colour_apply(folded, HEIGHT, WIDTH, m);
  beside("identity", steps, folded, 0, 0);
  image_op_gray(steps, HEIGHT, WIDTH);
  image_colour_gray(m);
  image_colour_apply(folded, HEIGHT, WIDTH, m);
  beside("gray", steps, folded, 0.01, 1);
}

/* Alone, a change is within a level of the operation. */
static void each_change(void) {
  unsigned char steps[BYTES], folded[BYTES];
  float m[12];
  for (int which = 0; which < 3; which++) {
    fill(steps), fill(folded);
    image_colour_identity(m);
    if (which == 0) image_op_brightness(steps, HEIGHT, WIDTH, 0.83), image_colour_brightness(m, 0.83);
    if (which == 1) {
      image_colour_contrast(m, 1.21, image_colour_mean(steps, HEIGHT, WIDTH, NULL));
      image_op_contrast(steps, HEIGHT, WIDTH, 1.21);
    }
    if (which == 2) image_op_saturation(steps, HEIGHT, WIDTH, 1.37), image_colour_saturation(m, 1.37);
    image_colour_apply(folded, HEIGHT, WIDTH, m);
    beside(which == 0 ? "brightness" : which == 1 ? "contrast" : "saturation", steps, folded, 0.75, 1);
  }
}

static void several_changes(void) {
  unsigned char steps[BYTES], folded[BYTES];
  float m[12];
  fill(steps), fill(folded);
  image_op_brightness(steps, HEIGHT, WIDTH, 1.1);
  image_op_contrast(steps, HEIGHT, WIDTH, 0.7);
  image_op_saturation(steps, HEIGHT, WIDTH, 1.4);
  image_colour_identity(m);
  image_colour_brightness(m, 1.1);
  double mean = image_colour_mean(folded, HEIGHT, WIDTH, m);
  image_colour_contrast(m, 0.7, mean);
  image_colour_saturation(m, 1.4);
  image_colour_apply(folded, HEIGHT, WIDTH, m);
  beside("brightness, contrast, saturation", steps, folded, 1.5, 3);
}

static void means(void) {
  unsigned char pixels[BYTES];
  float m[12];
  fill(pixels);
  image_colour_identity(m);
  double rounded = image_colour_mean(pixels, HEIGHT, WIDTH, NULL), exact = image_colour_mean(pixels, HEIGHT, WIDTH, m);
  CHECK(fabs(rounded - exact) < 0.1, "means %g and %g", rounded, exact);
  image_op_brightness(pixels, HEIGHT, WIDTH, 0);
  CHECK(image_colour_mean(pixels, HEIGHT, WIDTH, NULL) == 0, "black");
}

int main(void) {
  test_begin("ops");
  one_change();
  each_change();
  several_changes();
  means();
  return test_end();
}
