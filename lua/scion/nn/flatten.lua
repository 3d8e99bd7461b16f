--- nn.flatten()
--- An image of height x width x channels as one vector, in that order.
---@class scion.nn.flatten: scion.LayerOptions
local layer = require "scion.layer"

return layer.define {
  kind = "flatten",
  identity = "always", -- another view of the same memory

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local n = 1
    for _, size in ipairs((...)) do n = n * size end
    return { n }
  end,

  forward = function(_, s) s:emit { "copy", x = s.x[1], y = s.y } end,

  backward = function(_, s)
    if s:wants(1) then s:emit { "copy", x = s.dy, y = s:dx(1), accumulate = s:accumulates(1) } end
  end,
}
