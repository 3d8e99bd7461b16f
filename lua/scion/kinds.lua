--- Kinds (see check.lua) of options that several layers and architectures share.
local check = require "scion.check"
local shape = require "scion.shape"

local kinds = {}

--- A size, or a number of channels.
kinds.size = check.whole(1, shape.largest_size)

local sizes = check.list(kinds.size, nil, ("a list of 1 to %d sizes"):format(shape.most_dimensions))

--- The shape of a value without the batch: 1 to 5 sizes.
kinds.shape = { what = sizes.what, read = function(value)
  local ok, list, complaint, hint = sizes.read(value)
  if ok and (#list < 1 or #list > shape.most_dimensions) then return false, nil, ("is %s, not of %d"):format(sizes.what, #list) end
  return ok, list, complaint, hint
end }

--- A size for both axes, or a list of two, { vertical, horizontal }.
kinds.pair = check.either(kinds.size, check.list(kinds.size, 2, "a list of two (vertical, horizontal)"))

local stride = check.whole(1, 1024) -- the kernels' own limit

--- The stride of a convolution: a number for both axes, or a list of two.
kinds.stride = check.either(stride, check.list(stride, 2, "a list of two (vertical, horizontal)"))

local border = check.whole(0, shape.largest_size)

--- A width in pixels for all sides, or a list of four, { top, left, bottom, right }.
kinds.border = check.either(border, check.list(border, 4, "a list of four (top, left, bottom, right)"))

--- The padding of a window: see layer.window.
kinds.padding = check.either(check.one_of("valid", "same", "ceil"), kinds.border,
                             "'valid', 'same', 'ceil', a whole number from 0 up or a list of four (top, left, bottom, right)")

--- All activations. Each but the last is also a layer in nn.
kinds.activations = { "relu", "relu6", "sigmoid", "tanh", "softmax", "swish", "hard_swish", "hard_sigmoid", "gelu", "gelu_tanh",
                      "linear" }

--- The name of an activation.
kinds.activation = check.one_of(table.unpack(kinds.activations))

--- A layer's name. Slashes separate the names of the blocks that it is in: block/branch/conv.
kinds.name = {
  what = "a name: a string without control characters, and no slash at its ends",
  read = function(value)
    return type(value) == "string" and value ~= "" and not value:find "[%c\127]" and not value:find "^/" and not value:find "/$", value
  end,
}

--- The library whose variant of an architecture a model is: variants differ in details such as padding.
kinds.variant = check.one_of("keras", "torchvision", "tf", "timm")

--- The names of a layer in the publishers' files of weights.
kinds.origin = {
  what = "a table of names by publisher, such as { keras = 'conv1_bn' }",
  read = function(value)
    if type(value) ~= "table" or getmetatable(value) ~= nil then return false end
    for publisher, name in next, value do
      if type(publisher) ~= "string" or type(name) ~= "string" then return false end
    end
    return true, value
  end,
}

return kinds
