--- nn.slice(first, last)
--- The channels `first` to `last` of the input, both included and counted from 1, as in t:slice. Costs nothing where the next layers can
--- read them from where the input is.
---@class scion.nn.slice: scion.LayerOptions
---@field first integer the first channel, from 1 up
---@field last integer the last channel
---@example scion.nn.slice(1, 16)
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local value = require "scion.ir.value"

return layer.define {
  kind = "slice",
  positional = { "first", "last" },
  schema = { first = { kinds.size, required = true }, last = { kinds.size, required = true } },
  bf16 = "carries",

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local out, first, last = { table.unpack((...)) }, self.options.first, self.options.last
    if first > last or last > out[#out] then self:fail("an input of %d channels has no channels %d to %d", out[#out], first, last) end
    out[#out] = last - first + 1
    return out
  end,

  part = function(self, whole) return value.slice(whole, self.options.first - 1, self.options.last - self.options.first + 1) end,

  --- Copies the channels, where the pass `alias` could not leave them where they are.
  forward = function(self, e) e:emit { "copy", x = self:part(e.x[1]), y = e.y } end,

  backward = function(self, e)
    if not e:wants(1) then return end
    local dx = e:dx(1)
    if e:accumulates(1) then
      e:emit { "copy", x = e.dy, y = self:part(dx), accumulate = true }
    else
      e:emit { "pad_channels", x = e.dy, y = dx, before = self.options.first - 1 }
    end
  end,
}
