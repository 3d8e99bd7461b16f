--- Losses with options, for `loss` of model:fit and model:evaluate; a name alone, as in loss = "huber", stands for one with its defaults.
--- The loss of a batch is the mean over its examples, each multiplied by its weight.
---
--- A loss of one's own is a function: loss = function(outputs, targets) return losses, gradients end. It gets the network's outputs, f32
--- [n, …], as predict sees them, after the last layer's activation; and targets of the same shape, in which classes are rows that are 1
--- at the class and 0 elsewhere (of a single sigmoid: the probability of the second class). It returns the loss of each example, f32 [n],
--- and their gradients with respect to the outputs, f32 [n, …]: not divided by n and without weights, which are Scion's affair.
--- evaluate needs the losses alone. A file remembers of such a loss only where it was defined.
local check = require "scion.check"
local losses = require "scion.ir.losses"

local loss = {}

---@class scion.SmoothingOptions
---@field smoothing? number the share s, from 0 up to, but not, 1, that targets give up (0)

--- Cross-entropy of softmax: -sum(t * log(p)) over the classes, for classes and for shares of them. Smoothing makes t * (1 - s) + s / classes
--- of t (Szegedy et al. 2016), as Keras and PyTorch do. Raises on unknown options and values out of range.
---@type fun(given?: scion.SmoothingOptions): scion.Loss
---@example model:fit(train, { loss = scion.loss.categorical{ smoothing = 0.1 } })
loss.categorical = losses.constructor "categorical"

--- Cross-entropy of sigmoid, the mean over the labels, or of a single unit that tells two classes apart. Smoothing makes t * (1 - s) + s / 2
--- of t, as Keras does. Raises on unknown options and values out of range.
---@type fun(given?: scion.SmoothingOptions): scion.Loss
---@example print(scion.loss.binary{ smoothing = 0.1 })
loss.binary = losses.constructor "binary"

---@class scion.FocalOptions
---@field gamma? number the larger it is, from 0 up, the less counts what is already told well (2)
---@field alpha? number between 0 and 1. Of sigmoid: the factor of labels that are there, where the others have 1 - alpha. Of softmax: the
--- factor of the whole loss, as in Keras; class_weights of fit weighs classes (none: a factor of 1)
---@field activation? "softmax"|"sigmoid" of a network that ends in logits (that of its last layer)

--- Focal loss (Lin et al. 2017): the cross-entropy, with a factor (1 - p)^gamma, where p is the probability of what is true. Of softmax it is
--- Keras's CategoricalFocalCrossentropy, of sigmoid torchvision's sigmoid_focal_loss, as the mean over the labels. Both of these have an alpha
--- of 0.25 where none is given. Raises on unknown options and values out of range.
---@type fun(given?: scion.FocalOptions): scion.Loss
---@example model:fit(train, { loss = scion.loss.focal{ gamma = 2 } })
loss.focal = losses.constructor "focal"

--- The mean of (x - t)^2 over the numbers of an example. Raises on options.
---@type fun(given?: table): scion.Loss
---@example print(scion.loss.mse())
loss.mse = losses.constructor "mse"

--- The mean of |x - t| over the numbers of an example. Raises on options.
---@type fun(given?: table): scion.Loss
---@example print(scion.loss.mae())
loss.mae = losses.constructor "mae"

---@class scion.HuberOptions
---@field delta? number the distance, above 0, from which on the loss grows as a line (1)

--- Huber's loss (1964): the mean over the numbers of an example of (x - t)^2 / 2 where |x - t| is at most delta, and of
--- delta * (|x - t| - delta / 2) elsewhere. Raises on unknown options and values out of range.
---@type fun(given?: scion.HuberOptions): scion.Loss
---@example print(scion.loss.huber{ delta = 0.5 })
loss.huber = losses.constructor "huber"

local a_function = check.kind("a function of outputs and targets", function(value) return type(value) == "function", value end)
local rows = check.kind("an f32 tensor of at least two dimensions, without an empty one", function(value)
  if not check.tensor.read(value) or value:dtype() ~= "f32" or #value:shape() < 2 then return false end
  for _, size in ipairs(value:shape()) do
    if size == 0 then return false end
  end
  return true, value
end)

--- How far the gradients of a loss of one's own are from differences of its losses, at these outputs: the largest difference, divided by
--- the largest gradient. Near 1e-3 and below they agree, unless the losses have a kink there. NaN if the losses are no numbers nearby: outputs
--- are moved by 1/128. Raises if the function does not return what a loss has to, and if the tensors are not f32 of one shape.
---@param compute fun(outputs: scion.Tensor, targets: scion.Tensor): scion.Tensor, scion.Tensor
---@param outputs scion.Tensor f32 [n, …]
---@param targets scion.Tensor f32 of the same shape
---@return number
---@example print(scion.loss.check(function(o, t) return ((o - t) ^ 2):sum(2), 2 * (o - t) end, scion.uniform{ 3, 4 }, scion.uniform{ 3, 4 }))
function loss.check(compute, outputs, targets)
  local where = "scion.loss.check"
  check.argument(where, "the loss", compute, a_function)
  local of = check.argument(where, "the loss", compute, losses.kind)
  check.argument(where, "outputs", outputs, rows)
  check.argument(where, "targets", targets, rows)
  local one, other = table.concat(outputs:shape(), "x"), table.concat(targets:shape(), "x")
  if one ~= other then check.raise(("%s: outputs are %s, but targets are %s: they have one shape"):format(where, one, other)) end
  return require("scion.ir.own_loss").check(of, outputs, targets)
end

return loss
