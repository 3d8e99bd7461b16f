--- The formula of LEEP, see leep.lua.
local core = require "scion.core"

local least = 1e-30 -- for a class that the network never thinks of

---@param p scion.Tensor f32 [rows, source classes]: probabilities
---@param classes scion.Tensor i32 [rows], from 1
---@param count integer
---@return number
return function(p, classes, count)
  local truth, ones = core.one_hot(classes - 1, count), core.full({ count, 1 }, 1)
  local joint = p:transpose():matmul(truth) -- [source classes, classes]
  local given = joint / (joint:matmul(ones) + least)
  return ((p:matmul(given) * truth):matmul(ones) + least):log():mean()
end
