--- nn.reshape{ shape = { … } } or nn.reshape({ … }): the same elements under another shape (without the batch).
local layer = require "scion.layer"
local shapes = require "scion.shape"

return layer.define {
  kind = "reshape",
  positional = { "shape" },
  defaults = { shape = layer.required },
  identity = "always", -- another view of the same memory

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local shape = self.options.shape
    if type(shape) ~= "table" or #shape == 0 or shapes.elements(shape) ~= shapes.elements((...)) then
      self:fail("an input of %s cannot become %s", table.concat((...), "x"), type(shape) == "table" and table.concat(shape, "x") or tostring(shape))
    end
    return { table.unpack(shape) }
  end,

  forward = function(_, e) e:emit { "copy", x = e.x[1], y = e.y } end,

  backward = function(_, e)
    if e:wants(1) then e:emit { "copy", x = e.dy, y = e:dx(1), accumulate = e:accumulates(1) } end
  end,
}
