--- nn.reshape(shape)
--- The same elements under another shape.
---@class scion.nn.reshape: scion.LayerOptions
---@field shape integer[] of the result, without the batch; it has as many elements as the input
---@example scion.nn.reshape{ 8, 8, 3 }
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local shape = require "scion.shape"

return layer.define {
  kind = "reshape",
  positional = { "shape" },
  schema = { shape = { kinds.shape, required = true } },
  identity = "always", -- another view of the same memory

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local sizes = self.options.shape
    if shape.elements(sizes) ~= shape.elements((...)) then self:fail("an input of %s cannot become %s", shape.text((...)), shape.text(sizes)) end
    return { table.unpack(sizes) }
  end,
}
