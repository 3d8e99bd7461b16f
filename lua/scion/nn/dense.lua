--- nn.dense(units, activation, { bias = true, name = }): every output from every input; its kernel is [in, out].
local layer = require "scion.layer"

return layer.define {
  kind = "dense",
  positional = { "units", "activation" },
  defaults = { units = layer.required, activation = false, bias = true },
  fuses_activation = true,
  folds_norm = true,

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local shape = { table.unpack((...)) }
    if #shape == 3 then self:fail("takes vectors; put a global_avg_pool or a flatten between an image of %s and it", table.concat(shape, "x")) end
    shape[#shape] = self.options.units
    return shape
  end,

  define_parameters = function(self, shape)
    local list = { { name = "kernel", shape = { shape[#shape], self.options.units }, init = "glorot" } }
    if self.options.bias then list[2] = { name = "bias", shape = { self.options.units }, init = "zeros" } end
    return list
  end,

  macs = function(_, x, y) return x[#x] * y[#y] end,

  forward = function(self, e)
    e:emit { "dense_forward", x = e.x[1], kernel = e:scaled(self, self:weight "kernel"), bias = e.fold and e.fold.shift or self:weight "bias", y = e.y,
             activation = e.activation }
  end,

  backward = function(self, e)
    local dw = e:gradient(self, "kernel")
    if dw then
      e:emit { "dense_backward_weights", x = e.x[1], dy = e.dy, dw = dw }
      e:unfold(dw)
    end
    if e:wants(1) then
      e:emit { "dense_backward_input", dy = e.dy, kernel = e:scaled(self, self:weight "kernel"), dx = e:dx(1), accumulate = e:accumulates(1) }
    end
  end,
}
