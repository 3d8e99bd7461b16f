--- nn.input(height, width, channels, ...)
--- Where a network begins: a node, not a layer. nn.input(299, 299, 3), nn.input({ 299, 299, 3 }), and with options a last table, as
--- in nn.input(299, 299, 3, { preprocess = "tf" }), or all in one: nn.input{ shape = { 299, 299, 3 }, preprocess = "tf" }. The
--- preprocessing belongs to the weights, and so to the network: users give images as u8, 0 to 255.
---@class scion.nn.input: scion.LayerOptions
---@field shape integer[] of one example: { height, width, channels }, or the length of a vector
---@field preprocess? "unit"|"tf"|"caffe"|"torch"|scion.Statistics|scion.Preprocessing what becomes of the numbers 0 to 255: 0 to 1; -1 to 1; BGR without the means of
--- ImageNet; 0 to 1, without torchvision's means and divided by its deviations; or { mean = {…}, std = {…} } of 0 to 1 ("unit")
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
    for key, value in pairs(given[given.n]) do options[key] = key ~= "shape" and value or nil end
    given[given.n], given.n = nil, given.n - 1
  end
  if given.n == 1 and type(first) == "table" then options.shape = first end
  given.n = nil
  return make(options) {}
end
