--- nn.dense(units, activation, { bias = true })
--- A fully connected layer. Its kernel is [in, out]. It does not take images: put a global pooling or nn.flatten before it.
---@class scion.nn.dense: scion.LayerOptions
---@field units integer size of the last dimension of the result
---@field activation? string|false an activation applied to the result: a name as for nn.activation, or false for none (false)
---@field bias? boolean whether a bias is added (true)
---@example scion.nn.dense(6, "softmax")
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local shapes = require "scion.shape"

return layer.define {
  kind = "dense",
  positional = { "units", "activation" },
  schema = { units = { kinds.size, required = true }, activation = { check.unless_false(kinds.activation), false }, bias = { check.boolean, true } },
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

  macs = function(_, x, y) return shapes.elements(x) * y[#y] end,

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
