--- Kinds of the options that several layers and architectures have.
local check = require "scion.check"
local shape = require "scion.shape"

local kinds = {}

--- A size, or a number of channels.
kinds.size = check.whole(1, shape.largest_size)

local sizes = check.list(kinds.size, nil, ("a list of 1 to %d sizes"):format(shape.most_dimensions))

--- Of a value, without the batch.
kinds.shape = { what = sizes.what, read = function(value)
  local ok, list, complaint, hint = sizes.read(value)
  if ok and (#list < 1 or #list > shape.most_dimensions) then return false, nil, ("is %s, not of %d"):format(sizes.what, #list) end
  return ok, list, complaint, hint
end }

--- A number for both axes, or a list of two.
kinds.pair = check.either(kinds.size, check.list(kinds.size, 2, "a list of two (vertical, horizontal)"))

local stride = check.whole(1, 1024) -- the kernels' own limit

--- A stride of a convolution, likewise.
kinds.stride = check.either(stride, check.list(stride, 2, "a list of two (vertical, horizontal)"))

local border = check.whole(0, shape.largest_size)

--- A number for all sides, or a list of four.
kinds.border = check.either(border, check.list(border, 4, "a list of four (top, left, bottom, right)"))

--- How a window goes over the edge: see layer.window.
kinds.padding = check.either(check.one_of("valid", "same", "ceil"), kinds.border,
                             "'valid', 'same', 'ceil', a whole number from 0 up or a list of four (top, left, bottom, right)")

--- The activations that there are. All but the last have constructors of their own in nn.
kinds.activations = { "relu", "relu6", "sigmoid", "tanh", "softmax", "swish", "hard_swish", "hard_sigmoid", "linear" }

--- The name of one.
kinds.activation = check.one_of(table.unpack(kinds.activations))

--- A layer's name: slashes in it tell the blocks that it is in.
kinds.name = {
  what = "a name: a string without control characters, and no slash at its ends",
  read = function(value)
    return type(value) == "string" and value ~= "" and not value:find "[%c\127]" and not value:find "^/" and not value:find "/$", value
  end,
}

--- Whose form of an architecture a model is.
kinds.variant = check.one_of("keras", "torchvision", "tf", "timm")

--- The publishers' names for a layer.
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
