--- nn.scaled_add(scale, { activation = })
--- a + scale * b for two inputs of one shape, nn.scaled_add(0.2)({ a, b }), which keeps the residuals of deep networks small.
---@class scion.nn.scaled_add: scion.LayerOptions
---@field scale number
---@field activation? string or false: an activation that follows, as for nn.activation; none unless given
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "scaled_add",
  positional = { "scale" },
  schema = { scale = { check.number(), required = true }, activation = { kinds.maybe(kinds.activation), false } },
  fuses_activation = true,

  output_shape = function(self, ...)
    self:expect({ ... }, 2)
    local a, b = ...
    if table.concat(a, "x") ~= table.concat(b, "x") then
      self:fail("inputs of shapes %s and %s cannot be added", table.concat(a, "x"), table.concat(b, "x"))
    end
    return { table.unpack(a) }
  end,

  forward = function(self, s)
    s:emit { "scaled_add_forward", a = s.x[1], b = s.x[2], y = s.y, rate = self.options.scale, activation = s.activation }
  end,

  backward = function(self, s)
    if s:wants(1) then s:emit { "copy", x = s.dy, y = s:dx(1), accumulate = s:accumulates(1) } end
    if s:wants(2) then
      s:emit { "scaled_add_backward", dy = s.dy, db = s:dx(2), rate = self.options.scale, accumulate = s:accumulates(2) }
    end
  end,
}
