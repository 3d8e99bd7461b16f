--- nn.flatten()
--- An image of height x width x channels as one vector, in that order. It takes inputs of any shape.
---@class scion.nn.flatten: scion.LayerOptions
---@example scion.nn.flatten()
local layer = require "scion.layer"
local shape = require "scion.shape"

return layer.define {
  kind = "flatten",
  identity = "always", -- another view of the same memory

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    return { shape.elements((...)) } -- cannot overflow: it was checked when the input's node was made
  end,
}
