--- What came of loading a file: which of the model's weights it lacks, what the model has no place for, and what has another shape.
local check = require "scion.check"
local class = require "scion.class"
local notice = require "scion.report.notice"
local text = require "scion.report.text"

local report = {}

--- What config.json tells of the network that the weights beside it are of, as timm and Hugging Face's hub write it.
---@class scion.WeightsConfig
---@field path string
---@field architecture string? timm's name of it: "resnet50"
---@field changes string? arguments that it was built with and that change what it computes: "act_layer"
---@field classes integer? of its classifier; 0: it has none
---@field mean number[]? of images in 0 to 1, for each channel; with std
---@field std number[]?
---@field channels integer? of the images that it takes
---@field input integer[]? height and width of them
---@field interpolation string? by which they were resized, with crop
---@field crop number? how much of a resized image they are: 0.875
---@field labels string[]? names of the classes

---@class scion.WeightsReport
---@field path string
---@field loaded integer how many of the model's weights were read
---@field total integer how many weights the model has
---@field of "arrays"|"layers" what is listed: in Keras's files layers
---@field missing string[] weights of the model that the file lacks
---@field unexpected string[] arrays that the model has no place for
---@field misfits { name: string, model: string, file: string, reason: string? }[] those of another shape
---@field config scion.WeightsConfig? what the config.json beside the file tells
---@field notes string[] what was assumed where the file does not tell, and what differs beside the weights, in words
---@field unused string[] arrays that belong to a part which the model was built without: a classifier, auxiliary heads, counters
---@field dict string? the key under which a checkpoint holds the state dict that was taken: "state_dict", "model.ema"; nil: none
---@field prefix string? what stood before the weights' names and was taken off: "module."; "" is nothing; nil: the format has no prefixes
---@field positions { file: string, model: string }[]? parts whose names are numbers in the file, and what they stand for by their order
---@field private choice string? which of a checkpoint's dicts was taken, in words, where that is not obvious
---@field private unplaced string? why such numbers stand for nothing
---@field private timms boolean? whether the arrays have names that only timm gives
---@field private classes integer? how many classes the file's classifier tells, where it has one that the model was built without
---@field private counts string? of layers with weights in file and model, where they are compared by order and the numbers differ
local methods = {}

--- Whether every weight of the model has its array and every array its place.
---@return boolean
function methods:complete() return #self.missing == 0 and #self.unexpected == 0 and #self.misfits == 0 end

local sentences = {
  arrays = { missing = "%s is missing%s", unexpected = "%s is not among the model's weights%s" },
  layers = { missing = "has no weights for %s%s", unexpected = "layer '%s' has no counterpart in the model%s" },
}

--- Where in the file the weights were found, where that is not by their names alone.
---@return string?
local function origin(self)
  local behind = self.prefix and self.prefix ~= "" and ("names behind the prefix %s"):format(check.show(self.prefix))
  local inside = self.dict and check.show(self.dict)
  return behind and inside and ("%s of its %s"):format(behind, inside) or behind or inside and "its " .. inside
end

--- The first thing that does not fit, in words.
---@return string?
function methods:problem()
  local m, place = self.misfits[1], origin(self)
  local beside = self.counts or self.unplaced or place and (" (%s)"):format(place) or ""
  if m then return (m.reason or ("%s is %s, but the model expects %s"):format(m.name, m.file, m.model)) .. beside end
  for _, list in ipairs { "missing", "unexpected" } do
    if self[list][1] then return sentences[self.of][list]:format(self[list][1], beside) end
  end
end

local most_listed = 8 -- names in a sentence

local state = " (a state)" -- what marks the names of counters and seeds in Keras's files

--- For whoever reads the names: 1, of a part that matters; 2, of what training alone needs, a head, a counter or a seed; 3, a batch
--- norm's counter.
---@param name string
---@return integer
local function importance(name)
  if name:find "num_batches_tracked$" then return 3 end
  return (name:find "^[Aa]ux" or name == "n_averaged" or name:sub(-#state) == state) and 2 or 1
end

--- Adds what has no numbers that a network computes with to what is unused.
---@param name string
function methods:add_state(name) table.insert(self.unused, name .. state) end

--- Adds a line about what was assumed, or differs in what weights do not tell. It is said when the report is told.
---@param line string
function methods:note(line) table.insert(self.notes, line) end

--- The arrays of a classifier that the model was built without, and perhaps of nothing else.
local function left_head(self)
  local names = {}
  for _, name in ipairs(self.unused) do
    if importance(name) == 1 then names[#names + 1] = name end
  end
  return names
end

--- Whether the file has a classifier that the model was built without.
---@return boolean
function methods:lacks_head() return left_head(self)[1] ~= nil end

--- The options that build a model with the file's classifier.
local function with_top(self) return ("top = true, classes = %s"):format(self.classes or "n") end

--- Names that show how file and model differ: a prefix, or another network.
local function difference(self)
  local theirs, ours = self.unexpected[1], self.missing[1]
  if theirs and ours then return ("the file has %s, the model looks for %s"):format(check.show(theirs), check.show(ours)) end
  return self:problem() or "the file holds only parts that the model was built without"
end

--- What to do where little or nothing fits.
local function remedy(self)
  return (self.prefix and "the option prefix takes off what stands before a file's names, " or "") .. "other shapes need the model that the file was made of"
end

--- Why nothing is loaded: something does not fit (strict), or nothing does.
---@param strict boolean
---@return string? problem
function methods:refusal(strict)
  if strict then
    local problem = self:problem()
    if not problem or not self.classes or #self.missing > 0 or #self.misfits > 0 then return problem end
    return ("%s; if that is a classifier, %s builds a network of scion.models with it; strict = false loads what the model has a place for"):format(
      problem, with_top(self))
  end
  if self.loaded > 0 or self.total == 0 then return end
  local sentence = "nothing can be loaded even with strict = false: none of the model's %d weights is in the file (%s); %s"
  return sentence:format(self.total, difference(self), remedy(self))
end

--- "0 is conv1, 1 is bn1", what names that are numbers were taken for.
local function placed(self)
  local words = {}
  for i, part in ipairs(self.positions or {}) do words[i] = ("%s is %s"):format(part.file, part.model) end
  return words
end

--- Says on standard error what was chosen or guessed, and what was left out: the file's classifier, or more than half of the model's
--- weights.
function methods:tell()
  if self.choice then notice.once(("%s: %s"):format(self.path, self.choice)) end
  if self.positions then notice.once(("%s: names that are numbers are told by their order: %s"):format(self.path, table.concat(placed(self), ", "))) end
  for _, line in ipairs(self.notes) do notice.once(self.path .. ": " .. line) end
  local head = left_head(self)
  if head[1] then
    local shown = table.concat(head, ", ", 1, math.min(#head, most_listed)) .. (#head > most_listed and ", …" or "")
    notice.once(("%s: the classifier (%s) is not loaded, since the model was built without it; %s builds it"):format(self.path, shown, with_top(self)))
  end
  if 2 * self.loaded >= self.total then return end
  notice.once(("%s: only %d of the model's %d weights were loaded, the others are as they were (%s); %s. print(report) lists them"):format(
    self.path, self.loaded, self.total, difference(self), remedy(self)))
end

--- With the mark that text.wrap takes for a space within a word.
local function unbroken(words) return (words:gsub(" ", "\0")) end

--- "missing    3: a, b, c": the names that matter first, and counters by their number.
local function listed(title, names)
  if #names == 0 then return {} end
  local ranked, parts = { {}, {}, {} }, {}
  for _, name in ipairs(names) do table.insert(ranked[importance(name)], name) end
  local counters = #ranked[3]
  local shown = table.move(ranked[2], 1, #ranked[2], #ranked[1] + 1, ranked[1])
  for i = 1, math.min(#shown, most_listed) do parts[i] = check.escape(shown[i]) end
  if #shown > most_listed then parts[#parts + 1] = "…" end
  if counters > 0 then parts[#parts + 1] = ("%d counter%s num_batches_tracked"):format(counters, counters == 1 and "" or "s") end
  return text.wrap(("  %s%d: %s"):format(unbroken(("%-11s"):format(title)), #names, table.concat(parts, ", ")), text.width(), 4)
end

local function as_text(self)
  local misfits = {}
  for i, m in ipairs(self.misfits) do misfits[i] = ("%s (%s, expected %s)"):format(m.name, m.file, m.model) end
  local head = ("%s: %d%s weights loaded"):format(unbroken(check.escape(self.path)), self.loaded, self.loaded < self.total and " of " .. self.total or "")
  local lines = text.wrap(head, text.width(), 2)
  local place = origin(self)
  if place then table.move(text.wrap("  from " .. place, text.width(), 4), 1, 99, #lines + 1, lines) end
  for _, part in ipairs { { "missing", self.missing }, { "unexpected", self.unexpected }, { "misshapen", misfits }, { "unused", self.unused },
                         { "by order", placed(self) } } do
    for _, line in ipairs(listed(table.unpack(part))) do lines[#lines + 1] = line end
  end
  for _, note in ipairs(self.notes) do table.move(text.wrap("  " .. check.escape(note), text.width(), 4), 1, 99, #lines + 1, lines) end
  return table.concat(lines, "\n")
end

local defined = class.define {
  name = "scion.WeightsReport", title = "a report of loaded weights", methods = methods,
  locked = { "path", "loaded", "total", "of", "missing", "unexpected", "misfits", "unused", "notes", "dict", "prefix", "positions", "config" },
  fields = { "timms", "classes", "counts", "choice", "unplaced" }, meta = { __tostring = as_text },
}

--- An empty report.
---@param path string
---@param total integer how many weights the model has
---@param of "arrays"|"layers"
---@return scion.WeightsReport
function report.new(path, total, of)
  return defined.new { path = path, loaded = 0, total = total, of = of, missing = {}, unexpected = {}, misfits = {}, unused = {}, notes = {} }
end

return report
