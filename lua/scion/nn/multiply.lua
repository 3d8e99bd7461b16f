--- nn.multiply()({ a, b }): the elementwise product of two inputs of one shape.
local layer = require "scion.layer"

return layer.define {
  kind = "multiply",
  bf16 = "computes",

  output_shape = function(self, ...)
    self:expect({ ... }, 2)
    local a, b = ...
    if table.concat(a, "x") ~= table.concat(b, "x") then
      self:fail("inputs of shapes %s and %s cannot be multiplied", table.concat(a, "x"), table.concat(b, "x"))
    end
    return { table.unpack(a) }
  end,

  forward = function(_, s) s:emit { "multiply_forward", a = s.x[1], b = s.x[2], y = s.y } end,

  backward = function(_, s)
    for i = 1, 2 do
      if s:wants(i) then s:emit { "multiply_backward", dy = s.dy, b = s.x[3 - i], da = s:dx(i), accumulate = s:accumulates(i) } end
    end
  end,
}
