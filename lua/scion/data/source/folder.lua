--- A folder of images with one folder for each class, as Keras's flow_from_directory reads it, or of images without labels.
local accents = require "scion.data.accents"
local check = require "scion.check"
local core = require "scion.core"
local lfs = require "lfs"
local dataset = require "scion.data.dataset"
local listing = require "scion.data.source.listing"
local notice = require "scion.report.notice"
local paths = require "scion.data.paths"

local where = "scion.data.folder"
-- usual names of parts of a data set
local splits = { train = true, training = true, test = true, testing = true, val = true, valid = true, validation = true }

local function raise(message, ...) check.raise(where .. ": " .. message:format(...)) end

-- The names of the class folders; those of pictures beside them; and what lies there as problems. Or nil and a message.
local function class_folders(path)
  local mode = lfs.attributes(path, "mode")
  if not mode then return nil, ("the folder %s does not exist%s"):format(path, paths.home_hint(path)) end
  if mode ~= "directory" then return nil, path .. " is not a folder" end
  local names, links = core.list_folder(path)
  if not names then return nil, links end
  local classes, loose, beside = {}, {}, {}
  for _, name in ipairs(names) do
    local folder = name:match "^(.*)/$"
    if folder and listing.of_system(folder) then
      beside[#beside + 1] = { file = path .. "/" .. folder, reason = listing.of_system(folder) }
    elseif folder then
      classes[#classes + 1] = folder
    elseif listing.is_image(name) then
      loose[#loose + 1] = name
      beside[#beside + 1] = { file = path .. "/" .. name, reason = "in no class folder" }
    elseif (core.image_format(path .. "/" .. name) or ""):find " image$" then -- and no script or note
      beside[#beside + 1] = { file = path .. "/" .. name, reason = listing.reason(name, links[name]) }
    end
  end
  table.sort(classes, core.byte_less) -- as names, without the "/"
  return classes, loose, beside
end

-- Raises if data sets' parts, such as train and test, would be read as classes: where there is nothing else, or there are several of them.
local function refuse_splits(path, classes)
  local parts, lines = {}, {}
  for _, name in ipairs(classes) do
    local inner = splits[name:lower()] and class_folders(path .. "/" .. name)
    if inner and inner[1] then parts[#parts + 1] = name end
  end
  if #parts < math.min(2, #classes) then return end
  for i, name in ipairs(parts) do lines[i] = ("%s(%s)"):format(where, check.show(path .. "/" .. name)) end
  raise("%s holds %s, which hold the class folders: %s %s", path, table.concat(parts, " and "), table.concat(lines, " and "),
        #lines == 1 and "reads it" or "read them")
end

-- Raises unless there are folders to tell apart.
local function several(path, classes, loose)
  if not classes[1] and loose[1] then
    raise("%s holds pictures themselves (such as %s), but one folder of images for each class is wanted; labels = false reads them without labels", path, loose[1])
  end
  if not classes[1] then raise("%s holds no class folders: it wants one folder of images for each class", path) end
  refuse_splits(path, classes)
  if classes[2] then return end
  local inner, too = class_folders(path .. "/" .. classes[1]), ""
  if inner and inner[1] then too = (", since %s/%s holds folders, such as %s"):format(path, classes[1], inner[1]) end
  raise("%s holds one class folder alone, %s, and there is nothing to tell it from: the path may be one folder too high%s, or too low; " ..
          "labels = { … } names the classes of which this is one, labels = false reads images without labels", path, classes[1], too)
end

-- Raises unless each folder that was found has the name of a wanted label.
local function agree(path, found, wanted)
  local known, alike = {}, {}
  for _, label in ipairs(wanted) do known[label], alike[accents.without(label)] = true, label end
  for _, name in ipairs(found) do
    local other = alike[accents.without(name)]
    local hint = other and accents.apart(name) ~= accents.apart(other) and
      ("; one of it and %s writes its accents as characters of their own, as macOS does: rename one of them"):format(check.show(other)) or
      ": labels name all class folders; scion.data.files makes a set of the images of some of them"
    if not known[name] then raise("the folder %s/%s is none of the labels (%s)%s", path, name, table.concat(wanted, ", "), hint) end
  end
end

-- The identities of the folder and of its class folders. Raises if two of these are one folder: each of its images would be of two classes.
local function identities(path, labels)
  local seen, names = { [listing.identity(path) or ""] = true }, { [listing.identity(path) or ""] = "." }
  for _, label in ipairs(labels) do
    local known = listing.identity(path .. "/" .. label)
    if known and names[known] then
      raise("%s/%s is a link to %s, so that its images would be of two classes: take the link out, or name the classes by labels", path, label,
            names[known] == "." and path .. " itself" or "the class folder " .. names[known])
    end
    if known then seen[known], names[known] = true, label end
  end
  return seen
end

-- Adds the files and class numbers (from 1) of all images, class by class. Raises if a class has none, unless its label was given.
local function read_classes(source, path, labels, o)
  local files, numbers, empty, seen = source.files, {}, {}, identities(path, labels)
  for class, label in ipairs(labels) do
    local folder, first = path .. "/" .. label, #source.problems + 1
    if lfs.attributes(folder, "mode") == "directory" then
      local good, message = listing.collect(folder, source, o.follow_links, seen)
      if not good then raise("%s", message) end
    end
    if #files == #numbers then empty[#empty + 1] = { label = label, holds = listing.counted(source.problems, first) } end
    for i = #numbers + 1, #files do numbers[i] = class end
  end
  if empty[1] and (not o.labels or #files == 0) then
    local holds = empty[1].holds
    raise("the class folder %s/%s holds no images (%s)%s", path, empty[1].label, listing.endings, holds ~= "" and ", but " .. holds or "")
  end
  for i, class in ipairs(empty) do empty[i] = class.label end
  if empty[1] then notice.line(("scion: %s has no image of %s"):format(path, table.concat(empty, ", "))) end
  source.classes, source.labels = core.from_table(numbers, "i32"), labels
end

local schema = dataset.options { "augment", "workers", "on_broken", "max_pixels", "truncated", "background",
                                 "labels", size = { 224, 224 }, batch = 32, shuffle = true, seed = 0, memory = 1e9,
                                 reducing_gap = 2 }
schema.labels = { check.unless_false(schema.labels[1]) }
schema.follow_links = { check.boolean, false }

---@class scion.FolderOptions: scion.FilesOptions
---@field labels? string[]|false the class names in the order of their numbers, such as another set's labels. Each folder must be among
--- them; a line on standard error names those without images. false: all images in the folder and below it, without labels (the folders'
--- names, sorted)
---@field follow_links? boolean whether links to folders within a class's folder are followed, to each folder once (false)

-- What was passed over, with what it really is where its name is no picture's: "data/cat/1.heic (a HEIC image)".
local function example(problem)
  local format = not listing.is_image(problem.file) and core.image_format(problem.file)
  return problem.file .. (format and (" (%s)"):format(format) or "")
end

--- A data set of the images in a folder, which holds one folder for each class. Images in folders inside a class's folder are of that
--- class, too. Classes, and the files of each class, are sorted by code point. Images are told by their names' endings: .jpg, .jpeg, .jpe,
--- .jfif, .png, .webp or .gif. Hidden files are ignored. All other files, links to folders within a class, and pictures beside the
--- class folders are passed over: they are listed in `problems`, and a line on standard error counts them.
---@param path string
---@param given? scion.FolderOptions
---@return scion.Dataset
---Raises if the path does not exist, if it holds no class folders, one alone, or parts of a data set such as train and val (unless labels
---were given), if a class has no images (unless labels were given and others have some), if a folder's name is none of the labels, and on
---unknown options and invalid values. The message names the path or the option.
---@example train = scion.data.folder("photos", { size = 32, batch = 8, seed = 7, augment = { flip = "horizontal" } })
return function(path, given)
  path = check.argument(where, "the first argument", path, check.path)
  local o = check.options(where, given, schema)
  path = #path > 1 and path:gsub("/+$", "") or path
  local classes, loose, beside = class_folders(path)
  if not classes then raise("%s", loose) end
  local source = { files = {}, problems = o.labels == false and {} or beside, path = path }
  if o.labels == false then
    local good, message = listing.collect(path, source, o.follow_links)
    if not good then raise("%s", message) end
    if not source.files[1] then raise("%s holds no images (%s)", path, listing.endings) end
  else
    if o.labels and classes[1] then agree(path, classes, o.labels) else several(path, classes, loose) end
    read_classes(source, path, o.labels or classes, o)
  end
  local passed = source.problems
  if passed[1] then notice.line(("scion: %s: passed over: %s, such as %s"):format(path, listing.counted(passed), example(passed[1]))) end
  return dataset.new(source, o)
end
