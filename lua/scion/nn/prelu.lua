--- nn.prelu({ slopes = "channel" })
--- x where it is above 0, else x times a slope that is trained, and begins with 0.25 (He et al. 2015).
---@class scion.nn.prelu: scion.LayerOptions
---@field slopes? "channel"|"one"|"element" how many slopes there are. "channel": one for each channel, as Keras's shared_axes = [1, 2] and
--- PyTorch's num_parameters make it. "one": a single one, PyTorch's default. "element": one for each element of the input, Keras's
--- default ("channel")
---@example scion.nn.prelu()
local check = require "scion.check"
local layer = require "scion.layer"

return layer.define {
  kind = "prelu",
  positional = { "slopes" },
  schema = { slopes = { check.one_of("channel", "one", "element"), "channel" } },

  --- The slopes have Keras's shape, which has a 1 for each axis along which they are shared.
  define_parameters = function(self, shape)
    local sizes = { table.unpack(shape) }
    for axis = 1, #sizes do
      if self.options.slopes == "one" or self.options.slopes == "channel" and axis < #sizes then sizes[axis] = 1 end
    end
    return { { name = "slope", shape = sizes, init = 0.25 } }
  end,

  forward = function(self, e) e:emit { "prelu_forward", x = e.x[1], slope = self:weight "slope", y = e.y } end,

  backward = function(self, e)
    e:emit { "prelu_backward", x = e.x[1], dy = e.dy, slope = self:weight "slope", dx = e:wants(1) and e:dx(1) or nil,
             dslope = e:gradient(self, "slope"), accumulate = e:accumulates(1) }
  end,
}
