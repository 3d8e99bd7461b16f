--- A batch: what a pass over a data set gives at a time. Inside Scion images and classes count from 0, for users from 1; this file
--- converts from one to the other, and nothing else does.
local check = require "scion.check"
local core = require "scion.core"
local results = require "scion.report.results"
local printable = require "scion.printable"

local batch = {}

--- Numbers that count from 1, as an i32 tensor of those from 0. Raises if there are others.
local function from_one(where, what, numbers)
  local ok, made = pcall(core.from_one, numbers)
  if not ok then check.raise(("%s: %s count from 1, but %s"):format(where, what, made)) end
  return made
end

--- Makes a batch of its fields; numbers count from 0.
---@param fields { x: scion.Tensor, y: scion.Tensor?, weight: scion.Tensor?, index: scion.Tensor, files: string[]?, failed: scion.Failure[]?, node: scion.Node? }
---@return scion.Batch
function batch.new(fields)
  fields.failed = fields.failed or {}
  return results.batch(fields)
end

--- Failures as users see them: their numbers count from 1.
---@param failed scion.Failure[]
---@return scion.Failure[]
function batch.failures_for_user(failed)
  local told = {}
  for i, failure in ipairs(failed) do told[i] = { index = failure.index + 1, file = failure.file, message = failure.message } end
  return results.failures(told)
end

--- The numbers of the images of a batch as users see them, from 1.
---@param where string the name of the function that the user called, for messages
---@param inside scion.Batch
---@return integer[]
function batch.numbers(where, inside)
  local numbers = check.argument(where, "index in the data set's batches", inside.index, check.tensor):totable()
  for i, index in ipairs(numbers) do numbers[i] = index + 1 end
  return numbers
end

--- The batch as users see it.
---@param inside scion.Batch
---@param paths string[]? of all files of the data set; those of the batch's images are listed in `files`
---@return scion.Batch
function batch.for_user(inside, paths)
  local y, files = inside.y, nil
  if y and y:dtype() == "i32" then y = y + 1 end
  if paths then
    files = inside.index:totable()
    for i, number in ipairs(files) do files[i] = paths[number + 1] end
    printable.table(files)
  end
  return batch.new { x = inside.x, y = y, weight = inside.weight, index = inside.index + 1, files = files,
                     failed = batch.failures_for_user(inside.failed) }
end

local text_of = { x = "the images", y = "the labels, a tensor", index = "the images' numbers, an i32 tensor", weight = "the examples' weights, an f32 tensor" }

local function tensor_in(where, given, name, needed)
  local value = given[name]
  if value == nil and not needed or check.tensor.read(value) then return value end
  check.raise(("%s: the data set gave a batch whose %s (%s) is %s"):format(where, name, text_of[name], check.show(value)))
end

--- A batch that a user's own data set gave. Raises unless it is a table with tensors.
---@param where string the name of the function that the user called, for messages
---@param given any
---@return scion.Batch
function batch.from_user(where, given)
  if type(given) ~= "table" then
    check.raise(("%s: the data set's batches are tables, { x = images, y = labels, index = numbers }, not %s"):format(where, check.show(given)))
  end
  local x, y = tensor_in(where, given, "x", true), tensor_in(where, given, "y")
  local index, weight = tensor_in(where, given, "index"), tensor_in(where, given, "weight")
  local n = x:shape()[1]
  if index and (index:dtype() ~= "i32" or #index:shape() ~= 1 or #index ~= n) then
    check.raise(("%s: the data set gave a batch of %d whose index is %s"):format(where, n, check.show(index)))
  end
  if weight and (weight:dtype() ~= "f32" or #weight:shape() ~= 1 or #weight ~= n) then
    check.raise(("%s: the data set gave a batch of %d whose weight is %s"):format(where, n, check.show(weight)))
  end
  local failed = {}
  for i, failure in ipairs(given.failed or {}) do failed[i] = { index = failure.index - 1, file = failure.file, message = failure.message } end
  if y and y:dtype() == "i32" then y = from_one(where, "class numbers", y) end
  return batch.new { x = x, y = y, weight = weight, index = index and from_one(where, "image numbers", index), files = given.files, failed = failed }
end

return batch
