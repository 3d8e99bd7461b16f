--- fit's option class_weights: a factor for the loss of each class.
local check = require "scion.check"
local core = require "scion.core"
local printable = require "scion.printable"

local class_weights = {}

--- The option, as a kind for checks.
class_weights.kind = check.kind("a table of factors by label or position, such as { cat = 2 }, or 'balanced', which makes up for classes with fewer images", function(value)
  if value == false then return true, nil end
  return value == "balanced" or printable.is_plain(value) and next(value) ~= nil, value
end)

local factor = check.number { from = 0 }

--- Reads a table of factors: a list of them, in the order of the labels; 1 for those that are not named.
local function read(given, labels)
  local keys = 0
  for _ in pairs(given) do keys = keys + 1 end
  if keys == #given and keys < #labels then -- a list that is too short, and not weights of some classes by number
    check.raise(("fit: class_weights is a list of %d, but there are %d classes (%s): give one number for each, or name the classes, as in { [%s] = 2 }"):format(
      #given, #labels, table.concat(labels, ", "), check.show(labels[1])))
  end
  local values, position, any = {}, {}, false
  for i, label in ipairs(labels) do values[i], position[label] = 1.0, i end
  local named = {}
  for key, weight in pairs(given) do
    local i = math.type(key) == "integer" and key or position[key]
    if not i or not values[i] then
      check.raise(("fit: class_weights names %s, which is none of the labels (%s)"):format(check.show(key), table.concat(labels, ", ")))
    end
    if named[i] then
      check.raise(("fit: class_weights has two numbers for class %s, by its label and by its position %d: give one of them"):format(check.show(labels[i]), i))
    end
    named[i] = true
    values[i] = check.argument("fit: class_weights", "the weight of class " .. check.show(labels[i]), weight, factor)
  end
  for _, weight in ipairs(values) do any = any or weight > 0 end
  if not any then check.raise "fit: class_weights are all 0, so there is nothing to learn" end
  return values
end

--- Factors that give all classes the same weight in the sum of the losses, as the data set has them.
local function balanced(data)
  if check.callable.read(data.class_weights) then return data:class_weights() end
  check.raise "fit: class_weights = 'balanced' needs to know how many images each class has; a data set of one's own tells the factors by a method class_weights"
end

--- The weights of the classes as an f32 tensor, in the order of the labels; nil if none were given. Raises if the data set has no classes
--- or the weights do not fit them.
---@param given table|"balanced"|nil
---@param data scion.Dataset
---@param told "classes"|"labels"|nil as of targets.told
---@return scion.Tensor?
function class_weights.read(given, data, told)
  if not given then return nil end
  if not data.labels then check.raise "fit: class_weights needs a data set with labels" end
  if told == "labels" then
    check.raise "fit: class_weights weighs an image by its class, but here an image can have several labels, which no one factor fits: leave class_weights out"
  end
  return core.from_table(given == "balanced" and balanced(data) or read(given, data.labels), "f32")
end

local most = 1000 -- of weights that make up for classes with fewer images

--- A remark if the largest of these weights alone can make numbers too large; else nil.
---@param weights scion.Tensor? as of class_weights.read
---@return string?
function class_weights.too_large(weights)
  local largest = weights and weights:max()
  if largest and largest > most then return ("the class weights are up to %g: give smaller ones"):format(largest) end
end

--- The factor of each example: the weight of its class, or the mean of the classes' weights by its shares of them.
---@param weights scion.Tensor as of class_weights.read
---@param y scion.Tensor i32 [n] of classes from 0, or f32 [n, classes] of shares
---@return scion.Tensor f32 [n]
function class_weights.of(weights, y)
  if y:dtype() == "i32" then return core.gather(weights, y) end
  local sums = (y * weights):sum(2)
  return type(sums) == "number" and core.full({ 1 }, sums) or sums
end

return class_weights
