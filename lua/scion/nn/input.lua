--- Where a network begins: nn.input(299, 299, 3) or nn.input{ shape = { 299, 299, 3 }, preprocess = "tf" } is a node.
--- The preprocessing belongs to the weights, and so to the network: users give images as u8, 0 to 255.
local layer = require "scion.layer"
local preprocessing = require "scion.preprocessing"

local make = layer.define {
  kind = "input",
  defaults = { shape = layer.required, preprocess = "unit" },
  bf16 = "computes",
  check = function(self)
    for _, size in ipairs(self.options.shape) do
      if math.type(size) ~= "integer" or size < 1 then self:fail("shape is a list of whole numbers from 1 up") end
    end
    self.options.preprocess = preprocessing.resolve(self.options.preprocess)
  end,
  output_shape = function(self) return { table.unpack(self.options.shape) } end,
}

---@param first integer|table height (or the length of a vector), or a table of options
---@param ... integer the other dimensions
---@return scion.Node
return function(first, ...)
  local options = type(first) == "table" and first or { shape = { first, ... } }
  if #options > 0 then options = { shape = options } end
  return make(options) {}
end
