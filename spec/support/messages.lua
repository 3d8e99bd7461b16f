--- What a call raises, in its two parts: the place of the user's call, and the sentence.
local messages = {}

--- "spec/x_spec.lua:12: no" as "no" and "spec/x_spec.lua:12"; "" where there is no place.
function messages.split(message)
  local place, text = message:match "^([^\n]-:%d+): (.*)$"
  return text or message, place or ""
end

--- Calls f, which has to raise a string, or an object that stands for one; returns the sentence and the place.
function messages.of(f, ...)
  local ok, message = pcall(f, ...)
  assert(not ok, "nothing was raised")
  message = getmetatable(message) and getmetatable(message).__tostring and tostring(message) or message
  assert(type(message) == "string", "what was raised is no string")
  return messages.split(message)
end

--- Asserts that a sentence is one for users: no place within Scion, and nothing of Lua's own.
function messages.check(text)
  for _, part in ipairs { "lua/scion", "scion/[%w_/]*%.lua:", "attempt to", "bad argument", "stack traceback", "%c" } do
    assert(not text:find(part), ("'%s' stands in: %s"):format(part, text))
  end
  return text
end

--- Calls a function of a spec, in which Scion has to raise at one of the function's own lines, with a sentence for users; returns that.
function messages.refusal(f, ...)
  local text, place = messages.of(f, ...)
  local info = debug.getinfo(f, "S")
  local file, line = place:match "^(.*):(%d+)$"
  assert(file == info.short_src and tonumber(line) >= info.linedefined and tonumber(line) <= info.lastlinedefined,
    ("raised at '%s', not in %s from line %d on: %s"):format(place, info.short_src, info.linedefined, text))
  return messages.check(text)
end

--- The same where the call stands in another function of the spec, which that one calls.
function messages.refused(f, ...)
  local text, place = messages.of(f, ...)
  local file = debug.getinfo(f, "S").short_src
  assert(place:match "^(.*):%d+$" == file, ("raised at '%s', not in %s: %s"):format(place, file, text))
  return messages.check(text)
end

return messages
