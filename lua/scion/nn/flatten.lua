--- nn.flatten()
--- An image of height x width x channels as one vector, in that order.
---@class scion.nn.flatten: scion.LayerOptions
local layer = require "scion.layer"
local shape = require "scion.shape"

return layer.define {
  kind = "flatten",
  identity = "always", -- another view of the same memory

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    return { shape.elements((...)) } -- known to be countable, since it is a node's
  end,

  forward = function(_, s) s:emit { "copy", x = s.x[1], y = s.y } end,

  backward = function(_, s)
    if s:wants(1) then s:emit { "copy", x = s.dy, y = s:dx(1), accumulate = s:accumulates(1) } end
  end,
}
