--- nn.channel_shuffle(groups)
--- The channels in another order: the first of each group, then the second of each, and so on (Zhang et al. 2018). Behind branches that
--- are side by side it mixes their channels.
---@class scion.nn.channel_shuffle: scion.LayerOptions
---@field groups integer how many; the number of channels is a multiple of it
---@example scion.nn.channel_shuffle(2)
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "channel_shuffle",
  positional = { "groups" },
  schema = { groups = { kinds.size, required = true } },
  bf16 = "carries",

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local out, groups = { table.unpack((...)) }, self.options.groups
    if out[#out] % groups ~= 0 then self:fail("%d channels cannot be split into %d groups of one size", out[#out], groups) end
    return out
  end,

  forward = function(self, e) e:emit { "channel_shuffle", x = e.x[1], y = e.y, groups = self.options.groups } end,

  backward = function(self, e) -- back by as many groups as a group has channels
    if not e:wants(1) then return end
    local shape = e.op.shape
    e:emit { "channel_shuffle", x = e.dy, y = e:dx(1), groups = shape[#shape] // self.options.groups, accumulate = e:accumulates(1) }
  end,
}
