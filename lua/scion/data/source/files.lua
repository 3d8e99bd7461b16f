--- A list of image files, with or without labels.
local check = require "scion.check"
local listed = require "scion.data.source.listed"

local paths = check.list(check.path, nil, "a list of paths")
local entry = { path = check.path, label = check.any }

-- The paths and labels of a list of { path =, label = }.
local function read_entries(where, list)
  local names, labels, first = {}, {}, nil
  for i, given in ipairs(list) do
    if type(given) ~= "table" or getmetatable(given) ~= nil then
      check.raise(("%s: element %d is %s, but the first one is a table, { path = …, label = … }"):format(where, i, check.show(given)))
    end
    for key in next, given do
      if not entry[key] then check.raise(("%s: element %d has an unknown field %s (%s)"):format(where, i, check.show(key), check.suggestion(key, { "path", "label" }))) end
    end
    names[i], labels[i] = check.argument(where, ("the path of element %d"):format(i), given.path, check.path), given.label
    first = first or given.label ~= nil and i
    if (given.label == nil) ~= (labels[1] == nil) then
      check.raise(("%s: %s has no label, but %s has one"):format(where, given.label == nil and given.path or names[1], given.label == nil and names[1] or given.path))
    end
  end
  return names, first and labels or nil
end

---@class scion.ListOptions: scion.FilesOptions
---@field labels? string[] names of the classes or labels in the order of their numbers (the names in use, sorted; for numbers "1", "2", …)
---@field multi? boolean whether rows with a number for each label are several labels of an image, even if each adds up to 1 (false)

--- A data set of image files, in their order unless it is shuffled. Without labels it does not warn of files that cannot be read:
--- `failed` of each batch has them.
---@param list string[]|{ path: string, label: string|number|string[]|number[]|nil }[] paths, or { { path = …, label = … }, … }. A label is a
--- class by its name or its number from 1; a list of names: several labels; a list of numbers, or a number that is not whole: numbers to
--- predict or, with the option labels, a number for each label
---@param given? scion.ListOptions
---@return scion.Dataset
---Raises if the list is not one of paths or entries, on an unknown label, and on unknown options and invalid values.
---@example data = scion.data.files({ { path = "dog.png", label = "dog" }, { path = "cat.png", label = "cat" } }, { size = 32 })
return function(list, given)
  local where = "scion.data.files"
  local labels
  if type(list) == "table" and type(rawget(list, 1)) == "table" then
    check.argument(where, "the first argument", list, check.list(check.any, nil, "a list of paths, or of { path = …, label = … }"))
    list, labels = read_entries(where, list)
  else
    list = check.argument(where, "the first argument", list, paths)
  end
  return listed.new(where, list, labels, check.options(where, given, listed.schema), "the list of labels")
end
