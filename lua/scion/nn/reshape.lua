--- nn.reshape(shape)
--- The same elements under another shape.
---@class scion.nn.reshape: scion.LayerOptions
---@field shape integer[] without the batch
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

  forward = function(_, s) s:emit { "copy", x = s.x[1], y = s.y } end,

  backward = function(_, s)
    if s:wants(1) then s:emit { "copy", x = s.dy, y = s:dx(1), accumulate = s:accumulates(1) } end
  end,
}
