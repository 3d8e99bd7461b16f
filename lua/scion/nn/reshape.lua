--- nn.reshape(shape)
--- The same elements under another shape.
---@class scion.nn.reshape: scion.LayerOptions
---@field shape integer[] without the batch
local layer = require "scion.layer"

local function product(shape)
  local n = 1
  for _, size in ipairs(shape) do n = n * size end
  return n
end

return layer.define {
  kind = "reshape",
  positional = { "shape" },
  defaults = { shape = layer.required },
  identity = "always", -- another view of the same memory

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    local shape = self.options.shape
    if type(shape) ~= "table" or #shape == 0 or product(shape) ~= product((...)) then
      self:fail("an input of %s cannot become %s", table.concat((...), "x"), type(shape) == "table" and table.concat(shape, "x") or tostring(shape))
    end
    return { table.unpack(shape) }
  end,

  forward = function(_, s) s:emit { "copy", x = s.x[1], y = s.y } end,

  backward = function(_, s)
    if s:wants(1) then s:emit { "copy", x = s.dy, y = s:dx(1), accumulate = s:accumulates(1) } end
  end,
}
