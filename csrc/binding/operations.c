/* The table of kernels, one row each, and core.run, which executes one at once. */
#include "operations.h"

#include <stdio.h>
#include <string.h>

/* ---- the rows: t holds the operands in the order of the row's names */

#define ROW(name) static scion_status run_##name(scion_tensor *const *t, const scion_options *o)
#define UNUSED_OPTIONS ((void)o)

ROW(conv2d_pack) { UNUSED_OPTIONS; return scion_conv2d_pack(t[0], t[1], t[2]); }
ROW(conv2d_pack_transposed) { return scion_conv2d_pack_transposed(t[0], t[1], &o->window, t[2]); }
ROW(conv2d_forward) { return scion_conv2d_forward(t[0], t[1], t[2], t[3], t[4], &o->window, o->activation); }
ROW(winograd_pack) { UNUSED_OPTIONS; return scion_winograd_pack(t[0], t[1], t[2]); }
ROW(winograd_pack_transposed) { UNUSED_OPTIONS; return scion_winograd_pack_transposed(t[0], t[1], t[2]); }
ROW(winograd_forward) { return scion_winograd_forward(t[0], t[1], t[2], t[3], t[4], &o->window, o->activation); }
ROW(winograd_backward_input) { return scion_winograd_backward_input(t[0], t[1], t[2], &o->window, o->accumulate); }
ROW(winograd_backward_weights) { return scion_winograd_backward_weights(t[0], t[1], t[2], &o->window); }
ROW(conv2d_bf16_pack) { UNUSED_OPTIONS; return scion_conv2d_bf16_pack(t[0], t[1], t[2]); }
ROW(conv2d_bf16_forward) { return scion_conv2d_bf16_forward(t[0], t[1], t[2], t[3], t[4], &o->window, o->activation); }
ROW(conv2d_backward_input) { return scion_conv2d_backward_input(t[0], t[1], t[2], &o->window, o->accumulate); }
ROW(conv2d_backward_weights) { return scion_conv2d_backward_weights(t[0], t[1], t[2], &o->window); }
ROW(epilogue_backward) { return scion_epilogue_backward(t[0], t[1], t[2], o->activation); }
ROW(depthwise_forward) { return scion_depthwise_forward(t[0], t[1], t[2], t[3], t[4], &o->window, o->activation); }
ROW(depthwise_backward_input) { return scion_depthwise_backward_input(t[0], t[1], t[2], t[3], &o->window, o->accumulate); }
ROW(depthwise_backward_weights) { return scion_depthwise_backward_weights(t[0], t[1], t[2], &o->window); }
ROW(dense_forward) { return scion_dense_forward(t[0], t[1], t[2], t[3], o->activation); }
ROW(dense_backward_input) { return scion_dense_backward_input(t[0], t[1], t[2], o->accumulate); }
ROW(dense_backward_weights) { UNUSED_OPTIONS; return scion_dense_backward_weights(t[0], t[1], t[2]); }
ROW(max_pool_forward) { return scion_max_pool_forward(t[0], t[1], &o->window); }
ROW(max_pool_backward) { return scion_max_pool_backward(t[0], t[1], t[2], t[3], &o->window, o->accumulate); }
ROW(average_pool_forward) { return scion_average_pool_forward(t[0], t[1], &o->window, o->include_padding); }
ROW(average_pool_backward) { return scion_average_pool_backward(t[0], t[1], &o->window, o->include_padding, o->accumulate); }
ROW(global_average_pool_forward) { UNUSED_OPTIONS; return scion_global_average_pool_forward(t[0], t[1]); }
ROW(global_average_pool_backward) { return scion_global_average_pool_backward(t[0], t[1], o->accumulate); }
ROW(global_max_pool_forward) { UNUSED_OPTIONS; return scion_global_max_pool_forward(t[0], t[1]); }
ROW(global_max_pool_backward) { return scion_global_max_pool_backward(t[0], t[1], t[2], t[3], o->accumulate); }
ROW(batch_norm_fold) { return scion_batch_norm_fold(t[0], t[1], t[2], t[3], t[4], t[5], t[6], o->epsilon); }
ROW(batch_norm_unfold) { return scion_batch_norm_unfold(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], o->epsilon); }
ROW(scale_shift_forward) { return scion_scale_shift_forward(t[0], t[1], t[2], t[3], o->activation); }
ROW(batch_norm_stored_backward) {
  return scion_batch_norm_stored_backward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], o->epsilon, o->accumulate);
}
ROW(batch_norm_batch_forward) {
  return scion_batch_norm_batch_forward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], o->epsilon, o->momentum, o->activation);
}
ROW(batch_norm_batch_backward) {
  return scion_batch_norm_batch_backward(t[0], t[1], t[2], t[3], t[4], t[5], t[6], t[7], o->accumulate);
}
ROW(activation_forward) { return scion_activation_forward(t[0], t[1], o->activation); }
ROW(activation_backward) { return scion_activation_backward(t[0], t[1], t[2], o->activation, o->accumulate); }
ROW(softmax_forward) { UNUSED_OPTIONS; return scion_softmax_forward(t[0], t[1]); }
ROW(softmax_backward) { return scion_softmax_backward(t[0], t[1], t[2], o->accumulate); }
ROW(add_forward) { return scion_add_forward(t[0], t[1], t[2], o->activation); }
ROW(multiply_forward) { UNUSED_OPTIONS; return scion_multiply_forward(t[0], t[1], t[2]); }
ROW(multiply_backward) { return scion_multiply_backward(t[0], t[1], t[2], o->accumulate); }
ROW(scaled_add_forward) { return scion_scaled_add_forward(t[0], t[1], t[2], o->rate, o->activation); }
ROW(scaled_add_backward) { return scion_scaled_add_backward(t[0], t[1], o->rate, o->accumulate); }
ROW(scale_channels_forward) { UNUSED_OPTIONS; return scion_scale_channels_forward(t[0], t[1], t[2]); }
ROW(scale_channels_backward_input) { return scion_scale_channels_backward_input(t[0], t[1], t[2], o->accumulate); }
ROW(scale_channels_backward_scale) { return scion_scale_channels_backward_scale(t[0], t[1], t[2], o->accumulate); }
ROW(gate_forward) { return scion_gate_forward(t[0], t[1], o->gate); }
ROW(gate_backward) { return scion_gate_backward(t[0], t[1], t[2], o->gate, o->accumulate); }
ROW(adaptive_average_pool_forward) { UNUSED_OPTIONS; return scion_adaptive_average_pool_forward(t[0], t[1]); }
ROW(adaptive_average_pool_backward) { return scion_adaptive_average_pool_backward(t[0], t[1], o->accumulate); }
ROW(upsample_forward) { return scion_upsample_forward(t[0], t[1], o->bilinear); }
ROW(upsample_backward) { return scion_upsample_backward(t[0], t[1], o->bilinear, o->accumulate); }
ROW(response_norm_forward) { return scion_response_norm_forward(t[0], t[1], o->size, o->alpha, o->beta, o->k); }
ROW(response_norm_backward) { return scion_response_norm_backward(t[0], t[1], t[2], o->size, o->alpha, o->beta, o->k, o->accumulate); }
ROW(dropout) { return scion_dropout(t[0], t[1], o->rate, o->examples, o->seed, (uint32_t)o->step, o->stream, o->accumulate); }
ROW(zero_pad_forward) { return scion_zero_pad_forward(t[0], t[1], o->top, o->left); }
ROW(zero_pad_backward) { return scion_zero_pad_backward(t[0], t[1], o->top, o->left, o->accumulate); }
ROW(preprocess) { return scion_preprocess(t[0], t[1], o->scale, o->shift, o->reverse); }
ROW(copy) { return scion_tensor_copy(t[0], t[1], o->accumulate); }
ROW(softmax_cross_entropy) { UNUSED_OPTIONS; return scion_softmax_cross_entropy(t[0], t[1], t[2], t[3], t[4], t[5]); }
ROW(sigmoid_cross_entropy) { UNUSED_OPTIONS; return scion_sigmoid_cross_entropy(t[0], t[1], t[2], t[3], t[4], t[5]); }
ROW(mean_squared_error) { UNUSED_OPTIONS; return scion_mean_squared_error(t[0], t[1], t[2], t[3], t[4]); }
ROW(confusion) { return scion_confusion(t[0], t[1], t[2], o->threshold); }
ROW(sgd_update) { return scion_sgd_update(t[0], t[1], t[2], o->lr, o->momentum, o->nesterov, o->decay); }
ROW(rmsprop_update) { return scion_rmsprop_update(t[0], t[1], t[2], t[3], o->lr, o->rho, o->momentum, o->epsilon, o->decay); }
ROW(adam_update) { return scion_adam_update(t[0], t[1], t[2], t[3], o->lr, o->beta1, o->beta2, o->epsilon, o->step, o->decay); }

static const scion_operation rows[] = {
  {"conv2d_pack", "kernel scale? packed!", "", run_conv2d_pack},
  {"conv2d_pack_transposed", "kernel scale? packed!", "window", run_conv2d_pack_transposed},
  {"conv2d_forward", "x packed bias? addend? y!", "window activation", run_conv2d_forward},
  {"winograd_pack", "kernel scale? packed!", "", run_winograd_pack},
  {"winograd_pack_transposed", "kernel scale? packed!", "", run_winograd_pack_transposed},
  {"winograd_forward", "x packed bias? addend? y!", "window activation", run_winograd_forward},
  {"winograd_backward_input", "dy packed dx!", "window accumulate", run_winograd_backward_input},
  {"winograd_backward_weights", "x dy dw!", "window", run_winograd_backward_weights},
  {"conv2d_bf16_pack", "kernel scale? packed!", "", run_conv2d_bf16_pack},
  {"conv2d_bf16_forward", "x packed bias? addend? y!", "window activation", run_conv2d_bf16_forward},
  {"conv2d_backward_input", "dy packed dx!", "window accumulate", run_conv2d_backward_input},
  {"conv2d_backward_weights", "x dy dw!", "window", run_conv2d_backward_weights},
  {"epilogue_backward", "y? dy! db?!", "activation", run_epilogue_backward},
  {"depthwise_forward", "x kernel scale? bias? y!", "window activation", run_depthwise_forward},
  {"depthwise_backward_input", "dy kernel scale? dx!", "window accumulate", run_depthwise_backward_input},
  {"depthwise_backward_weights", "x dy dw!", "window", run_depthwise_backward_weights},
  {"dense_forward", "x kernel bias? y!", "activation", run_dense_forward},
  {"dense_backward_input", "dy kernel dx!", "accumulate", run_dense_backward_input},
  {"dense_backward_weights", "x dy dw!", "", run_dense_backward_weights},
  {"max_pool_forward", "x y!", "window", run_max_pool_forward},
  {"max_pool_backward", "x y dy dx!", "window accumulate", run_max_pool_backward},
  {"average_pool_forward", "x y!", "window include_padding", run_average_pool_forward},
  {"average_pool_backward", "dy dx!", "window include_padding accumulate", run_average_pool_backward},
  {"global_average_pool_forward", "x y!", "", run_global_average_pool_forward},
  {"global_average_pool_backward", "dy dx!", "accumulate", run_global_average_pool_backward},
  {"global_max_pool_forward", "x y!", "", run_global_max_pool_forward},
  {"global_max_pool_backward", "x y dy dx!", "accumulate", run_global_max_pool_backward},
  {"batch_norm_fold", "gamma? beta? mean variance bias? scale! shift!", "epsilon", run_batch_norm_fold},
  {"batch_norm_unfold", "kernel db mean variance bias? scale dw! dgamma!", "epsilon", run_batch_norm_unfold},
  {"scale_shift_forward", "x scale? shift? y!", "activation", run_scale_shift_forward},
  {"batch_norm_stored_backward", "x? dy mean? variance? scale dx?! dgamma?! dbeta?!", "epsilon accumulate", run_batch_norm_stored_backward},
  {"batch_norm_batch_forward", "x gamma? beta? moving_mean! moving_variance! saved_mean! saved_rstd! y!", "epsilon momentum activation",
   run_batch_norm_batch_forward},
  {"batch_norm_batch_backward", "x dy gamma? saved_mean saved_rstd dx?! dgamma?! dbeta?!", "accumulate", run_batch_norm_batch_backward},
  {"activation_forward", "x y!", "activation", run_activation_forward},
  {"activation_backward", "y dy dx!", "activation accumulate", run_activation_backward},
  {"softmax_forward", "x y!", "", run_softmax_forward},
  {"softmax_backward", "y dy dx!", "accumulate", run_softmax_backward},
  {"add_forward", "a b y!", "activation", run_add_forward},
  {"multiply_forward", "a b y!", "", run_multiply_forward},
  {"multiply_backward", "dy b da!", "accumulate", run_multiply_backward},
  {"scaled_add_forward", "a b y!", "rate activation", run_scaled_add_forward},
  {"scaled_add_backward", "dy db!", "rate accumulate", run_scaled_add_backward},
  {"scale_channels_forward", "x s y!", "", run_scale_channels_forward},
  {"scale_channels_backward_input", "dy s dx!", "accumulate", run_scale_channels_backward_input},
  {"scale_channels_backward_scale", "x dy ds!", "accumulate", run_scale_channels_backward_scale},
  {"gate_forward", "x y!", "gate", run_gate_forward},
  {"gate_backward", "x dy dx!", "gate accumulate", run_gate_backward},
  {"adaptive_average_pool_forward", "x y!", "", run_adaptive_average_pool_forward},
  {"adaptive_average_pool_backward", "dy dx!", "accumulate", run_adaptive_average_pool_backward},
  {"upsample_forward", "x y!", "bilinear", run_upsample_forward},
  {"upsample_backward", "dy dx!", "bilinear accumulate", run_upsample_backward},
  {"response_norm_forward", "x y!", "size alpha beta k", run_response_norm_forward},
  {"response_norm_backward", "x dy dx!", "size alpha beta k accumulate", run_response_norm_backward},
  {"dropout", "x y!", "rate examples seed stream accumulate step", run_dropout},
  {"zero_pad_forward", "x y!", "top left", run_zero_pad_forward},
  {"zero_pad_backward", "dy dx!", "top left accumulate", run_zero_pad_backward},
  {"preprocess", "x y!", "scale_by shift_by reverse", run_preprocess},
  {"copy", "x y!", "accumulate", run_copy},
  {"softmax_cross_entropy", "x labels weights? probabilities! losses! dx?!", "", run_softmax_cross_entropy},
  {"sigmoid_cross_entropy", "x labels weights? probabilities! losses! dx?!", "", run_sigmoid_cross_entropy},
  {"mean_squared_error", "x labels weights? losses! dx?!", "", run_mean_squared_error},
  {"confusion", "x labels counts!", "threshold", run_confusion},
  {"sgd_update", "w! g m?!", "lr momentum nesterov decay", run_sgd_update},
  {"rmsprop_update", "w! g v! m?!", "lr rho momentum epsilon decay", run_rmsprop_update},
  {"adam_update", "w! g m! v!", "lr beta1 beta2 epsilon step decay", run_adam_update},
};

/* ---- reading a step's table */

const scion_operation *scion_check_operation(lua_State *L, int index) {
  lua_geti(L, index, 1);
  const char *name = lua_tostring(L, -1);
  for (size_t i = 0; name && i < sizeof rows / sizeof rows[0]; i++)
    if (strcmp(rows[i].name, name) == 0) {
      lua_pop(L, 1);
      return &rows[i];
    }
  luaL_error(L, "unknown operation '%s'", name ? name : "?");
  return NULL;
}

int scion_operands(const scion_operation *operation, scion_operand operands[SCION_MAX_OPERANDS]) {
  int count = 0;
  for (const char *p = operation->operands; *p && count < SCION_MAX_OPERANDS; count++) {
    size_t length = strcspn(p, "?! ");
    scion_operand *operand = &operands[count];
    *operand = (scion_operand){.optional = false};
    memcpy(operand->name, p, length < sizeof operand->name ? length : sizeof operand->name - 1);
    for (p += length; *p && *p != ' '; p++) *(*p == '?' ? &operand->optional : &operand->written) = true;
    if (*p) p++;
  }
  return count;
}

/* A pair such as {2, 3}, or 2 for both. */
static void read_pair(lua_State *L, int window, const char *name, int pair[2]) {
  lua_getfield(L, window, name);
  for (int i = 0; i < 2; i++) {
    lua_geti(L, -1, i + 1);
    pair[i] = (int)luaL_checkinteger(L, -1);
    lua_pop(L, 1);
  }
  lua_pop(L, 1);
}

static void read_window(lua_State *L, int index, scion_window *window) {
  index = lua_absindex(L, index);
  luaL_checktype(L, index, LUA_TTABLE);
  read_pair(L, index, "kernel", window->kernel);
  read_pair(L, index, "stride", window->stride);
  read_pair(L, index, "dilation", window->dilation);
  read_pair(L, index, "before", window->before);
  read_pair(L, index, "after", window->after);
}

static scion_activation read_activation(lua_State *L, int index) {
  static const char *const names[] = {"linear", "relu", "relu6", "sigmoid", "tanh"};
  const char *name = luaL_checkstring(L, index);
  for (int i = 0; i < SCION_ACTIVATIONS; i++)
    if (strcmp(name, names[i]) == 0) return (scion_activation)i;
  luaL_error(L, "unknown activation '%s'", name);
  return SCION_LINEAR;
}

static scion_gate read_gate(lua_State *L, int index) {
  static const char *const names[] = {"swish", "hard_swish", "hard_sigmoid"};
  const char *name = luaL_checkstring(L, index);
  for (int i = 0; i < SCION_GATES; i++)
    if (strcmp(name, names[i]) == 0) return (scion_gate)i;
  luaL_error(L, "unknown gate '%s'", name);
  return SCION_SWISH;
}

static void read_triple(lua_State *L, int index, float triple[3]) {
  for (int i = 0; i < 3; i++) {
    lua_geti(L, index, i + 1);
    triple[i] = (float)luaL_checknumber(L, -1);
    lua_pop(L, 1);
  }
}

/* Reads the value on top of the stack as the option of that name; false if there is no such option. */
static bool read_option(lua_State *L, const char *name, scion_options *o) {
  const struct { const char *name; int *target; } flags[] = {
    {"accumulate", &o->accumulate}, {"include_padding", &o->include_padding}, {"reverse", &o->reverse}, {"nesterov", &o->nesterov},
    {"bilinear", &o->bilinear}, {"examples", &o->examples}};
  const struct { const char *name; double *target; } numbers[] = {
    {"epsilon", &o->epsilon}, {"momentum", &o->momentum}, {"rate", &o->rate}, {"threshold", &o->threshold}, {"lr", &o->lr},
    {"rho", &o->rho}, {"beta1", &o->beta1}, {"beta2", &o->beta2}, {"decay", &o->decay},
    {"alpha", &o->alpha}, {"beta", &o->beta}, {"k", &o->k}};
  for (size_t i = 0; i < sizeof flags / sizeof flags[0]; i++)
    if (strcmp(name, flags[i].name) == 0) return *flags[i].target = lua_toboolean(L, -1), true;
  for (size_t i = 0; i < sizeof numbers / sizeof numbers[0]; i++)
    if (strcmp(name, numbers[i].name) == 0) return *numbers[i].target = luaL_checknumber(L, -1), true;
  if (strcmp(name, "window") == 0) return read_window(L, -1, &o->window), true;
  if (strcmp(name, "activation") == 0) return o->activation = read_activation(L, -1), true;
  if (strcmp(name, "gate") == 0) return o->gate = read_gate(L, -1), true;
  if (strcmp(name, "size") == 0) return o->size = (int)luaL_checkinteger(L, -1), true;
  if (strcmp(name, "top") == 0) return o->top = (int)luaL_checkinteger(L, -1), true;
  if (strcmp(name, "left") == 0) return o->left = (int)luaL_checkinteger(L, -1), true;
  if (strcmp(name, "seed") == 0) return o->seed = (uint64_t)luaL_checkinteger(L, -1), true;
  if (strcmp(name, "stream") == 0) return o->stream = (uint32_t)luaL_checkinteger(L, -1), true;
  if (strcmp(name, "step") == 0) return o->step = luaL_checkinteger(L, -1), true;
  if (strcmp(name, "scale_by") == 0) return read_triple(L, lua_absindex(L, -1), o->scale), true;
  if (strcmp(name, "shift_by") == 0) return read_triple(L, lua_absindex(L, -1), o->shift), true;
  return false;
}

/* Whether `name` is one of the words of a list. */
static bool listed(const char *words, const char *name) {
  size_t length = strlen(name);
  for (const char *p = words; (p = strstr(p, name)); p += length)
    if ((p == words || p[-1] == ' ') && (p[length] == 0 || strchr(" ?!", p[length]))) return true;
  return false;
}

void scion_read_options(lua_State *L, int index, const scion_operation *operation, scion_options *options) {
  index = lua_absindex(L, index);
  *options = (scion_options){.threshold = 0.5};
  for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
    if (lua_type(L, -2) != LUA_TSTRING) continue; /* the operation's name */
    const char *name = lua_tostring(L, -2);
    if (listed(operation->operands, name)) continue;
    if (!listed(operation->options, name) || !read_option(L, name, options))
      luaL_error(L, "%s has no operand or option '%s'", operation->name, name);
  }
}

/* ---- core.run{ "add_forward", a = t, b = u, y = v, activation = "relu" }: executes one kernel now */
static int core_run(lua_State *L) {
  luaL_checktype(L, 1, LUA_TTABLE);
  lua_settop(L, 1);
  const scion_operation *operation = scion_check_operation(L, 1);
  scion_operand operands[SCION_MAX_OPERANDS];
  scion_tensor *tensors[SCION_MAX_OPERANDS];
  scion_options options;
  scion_read_options(L, 1, operation, &options);
  int count = scion_operands(operation, operands);
  luaL_checkstack(L, count, NULL);
  for (int i = 0; i < count; i++) { /* the tensors stay on the stack, and so alive */
    lua_getfield(L, 1, operands[i].name);
    tensors[i] = lua_isnil(L, -1) ? NULL : luaL_testudata(L, -1, SCION_TENSOR);
    if (!tensors[i] && !(lua_isnil(L, -1) && operands[i].optional))
      return luaL_error(L, "%s: operand '%s' must be a tensor, not %s", operation->name, operands[i].name, luaL_typename(L, -1));
  }
  scion_check(L, operation->run(tensors, &options));
  for (int i = 0; i < count; i++)
    if (operands[i].written && tensors[i]) scion_touch(tensors[i]);
  return 0;
}

/* core.conv2d_packed(kernel, transposed) -> number of elements of the packed tensor */
static int core_conv2d_packed(lua_State *L) {
  lua_pushinteger(L, scion_conv2d_packed_elements(scion_check_tensor(L, 1), lua_toboolean(L, 2)));
  return 1;
}

/* core.winograd_fits(window) -> whether minimal filtering does windows of that kind */
static int core_winograd_fits(lua_State *L) {
  scion_window window;
  read_window(L, 1, &window);
  lua_pushboolean(L, scion_winograd_fits(&window));
  return 1;
}

/* core.winograd_packed(kernel, transposed) -> number of elements of the tensor packed for minimal filtering */
static int core_winograd_packed(lua_State *L) {
  lua_pushinteger(L, scion_winograd_packed_elements(scion_check_tensor(L, 1), lua_toboolean(L, 2)));
  return 1;
}

/* core.conv2d_bf16_packed(kernel) -> number of elements of the tensor packed in bf16 */
static int core_conv2d_bf16_packed(lua_State *L) {
  lua_pushinteger(L, scion_conv2d_bf16_packed_elements(scion_check_tensor(L, 1)));
  return 1;
}

/* core.bf16() -> how products of bf16 are computed: "f32", where the CPU has no instruction for them, "avx512bf16", "amx" */
static int core_bf16(lua_State *L) {
  lua_pushstring(L, scion_bf16_name(scion_bf16_in_use()));
  return 1;
}

/* core.finite(t) -> whether every element of an f32 tensor is a finite number */
static int core_finite(lua_State *L) {
  bool finite = false;
  scion_check(L, scion_all_finite(scion_check_tensor(L, 1), &finite));
  lua_pushboolean(L, finite);
  return 1;
}

static const luaL_Reg functions[] = {{"run", core_run}, {"conv2d_packed", core_conv2d_packed},
                                     {"winograd_packed", core_winograd_packed}, {"winograd_fits", core_winograd_fits},
                                     {"conv2d_bf16_packed", core_conv2d_bf16_packed}, {"bf16", core_bf16},
                                     {"finite", core_finite}, {NULL, NULL}};

void scion_open_operations(lua_State *L) { luaL_setfuncs(L, functions, 0); }
