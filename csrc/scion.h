/* scion.h: the whole C interface of Scion's core, a manual in a header.
 *
 * Conventions
 *   Status    Functions that can fail return SCION_OK or another scion_status and leave one clear sentence in
 *             scion_error_message() of the calling thread. The core never exits, aborts or prints.
 *   Layout    Images are NHWC: batch, rows, columns, channels. The last dimension is contiguous; all leading
 *             dimensions together form rows which lie `row_stride` elements apart, so that a slice of channels of a
 *             larger image is a tensor like any other (see scion_tensor).
 *   Letters   N images, H x W pixels, C channels; kh x kw kernel; Ci input and Co output channels; OH x OW output pixels;
 *             R rows (the product of all leading dimensions).
 *   Gradients `dx` is the derivative of the loss by `x`. Every function that writes a gradient by an activation takes
 *             `accumulate`: 0 overwrites, 1 adds (a value that feeds several layers sums their gradients).
 *   Threads   A kernel splits its work into chunks that depend on the shapes alone and never on the number of threads,
 *             so that results are bit-identical for any number of them. Kernels are called from one thread at a time
 *             per output; several Lua states may call at once.
 *   Indices   Count from 0 here, from 1 in Lua.
 */
#ifndef SCION_H
#define SCION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCION_VERSION "0.1.0"

/* ---------------------------------------------------------------- status (tensor/status.c) */

typedef enum {
  SCION_OK = 0,
  SCION_MISUSE,    /* an argument is wrong: shapes that do not fit, an unknown option */
  SCION_NO_MEMORY, /* an allocation failed */
  SCION_WORLD,     /* the world is at fault: a missing file, a broken image, a full disk */
  SCION_SYSTEM     /* the machine is at its limits, whatever the file is like: too many open files, a failing disk */
} scion_status;

/* The sentence that belongs to the last failure in this thread. Valid until the next failure. */
const char *scion_error_message(void);

/* Records a formatted sentence and returns `status`, so that a failure is one line: return scion_fail(...). */
scion_status scion_fail(scion_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Writes "amx, avx2 or portable" into text, as much as fits, for messages; returns text. count: from 1. */
char *scion_list_words(char *text, size_t size, const char *const *words, int count);

/* *product = a * b, or false when that overflows a size_t. */
static inline bool scion_multiply_sizes(size_t a, size_t b, size_t *product) {
  return !__builtin_mul_overflow(a, b, product);
}

/* a / b, rounded up: how many pieces of b hold a. */
static inline int64_t scion_divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---------------------------------------------------------------- tensors (tensor/tensor.c) */

typedef enum { SCION_F32, SCION_BF16, SCION_U8, SCION_I32, SCION_DTYPES } scion_dtype;

#define SCION_MAX_DIMS 6
#define SCION_ALIGNMENT 64

/* Reference-counted bytes, 64-byte aligned. `version` is raised by whoever changes the contents, and tells caches of
 * packed weights that they are stale. */
typedef struct scion_storage {
  unsigned char *data;
  void *memory; /* that data lies in */
  size_t bytes;
  _Atomic int references;
  uint64_t version;
} scion_storage;

/* A view of a storage. Element (i, j, .., c) lies at data + (row * row_stride + c) elements, where row is the index of
 * (i, j, ..) among the leading dimensions. A tensor of one dimension is one row; one of no dimensions has one element.
 * row_stride >= the last dimension. The struct is plain data: copying it borrows the storage. */
typedef struct scion_tensor {
  scion_storage *storage; /* NULL for a view of memory that somebody else keeps alive */
  void *data;
  scion_dtype dtype;
  int dims;
  int64_t shape[SCION_MAX_DIMS];
  int64_t row_stride; /* elements from one row to the next */
} scion_tensor;

size_t scion_dtype_size(scion_dtype dtype);      /* bytes an element: 4, 2, 1, 4 */
const char *scion_dtype_name(scion_dtype dtype); /* "f32", "bf16", "u8", "i32" */

/* A new storage of `bytes` zeros with one reference; NULL (and a message) when memory is short, or all storages together would have
 * more than the machine: the system may promise what it does not have, and end the process later. */
scion_storage *scion_storage_new(size_t bytes);
void scion_storage_retain(scion_storage *storage);
void scion_storage_release(scion_storage *storage); /* frees with the last reference; NULL is fine */
size_t scion_storage_live_bytes(void);              /* bytes in all storages now */

/* Whether there can be a tensor of that shape: refuses more than SCION_MAX_DIMS dimensions, a negative size, more bytes than memory can
 * address, and, where a size is 0, more than SCION_MAX_EMPTY for the product of the others, since loops over rows take their time
 * over empty ones too. Then no product of some of the sizes overflows. *bytes = of the elements. */
#define SCION_MAX_EMPTY ((int64_t)1 << 28)
scion_status scion_shape_check(scion_dtype dtype, int dims, const int64_t *shape, int64_t *bytes);

/* A new contiguous tensor of zeros that owns a new storage: release it with scion_tensor_release. Fails as scion_shape_check does, and
 * where memory is short. */
scion_status scion_tensor_new(scion_tensor *t, scion_dtype dtype, int dims, const int64_t *shape);
void scion_tensor_release(scion_tensor *t); /* idempotent: leaves a tensor [0] without memory, in which nothing can be read */

int64_t scion_tensor_channels(const scion_tensor *t); /* size of the last dimension, 1 for a scalar */
int64_t scion_tensor_rows(const scion_tensor *t);     /* product of the leading dimensions */
int64_t scion_tensor_elements(const scion_tensor *t);
bool scion_tensor_contiguous(const scion_tensor *t); /* rows without gaps */
bool scion_tensor_same_shape(const scion_tensor *a, const scion_tensor *b);

/* Writes "2x224x224x3" into buffer, for messages; returns buffer. */
char *scion_shape_text(const scion_tensor *t, char *buffer, size_t size);
#define SCION_SHAPE_TEXT 128 /* a buffer that holds any shape */

/* y = x, converted between dtypes (f32 to u8 and i32 rounds to nearest and saturates; f32 to bf16 rounds to nearest
 * even). Same number of elements and the same last dimension, or both contiguous. accumulate (f32 only): y += x. */
scion_status scion_tensor_copy(const scion_tensor *x, scion_tensor *y, int accumulate);
scion_status scion_tensor_fill(scion_tensor *t, double value);

/* ---------------------------------------------------------------- elements and views (tensor/view.c)
 * Functions with a result y overwrite the struct: release it with scion_tensor_release. A view shares x's storage. */

/* Element number `index` in row-major order, unchecked. A double holds every dtype exactly; writing rounds to nearest and
 * saturates as scion_tensor_copy does. */
double scion_tensor_get(const scion_tensor *t, int64_t index);
void scion_tensor_set(scion_tensor *t, int64_t index, double value);
/* y = x with another shape of as many elements, one of whose sizes may be -1: what the others leave. A view, unless x has gaps
 * between its rows and the last dimension changes: then a copy. */
scion_status scion_tensor_reshape(const scion_tensor *x, int dims, const int64_t *shape, scion_tensor *y);
/* y = x[.., first .. first+count-1, ..] along that axis (from 0). A view along the last axis, along the first, and wherever only
 * sizes of 1 come before; else a copy. */
scion_status scion_tensor_slice(const scion_tensor *x, int axis, int64_t first, int64_t count, scion_tensor *y);
/* y = x[index, ..], a view with one dimension less. */
scion_status scion_tensor_select(const scion_tensor *x, int64_t index, scion_tensor *y);
/* y [N,M] = x [M,N] transposed, a copy. */
scion_status scion_tensor_transpose(const scion_tensor *x, scion_tensor *y);
/* Whether dtype, shape and the bytes of all elements are the same: NaN equals itself, -0 differs from 0. */
bool scion_tensor_equal(const scion_tensor *a, const scion_tensor *b);
/* t[i] = first + i * step, in row-major order. */
scion_status scion_tensor_arange(scion_tensor *t, double first, double step);

/* ---------------------------------------------------------------- arithmetic on tensors (tensor/arithmetic.c)
 * For scripts; what training runs are the kernels below. All dtypes mix. Results are f32, but +, -, *, negation, abs and clamp
 * of i32 alone give i32, which saturates; comparisons give u8, 1 or 0. Computed in double and rounded once, so + - * / and the
 * square root are IEEE's single precision. */

typedef enum {
  SCION_OP_ADD, SCION_OP_SUBTRACT, SCION_OP_MULTIPLY, SCION_OP_DIVIDE, SCION_OP_POWER,
  SCION_OP_EQ, SCION_OP_NE, SCION_OP_LT, SCION_OP_LE, SCION_OP_GT, SCION_OP_GE
} scion_binary_op;
typedef enum { SCION_OP_NEGATE, SCION_OP_ABS, SCION_OP_CLAMP, SCION_OP_EXP, SCION_OP_LOG, SCION_OP_SQRT } scion_unary_op;

/* The dtype of a result. */
scion_dtype scion_binary_dtype(scion_binary_op op, scion_dtype a, scion_dtype b);
scion_dtype scion_unary_dtype(scion_unary_op op, scion_dtype x);
/* The shape of a result by NumPy's rule: shapes are aligned at their last dimension; sizes agree or one of them is 1 or missing.
 * Returns the number of dimensions, or -1 and a message. */
int scion_broadcast_shape(const scion_tensor *a, const scion_tensor *b, int64_t shape[SCION_MAX_DIMS]);
/* y = a op b; y is contiguous, of the shape and dtype told by the functions above, and shares no memory with a or b. */
scion_status scion_binary(scion_binary_op op, const scion_tensor *a, const scion_tensor *b, scion_tensor *y);
/* y = op x. low and high are clamp's. y is contiguous, of x's shape and scion_unary_dtype. */
scion_status scion_unary(scion_unary_op op, const scion_tensor *x, double low, double high, scion_tensor *y);

/* ---------------------------------------------------------------- reductions (tensor/reduce.c)
 * In double, over fixed chunks: the same for any number of threads. A NaN makes sum, mean, maximum and minimum NaN, and is the
 * argmax, which is the first of the greatest. The maximum, minimum and argmax of nothing are refused; its sum is 0, its mean NaN. */

typedef enum { SCION_REDUCE_SUM, SCION_REDUCE_MEAN, SCION_REDUCE_MAX, SCION_REDUCE_MIN, SCION_REDUCE_ARGMAX } scion_reduce_op;

/* Sums of integers are i32 and saturate, other sums and means f32, argmax is i32, max and min keep x's dtype. */
scion_dtype scion_reduce_dtype(scion_reduce_op op, scion_dtype x);
/* *result = the reduction of all elements; the argmax is a row-major index from 0. */
scion_status scion_reduce_all(scion_reduce_op op, const scion_tensor *x, double *result);
/* y = the reduction along axis (from 0): contiguous, x's shape without that axis, scion_reduce_dtype. */
scion_status scion_reduce_axis(scion_reduce_op op, const scion_tensor *x, int axis, scion_tensor *y);

/* ---------------------------------------------------------------- random (tensor/random.c)
 * Counter-based: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A draw depends on
 * (seed, a, b, c, d) alone, so it does not matter who draws, when, or in which order. */

typedef enum { /* the `purpose` of a draw, so that equal counters never share a value */
  SCION_DRAW_WEIGHTS = 1,
  SCION_DRAW_DROPOUT,
  SCION_DRAW_ORDER,
  SCION_DRAW_AUGMENT,
  SCION_DRAW_TENSOR
} scion_purpose;

/* Four independent 32-bit words for one counter. */
void scion_random4(uint64_t seed, uint32_t a, uint32_t b, uint32_t c, scion_purpose purpose, uint32_t out[4]);
/* A word as a number in [0, 1) with 24 bits. */
static inline float scion_unit(uint32_t word) { return (float)(word >> 8) * (1.0f / 16777216.0f); }
/* Fill an f32 tensor: uniform in [low, high), or normal (Box-Muller) with that mean and deviation. `stream` tells apart
 * tensors filled from one seed. */
scion_status scion_random_uniform(scion_tensor *t, uint64_t seed, uint32_t stream, scion_purpose purpose, float low, float high);
scion_status scion_random_normal(scion_tensor *t, uint64_t seed, uint32_t stream, scion_purpose purpose, float mean, float deviation);
/* Fill an i32 vector with a random permutation of 0 .. n-1 (Fisher-Yates). */
scion_status scion_random_permutation(scion_tensor *t, uint64_t seed, uint32_t stream);

/* ---------------------------------------------------------------- threads (tensor/threads.c)
 * One small pool of POSIX threads, nothing else. Each thread, the caller's too, has a share of the chunks, the same ones in every
 * job of as many chunks, and helps with the others' when it is done. The pool is made at first use, survives fork (the child
 * makes its own), blocks all signals in its threads, and ends with scion_threads_stop or the process. */

#define SCION_MAX_THREADS 256
#define SCION_SCRATCH_BYTES ((size_t)8 << 20)

/* Runs fn(data, chunk, scratch) for every chunk in 0 .. chunks-1. scratch: SCION_SCRATCH_BYTES, 64-byte aligned, this
 * thread's own until fn returns. fn must not fail and must not call scion_parallel_for. Calls from several threads take turns.
 * Fails only when the pool's memory cannot be had. */
typedef void scion_chunk_function(void *data, int64_t chunk, void *scratch);
scion_status scion_parallel_for(int64_t chunks, scion_chunk_function *fn, void *data);

/* Whether subnormal numbers count as zero in this thread, and in the chunks it has run; returns whether they did. Processors take up
 * to a hundred times as long for them, and gradients and activations that fade are full of them. Off at first, as everywhere. */
bool scion_flush_subnormals(bool flush);

int scion_threads(void);                     /* how many work on a parallel_for, the caller included; default: CPUs we may use */
scion_status scion_set_threads(int threads); /* 1 .. SCION_MAX_THREADS */
void scion_threads_stop(void);               /* ends the pool's threads; the next parallel_for starts them again */

/* Seconds of a clock that never goes back. */
double scion_clock(void);

/* ---------------------------------------------------------------- instruction sets (kernels/isa.c) */

typedef enum { SCION_ISA_PORTABLE, SCION_ISA_AVX2, SCION_ISA_AVX512 } scion_isa;
/* The best one this CPU (by CPUID) and this build have; SCION_ISA=portable|avx2|avx512|avx512bf16|amx in the environment asks for
 * a lesser one. Decided at the first call. The last two are avx512 here, and tell how bf16 is computed. */
scion_isa scion_isa_in_use(void);
const char *scion_isa_name(scion_isa isa);
/* SCION_MISUSE when SCION_ISA asks for what this CPU does not have or nobody knows; then the best one is in use. */
scion_status scion_isa_check(void);

/* How products of bf16 are computed: widened to f32, which is right everywhere and gains nothing; by AVX-512's vdpbf16ps; by AMX,
 * for which the first call asks the kernel's permission. */
typedef enum { SCION_BF16_F32, SCION_BF16_AVX512, SCION_BF16_AMX } scion_bf16;
scion_bf16 scion_bf16_in_use(void);
const char *scion_bf16_name(scion_bf16 bf16); /* "f32", "avx512bf16", "amx" */

/* ---------------------------------------------------------------- kernels: what they share */

/* A window that slides over an image: convolution, depthwise convolution, pooling. Index 0 is vertical, 1 horizontal.
 * Padding is explicit (Lua turns "same" and "valid" into numbers); the output size is a property of y and must be
 * floor((H + before + after - dilation*(kernel-1) - 1) / stride) + 1. */
typedef struct {
  int kernel[2], stride[2], dilation[2], before[2], after[2];
} scion_window;
/* Output size along axis 0 or 1 for an input of `size`; 0 or less when the window does not fit. */
int64_t scion_window_output(const scion_window *window, int axis, int64_t size);

typedef enum { SCION_LINEAR, SCION_RELU, SCION_RELU6, SCION_SIGMOID, SCION_TANH, SCION_ACTIVATIONS } scion_activation;

/* ---------------------------------------------------------------- convolution (kernels/conv2d.c)
 * y[n,i,j,o] = act( bias[o] + sum_{r,s,c} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * w[r,s,c,o] ), out-of-range pixels 0.
 * x [N,H,W,Ci], y [N,OH,OW,Co], w [kh,kw,Ci,Co] (Keras's order), bias [Co] or NULL; f32. x and y may be channel slices.
 * An implicit GEMM: kernels are packed once into panels [Co/nr][kh*kw][Ci][nr] by the functions below, opaque to callers. */

/* Elements of the packed tensor (f32, one dimension) for a kernel of this shape; `transposed`: for the gradient to the input. */
int64_t scion_conv2d_packed_elements(const scion_tensor *w, int transposed);
/* Packs w, each output channel o multiplied by scale[o] if scale is not NULL (how stored batch norm is folded in). */
scion_status scion_conv2d_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
/* Packs for scion_conv2d_backward_input: taps grouped by their phase under the window's stride, Ci and Co exchanged. */
scion_status scion_conv2d_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window,
                                          scion_tensor *packed);
/* addend (shape of y, or NULL) is added before the activation: the residual of a ResNet block. */
scion_status scion_conv2d_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                  const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                  scion_activation activation);
/* dx[n,h,w,c] (+)= sum over all (i,j,r,s) that touch pixel (h,w) of sum_o dy[n,i,j,o] * w[r,s,c,o]. */
scion_status scion_conv2d_backward_input(const scion_tensor *dy, const scion_tensor *packed_transposed, scion_tensor *dx,
                                         const scion_window *window, int accumulate);
/* dw[r,s,c,o] = sum_{n,i,j} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * dy[n,i,j,o]. Overwrites dw [kh,kw,Ci,Co]. */
scion_status scion_conv2d_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                           const scion_window *window);

/* ---------------------------------------------------------------- convolution by minimal filtering (kernels/winograd.c)
 * The same functions as those of scion_conv2d_* for windows of stride 1, by a quarter (3x3) to a half
 * (1x3) of the multiplications, with up to five times the rounding error: below 1e-5 of the largest sum, and below 3e-5 in
 * gradients of seven taps (the worst of thousands of random layers: 1.6e-5). Packed weights take (taps + 3) / taps times the
 * memory along each axis of more than one tap. Winograd 1980; Lavin and Gray 2016. */

/* Whether a window is one of 3x3, 1x3, 3x1, 1x7, 7x1, of stride and dilation 1, padded by less than its taps. */
int scion_winograd_fits(const scion_window *window);
/* Elements of the packed tensor (f32, one dimension), 0 for a kernel of no such window; `transposed`: for the gradient to the input. */
int64_t scion_winograd_packed_elements(const scion_tensor *w, int transposed);
/* Transforms and packs w [kh,kw,Ci,Co], each output channel o multiplied by scale[o] if scale is not NULL. */
scion_status scion_winograd_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
/* The same for scion_winograd_backward_input: the kernel turned around, Ci and Co exchanged. */
scion_status scion_winograd_pack_transposed(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
scion_status scion_winograd_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                    const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                    scion_activation activation);
scion_status scion_winograd_backward_input(const scion_tensor *dy, const scion_tensor *packed_transposed, scion_tensor *dx,
                                           const scion_window *window, int accumulate);
scion_status scion_winograd_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                             const scion_window *window);

/* ---------------------------------------------------------------- convolution in bf16 (kernels/conv2d_bf16.c)
 * The same sum over x in bf16 and w rounded to bf16, summed in f32; forward alone, for what does not train. bias f32; addend and
 * y bf16 or f32, each as it is: y is rounded once, at its store. In bf16 or f32 come also inputs and y of pooling, depthwise
 * convolution, activation, add, multiply and scale_shift forward, which compute in f32; y of preprocess; and x and y alike of
 * zero_pad. */

/* Elements of the packed tensor (bf16, one dimension): [Co/16][kh*kw*Ci/2][16][2], in whole tiles of 16 x 32. */
int64_t scion_conv2d_bf16_packed_elements(const scion_tensor *w);
/* Packs an f32 kernel; scale [Co] or NULL is multiplied in before the rounding. */
scion_status scion_conv2d_bf16_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
scion_status scion_conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                       const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                       scion_activation activation);

/* ---------------------------------------------------------------- depthwise convolution (kernels/depthwise.c)
 * y[n,i,j,c*m+k] = act( bias[c*m+k] + sum_{r,s} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * w[r,s,c,k] ); w [kh,kw,C,m]
 * (m: the depth multiplier), y [N,OH,OW,C*m]. scale [C*m] or NULL multiplies the kernel, for folded batch norm. */
scion_status scion_depthwise_forward(const scion_tensor *x, const scion_tensor *w, const scion_tensor *scale,
                                     const scion_tensor *bias, scion_tensor *y, const scion_window *window,
                                     scion_activation activation);
scion_status scion_depthwise_backward_input(const scion_tensor *dy, const scion_tensor *w, const scion_tensor *scale,
                                            scion_tensor *dx, const scion_window *window, int accumulate);
scion_status scion_depthwise_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                              const scion_window *window);

/* ---------------------------------------------------------------- dense and products (kernels/dense.c, matmul.c)
 * y = act(x w + b): x [R.., Ci], w [Ci,Co], bias [Co] or NULL, y [R.., Co]. */
scion_status scion_dense_forward(const scion_tensor *x, const scion_tensor *w, const scion_tensor *bias, scion_tensor *y,
                                 scion_activation activation);
scion_status scion_dense_backward_input(const scion_tensor *dy, const scion_tensor *w, scion_tensor *dx, int accumulate);
scion_status scion_dense_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw);
/* c = a b by OpenBLAS on fixed tiles, with a or b read transposed on request: a [M,K], b [K,N], c [M,N], all two-dimensional f32.
 * SCION_WORLD where OpenBLAS, which the first call loads, cannot be loaded. */
scion_status scion_matmul(const scion_tensor *a, int transpose_a, const scion_tensor *b, int transpose_b, scion_tensor *c);

/* ---------------------------------------------------------------- pooling (kernels/pool.c) */

/* y[n,i,j,c] = max over the window; padding never wins. */
scion_status scion_max_pool_forward(const scion_tensor *x, scion_tensor *y, const scion_window *window);
/* The gradient goes to the first maximum of each window in row-major order. */
scion_status scion_max_pool_backward(const scion_tensor *x, const scion_tensor *y, const scion_tensor *dy, scion_tensor *dx,
                                     const scion_window *window, int accumulate);
/* y = mean over the window; include_padding: padded zeros count in the divisor (PyTorch's default; Keras excludes them). */
scion_status scion_average_pool_forward(const scion_tensor *x, scion_tensor *y, const scion_window *window, int include_padding);
scion_status scion_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, const scion_window *window,
                                         int include_padding, int accumulate);
/* x [N,H,W,C], y [N,C] or [N,1,1,C]: mean or maximum over all pixels. */
scion_status scion_global_average_pool_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_global_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, int accumulate);
scion_status scion_global_max_pool_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_global_max_pool_backward(const scion_tensor *x, const scion_tensor *y, const scion_tensor *dy,
                                            scion_tensor *dx, int accumulate);

/* ---------------------------------------------------------------- resampling (kernels/resample.c)
 * x [N,H,W,C], y [N,OH,OW,C]. */

/* y[n,i,j,c] = mean of x over rows floor(i*H/OH) .. ceil((i+1)*H/OH) - 1 and the like columns; any sizes (PyTorch's
 * AdaptiveAvgPool2d). */
scion_status scion_adaptive_average_pool_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_adaptive_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, int accumulate);
/* OH and OW are multiples of H and W. Each pixel repeated, or bilinear with y's pixel i at (i + 1/2) * H/OH - 1/2 of x, the edges
 * extended (Keras's UpSampling2D, PyTorch's Upsample without align_corners). */
scion_status scion_upsample_forward(const scion_tensor *x, scion_tensor *y, int bilinear);
scion_status scion_upsample_backward(const scion_tensor *dy, scion_tensor *dx, int bilinear, int accumulate);

/* ---------------------------------------------------------------- local response norm (kernels/response_norm.c)
 * Krizhevsky et al. 2012, with PyTorch's mean in place of their sum: y_c = x_c * (k + alpha/size * sum x_i^2)^-beta over channels
 * c - size/2 .. c + (size-1)/2 of the same pixel. */
scion_status scion_response_norm_forward(const scion_tensor *x, scion_tensor *y, int size, double alpha, double beta, double k);
scion_status scion_response_norm_backward(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dx, int size, double alpha,
                                          double beta, double k, int accumulate);

/* ---------------------------------------------------------------- batch norm (kernels/batch_norm.c)
 * Ioffe and Szegedy 2015. Over rows: x [R.., C]; gamma, beta, mean, variance [C]; gamma or beta NULL: 1 or 0. */

/* scale = gamma / sqrt(variance + epsilon); shift = beta - mean * scale [+ bias * scale]: batch norm on stored statistics is
 * y = x * scale + shift. bias [C] or NULL is that of a layer below whose output is x without it. */
scion_status scion_batch_norm_fold(const scion_tensor *gamma, const scion_tensor *beta, const scion_tensor *mean,
                                   const scion_tensor *variance, const scion_tensor *bias, scion_tensor *scale,
                                   scion_tensor *shift, double epsilon);
/* The way back where scale went into the columns of a kernel w [.., C] of a layer with that bias (or NULL): from dw, the gradient by
 * the scaled kernel, and db, that by shift, dgamma[c] = (sum dw[..,c] * w[..,c] + db[c] * (bias[c] - mean[c])) / sqrt(variance[c]
 * + epsilon), by the chain rule; then dw *= scale is the kernel's own gradient. w and dw contiguous. */
scion_status scion_batch_norm_unfold(const scion_tensor *w, const scion_tensor *db, const scion_tensor *mean,
                                     const scion_tensor *variance, const scion_tensor *bias, const scion_tensor *scale,
                                     scion_tensor *dw, scion_tensor *dgamma, double epsilon);
/* y = act(x * scale + shift), scale or shift may be NULL. y may be x. */
scion_status scion_scale_shift_forward(const scion_tensor *x, const scion_tensor *scale, const scion_tensor *shift,
                                       scion_tensor *y, scion_activation activation);
/* Gradients of batch norm on stored statistics: dx (+)= dy * scale; dgamma = sum dy * (x - mean) / sqrt(variance + epsilon);
 * dbeta = sum dy. dx, dgamma, dbeta may each be NULL (x, mean, variance are needed for dgamma alone, and may else be NULL). */
scion_status scion_batch_norm_stored_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *mean,
                                              const scion_tensor *variance, const scion_tensor *scale, scion_tensor *dx,
                                              scion_tensor *dgamma, scion_tensor *dbeta, double epsilon, int accumulate);
/* On batch statistics (biased variance): saved_mean and saved_rstd [C] are written for the backward pass and the moving ones
 * updated, moving = momentum * moving + (1 - momentum) * batch. */
scion_status scion_batch_norm_batch_forward(const scion_tensor *x, const scion_tensor *gamma, const scion_tensor *beta,
                                            scion_tensor *moving_mean, scion_tensor *moving_variance, scion_tensor *saved_mean,
                                            scion_tensor *saved_rstd, scion_tensor *y, double epsilon, double momentum,
                                            scion_activation activation);
scion_status scion_batch_norm_batch_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *gamma,
                                             const scion_tensor *saved_mean, const scion_tensor *saved_rstd, scion_tensor *dx,
                                             scion_tensor *dgamma, scion_tensor *dbeta, int accumulate);

/* ---------------------------------------------------------------- elementwise (kernels/elementwise.c, epilogue.c) */

/* y = act(x), elementwise; y may be x. */
scion_status scion_activation_forward(const scion_tensor *x, scion_tensor *y, scion_activation activation);
/* dx (+)= dy * act'(x), expressed through the output y; dx may be dy. */
scion_status scion_activation_backward(const scion_tensor *y, const scion_tensor *dy, scion_tensor *dx,
                                       scion_activation activation, int accumulate);
/* The way back through the bias and activation that another kernel applied, in one pass: dy *= act'(..) in place, expressed through
 * the output y (NULL is fine for SCION_LINEAR, where dy stays), then db[c] = sum over rows of dy[.., c] (db [C], NULL: unwanted). */
scion_status scion_epilogue_backward(const scion_tensor *y, scion_tensor *dy, scion_tensor *db, scion_activation activation);
/* y[r,:] = softmax(x[r,:]), shifted by the row's maximum; and dx (+)= y * (dy - sum(dy * y)). */
scion_status scion_softmax_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_softmax_backward(const scion_tensor *y, const scion_tensor *dy, scion_tensor *dx, int accumulate);
/* y = act(a + b) and y = a * b, same shapes. y may be a or b. */
scion_status scion_add_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y, scion_activation activation);
scion_status scion_multiply_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y);
/* da (+)= dy * b. */
scion_status scion_multiply_backward(const scion_tensor *dy, const scion_tensor *b, scion_tensor *da, int accumulate);
/* y = act(a + scale * b), same shapes (Szegedy et al. 2016 scale their residuals). y may be a. And db (+)= scale * dy. */
scion_status scion_scaled_add_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y, double scale,
                                      scion_activation activation);
scion_status scion_scaled_add_backward(const scion_tensor *dy, scion_tensor *db, double scale, int accumulate);
/* y[n,h,w,c] = x[n,h,w,c] * s[n,c], the scaling of squeeze-and-excitation (Hu et al. 2017); s and ds [N,C] or [N,1,1,C].
 * dx (+)= dy * s, and ds[n,c] (+)= sum over h, w of x * dy. */
scion_status scion_scale_channels_forward(const scion_tensor *x, const scion_tensor *s, scion_tensor *y);
scion_status scion_scale_channels_backward_input(const scion_tensor *dy, const scion_tensor *s, scion_tensor *dx, int accumulate);
scion_status scion_scale_channels_backward_scale(const scion_tensor *x, const scion_tensor *dy, scion_tensor *ds, int accumulate);

/* Activations whose gradient needs the input. Swish (SiLU): x * sigmoid(x); hard sigmoid: x/6 + 1/2 clamped to 0 .. 1; hard swish:
 * x * hard sigmoid(x) (Howard et al. 2019). y may be x; dx (+)= dy * f'(x), dx may be dy. */
typedef enum { SCION_SWISH, SCION_HARD_SWISH, SCION_HARD_SIGMOID, SCION_INPUT_ACTIVATIONS } scion_input_activation;
scion_status scion_input_activation_forward(const scion_tensor *x, scion_tensor *y, scion_input_activation activation);
scion_status scion_input_activation_backward(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dx,
                                             scion_input_activation activation, int accumulate);

/* y = x / (1-rate) where a draw of (seed, step, element) is at least rate, else 0. Its own gradient with dy for x. The element's
 * index is that in a contiguous tensor. examples: one draw for each example, that of the element of its index, decides over all of it
 * (stochastic depth, Huang et al. 2016). accumulate as for gradients. */
scion_status scion_dropout(const scion_tensor *x, scion_tensor *y, double rate, int examples, uint64_t seed, uint32_t step,
                           uint32_t stream, int accumulate);
/* x [N,H,W,C] into y [N,top+H+..,left+W+..,C], zeros around; and the crop that is its gradient. */
scion_status scion_zero_pad_forward(const scion_tensor *x, scion_tensor *y, int top, int left);
scion_status scion_zero_pad_backward(const scion_tensor *dy, scion_tensor *dx, int top, int left, int accumulate);
/* y[.., c] = (float)x[.., c'] * scale[c] + shift[c] for u8 images of 3 channels; reverse: c' = 2 - c (BGR networks). y f32. */
scion_status scion_preprocess(const scion_tensor *x, scion_tensor *y, const float scale[3], const float shift[3], int reverse);

/* ---------------------------------------------------------------- losses (kernels/loss.c)
 * One row an example. losses [R] f32: each example's, times its weight; weights [R] f32 or NULL. The gradient is that of
 * sum(losses) / R, or not computed where dx is NULL. */

/* x: logits [R,C]; labels [R] i32 in 0 .. C-1 (checked); probabilities [R,C] = softmax(x). losses = -log probabilities[label],
 * computed as log-sum-exp. dx may be probabilities' equal in shape, not in memory. */
scion_status scion_softmax_cross_entropy(const scion_tensor *x, const scion_tensor *labels, const scion_tensor *weights,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* x: logits [R,K]; targets [R,K] f32 in 0 .. 1; the mean over K of max(x,0) - x*t + log(1 + exp(-|x|)). */
scion_status scion_sigmoid_cross_entropy(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* x: predictions [R,K]; the mean over K of (x - t)^2. */
scion_status scion_mean_squared_error(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                      scion_tensor *losses, scion_tensor *dx);
/* counts[t][p] += 1 for every row of x with label t and prediction p: the argmax of x [R,C]; for C = 1, p = x > threshold.
 * counts i32 [K,K], K = max(C, 2). A row with a number that is not finite predicts nothing: it is in no column of counts. support i32 [K]
 * (NULL: unwanted): support[t] += 1 for every row with label t, those that predict nothing included. */
scion_status scion_confusion(const scion_tensor *x, const scion_tensor *labels, scion_tensor *counts, scion_tensor *support,
                             double threshold);
/* *finite = whether all elements of an f32 tensor are. */
scion_status scion_all_finite(const scion_tensor *x, bool *finite);

/* ---------------------------------------------------------------- optimizers (kernels/optimizer.c)
 * w, gradient and state of one shape, contiguous f32. Keras's formulas; decay is decoupled: w -= lr * decay * w first.
 * A weight whose new value or state would not be finite keeps both as they were; all others are updated, and SCION_WORLD says
 * how many were not. */

/* momentum 0: w -= lr*g, m may be NULL. Else m = momentum*m - lr*g; w += m, or with nesterov w += momentum*m - lr*g. */
scion_status scion_sgd_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, double lr, double momentum, int nesterov,
                              double decay);
/* v = rho*v + (1-rho)*g*g; u = lr*g/sqrt(v+epsilon); momentum 0: w -= u, m may be NULL; else m = momentum*m + u, w -= m. */
scion_status scion_rmsprop_update(scion_tensor *w, const scion_tensor *g, scion_tensor *v, scion_tensor *m, double lr, double rho,
                                  double momentum, double epsilon, double decay);
/* Kingma and Ba 2015 in Keras's form: a = lr*sqrt(1-beta2^step)/(1-beta1^step); m += (g-m)*(1-beta1); v += (g*g-v)*(1-beta2);
 * w -= a*m/(sqrt(v)+epsilon). step counts from 1. AdamW is this with decay. */
scion_status scion_adam_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, scion_tensor *v, double lr, double beta1,
                               double beta2, double epsilon, int64_t step, double decay);

/* ---------------------------------------------------------------- files (files/atomic_write.c, safetensors.c, elements.c, zip.c; HDF5 has a header of its own, files/hdf5.h) */

/* A file that appears whole or not at all: it is written under a temporary name in the same folder and takes its own name,
 * in place of an older file, only when every byte has reached the disk. Links are followed, an older file's permissions
 * kept; what is no regular file, or may not be written, is refused. A full disk and a limit on the size of files (ulimit -f) are
 * SCION_WORLD, and leave the older file. Temporary files that killed processes left of the same name are removed. */
typedef struct {
  int descriptor; /* -1: closed */
  char *path, *temporary;
} scion_new_file;

scion_status scion_new_file_open(scion_new_file *file, const char *path);
scion_status scion_new_file_write(scion_new_file *file, const void *data, size_t bytes);
/* fsync, rename, fsync of the folder. The file is closed afterwards; upon failure the older one is as it was. Who wrote it by other
 * means, in another process too, by the temporary name, gets the same. */
scion_status scion_new_file_commit(scion_new_file *file);
void scion_new_file_discard(scion_new_file *file); /* closes and removes what is not committed; idempotent */

/* safetensors: 8 bytes with the header's length (little-endian), the header (JSON), the tensors' bytes. See
 * https://github.com/huggingface/safetensors#format. A file is refused unless: the header has at most 100,000,000 bytes, lies
 * within the file, is an object, repeats no key; every dtype is known; the tensors' ranges follow each other without holes
 * or overlaps up to the file's very end and are as long as dtype and shape say. */
typedef struct scion_safetensors scion_safetensors; /* a file open for reading */

typedef struct {
  const char *name;  /* as long as the file is open, like all that follows */
  const char *dtype; /* as in the file: "F32", "BF16", "I64", .. */
  int dims;          /* may exceed SCION_MAX_DIMS: such a tensor can be listed but not read */
  const int64_t *shape;
  uint64_t place;    /* of its first byte in the file */
} scion_safetensors_entry;

typedef struct {
  const char *key, *value;
  size_t bytes; /* of the value, which may hold zeros */
} scion_metadata;

scion_status scion_safetensors_open(scion_safetensors **file, const char *path);
void scion_safetensors_close(scion_safetensors *file); /* NULL is fine */
/* Tensor and pair of metadata number i, in the file's order; false when there are no more. */
bool scion_safetensors_entry_at(const scion_safetensors *file, size_t i, scion_safetensors_entry *entry);
bool scion_safetensors_metadata_at(const scion_safetensors *file, size_t i, scion_metadata *pair);
uint64_t scion_safetensors_size(const scion_safetensors *file); /* bytes of the whole file when it was opened */
/* Fills a contiguous u8 tensor with the bytes of the file from `offset` on: of the file that was opened, also where another one has
 * taken its name since. */
scion_status scion_safetensors_bytes(const scion_safetensors *file, uint64_t offset, scion_tensor *t);
/* A new tensor of the file's shape: F32, F16 and F64 as f32, BF16 as bf16, U8 as u8, I32 as i32; others are refused. */
scion_status scion_safetensors_read(scion_safetensors *file, const char *name, scion_tensor *t);
/* The same into a contiguous tensor of that shape, which is f32 or has the dtype above. A failure while reading may leave
 * part of it overwritten; a refusal changes nothing. */
scion_status scion_safetensors_read_into(scion_safetensors *file, const char *name, scion_tensor *t);

typedef struct {
  const char *name;
  const scion_tensor *tensor;
} scion_named_tensor;

/* Writes a whole file (see scion_new_file): tensors with wide dtypes first, which keeps all of them aligned, and else in the
 * order given; the header is padded with spaces to a multiple of 8 bytes. Text must be UTF-8. */
scion_status scion_safetensors_write(const char *path, const scion_named_tensor *tensors, size_t count,
                                     const scion_metadata *metadata, size_t pairs);

/* Numbers as other files hold them (files/elements.c), little-endian, by safetensors' names of dtypes: F32, F16, BF16, F64, U8, BOOL,
 * I8, I16, I32, I64. */
size_t scion_element_size(const char *dtype); /* bytes an element; 0: unknown */
/* t[i,j,..] = element number first + i*strides[0] + j*strides[1] + .. of the bytes of `bytes` (contiguous, of any dtype, in other
 * memory): a transposition is a matter of strides, and so is a mirror. t is contiguous; what its dtype cannot hold is rounded and saturates. Strides that lead out of `bytes` are refused. */
scion_status scion_unpack(const scion_tensor *bytes, const char *dtype, int64_t first, const int64_t *strides, scion_tensor *t);
/* The first bytes of a regular file, which tell its format: *got of them, less than `size` only where it is shorter. */
scion_status scion_read_head(const char *path, void *head, size_t size, size_t *got);
/* Fills a contiguous u8 tensor with the bytes of a regular file from `offset` on. */
scion_status scion_read_bytes(const char *path, uint64_t offset, scion_tensor *t);

/* Zip archives, through libzip, for reading alone (files/zip.c): entries that are stored as they are, or deflated. An archive is refused
 * when two entries have one name, and when all of them together would inflate to more than twice its own size and 32 MB. What is read to
 * an entry's end is compared with its CRC, unless the beginning was passed over. */
typedef struct scion_zip scion_zip;

typedef struct {
  const char *name; /* as long as the archive is open */
  uint64_t bytes;   /* of its contents, as the archive declares */
  uint64_t packed;  /* what they take in the archive */
  bool stored;      /* they lie there as they are */
} scion_zip_entry;

scion_status scion_zip_open(scion_zip **archive, const char *path);
void scion_zip_close(scion_zip *archive); /* NULL is fine */
/* Entry number i, in the archive's order; false when there are no more. */
bool scion_zip_entry_at(const scion_zip *archive, size_t i, scion_zip_entry *entry);
/* Fills a contiguous u8 tensor with an entry's bytes from `offset` on. */
scion_status scion_zip_read(scion_zip *archive, const char *name, uint64_t offset, scion_tensor *t);
/* Writes an entry to an open file, for libraries that read no archives. */
scion_status scion_zip_copy(scion_zip *archive, const char *name, int descriptor);

/* ---------------------------------------------------------------- hashes and kept rows (files/hash.c, files/row_file.c)
 * What a cache is made of. XXH3 (xxHash): fast, and no protection against forgers. */

#define SCION_HASH_BYTES 16

/* 128 bits, the same on every machine. */
void scion_hash_bytes(const void *data, size_t bytes, unsigned char hash[SCION_HASH_BYTES]);
/* Of dtype, shape and elements; gaps between rows do not count. */
scion_status scion_hash_tensor(const scion_tensor *t, unsigned char hash[SCION_HASH_BYTES]);
/* Of a file's content. SCION_WORLD, with the path, where it cannot be read. */
scion_status scion_hash_file(const char *path, unsigned char hash[SCION_HASH_BYTES]);
uint64_t scion_checksum(const void *data, size_t bytes, uint64_t seed); /* 64 bits */
/* What tells that a regular file is as it was: its size, and when its content and its inode last changed, in nanoseconds.
 * *age = seconds since its content changed. Of a file so young another change may not show. */
scion_status scion_file_stamp(const char *path, int64_t stamp[3], double *age);

/* A file of rows of one length, each found by its record's number and proven by its key and a checksum. Several processes may read
 * and append at once. Nothing is brought to the disk in any order: what a crash damages does not pass the checksum. A full disk is
 * SCION_WORLD, as is everything else that the world gets wrong. */
typedef struct scion_row_file scion_row_file;

/* Opens or makes it; a file with another header (damaged, or rows of another length) is emptied. */
scion_status scion_row_file_open(scion_row_file **file, const char *path, size_t row_bytes);
void scion_row_file_close(scion_row_file *file); /* NULL is fine */
size_t scion_row_file_bytes(const scion_row_file *file); /* of a row */
scion_status scion_row_file_count(const scion_row_file *file, int64_t *count); /* records now, unfinished ones included */
/* The key of a record: zeros where it is unfinished or absent. */
scion_status scion_row_file_key(const scion_row_file *file, int64_t record, unsigned char key[SCION_HASH_BYTES]);
/* row [row_bytes] = the row of that record; fails unless it has that key and is whole (row is overwritten all the same). */
scion_status scion_row_file_read(const scion_row_file *file, int64_t record, const unsigned char key[SCION_HASH_BYTES], void *row);
/* Appends rows as records *first .. *first + count - 1. Keys are not all zeros. Upon failure some may be there. */
scion_status scion_row_file_append(scion_row_file *file, int64_t count, const unsigned char *const *keys, const void *const *rows,
                                   int64_t *first);

/* ---------------------------------------------------------------- locks (files/lock.c) */

typedef struct scion_lock {
  int descriptor; /* -1: it holds nothing */
  uint64_t device, inode; /* of the file */
  struct scion_lock *next;
} scion_lock;

/* Waits until no other process holds the lock of that regular file, which is made where there is none. SCION_MISUSE where this process
 * holds it: it would wait for itself. The struct stays where it is until it is released. */
scion_status scion_lock_take(scion_lock *lock, const char *path);
void scion_lock_release(scion_lock *lock); /* idempotent; the file stays */
/* Whether this process holds the lock of the file that is open there. */
bool scion_lock_held(int descriptor);

/* ---------------------------------------------------------------- images (image/)
 * u8 RGB, contiguous [H,W,3], rows from the top. What the files of the world get wrong is SCION_WORLD, and the message names
 * the path. */

#define SCION_MAX_PIXELS ((int64_t)1 << 28) /* larger images are refused before memory is taken for them */

/* *image = a new tensor from a JPEG or PNG file (told by its content). JPEG: gray, CMYK and YCCK become RGB, EXIF's orientation
 * is applied, a cut or damaged file is an error. PNG: as Pillow's convert("RGB"): alpha is dropped; of 16 bits the upper 8
 * remain (of gray ones too, where Pillow saturates). */
scion_status scion_image_load(const char *path, scion_tensor *image);
/* Writes .png, or .jpg and .jpeg of quality 95, by the path's extension; the path holds the old file or the whole new one. */
scion_status scion_image_save(const char *path, const scion_tensor *image);
/* y = x at the size of y: bilinear with antialiasing, to the byte as Pillow's Image.resize(BILINEAR). */
scion_status scion_image_resize(const scion_tensor *x, scion_tensor *y);

/* What is read outside an image: its nearest edge; a value; the image mirrored at its edge, (d c b a | a b c d | d c b a); the
 * image again, with a period of size - 1 (SciPy's and so Keras's "wrap"). */
typedef enum { SCION_FILL_NEAREST, SCION_FILL_CONSTANT, SCION_FILL_REFLECT, SCION_FILL_WRAP, SCION_FILLS } scion_fill;

/* What one image undergoes. Pixel (x, y) of the result is read, bilinearly, at (m0*x + m1*y + m2, m3*x + m4*y + m5); then each
 * channel becomes value * gain + shift, rounded and clipped. {1,0,0, 0,1,0}, 1 and {0,0,0} leave it untouched. */
typedef struct {
  double matrix[6];
  float gain, shift[3];
} scion_warp;
/* x and y [H,W,3] in different memory. */
scion_status scion_image_warp(const scion_tensor *x, scion_tensor *y, const scion_warp *warp, scion_fill fill, unsigned char value);

/* From where the changes of training images are drawn, uniformly; the names and senses are those of Keras's
 * ImageDataGenerator. Its matrix too: centre * rotation * shift * shear * zoom * centre^-1, the centre at ((W-1)/2, (H-1)/2);
 * flips come after it, brightness (gain) and channel shift last. */
typedef struct {
  double rotation, shear;           /* degrees, both ways */
  double width_shift, height_shift; /* fractions of the size, both ways */
  double zoom[2];                   /* lowest and highest, drawn for each axis; 1 keeps, 2 shows twice as much */
  bool flip_horizontal, flip_vertical; /* in half of the images */
  double brightness[2];             /* factor */
  double channel_shift;             /* added, both ways, drawn for each channel */
  scion_fill fill;
  unsigned char fill_value;
} scion_augment;
/* The draw for (seed, epoch, index), whoever asks for it, for images of height x width. */
void scion_augment_draw(const scion_augment *augment, uint64_t seed, uint32_t epoch, uint32_t index, int height, int width,
                        scion_warp *warp);

/* y[i, ..] = x[indices[i], ..]: picks along the first dimension. x contiguous of any dtype, indices i32 [n] (checked),
 * y [n, ..] contiguous of x's dtype. */
scion_status scion_gather(const scion_tensor *x, const scion_tensor *indices, scion_tensor *y);
/* y[i] = rows[i]: `count` contiguous tensors of one dtype and shape become one, y [count, ..], contiguous. */
scion_status scion_stack(const scion_tensor *const *rows, int64_t count, scion_tensor *y);
/* counts[v] = how often v occurs in x; both i32 and contiguous, the values of x in 0 .. size of counts - 1 (checked). */
scion_status scion_count(const scion_tensor *x, scion_tensor *counts);

/* ---- the loader (image/loader.c): threads of its own read, decode, resize and change images ahead of whoever trains. Batches do
 * not depend on the number of threads. One thread at a time uses a loader. */

typedef struct scion_loader scion_loader;

/* Images that loaders decoded and resized once, for their later passes: `count` of one size, in memory, up to `budget` bytes;
 * what comes when that is full is decoded again each time, and so is a file that changed. Loaders may share one; it is freed
 * with its last user. */
typedef struct scion_image_store scion_image_store;

/* A new, empty one, for images of height x width. */
scion_status scion_image_store_new(scion_image_store **store, int64_t count, int height, int width, size_t budget);
void scion_image_store_release(scion_image_store *store); /* NULL is fine */
size_t scion_image_store_bytes(const scion_image_store *store); /* in memory now */

typedef struct {
  const char *const *paths;    /* `count` files (copied), or NULL and then */
  const scion_tensor *images;  /* u8 [count,H,W,3] (its storage is retained) */
  int64_t count;
  int height, width;            /* size of the results */
  int workers;                  /* threads, 1 .. SCION_MAX_THREADS */
  int ahead;                    /* batches that may be ready or under way, at least 1 */
  uint64_t seed;
  const scion_augment *augment; /* or NULL; copied */
  /* Large JPEGs need not be decoded whole: libjpeg gives 1/2, 1/4 or 1/8 of the size for less work. The smallest of these is
   * taken that is still reducing_gap times as high and wide as the result, which it is then resized to: to the byte what Pillow's
   * draft() to that many times the size and resize() give, where 2 is told from the whole image by close looking only. At least
   * 1; 0: always whole. An image below 2 * reducing_gap times the size of the result is always decoded whole. */
  double reducing_gap;
  scion_image_store *store; /* for as many images of the results' size, or NULL; retained */
} scion_loader_options;

scion_status scion_loader_new(scion_loader **loader, const scion_loader_options *options);
int64_t scion_loader_count(const scion_loader *loader); /* images it knows of */
/* Begins a pass over order[0 .. n-1], indices of images (NULL: 0 .. n-1), in batches of `batch`, the last one smaller. A pass
 * under way is abandoned. */
scion_status scion_loader_start(scion_loader *loader, const int32_t *order, int64_t n, int64_t batch, uint32_t epoch);
/* The next batch, in order: *images = u8 [n,H,W,3] and *indices = i32 [n], new tensors of the caller's. Images that are missing or
 * damaged are left out (n may be 0). One that could not be read for another reason (SCION_SYSTEM, SCION_NO_MEMORY) is a failure of
 * the call: no batch is taken, and the pass cannot go on. At the end of the pass both are left empty (storage NULL). */
scion_status scion_loader_next(scion_loader *loader, scion_tensor *images, scion_tensor *indices);
/* The i-th image that was left out of the last batch: its index and why; NULL behind the last. Valid until the next call. */
const char *scion_loader_failure(const scion_loader *loader, int64_t i, int32_t *index);
/* Ends the pass and the threads, also in the middle; the loader may be started again. */
void scion_loader_stop(scion_loader *loader);
/* Stops and frees; NULL is fine. In a process forked since the start the threads are not there and are forgotten. */
void scion_loader_free(scion_loader *loader);

#endif
