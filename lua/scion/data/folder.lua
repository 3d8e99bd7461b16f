--- A folder with a folder of images for each class, as Keras's flow_from_directory reads it.
local check = require "scion.check"
local core = require "scion.core"
local lfs = require "lfs"
local dataset = require "scion.data.dataset"
local options = require "scion.options"

local where = "scion.data.folder"
local extensions = { jpg = true, jpeg = true, png = true }

-- The names in a folder, hidden ones left out, sorted by their bytes; or nil and a message.
local function entries(path)
  local opened, step, state = pcall(lfs.dir, path)
  if not opened then return nil, ("the folder %s cannot be read: %s"):format(path, (step:gsub("^cannot open [^:]*: ", ""))) end
  local names = {}
  for name in step, state do
    if name:sub(1, 1) ~= "." then names[#names + 1] = name end
  end
  table.sort(names, core.byte_less)
  return names
end

-- Adds the images under a class's folder, at any depth (links to folders are not followed): their paths relative to it.
local function collect(folder, prefix, found)
  local names, message = entries(folder .. "/" .. prefix)
  if not names then return nil, message end
  for _, name in ipairs(names) do
    local relative = prefix .. name
    local extension = name:match("%.([^.]*)$")
    if lfs.symlinkattributes(folder .. "/" .. relative, "mode") == "directory" then
      local good
      good, message = collect(folder, relative .. "/", found)
      if not good then return nil, message end
    elseif extension and extensions[extension:lower()] then
      found[#found + 1] = relative
    end
  end
  return found
end

-- The names of the class folders, or nil and a message.
local function class_folders(path)
  local mode = lfs.attributes(path, "mode")
  if not mode then return nil, ("the folder %s does not exist"):format(path) end
  if mode ~= "directory" then return nil, path .. " is not a folder" end
  local names, message = entries(path)
  if not names then return nil, message end
  local classes = {}
  for _, name in ipairs(names) do
    if lfs.attributes(path .. "/" .. name, "mode") == "directory" then classes[#classes + 1] = name end
  end
  if #classes == 0 then return nil, ("%s holds no class folders: it wants one folder of images for each class"):format(path) end
  return classes
end

-- Whether the folders found are exactly the labels wanted; or nil and a message that names what differs.
local function agree(path, found, wanted)
  local there, known = {}, {}
  for _, name in ipairs(found) do there[name] = true end
  for _, label in ipairs(wanted) do
    if known[label] then return nil, ("the label '%s' is given twice"):format(label) end
    known[label] = true
    if not there[label] then return nil, ("%s has no folder for the label '%s'"):format(path, tostring(label)) end
  end
  for _, name in ipairs(found) do
    if not known[name] then
      return nil, ("the folder %s/%s is none of the labels (%s)"):format(path, name, table.concat(wanted, ", "))
    end
  end
  return true
end

-- The paths and classes (from 1) of all images, class by class; or nil and a message.
local function list_images(path, labels)
  local files, numbers = {}, {}
  for class, label in ipairs(labels) do
    local folder = path .. "/" .. label
    local found, message = collect(folder, "", {})
    if not found then return nil, message end
    if #found == 0 then return nil, ("the class folder %s holds no images (.jpg, .jpeg or .png)"):format(folder) end
    table.sort(found, core.byte_less)
    for _, name in ipairs(found) do
      files[#files + 1], numbers[#numbers + 1] = folder .. "/" .. name, class
    end
  end
  return files, numbers
end

---@class scion.FolderOptions
---@field size? integer|integer[] of a square, or { height, width }: images are resized to it (224)
---@field batch? integer images a step (32)
---@field shuffle? boolean whether each epoch has a new order (true)
---@field seed? integer of the order and of augmentation (0)
---@field augment? scion.augment what is drawn for each image in each epoch; none
---@field workers? integer threads that read ahead (as many as there are CPUs)
---@field labels? string[] the class names, in the order that numbers them, such as another set's labels; the folders have to agree with them
---@field memory? number so many bytes of decoded and resized images are kept, which later epochs find; 0: none (1e9)
---@field reducing_gap? number a JPEG of at least twice that many times the size wanted is decoded at 1/2, 1/4 or 1/8 of its own, but never below that
--- many times what is wanted, from where it is resized, as Pillow's thumbnail does; false decodes all whole (2)

--- The images of a folder, a folder a class. Classes are sorted by code point, and the files of each class too; hidden ones
--- and those not called .jpg, .jpeg or .png are passed over.
---@param path string
---@param given? scion.FolderOptions
---@return scion.Dataset
---Raises when the path is missing or holds no class folders, a class has no images, the folders are not the labels, or an
---option is unknown or makes no sense; the message names the path or the option.
return function(path, given)
  local o = options.check(where, given, { "augment", "workers", "labels", size = 224, batch = 32, shuffle = true, seed = 0, memory = 1e9,
                                           reducing_gap = 2 })
  if type(path) ~= "string" then check.raise(("%s: a path is a string, not a %s"):format(where, type(path))) end
  path = #path > 1 and path:gsub("/+$", "") or path
  local labels, message = class_folders(path)
  local good = labels ~= nil
  if good and o.labels then
    good, message = agree(path, labels, o.labels)
    labels = table.move(o.labels, 1, #o.labels, 1, {})
  end
  local files, numbers
  if good then
    files, numbers = list_images(path, labels)
    good, message = files ~= nil, numbers
  end
  if not good then check.raise(where .. ": " .. message) end
  return dataset.new(where, { files = files, classes = (core.from_one(numbers)), labels = labels, path = path }, o)
end
