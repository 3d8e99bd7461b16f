--- The losses by name: the kernel, the activation that the kernel itself applies to logits, and the dtype of the labels. i32 labels are a
--- class number for each example; f32 labels have the shape of the output.
return {
  categorical = { kernel = "softmax_cross_entropy", activation = "softmax", labels = "i32" },
  binary = { kernel = "sigmoid_cross_entropy", activation = "sigmoid", labels = "f32" },
  mse = { kernel = "mean_squared_error", labels = "f32" },
}
