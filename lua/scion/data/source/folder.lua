--- Reads a folder that holds one folder of images for each class, as Keras's flow_from_directory does.
local check = require "scion.check"
local core = require "scion.core"
local lfs = require "lfs"
local dataset = require "scion.data.dataset"
local notice = require "scion.report.notice"
local paths = require "scion.data.paths"

local where = "scion.data.folder"
-- usual names of parts of a data set
local splits = { train = true, training = true, test = true, testing = true, val = true, valid = true, validation = true }
local extensions = { jpg = true, jpeg = true, jpe = true, jfif = true, png = true }

-- The names in a folder, without hidden ones, sorted by their bytes; or nil and a message.
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

-- Adds to `found` the images in a class's folder, at any depth, by their paths relative to it. Other files go into `passed_over`.
local function collect(folder, prefix, found, passed_over)
  local names, message = entries(folder .. "/" .. prefix)
  if not names then return nil, message end
  for _, name in ipairs(names) do
    local relative = prefix .. name
    local extension = name:match("%.([^.]*)$")
    local kind = extension and extension:lower()
    if lfs.symlinkattributes(folder .. "/" .. relative, "mode") == "directory" then
      local good
      good, message = collect(folder, relative .. "/", found, passed_over)
      if not good then return nil, message end
    elseif lfs.attributes(folder .. "/" .. relative, "mode") == "directory" then -- a link, which may lead in circles
      passed_over[#passed_over + 1] = { file = folder .. "/" .. relative, reason = "links to folders" }
    elseif kind and extensions[kind] then
      found[#found + 1] = relative
    else
      passed_over[#passed_over + 1] = { file = folder .. "/" .. relative, reason = kind and "." .. kind or "no extension" }
    end
  end
  return found
end

local function is_picture(name) return extensions[(name:match "%.([^.]*)$" or ""):lower()] ~= nil end

-- The names of the class folders, and those of pictures beside them; or nil and a message.
local function class_folders(path)
  local mode = lfs.attributes(path, "mode")
  if not mode then return nil, ("the folder %s does not exist%s"):format(path, paths.home_hint(path)) end
  if mode ~= "directory" then return nil, path .. " is not a folder" end
  local names, message = entries(path)
  if not names then return nil, message end
  local classes, loose = {}, {}
  for _, name in ipairs(names) do
    if lfs.attributes(path .. "/" .. name, "mode") == "directory" then
      classes[#classes + 1] = name
    elseif is_picture(name) then
      loose[#loose + 1] = name
    end
  end
  if #classes > 0 then return classes, loose end
  if loose[1] then
    return nil, ("%s holds pictures themselves (such as %s), but one folder of images for each class is wanted; scion.data.files takes a list of pictures"):format(
      path, loose[1])
  end
  return nil, ("%s holds no class folders: it wants one folder of images for each class"):format(path)
end

-- Says so if a data set's parts, such as train and test, would be read as classes: one of these folders was probably meant.
local function tell_splits(path, classes)
  for _, name in ipairs(classes) do
    local inner = splits[name:lower()] and class_folders(path .. "/" .. name)
    if not inner then return end
  end
  notice.once(("scion: %s: the classes are %s, which hold folders of their own: probably %s/%s is meant"):format(path, table.concat(classes, ", "), path, classes[1]))
end

-- Raises unless each folder that was found has the name of a wanted label.
local function agree(path, found, wanted)
  local known = {}
  for _, label in ipairs(wanted) do known[label] = true end
  for _, name in ipairs(found) do
    if not known[name] then
      check.raise(("%s: the folder %s/%s is none of the labels (%s)"):format(where, path, name, table.concat(wanted, ", ")))
    end
  end
end

-- The paths and classes (from 1) of all images, class by class, the files that were passed over, and the labels without an image; or nil
-- and a message.
local function list_images(path, labels)
  local source = { files = {}, numbers = {}, passed_over = {}, empty = {} }
  for class, label in ipairs(labels) do
    local folder, found, message = path .. "/" .. label, {}
    if lfs.attributes(folder, "mode") == "directory" then
      found, message = collect(folder, "", {}, source.passed_over)
      if not found then return nil, message end
    end
    if #found == 0 then source.empty[#source.empty + 1] = label end
    table.sort(found, core.byte_less)
    for _, name in ipairs(found) do
      source.files[#source.files + 1], source.numbers[#source.numbers + 1] = folder .. "/" .. name, class
    end
  end
  return source
end

-- Adds the pictures beside the class folders to those passed over, and says so.
local function pass_over_loose(path, loose, passed_over)
  for i, name in ipairs(loose) do table.insert(passed_over, i, { file = path .. "/" .. name, reason = "in no class folder" }) end
  if not loose[1] then return end
  notice.line(("scion: %s: passed over %d picture%s in no class folder, such as %s"):format(path, #loose, #loose == 1 and "" or "s", loose[1]))
end

-- One line about the files that are no images: "passed over 7 files (.webp 6, links to folders 1), such as po/a/007.webp".
local function passed_over_text(path, list)
  local count, reasons, parts = {}, {}, {}
  for _, entry in ipairs(list) do
    if not count[entry.reason] then reasons[#reasons + 1] = entry.reason end
    count[entry.reason] = (count[entry.reason] or 0) + 1
  end
  table.sort(reasons, function(a, b)
    if count[a] ~= count[b] then return count[a] > count[b] end
    return a < b
  end)
  for i, reason in ipairs(reasons) do parts[i] = ("%s %d"):format(reason, count[reason]) end
  return ("scion: %s: passed over %d file%s not named .jpg, .jpeg, .jpe, .jfif or .png (%s), such as %s"):format(
    path, #list, #list == 1 and "" or "s", table.concat(parts, ", "), list[1].file)
end

local schema = dataset.options { "augment", "workers", "labels", size = { 224, 224 }, batch = 32, shuffle = true, seed = 0, memory = 1e9,
                                 reducing_gap = 2 }

---@class scion.FolderOptions: scion.FilesOptions
---@field labels? string[] the class names in the order of their numbers, such as another set's labels. Each folder must be among them; a
--- line on standard error names those without images (the folders' names, sorted)

--- A data set of the images in a folder, which holds one folder for each class. Images in folders inside a class's folder are of that
--- class, too. Classes, and the files of each class, are sorted by code point. Hidden files are ignored. Files without the ending of an
--- image, links to folders, and pictures beside the class folders are passed over: they are listed in `passed_over`, and a line on
--- standard error says so.
---@param path string
---@param given? scion.FolderOptions
---@return scion.Dataset
---Raises if the path does not exist or holds no class folders, if a class has no images (unless labels were given and others have some), if
---a folder's name is none of the labels, and on unknown options and invalid values. The message names the path or the option.
return function(path, given)
  path = check.argument(where, "the first argument", path, check.path)
  local o = check.options(where, given, schema)
  path = #path > 1 and path:gsub("/+$", "") or path
  local labels, loose = class_folders(path)
  if not labels then check.raise(where .. ": " .. loose) end
  tell_splits(path, labels)
  if o.labels then
    agree(path, labels, o.labels)
    labels = o.labels
  end
  local source, message = list_images(path, labels)
  if not source then check.raise(where .. ": " .. message) end
  local empty = source.empty[1]
  if empty and (not o.labels or #source.files == 0) then
    check.raise(("%s: the class folder %s/%s holds no images (.jpg, .jpeg, .jpe, .jfif or .png)"):format(where, path, empty))
  end
  if empty then notice.line(("scion: %s has no image of %s"):format(path, table.concat(source.empty, ", "))) end
  if source.passed_over[1] then notice.line(passed_over_text(path, source.passed_over)) end
  pass_over_loose(path, loose, source.passed_over)
  return dataset.new({ files = source.files, classes = core.from_table(source.numbers, "i32"), labels = labels, path = path,
                       passed_over = source.passed_over }, o)
end
