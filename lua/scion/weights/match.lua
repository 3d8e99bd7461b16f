--- Matches the arrays of a file with the weights of a model by name: finds what fits and what does not, and reads what fits.
local all_or_none = require "scion.weights.all_or_none"
local array = require "scion.weights.array"
local classifier = require "scion.weights.classifier"
local leftover = require "scion.weights.leftover"
local names_of = require "scion.weights.names.torchvision"
local report = require "scion.weights.report"

local match = {}

---@class scion.ExpectedWeight
---@field name string of the array in the file
---@field shape integer[] of the array in the file
---@field tensor scion.Tensor the model's weight, in a view with as many dimensions as it takes for each to have one stride in the array
---@field axes integer[][]? for each dimension of the tensor: the array's axis, from 1, and what to multiply that axis's stride by (1);
--- none: the tensor's dimensions are the array's
---@field implied boolean? the model has no such weight, but computes as if it had one with the tensor's values. The file may lack the
--- array; one with other values does not fit

---@class scion.MatchedWeight
---@field weight scion.ExpectedWeight
---@field array scion.Array

--- The misfit of an array that does not have the values that the model implies; nil if it has them.
local function other_than_implied(weight, a)
  local tensors = array.read_all { a }
  if tensors and tensors[a.name]:to "f32":equal(weight.tensor) then return end
  local value = ("%g"):format(weight.tensor:get(1))
  return { name = weight.name, file = tensors and "not " .. value or "unreadable", model = value .. " throughout, without having it" }
end

--- Finds the position of each of their names in our list.
---@param theirs { name: string }[]
---@param ours string[]
---@return (integer?)[] indices nil where ours lacks the name; of a name that occurs twice in theirs, only the first has an index
---@return integer known how many have one
function match.indices(theirs, ours)
  local by_name, indices, known = {}, {}, 0
  for i, name in ipairs(ours) do by_name[name] = i end
  for i, their in ipairs(theirs) do
    indices[i] = by_name[their.name]
    by_name[their.name] = nil
    known = known + (indices[i] and 1 or 0)
  end
  return indices, known
end

--- How many of a model's weights are among the arrays, without those that are only implied.
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

--- Sorts a file's arrays: which is that of each expected weight, and in the report those that have no place. Returns the former by the
--- weights' places, and two lists: those without a place, but for auxiliary heads, and which of them the model may not do without.
local function sort_arrays(result, arrays, expected, may_be_left)
  local names, parts, found, homeless, unexpected = {}, {}, {}, {}, {}
  for i, weight in ipairs(expected) do names[i], parts[classifier.part(weight.name)] = weight.name, true end
  local indices = match.indices(arrays, names)
  for i, a in ipairs(arrays) do
    if a.beside then
      result:add_beside(a.name)
    elseif indices[i] then
      found[indices[i]] = a
    else
      local left = may_be_left and may_be_left(a.name, parts)
      table.insert(left and result.unused or result.unexpected, a.name)
      homeless[#homeless + 1] = not names_of.auxiliary[classifier.part(a.name)] and a or nil
      if not left then
        unexpected[#unexpected + 1] = a
      elseif #a.shape == 1 and a.name:find "bias$" and not a.name:find "^[Aa]ux" then
        result.classes = a.shape[1] -- the last such array is the classifier's
      end
    end
  end
  local classes = classifier.classes(unexpected, parts)
  for _, a in ipairs(classes and {} or unexpected) do result.inner = result.inner or not names_of.classifiers[classifier.part(a.name)] end
  result.classes = result.classes or classes
  return found, homeless, unexpected
end

--- Whether all that is missing is of the model's last layer, and that is a classifier.
local function lacks_last(missing, last_layer)
  local kernel = false
  for _, weight in ipairs(missing) do
    if weight.name:match "^(.*)[./]" ~= last_layer then return false end
    kernel = kernel or #weight.shape == 2 or names_of.classifiers[classifier.part(weight.name)] ~= nil
  end
  return kernel
end

--- Compares the names and shapes of a file's arrays with a model's weights.
---@param path string
---@param arrays scion.Array[]
---@param expected scion.ExpectedWeight[]
---@param may_be_left? fun(name: string, parts: table<string, boolean>): boolean whether an array may be left out by a model, given the
--- first parts of its weights' names
---@return scion.WeightsReport
---@return scion.MatchedWeight[] matched
function match.compare(path, arrays, expected, may_be_left)
  local matched, missing, total, at_end = {}, {}, 0, true -- at_end: whether nothing was found behind what is missing
  for _, weight in ipairs(expected) do total = total + (weight.implied and 0 or 1) end
  local result = report.new(path, total, "arrays")
  local found, homeless, unexpected = sort_arrays(result, arrays, expected, may_be_left)
  local last = #expected
  while last > 1 and expected[last].implied do last = last - 1 end
  local last_layer = last > 0 and expected[last].name:match "^(.*)[./]"
  for i, weight in ipairs(expected) do
    local a = found[i]
    at_end = at_end and (not a or not missing[1])
    local theirs, ours = a and array.shape_text(a.shape), array.shape_text(weight.shape)
    if not a then
      if not weight.implied then result.missing[#result.missing + 1], missing[#missing + 1] = weight.name, weight end
    elseif theirs ~= ours then
      table.insert(result.misfits, { name = weight.name, file = theirs, model = ours })
      table.insert(result.sizes, { shapes = { { a.shape, weight.shape } }, last = weight.name:match "^(.*)[./]" == last_layer })
    elseif weight.implied then
      result.misfits[#result.misfits + 1] = other_than_implied(weight, a)
    else
      table.insert(matched, { weight = weight, array = a })
    end
  end
  result.loaded, result.outside = #matched, #unexpected > 0
  for _, pair in ipairs(matched) do result.joined = result.joined or pair.array.outside end
  for _, a in ipairs(unexpected) do result.outside = result.outside and a.outside or false end
  result.headless = lacks_last(missing, last_layer)
  result.rewritten = leftover.rewritten(missing, homeless, arrays, expected)
  result.leftover, result.grafts = leftover.named(missing, homeless, at_end and 2 * #matched > total)
  return result, matched
end

--- The array's strides for the dimensions of the weight's tensor.
local function strides_of(pair)
  if not pair.weight.axes then return pair.array.strides end
  local list = {}
  for i, axis in ipairs(pair.weight.axes) do list[i] = pair.array.strides[axis[1]] * (axis[2] or 1) end
  return list
end

--- Why an array cannot be read into a weight; nil if it can.
local function unreadable(a)
  local problem = array.misfit(a)
  if problem or a.dtype:find "^B?F%d" then return problem end
  return ("%s holds integers (%s), as quantized weights are; in Python, save the network before it is quantized"):format(a.name, a.dtype)
end

--- Reads the numbers. All arrays are checked before a tensor changes; where one cannot be read, or an archive shows damage only when it is,
--- all tensors are as they were.
---@param matched scion.MatchedWeight[]
---@return true? read
---@return string? message names the file
function match.read(matched)
  local readings, tensors = {}, {}
  for i, pair in ipairs(matched) do
    local problem = unreadable(pair.array)
    if problem then return nil, pair.array.path .. ": " .. problem end
    tensors[i] = pair.weight.tensor
    readings[i] = { array = pair.array, tensor = pair.weight.tensor, strides = strides_of(pair) }
  end
  return all_or_none(tensors, array.read_each, readings)
end

return match
