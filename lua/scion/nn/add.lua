--- nn.add({ activation = })
--- The elementwise sum of two or more inputs of one shape: nn.add()({ a, b }).
---@class scion.nn.add: scion.LayerOptions
---@field activation? string or false: an activation that follows, as for nn.activation; none unless given
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "add",
  schema = { activation = { kinds.maybe(kinds.activation), false } },
  fuses_activation = true,
  bf16 = "computes",

  output_shape = function(self, first, ...)
    if not ... then self:fail("takes two inputs or more") end
    for _, shape in ipairs { ... } do
      if table.concat(shape, "x") ~= table.concat(first, "x") then
        self:fail("inputs of shapes %s and %s cannot be added", table.concat(first, "x"), table.concat(shape, "x"))
      end
    end
    return { table.unpack(first) }
  end,

  forward = function(_, s)
    local sum = s.x[1]
    for i = 2, #s.x do
      s:emit { "add_forward", a = sum, b = s.x[i], y = s.y, activation = i == #s.x and s.activation or nil }
      sum = s.y
    end
  end,

  backward = function(_, s)
    for i = #s.x, 2, -1 do
      if s:wants(i) then s:emit { "copy", x = s.dy, y = s:dx(i), accumulate = s:accumulates(i) } end
    end
    s:share(1, s.dy)
  end,
}
