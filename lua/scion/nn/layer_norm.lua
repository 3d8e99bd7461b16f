--- nn.layer_norm({ epsilon = 1e-3, scale = true, center = true })
--- Layer normalization (Ba, Kiros and Hinton 2016) over the last dimension: the channels of each pixel, or a whole vector. Keras's epsilon is
--- 1e-3, as here; PyTorch's is 1e-5, and ConvNeXt's 1e-6.
---@class scion.nn.layer_norm: scion.LayerOptions
---@field epsilon? number added to the variance; above 0 (1e-3)
---@field scale? boolean whether there is a gamma, for each channel (true)
---@field center? boolean whether there is a beta, for each channel (true)
---@example scion.nn.layer_norm()
local check = require "scion.check"
local layer = require "scion.layer"

return layer.define {
  kind = "layer_norm",
  schema = { epsilon = { check.number { above = 0 }, 1e-3 }, scale = { check.boolean, true }, center = { check.boolean, true } },

  define_parameters = function(self, shape)
    local channels, list = { shape[#shape] }, {}
    if self.options.scale then list[1] = { name = "gamma", shape = channels, init = "ones" } end
    if self.options.center then list[#list + 1] = { name = "beta", shape = channels, init = "zeros" } end
    return list
  end,

  forward = function(self, e)
    e:emit { "layer_norm_forward", x = e.x[1], gamma = self:weight "gamma", beta = self:weight "beta", y = e.y, epsilon = self.options.epsilon }
  end,

  backward = function(self, e)
    e:emit { "layer_norm_backward", x = e.x[1], dy = e.dy, gamma = self:weight "gamma", dx = e:wants(1) and e:dx(1) or nil,
             dgamma = e:gradient(self, "gamma"), dbeta = e:gradient(self, "beta"), epsilon = self.options.epsilon, accumulate = e:accumulates(1) }
  end,
}
