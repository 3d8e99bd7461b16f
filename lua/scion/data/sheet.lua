--- data:show: a contact sheet, a picture of the images that training will see with their labels.
local batches = require "scion.data.batch"
local check = require "scion.check"
local interrupts = require "scion.interrupts"
local tiles = require "scion.data.tiles"

local where = "data:show"

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
  local images, texts, labels = {}, {}, data.labels and tiles.labels(where, data.labels)
  for inside in data:pass { epoch = epoch - 1, batch = math.min(data.batch, n) } do
    local batch = batches.for_user(inside, data.files)
    local values, numbers = batch.y and batch.y:totable() or {}, batch.index:totable()
    for i = 1, math.min(#batch, n - #images) do
      images[#images + 1] = batch.x:slice(1, i, i)
      texts[#texts + 1] = label_of(values[i], labels, batch.files and tiles.drawable(batch.files[i]:match "[^/]*$", numbers[i]))
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
  tiles.write(where, images, texts, data.size, path)
  return path
end
