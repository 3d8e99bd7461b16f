--- nn.add({ activation = })
--- The elementwise sum of two or more inputs of one shape: nn.add()({ a, b }).
---@class scion.nn.add: scion.LayerOptions
---@field activation? string|false an activation applied to the result: a name as for nn.activation, or false for none (false)
---@example
---  x = scion.nn.input(8, 8, 3)
---  sum = scion.nn.add(){ x, scion.nn.relu()(x) }
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "add",
  schema = { activation = { check.unless_false(kinds.activation), false } },
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

  forward = function(_, e)
    local sum = e.x[1]
    for i = 2, #e.x do
      e:emit { "add_forward", a = sum, b = e.x[i], y = e.y, activation = i == #e.x and e.activation or nil }
      sum = e.y
    end
  end,

  backward = function(_, e)
    for i = #e.x, 2, -1 do
      if e:wants(i) then e:emit { "copy", x = e.dy, y = e:dx(i), accumulate = e:accumulates(i) } end
    end
    e:share(1, e.dy)
  end,
}
