--- nn.dense(units, activation, { bias = true, name = }): every output from every input; its kernel is [in, out].
local core = require "scion.core"
local layer = require "scion.layer"

--- The kernel, with the columns scaled where batch norm is folded in.
local function scaled(self, s)
  local kernel, fold = self:weight "kernel", s.fold
  if not fold then return kernel end
  return s:derived(self, "scaled" .. fold.key, { kernel, fold.scale }, function(target)
    target = target or core.new(kernel:shape(), "f32")
    core.run { "scale_shift_forward", x = kernel, scale = fold.scale, y = target }
    return target
  end)
end

return layer.define {
  kind = "dense",
  positional = { "units", "activation" },
  defaults = { units = layer.required, activation = false, bias = true },
  fuses_activation = true,
  folds_norm = true,
  batch_matters = true, -- BLAS rounds a row differently in batches of other sizes

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

  forward = function(self, s)
    s:emit { "dense_forward", x = s.x[1], kernel = scaled(self, s), bias = s.fold and s.fold.shift or self:weight "bias", y = s.y,
             activation = s.activation }
  end,

  backward = function(self, s)
    local dw = s:gradient(self, "kernel")
    if dw then
      s:emit { "dense_backward_weights", x = s.x[1], dy = s.dy, dw = dw }
      s:unfold(dw)
    end
    if s:wants(1) then
      s:emit { "dense_backward_input", dy = s.dy, kernel = scaled(self, s), dx = s:dx(1), accumulate = s:accumulates(1) }
    end
  end,
}
