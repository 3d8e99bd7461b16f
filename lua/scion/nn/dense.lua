--- nn.dense(units, activation, { bias = true })
--- Every output from every input. Its kernel is [in, out]; it takes vectors, so that a global pooling or nn.flatten stands before it.
---@class scion.nn.dense: scion.LayerOptions
---@field units integer length of the result
---@field activation? string or false: an activation that follows, as for nn.activation; none unless given
---@field bias? boolean (true)
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

  macs = function(_, x, y)
    local product = y[#y]
    for _, size in ipairs(x) do product = product * size end
    return product
  end,

  forward = function(self, s)
    s:emit { "dense_forward", x = s.x[1], kernel = s:scaled(self, self:weight "kernel"), bias = s.fold and s.fold.shift or self:weight "bias", y = s.y,
             activation = s.activation }
  end,

  backward = function(self, s)
    local dw = s:gradient(self, "kernel")
    if dw then
      s:emit { "dense_backward_weights", x = s.x[1], dy = s.dy, dw = dw }
      s:unfold(dw)
    end
    if s:wants(1) then
      s:emit { "dense_backward_input", dy = s.dy, kernel = s:scaled(self, self:weight "kernel"), dx = s:dx(1), accumulate = s:accumulates(1) }
    end
  end,
}
