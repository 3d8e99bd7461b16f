--- nn.rescaling(scale, { offset = 0 })
--- x * scale + offset, with fixed numbers.
---@class scion.nn.rescaling: scion.LayerOptions
---@field scale number|number[] one number, or one for each channel
---@field offset? number|number[] one number, or one for each channel (0)
---@example scion.nn.rescaling(1 / 255)
local check = require "scion.check"
local layer = require "scion.layer"
local tensor = require "scion.tensor"

local factors = check.either(check.number(), check.list(check.number()), "a number, or a list with one for each channel")

--- The option as an f32 tensor with one number for each channel.
local function spread(self, value, channels, what)
  local list = {}
  for c = 1, channels do list[c] = type(value) == "table" and value[c] or value end
  if type(value) == "table" and #value ~= channels then self:fail("%s has %d numbers for %d channels", what, #value, channels) end
  return tensor.tensor(list, "f32")
end

return layer.define {
  kind = "rescaling",
  positional = { "scale" },
  schema = { scale = { factors, required = true }, offset = { factors, 0 } },
  fields = { "scale", "shift" },
  fuses_activation = true,

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local shape = { table.unpack((...)) }
    self.scale = spread(self, self.options.scale, shape[#shape], "scale")
    self.shift = spread(self, self.options.offset, shape[#shape], "offset")
    return shape
  end,

  forward = function(self, e)
    e:emit { "scale_shift_forward", x = e.x[1], scale = self.scale, shift = self.shift, y = e.y, activation = e.activation }
  end,

  backward = function(self, e)
    if not e:wants(1) then return end
    e:emit { "batch_norm_stored_backward", dy = e.dy, scale = self.scale, dx = e:dx(1), accumulate = e:accumulates(1) }
  end,
}
