--- Stratified cross-validation: images in so many parts, with about the same share of each class in all of them.
local core = require "scion.core"

local folds = {}

---@class scion.Folds
---@field order scion.Tensor i32 [images]: numbers from 1, part after part
---@field first integer[] of each part: its first position in that order
---@field last integer[]

--- The images of each class, in an order that the seed draws, and the classes in order.
local function by_class(classes, seed)
  local of_class, names = {}, {}
  for _, i in ipairs(core.permutation(#classes, seed, 0):totable()) do
    local class = classes[i + 1]
    if not of_class[class] then of_class[class], names[#names + 1] = {}, class end
    table.insert(of_class[class], i + 1)
  end
  table.sort(names)
  return of_class, names
end

--- A share of the images of each class, at least one, drawn by the seed. A smaller share of the same images is part of a larger one.
---@param classes integer[] from 1, one for each image
---@param share number
---@param seed integer
---@return integer[] numbers from 1, in order
function folds.thinned(classes, share, seed)
  local of_class, names = by_class(classes, seed)
  local taken = {}
  for _, class in ipairs(names) do
    local list = of_class[class]
    table.move(list, 1, math.max(math.floor(share * #list + 0.5), 1), #taken + 1, taken)
  end
  table.sort(taken)
  return taken
end

--- Deals the images of each class out to the parts, in an order that the seed draws.
---@param classes integer[] from 1, one for each image
---@param count integer of parts
---@param seed integer
---@return scion.Folds
function folds.of(classes, count, seed)
  local lists, dealt, of_class, names = {}, 0, by_class(classes, seed)
  for k = 1, count do lists[k] = {} end
  for _, class in ipairs(names) do
    for _, i in ipairs(of_class[class]) do -- goes on where the class before it ended, so that the parts have as many images
      table.insert(lists[dealt % count + 1], i)
      dealt = dealt + 1
    end
  end
  local made, order = { first = {}, last = {} }, {}
  for k, list in ipairs(lists) do
    made.first[k] = #order + 1
    table.move(list, 1, #list, #order + 1, order)
    made.last[k] = #order
  end
  made.order = core.from_table(order, "i32")
  return made
end

--- The rows of one part, and all the others.
---@param of scion.Folds
---@param rows scion.Tensor in the order of the parts
---@param k integer
---@return scion.Tensor part
---@return scion.Tensor others
function folds.split(of, rows, k)
  local first, last, parts = of.first[k], of.last[k], {}
  if first > 1 then parts[1] = rows:slice(1, 1, first - 1) end
  if last < #rows then parts[#parts + 1] = rows:slice(1, last + 1, #rows) end
  return rows:slice(1, first, last), #parts > 1 and core.concat(parts) or parts[1]
end

return folds
