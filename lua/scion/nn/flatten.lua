--- nn.flatten()
--- An image of height x width x channels as one vector, in that order. It takes inputs of any shape.
---@class scion.nn.flatten: scion.LayerOptions
local layer = require "scion.layer"
local shape = require "scion.shape"

return layer.define {
  kind = "flatten",
  identity = "always", -- another view of the same memory

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    return { shape.elements((...)) } -- cannot overflow: it was checked when the input's node was made
  end,

  forward = function(_, e) e:emit { "copy", x = e.x[1], y = e.y } end,

  backward = function(_, e)
    if e:wants(1) then e:emit { "copy", x = e.dy, y = e:dx(1), accumulate = e:accumulates(1) } end
  end,
}
