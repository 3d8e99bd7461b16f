/* The C interface of Scion's core, and its reference manual.
 *
 * Conventions
 *   Status    Functions that can fail return SCION_OK or another scion_status. On failure they leave a sentence for the
 *             user in scion_error_message() of the calling thread. The core never exits, aborts or prints.
 *   Layout    Images are NHWC: batch, rows, columns, channels. The last dimension is contiguous. All leading dimensions
 *             together form rows that lie `row_stride` elements apart, so a range of the channels of a larger image is a
 *             tensor, too (see scion_tensor).
 *   Letters   N images, H x W pixels, C channels; kh x kw kernel; Ci input and Co output channels; OH x OW output pixels;
 *             sh and sw stride, dh and dw dilation, top and left padding; R rows (the product of all leading dimensions).
 *   Gradients `dx` is the derivative of the loss with respect to `x`. In formulas "(+)=" means: where the function takes
 *             `accumulate`, 0 overwrites and 1 adds, since a value that feeds several layers sums their gradients.
 *   Dtypes    Tensors are f32 unless stated otherwise. Shapes and dtypes are checked; what does not fit is SCION_MISUSE.
 *   Threads   A kernel splits its work into chunks that depend on the shapes alone and not on the number of threads, so
 *             results are bit-identical for any number of them. Functions may be called from several threads at once, as
 *             long as no two of them write the same tensor, and none reads what another one writes.
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
  SCION_WORLD,     /* a file, the disk or the data is at fault, not the call: a missing file, a broken image, weights that overflow */
  SCION_SYSTEM     /* a limit of the machine, not the fault of the file: too many open files, a failing disk */
} scion_status;

/* The message of the last failure in this thread, valid until its next failure. Call it only after a failure. */
const char *scion_error_message(void);

/* Sets this thread's message (cut at 1023 bytes) and returns `status`, so that a caller can write: return scion_fail(...). */
scion_status scion_fail(scion_status status, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Joins words into a list for messages, such as "amx, avx2 or portable", cut at `size` bytes. Returns text. count is at least 1. */
char *scion_list_words(char *text, size_t size, const char *const *words, int count);

/* *product = a * b; false if that overflows a size_t. */
static inline bool scion_multiply_sizes(size_t a, size_t b, size_t *product) {
  return !__builtin_mul_overflow(a, b, product);
}

/* a / b rounded up, for a >= 0 and b > 0. */
static inline int64_t scion_divide_up(int64_t a, int64_t b) { return (a + b - 1) / b; }

/* ---------------------------------------------------------------- tensors (tensor/tensor.c) */

typedef enum { SCION_F32, SCION_BF16, SCION_U8, SCION_I32, SCION_DTYPES } scion_dtype;

#define SCION_MAX_DIMS 6
#define SCION_ALIGNMENT 64

/* Reference-counted bytes, 64-byte aligned. Whoever changes the contents increments `version`, so that caches of packed weights
 * notice that they are stale. */
typedef struct scion_storage {
  unsigned char *data;
  void *memory; /* the allocation to free; data is an aligned address in it */
  size_t bytes;
  _Atomic int references;
  uint64_t version;
} scion_storage;

/* A view of a storage. Element (i, j, .., c) lies row * row_stride + c elements after data, where row is the row-major index of
 * (i, j, ..) among the leading dimensions. A tensor with one dimension is one row; one without dimensions is a single element.
 * row_stride is at least the last dimension. A plain copy of the struct does not retain the storage. */
typedef struct scion_tensor {
  scion_storage *storage; /* NULL if data points to memory that the caller keeps alive */
  void *data;
  scion_dtype dtype;
  int dims;
  int64_t shape[SCION_MAX_DIMS];
  int64_t row_stride; /* elements from one row to the next */
} scion_tensor;

size_t scion_dtype_size(scion_dtype dtype);      /* bytes of an element: 4, 2, 1, 4 */
const char *scion_dtype_name(scion_dtype dtype); /* "f32", "bf16", "u8", "i32" */

/* A new storage of `bytes` zeros with one reference. NULL and a message if memory is short, or if all storages together would exceed
 * the machine's physical memory: the system might grant that and kill the process later. */
scion_storage *scion_storage_new(size_t bytes);
void scion_storage_retain(scion_storage *storage);
/* The last reference frees the storage; the memory of some large ones is kept for the next of their size. NULL is fine. */
void scion_storage_release(scion_storage *storage);
size_t scion_storage_live_bytes(void);              /* current sum over all storages */

/* Checks a shape; *bytes = the size of its elements. More than SCION_MAX_DIMS dimensions or a negative size are SCION_MISUSE, more
 * bytes than memory can address SCION_NO_MEMORY. If a size is 0, the product of the other sizes and of an element's bytes may not
 * exceed SCION_MAX_EMPTY (SCION_MISUSE): loops over rows take time even if the rows are empty. No product of any of the sizes of a
 * shape that passes can overflow. */
#define SCION_MAX_EMPTY ((int64_t)1 << 28)
scion_status scion_shape_check(scion_dtype dtype, int dims, const int64_t *shape, int64_t *bytes);

/* A new contiguous tensor of zeros with a storage of its own; release it with scion_tensor_release. Fails as scion_shape_check does,
 * and with SCION_NO_MEMORY; then t has no storage. */
scion_status scion_tensor_new(scion_tensor *t, scion_dtype dtype, int dims, const int64_t *shape);
void scion_tensor_release(scion_tensor *t); /* leaves a tensor of shape [0] without storage; may be called again */

int64_t scion_tensor_channels(const scion_tensor *t); /* size of the last dimension, 1 for a scalar */
int64_t scion_tensor_rows(const scion_tensor *t);     /* product of the leading dimensions, 1 if there are none */
int64_t scion_tensor_elements(const scion_tensor *t);
bool scion_tensor_contiguous(const scion_tensor *t); /* rows without gaps */
bool scion_tensor_same_shape(const scion_tensor *a, const scion_tensor *b);

/* Writes "2x224x224x3", or "scalar", into buffer, for messages. Returns buffer. */
char *scion_shape_text(const scion_tensor *t, char *buffer, size_t size);
#define SCION_SHAPE_TEXT 128 /* bytes that hold any shape */

/* y = x, converted to y's dtype. Conversions round to nearest even; those to u8 and i32 also saturate and turn NaN into the lowest
 * value. x and y have the same number of elements, and are both contiguous or have the same last dimension. accumulate: y += x, for
 * f32 and bf16. */
scion_status scion_tensor_copy(const scion_tensor *x, scion_tensor *y, int accumulate);
/* Sets all elements, converted as above. */
scion_status scion_tensor_fill(scion_tensor *t, double value);

/* ---------------------------------------------------------------- elements and views (tensor/view.c)
 * These functions overwrite the struct y without releasing it first. A view shares and retains x's storage. In both cases release y
 * with scion_tensor_release. */

/* Element number `index` in row-major order; the index is not checked. A double holds every dtype exactly. Writing converts as
 * scion_tensor_copy does. */
double scion_tensor_get(const scion_tensor *t, int64_t index);
void scion_tensor_set(scion_tensor *t, int64_t index, double value);
/* y = x with another shape of as many elements. One size may be -1 and is then computed from the others. y is a view; only if x has
 * gaps between its rows and the last dimension changes, it is a copy. */
scion_status scion_tensor_reshape(const scion_tensor *x, int dims, const int64_t *shape, scion_tensor *y);
/* y = x[index, ..], a view with one dimension less than x, which has at least one. */
scion_status scion_tensor_select(const scion_tensor *x, int64_t index, scion_tensor *y);
/* y [elements] = x without gaps between its rows: a view, or a copy if it has any. */
scion_status scion_tensor_whole(const scion_tensor *x, scion_tensor *y);
/* y [N,M] = x [M,N] transposed, a copy. */
scion_status scion_tensor_transpose(const scion_tensor *x, scion_tensor *y);
/* Whether dtype, shape and the bytes of all elements are equal. So a NaN equals a NaN of the same bits, and -0 differs from 0. */
bool scion_tensor_equal(const scion_tensor *a, const scion_tensor *b);
/* t[i] = first + i * step in row-major order, converted as by scion_tensor_set. */
scion_status scion_tensor_arange(scion_tensor *t, double first, double step);

/* ---------------------------------------------------------------- parts of tensors (tensor/part.c) */

/* A range of indices along each axis of a tensor: count[d] of them from first[d], from 0, on. dropped: the part does not have the axis as
 * a dimension; its count is 1 then. */
typedef struct {
  int64_t first[SCION_MAX_DIMS], count[SCION_MAX_DIMS];
  bool dropped[SCION_MAX_DIMS];
} scion_part;

scion_part scion_whole_part(const scion_tensor *x); /* all indices of all axes */
/* y = a part of x, whose ranges are checked. It is a view, which shares and retains x's storage, where one row stride can describe it,
 * and a copy otherwise. So slices of the first and the last axis are views. Overwrites y, which is to be released. */
scion_status scion_tensor_part(const scion_tensor *x, const scion_part *part, scion_tensor *y);
/* y = x[.., first .. first+count-1, ..] along an axis, by scion_tensor_part. */
scion_status scion_tensor_slice(const scion_tensor *x, int axis, int64_t first, int64_t count, scion_tensor *y);
/* The part of x = value, converted as by scion_tensor_copy and repeated as in NumPy's broadcasting, but the part has at least as many
 * dimensions as the value. They may share memory. */
scion_status scion_tensor_assign(scion_tensor *x, const scion_part *part, const scion_tensor *value);
/* y = `count` tensors of y's dtype one behind the other along an axis, whose sizes add up to y's. stack: the tensors do not have the axis,
 * and each takes one index of it. y shares no memory with them. */
scion_status scion_tensor_join(const scion_tensor *const *parts, int64_t count, int axis, bool stack, scion_tensor *y);

/* ---------------------------------------------------------------- sorting (tensor/order.c) */

/* Sorts x along an axis. Of each line the first `kept` elements go to values and their indices, from 0, to indices (i32): both contiguous,
 * with x's shape but for the axis, which has `kept`; either may be NULL. Equal elements keep their order, also in descending order. A NaN
 * counts as greater than any number, and -0 as equal to 0. SCION_NO_MEMORY only for lines of more than SCION_SCRATCH_BYTES / 16 elements
 * or an x with gaps between its rows. */
scion_status scion_sort(const scion_tensor *x, int axis, bool descending, int64_t kept, scion_tensor *values, scion_tensor *indices);

/* ---------------------------------------------------------------- arithmetic on tensors (tensor/arithmetic.c)
 * For scripts; training uses the kernels below. Operands of different dtypes may be mixed. Results are f32, with two exceptions:
 * +, -, *, negation, abs and clamp of i32 operands alone give i32, which saturates, and comparisons give u8, 1 or 0. Everything is
 * computed in double and rounded once, so that + - * / and the square root of f32 operands are correctly rounded (IEEE 754). */

typedef enum {
  SCION_OP_ADD, SCION_OP_SUBTRACT, SCION_OP_MULTIPLY, SCION_OP_DIVIDE, SCION_OP_POWER,
  SCION_OP_EQ, SCION_OP_NE, SCION_OP_LT, SCION_OP_LE, SCION_OP_GT, SCION_OP_GE
} scion_binary_op;
typedef enum { SCION_OP_NEGATE, SCION_OP_ABS, SCION_OP_CLAMP, SCION_OP_EXP, SCION_OP_LOG, SCION_OP_SQRT } scion_unary_op;

/* The dtype of the result. */
scion_dtype scion_binary_dtype(scion_binary_op op, scion_dtype a, scion_dtype b);
scion_dtype scion_unary_dtype(scion_unary_op op, scion_dtype x);
/* The shape of the result by NumPy's broadcasting: shapes are aligned at their last dimension, and in each dimension the sizes are
 * equal, or one is 1 or missing. Returns the number of dimensions, or -1 and a message. */
int scion_broadcast_shape(const scion_tensor *a, const scion_tensor *b, int64_t shape[SCION_MAX_DIMS]);
/* y = a op b. y is contiguous, has the shape and dtype that the functions above return, and shares no memory with a or b. */
scion_status scion_binary(scion_binary_op op, const scion_tensor *a, const scion_tensor *b, scion_tensor *y);
/* y = a where the condition is not 0 (a NaN is not), else b, converted as by scion_tensor_copy. All are broadcast. y is contiguous, has the
 * shape that scion_where_shape returns as scion_broadcast_shape does, and any dtype; it shares no memory with the others. */
int scion_where_shape(const scion_tensor *condition, const scion_tensor *a, const scion_tensor *b, int64_t shape[SCION_MAX_DIMS]);
scion_status scion_where(const scion_tensor *condition, const scion_tensor *a, const scion_tensor *b, scion_tensor *y);
/* y = op(x). Only clamp uses low and high; it keeps a NaN. y is contiguous, with x's shape and dtype scion_unary_dtype. */
scion_status scion_unary(scion_unary_op op, const scion_tensor *x, double low, double high, scion_tensor *y);

/* ---------------------------------------------------------------- reductions (tensor/reduce.c)
 * Computed in double, over chunks that depend on the shape alone. If there is a NaN, sum, mean, maximum and minimum are NaN, and the
 * argmax is the first NaN; otherwise it is the first of the greatest elements. The sum of no elements is 0 and their mean NaN; their
 * maximum, minimum and argmax are SCION_MISUSE. */

typedef enum { SCION_REDUCE_SUM, SCION_REDUCE_MEAN, SCION_REDUCE_MAX, SCION_REDUCE_MIN, SCION_REDUCE_ARGMAX } scion_reduce_op;

/* The dtype of results: i32 for sums of integers and for argmax, x's own for max and min, else f32. */
scion_dtype scion_reduce_dtype(scion_reduce_op op, scion_dtype x);
/* *result = the reduction of all elements, a double that is not rounded to scion_reduce_dtype. The argmax is a row-major index. */
scion_status scion_reduce_all(scion_reduce_op op, const scion_tensor *x, double *result);
/* y = the reduction along an axis. y is contiguous, has x's shape without that axis, and dtype scion_reduce_dtype, to which results
 * are rounded; those in i32 saturate. */
scion_status scion_reduce_axis(scion_reduce_op op, const scion_tensor *x, int axis, scion_tensor *y);

/* ---------------------------------------------------------------- rows (tensor/rows.c)
 * Examples, picked and counted by their numbers. */

/* y = the parts of x with these indices along an axis: y[i,..] = x[indices[i],..] for axis 0. x is contiguous, of any dtype; indices are
 * i32 [n], contiguous, and checked; y is contiguous, of x's dtype and shape, with n along the axis. */
scion_status scion_gather(const scion_tensor *x, int axis, const scion_tensor *indices, scion_tensor *y);
/* Element by element: y[i,j] = x[indices[i,j],j] for axis 0 of two. indices are i32, contiguous, and checked; y is contiguous, of their
 * shape and x's dtype. They have x's number of dimensions, and no more elements than x along any but the axis. */
scion_status scion_gather_elements(const scion_tensor *x, int axis, const scion_tensor *indices, scion_tensor *y);
/* counts[v] = how often v occurs in x. Both are i32 and contiguous; the values of x are below the size of counts (checked). */
scion_status scion_count(const scion_tensor *x, scion_tensor *counts);
/* y[..,c] = 1 where c = labels[..], else 0: classes as rows. labels: i32 in 0 .. C-1 (checked); y: f32, of their shape and one more
 * dimension, C; both are contiguous. */
scion_status scion_one_hot(const scion_tensor *labels, scion_tensor *y);

/* What is true of all rows of a matrix (tensor/row_facts.c): whether all elements are 0 or 1; the first row, from 0, with an element outside
 * 0 to 1, and the first whose sum differs from 1 by more than the tolerance, with that sum; -1 where there is none. */
typedef struct {
  bool whole;
  int64_t outside, odd;
  double sum;
} scion_rows_are;
/* x: contiguous f32 [N,K]. */
scion_status scion_row_facts(const scion_tensor *x, double tolerance, scion_rows_are *are);
/* The numbers, from 0, of the rows of a contiguous f32 x [N,..] that hold a NaN or an infinity; rows has room for N. */
scion_status scion_rows_not_finite(const scion_tensor *x, int32_t *rows, int64_t *count);

/* ---------------------------------------------------------------- random (tensor/random.c)
 * Counter-based: Philox 4x32-10 (Salmon et al., "Parallel random numbers: as easy as 1, 2, 3", SC 2011). A draw depends on the seed
 * and the counter (a, b, c, purpose) alone, and not on which thread draws or in which order. */

typedef enum { /* part of the counter: draws for different purposes never share a value */
  SCION_DRAW_WEIGHTS = 1,
  SCION_DRAW_DROPOUT,
  SCION_DRAW_ORDER,
  SCION_DRAW_AUGMENT,
  SCION_DRAW_TENSOR,
  SCION_DRAW_ERASE
} scion_purpose;

/* The four 32-bit words of one counter. */
void scion_random4(uint64_t seed, uint32_t a, uint32_t b, uint32_t c, scion_purpose purpose, uint32_t out[4]);
/* A number in [0, 1), made of the upper 24 bits of a word. */
static inline float scion_unit(uint32_t word) { return (float)(word >> 8) * (1.0f / 16777216.0f); }
/* Fill an f32 tensor: uniform in [low, high), where rounding may give high itself, or normal (by the Box-Muller method) with that mean
 * and standard deviation. Tensors that are filled from one seed differ by their `stream`. */
scion_status scion_random_uniform(scion_tensor *t, uint64_t seed, uint32_t stream, scion_purpose purpose, float low, float high);
scion_status scion_random_normal(scion_tensor *t, uint64_t seed, uint32_t stream, scion_purpose purpose, float mean, float deviation);
/* Fill a contiguous i32 tensor of n elements with a random permutation of 0 .. n-1 (Fisher-Yates shuffle). */
scion_status scion_random_permutation(scion_tensor *t, uint64_t seed, uint32_t stream);

/* ---------------------------------------------------------------- threads (tensor/threads.c)
 * A pool of POSIX threads. Each thread, including the caller's, starts with a fixed share of the chunks, which is the same in every
 * job of as many chunks, and then helps with the shares of the others. The pool starts at its first use. After a fork the child starts
 * its own. All signals are blocked in its threads. It ends with scion_threads_stop or with the process. */

#define SCION_MAX_THREADS 256
#define SCION_SCRATCH_BYTES ((size_t)8 << 20)

/* Runs fn(data, chunk, scratch) for every chunk in 0 .. chunks-1 and waits until all are done. scratch is SCION_SCRATCH_BYTES of
 * memory, 64-byte aligned, that no other thread uses until fn returns; its contents are undefined. fn cannot report a failure and must
 * not call scion_parallel_for. Calls from several threads take turns. Fails only with SCION_NO_MEMORY, before the first chunk. */
typedef void scion_chunk_function(void *data, int64_t chunk, void *scratch);
scion_status scion_parallel_for(int64_t chunks, scion_chunk_function *fn, void *data);

/* f is called after each chunk that this thread, the caller, computes of its own scion_parallel_for calls: what has to be looked after while it
 * computes, such as messages that travel. It is brief, and must not call scion_parallel_for. Subnormal numbers are numbers in it. NULL: nothing is. */
void scion_meanwhile(void (*f)(void));

/* Sets whether subnormal numbers are treated as zero in this thread and in the chunks of its scion_parallel_for calls. Returns the
 * previous setting; off at first. CPUs may take a hundred times as long for subnormals, and vanishing gradients and activations are
 * full of them. */
bool scion_flush_subnormals(bool flush);

int scion_threads(void);                     /* threads of a scion_parallel_for, the caller included; default: the CPUs that we may use */
scion_status scion_set_threads(int threads); /* 1 .. SCION_MAX_THREADS; if fewer can be started, scion_threads returns that number */
void scion_threads_stop(void);               /* ends the pool's threads; the next scion_parallel_for starts them again */

/* Seconds of a monotonic clock, since an arbitrary time. */
double scion_clock(void);

/* ---------------------------------------------------------------- instruction sets (kernels/isa.c) */

typedef enum { SCION_ISA_PORTABLE, SCION_ISA_AVX2, SCION_ISA_AVX512 } scion_isa;
/* The best instruction set of this CPU (by CPUID), or a lesser one that the environment variable SCION_ISA names: portable, avx2,
 * avx512, avx512bf16 or amx. Decided at the first call. The last two count as avx512 here; they differ in scion_bf16_in_use. */
scion_isa scion_isa_in_use(void);
const char *scion_isa_name(scion_isa isa);
/* SCION_MISUSE if SCION_ISA names an unknown instruction set or one that this CPU does not have. The best one is used then. */
scion_status scion_isa_check(void);

/* How products of bf16 are computed: converted to f32 (works on every CPU, but is no faster than f32), by AVX-512's vdpbf16ps, or by
 * AMX. AMX needs permission of the operating system, which the first call requests. */
typedef enum { SCION_BF16_F32, SCION_BF16_AVX512, SCION_BF16_AMX } scion_bf16;
scion_bf16 scion_bf16_in_use(void);
const char *scion_bf16_name(scion_bf16 bf16); /* "f32", "avx512bf16", "amx" */

/* How products of bytes are computed: by the instruction set's own means (vpmaddubsw, or plain C), by AVX-VNNI's or AVX-512's vpdpbusd,
 * or by AMX. All give the same sums. */
typedef enum { SCION_INT8_PLAIN, SCION_INT8_AVXVNNI, SCION_INT8_VNNI, SCION_INT8_AMX } scion_int8;
scion_int8 scion_int8_in_use(void);
const char *scion_int8_name(scion_int8 int8); /* the name of the instruction set, or "avxvnni", "avx512vnni", "amx" */

/* ---------------------------------------------------------------- windows and activations of kernels */

/* The sliding window of convolution, depthwise convolution and pooling. Index 0 is vertical, 1 horizontal. `before` and `after` are the
 * padding in pixels; the Lua side converts "same" and "valid" to numbers. The output size must be
 * floor((H + before + after - dilation*(kernel-1) - 1) / stride) + 1, and for the width likewise. */
typedef struct {
  int kernel[2], stride[2], dilation[2], before[2], after[2];
} scion_window;
/* Output size along axis 0 or 1 for an input of `size`; 0 if the window does not fit. */
int64_t scion_window_output(const scion_window *window, int axis, int64_t size);

/* Those up to tanh are computed backward from their output, the others from their input x. Swish (SiLU): x * sigmoid(x). Hard sigmoid:
 * x/6 + 1/2 clamped to 0 .. 1. Hard swish: x * hard sigmoid(x) (Howard et al. 2019). GELU: x * P(x), where P is the normal
 * distribution's share below x (Hendrycks and Gimpel 2016); its tanh form: x/2 * (1 + tanh(sqrt(2/pi) * (x + 0.044715 * x^3))). */
typedef enum {
  SCION_LINEAR, SCION_RELU, SCION_RELU6, SCION_SIGMOID, SCION_TANH,
  SCION_SWISH, SCION_HARD_SWISH, SCION_HARD_SIGMOID, SCION_GELU, SCION_GELU_TANH, SCION_ACTIVATIONS
} scion_activation;
static inline bool scion_activation_from_input(scion_activation activation) { return activation > SCION_TANH; }
/* Whether it is more than a clamp. */
static inline bool scion_activation_bends(scion_activation activation) { return activation > SCION_RELU6; }

/* ---------------------------------------------------------------- convolution (kernels/conv2d.c)
 * y[n,i,j,o] = act( bias[o] + sum_{r,s,c} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * w[r,s,c,o] ), where pixels outside of x
 * are 0. x [N,H,W,Ci], y [N,OH,OW,Co], w [kh,kw,Ci,Co] (Keras's order), bias [Co] or NULL. x and y may be slices of channels.
 * Computed as an implicit matrix product. The functions below first pack w into the layout that the product reads, which depends on
 * the instruction set. Strides are at most 1024. */

/* Elements of the packed tensor (f32, contiguous) for kernel w, 0 if w does not have four dimensions. transposed: for the gradient to
 * the input. */
int64_t scion_conv2d_packed_elements(const scion_tensor *w, int transposed);
/* Packs w. If scale [Co] is not NULL, output channel o is multiplied by scale[o], which folds in batch norm on stored statistics. */
scion_status scion_conv2d_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
/* Packs w for scion_conv2d_backward_input: Ci and Co exchanged, and taps grouped by the remainder that their position leaves when
 * divided by the stride. scale is as above, of the Co channels. */
scion_status scion_conv2d_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window,
                                          scion_tensor *packed);
/* y as above. addend (of y's shape, or NULL) is added before the activation, as the shortcut of a ResNet block. */
scion_status scion_conv2d_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                  const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                  scion_activation activation);
/* dx[n,h,w,c] (+)= sum_o dy[n,i,j,o] * w[r,s,c,o], summed over all (i,j,r,s) in which tap (r,s) of output pixel (i,j) reads input
 * pixel (h,w). */
scion_status scion_conv2d_backward_input(const scion_tensor *dy, const scion_tensor *packed_transposed, scion_tensor *dx,
                                         const scion_window *window, int accumulate);
/* dw[r,s,c,o] = sum_{n,i,j} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * dy[n,i,j,o]. Overwrites dw [kh,kw,Ci,Co]. */
scion_status scion_conv2d_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                           const scion_window *window);

/* ---------------------------------------------------------------- convolution in groups (kernels/grouped_conv2d.c)
 * The channels of x and y are cut into `groups` equal parts, and each part of y is the convolution above of the same part of x alone
 * (Krizhevsky et al. 2012; Xie et al. 2017). w [kh,kw,Ci/groups,Co], as in Keras: the outputs of a group are neighbours. Groups narrower
 * than a vector are computed several at a time, by a kernel with zeros between them. */

/* Elements of the packed tensor (f32, contiguous) for kernel w, 0 if w has not four dimensions or its Co is no multiple of groups. */
int64_t scion_grouped_conv2d_packed_elements(const scion_tensor *w, int groups, int transposed);
/* These are their scion_conv2d_* counterparts. Channels that groups does not divide are SCION_MISUSE. */
scion_status scion_grouped_conv2d_pack(const scion_tensor *w, const scion_tensor *scale, int groups, scion_tensor *packed);
scion_status scion_grouped_conv2d_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window, int groups,
                                                  scion_tensor *packed);
scion_status scion_grouped_conv2d_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                          const scion_tensor *addend, scion_tensor *y, const scion_window *window, int groups,
                                          scion_activation activation);
scion_status scion_grouped_conv2d_backward_input(const scion_tensor *dy, const scion_tensor *packed_transposed, scion_tensor *dx,
                                                 const scion_window *window, int groups, int accumulate);
scion_status scion_grouped_conv2d_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                                   const scion_window *window, int groups);

/* ---------------------------------------------------------------- convolution by minimal filtering (kernels/winograd.c)
 * Winograd's algorithm (Winograd 1980; Lavin and Gray 2016). These functions compute the same as their scion_conv2d_* counterparts, for
 * some windows of stride 1, with a quarter (3x3) to a half (1x3) of the multiplications and up to five times the rounding error: below
 * 1e-5 of the largest sum, and below 3e-5 in gradients of seven taps (the largest seen in thousands of random layers is 1.6e-5).
 * Packed weights take (taps + 3) / taps times the memory, for each axis that has more than one tap. Layers with so many channels that
 * one tile of them does not fit into a thread's scratch are SCION_MISUSE. */

/* Whether these functions can compute a window: 3x3, 1x3, 3x1, 1x7 or 7x1, with stride and dilation 1, padded by less than its taps. */
int scion_winograd_fits(const scion_window *window);
/* Elements of the packed tensor (f32, contiguous), 0 for a kernel of another size. transposed: for the gradient to the input. */
int64_t scion_winograd_packed_elements(const scion_tensor *w, int transposed);
/* Transforms and packs w [kh,kw,Ci,Co]; scale as for scion_conv2d_pack. */
scion_status scion_winograd_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
/* The same for scion_winograd_backward_input: the kernel rotated by 180 degrees, Ci and Co exchanged. */
scion_status scion_winograd_pack_transposed(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
scion_status scion_winograd_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                    const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                    scion_activation activation);
scion_status scion_winograd_backward_input(const scion_tensor *dy, const scion_tensor *packed_transposed, scion_tensor *dx,
                                           const scion_window *window, int accumulate);
scion_status scion_winograd_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                             const scion_window *window);

/* ---------------------------------------------------------------- convolution in bf16 (kernels/conv2d_bf16.c)
 * The convolution above with x in bf16 and w rounded to bf16, summed in f32. bias is f32. addend and y may each be bf16 or f32; y is
 * rounded once, when it is stored.
 * These functions take bf16, too, for images and their gradients alike, each of which may be bf16 or f32, and compute in f32: pooling,
 * resampling, depthwise convolution, activation, add, multiply, scaled_add, scale_channels, dropout, batch norm (whose vectors are f32),
 * scale_shift and epilogue_backward; scion_preprocess, for y; and scion_zero_pad_forward, scion_pad_channels and scion_channel_shuffle,
 * whose x and y have the same dtype. With `accumulate` a bf16 is widened, added to and rounded once. */

/* Elements of the packed tensor (bf16, contiguous): [Co/16][kh*kw*Ci/2][16][2], with Co rounded up to 16 and kh*kw*Ci to 32. With a
 * window (NULL: none) that of scion_conv2d_bf16_pack_transposed; 0 if w is no kernel of it. */
int64_t scion_conv2d_bf16_packed_elements(const scion_tensor *w, const scion_window *window);
/* Packs an f32 kernel. If scale [Co] is not NULL, output channel o is multiplied by scale[o] before it is rounded. */
scion_status scion_conv2d_bf16_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed);
scion_status scion_conv2d_bf16_pack_transposed(const scion_tensor *w, const scion_tensor *scale, const scion_window *window,
                                               scion_tensor *packed);
scion_status scion_conv2d_bf16_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *bias,
                                       const scion_tensor *addend, scion_tensor *y, const scion_window *window,
                                       scion_activation activation);
/* The gradients, by the same instructions: dy and x are bf16, dx bf16 or f32, and dw is f32. */
scion_status scion_conv2d_bf16_backward_input(const scion_tensor *dy, const scion_tensor *packed_transposed, scion_tensor *dx,
                                              const scion_window *window, int accumulate);
scion_status scion_conv2d_bf16_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                                const scion_window *window);

/* ---------------------------------------------------------------- numbers as bytes (kernels/conv2d_int8.c, quantize.c, histogram.c)
 * A u8 tensor can hold codes of numbers: code c stands for (c - zero) * scale. There is no backward pass: they are for layers that are
 * not trained. scion_max_pool_forward and scion_average_pool_forward take codes for x and y, of one scale and zero point; an average
 * that includes padding takes the codes of a zero point of 0. */

typedef struct {
  float scale; /* above 0 */
  int zero;    /* 0 .. 255 */
} scion_quantization;

/* y = the nearest codes of x (f32), and back. Rounds to nearest even, and saturates. */
scion_status scion_quantize(const scion_tensor *x, scion_tensor *y, scion_quantization q);
scion_status scion_dequantize(const scion_tensor *x, scion_tensor *y, scion_quantization q);

/* Adds to counts (f32 [SCION_BINS]) how many numbers of x (f32) lie in each bin. A number's bin is the upper 13 bits of its f32: sign,
 * exponent and 4 bits of the mantissa. */
#define SCION_BINS 8192
scion_status scion_histogram(const scion_tensor *x, scion_tensor *counts);

/* Elements of a kernel packed as bytes (u8, contiguous): [Co/16][kh*kw*Ci/4][16][4], with Co rounded up to 16 and kh*kw*Ci to 64. */
int64_t scion_conv2d_int8_packed_elements(const scion_tensor *w);
/* Packs an f32 kernel as signed bytes. If scale [Co] is not NULL, output channel o is multiplied by scale[o] first. scales [Co]: what a
 * byte of each output channel stands for; sums (i32 [Co]): its bytes summed up; shift [Co], the forward pass's
 * bias: bias [Co] (NULL: 0), plus what rounding the weights takes from the mean of an output where each input channel has its mean [Ci]
 * (NULL: nothing). kh*kw*Ci is at most 65536. */
scion_status scion_conv2d_int8_pack(const scion_tensor *w, const scion_tensor *scale, const scion_tensor *bias, const scion_tensor *mean,
                                    scion_tensor *packed, scion_tensor *scales, scion_tensor *sums, scion_tensor *shift);
/* The convolution above of codes x and a kernel of bytes, summed in whole numbers, which are exact. bias is f32. addend and y may each be
 * codes or f32. quantized: of x, addend and y, used where they are codes. */
scion_status scion_conv2d_int8_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *scales,
                                       const scion_tensor *sums, const scion_tensor *bias, const scion_tensor *addend, scion_tensor *y,
                                       const scion_window *window, scion_activation activation, const scion_quantization quantized[3]);

/* The same for depthwise convolution, see below, without multiplier: codes x, and weights of 16 bits. packed (i32 [kh*kw/2, rounded up][C]): the
 * weights of two taps in the lower and the upper half; scales [C]: what a weight's step is; sums (i32 [C]): weights summed up. The sums of products
 * are exact, and so is y to the bit on every machine, where the activation is none or a clamp. kh*kw is at most 128. y is codes or f32.
 * quantized: of x and y. */
scion_status scion_depthwise_int8_pack(const scion_tensor *w, const scion_tensor *scale, scion_tensor *packed, scion_tensor *scales,
                                       scion_tensor *sums);
scion_status scion_depthwise_int8_forward(const scion_tensor *x, const scion_tensor *packed, const scion_tensor *scales, const scion_tensor *sums,
                                          const scion_tensor *bias, scion_tensor *y, const scion_window *window, scion_activation activation,
                                          const scion_quantization quantized[2]);

/* ---------------------------------------------------------------- depthwise convolution (kernels/depthwise.c)
 * y[n,i,j,c*m+k] = act( bias[c*m+k] + scale[c*m+k] * sum_{r,s} x[n, i*sh + r*dh - top, j*sw + s*dw - left, c] * w[r,s,c,k] ).
 * w [kh,kw,C,m], contiguous, where m is the depth multiplier; y [N,OH,OW,C*m]; bias and scale [C*m] or NULL. scale folds in batch norm
 * on stored statistics. The gradient dw leaves it out: it is the gradient to the scaled kernel, see scion_batch_norm_unfold. */
scion_status scion_depthwise_forward(const scion_tensor *x, const scion_tensor *w, const scion_tensor *scale,
                                     const scion_tensor *bias, scion_tensor *y, const scion_window *window,
                                     scion_activation activation);
scion_status scion_depthwise_backward_input(const scion_tensor *dy, const scion_tensor *w, const scion_tensor *scale,
                                            scion_tensor *dx, const scion_window *window, int accumulate);
scion_status scion_depthwise_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw,
                                              const scion_window *window);

/* ---------------------------------------------------------------- dense and products (kernels/dense.c, matmul.c)
 * y = act(x w + bias): x [R,Ci], w [Ci,Co], bias [Co] or NULL, y [R,Co]. x and y may have several leading dimensions. dx (+)= dy w',
 * and dw = x' dy is overwritten. */
scion_status scion_dense_forward(const scion_tensor *x, const scion_tensor *w, const scion_tensor *bias, scion_tensor *y,
                                 scion_activation activation);
scion_status scion_dense_backward_input(const scion_tensor *dy, const scion_tensor *w, scion_tensor *dx, int accumulate);
scion_status scion_dense_backward_weights(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dw);
/* c = a b by OpenBLAS, over tiles that depend on the shapes alone: a [M,K], b [K,N], c [M,N]. transpose_a: a is [K,M] and read
 * transposed; transpose_b likewise. c shares no memory with a and b. The first call loads OpenBLAS; SCION_WORLD if that fails. */
scion_status scion_matmul(const scion_tensor *a, int transpose_a, const scion_tensor *b, int transpose_b, scion_tensor *c);
/* a = u diag(s) vt, the singular value decomposition by LAPACK's sgesdd: a [M,N], u [M,K] and vt [K,N] with K = min(M,N) orthonormal
 * columns and rows, s [K] descending and not negative. SCION_MISUSE if an element is not finite; SCION_WORLD if OpenBLAS cannot be
 * loaded or the values are not found. */
scion_status scion_svd(const scion_tensor *a, scion_tensor *u, scion_tensor *s, scion_tensor *vt);
/* For each of `count` penalties p, the w [D,K] with the least |x w - y|^2 + p |w|^2 (ridge regression, Hoerl and Kennard 1970), by Cholesky's
 * decomposition in double precision, each penalty on one thread: x [N,D], y [N,K], w [count,D,K], contiguous. SCION_MISUSE if an element is not finite, a
 * penalty is below 0, or columns of x depend on each other and the penalty is too small to tell which w is meant; SCION_WORLD if OpenBLAS
 * cannot be loaded. */
scion_status scion_least_squares(const scion_tensor *x, const scion_tensor *y, const double *penalties, int64_t count, scion_tensor *w);
/* For each column c of y, the highest evidence of Bayesian linear regression, as a mean over the rows: max over a, b of
 * log p(y_c | x, a, b) / N, where y_c = x w + noise of variance 1/b and w ~ N(0, 1/a) (You et al., LogME, ICML 2021; MacKay 1992), by their
 * fixed-point iteration in double precision on one thread. x [N,D], y [N,K], evidence [K]. SCION_MISUSE if an element is not finite; SCION_WORLD
 * if OpenBLAS cannot be loaded or no eigenvalues are found. */
scion_status scion_log_evidence(const scion_tensor *x, const scion_tensor *y, double *evidence);

/* ---------------------------------------------------------------- pooling (kernels/pool.c)
 * x [N,H,W,C], y [N,OH,OW,C]. Every position of a window must cover at least one pixel, and not padding alone. */

/* y[n,i,j,c] = maximum over the pixels in the window, without padding. A NaN counts as the greatest. */
scion_status scion_max_pool_forward(const scion_tensor *x, scion_tensor *y, const scion_window *window);
/* The gradient of each y goes to the first maximum of its window in row-major order. */
scion_status scion_max_pool_backward(const scion_tensor *x, const scion_tensor *y, const scion_tensor *dy, scion_tensor *dx,
                                     const scion_window *window, int accumulate);
/* y = mean over the window. include_padding: divide by all pixels of the window, padding included (PyTorch's default), and not by
 * those within x alone (Keras). */
scion_status scion_average_pool_forward(const scion_tensor *x, scion_tensor *y, const scion_window *window, int include_padding);
scion_status scion_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, const scion_window *window,
                                         int include_padding, int accumulate);
/* Mean or maximum over all pixels: x [N,H,W,C], y [N,C] or [N,1,1,C]. */
scion_status scion_global_average_pool_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_global_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, int accumulate);
scion_status scion_global_max_pool_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_global_max_pool_backward(const scion_tensor *x, const scion_tensor *y, const scion_tensor *dy,
                                            scion_tensor *dx, int accumulate);

/* ---------------------------------------------------------------- resampling (kernels/resample.c)
 * x [N,H,W,C], y [N,OH,OW,C]. */

/* y[n,i,j,c] = mean of x over rows floor(i*H/OH) .. ceil((i+1)*H/OH) - 1, and likewise columns (PyTorch's AdaptiveAvgPool2d). Sizes
 * are at least 1 and otherwise arbitrary. */
scion_status scion_adaptive_average_pool_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_adaptive_average_pool_backward(const scion_tensor *dy, scion_tensor *dx, int accumulate);
/* OH and OW are multiples of H and W. Either pixels are repeated, or they are interpolated bilinearly: row i of y lies at row
 * (i + 1/2) * H/OH - 1/2 of x, whose edge pixels continue outwards (Keras's UpSampling2D, PyTorch's Upsample with
 * align_corners=False). */
scion_status scion_upsample_forward(const scion_tensor *x, scion_tensor *y, int bilinear);
scion_status scion_upsample_backward(const scion_tensor *dy, scion_tensor *dx, int bilinear, int accumulate);

/* ---------------------------------------------------------------- channels (kernels/channels.c)
 * Copies the channels of x [..,C] into y [..,D] from channel `before` on, and fills the others of y with zeros. */
scion_status scion_pad_channels(const scion_tensor *x, scion_tensor *y, int before);
/* Channel shuffle (Zhang et al. 2018): y[..,c*groups+g] (+)= x[..,g*size+c], where C = groups * size. Its gradient is the shuffle of
 * `size` groups. x and y are apart. */
scion_status scion_channel_shuffle(const scion_tensor *x, scion_tensor *y, int groups, int accumulate);

/* ---------------------------------------------------------------- local response norm (kernels/response_norm.c)
 * Krizhevsky et al. 2012, with a mean in place of their sum, as in PyTorch: y_c = x_c * (k + alpha/size * sum_i x_i^2)^-beta, where i
 * runs over channels c - size/2 .. c + (size-1)/2 of the same pixel. size >= 1, alpha >= 0, k > 0. */
scion_status scion_response_norm_forward(const scion_tensor *x, scion_tensor *y, int size, double alpha, double beta, double k);
scion_status scion_response_norm_backward(const scion_tensor *x, const scion_tensor *dy, scion_tensor *dx, int size, double alpha,
                                          double beta, double k, int accumulate);

/* ---------------------------------------------------------------- batch norm (kernels/batch_norm.c)
 * Ioffe and Szegedy 2015. Statistics are over rows: x [R,C] with any leading dimensions; gamma, beta, mean, variance [C]. gamma NULL
 * counts as 1, beta NULL as 0. */

/* scale = gamma / sqrt(variance + epsilon), shift = beta + (bias - mean) * scale. With these, batch norm on stored statistics is
 * y = x * scale + shift. bias [C] or NULL is the bias of the layer below, which is then left out of x. */
scion_status scion_batch_norm_fold(const scion_tensor *gamma, const scion_tensor *beta, const scion_tensor *mean,
                                   const scion_tensor *variance, const scion_tensor *bias, scion_tensor *scale,
                                   scion_tensor *shift, double epsilon);
/* The gradients if scale was folded into the columns of the kernel w [..,C] of the layer below. Given dw, the gradient with respect to
 * the scaled kernel, and db, that with respect to shift, the chain rule gives
 * dgamma[c] = (sum dw[..,c] * w[..,c] + db[c] * (bias[c] - mean[c])) / sqrt(variance[c] + epsilon),
 * and then dw *= scale, the gradient with respect to w. w and dw are contiguous; bias may be NULL. db is also dbeta. */
scion_status scion_batch_norm_unfold(const scion_tensor *w, const scion_tensor *db, const scion_tensor *mean,
                                     const scion_tensor *variance, const scion_tensor *bias, const scion_tensor *scale,
                                     scion_tensor *dw, scion_tensor *dgamma, double epsilon);
/* y = act(x * scale + shift). scale and shift [C] may each be NULL: 1 and 0. y may be x. */
scion_status scion_scale_shift_forward(const scion_tensor *x, const scion_tensor *scale, const scion_tensor *shift,
                                       scion_tensor *y, scion_activation activation);
/* Gradients of batch norm on stored statistics: dx (+)= dy * scale; dgamma = sum dy * (x - mean) / sqrt(variance + epsilon);
 * dbeta = sum dy. dx, dgamma and dbeta may each be NULL if not wanted. Without dgamma, x, mean and variance may be NULL; without dx,
 * scale may. */
scion_status scion_batch_norm_stored_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *mean,
                                              const scion_tensor *variance, const scion_tensor *scale, scion_tensor *dx,
                                              scion_tensor *dgamma, scion_tensor *dbeta, double epsilon, int accumulate);
/* Batch norm on the statistics of the batch, with the biased variance. Writes saved_mean and saved_rstd = 1 / sqrt(variance + epsilon),
 * both [C], for the backward pass, and updates moving = momentum * moving + (1 - momentum) * batch for mean and variance. x has at
 * least one row. */
scion_status scion_batch_norm_batch_forward(const scion_tensor *x, const scion_tensor *gamma, const scion_tensor *beta,
                                            scion_tensor *moving_mean, scion_tensor *moving_variance, scion_tensor *saved_mean,
                                            scion_tensor *saved_rstd, scion_tensor *y, double epsilon, double momentum,
                                            scion_activation activation);
/* dx = gamma * rstd * (dy - mean(dy) - (x - saved_mean) * rstd^2 * mean(dy * (x - saved_mean))), which overwrites or accumulates;
 * dgamma = sum dy * (x - saved_mean) * rstd; dbeta = sum dy. dx, dgamma and dbeta may each be NULL if not wanted. */
scion_status scion_batch_norm_batch_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *gamma,
                                             const scion_tensor *saved_mean, const scion_tensor *saved_rstd, scion_tensor *dx,
                                             scion_tensor *dgamma, scion_tensor *dbeta, int accumulate);

/* ---------------------------------------------------------------- layer norm (kernels/layer_norm.c)
 * Ba, Kiros and Hinton 2016: y[r,c] = (x[r,c] - mean[r]) * rstd[r] * gamma[c] + beta[c], with the mean and the biased variance of the
 * row, and rstd = 1 / sqrt(variance + epsilon). gamma NULL counts as 1, beta NULL as 0. y may be x. */
scion_status scion_layer_norm_forward(const scion_tensor *x, const scion_tensor *gamma, const scion_tensor *beta, scion_tensor *y,
                                      double epsilon);
/* With n = (x - mean) * rstd and g = dy * gamma: dx (+)= rstd * (g - mean(g) - n * mean(g * n)), dgamma = sum dy * n and dbeta = sum dy
 * over all rows. dx, dgamma and dbeta may each be NULL if not wanted. */
scion_status scion_layer_norm_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *gamma, scion_tensor *dx,
                                       scion_tensor *dgamma, scion_tensor *dbeta, double epsilon, int accumulate);

/* ---------------------------------------------------------------- PReLU (kernels/prelu.c)
 * He et al. 2015: y = x where x > 0, else x * slope. slope has one number, one for each channel, or one for each element of an example,
 * and no gaps. y may be x. */
scion_status scion_prelu_forward(const scion_tensor *x, const scion_tensor *slope, scion_tensor *y);
/* dx (+)= dy * (x > 0 ? 1 : slope), and dslope = sum dy * min(x, 0) over what has the same slope. dx and dslope may each be NULL if not
 * wanted. */
scion_status scion_prelu_backward(const scion_tensor *x, const scion_tensor *dy, const scion_tensor *slope, scion_tensor *dx,
                                  scion_tensor *dslope, int accumulate);

/* ---------------------------------------------------------------- elementwise (kernels/elementwise.c, epilogue.c) */

/* y = act(x), elementwise; y may be x. */
scion_status scion_activation_forward(const scion_tensor *x, scion_tensor *y, scion_activation activation);
/* dx (+)= dy * act'(x), computed from v, which is x where scion_activation_from_input, and else y = act(x). dx may be dy. */
scion_status scion_activation_backward(const scion_tensor *v, const scion_tensor *dy, scion_tensor *dx,
                                       scion_activation activation, int accumulate);
/* The gradients of a bias and activation that another kernel applied, in one pass: first dy *= act', in place, computed from the output
 * y (which may be NULL for SCION_LINEAR; then dy stays as it is; activations that need their input are SCION_MISUSE), then db[c] = sum of dy[..,c] over all rows. db [C], or NULL if not
 * wanted. */
scion_status scion_epilogue_backward(const scion_tensor *y, scion_tensor *dy, scion_tensor *db, scion_activation activation);
/* y[r,:] = softmax(x[r,:]), computed after subtracting the row's maximum, against overflow. dx (+)= y * (dy - sum(dy * y)). */
scion_status scion_softmax_forward(const scion_tensor *x, scion_tensor *y);
scion_status scion_softmax_backward(const scion_tensor *y, const scion_tensor *dy, scion_tensor *dx, int accumulate);
/* y = act(a + b) and y = a * b, without broadcasting. y may be a or b. */
scion_status scion_add_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y, scion_activation activation);
scion_status scion_multiply_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y);
/* da (+)= dy * b. */
scion_status scion_multiply_backward(const scion_tensor *dy, const scion_tensor *b, scion_tensor *da, int accumulate);
/* y = act(a + scale * b), without broadcasting: the scaled residuals of Szegedy et al. 2016. y may be a. db (+)= scale * dy, and
 * db may be dy. */
scion_status scion_scaled_add_forward(const scion_tensor *a, const scion_tensor *b, scion_tensor *y, double scale,
                                      scion_activation activation);
scion_status scion_scaled_add_backward(const scion_tensor *dy, scion_tensor *db, double scale, int accumulate);
/* y += share * (x - y): an exponential moving average of x, which takes the new value by a share from 0 to 1, that is 1 - decay. Both f32
 * of one shape; not the same memory. */
scion_status scion_moving_average(const scion_tensor *x, scion_tensor *y, double share);
/* y[n,h,w,c] = x[n,h,w,c] * s[n,c], the scaling of squeeze-and-excitation (Hu et al. 2017); s and ds [N,C] or [N,1,1,C].
 * dx (+)= dy * s, and ds[n,c] (+)= sum over h, w of x * dy. */
scion_status scion_scale_channels_forward(const scion_tensor *x, const scion_tensor *s, scion_tensor *y);
scion_status scion_scale_channels_backward_input(const scion_tensor *dy, const scion_tensor *s, scion_tensor *dx, int accumulate);
scion_status scion_scale_channels_backward_scale(const scion_tensor *x, const scion_tensor *dy, scion_tensor *ds, int accumulate);

/* Dropout: y = x / (1-rate) where the draw of (seed, step, stream, element) is at least rate, else 0; 0 <= rate < 1. An element is
 * counted in row-major order. If `examples` is set, there is one draw for each index of the first dimension, which keeps or drops the
 * whole example (stochastic depth, Huang et al. 2016). The same function with dy in place of x is the gradient, which is why it takes
 * accumulate. x has at most 2^34 elements. */
scion_status scion_dropout(const scion_tensor *x, scion_tensor *y, double rate, int examples, uint64_t seed, uint32_t step,
                           uint32_t stream, int accumulate);
/* Copies x [N,H,W,C] into y [N,OH,OW,C] at row `top` and column `left`, and fills the rest of y with zeros. Its gradient is a crop. */
scion_status scion_zero_pad_forward(const scion_tensor *x, scion_tensor *y, int top, int left);
scion_status scion_zero_pad_backward(const scion_tensor *dy, scion_tensor *dx, int top, int left, int accumulate);
/* y[..,c] = x[..,c'] * scale[c] + shift[c] for u8 images of 3 channels, where c' = c, or 2 - c if `reverse` is set, for networks that
 * were trained on BGR. y is f32 or bf16. If y has 1 channel, it is g * scale[0] + shift[0], where g is the luminance by ITU-R BT.601,
 * rounded to a whole number, which of a grey pixel is its value. */
scion_status scion_preprocess(const scion_tensor *x, scion_tensor *y, const float scale[3], const float shift[3], int reverse);
/* The same within a convolution of bytes, which takes pixels as they are: codes of scale 1 and zero point 0. They get a further channel of
 * 255, and the kernel one that is the shift's share, sum_c w[..,c,o] * shift[c] / 255; so padding, whose codes are all 0, stands for the
 * preprocessed value 0 as it should, whatever the shift is.
 * y (u8) has the pixels of x (u8, 3 channels) and 4 channels, or 2: luminance, as above, and 255. */
scion_status scion_pixel_codes(const scion_tensor *x, scion_tensor *y);
/* folded [kh,kw,Ci+1,Co] computes from such codes what w [kh,kw,Ci,Co] computes from preprocessed pixels, Ci 1 or 3. mean [Ci] is of the
 * preprocessed channels, and pixel_mean [Ci+1] that of the codes. Both kernels are f32 and contiguous. */
scion_status scion_preprocess_fold(const scion_tensor *w, const scion_tensor *mean, const float scale[3], const float shift[3], int reverse,
                                   scion_tensor *folded, scion_tensor *pixel_mean);

/* ---------------------------------------------------------------- losses (kernels/loss.c)
 * Each row is an example. losses [R] are those of the examples, each multiplied by its weight; weights [R], or NULL for 1. dx is the
 * gradient of sum(losses) / R with respect to x, or NULL if not wanted. dx and probabilities must not share memory. */

/* x: logits [R,C]; labels: i32 [R] in 0 .. C-1 (checked). Writes probabilities [R,C] = softmax(x). The loss is
 * -log(probabilities[label]), computed as log(sum(exp(x))) - x[label], which does not overflow. With a smoothing s, 0 .. 1, the target
 * is no longer 1 for the label and 0 for the others, but t * (1 - s) + s / C (Szegedy et al. 2016, section 7). */
scion_status scion_softmax_cross_entropy(const scion_tensor *x, const scion_tensor *labels, const scion_tensor *weights, double smoothing,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* The same with a share of each class in place of the label: targets [R,C], from 0 up (not checked). The loss is the sum over C of
 * -targets * log(probabilities). For a row that is 1 at one class and 0 at the others, the results are those of the label, without
 * smoothing to the bit. */
scion_status scion_softmax_cross_entropy_soft(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double smoothing,
                                              scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* x: logits [R,K]; targets [R,K] in 0 .. 1 (not checked). Writes probabilities [R,K] = sigmoid(x). The loss is the mean over K of
 * max(x,0) - x*t + log(1 + exp(-|x|)). With a smoothing s, 0 .. 1, t * (1 - s) + s / 2 takes the place of t, as in Keras. */
scion_status scion_sigmoid_cross_entropy(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double smoothing,
                                         scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* Focal loss (Lin et al. 2017): cross-entropy in which what is already told well counts less; gamma and alpha from 0 up. Arguments are
 * those of scion_softmax_cross_entropy, and p = softmax(x). The loss is alpha * (1 - p[label])^gamma * -log(p[label]), as Keras's
 * CategoricalFocalCrossentropy has it, but for the latter's limits on p. */
scion_status scion_softmax_focal(const scion_tensor *x, const scion_tensor *labels, const scion_tensor *weights, double gamma,
                                 double alpha, scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* The same with targets [R,C], shares of the classes: the sum over C of alpha * targets * (1 - p)^gamma * -log(p). */
scion_status scion_softmax_focal_soft(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double gamma,
                                      double alpha, scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* Focal loss of labels; arguments are those of scion_sigmoid_cross_entropy, and p = sigmoid(x). The loss is the mean over K of
 * (alpha*t + beta*(1-t)) * (p*(1-t) + (1-p)*t)^gamma * (the cross-entropy of t and p). With beta = 1 - alpha it is the paper's, and
 * torchvision's sigmoid_focal_loss; with alpha = beta = 1, Keras's BinaryFocalCrossentropy without balanced classes. */
scion_status scion_sigmoid_focal(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double gamma,
                                 double alpha, double beta, scion_tensor *probabilities, scion_tensor *losses, scion_tensor *dx);
/* x: predictions [R,K]; targets [R,K]. The loss is the mean over K of (x - t)^2. */
scion_status scion_mean_squared_error(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                      scion_tensor *losses, scion_tensor *dx);
/* The mean over K of |x - t|, whose gradient is 0 where x = t. */
scion_status scion_mean_absolute_error(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights,
                                       scion_tensor *losses, scion_tensor *dx);
/* The mean over K of (x - t)^2 / 2 where |x - t| <= delta, and of delta * (|x - t| - delta / 2) elsewhere (Huber 1964); delta > 0. */
scion_status scion_huber(const scion_tensor *x, const scion_tensor *targets, const scion_tensor *weights, double delta,
                         scion_tensor *losses, scion_tensor *dx);
/* A loss that was computed elsewhere: values [R] of the examples, and their gradients [R,..] with respect to what the loss is of. Writes
 * losses = values * weights and dx = gradients * weights / R, as the other losses do. */
scion_status scion_given_loss(const scion_tensor *gradients, const scion_tensor *values, const scion_tensor *weights,
                              scion_tensor *losses, scion_tensor *dx);
/* *finite = whether no element of an f32 tensor is a NaN or an infinity. */
scion_status scion_all_finite(const scion_tensor *x, bool *finite);

/* ---------------------------------------------------------------- metrics (kernels/metrics.c)
 * Counts are added to, and stop at the largest i32. */

/* Confusion matrix: counts[t][p] += 1 for every row of x [R,C] with label t and prediction p, which is the argmax of the row, or
 * x > threshold if C = 1. counts: i32 [K,K] with K = max(C, 2); labels: i32 [R] in 0 .. K-1 (checked). A row with a NaN or an infinity
 * has no prediction and is not counted. support: i32 [K], or NULL if not wanted; support[t] += 1 for every row with label t, including
 * those without a prediction. */
scion_status scion_confusion(const scion_tensor *x, const scion_tensor *labels, scion_tensor *counts, scion_tensor *support,
                             double threshold);
/* The same for several labels an example: for each of the K labels of x [R,K] a row of counts, i32 [K,4], in which [2 * t + p] counts the
 * examples with t = (target > 0.5) and p = (x > threshold). support: i32 [K]; support[k] += 1 for every example that has the label.
 * exact: i32 [1], += 1 for every example of which all labels are predicted right. A row with a NaN or an infinity has no predictions:
 * it counts towards the support alone. */
scion_status scion_label_confusion(const scion_tensor *x, const scion_tensor *targets, scion_tensor *counts, scion_tensor *support,
                                   scion_tensor *exact, double threshold);
/* Ranks of the true classes: counts[r] += 1 for every row of x [R,C] with r classes before its label: those with a larger value and, of
 * equal ones, those with a lower number, as argmax prefers them. counts: i32 [C]; labels: i32 [R] in 0 .. C-1 (checked). A row with a
 * NaN or an infinity is not counted. The sum of the first N counts is how many labels are among the N largest values of their rows. */
scion_status scion_ranks(const scion_tensor *x, const scion_tensor *labels, scion_tensor *counts);
/* For the calibration error of Guo et al. (2017), "On Calibration of Modern Neural Networks": the rows of x [R,C], probabilities, in B
 * bins of equal width by their confidence, the largest of the row; for C = 1, x or 1 - x. Bin b has those over b / B, up to (b + 1) / B,
 * and the first one 0 as well. counts: i32 [B,2], of the rows, and of those whose largest value is that of the label; confidence: f32
 * [B], to which the sum of the confidences is added. labels: i32 [R] in 0 .. max(C,2)-1 (checked). A row with a NaN or an infinity is
 * left out. */
scion_status scion_calibration(const scion_tensor *x, const scion_tensor *labels, scion_tensor *counts, scion_tensor *confidence);
/* For each column of scores x [R,C]: roc [C] = the area under the ROC curve, which is the share of pairs of a positive and another
 * example in which the positive one has the larger score, with a half for equal ones; precision [C] = the average precision, the sum
 * over thresholds n of (recall_n - recall_n-1) * precision_n. Examples with equal scores are one step of both curves. labels: i32 [R] in
 * 0 .. max(C,2)-1 (checked), a class for each example: the positives of column c are those of class c, or of class 1 if C = 1; or f32
 * [R,C], positive where over 0.5. NaN where an area is not defined: both without a positive, and roc without another example; and where
 * the column holds a NaN or an infinity. Needs 12 bytes a row for each thread. */
scion_status scion_areas(const scion_tensor *x, const scion_tensor *labels, scion_tensor *roc, scion_tensor *precision);

/* ---------------------------------------------------------------- all gradients of a model (kernels/gradients.c)
 * x: f32 without gaps between its elements, in any shape. */

/* *norm = sqrt(sum of x*x), added up in double. It is NaN or infinite only if an element is. */
scion_status scion_norm(const scion_tensor *x, double *norm);
/* x = min(max(x, -limit), limit); limit from 0 up. A NaN stays. */
scion_status scion_clip(scion_tensor *x, double limit);

/* ---------------------------------------------------------------- optimizers (kernels/optimizer.c)
 * The weights w, the gradient g and the states m and v are contiguous f32 tensors of one shape. The formulas are Keras's. But for LAMB, weight decay
 * is decoupled: lr * decay * w, with the old w, is subtracted as well. A weight whose new value or state would not be finite is left
 * as it is, along with its state. All others are updated, and the result is SCION_WORLD with a message that says how many were not. A dry
 * update changes nothing, and has the result that the update would have. */

/* Without momentum (0) w -= lr*g, and m may be NULL. Otherwise m = momentum*m - lr*g, then w += m, or w += momentum*m - lr*g if
 * nesterov is set. */
scion_status scion_sgd_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, double lr, double momentum, int nesterov,
                              double decay, int dry);
/* v = rho*v + (1-rho)*g*g and u = lr*g/sqrt(v+epsilon). Without momentum (0) w -= u, and m may be NULL. Otherwise m = momentum*m + u
 * and w -= m. */
scion_status scion_rmsprop_update(scion_tensor *w, const scion_tensor *g, scion_tensor *v, scion_tensor *m, double lr, double rho,
                                  double momentum, double epsilon, double decay, int dry);
/* Kingma and Ba 2015, in Keras's form: a = lr*sqrt(1-beta2^step)/(1-beta1^step); m += (g-m)*(1-beta1); v += (g*g-v)*(1-beta2);
 * w -= a*m/(sqrt(v)+epsilon). step counts updates from 1. With a decay this is AdamW. */
scion_status scion_adam_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, scion_tensor *v, double lr, double beta1,
                               double beta2, double epsilon, int64_t step, double decay, int dry);
/* Duchi et al. 2011: v += g*g; w -= lr*g/sqrt(v+epsilon). */
scion_status scion_adagrad_update(scion_tensor *w, const scion_tensor *g, scion_tensor *v, double lr, double epsilon, double decay, int dry);
/* Chen et al. 2023: w -= lr*sign(beta1*m+(1-beta1)*g), where the sign of 0 is 0; then m = beta2*m+(1-beta2)*g. */
scion_status scion_lion_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, double lr, double beta1, double beta2,
                               double decay, int dry);
/* LAMB, You et al. 2019: m and v as Adam's; u = (m/(1-beta1^step))/(sqrt(v/(1-beta2^step))+epsilon) + decay*w; w -= lr*|w|/|u|*u, with
 * the norms over all elements; the factor |w|/|u| is 1 where one of them is 0. Here the decay is a part of u, and so of its norm.
 * Elements of u that are not finite do not count in |u|. */
scion_status scion_lamb_update(scion_tensor *w, const scion_tensor *g, scion_tensor *m, scion_tensor *v, double lr, double beta1,
                               double beta2, double epsilon, int64_t step, double decay, int dry);

/* ---------------------------------------------------------------- files (files/atomic_write.c, base64.c, safetensors.c, elements.c, zip.c)
 * For HDF5 see files/hdf5.h. */

/* Writes a file atomically: the bytes go to a temporary file in the same folder, which replaces an older file of the final name only
 * when all of them have reached the disk. Symbolic links are followed, and the permissions of an older file are kept. If the older file
 * is not a regular file or is not writable, the new one is refused. A full disk and a limit on file sizes (ulimit -f) are SCION_WORLD
 * and leave the older file. Opening also makes the folders that are missing, and removes temporary files for the same name that killed
 * processes left behind. */
typedef struct {
  int descriptor; /* -1: closed */
  char *path, *temporary;
  bool nowhere; /* see scion_write_no_files */
} scion_new_file;

scion_status scion_new_file_open(scion_new_file *file, const char *path);
scion_status scion_new_file_write(scion_new_file *file, const void *data, size_t bytes);
/* Calls fsync on the file, renames it, calls fsync on the folder, and closes the file, also on failure. A failure leaves the older file,
 * unless only the folder's fsync failed: then the new file is in place. The bytes may also have been written without
 * scion_new_file_write, for example by another process that opened the temporary name. */
scion_status scion_new_file_commit(scion_new_file *file);
void scion_new_file_discard(scion_new_file *file); /* closes the file and removes it if not committed; may be called again */
scion_status scion_write_file(const char *path, const void *bytes, size_t size); /* all of these at once */
/* Whether this process leaves no files from here on: what these functions write is then lost, and they succeed. For a process that computes what
 * another one writes. */
void scion_write_no_files(bool none);

/* Base64 (RFC 4648, with padding) of some bytes: 4 characters for each 3 of them that have begun. No zero byte is written after them. */
size_t scion_base64_length(size_t bytes);
void scion_base64(const void *data, size_t bytes, char *text);

/* safetensors: 8 bytes with the length of the header (little-endian), the header (JSON), the bytes of the tensors. See
 * https://github.com/huggingface/safetensors#format. A file is refused (SCION_WORLD) unless its header has at most 100,000,000 bytes
 * and can be parsed in twice the memory of the file plus 64 MiB, whatever is in it; is an object and repeats no key; all dtypes are
 * known; and the tensors' ranges follow each other without gaps or overlaps to the end of the file and are as long as dtype and shape
 * require. */
#define SCION_SAFETENSORS_PADDING "scion.padding" /* an array of zeros, see scion_safetensors_write; no part of what a file holds */
typedef struct scion_safetensors scion_safetensors; /* a file open for reading */

typedef struct {
  const char *name;  /* this and the other pointers are valid while the file is open */
  const char *dtype; /* as in the file: "F32", "BF16", "I64", .. */
  int dims;          /* may exceed SCION_MAX_DIMS; such a tensor can be listed but not read */
  const int64_t *shape;
  uint64_t place;    /* offset of its first byte in the file */
} scion_safetensors_entry;

typedef struct {
  const char *key, *value;
  size_t bytes; /* length of the value, which may contain zero bytes */
} scion_metadata;

scion_status scion_safetensors_open(scion_safetensors **file, const char *path);
void scion_safetensors_close(scion_safetensors *file); /* NULL is fine */
/* Tensor number i, in the order of the tensors' bytes, and metadata pair number i, in the order of the header; false if there are no
 * more. */
bool scion_safetensors_entry_at(const scion_safetensors *file, size_t i, scion_safetensors_entry *entry);
bool scion_safetensors_metadata_at(const scion_safetensors *file, size_t i, scion_metadata *pair);
uint64_t scion_safetensors_size(const scion_safetensors *file); /* bytes of the whole file when it was opened */
/* Fills a contiguous u8 tensor with the bytes of the file from `offset` on. They are those of the file that was opened, even if another
 * file has replaced it since. */
scion_status scion_safetensors_bytes(const scion_safetensors *file, uint64_t offset, scion_tensor *t);
/* Reads a tensor into a new one of its shape: F32, F16 and F64 become f32, BF16 bf16, U8 u8 and I32 i32. Other dtypes are
 * SCION_WORLD. */
scion_status scion_safetensors_read(scion_safetensors *file, const char *name, scion_tensor *t);
/* The same into a contiguous tensor of the same shape, with the dtype above; BF16 may also be read into f32. Another shape or dtype
 * is SCION_WORLD and changes nothing; if reading fails, a part of t may be overwritten. */
scion_status scion_safetensors_read_into(scion_safetensors *file, const char *name, scion_tensor *t);

typedef struct {
  const char *name;
  const scion_tensor *tensor;
} scion_named_tensor;

/* Writes a file atomically (see scion_new_file). Tensors with wide dtypes come first, which keeps all of them aligned, and otherwise in
 * the given order. The header is padded with spaces to a multiple of 8 bytes. Names and metadata must be UTF-8, and no two tensors may
 * have one name (SCION_MISUSE). A reader gives a file memory by its size: where parsing the header, or `decoded`, the bytes of memory
 * that decoding the metadata may take, asks for more, an array of as many zeros as that takes is added, SCION_SAFETENSORS_PADDING. */
scion_status scion_safetensors_write(const char *path, const scion_named_tensor *tensors, size_t count,
                                     const scion_metadata *metadata, size_t pairs, uint64_t decoded);

/* Numbers as files of other programs store them (files/elements.c), little-endian. Their dtypes are named as in safetensors: F32, F16,
 * BF16, F64, U8, BOOL, I8, I16, I32, I64. */
size_t scion_element_size(const char *dtype); /* bytes of an element, 0 for an unknown dtype */
/* t[i,j,..] = element number first + i*strides[0] + j*strides[1] + .. of the memory of `bytes`, read as elements of `dtype`. Strides
 * may be negative or 0, so data can be transposed and mirrored. `bytes` is contiguous and of any dtype, and shares no memory with t.
 * Values are converted as by scion_tensor_set. Strides that lead out of `bytes` are SCION_MISUSE. */
scion_status scion_unpack(const scion_tensor *bytes, const char *dtype, int64_t first, const int64_t *strides, scion_tensor *t);
/* Reads the first `size` bytes of a regular file, by which its format can be recognized. *got is less only if the file is shorter. */
scion_status scion_read_head(const char *path, void *head, size_t size, size_t *got);
/* Fills a contiguous u8 tensor with the bytes of a regular file from `offset` on; SCION_WORLD if the file ends before. */
scion_status scion_read_bytes(const char *path, uint64_t offset, scion_tensor *t);

/* Reading zip archives through libzip (files/zip.c); entries are stored or deflated. An archive is refused (SCION_WORLD) if two entries
 * have the same name, if all entries together would inflate to more than twice the archive's size plus 32 MiB, or if its directory
 * takes more than 4 MiB to read. Reading fails when four times as much was inflated, as where a deflated entry is read backwards: each time
 * it begins at its start. If an entry is read to its end, at once or piece by piece, its CRC is checked, unless a piece of a stored entry was
 * skipped. */
typedef struct scion_zip scion_zip;

typedef struct {
  const char *name; /* valid while the archive is open */
  uint64_t bytes;   /* size of the contents that the archive declares */
  uint64_t packed;  /* size of the compressed contents */
  bool stored;      /* not compressed */
} scion_zip_entry;

scion_status scion_zip_open(scion_zip **archive, const char *path);
void scion_zip_close(scion_zip *archive); /* NULL is fine */
/* Entry number i, in the archive's order; false if there are no more. */
bool scion_zip_entry_at(const scion_zip *archive, size_t i, scion_zip_entry *entry);
/* Fills a contiguous u8 tensor with an entry's bytes from `offset` on. */
scion_status scion_zip_read(scion_zip *archive, const char *name, uint64_t offset, scion_tensor *t);
/* Writes the contents of an entry to an open file, for libraries that cannot read archives. */
scion_status scion_zip_copy(scion_zip *archive, const char *name, int descriptor);

/* ---------------------------------------------------------------- hashes and files of rows (files/hash.c, files/row_file.c)
 * For caches on the disk. The hash is XXH3 (xxHash), which is fast but not cryptographic. */

#define SCION_HASH_BYTES 16

/* 128 bits, the same on every machine. */
void scion_hash_bytes(const void *data, size_t bytes, unsigned char hash[SCION_HASH_BYTES]);
/* The hash of a tensor's dtype, shape and elements, without the gaps between its rows. */
scion_status scion_hash_tensor(const scion_tensor *t, unsigned char hash[SCION_HASH_BYTES]);
/* The hash of a regular file's contents. SCION_WORLD, with the path in the message, if it cannot be read; SCION_SYSTEM if files or memory ran
 * out, or the disk failed. */
scion_status scion_hash_file(const char *path, unsigned char hash[SCION_HASH_BYTES]);
uint64_t scion_checksum(const void *data, size_t bytes, uint64_t seed); /* 64 bits */
/* By these numbers a regular file is recognized as unchanged: its size, and the times at which its contents and its inode last
 * changed, in nanoseconds. *age = seconds since its contents changed. If that is small, another change may have left the same stamp,
 * since file systems keep coarse times. */
scion_status scion_file_stamp(const char *path, int64_t stamp[3], double *age);

/* The path of a file that is installed in the core's own folder (files/beside.c), to be freed; NULL where that cannot be told. */
char *scion_path_beside_core(const char *name);

/* The entries of a folder (files/listing.c), without the hidden ones, whose names begin with a dot. They are ordered by the bytes of their
 * names. The name of a folder, or of a link to one, ends in "/", so that going down into each folder in this order gives all paths in the
 * order of their bytes. */
typedef struct scion_listing scion_listing;
/* SCION_WORLD, with the path in the message, if the folder cannot be read; SCION_SYSTEM if files or memory ran out. */
scion_status scion_listing_new(scion_listing **listing, const char *path);
/* The name of entry i, from 0, and whether it is a link to a folder or to nothing; NULL if there are no more. */
const char *scion_listing_name(const scion_listing *listing, size_t i, bool *link);
void scion_listing_free(scion_listing *listing); /* NULL is fine */

/* A file of rows of equal length. A row is found by the number of its record and verified by its key and a checksum. Several processes
 * may read and append at once. There is no fsync: rows that a crash damages fail their checksum. A full disk, and whatever else goes
 * wrong with the file, is SCION_WORLD. */
typedef struct scion_row_file scion_row_file;

/* Opens the file, or creates it. If its header is damaged or says another row length, the file is emptied. row_bytes is at least 1. */
scion_status scion_row_file_open(scion_row_file **file, const char *path, size_t row_bytes);
void scion_row_file_close(scion_row_file *file); /* NULL is fine */
size_t scion_row_file_bytes(const scion_row_file *file); /* bytes of a row */
scion_status scion_row_file_count(const scion_row_file *file, int64_t *count); /* current number of records, including unfinished ones */
/* The key of a record, all zeros if the record is unfinished or does not exist. */
scion_status scion_row_file_key(const scion_row_file *file, int64_t record, unsigned char key[SCION_HASH_BYTES]);
/* Reads the row of a record into row [row_bytes]. SCION_WORLD if the record has another key or fails its checksum; row may be
 * overwritten even then. */
scion_status scion_row_file_read(const scion_row_file *file, int64_t record, const unsigned char key[SCION_HASH_BYTES], void *row);
/* Appends rows as records *first .. *first + count - 1. A key must not be all zeros. After a failure some of the rows may have been
 * written. */
scion_status scion_row_file_append(scion_row_file *file, int64_t count, const unsigned char *const *keys, const void *const *rows,
                                   int64_t *first);

/* ---------------------------------------------------------------- locks (files/lock.c) */

typedef struct scion_lock {
  int descriptor; /* -1: not locked */
  uint64_t device, inode; /* of the file */
  struct scion_lock *next;
  char *path; /* of a file that is removed with the lock; NULL: it stays */
} scion_lock;

/* Locks a regular file, which is created if there is none, and waits while another process holds its lock. SCION_MISUSE if this
 * process holds it or waits for it already, since it would wait for itself. The struct must not be moved until it is released. */
scion_status scion_lock_take(scion_lock *lock, const char *path);
/* Locks an empty file that is there only as long as the lock, unless somebody holds it, in this process or in another: then *taken is false.
 * A process that is killed leaves the file, and no lock. Where a file system has no locks, there is the file alone. */
scion_status scion_lock_try(scion_lock *lock, const char *path, bool *taken);
/* Programs that this process starts from here on hold the lock with it, until they end: a download goes on where the process that
 * started it was killed, and nobody else may begin one meanwhile. */
void scion_lock_inherit(const scion_lock *lock);
void scion_lock_release(scion_lock *lock); /* may be called again */
/* Whether this process holds, or waits for, the lock of the file that `descriptor` refers to. */
bool scion_lock_held(int descriptor);

/* ---------------------------------------------------------------- images (image/)
 * Images are u8 RGB, contiguous [H,W,3], rows from top to bottom. A missing or damaged file is SCION_WORLD, too many open files and a
 * failing disk are SCION_SYSTEM; the message names the path. */

#define SCION_MAX_PIXELS ((int64_t)1 << 28) /* the largest image that there can be */
#define SCION_MAX_IMAGE_FILE ((int64_t)1 << 30) /* bytes of the largest file that is read as an image */
#define SCION_USUAL_PIXELS 178956970        /* larger files are refused unless allowed: they may be small and made to fill the memory. Pillow's limit */

/* How image files are decoded. {0}: as Pillow's convert("RGB") does. */
typedef struct {
  int64_t max_pixels;  /* an image of more is refused before memory is allocated for it; 1 .. SCION_MAX_PIXELS, or 0: SCION_USUAL_PIXELS */
  bool composite;      /* transparent pixels are laid upon the background; else opacity is dropped */
  unsigned char background[3]; /* red, green, blue */
  bool keep_truncated; /* a JPEG whose end is missing is no error; what is missing becomes grey or repeats what was there */
} scion_decoding;

/* *image = a new tensor from a JPEG, PNG, WebP or GIF file, which is recognized by its contents and has at most 1 GiB. The orientation in
 * EXIF data is applied. A truncated or damaged file is an error, but what follows the last pixel may be missing. JPEG: gray, CMYK and YCCK
 * become RGB. PNG: of 16 bits the upper 8 are kept; but 16 bits of gray are cut off at 255, since Pillow takes them for numbers. WebP and
 * GIF: the first picture of an animation, on its whole canvas. They are read by libwebp and giflib where Scion was built with these, and
 * are SCION_SYSTEM where it was not. */
scion_status scion_image_load(const char *path, const scion_decoding *decoding, scion_tensor *image);
/* What a file really is by its first bytes, such as "a HEIC image", "an HTML page" or "a JPEG image"; NULL: unknown, or it cannot be read. */
const char *scion_image_format_name(const char *path);
/* Writes a PNG file, or a JPEG file of quality 95, by the path's extension: .png, .jpg or .jpeg, else SCION_MISUSE. The file is written
 * atomically, see scion_new_file. */
scion_status scion_image_save(const char *path, const scion_tensor *image);
/* *bytes = a new tensor u8 [N]: what a JPEG file of that quality, 1 .. 100, holds. */
scion_status scion_image_encode(const scion_tensor *image, int quality, scion_tensor *bytes);

/* Filters of a resize: the nearest pixel; and three with antialiasing, where `area` is the mean of the pixels that a new one covers. */
typedef enum { SCION_FILTER_NEAREST, SCION_FILTER_BILINEAR, SCION_FILTER_BICUBIC, SCION_FILTER_AREA, SCION_FILTERS } scion_filter;
/* A part of an image: its edges, in pixels from the left and from the top; {0, 0, W, H} is all of it. */
typedef struct {
  double left, top, right, bottom;
} scion_box;
/* Resizes the part of x in the box (NULL: all of it), which may cut through pixels, to the size of y. Both are [H,W,3] or [N,H,W,3]. Every
 * byte is equal to that of Pillow 13's Image.resize(NEAREST, BILINEAR, BICUBIC or BOX, box). */
scion_status scion_image_resize(const scion_tensor *x, scion_tensor *y, const scion_box *box, scion_filter filter);

/* *sheet = a new tensor, a picture of the tiles u8 [N,H,W,3] in rows of `columns`, each with a line of text below it, as far as it fits the
 * width. ASCII, a few more Latin letters and accents that follow their letter as characters of their own are drawn, other characters of UTF-8 are
 * boxes; a character is 6 x 8 dots of scale x scale pixels (image/font.h). */
scion_status scion_image_sheet(const scion_tensor *tiles, const char *const *texts, int columns, int scale, scion_tensor *sheet);
/* Whether the font has all of a text's characters. */
bool scion_image_sheet_writes(const char *text);

/* ---- what lies in image files, for finding broken and doubled ones (image/header.c, look.c, examine.c) */

typedef enum { SCION_FORMAT_OTHER, SCION_FORMAT_JPEG, SCION_FORMAT_PNG, SCION_FORMAT_GIF, SCION_FORMAT_WEBP } scion_format;
/* deep: 16 bits of grey in a PNG file, which are cut off at 255 */
typedef enum { SCION_MODE_COLOUR, SCION_MODE_GREY, SCION_MODE_CMYK, SCION_MODE_DEEP_GREY } scion_image_mode;

#define SCION_LOOK_SIDE 32 /* pixels a side of the image that a look is taken from */
typedef struct {
  uint64_t hash;
  unsigned char tiles[64];
} scion_image_look;

typedef struct {
  scion_status status;                     /* SCION_OK, or why it cannot be read; then only what the header tells is filled in */
  char message[256];                       /* without the path */
  int64_t bytes;
  unsigned char content[SCION_HASH_BYTES]; /* hash of the bytes */
  scion_format format;                     /* by content */
  scion_image_mode mode;                   /* as stored */
  bool alpha;                              /* it has transparent pixels, and looks otherwise on white than with opacity dropped */
  int height, width;                       /* upright */
  int orientation;                         /* EXIF's, 1 .. 8 */
  scion_image_look look;
} scion_image_facts;

/* Reads and decodes each file once, in the threads of scion_parallel_for. A failure of one file is told in its facts. `interrupted` (or NULL)
 * is asked before each file: once it is true none is begun any more, and the facts of the others are not set. */
scion_status scion_image_examine(const char *const *paths, int64_t count, const scion_decoding *decoding, bool (*interrupted)(void),
                                 scion_image_facts *facts);
/* The same for images in memory: number first .. first + count - 1 of u8 [N,H,W,3]. `content` is the hash of the pixels. */
scion_status scion_image_examine_pixels(const scion_tensor *images, int64_t first, int64_t count, scion_image_facts *facts);
/* nearest[i] = which of `among` [others] looks most like looks[i], so much that they are copies; -1: none does. among = NULL: the
 * earlier ones, looks[0 .. i-1]. The time grows with count * others, to minutes; `interrupted` (or NULL) is asked before every few looks: once it
 * is true no more are compared, and the rest of nearest is not set. */
scion_status scion_image_alike(const scion_image_look *looks, int64_t count, const scion_image_look *among, int64_t others, bool (*interrupted)(void),
                               int32_t *nearest);

/* What pixels outside of an image count as: the nearest pixel of its edge; a constant value; the image mirrored at its edge
 * (d c b a | a b c d | d c b a); the image repeated with a period of size - 1, which is SciPy's and thus Keras's "wrap". */
typedef enum { SCION_FILL_NEAREST, SCION_FILL_CONSTANT, SCION_FILL_REFLECT, SCION_FILL_WRAP, SCION_FILLS } scion_fill;

/* A change of one image. Pixel (x, y) of the result (column, row) is interpolated bilinearly at column m0*x + m1*y + m2 and row
 * m3*x + m4*y + m5 of the original. Then each channel becomes value * gain + shift, rounded and clamped to 0 .. 255. Matrix
 * {1,0,0, 0,1,0}, gain 1 and shift {0,0,0} change nothing. */
typedef struct {
  double matrix[6];
  float gain, shift[3];
} scion_warp;
/* y = x changed by a warp. x and y [H,W,3] have the same size and share no memory. `value` is that of SCION_FILL_CONSTANT. */
scion_status scion_image_warp(const scion_tensor *x, scion_tensor *y, const scion_warp *warp, scion_fill fill, unsigned char value);

/* Changes an image [H,W,3] in place by the operation `name`, which takes `count` numbers: image/ops/ops.h tells what each does. These are
 * brightness, contrast, saturation, sharpness (a factor), hue (a fraction), gray, invert, posterize (bits), solarize (a threshold), equalize,
 * autocontrast, gaussian_blur (size, sigma), jpeg (quality), channel_shift (levels), matrix (12), erase (top, left, height, width, 3 bytes) and
 * erase_noise (top, left, height, width, seed). */
scion_status scion_image_op(scion_tensor *image, const char *name, const double *amounts, int count);
/* y = examples of a batch x, each mixed with example partner[i] (i32 [N], from 0). x and y are contiguous, of one shape [N,..] and dtype,
 * u8 or f32, and share no memory. share, 0 .. 1, is that of an example itself.
 * mixup: y[i] = share x[i] + (1 - share) x[partner[i]], where bytes are rounded. It serves images and rows of targets alike.
 * cutmix: y[i] = x[i] with a box of x[partner[i]] around pixel (row, column) of an image [H,W,C], sqrt(1 - share) times as high and as wide;
 * what lies outside the image is cut off. *kept = the share of the pixels that remain, by which the targets are then mixed. */
scion_status scion_mixup(const scion_tensor *x, const scion_tensor *partner, double share, scion_tensor *y);
scion_status scion_cutmix(const scion_tensor *x, const scion_tensor *partner, double share, int64_t row, int64_t column, scion_tensor *y,
                          double *kept);

/* ---- stages (image/stages.def, image/pipeline.c): random changes of training images, one after the other.
 * What a stage draws depends on (seed, epoch, index of the image, its counter) alone. Stages of geometry next to each other are folded into
 * one matrix and one resampling. Where the result is a part of the image with sides along its sides, perhaps flipped, it is a resize, as of
 * scion_image_resize, of that part (cut out before by a stage `crop`). Else it is a bilinear warp; where that shrinks, the part that it reads is first resized, along each
 * axis, to one pixel a pixel of the result, so that no pixel is passed over. What an earlier stage moved out of the picture a later one in the
 * same fold may bring back. Stages of colour next to each other are folded into one affine change, which is clipped once, at its end. */

/* How an image of another shape becomes as large as wanted: by other factors for height and width; by its largest middle part; as a whole,
 * with a border of one value (Pillow's ImageOps.fit and ImageOps.pad). */
typedef enum { SCION_FIT_SQUASH, SCION_FIT_CROP, SCION_FIT_PAD, SCION_FITS } scion_fit;

#define SCION_STAGE_NUMBERS 16

typedef struct {
  int op;               /* of scion_stage_find */
  double p;             /* the probability that it is applied */
  uint32_t counter;     /* of its first draw; the 256 from there on are its own */
  int members;          /* a stage of members: how many of the stages after it are its members */
  scion_fill fill;      /* of a stage of geometry that reaches outside of the image; SCION_FILLS: it does not */
  unsigned char fill_value;
  double numbers[SCION_STAGE_NUMBERS]; /* in the order of scion_stage_number */
} scion_stage;

/* A row of stages.def, by its name; -1: there is none. */
int scion_stage_find(const char *name);
/* The name of its number i, from 0; NULL after the last one. */
const char *scion_stage_number(int op, int i);

/* ---- the loader (image/loader.c): its own threads read, decode, resize and randomly change images in advance, while training goes on.
 * Batches do not depend on the number of threads. Only one thread at a time may call a loader's functions. */

typedef struct scion_loader scion_loader;

/* Decoded and resized images of loaders, kept in memory for later passes: up to `count` images of one size and up to `budget` bytes. When
 * it is full, further images are decoded again in each pass, and so is a file that has changed. Loaders may share a store. It is
 * reference-counted. */
typedef struct scion_image_store scion_image_store;

/* A new, empty one, for images of height x width. */
scion_status scion_image_store_new(scion_image_store **store, int64_t count, int height, int width, size_t budget);
void scion_image_store_release(scion_image_store *store); /* NULL is fine */
size_t scion_image_store_bytes(const scion_image_store *store); /* bytes currently in use */

typedef struct {
  const char *const *paths;    /* `count` files (copied); or NULL, and then `images` is used */
  const scion_tensor *images;  /* u8 [count,H,W,3], contiguous (its storage is retained) */
  int64_t count;                /* 0 .. 2^31 - 1 */
  int height, width;            /* size of the resulting images */
  int workers;                  /* threads, 1 .. SCION_MAX_THREADS */
  int ahead;                    /* batches that may be ready or in progress, 1 .. 1024 */
  uint64_t seed;
  scion_fit fit;                /* of images of another shape */
  unsigned char fit_value;      /* of the border of SCION_FIT_PAD */
  scion_filter filter;          /* of a resize */
  /* `stage_count` of them, copied. They change resized images, unless one of them is of kind CROP: then they change decoded ones, of which
   * the store keeps none. */
  const scion_stage *stages;
  int stage_count;
  /* libjpeg can decode a large JPEG at 1/2, 1/4 or 1/8 of its size, which is faster. The smallest of these sizes is used that is at
   * least reducing_gap times as high and as wide as the result, and it is then resized to the result. An image smaller than
   * 2 * reducing_gap times the result is thus decoded at full size. The result is equal to that of Pillow's draft(), for reducing_gap
   * times the size, and resize() with the box that it gives. With 2 it can hardly be distinguished from that of the full size. 1 .. 1e6, or 0: always full size. */
  double reducing_gap;
  scion_decoding decoding;
  scion_image_store *store; /* or NULL; made for `count` images of height x width, and only with paths; retained */
  bool (*interrupted)(void); /* or NULL; asked by the workers before each image: once it is true none is begun any more, and the pass ends */
} scion_loader_options;

scion_status scion_loader_new(scion_loader **loader, const scion_loader_options *options);
int64_t scion_loader_count(const scion_loader *loader); /* number of its files or images */
/* Begins a pass over the images with indices order[0 .. n-1] (NULL: 0 .. n-1), in batches of `batch`; the last one may be smaller. An index of
 * -1 is a place that stays empty: its batch has an image less. `epoch` is what stages draw for. A pass in progress is abandoned. */
scion_status scion_loader_start(scion_loader *loader, const int32_t *order, int64_t n, int64_t batch, uint32_t epoch);
/* Waits for the next batch: *images = u8 [n,H,W,3] and *indices = i32 [n], new tensors that the caller releases. Missing or damaged
 * images are left out, so n may be 0. If an image cannot be read for another reason (SCION_SYSTEM, SCION_NO_MEMORY), the call fails, no
 * batch is returned, and the pass cannot continue. At the end of the pass, and where it was interrupted before the batch was complete, both
 * tensors have no storage (NULL). */
scion_status scion_loader_next(scion_loader *loader, scion_tensor *images, scion_tensor *indices);
/* Why the i-th of the images that were left out of the last batch could not be read, and its *index; NULL if there are no more. Valid
 * until the next batch, start or stop. */
const char *scion_loader_failure(const scion_loader *loader, int64_t i, int32_t *index);
/* Ends the pass, even if it is not complete, and the threads. The loader may be started again. */
void scion_loader_stop(scion_loader *loader);
/* Stops the loader and frees it; NULL is fine. In a process that was forked during a pass it does nothing, since the threads exist in
 * the parent alone. */
void scion_loader_free(scion_loader *loader);

#endif
