/* Operations on the colours and pixels of an image, in place. Pixels are u8 RGB, height x width, rows from the top, without gaps. Each gives
 * the bytes that Pillow gives, or torchvision on Pillow's images, unless something else is said. `work` is scratch. */
#ifndef SCION_OPS_H
#define SCION_OPS_H

#include "../image.h"

/* ---- blend.c: between the image and a duller one: 0 gives the duller one, 1 the image, more exaggerates. Values are cut off to whole
 * numbers in 0 .. 255 (Pillow's ImageEnhance). */
void image_op_brightness(unsigned char *pixels, int height, int width, double factor); /* duller: black */
void image_op_contrast(unsigned char *pixels, int height, int width, double factor);   /* the mean of its gray image, rounded */
void image_op_saturation(unsigned char *pixels, int height, int width, double factor); /* its gray image (ImageEnhance.Color) */
/* Its mean over 3 x 3 pixels, in which the middle counts 5 times; pixels at the edge, and images of less than 3 x 3, stay. */
scion_status image_op_sharpness(unsigned char *pixels, int height, int width, double factor, image_buffer *work);

/* ---- colour.c */
void image_op_gray(unsigned char *pixels, int height, int width); /* 0.299 R + 0.587 G + 0.114 B in all channels (convert("L")) */
/* Turns the hue by a fraction of the circle, -0.5 .. 0.5 (torchvision's adjust_hue: hue and saturation have 8 bits in between). */
void image_op_hue(unsigned char *pixels, int height, int width, double fraction);

/* A colour matrix: channel c becomes m[4c] R + m[4c+1] G + m[4c+2] B + m[4c+3]. These put a change behind those that m already holds.
 * What they give together is rounded and cut off to 0 .. 255 once, where the operations above cut off after each. */
void image_colour_identity(float m[12]);
void image_colour_brightness(float m[12], double factor);
void image_colour_contrast(float m[12], double factor, double mean); /* mean: that of the gray image that m gives */
void image_colour_saturation(float m[12], double factor);
void image_colour_gray(float m[12]);
/* The mean of the gray image that m gives, if nothing is cut off. m = NULL: of the image. */
double image_colour_mean(const unsigned char *pixels, int height, int width, const float m[12]);
/* Applies m (Pillow's convert("RGB", m)). */
void image_colour_apply(unsigned char *pixels, int height, int width, const float m[12]);

/* ---- table.c: each value becomes another one (Pillow's ImageOps; channel_shift is Keras's) */
void image_op_invert(unsigned char *pixels, int height, int width);
void image_op_posterize(unsigned char *pixels, int height, int width, int bits);          /* keeps the upper 1 .. 8 bits */
void image_op_solarize(unsigned char *pixels, int height, int width, double threshold);   /* inverts values that are not below it */
void image_op_channel_shift(unsigned char *pixels, int height, int width, double shift); /* is added, and no value leaves the image's range */
void image_op_equalize(unsigned char *pixels, int height, int width);     /* each channel: all values about as often */
void image_op_autocontrast(unsigned char *pixels, int height, int width); /* each channel: its lowest value to 0, its highest to 255 */

/* ---- blur.c: Gaussian blur as torchvision's gaussian_blur (not Pillow's GaussianBlur, which approximates by boxes): `size` x `size`
 * weights, odd, of standard deviation sigma; the image is mirrored at its edge, d c b | a b c d. Rounded; ties may differ by 1. */
scion_status image_op_gaussian_blur(unsigned char *pixels, int height, int width, int size, double sigma, image_buffer *work);

/* ---- jpeg.c: what is left after saving as JPEG at a quality of 1 .. 100, with halved colour as is usual (Pillow's save, and load) */
scion_status image_op_jpeg(unsigned char *pixels, int height, int width, int quality, image_buffer *work);

/* ---- erase.c: a box of the image becomes one colour, or noise where `colour` is NULL: uniform bytes that depend on `seed` alone. The part
 * of the box outside the image is ignored. */
typedef struct {
  int top, left, height, width;
} image_box;
void image_op_erase(unsigned char *pixels, int height, int width, image_box box, const unsigned char colour[3], uint64_t seed);

#endif
