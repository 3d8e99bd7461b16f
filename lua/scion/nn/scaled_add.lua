--- nn.scaled_add(scale, { activation = })
--- a + scale * b for two inputs of one shape: nn.scaled_add(0.2)({ a, b }). Deep networks use it to keep their residuals small.
---@class scion.nn.scaled_add: scion.LayerOptions
---@field scale number the factor of the second input
---@field activation? string|false an activation applied to the result: a name as for nn.activation, or false for none (false)
---@example
---  x = scion.nn.input(8, 8, 3)
---  sum = scion.nn.scaled_add(0.5){ x, scion.nn.relu()(x) }
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "scaled_add",
  positional = { "scale" },
  schema = { scale = { check.number(), required = true }, activation = { check.unless_false(kinds.activation), false } },
  fuses_activation = true,
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 2)
    local a, b = ...
    if table.concat(a, "x") ~= table.concat(b, "x") then
      self:fail("inputs of shapes %s and %s cannot be added", table.concat(a, "x"), table.concat(b, "x"))
    end
    return { table.unpack(a) }
  end,

  forward = function(self, e)
    e:emit { "scaled_add_forward", a = e.x[1], b = e.x[2], y = e.y, rate = self.options.scale, activation = e.activation }
  end,

  backward = function(self, e)
    if e:wants(1) then e:emit { "copy", x = e.dy, y = e:dx(1), accumulate = e:accumulates(1) } end
    if e:wants(2) then
      e:emit { "scaled_add_backward", dy = e.dy, db = e:dx(2), rate = self.options.scale, accumulate = e:accumulates(2) }
    end
  end,
}
