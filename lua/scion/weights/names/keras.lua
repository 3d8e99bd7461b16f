--- Keras's names. In the .h5 layout a weight's last name tells its role, perhaps with a number behind it: "conv2d_1/kernel_1:0".
local names = {
  roles = {
    kernel = "kernel", depthwise_kernel = "kernel", bias = "bias",
    gamma = "gamma", beta = "beta", moving_mean = "moving_mean", moving_variance = "moving_variance",
  },

  -- what Keras 3 calls the groups of its .weights.h5, by kinds of layers
  classes = { conv2d = "conv2d", depthwise_conv2d = "depthwise_conv2d", separable_conv2d = "separable_conv2d", dense = "dense",
              batch_norm = "batch_normalization", normalization = "normalization" },

  class_of = {}, -- the other way round
}

-- what layers are called whose author named none: by their class, of Keras 1 too, or by their kind in Scion
local automatic = { convolution2d = true, convolution2_d = true, batchnormalization = true, separableconv2d = true, depthwiseconv2d = true }

for kind, class in pairs(names.classes) do
  names.class_of[class] = kind
  automatic[kind], automatic[class] = true, true
end

--- Whether a name only counts layers, as conv2d_7 does: it depends on what else its author had built before.
---@param name string
---@return boolean
function names.automatic(name) return automatic[name:match "^(.-)_%d+$" or name] == true end

return names
