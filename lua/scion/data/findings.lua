--- What the doctor looks for: a function each, from what is known of the images to a list. Nothing is read here.
local accents = require "scion.data.accents"
local core = require "scion.core"
local interrupts = require "scion.interrupts"

---@class scion.Examined what is known of one image
---@field file string its path, or "image 3" of a data set in memory
---@field label string?
---@field set integer 1: the data set itself; from 2: those it is compared with
---@field message string? why it cannot be read; then there is no more but bytes and format
---@field bytes integer
---@field format "jpeg"|"png"|"gif"|"webp"|"other" by content
---@field content string hash of the bytes
---@field look string what core.image_alike compares
---@field mode "colour"|"grey"|"cmyk"|"deep grey" as stored
---@field alpha boolean whether it looks otherwise on white
---@field height integer
---@field width integer upright
---@field orientation integer EXIF's

---@class scion.Case
---@field images scion.Examined[]
---@field sets { name: string?, data: scion.Dataset }[]

--- The readable images of a set, or of all.
local function readable(case, set)
  local list = {}
  for _, image in ipairs(case.images) do
    if not image.message and (not set or image.set == set) then list[#list + 1] = image end
  end
  return list
end

--- The readable images of the data set itself for which `test` is true, as make(image).
local function select(case, test, make)
  local list = {}
  for _, image in ipairs(readable(case, 1)) do
    if test(image) then list[#list + 1] = make and make(image) or image.file end
  end
  return list
end

--- Puts images with the same key into one list; lists of one are left out. Returns also the first image of each key.
local function grouped(images, key_of)
  local lists, of, first = {}, {}, {}
  for i, image in ipairs(images) do
    local key = key_of(image, i)
    if not of[key] then
      of[key] = {}
      first[#first + 1], lists[#lists + 1] = image, of[key]
    end
    table.insert(of[key], image)
  end
  local several = {}
  for _, list in ipairs(lists) do
    if list[2] then several[#several + 1] = list end
  end
  return several, first
end

--- A group for users: its files, and the classes that they are in.
local function group(images)
  local made, seen = { files = {}, labels = {}, exact = images[1].content == images[2].content }, {}
  for i, image in ipairs(images) do
    made.files[i] = image.file
    if image.label and not seen[image.label] then
      seen[image.label] = true
      table.insert(made.labels, image.label)
    end
  end
  return made
end

local function groups(lists)
  for i, list in ipairs(lists) do lists[i] = group(list) end
  return lists
end

local function looks_of(images)
  local looks = {}
  for i, image in ipairs(images) do looks[i] = image.look end
  return looks
end

--- As core.image_alike, which takes minutes for some 100,000 images. Raises after Ctrl-C.
local function nearest_of(images, among)
  local nearest = core.image_alike(looks_of(images), among and looks_of(among))
  interrupts.check "scion.data.doctor"
  return nearest
end

local function content_of(image) return image.content end

--- Whether an image is of one colour all over: its tiles, behind the 8 bytes of the hash, are the same.
local function is_blank(image) return math.max(image.look:byte(9, -1)) - math.min(image.look:byte(9, -1)) <= 2 end

local function broken(case)
  local list = {}
  for _, image in ipairs(case.images) do
    if image.message then list[#list + 1] = { file = image.file, message = image.message } end
  end
  return list
end

local function passed_over(case) return table.move(case.sets[1].data.beside, 1, #case.sets[1].data.beside, 1, {}) end

local function copies(case) return groups((grouped(readable(case, 1), content_of))) end

local function alike(case)
  local _, different = grouped(readable(case, 1), content_of)
  local nearest, root = nearest_of(different), {}
  for i, other in ipairs(nearest) do root[i] = other > 0 and root[other] or i end
  return groups((grouped(different, function(_, i) return root[i] end)))
end

--- Needs the groups of copies and of images that look alike.
local function two_classes(_, found)
  local list = {}
  for _, name in ipairs { "copies", "alike" } do
    for _, each in ipairs(found[name]) do
      if each.labels[2] then list[#list + 1] = each end
    end
  end
  return list
end

--- Compares each further set with all sets before it.
local function leaks(case)
  local list = {}
  for k = 2, #case.sets do
    for j = 1, k - 1 do
      local before, same, rest = readable(case, j), {}, {}
      for i = #before, 1, -1 do same[before[i].content] = before[i] end
      local function add(image, other, exact)
        list[#list + 1] = { file = image.file, set = case.sets[k].name, copy_of = other.file, of_set = case.sets[j].name, exact = exact }
      end
      for _, image in ipairs(readable(case, k)) do
        if same[image.content] then add(image, same[image.content], true) else rest[#rest + 1] = image end
      end
      for i, other in ipairs(nearest_of(rest, before)) do
        if other > 0 then add(rest[i], before[other], false) end
      end
    end
  end
  return list
end

local function blank(case) return select(case, is_blank) end

local function small(case)
  local size = case.sets[1].data.size
  return select(case, function(image) return image.height < size[1] or image.width < size[2] end,
                function(image) return { file = image.file, height = image.height, width = image.width } end)
end

local format_of = { jpg = "jpeg", jpeg = "jpeg", jpe = "jpeg", jfif = "jpeg", png = "png", gif = "gif", webp = "webp" }

local function misnamed(case)
  return select(case, function(image)
    local expected = format_of[(image.file:match "%.([^./]*)$" or ""):lower()]
    return expected ~= nil and image.format ~= "other" and image.format ~= expected
  end, function(image) return { file = image.file, format = image.format } end)
end

--- Grey images among coloured ones; where all are grey there is nothing to tell.
local function grey(case)
  local list = select(case, function(image) return image.mode:find "grey$" ~= nil end)
  return #list < #readable(case, 1) and list or {}
end

local function deep(case) return select(case, function(image) return image.mode == "deep grey" end) end
local function cmyk(case) return select(case, function(image) return image.mode == "cmyk" end) end
local function transparent(case) return select(case, function(image) return image.alpha end) end
local function turned(case) return select(case, function(image) return image.orientation ~= 1 end) end

-- ---- classes --------------------------------------------------------------------------------------------------------

--- A class's name without what is easily mistaken: case, accents, spaces and the like, a plural's ending.
local function plain_name(label)
  local name = accents.without(label):gsub("[%s_%-%.]", "")
  for ending, instead in pairs { ies = "y", sses = "ss", xes = "x", ches = "ch", shes = "sh" } do
    if #name > #ending and name:sub(-#ending) == ending then return name:sub(1, -#ending - 1) .. instead end
  end
  return #name > 1 and name:match "[^s]s$" and name:sub(1, -2) or name
end

local function similar_names(case)
  local labels = {}
  for i, label in ipairs(case.sets[1].data.labels or {}) do labels[i] = { file = label } end
  local lists = grouped(labels, function(label) return plain_name(label.file) end)
  for i, list in ipairs(lists) do
    for k, label in ipairs(list) do list[k] = label.file end
    lists[i] = { labels = list }
  end
  return lists
end

--- Fewer images than this in a class teach little and measure nothing.
local least_images = 10

--- How many images of each class can be read, in the order of the labels.
local function classes(case)
  local list, of, data = {}, {}, case.sets[1].data
  for i, label in ipairs(data.classes and data.labels or {}) do
    list[i] = { label = label, images = 0 }
    of[label] = list[i]
  end
  for _, image in ipairs(readable(case, 1)) do
    if of[image.label] then of[image.label].images = of[image.label].images + 1 end
  end
  return list
end

local function few(_, found)
  local list = {}
  for _, class in ipairs(found.classes) do
    if class.images < least_images then list[#list + 1] = class end
  end
  return list
end

local lopsided = 3 -- times as many images in the largest class as in the smallest

local function imbalance(_, found)
  local least, most
  for _, class in ipairs(found.classes) do
    if not least or class.images < least.images then least = class end
    if not most or class.images > most.images then most = class end
  end
  if not least or most.images <= lopsided * least.images then return {} end
  return { { most = most, least = least } }
end

-- In the order in which they are made: the later ones use the earlier. Each is { name, find(case, found) }; least_images is the linter's, too.
return {
  least_images = least_images,
  { "classes", classes }, { "broken", broken }, { "passed_over", passed_over }, { "copies", copies }, { "alike", alike }, { "two_classes", two_classes },
  { "leaks", leaks }, { "blank", blank }, { "small", small }, { "misnamed", misnamed }, { "grey", grey }, { "deep", deep }, { "cmyk", cmyk }, { "transparent", transparent },
  { "turned", turned }, { "similar_names", similar_names }, { "few", few }, { "imbalance", imbalance },
}
