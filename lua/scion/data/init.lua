--- Data sets: images in folders, in a list of files, or in memory. See scion.data.dataset for what they all can do.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local options = require "scion.options"

local data = { folder = require "scion.data.folder" }

---@class scion.FilesOptions
---@field size? integer|integer[] of a square, or { height, width }: images are resized to it (224)
---@field batch? integer images a step (32)
---@field shuffle? boolean whether each epoch has a new order (false)
---@field seed? integer of the order and of augmentation (0)
---@field augment? scion.augment what is drawn for each image in each epoch; none
---@field workers? integer threads that read ahead (as many as there are CPUs)
---@field memory? number so many bytes of decoded and resized images are kept, which later epochs find; 0: none (0)
---@field reducing_gap? number a JPEG of at least twice that many times the size wanted is decoded at 1/2, 1/4 or 1/8 of its own, but never below that
--- many times what is wanted, from where it is resized, as Pillow's thumbnail does; false decodes all whole (2)

--- A list of image files without labels, in their order. A file that cannot be read is told by the iterator's fourth value.
---@param list string[] paths
---@param given? scion.FilesOptions
---@return scion.Dataset
---Raises for an unknown option or one that makes no sense.
function data.files(list, given)
  local where = "scion.data.files"
  local o = options.check(where, given, { "augment", "workers", size = 224, batch = 32, shuffle = false, seed = 0, memory = 0, reducing_gap = 2 })
  if type(list) ~= "table" then check.raise(where .. ": wants a list of paths") end
  for i, path in ipairs(list) do
    if type(path) ~= "string" then check.raise(("%s: entry %d of the list is no path but a %s"):format(where, i, type(path))) end
  end
  return dataset.new(where, { files = table.move(list, 1, #list, 1, {}), quiet = true }, o)
end

-- Class numbers from a list of names: 0-based tensor, and the names.
local function from_names(where, given, names)
  if not names then
    local seen = {}
    names = {}
    for _, name in ipairs(given) do
      if not seen[name] then
        seen[name], names[#names + 1] = true, name
      end
    end
    table.sort(names, core.byte_less)
  end
  local numbers, of = {}, {}
  for i, name in ipairs(names) do of[name] = i end
  for i, name in ipairs(given) do
    numbers[i] = of[name] or check.raise(("%s: label %d, '%s', is not among the labels (%s)"):format(where, i, tostring(name),
                                   table.concat(names, ", ")))
  end
  return core.from_one(numbers), names
end

-- The same from numbers, which count from 1.
local function from_numbers(where, given, names)
  local classes, largest = core.from_one(given)
  if not names then
    names = {}
    for i = 1, largest do names[i] = tostring(i) end
  elseif largest > #names then
    check.raise(("%s: class %d, but there are %d labels"):format(where, largest, #names))
  end
  return classes, names
end

---@class scion.TensorsOptions
---@field size? integer|integer[] the images' own
---@field batch? integer images a step (32)
---@field shuffle? boolean whether each epoch has a new order (true)
---@field seed? integer of the order and of augmentation (0)
---@field augment? scion.augment what is drawn for each image in each epoch; none
---@field workers? integer threads that read ahead (as many as there are CPUs)
---@field labels? string[] names of the classes (the names in use, sorted; or "1", "2" and so on)

--- Images in memory.
---@param images table u8 tensor N x H x W x 3
---@param labels? table the class of each: an i32 tensor or a list of numbers from 1 up, or a list of names; or numbers to
--- predict, an f32 tensor N x K; nil: none
---@param given? scion.TensorsOptions
---@return scion.Dataset
---Raises when the numbers of images and labels differ, for an unknown label or option, or another dtype or shape.
function data.tensors(images, labels, given)
  local where = "scion.data.tensors"
  local o = options.check(where, given, { "augment", "workers", "size", "labels", batch = 32, shuffle = true, seed = 0 })
  local shape = images:shape()
  if images:dtype() ~= "u8" or #shape ~= 4 or shape[4] ~= 3 then
    check.raise(("%s: images are a u8 tensor NxHxWx3, not %s %s"):format(where, images:dtype(), table.concat(shape, "x")))
  end
  o.size = o.size or { shape[2], shape[3] }
  local source = { images = images, count = shape[1] }
  if type(labels) == "userdata" and labels:dtype() == "f32" then
    source.targets = labels
    if #labels ~= shape[1] then check.raise(("%s: %d images, but %d targets"):format(where, shape[1], #labels)) end
  elseif labels then
    local named = type(labels) == "table" and type(labels[1]) == "string"
    source.classes, source.labels = (named and from_names or from_numbers)(where, labels, o.labels)
    local n = source.classes:shape()[1]
    if n ~= shape[1] then check.raise(("%s: %d images, but %d labels"):format(where, shape[1], n)) end
  end
  return dataset.new(where, source, o)
end

return data
