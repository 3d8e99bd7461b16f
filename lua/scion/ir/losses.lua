--- The losses by name: the activation that the kernel itself applies to logits, and the kernel for each dtype that labels can have. i32
--- labels are a class number for each example; f32 labels have the shape of the output.
return {
  categorical = { activation = "softmax", kernels = { i32 = "softmax_cross_entropy", f32 = "softmax_cross_entropy_soft" } },
  binary = { activation = "sigmoid", kernels = { f32 = "sigmoid_cross_entropy" } },
  mse = { kernels = { f32 = "mean_squared_error" } },
}
