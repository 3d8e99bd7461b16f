--- What specs of plans share.
local plans = {}

--- How often each kernel stands in a plan.
function plans.kernels(made)
  local count = {}
  for _, call in ipairs(made.calls) do count[call[1]] = (count[call[1]] or 0) + 1 end
  return count
end

return plans
