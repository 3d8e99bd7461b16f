--- Divides a data set by class, or by several labels (stratify.lua). What goes where depends on the seed, on the files' names below their common
--- folder and on their contents, and so is the same on every machine.
local check = require "scion.check"
local copies = require "scion.data.copies"
local core = require "scion.core"
local labels = require "scion.data.labels"
local notice = require "scion.report.notice"
local paths = require "scion.data.paths"
local stratify = require "scion.data.stratify"

local split = {}

-- What an image is called on every machine: its path below the folder that all files share, or its number.
local function names_of(data)
  local files = check.items(data.files)
  if not files then return function(i) return tostring(i) end end
  local below = #paths.common_folder(files) + 1
  return function(i) return files[i]:sub(below) end
end

-- Says which of the files with copies are no pictures.
local function tell_others(files, others)
  if not others[1] then return end
  local path = files[others[1]]
  notice.line(("scion: data:split: what is no image is no copy of one: %d of the files, such as %s (%s); scion.data.doctor lists what cannot be " ..
               "read"):format(#others, path, core.image_format(path) or "of no known format"))
end

-- Groups of images that stay together, since they are the same: lists of numbers from 1, with the rank by which they are ordered.
local function groups_of(data, seed)
  local name, groups, known, left_out = names_of(data), {}, {}, {}
  local keys, others = copies.keys { data }
  for _, i in ipairs(others) do left_out[i] = true end
  for i = 1, #data do
    local rank, key = string.unpack(">i8", core.hash(("%d\0%s"):format(seed, name(i)))), keys[i]
    local group = key and known[key]
    if not group then
      group = { rank = rank, broken = left_out[i] or data.broken and data.broken[i - 1] ~= nil or false }
      groups[#groups + 1] = group
      if key then known[key] = group end
    end
    group[#group + 1], group.rank = i, math.min(group.rank, rank)
  end
  tell_others(data.files, others)
  table.sort(groups, function(a, b)
    if a.rank ~= b.rank then return a.rank < b.rank end
    return a[1] < b[1]
  end)
  return groups
end

-- How many of n images the first part has, the first two parts, and so on; every part has one, if there are enough.
local function bounds_of(shares, n)
  local bounds, sum = {}, 0
  for k, share in ipairs(shares) do
    sum = sum + share
    local bound = math.floor(sum * n + 0.5)
    if n >= #shares then bound = math.max(k, math.min(bound, n - (#shares - k))) end
    bounds[k] = k == #shares and n or bound
  end
  return bounds
end

-- How many examples each class or label has, of all or of those with these numbers from 0.
local function counts_of(data, index)
  local rows = data.multi or data.soft
  if not rows then return data:count_classes(index) end
  return labels.tally(index and core.gather(rows, index) or rows)
end

-- Says which classes or labels are missing in a part.
local function tell_missing(data, parts)
  local all = counts_of(data)
  for k, part in ipairs(parts) do
    local missing = {}
    for class, count in ipairs(counts_of(data, part)) do
      if count == 0 and all[class] > 0 then missing[#missing + 1] = data.labels[class] end
    end
    if missing[1] then notice.line(("scion: data:split: part %d has no image of %s"):format(k, table.concat(missing, ", "))) end
  end
end

-- Shares out groups of which each is of one class, by class_of(group).
local function by_class(groups, class_of, shares, put)
  local total, bounds, placed = {}, {}, {}
  for _, group in ipairs(groups) do total[class_of(group)] = (total[class_of(group)] or 0) + #group end
  for class, n in pairs(total) do bounds[class], placed[class] = bounds_of(shares, n), 0 end
  for _, group in ipairs(groups) do
    local class, k = class_of(group), 1
    while placed[class] >= bounds[class][k] do k = k + 1 end
    placed[class] = placed[class] + #group
    put(k, group)
  end
end

-- Shares out groups whose examples have several labels.
local function by_labels(groups, rows, shares, put)
  local whole, broken, n, sizes = {}, {}, 0, {}
  for _, group in ipairs(groups) do
    table.insert(group.broken and broken or whole, group)
    n = n + (group.broken and 0 or #group)
  end
  local bounds = bounds_of(shares, n)
  for k, bound in ipairs(bounds) do sizes[k] = bound - (bounds[k - 1] or 0) end
  stratify(whole, rows, shares, sizes, put)
  by_class(broken, function() return 1 end, shares, put)
end

--- Divides the images of a data set by class.
---@param data scion.Dataset
---@param shares number[] of the parts; they add up to 1
---@param seed integer
---@return scion.Tensor[] parts for each an i32 tensor of numbers, from 0, in ascending order
function split.parts(data, shares, seed)
  local groups, lists = groups_of(data, seed), {}
  local classes = data.classes or data.soft and labels.largest(data.soft) -- of shares of classes the largest
  classes = classes and classes:totable()
  for k = 1, #shares do lists[k] = {} end
  local function put(k, group)
    for _, i in ipairs(group) do table.insert(lists[k], i - 1) end
  end
  local function class_of(group) -- what is left out is shared out by itself
    local class = classes and classes[group[1]] or 1
    return group.broken and -class or class
  end
  if data.multi then by_labels(groups, data.multi:totable(), shares, put) else by_class(groups, class_of, shares, put) end
  for k, list in ipairs(lists) do
    if not list[1] then
      local differ = #groups < #data and (", of which %d differ, and copies stay on one side"):format(#groups) or ""
      check.raise(("data:split: part %d of %d would be empty: there are %d images%s"):format(k, #shares, #data, differ))
    end
    table.sort(list)
    lists[k] = core.from_table(list, "i32")
  end
  if classes or data.multi then tell_missing(data, lists) end
  return lists
end

local share = check.number { above = 0, below = 1 }

--- Reads the arguments of data:split: one share, or all of them, and perhaps a table of options after them.
---@param ... number|{ seed: integer? }
---@return number[] shares which add up to 1
---@return { seed: integer? } options
function split.arguments(...)
  local given, where = table.pack(...), "data:split"
  local options = type(given[given.n]) == "table" and given[given.n] or nil
  local n, shares, sum = given.n - (options and 1 or 0), {}, 0
  if n == 0 then check.raise(where .. " takes the share of the first part, such as 0.8, or those of all parts, such as 0.7, 0.15, 0.15") end
  for i = 1, n do
    shares[i] = check.argument(where, n == 1 and "the share" or "share " .. i, given[i], share)
    sum = sum + shares[i]
  end
  if n == 1 then return { shares[1], 1 - shares[1] }, options or {} end
  if math.abs(sum - 1) > 1e-6 then check.raise(("%s: the shares add up to %.6g, not to 1"):format(where, sum)) end
  return shares, options or {}
end

return split
