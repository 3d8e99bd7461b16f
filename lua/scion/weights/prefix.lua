--- Finds out, by comparing names and shapes with a model, which dict of a PyTorch file holds the model's weights, and which prefix their
--- names have there. DataParallel puts "module." before all names, torch.compile "_orig_mod.", Lightning "model."; prefixes can also be
--- combined. A network of one's own may also hold a part of a published one under a name of its own: self.backbone = net.features.
local check = require "scion.check"
local match = require "scion.weights.match"

local prefix = {}

-- Bounds against files with absurd names: parts of a prefix, its bytes, how many prefixes are counted, how many of those are tried, and
-- from how many names of the file they are taken, all together; and how many parts of the model each may stand for.
local most_parts, longest, most_counted, most_tried, most_taken, most_parts_tried = 8, 128, 4096, 8, 80000, 2

--- The option `prefix`.
prefix.kind = check.kind("what stands before the file's names, such as 'backbone.'",
  function(value) return type(value) == "string" and not value:find("\0", 1, true), value end)

---@class scion.Naming how the weights are named in a file
---@field dict string? key of the dict that holds them; nil: what was saved is the dict
---@field prefix string what stands before their names; "" is nothing
---@field part string? what stands before them in the model in place of the prefix: "features."
---@field positions { file: string, model: string }[]? parts whose names are numbers, and what they stand for: see positions.lua
---@field choice string? why this dict, in words, where another one would do or came first
---@field unplaced string? why it could not be told what numbers stand for

-- ---- one dict -------------------------------------------------------------------------------------------------------

--- The beginnings of a name up to a dot, for `for`: the shortest first.
local function starts_of(name)
  local stop, parts = 0, 0
  return function()
    stop, parts = name:find(".", stop + 1, true), parts + 1
    if stop and stop <= longest and stop < #name and parts <= most_parts then return name:sub(1, stop) end
  end
end

--- The beginnings of names up to a dot, those of most names first, and the number of names for each.
local function beginnings(arrays)
  local counts, list = {}, {}
  for _, a in ipairs(arrays) do
    for start in starts_of(a.name) do
      if not counts[start] and #list < most_counted then
        list[#list + 1], counts[start] = start, 0
      end
      counts[start] = counts[start] and counts[start] + 1
    end
  end
  table.sort(list, function(a, b)
    if counts[a] ~= counts[b] then return counts[a] > counts[b] end
    if #a ~= #b then return #a < #b end
    return a < b
  end)
  return list, counts
end

--- A name outside of a prefix, without what it has in common with it: beside "model.backbone.", model.head.weight is head.weight.
local function apart(name, start)
  local longest_common = 0
  for common in starts_of(start) do
    if name:sub(1, #common) == common then longest_common = #common end
  end
  return name:sub(longest_common + 1)
end

--- The arrays with a prefix taken off: first those that have it, then the others under names of their own.
---@return { name: string, shape: integer[], array: scion.Array, outside: boolean? }[] named
---@return integer inside how many have the prefix
local function behind(arrays, start)
  local list, others = {}, {}
  for _, a in ipairs(arrays) do
    local has = a.name:sub(1, #start) == start
    local to = has and list or others
    to[#to + 1] = { name = has and a.name:sub(#start + 1) or apart(a.name, start), shape = a.shape, array = a, outside = not has or nil }
  end
  local inside = #list
  return table.move(others, 1, #others, inside + 1, list), inside
end

--- How well renamed arrays fit a model. fits: how many weights have an array of the same name and shape; known: of the same name.
local function trial(arrays, start, named, expected)
  local fits, known, total = match.fit(named, expected)
  return { arrays = arrays, start = start, named = named, expected = expected, fits = fits, known = known, total = total }
end

local function better(a, b)
  if a.fits ~= b.fits then return a.fits > b.fits end
  return a.known > b.known
end

--- Whether two trials give all arrays the same names, as those in which backbone.0 is the part features, and in which 0 is features behind backbone.
local function same_names(a, b)
  local names = {}
  for _, named in ipairs(a.named) do names[named.array] = named.name end
  for _, named in ipairs(b.named) do
    if names[named.array] ~= named.name then return false end
  end
  return true
end

--- Whether a prefix is plausible: more than half of the arrays that have it, or of the model's weights, have a counterpart. A few names
--- that any network has are no evidence.
local function telling(one, inside)
  local _, known = match.fit(table.move(one.named, 1, inside, 1, {}), one.expected)
  return 2 * known > math.min(inside, one.total)
end

--- The beginnings behind which names are those of the model's weights, as "ema." of ema.conv1.weight. None of the model's own names begins
--- so.
local function copies_in(arrays, expected)
  local ours, own, copies = {}, {}, {}
  for _, weight in ipairs(expected) do
    ours[weight.name] = true
    for start in starts_of(weight.name) do own[start] = true end
  end
  for _, a in ipairs(arrays) do
    for start in starts_of(a.name) do
      if not own[start] and ours[a.name:sub(#start + 1)] then copies[start] = true end
    end
  end
  return copies
end

--- The arrays behind the prefix that the user gave, and those outside of it, which belong to something else. With "", those are the copies
--- of the model's weights that have a prefix.
local function divide(arrays, given, expected_of)
  local inside, beside = { dict = arrays.dict }, {}
  local copies = given == "" and copies_in(arrays, expected_of(arrays)) or {}
  for _, a in ipairs(arrays) do
    local meant = a.name:sub(1, #given) == given
    for start in starts_of(a.name) do meant = meant and not copies[start] end
    local to = meant and inside or beside
    to[#to + 1] = a
  end
  return inside, beside
end

--- The model's parts that hold most of its layers, as prefixes: the file may have them under another name, or by themselves.
local function parts_of(expected)
  local layers, parts = {}, {}
  for i, weight in ipairs(expected) do layers[i] = { name = weight.name:match "^(.*)%." or "" } end
  local list, counts = beginnings(layers)
  while #parts < most_parts_tried and list[#parts + 1] and 2 * counts[list[#parts + 1]] > #expected do parts[#parts + 1] = list[#parts + 1] end
  return parts
end

--- The trial in which a prefix stands for a part of the model: backbone.0.weight is the model's features.0.weight. nil where less than half of
--- the model fits, or the prefix ends in the part, so that a shorter one says the same.
local function as_part(arrays, start, part, inside, expected_of)
  if ("." .. start):sub(-#part - 1) == "." .. part then return nil end
  local named = behind(arrays, start)
  for i = 1, inside do named[i].name = part .. named[i].name end
  local one = trial(arrays, start, named, expected_of(named))
  one.part = part
  return 2 * one.fits > one.total and one or nil
end

--- The trial of a dict's best prefix of up to `most` tried ones, or of the given one and of longer ones that begin so. Its field `rival` is another
--- prefix that fits as well,
--- and `beside` has the arrays outside of a given prefix.
local function best_in(all, expected_of, given, most)
  local arrays, beside, best = all, {}, nil
  if given then arrays, beside = divide(all, given, expected_of) end
  local function try(start)
    local named, inside = behind(arrays, start)
    local plain = trial(arrays, start, named, expected_of(named))
    local tried = { plain }
    if plain.fits < plain.total then
      local renamed, parts = require("scion.weights.positions").rename(named, plain.expected)
      if renamed then
        tried[2] = trial(arrays, start, renamed, plain.expected)
        tried[2].positions = parts
      else
        plain.unplaced = parts
      end
      for _, part in ipairs(2 * plain.fits < plain.total and parts_of(plain.expected) or {}) do tried[#tried + 1] = as_part(arrays, start, part, inside, expected_of) end
    end
    for _, one in ipairs(tried) do
      if not best or (better(one, best) and (start == given or telling(one, inside))) then
        best = one
      elseif best.start ~= "" and one.start ~= best.start and one.fits > 0 and not better(best, one) and not same_names(best, one) then
        best.rival = best.rival or start
      end
    end
  end
  try(given or "")
  local list, counts = beginnings(arrays)
  for i = 1, given == "" and 0 or math.min(#list, most) do
    if best.fits == best.total and best.start == (given or "") then break end
    local start = list[i]
    local further = not given or #start > #given and start:sub(1, #given) == given -- behind a given prefix others may stand, too
    if further and counts[start] >= best.fits then try(start) end
  end
  best.beside = beside
  return best
end

-- ---- the option ------------------------------------------------------------------------------------------------------

--- Prefixes to suggest in a message: keys of dicts, first parts of names, and beginnings that all names of a dict share.
local function prefixes_of(dicts)
  local names, there = {}, {}
  local function add(name)
    if not there[name] then names[#names + 1], there[name] = name, true end
  end
  for _, arrays in ipairs(dicts) do
    if arrays.dict then add(arrays.dict .. ".") end
    local list, counts = beginnings(arrays)
    for _, start in ipairs(list) do
      local _, dots = start:gsub("%.", "")
      if dots == 1 or (counts[start] == #arrays and #arrays > 1) then add(start) end
    end
  end
  return table.move(names, 1, math.min(#names, 24), 1, {})
end

--- What DataParallel and torch.compile put before names, at the beginning of one.
local function wrapped(name)
  local stop = 0
  while true do
    local _, last = name:find("^module%.", stop + 1)
    if not last then _, last = name:find("^_orig_mod%.", stop + 1) end
    if not last then return name:sub(1, stop) end
    stop = last
  end
end

--- What the option `prefix` means for one dict. It may be a prefix of names, also behind those of DataParallel and torch.compile, the dict's key, or
--- both: "model.encoder.".
---@return boolean applies whether the dict is meant
---@return string? start the prefix of names; nil: to be found by comparing, since only the dict was given
local function meaning(arrays, given)
  if given == "" then return true, "" end
  if given:sub(-1) ~= "." then given = given .. "." end
  for _, start in ipairs { given, arrays.dict and given:sub(1, #arrays.dict + 1) == arrays.dict .. "." and given:sub(#arrays.dict + 2) or nil } do
    if start == "" then return true end
    for _, a in ipairs(arrays) do
      if a.name:sub(1, #start) == start then return true, start end
      local before = wrapped(a.name)
      if a.name:sub(#before + 1, #before + #start) == start then return true, before .. start end
    end
  end
  return false
end

-- ---- the file --------------------------------------------------------------------------------------------------------

local function title(arrays) return arrays.dict and "its " .. check.show(arrays.dict) or "the tensors outside of any dict" end

--- A sentence about the dict that was taken, where another one fits as well or came first; nil otherwise.
local function choice(best, trials)
  if best ~= trials[1] then
    return ("the weights are those of %s, which fits the model better than %s"):format(title(best.arrays), title(trials[1].arrays))
  end
  for i = 2, #trials do
    local other = trials[i]
    if other.fits > 0 and not better(best, other) then
      local dict = other.arrays.dict
      return ("the weights are those of %s; %s fits as well%s"):format(title(best.arrays), title(other.arrays),
        dict and (", prefix = %s takes it"):format(check.show(dict .. ".")) or "")
    end
  end
end

--- Chooses the dict whose arrays fit a model best, and the prefix that its names have. Of dicts that fit equally well the first is taken,
--- and rather no prefix than one. Raises where two prefixes of that dict fit equally well, and where no name begins with the given one.
---@param path string for messages
---@param dicts scion.Array[][] the likeliest first, each with its key as `dict`
---@param expected_of fun(arrays: { name: string, shape: integer[] }[]): scion.ExpectedWeight[] the arrays that the
--- model expects in a file with such names
---@param given? string the option `prefix`
---@return scion.Array[] arrays of the dict, renamed in place: first those that had the prefix, then the others, which are `beside` where the
--- prefix was given
---@return scion.ExpectedWeight[] expected
---@return scion.Naming naming
function prefix.choose(path, dicts, expected_of, given)
  local trials, best, names = {}, nil, 1
  for _, arrays in ipairs(dicts) do names = names + #arrays end
  for _, arrays in ipairs(dicts) do
    local applies, start = true, nil
    if given then applies, start = meaning(arrays, given) end
    if applies then
      local one = best_in(arrays, expected_of, start, math.min(most_tried, most_taken // names))
      trials[#trials + 1] = one
      if not best or better(one, best) then best = one end
    end
  end
  if not best then
    check.raise(("%s: none of its names begins with the prefix %s: %s"):format(path, check.show(given),
      check.suggestion(given, prefixes_of(dicts), "there are")))
  end
  if best.rival then
    check.raise(("%s: its names fit the model behind %s as well as behind %s; prefix = says which of them to take"):format(path,
      check.show(best.start), check.show(best.rival)))
  end
  local head = require("scion.weights.positions").name_head(best.named, best.expected)
  if head then best.positions = table.move({ head }, 1, 1, #(best.positions or {}) + 1, best.positions or {}) end
  local arrays = {}
  for i, named in ipairs(best.named) do
    arrays[i] = named.array
    named.array.name, named.array.outside = named.name, named.outside
  end
  for _, a in ipairs(best.beside) do
    a.beside = true
    arrays[#arrays + 1] = a
  end
  return arrays, best.expected, { dict = best.arrays.dict, prefix = best.start, part = best.part, positions = best.positions, unplaced = best.unplaced,
                                  choice = not given and choice(best, trials) or nil }
end

return prefix
