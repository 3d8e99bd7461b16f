--- nn.input(height, width, channels, ...)
--- Where a network begins: a node, not a layer. nn.input(299, 299, 3), nn.input({ 299, 299, 3 }) or, with options,
--- nn.input{ shape = { 299, 299, 3 }, preprocess = "tf" }. The preprocessing belongs to the weights, and so to the network: users give
--- images as u8, 0 to 255.
---@class scion.nn.input: scion.LayerOptions
---@field shape integer[] of one example: { height, width, channels }, or the length of a vector
---@field preprocess? "unit"|"tf"|"caffe"|"torch"|table what becomes of the numbers 0 to 255: 0 to 1; -1 to 1; BGR without the means of
--- ImageNet; 0 to 1, without torchvision's means and divided by its deviations; or { mean = {…}, std = {…} } of 0 to 1 ("unit")
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
