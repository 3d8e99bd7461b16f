--- What specs share that look at messages: where a message stands, and what it says.
local refusals = {}

--- Calls f, which has to raise; returns what the message says, having looked where it stands: at a line of the spec itself. The spec's
--- function makes the call that raises without returning its results, for a call that is returned leaves no line behind.
---@param f function
---@param ... any
---@return string
function refusals.of(f, ...)
  local level = 2
  while debug.getinfo(level, "S").what == "C" do level = level + 1 end
  local spec = debug.getinfo(level, "S").short_src
  local ok, message = pcall(f, ...)
  assert(not ok, "was not refused")
  assert(type(message) == "string", "the message is no string")
  local place, text = message:match "^(.-:%d+): (.*)$"
  assert(place and place:gsub(":%d+$", "") == spec, ("stands elsewhere than in %s: %s"):format(spec, message))
  for _, internal in ipairs { "lua/scion", "scion/[%w_/]+%.lua", "attempt to", "bad argument", "stack traceback" } do
    assert(not text:find(internal), "tells of the library's inside: " .. message)
  end
  return text
end

return refusals
