--- Images in memory, and how users give their labels.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"

local tensors_options = dataset.options { "augment", "workers", "size", "labels", batch = 32, shuffle = true, seed = 0 }

-- The shape of the images. Raises, with advice, unless they are a u8 tensor N x H x W x 3 or N x H x W x 1.
local function shape_of(where, images)
  local shape = check.argument(where, "the first argument", images, check.tensor):shape()
  if images:dtype() ~= "u8" or #shape ~= 4 or shape[4] ~= 3 and shape[4] ~= 1 or shape[1] < 1 or shape[2] < 1 or shape[3] < 1 then
    local remedy = #shape < 3 and "; features are not trained on: graft a head onto the frozen network, and fit computes them once an image" or
      images:dtype() ~= "u8" and "; images:to 'u8' makes 0 to 255 of them" or
      #shape == 4 and shape[1] == 0 and ": it holds no image" or
      #shape == 3 and shape[3] == 3 and (": one image is images:reshape(1, %d, %d, 3)"):format(shape[1], shape[2]) or ""
    check.raise(("%s: images are a u8 tensor NxHxWx3 or NxHxWx1, not %s%s"):format(where, check.show(images), remedy))
  end
  return shape
end

local list_of_classes = "a list of class numbers, which count from 1, or of names"
local numbers, names_of = check.list(check.whole(1), nil, list_of_classes), check.list(check.text, nil, list_of_classes)

-- Reads labels as users give them: returns { classes = numbers from 1 }, { names = … } or { targets = … }, and how many there are.
local function read_labels(where, given)
  if type(given) ~= "userdata" then
    local named = type(given) == "table" and type(given[1]) == "string"
    local list = check.argument(where, "the second argument", given, named and names_of or numbers)
    return named and { names = list } or { classes = list }, #list
  end
  local shape = check.argument(where, "the second argument", given, check.tensor):shape()
  if given:dtype() == "i32" and #shape == 1 then return { classes = given }, shape[1] end
  if given:dtype() == "f32" and #shape >= 1 then return { targets = given }, shape[1] end
  check.raise(("%s: labels are a list, an i32 tensor of class numbers, or an f32 tensor of numbers to predict, not %s"):format(where, check.show(given)))
end

-- Class numbers from a list of a name for each image: a tensor of numbers from 1, and the list of class names.
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
  local of, list = {}, {}
  for i, name in ipairs(names) do of[name] = i end
  for i, name in ipairs(given) do
    list[i] = of[name] or check.raise(("%s: label %d, %s, is not among the labels (%s)"):format(where, i, check.show(name), table.concat(names, ", ")))
  end
  return core.from_table(list, "i32"), names
end

local most_unnamed = 100000 -- classes: a larger number is probably a mistake, and names for all classes below it would fill the memory

-- The same from class numbers, which count from 1.
local function from_numbers(where, given, names)
  local ok, classes, largest = pcall(core.from_one, given)
  if not ok then check.raise(("%s: class numbers count from 1, but %s"):format(where, classes)) end
  if not names then
    if largest > most_unnamed then check.raise(("%s: class %d of %d images; give the names of so many classes (labels = …)"):format(where, largest, #given)) end
    names = {}
    for i = 1, largest do names[i] = tostring(i) end
  elseif largest > #names then
    check.raise(("%s: class %d, but there are %d labels"):format(where, largest, #names))
  end
  return classes + 1, names
end

-- Grey images in three equal channels, which all other code is written for.
local function in_colour(images, shape)
  if shape[4] == 3 then return images end
  local n, h, w = table.unpack(shape)
  return core.unpack(images:copy(), "U8", 0, { h * w, w, 1, 0 }, core.new({ n, h, w, 3 }, "u8"))
end

---@class scion.TensorsOptions: scion.DatasetOptions
---@field labels? string[] names of the classes (the names in use, sorted; for class numbers "1", "2", …)

--- A data set of images in memory. Grey ones are kept with three equal channels, so that models of either kind take them.
---@param images scion.Tensor u8 N x H x W x 3, or N x H x W x 1 of grey ones
---@param labels? scion.Tensor|integer[]|string[] the class of each image: an i32 tensor or a list of numbers from 1 up, or a list of names;
--- or targets, the numbers to predict: an f32 tensor N x K (no labels)
---@param given? scion.TensorsOptions
---@return scion.Dataset
---Raises if the numbers of images and labels differ, if a target is not finite, and on an unknown label, unknown options, invalid values,
---and another dtype or shape.
return function(images, labels, given)
  local where = "scion.data.tensors"
  local shape = shape_of(where, images)
  local o = check.options(where, given, tensors_options)
  o.size = o.size or { shape[2], shape[3] }
  local source = { images = in_colour(images, shape), count = shape[1], grey = shape[4] == 1 }
  if labels ~= nil then
    local read, n = read_labels(where, labels)
    if n ~= shape[1] then check.raise(("%s: %d images, but %d %s"):format(where, shape[1], n, read.targets and "targets" or "labels")) end
    if read.targets and o.labels then check.raise(where .. ": labels name classes, but there are numbers to predict in their place") end
    if read.targets then
      if not core.finite(read.targets) then check.raise(where .. ": a target is NaN or infinite; no network can learn it") end
      source.targets = read.targets
    elseif read.names then
      source.classes, source.labels = from_names(where, read.names, o.labels)
    else
      source.classes, source.labels = from_numbers(where, read.classes, o.labels)
    end
  elseif o.labels then
    check.raise(where .. ": labels are the names of classes, but the class of each image, the second argument, is missing")
  end
  return dataset.new(source, o)
end
