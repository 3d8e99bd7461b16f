--- nn.batch_norm({ epsilon = 1e-3, momentum = 0.99, scale = true, center = true, statistics = "batch" })
--- Batch normalization of each channel (Ioffe and Szegedy 2015). A frozen layer always uses, and keeps, its stored statistics.
---@class scion.nn.batch_norm: scion.LayerOptions
---@field epsilon? number added to the variance; above 0 (1e-3)
---@field momentum? number of the moving averages: the share of the old value that a step keeps, from 0 to 1 (0.99)
---@field scale? boolean whether there is a gamma (true)
---@field center? boolean whether there is a beta (true)
---@field statistics? "batch"|"stored" what normalizes in training. "batch": the mean and variance of the batch, which also update the
--- moving averages. "stored": the moving averages, which do not change, even while gamma and beta train ("batch"; architectures of
--- scion.models set "stored" when they load weights)
---@example scion.nn.batch_norm{ epsilon = 1e-5 }
local check = require "scion.check"
local core = require "scion.core"
local layer = require "scion.layer"

--- Batch norm with stored statistics as y = x * scale + shift. Gives { scale =, shift = }, f32 [channels], which are computed again when a
--- parameter changes. `bias`: that of the layer into which batch norm is folded; the shift then includes it. `key` names what is computed
--- from this scale, such as a scaled kernel.
local function fold(self, e, bias)
  local key = bias and "fold+bias" or "fold"
  local gamma, beta, mean, variance = self:weight "gamma", self:weight "beta", self:weight "moving_mean", self:weight "moving_variance"
  local value = e:derived(self, key, { mean, variance, gamma, beta, bias }, function(target)
    target = target or { scale = core.new(mean:shape(), "f32"), shift = core.new(mean:shape(), "f32") }
    core.run { "batch_norm_fold", gamma = gamma, beta = beta, mean = mean, variance = variance, bias = bias, scale = target.scale,
               shift = target.shift, epsilon = self.options.epsilon }
    return target
  end)
  return { scale = value.scale, shift = value.shift, key = ":" .. self.name, norm = self }
end

return layer.define {
  kind = "batch_norm",
  schema = { epsilon = { check.number { above = 0 }, 1e-3 }, momentum = { check.number { from = 0, to = 1 }, 0.99 }, scale = { check.boolean, true },
             center = { check.boolean, true }, statistics = { check.one_of("stored", "batch"), "batch" } },
  fuses_activation = true,
  bf16 = "computes",
  fold = fold,

  define_parameters = function(self, shape)
    local channels, list = { shape[#shape] }, {}
    if self.options.scale then list[#list + 1] = { name = "gamma", shape = channels, init = "ones" } end
    if self.options.center then list[#list + 1] = { name = "beta", shape = channels, init = "zeros" } end
    list[#list + 1] = { name = "moving_mean", shape = channels, init = "zeros", statistic = true }
    list[#list + 1] = { name = "moving_variance", shape = channels, init = "ones", statistic = true }
    return list
  end,

  --- Whether a training step would use the batch's statistics.
  uses_batch = function(self) return self.options.statistics == "batch" and not self.frozen end,

  forward = function(self, e)
    if not e.op.batch_statistics then
      local stored = fold(self, e)
      e:emit { "scale_shift_forward", x = e.x[1], scale = stored.scale, shift = stored.shift, y = e.y, activation = e.activation }
      return
    end
    local channels = self:weight("moving_mean"):shape()
    e.op.saved_mean, e.op.saved_rstd = e:fixed(channels), e:fixed(channels)
    -- The step updates copies of the moving averages. The layer takes them over only when the step is accepted, since the loss may be NaN.
    local mean, variance = e:pending(self, "moving_mean"), e:pending(self, "moving_variance")
    e:emit { "batch_norm_batch_forward", x = e.x[1], gamma = self:weight "gamma", beta = self:weight "beta", moving_mean = mean,
             moving_variance = variance, saved_mean = e.op.saved_mean, saved_rstd = e.op.saved_rstd, y = e.y,
             epsilon = self.options.epsilon, momentum = self.options.momentum, activation = e.activation }
  end,

  backward = function(self, e)
    local dgamma, dbeta = e:gradient(self, "gamma"), e:gradient(self, "beta")
    local dx = e:wants(1) and e:dx(1) or nil
    if e.op.batch_statistics then
      e:emit { "batch_norm_batch_backward", x = e.x[1], dy = e.dy, gamma = self:weight "gamma", saved_mean = e.op.saved_mean,
               saved_rstd = e.op.saved_rstd, dx = dx, dgamma = dgamma, dbeta = dbeta, accumulate = e:accumulates(1) }
    else
      local stored = fold(self, e)
      e:emit { "batch_norm_stored_backward", x = dgamma and e.x[1], dy = e.dy, mean = dgamma and self:weight "moving_mean",
               variance = dgamma and self:weight "moving_variance", scale = stored.scale, dx = dx, dgamma = dgamma, dbeta = dbeta,
               epsilon = self.options.epsilon, accumulate = e:accumulates(1) }
    end
  end,
}
