--- A pass over examples in memory that are taken as they are: f32 features or images. There is nothing to decode, so no loader.
local core = require "scion.core"

local values = {}

--- The examples with a number that is NaN or infinite, by their numbers from 0, with what is to be said of each.
---@param tensor scion.Tensor f32 N x …
---@return table<integer, string>
---@return integer[] rows the same examples in their order, from 1
function values.broken(tensor)
  local rows, of = core.broken_rows(tensor), {}
  for _, row in ipairs(rows) do of[row - 1] = ("example %d holds a number that is NaN or infinite"):format(row) end
  return of, rows
end

--- Iterates over batches of a data set; numbers count from 0.
---@param data scion.Dataset one with values
---@param o { order: scion.Tensor?, batch: integer? } as for pass.over
--- (-1 in the order is a place without an example)
---@return fun(): scion.Batch? iterator
---@return nil
---@return nil
---@return nil
function values.over(data, o)
  local order = o.order or core.arange(0, #data - 1, 1, "i32")
  local size, at, last = math.max(o.batch or data.batch, 1), 0, #order
  return function()
    if at >= last then return nil end
    local index = order:slice(1, at + 1, math.min(at + size, last))
    at = at + #index
    if not next(data.broken) and not o.number then return data:batch_of(core.gather(data.values, index), index:copy()) end
    local good, failed = {}, {}
    for _, number in ipairs(index:totable()) do
      local message = data.broken[number]
      if message then
        failed[#failed + 1] = { index = number, message = message }
      elseif number >= 0 then
        good[#good + 1] = number
      end
    end
    for _, failure in ipairs(failed) do data:leave_out(failure) end
    index = core.from_table(good, "i32")
    return data:batch_of(core.gather(data.values, index), index, failed)
  end
end

return values
