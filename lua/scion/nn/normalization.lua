--- nn.normalization()
--- (x - mean) / sqrt(variance) for each channel, where the root is at least 1e-7, as in Keras. The statistics come with loaded weights and
--- never train; without weights they are 0 and 1.
---@class scion.nn.normalization: scion.LayerOptions
---@example scion.nn.normalization()
local core = require "scion.core"
local layer = require "scion.layer"

local least = 1e-14 -- variance

--- The same as x * scale + shift: { scale =, shift = }, f32 [channels].
local function fold(self, e)
  local mean, variance = self:weight "mean", self:weight "variance"
  return e:derived(self, "fold", { mean, variance }, function(target)
    target = target or { scale = core.new(mean:shape(), "f32"), shift = core.new(mean:shape(), "f32") }
    local limited = core.where(variance:ge(0) * variance:lt(least), least, variance) -- below 0 it remains, and gives NaN, as in Keras
    core.run { "batch_norm_fold", mean = mean, variance = limited, scale = target.scale, shift = target.shift, epsilon = 0 }
    return target
  end)
end

return layer.define {
  kind = "normalization",
  fuses_activation = true,

  define_parameters = function(_, shape)
    local channels = { shape[#shape] }
    return { { name = "mean", shape = channels, init = "zeros", statistic = true }, { name = "variance", shape = channels, init = "ones", statistic = true },
             { name = "count", shape = {}, init = "zeros", statistic = true } } -- unused, but Keras's files have it
  end,

  forward = function(self, e)
    local by = fold(self, e)
    e:emit { "scale_shift_forward", x = e.x[1], scale = by.scale, shift = by.shift, y = e.y, activation = e.activation }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "batch_norm_stored_backward", dy = e.dy, scale = fold(self, e).scale, dx = e:dx(1), accumulate = e:accumulates(1) }
  end,
}
