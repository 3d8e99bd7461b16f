--- The numbers of the images that could be read.
---@param count integer of all
---@param failures scion.Failure[] of those that could not
---@return integer[] from 1
return function(count, failures)
  local lost, kept = {}, {}
  for _, failure in ipairs(failures) do lost[failure.index] = true end
  for i = 1, count do kept[#kept + 1] = not lost[i] and i or nil end
  return kept
end
