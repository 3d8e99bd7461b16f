--- nn.squeeze_excite(ratio, { activation = "relu", gate = "sigmoid" })
--- A block that multiplies each channel by a factor, which two 1x1 convolutions compute from the means of all channels (Hu et al. 2017).
---@class scion.nn.squeeze_excite: scion.BlockOptions
---@field ratio? integer by which the first convolution divides the number of channels (4)
---@field activation? string|false of the first convolution, or false for none ("relu")
---@field gate? string the activation of the second convolution ("sigmoid")
---@example scion.nn.squeeze_excite(4)
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local nn = require "scion.nn"

return layer.define_block {
  kind = "squeeze_excite",
  positional = { "ratio" },
  schema = { ratio = { kinds.size, 4 }, activation = { check.unless_false(kinds.activation), "relu" }, gate = { kinds.activation, "sigmoid" } },

  build = function(x, o, named)
    local s = nn.global_avg_pool { keep_dims = true, name = named "squeeze" }(x)
    local channels = x.shape[3]
    s = nn.conv2d(math.max(1, channels // o.ratio), 1, { activation = o.activation, name = named "reduce" })(s)
    s = nn.conv2d(channels, 1, { activation = o.gate, name = named "expand" })(s)
    return nn.multiply { name = named "excite" } { x, s }
  end,
}
