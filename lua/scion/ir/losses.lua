--- The losses by their names in plans: the kernel; the activation that it applies to the logits itself; the dtype of the labels.
--- Labels of i32 are a class for each example, labels of f32 have the shape of the output.
return {
  categorical = { kernel = "softmax_cross_entropy", activation = "softmax", labels = "i32" },
  binary = { kernel = "sigmoid_cross_entropy", activation = "sigmoid", labels = "f32" },
  mse = { kernel = "mean_squared_error", labels = "f32" },
}
