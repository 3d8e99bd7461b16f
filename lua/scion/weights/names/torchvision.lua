--- torchvision's names. An array's name is the layer's (its own, or that in its `origin`), a dot, and the name of the weight.
return {
  weights = { kernel = "weight", bias = "bias", gamma = "weight", beta = "bias", slope = "weight", moving_mean = "running_mean", moving_variance = "running_var",
              depthwise_kernel = "depthwise.weight", pointwise_kernel = "pointwise.weight" },
  separable_bias = "pointwise.bias", -- in PyTorch a separable convolution is two layers, and the second has the bias

  -- first parts of names, of what a model may be built without: classifiers, and heads that only training needs
  classifiers = { fc = true, classifier = true, classif = true, head = true, heads = true, pre_logits = true, _fc = true, conv_head = true, predictions = true },
  before_classifier = "conv_head", -- of the classifier in some networks, and of the rest in others
  auxiliary = { AuxLogits = true, aux1 = true, aux2 = true },
  -- an array that only files of the package EfficientNet-PyTorch have, whose names differ from torchvision's and timm's
  efficientnet_pytorch = "_conv_stem.weight",

  -- last parts of names, of counters that inference does not need: a batch norm's batches, and the models in an average
  counters = { num_batches_tracked = true, n_averaged = true },
}
