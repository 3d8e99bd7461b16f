/* Elementwise work, cut into blocks: some rows, all or a part of their columns, the same of every tensor. The cut depends on
 * shapes alone. Tensors without gaps are one long row when channels do not matter. */
#ifndef SCION_BLOCKS_H
#define SCION_BLOCKS_H

#include "loops.h"

/* Columns of a block at most, so that two rows of parameters fit into a thread's scratch many times over. */
#define SCION_BLOCK_ELEMENTS ((int64_t)16384)

typedef void scion_block_function(const scion_block *block, void *data, float *scratch);

/* Calls fn for every block of a, b and y: of one shape, b and y perhaps NULL. Each is f32, or bf16 that fn sees as f32, since it
 * is converted on the way; what y holds, too, where fn adds to it (accumulate). per_channel: block->column is a channel. scratch:
 * 4 * SCION_BLOCK_ELEMENTS floats. */
scion_status scion_for_blocks(const scion_tensor *a, const scion_tensor *b, const scion_tensor *y, bool accumulate, bool per_channel,
                              scion_block_function *fn, void *data);

/* The same for these rows alone, on this thread and in order: one block where all are f32, else several of some rows and columns. Any
 * of a, b and y may be NULL. scratch: that of a chunk. */
void scion_for_rows(const scion_tensor *a, const scion_tensor *b, const scion_tensor *y, bool accumulate, int64_t row, int64_t rows,
                    scion_block_function *fn, void *data, void *scratch);

#endif
