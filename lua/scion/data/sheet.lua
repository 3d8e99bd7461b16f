--- data:show: a contact sheet, a picture of the images that training will see with their labels.
local accents = require "scion.data.accents"
local batches = require "scion.data.batch"
local check = require "scion.check"
local core = require "scion.core"
local image = require "scion.image"
local interrupts = require "scion.interrupts"
local notice = require "scion.report.notice"
local text = require "scion.report.text"

local where = "data:show"

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

-- A row of shares of the classes: those that matter, the largest first.
local function shares_text(row, labels)
  local list, shown = {}, {}
  for i, share in ipairs(row) do list[i] = { label = labels[i], share = share } end
  table.sort(list, function(a, b) return a.share > b.share end)
  for _, entry in ipairs(list) do
    if entry.share >= 0.05 then shown[#shown + 1] = entry.share > 0.99 and entry.label or ("%s %.2f"):format(entry.label, entry.share) end
  end
  return table.concat(shown, " ")
end

-- The names of classes as the font can draw them: letters with accents, but no other script. Of the latter it gives the numbers, and says once
-- what they stand for.
local function drawable(labels)
  local list, told = {}, {}
  for i, label in ipairs(labels or {}) do
    list[i] = accents.written_apart(label)
    if not core.image_sheet_writes(check.escape(list[i])) then
      list[i] = "#" .. i
      told[#told + 1] = ("#%d is %s"):format(i, label)
    end
  end
  if #told > most_told then told = { table.concat(told, ", ", 1, most_told), ("and %d more"):format(#told - most_told) } end
  if told[1] then notice.line(("scion: data:show: labels in letters that it cannot draw are numbers: %s"):format(table.concat(told, ", "))) end
  return labels and list
end

-- A file's name as the font can draw it, or the image's number.
local function name_of(file, number)
  local name = accents.written_apart(file:match "[^/]*$")
  return core.image_sheet_writes(check.escape(name)) and name or "#" .. number
end

-- The text below an image: its classes, the numbers to predict, or its file's name.
local function label_of(value, labels, name)
  if type(value) == "table" and labels and #labels == #value then return shares_text(value, labels) end
  if type(value) == "table" then
    local shown = {}
    for i = 1, math.min(#value, 4) do shown[i] = type(value[i]) == "number" and ("%.3g"):format(value[i]) or "..." end
    return table.concat(shown, " ")
  end
  if math.type(value) == "integer" and labels then return labels[value] or tostring(value) end
  return value and ("%.4g"):format(value) or name or ""
end

-- The first n images of a pass, as tensors of one image, and the texts below them.
local function collect(data, n, epoch)
  local images, texts, labels = {}, {}, drawable(data.labels)
  for inside in data:pass { epoch = epoch - 1, batch = math.min(data.batch, n) } do
    local batch = batches.for_user(inside, data.files)
    local values, numbers = batch.y and batch.y:totable() or {}, batch.index:totable()
    for i = 1, math.min(#batch, n - #images) do
      images[#images + 1] = batch.x:slice(1, i, i)
      texts[#texts + 1] = label_of(values[i], labels, batch.files and name_of(batch.files[i], numbers[i]))
    end
    if #images == n then break end
  end
  return images, texts
end

local schema = { n = { check.whole(1, 1000), 32 }, epoch = { check.whole(1, (1 << 32) - 1), 1 } }

--- Writes a contact sheet of the first images of an epoch, see data:show.
---@param data scion.Dataset
---@param path string
---@param given? scion.ShowOptions
---@return string path
return function(data, path, given)
  path = check.argument(where, "the first argument", path, check.path)
  local o = check.options(where, given, schema)
  if data.values then check.raise(where .. ": the data set holds no u8 images, which are what can be shown") end
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  local images, texts = collect(data, math.min(o.n, #data), o.epoch)
  interrupts.check(where)
  if not images[1] then check.raise(where .. ": none of the images can be read") end
  local height, width, filter = tile_size(data.size)
  for i, each in ipairs(images) do images[i] = core.image_resize(each:reshape(data.size[1], data.size[2], 3), height, width, nil, filter) end
  local scale = width >= largest // 2 and 2 or 1
  for _, words in ipairs(texts) do
    if text.length(words) > width // (dots * scale) then scale = 1 end
  end
  for i, words in ipairs(texts) do texts[i] = text.cut(check.escape(words), math.max(width // (dots * scale), 3)) end
  local sheet = core.image_sheet(core.stack(images), texts, math.min(columns, #images), scale)
  interrupts.check(where)
  local ok, message = image.save(path, sheet)
  if not ok then check.raise(("%s: %s"):format(where, message)) end
  if core.interrupted() then interrupts.raise(("%s: interrupted when %s was written"):format(where, path)) end -- the script must not go on
  return path
end
