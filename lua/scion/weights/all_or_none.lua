--- Tensors that are all filled, or left as they were.
local core = require "scion.core"

--- Calls `fill`, which changes tensors. Where it raises, or its first result is nil or false, they get back what they held. It is copied
--- first, but for the zeros of a network that is new.
---@param tensors scion.Tensor[]
---@param fill function
---@param ... any its arguments
---@return any ... its results
return function(tensors, fill, ...)
  local before = {}
  for i, tensor in ipairs(tensors) do before[i] = tensor:version() > 0 and tensor:copy() end
  local function ended(ok, done, ...)
    if ok and done then return done, ... end
    for i, old in ipairs(before) do
      if old then core.copy(old, tensors[i]) else core.fill(tensors[i], 0) end
    end
    if not ok then error(done, 0) end
    return done, ...
  end
  return ended(pcall(fill, ...))
end
