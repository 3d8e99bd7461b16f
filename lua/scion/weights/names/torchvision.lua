--- Torchvision's names: a layer's own or its origin's, and behind it that of the weight.
return {
  weights = { kernel = "weight", bias = "bias", gamma = "weight", beta = "bias", moving_mean = "running_mean", moving_variance = "running_var",
              depthwise_kernel = "depthwise.weight", pointwise_kernel = "pointwise.weight" },
  separable_bias = "pointwise.bias", -- a separable convolution is two layers there

  -- first names of parts that a model may be built without
  optional = { fc = true, classifier = true, classif = true, head = true, heads = true, pre_logits = true, _fc = true, AuxLogits = true, aux1 = true, aux2 = true },
  -- the array that only EfficientNet-PyTorch's files have, the package whose names differ from those of torchvision and timm
  efficientnet_pytorch = "_conv_stem.weight",

  -- last names of counters, which nobody needs: of a batch norm's batches, and of the models in an average
  counters = { num_batches_tracked = true, n_averaged = true },
}
