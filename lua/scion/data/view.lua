--- Some of the images of a data set, as what a new data set is made of.
local core = require "scion.core"

local view = {}

-- Rows of a tensor: without a copy if they follow one another.
local function rows_of(tensor, index)
  local n = #index
  local first, last = index:get(1), index:get(n)
  if last - first == n - 1 and index:equal(core.arange(first, last, 1, "i32")) then return tensor:slice(1, first + 1, last + 1) end
  return core.gather(tensor, index)
end

--- The images with these numbers.
---@param data scion.Dataset
---@param index scion.Tensor? i32 numbers from 0, at least one (all)
---@return table source for dataset.new
function view.of(data, index)
  local source = { path = data.path, labels = data.labels, grey = data.grey, count = index and #index or #data, files = data.files, broken = data.broken }
  for _, name in ipairs { "images", "values" } do source[name] = data[name] and index and rows_of(data[name], index) or data[name] end
  for _, name in ipairs { "classes", "soft", "multi", "targets" } do -- copies, so that users may relabel images of one set alone
    source[name] = data[name] and (index and core.gather(data[name], index) or data[name]:copy())
  end
  source.problems = data.beside -- other problems are found again
  source.known = data.reported
  if not index then return source end
  local files, broken, known = data.files and {}, data.broken and {}, {}
  for i, number in ipairs(data.files and index:totable() or {}) do files[i] = data.files[number + 1] end
  for i, number in ipairs(next(data.reported) and index:totable() or {}) do
    known[i - 1] = data.reported[number]
    if broken then broken[i - 1] = data.broken[number] end
  end
  source.files, source.broken, source.known = files, broken, known
  return source
end

return view
