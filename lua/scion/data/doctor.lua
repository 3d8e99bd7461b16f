--- scion.data.doctor: looks through a data set for what spoils training and its measure. It reads each file once and changes nothing.
local check = require "scion.check"
local core = require "scion.core"
local dataset = require "scion.data.dataset"
local findings = require "scion.data.findings"
local interrupts = require "scion.interrupts"
local lfs = require "lfs"
local paths = require "scion.data.paths"
local printable = require "scion.printable"
local progress = require "scion.report.progress"
local results = require "scion.report.results"

local where = "scion.data.doctor"

local at_once = 128 -- images for each call, so that progress is shown

--- A data set, of whatever stands for one. Raises on anything else.
local function set_of(what, value)
  if dataset.is(value) and value.values then check.raise(("%s: %s holds no u8 images, which are what the doctor looks at"):format(where, what)) end
  if dataset.is(value) then return value end
  if check.path.read(value) and lfs.attributes(value, "mode") == "directory" then
    local ok, made = check.try(require "scion.data.source.folder", value)
    return ok and made or check.raise((made:gsub("^scion%.data%.folder", where)))
  end
  if check.path.read(value) then check.raise(("%s: %s: no folder is there"):format(where, value)) end
  check.raise(("%s: %s is a data set or the path of a folder, not %s"):format(where, what, check.show(value)))
end

--- The sets to be compared with, by name, sorted; a single one has no name.
local function others(given)
  if given == nil then return {} end
  if type(given) ~= "table" or getmetatable(given) ~= nil then return { { data = set_of("against", given) } } end
  local list = {}
  for name, value in pairs(given) do
    if type(name) ~= "string" then check.raise(where .. ": against is a data set, a folder, or a table of them by name, such as { val = val, test = test }") end
    list[#list + 1] = { name = name, data = set_of("against." .. name, value) }
  end
  table.sort(list, function(a, b) return core.byte_less(a.name, b.name) end)
  return list
end

--- Reads all images of a set, and adds what is known of each to the list.
local function examine(set, number, images, tell)
  local data, count = set.data, #set.data
  local classes = data.classes and data.classes:totable()
  local decoding = { max_pixels = data.max_pixels, truncated = data.truncated, background = check.items(data.background) }
  local files = check.items(data.files)
  for first = 1, count, at_once do
    local read = core.image_examine(files or data.images, first, math.min(at_once, count - first + 1), decoding)
    interrupts.check(where)
    for i, image in ipairs(read) do
      local index = first + i - 1
      image.file, image.set = files and files[index] or "image " .. index, number
      image.label = classes and data.labels[classes[index]]
      images[#images + 1] = image
    end
    tell(#images)
  end
end

local function files_of(images)
  local files = {}
  for i, image in ipairs(images) do files[i] = image.file end
  return files
end

local schema = { against = { check.kind("a data set, a folder, or a table of them", function(value) return true, value end) } }

---@class scion.DoctorOptions
---@field against? scion.Dataset|string|table<string, scion.Dataset|string> sets that must share no image with the first, such as { val =
--- val, test = test }; they are compared with each other, too (none)

--- Looks through a data set, or a folder that scion.data.folder reads: for files that are broken, doubled, in two classes, in training and
--- validation both, too small, or otherwise than their neighbours; and for classes that are few, lopsided or hardly told apart by name. Each
--- file is read once, in as many threads as scion.threads() tells; nothing is written. On a terminal it shows how far it is.
---
--- The result prints as text, and holds a list for each kind of finding; where there is nothing to tell, it is empty.
---@param x scion.Dataset|string
---@param given? scion.DoctorOptions
---@return scion.Diagnosis
---Raises if x or a set in `against` is neither a data set nor a folder of images, on unknown options, and where files cannot be read for a
---reason that is not theirs, such as too many open files; after Ctrl-C, which ends it as soon as the images under way are read or compared.
---@example print(scion.data.doctor("photos"))
return function(x, given)
  local o = check.options(where, given, schema)
  local case = { images = {}, sets = { { data = set_of("the first argument", x) }, table.unpack(others(o.against)) } }
  local total = 0
  for _, set in ipairs(case.sets) do total = total + #set.data end
  local bar <close> = progress.counter("examined", total)
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  for number, set in ipairs(case.sets) do examine(set, number, case.images, bar.tell) end
  local sizes = {}
  for i, set in ipairs(case.sets) do sizes[i] = { name = set.name, images = #set.data, bytes = 0 } end
  for _, image in ipairs(case.images) do sizes[image.set].bytes = sizes[image.set].bytes + image.bytes end
  local found = { images = sizes[1].images, bytes = sizes[1].bytes, against = table.move(sizes, 2, #sizes, 1, {}),
                  folder = paths.common_folder(files_of(case.images)) }
  for _, finding in ipairs(findings) do found[finding[1]] = finding[2](case, found) end
  for _, list in pairs(found) do
    if type(list) == "table" then printable.records(list) end
  end
  return results.diagnosis(found)
end
