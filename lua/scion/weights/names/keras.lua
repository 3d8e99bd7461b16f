--- Keras's names. In the .h5 layout a weight's last name tells its role, perhaps with a number behind it: "conv2d_1/kernel_1:0".
return {
  roles = {
    kernel = "kernel", depthwise_kernel = "kernel", bias = "bias",
    gamma = "gamma", beta = "beta", moving_mean = "moving_mean", moving_variance = "moving_variance",
  },

  -- what Keras 3 calls the groups of its .weights.h5: kinds of layers, and models within models
  classes = { conv2d = "conv2d", depthwise_conv2d = "depthwise_conv2d", separable_conv2d = "separable_conv2d", dense = "dense",
              batch_norm = "batch_normalization", normalization = "normalization" },
  class_names = { "batch_normalization", "conv2d", "dense", "depthwise_conv2d", "normalization", "separable_conv2d" },
  model_classes = { "functional", "sequential" },
}
