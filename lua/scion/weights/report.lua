--- The report of loading a file: which of the model's weights the file lacks, what the model has no place for, and what has another shape.
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local notice = require "scion.report.notice"
local printable = require "scion.printable"
local text = require "scion.report.text"

local report = {}

--- What a config.json, as timm and Hugging Face's hub write it, tells of the network that the weights beside it belong to.
---@class scion.WeightsConfig
---@field path string of config.json
---@field architecture string? timm's name of the network: "resnet50"
---@field private transformers string? the package transformers' name of the network, where timm's is not told: "ResNetForImageClassification"
---@field private known boolean? whether weights with the names of that package's network are read
---@field private statistics_in string? the file beside config.json that mean and std are from
---@field changes string? names of arguments that it was built with and that change what it computes: "act_layer"
---@field classes integer? number of classes; 0: the network has no classifier
---@field mean number[]? mean of each channel, for images in 0 to 1; only together with std
---@field std number[]? standard deviation of each channel, likewise
---@field channels integer? channels of its images
---@field input integer[]? height and width of its images, in pixels
---@field interpolation string? how images were resized: "bicubic"
---@field crop number? the share of a resized image, along each side, that was cut out of its middle: 0.875
---@field labels string[]? names of the classes

---@class scion.WeightsReport
---@field path string of the file
---@field loaded integer how many of the model's weights were read
---@field total integer how many weights the model has
---@field of "arrays"|"layers" what the lists below name: layers for Keras's files, else arrays
---@field missing string[] what the model has and the file lacks
---@field unexpected string[] what the file has and the model has no place for
---@field misfits { name: string, model: string, file: string, reason: string? }[] what does not fit, mostly because of its shape: in the
--- model and in the file; reason: a sentence in place of these two
---@field config scion.WeightsConfig? what the config.json beside the file tells
---@field notes string[] sentences about what was assumed because the file does not tell, and about differences beside the weights
---@field unused string[] what the file has and a model may do without: a classifier, auxiliary heads, counters, and all that is outside of
--- the prefix that the user gave
---@field dict string? key of the state dict that was taken from a checkpoint: "state_dict", "model.ema"; nil: the file is a state dict
--- itself
---@field prefix string? taken off the weights' names: "module."; "": there was none; nil: files of this format have none
---@field positions { file: string, model: string }[]? parts whose names are numbers in the file, and what they stand for by their order
---@field private part string? what the model has in place of the prefix: "features."
---@field private choice string? which of a checkpoint's dicts was taken, in words, where that is not obvious
---@field private unplaced string? why it could not be told what such numbers stand for
---@field private rewritten string? what the file has in another form than the model, in words
---@field private leftover string? names of the file that the model has no place for, in words, where it misses others
---@field private grafts boolean? whether to give a graft's layers the names in `leftover` mends it
---@field private joined boolean? whether some of what was found lies outside of the prefix, too
---@field private own string? what builds the network of a Keras file that describes it, in words, where it is not the model's
---@field private outside boolean? whether all of `unexpected` lies outside of the prefix that was found
---@field private inner boolean? whether some of `unexpected` is plainly of no head
---@field private headless boolean? whether all that is missing is the model's classifier
---@field private classes integer? number of classes of the file's classifier, where the model was built without one
---@field private beside table<integer, boolean>? the places in `unused` of names outside of the prefix that the user gave
---@field private sizes { shapes: integer[][][], last: boolean }[] of misfits of which the shapes are known: those of their weights, { file's,
--- model's }, and whether they are of the model's last layer
---@field private counts string? in words: the numbers of layers in a Keras file and in the model, where they differ
local methods = {}
local internal = {} -- methods for what loads weights

local most_listed, most_letters = 8, 120 -- names in a sentence, and letters of one: a damaged or forged file may have names of any length

--- Whether every weight of the model was found in the file and everything in the file has its place or is unused.
---@return boolean
function methods:complete() return #self.missing == 0 and #self.unexpected == 0 and #self.misfits == 0 end

local sentences = {
  arrays = { missing = "%s is missing%s", unexpected = "%s is not among the model's weights%s" },
  layers = { missing = "has no weights for %s%s", unexpected = "layer '%s' has no counterpart in the model%s" },
}

--- The dict and the prefix that the weights were found under, in words; nil where there is neither.
---@return string?
local function origin(self)
  local behind = self.prefix and self.prefix ~= "" and ("names behind the prefix %s"):format(check.show(self.prefix))
  local inside = self.dict and check.show(self.dict)
  local found = behind and inside and ("%s of its %s"):format(behind, inside) or behind or inside and "its " .. inside
  if not self.part then return found end
  return ("%s, put behind %s as in the model"):format(found or "its names", check.show(self.part))
end

--- The first thing that does not fit, in words; nil if everything fits.
---@return string?
function methods:problem()
  local m, source = self.misfits[1], origin(self)
  local beside = self.counts or not self.grafts and self.unplaced or source and (" (%s)"):format(source) or ""
  if m then return (m.reason or ("%s is %s, but the model expects %s"):format(m.name, m.file, m.model)) .. beside end
  for _, list in ipairs { "missing", "unexpected" } do
    if self[list][1] then return sentences[self.of][list]:format(text.cut(self[list][1], most_letters), beside) end
  end
end

local state = " (a state)" -- what marks the names of counters and seeds in Keras's files

--- How much a name matters to a reader: 1, weights that count; 2, what only training needs, such as an auxiliary head, a counter or a seed;
--- 3, a batch norm's counter.
---@param name string
---@return integer
local function importance(name)
  if name:find "num_batches_tracked$" then return 3 end
  return (name:find "^[Aa]ux" or name == "n_averaged" or name:sub(-#state) == state) and 2 or 1
end

--- Adds to `unused` the name of something that holds no weights, such as a counter or a seed in a Keras file.
---@param name string
function internal:add_state(name) table.insert(self.unused, name .. state) end

--- Adds to `unused` the name of an array outside of the prefix that the user gave: it is no part of the network.
---@param name string
function internal:add_beside(name)
  self.beside = self.beside or {}
  self.unused[#self.unused + 1] = name
  self.beside[#self.unused] = true
end

--- Adds a note that the arrays of these names hold something; none for no names.
local function note_holding(self, list, what)
  if not list[1] then return end
  local more = #list > most_listed and (" and %d more"):format(#list - most_listed) or ""
  self:note(("%s%s hold%s %s"):format(table.concat(list, ", ", 1, math.min(#list, most_listed)), more, #list == 1 and "s" or "", what))
end

--- Notes which of the weights that were read hold numbers that a network computes NaN from.
---@param weights { name: string, tensor: scion.Tensor, variance: boolean? }[] by the file's names; variance: of a batch norm
function internal:note_numbers(weights)
  local odd, negative = {}, {}
  for _, weight in ipairs(weights) do
    if not core.finite(weight.tensor) then
      odd[#odd + 1] = weight.name
    elseif weight.variance and weight.tensor:min() < 0 then
      negative[#negative + 1] = weight.name
    end
  end
  note_holding(self, odd, "numbers that are NaN, infinite or too large for f32, and what the network computes may be so, too")
  note_holding(self, negative, "variances below 0, which no images have; from those below -epsilon a batch norm computes NaN")
end

--- Adds a sentence to `notes`. report:tell prints those that are there by then.
---@param line string
function internal:note(line) table.insert(self.notes, line) end

--- The names in `unused` that matter: those of a classifier that the model was built without.
local function left_head(self)
  local names = {}
  for i, name in ipairs(self.unused) do
    if importance(name) == 1 and not (self.beside and self.beside[i]) then names[#names + 1] = text.cut(name, most_letters) end
  end
  return names
end

--- Whether the file has a classifier that the model was built without.
---@return boolean
function methods:lacks_head() return left_head(self)[1] ~= nil end

--- The options that build a model with the file's classifier.
local function with_top(self) return ("top = true, classes = %s"):format(self.classes or "n") end

--- In words, a name from the file and one from the model: they show the reader whether a prefix or the network differs.
local function difference(self)
  local theirs, ours = self.unexpected[1], self.missing[1]
  if theirs and ours then return ("the file has %s, the model looks for %s"):format(check.show(theirs), check.show(ours)) end
  return self:problem() or "the file holds only parts that the model was built without"
end

--- The size of the file's classifier, if nothing but its size differs: all that does not fit is of the model's last layer, and has one number in
--- place of another. nil otherwise.
local function other_classes(self)
  local from, to
  for _, misfit in ipairs(self.sizes) do
    local axis
    for i, shape in ipairs(misfit.shapes) do
      if not misfit.last or #shape[1] ~= #shape[2] then return end
      for d, theirs in ipairs(shape[1]) do
        local ours = shape[2][d]
        if theirs ~= ours then
          if axis == i or (from or ours) ~= ours or (to or theirs) ~= theirs then return end
          axis, from, to = i, ours, theirs
        end
      end
    end
    if not axis then return end
  end
  return to
end

--- Whether all that does not fit is smaller in the file, as after pruning: several layers, of which no size is larger.
local function is_smaller(self)
  for _, misfit in ipairs(self.sizes) do
    for _, shape in ipairs(misfit.shapes) do
      for d, theirs in ipairs(shape[1]) do
        if #shape[1] ~= #shape[2] or theirs > shape[2][d] then return false end
      end
    end
  end
  return #self.sizes > 2
end

--- What to do where not all fits, after a semicolon; "" where nothing is known.
local function advice(self)
  local part, parts = self.path:match "%-(%d+)%-of%-(%d+)%.safetensors$"
  if part and tonumber(parts) > 1 and #self.missing > 0 then
    return ("; this is part %d of %d of a network, which are read together by the index beside them, such as model.safetensors.index.json"):format(part, parts)
  end
  local elsewhere = self.rewritten or (self.grafts or not self.unplaced) and self.leftover
  if elsewhere then return "; " .. elsewhere end
  local own = self.own and "; " .. self.own or ""
  if self.headless and #self.misfits == 0 and #self.unexpected == 0 then
    return "; the file has all but the classifier: top = false builds a network of scion.models without one, and strict = false leaves the model's own as it is" .. own
  end
  if #self.missing > 0 or #self.unexpected > 0 or #self.sizes ~= #self.misfits then return own end
  local classes = other_classes(self)
  if classes then
    return ("; only the classifier has another size: classes = %d builds a network of scion.models with the file's, and strict = false loads all but it"):format(classes)
  end
  if not self.own and is_smaller(self) then
    return ("; %d of the model's %s are smaller in the file and none larger, as in a pruned network or one of a smaller width: build it with the file's sizes"):format(
      #self.misfits, self.of == "layers" and "layers" or "weights")
  end
  return own
end

--- What to do where little or nothing fits.
local function remedy(self)
  if self.rewritten or self.own then return self.rewritten or self.own end
  return (self.prefix and "the option prefix takes off what stands before a file's names, " or "") .. "other shapes need the model that the file was made of"
end

--- Why nothing is loaded: with strict because something does not fit, otherwise because nothing does. nil if the file can be loaded.
---@param strict boolean
---@return string? problem
function internal:refusal(strict)
  if strict then
    local problem = self:problem()
    if not problem then return end
    if #self.missing > 0 or #self.misfits > 0 then return problem .. advice(self) end
    if self.outside and self.prefix then
      return ("%s; if that is a head of your own, a graft whose layers have its names takes it; %s"):format(
        problem, self.joined and "strict = false loads what the model has a place for" or
          ("prefix = %s leaves out what is beside the network"):format(check.show(self.prefix)))
    end
    if self.rewritten then return ("%s; %s"):format(problem, self.rewritten) end
    local loose = self.inner and "the file has layers that the model lacks, so that what strict = false loads may be another network" or
      "strict = false loads what the model has a place for"
    if self.own then return ("%s; %s; %s"):format(problem, self.own, loose) end
    if not self.classes or self:lacks_head() then return ("%s; %s"):format(problem, loose) end
    return ("%s; if that is a classifier, %s builds a network of scion.models with it; %s"):format(problem, with_top(self), loose)
  end
  if self.loaded > 0 or self.total == 0 then return end
  local sentence = "nothing can be loaded even with strict = false: none of the model's %d weights is in the file (%s); %s"
  return sentence:format(self.total, difference(self), remedy(self))
end

--- What names that are numbers were taken for: { "0 is conv1", "1 is bn1" }.
local function placed(self)
  local words = {}
  for i, part in ipairs(self.positions or {}) do words[i] = ("%s is %s"):format(part.file, part.model) end
  return words
end

--- Prints on standard error what was chosen or guessed and what was left out: the file's classifier, what it has in another form, or more
--- than half of the model's weights. The same line is printed only once.
function internal:tell()
  if self.rewritten then self:note(self.rewritten .. (#self.missing > 0 and "; the model's own numbers stay in their place" or "; here they are left out")) end
  if self.choice then notice.once(("%s: %s"):format(self.path, self.choice)) end
  if self.positions then notice.once(("%s: names that are numbers are told by their order: %s"):format(self.path, table.concat(placed(self), ", "))) end
  for _, line in ipairs(self.notes) do notice.once(self.path .. ": " .. line) end
  local head = left_head(self)
  if head[1] then
    local shown = table.concat(head, ", ", 1, math.min(#head, most_listed)) .. (#head > most_listed and ", …" or "")
    notice.once(("%s: the classifier (%s) is not loaded, since the model was built without it; %s builds " ..
                 "it where it is the network's own; a graft whose layers have its names takes any other%s"):format(self.path, shown, with_top(self),
                   self.own and "; " .. self.own or ""))
  end
  if 2 * self.loaded >= self.total then return end
  notice.once(("%s: only %d of the model's %d weights were loaded, the others are as they were (%s); %s. print(report) lists them"):format(
    self.path, self.loaded, self.total, difference(self), remedy(self)))
end

--- The text with spaces at which text.wrap does not break a line: it prints \0 as a space.
local function unbroken(words) return (words:gsub(" ", "\0")) end

--- Lines such as "missing    3: a, b, c". Names that matter come first; of batch norms' counters only the number is told.
local function listed(title, names)
  if #names == 0 then return {} end
  local ranked, parts = { {}, {}, {} }, {}
  for _, name in ipairs(names) do table.insert(ranked[importance(name)], name) end
  local counters = #ranked[3]
  local shown = table.move(ranked[2], 1, #ranked[2], #ranked[1] + 1, ranked[1])
  for i = 1, math.min(#shown, most_listed) do parts[i] = text.cut(check.escape(shown[i]), most_letters) end
  if #shown > most_listed then parts[#parts + 1] = "…" end
  if counters > 0 then parts[#parts + 1] = ("%d counter%s num_batches_tracked"):format(counters, counters == 1 and "" or "s") end
  return text.wrap(("  %s%d: %s"):format(unbroken(("%-11s"):format(title)), #names, table.concat(parts, ", ")), text.width(), 4)
end

local function as_text(self)
  local misfits = {}
  for i, m in ipairs(self.misfits) do misfits[i] = ("%s (%s, expected %s)"):format(m.name, m.file, m.model) end
  local head = ("%s: %d%s weights loaded"):format(unbroken(check.escape(self.path)), self.loaded, self.loaded < self.total and " of " .. self.total or "")
  local lines = text.wrap(head, text.width(), 2)
  local source = origin(self)
  if source then table.move(text.wrap("  from " .. source, text.width(), 4), 1, 99, #lines + 1, lines) end
  for _, part in ipairs { { "missing", self.missing }, { "unexpected", self.unexpected }, { "misshapen", misfits }, { "unused", self.unused },
                         { "by order", placed(self) } } do
    for _, line in ipairs(listed(table.unpack(part))) do lines[#lines + 1] = line end
  end
  for _, note in ipairs(self.notes) do table.move(text.wrap("  " .. check.escape(note), text.width(), 4), 1, 99, #lines + 1, lines) end
  return table.concat(lines, "\n")
end

local defined = class.define {
  name = "scion.WeightsReport", title = "a report of loaded weights", methods = methods, internal = internal,
  locked = { "path", "loaded", "total", "of", "missing", "unexpected", "misfits", "unused", "notes", "dict", "prefix", "positions", "config" },
  fields = { "beside", "classes", "counts", "choice", "sizes", "unplaced", "part", "rewritten", "leftover", "outside", "own", "inner",
             "headless", "grafts", "joined" }, meta = { __tostring = as_text },
}

--- An empty report.
---@param path string
---@param total integer how many weights the model has
---@param of "arrays"|"layers"
---@return scion.WeightsReport
function report.new(path, total, of)
  local list = printable.table
  return defined.new { path = path, loaded = 0, total = total, of = of, missing = list {}, unexpected = list {}, misfits = list {}, unused = list {},
                       notes = list {}, sizes = {} }
end

return report
