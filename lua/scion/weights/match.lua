--- Arrays of a file and weights of a model, by name: what fits, what does not, and reading what does.
local core = require "scion.core"
local array = require "scion.weights.array"
local report = require "scion.weights.report"

local match = {}

---@class scion.ExpectedWeight
---@field name string the array's
---@field shape integer[] the array's
---@field tensor scion.Tensor the model's, reshaped so that each dimension has one stride
---@field axes integer[][]? for each dimension of the tensor the array's axis, and what to multiply its stride by; none: the same order
---@field implied boolean? the model computes as if it had this weight, with the tensor's values: an array of others does not fit

---@class scion.MatchedWeight
---@field weight scion.ExpectedWeight
---@field array scion.Array

--- What stands in the way of a weight that the model only implies, or nothing.
local function other_than_implied(weight, a)
  local tensors = array.read_all { a }
  if tensors and tensors[a.name]:to "f32":equal(weight.tensor) then return end
  local value = ("%g"):format(weight.tensor:get(1))
  return { name = weight.name, file = tensors and "not " .. value or "unreadable", model = value .. " throughout, without having it" }
end

--- Where each of their names stands among ours.
---@param theirs { name: string }[]
---@param ours string[]
---@return (integer?)[] places nil where it does not; a name that stands twice among theirs has a place once
---@return integer known how many have one
function match.places(theirs, ours)
  local by_name, places, known = {}, {}, 0
  for i, name in ipairs(ours) do by_name[name] = i end
  for i, their in ipairs(theirs) do
    places[i] = by_name[their.name]
    by_name[their.name] = nil
    known = known + (places[i] and 1 or 0)
  end
  return places, known
end

--- How many of a model's weights, without those that it only implies, are among arrays.
---@param arrays { name: string, shape: integer[] }[]
---@param expected scion.ExpectedWeight[]
---@return integer fits by name and shape
---@return integer known by name
---@return integer total
function match.fit(arrays, expected)
  local by_name, fits, known, total = {}, 0, 0, 0
  for _, a in ipairs(arrays) do by_name[a.name] = by_name[a.name] or a end
  for _, weight in ipairs(expected) do
    local a = not weight.implied and by_name[weight.name]
    total = total + (weight.implied and 0 or 1)
    if a then
      known = known + 1
      fits = fits + (array.shape_text(a.shape) == array.shape_text(weight.shape) and 1 or 0)
    end
  end
  return fits, known, total
end

--- Compares the names and shapes of a file's arrays with a model's weights.
---@param path string
---@param arrays scion.Array[]
---@param expected scion.ExpectedWeight[]
---@param may_be_left? fun(name: string, parts: table<string, boolean>): boolean whether an array is no loss to a model whose weights'
---names begin with those parts
---@return scion.WeightsReport
---@return scion.MatchedWeight[] matched
function match.compare(path, arrays, expected, may_be_left)
  local names, parts, found, matched, total = {}, {}, {}, {}, 0
  for i, weight in ipairs(expected) do
    names[i], parts[weight.name:match "^[^.]*"], total = weight.name, true, total + (weight.implied and 0 or 1)
  end
  local result, places = report.new(path, total, "arrays"), match.places(arrays, names)
  for i, a in ipairs(arrays) do
    if places[i] then
      found[places[i]] = a
    else
      table.insert(may_be_left and may_be_left(a.name, parts) and result.unused or result.unexpected, a.name)
      if #a.shape == 1 and a.name:find "bias$" and not a.name:find "^[Aa]ux" then result.classes = a.shape[1] end -- the last is the classifier's
    end
  end
  for i, weight in ipairs(expected) do
    local a = found[i]
    local theirs, ours = a and array.shape_text(a.shape), array.shape_text(weight.shape)
    if not a then
      if not weight.implied then table.insert(result.missing, weight.name) end
    elseif theirs ~= ours then
      table.insert(result.misfits, { name = weight.name, file = theirs, model = ours })
    elseif weight.implied then
      result.misfits[#result.misfits + 1] = other_than_implied(weight, a)
    else
      table.insert(matched, { weight = weight, array = a })
    end
  end
  result.loaded = #matched
  return result, matched
end

local function strides_of(pair)
  if not pair.weight.axes then return pair.array.strides end
  local list = {}
  for i, axis in ipairs(pair.weight.axes) do list[i] = pair.array.strides[axis[1]] * (axis[2] or 1) end
  return list
end

--- Reads the numbers. All arrays are checked before a tensor changes. Of an archive damage shows as late as the numbers are read: its
--- tensors are copied first, and get their numbers back. Only a file that changes or cannot be read meanwhile leaves part overwritten.
---@param matched scion.MatchedWeight[]
---@return true? read
---@return string? message names the file
function match.read(matched)
  local arrays = {}
  for i, pair in ipairs(matched) do
    arrays[i] = pair.array
    local problem = array.misfit(pair.array)
    if problem then return nil, pair.array.path .. ": " .. problem end
  end
  local room <close> = array.room(arrays)
  local before = {}
  for i, pair in ipairs(matched) do
    before[i] = pair.array.late and pair.weight.tensor:copy()
    local read, message = array.read_into(pair.array, pair.weight.tensor, room, strides_of(pair))
    if not read then
      for j, old in ipairs(before) do
        if old then core.copy(old, matched[j].weight.tensor) end
      end
      return nil, message
    end
  end
  return true
end

return match
