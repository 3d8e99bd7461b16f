--- nn.input(height, width, channels, ...)
--- Where a network begins. It returns a node, not a layer. Write nn.input(299, 299, 3) or nn.input({ 299, 299, 3 }). Options come in a last
--- table, nn.input(299, 299, 3, { preprocess = "tf" }), or all in one: nn.input{ shape = { 299, 299, 3 }, preprocess = "tf" }. The network
--- preprocesses images itself, since weights depend on it: users pass u8 images with values 0 to 255.
---@class scion.nn.input: scion.LayerOptions
---@field shape integer[] of one example: { height, width, channels }, or the length of a vector. Images have 3 channels, or 1: then they
--- become grey, with the means of `preprocess` over its channels
---@field preprocess? "unit"|"tf"|"caffe"|"torch"|scion.Statistics|scion.Preprocessing what is done to values 0 to 255. "unit": scaled
--- to 0 .. 1; "tf": to -1 .. 1; "caffe": channels in the order BGR, minus ImageNet's means; "torch": scaled to 0 .. 1, minus ImageNet's
--- means, divided by its standard deviations; { mean = {…}, std = {…} }: the same with other numbers; { scale = {…}, shift = {…},
--- reverse = false }: x * scale + shift ("unit")
---@example scion.nn.input(224, 224, 3, { preprocess = "torch" })
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local preprocessing = require "scion.preprocessing"

local make = layer.define {
  kind = "input",
  schema = { shape = { kinds.shape, required = true }, preprocess = { preprocessing.kind, preprocessing.resolve "unit" } },
  bf16 = "computes",
  output_shape = function(self) return { table.unpack(self.options.shape) } end,
}

local function is_options(value) return type(value) == "table" and next(value) ~= nil and rawlen(value) == 0 end

---@param first integer|table height (or the length of a vector), the list of sizes, or a table of options
---@param ... integer|table the other sizes, and perhaps a table of options
---@return scion.Node
return function(first, ...)
  local given = table.pack(first, ...)
  if given.n == 1 and type(first) == "table" and rawlen(first) == 0 then return make(first) {} end
  local options = { shape = given }
  if given.n > 1 and is_options(given[given.n]) then
    for key, value in pairs(given[given.n]) do
      if key == "shape" then check.raise "nn.input: the shape is given twice, by sizes and as an option" end
      options[key] = value
    end
    given[given.n], given.n = nil, given.n - 1
  end
  if given.n == 1 and type(first) == "table" then options.shape = first end
  given.n = nil
  return make(options) {}
end
