--- What specs of plans share.
local plans = {}

--- How often each kernel stands in a plan.
function plans.kernels(made)
  local count = {}
  for _, step in ipairs(made.steps) do count[step[1]] = (count[step[1]] or 0) + 1 end
  return count
end

return plans
