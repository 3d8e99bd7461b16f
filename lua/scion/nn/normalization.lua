--- nn.normalization()
--- (x - mean) / sqrt(variance) for each channel, by statistics that came with the weights and never train.
---@class scion.nn.normalization: scion.LayerOptions
local core = require "scion.core"
local layer = require "scion.layer"

local function fold(self, s)
  local mean, variance = self:weight "mean", self:weight "variance"
  return s:derived(self, "fold", { mean, variance }, function(target)
    target = target or { scale = core.new(mean:shape(), "f32"), shift = core.new(mean:shape(), "f32") }
    core.run { "batch_norm_fold", mean = mean, variance = variance, scale = target.scale, shift = target.shift, epsilon = 0 }
    return target
  end)
end

return layer.define {
  kind = "normalization",
  fuses_activation = true,

  define_parameters = function(_, shape)
    local channels = { shape[#shape] }
    return { { name = "mean", shape = channels, init = "zeros", statistic = true }, { name = "variance", shape = channels, init = "ones", statistic = true },
             { name = "count", shape = {}, init = "zeros", statistic = true } } -- over how many values, which Keras keeps
  end,

  forward = function(self, s)
    local by = fold(self, s)
    s:emit { "scale_shift_forward", x = s.x[1], scale = by.scale, shift = by.shift, y = s.y, activation = s.activation }
  end,

  backward = function(self, s)
    if not s:wants(1) then return end
    s:emit { "batch_norm_stored_backward", dy = s.dy, scale = fold(self, s).scale, dx = s:dx(1), accumulate = s:accumulates(1) }
  end,
}
