--- Keras's names.
local names = {
  -- in the .h5 layout: a weight's role by the last part of its name, which may be numbered: "conv2d_1/kernel_1:0"
  roles = {
    kernel = "kernel", depthwise_kernel = "kernel", bias = "bias",
    alpha = "slope", slope = "slope", gamma = "gamma", beta = "beta", moving_mean = "moving_mean", moving_variance = "moving_variance",
  },

  -- Keras 3's names of groups in .weights.h5, by our kinds of layers
  classes = { conv2d = "conv2d", depthwise_conv2d = "depthwise_conv2d", separable_conv2d = "separable_conv2d", dense = "dense",
              batch_norm = "batch_normalization", normalization = "normalization", layer_norm = "layer_normalization", prelu = "p_re_lu" },

  class_of = {}, -- our kinds by these names, filled below
}

-- automatic names, without their numbers: Keras's classes, also as Keras 1 wrote them, and Scion's kinds
local automatic = { convolution2d = true, convolution2_d = true, batchnormalization = true, separableconv2d = true, depthwiseconv2d = true }

for kind, class in pairs(names.classes) do
  names.class_of[class] = kind
  automatic[kind], automatic[class] = true, true
end

--- A name's class and number: "conv2d" and 12 for "conv2d_12", "conv2d" and 0 for "conv2d".
---@param name string
---@return string class
---@return integer number
function names.counted(name)
  local class, number = name:match "^(.-)_(%d+)$"
  return class or name, math.tointeger(tonumber(number or 0)) or 0
end

--- Whether a name was made automatically, such as conv2d_7. Its number depends on what else its author had built before.
---@param name string
---@return boolean
function names.automatic(name) return automatic[names.counted(name)] == true end

return names
