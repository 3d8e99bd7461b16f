--- nn.concatenate()
--- Inputs side by side along the last dimension: nn.concatenate()({ a, b }). Costs nothing where the inputs can be written straight into
--- their slices of the result.
---@class scion.nn.concatenate: scion.LayerOptions
---@example
---  x = scion.nn.input(8, 8, 3)
---  sum = scion.nn.concatenate(){ x, scion.nn.relu()(x) }
local layer = require "scion.layer"

return layer.define {
  kind = "concatenate",
  bf16 = "carries",
  int8 = "carries",

  output_shape = function(self, first, ...)
    if not first then self:fail("takes one input or more") end
    local out = { table.unpack(first) }
    for _, shape in ipairs { ... } do
      local fits = #shape == #first
      for i = 1, #first - 1 do fits = fits and shape[i] == first[i] end
      if not fits then self:fail("inputs of shapes %s and %s cannot be concatenated", table.concat(first, "x"), table.concat(shape, "x")) end
      out[#out] = out[#out] + shape[#shape]
    end
    return out
  end,

  --- Copies the inputs that are not in place already.
  forward = function(_, e)
    for i, slice in ipairs(e:slices(e.y)) do
      if not e.op.aliased[i] then e:emit { "copy", x = e.x[i], y = slice } end
    end
  end,

  backward = function(_, e)
    for i, slice in ipairs(e:slices(e.dy)) do e:share(i, slice) end
  end,
}
