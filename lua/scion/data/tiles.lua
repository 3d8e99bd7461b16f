--- Contact sheets: pictures side by side in one file, each with a text below it.
local accents = require "scion.data.accents"
local check = require "scion.check"
local core = require "scion.core"
local image = require "scion.image"
local interrupts = require "scion.interrupts"
local notice = require "scion.report.notice"
local text = require "scion.report.text"

local tiles = {}

local largest, smallest = 160, 80 -- sides of tiles; smaller ones are enlarged by whole factors, so that there is room for a label
local columns = 8
local most_told = 20 -- labels
local dots = 6 -- the width of a character, with the gap to the next one

-- The size of a tile, and the filter that makes it.
local function tile_size(size)
  local side = math.max(size[1], size[2])
  if side > largest then
    return math.max(size[1] * largest // side, 1), math.max(size[2] * largest // side, 1), "area"
  end
  local factor = side < smallest and largest // side or 1
  return size[1] * factor, size[2] * factor, "nearest"
end

--- A name as the font can draw it: letters with accents, but no other script. Else a number that stands for it.
---@param name string
---@param number integer
---@return string
function tiles.drawable(name, number)
  local apart = accents.written_apart(name)
  return core.image_sheet_writes(check.escape(apart)) and apart or "#" .. number
end

--- The names of classes as the font can draw them, by their numbers. What it cannot draw are numbers, and a line says what they stand for.
---@param where string the name of the function that the user called, for messages
---@param labels string[]
---@return string[]
function tiles.labels(where, labels)
  local list, told = {}, {}
  for i, label in ipairs(labels) do
    list[i] = tiles.drawable(label, i)
    if list[i] == "#" .. i and label ~= list[i] then told[#told + 1] = ("#%d is %s"):format(i, label) end
  end
  if #told > most_told then told = { table.concat(told, ", ", 1, most_told), ("and %d more"):format(#told - most_told) } end
  if told[1] then notice.line(("scion: %s: labels in letters that it cannot draw are numbers: %s"):format(where, table.concat(told, ", "))) end
  return list
end

--- Writes a sheet. Raises if the file cannot be written, and after Ctrl-C.
---@param where string the name of the function that the user called, for messages
---@param images scion.Tensor[] u8, each of one picture
---@param texts string[] that the font can draw, such as those of tiles.drawable
---@param size { [1]: integer, [2]: integer } height and width of the pictures
---@param path string
function tiles.write(where, images, texts, size, path)
  local height, width, filter = tile_size(size)
  local pictures, shown = {}, {}
  for i, each in ipairs(images) do pictures[i] = core.image_resize(each:reshape(size[1], size[2], 3), height, width, nil, filter) end
  local scale = width >= largest // 2 and 2 or 1
  for _, words in ipairs(texts) do
    if text.length(words) > width // (dots * scale) then scale = 1 end
  end
  for i, words in ipairs(texts) do shown[i] = text.cut(check.escape(words), math.max(width // (dots * scale), 3)) end
  local sheet = core.image_sheet(core.stack(pictures), shown, math.min(columns, #images), scale)
  interrupts.check(where)
  local ok, message = image.save(path, sheet)
  if not ok then check.raise(("%s: %s"):format(where, message)) end
  if core.interrupted() then interrupts.raise(("%s: interrupted when %s was written"):format(where, path)) end -- the script must not go on
end

--- Writes a sheet of some images of a data set, as they are without augmentation. Raises if none can be read.
---@param where string
---@param data scion.Dataset
---@param numbers integer[] of the images, from 1
---@param path string
---@param labels string[]? the names of the classes
---@param caption fun(i: integer, drawn: fun(label: string|integer): string): string of the image at that position in `numbers`; drawn: a label as the
--- font can draw it
function tiles.of_data(where, data, numbers, path, labels, caption)
  if data.values then check.raise(where .. ": the data set holds no u8 images, which are what can be shown") end
  local pictures, texts, names = {}, {}, {}
  for i, name in ipairs(tiles.labels(where, labels or {})) do names[labels[i]] = name end
  local function drawn(label) return names[label] or tostring(label) end
  local set = data:subset(numbers):with { shuffle = false, augment = false }
  for batch in set:batches() do
    for k, at in ipairs(batch.index:totable()) do
      pictures[#pictures + 1], texts[#texts + 1] = batch.x:slice(1, k, k), caption(at, drawn)
    end
  end
  if not pictures[1] then check.raise(where .. ": none of the images can be read any more") end
  tiles.write(where, pictures, texts, set.size, path)
end

return tiles
