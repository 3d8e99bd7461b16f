--- Blocks: what is applied to a node as a layer is, and stands for several layers.
local block = {}

---@class scion.Block
---@overload fun(x: scion.Node): scion.Node
---@field kind "block"
local class = { __name = "scion.Block", __title = "a block" }

function class:__call(x) return self.build(x) end

local function words(value)
  if type(value) ~= "table" or getmetatable(value) then return tostring(value) end
  local parts = {}
  for i, element in ipairs(value) do parts[i] = words(element) end
  return "{" .. table.concat(parts, ", ") .. "}"
end

function class:__tostring() return ("%s(%s)"):format(self.title, words(self.given):sub(2, -2)) end

--- Makes a block.
---@param title string of its constructor: "conv_norm"
---@param given any[] what that was given, for printing
---@param build fun(x: scion.Node): scion.Node
---@return scion.Block
function block.new(title, given, build) return setmetatable({ kind = "block", title = title, given = given, build = build }, class) end

return block
