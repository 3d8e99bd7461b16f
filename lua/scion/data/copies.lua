--- Which images of data sets are copies of others: files with the same bytes, images in memory with the same values.
local core = require "scion.core"

local copies = {}

-- The hashes of the files that may be copies, those whose size another one has; by their numbers from 1.
local function hashes_of_files(files)
  local of_size, candidates, numbers, found = {}, {}, {}, {}
  for i, path in pairs(files) do
    local stamp = core.file_stamp(path)
    local size = stamp and stamp:sub(1, 8) -- the stamp begins with it
    if size then
      of_size[size] = of_size[size] or {}
      table.insert(of_size[size], i)
    end
  end
  for _, same in pairs(of_size) do
    for _, i in ipairs(same[2] and same or {}) do candidates[#candidates + 1], numbers[#numbers + 1] = files[i], i end
  end
  for k, hash in ipairs((require("scion.cache.key").of_files(candidates))) do found[numbers[k]] = hash or nil end
  return found
end

-- Whether a file holds a picture of some format. Copies of one error page, say, are no copies of a picture.
local function is_picture(path) return (core.image_format(path) or ""):find " image$" ~= nil end

--- What copies have in common: a hash that is the same for them, by the images' numbers; nil of a file whose size no other one has, of a file that
--- is no picture, and of what cannot be read.
---@param sets scion.Dataset[] the numbers of the first one's images begin at 1, those of the next one's go on from there
---@return table<integer, string> keys
---@return integer[] others the images whose files are no pictures though others have their size
function copies.keys(sets)
  local keys, files, left_out, count, others, picture = {}, {}, {}, 0, {}, {}
  for _, data in ipairs(sets) do
    local tensor = data.images or data.values
    for i = 1, #data do
      left_out[count + i] = data.broken and data.broken[i - 1] ~= nil
      if data.files then files[count + i] = data.files[i] elseif tensor and not left_out[count + i] then keys[count + i] = core.hash(tensor:select(i)) end
    end
    count = count + #data
  end
  local hashes = hashes_of_files(files)
  for i = 1, count do
    local hash = hashes[i]
    if hash and picture[hash] == nil then picture[hash] = is_picture(files[i]) end
    if hash and not picture[hash] then others[#others + 1] = i elseif hash and not left_out[i] then keys[i] = hash end
  end
  return keys, others
end

return copies
