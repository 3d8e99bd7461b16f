--- What came of loading a file: which of the model's weights it lacks, what the model has no place for, and what has another shape.
local check = require "scion.check"
local class = require "scion.class"
local notice = require "scion.report.notice"

local report = {}

---@class scion.WeightsReport
---@field path string
---@field loaded integer how many of the model's weights were read
---@field total integer how many weights the model has
---@field of "arrays"|"layers" what is listed: in Keras's files layers
---@field missing string[] weights of the model that the file lacks
---@field unexpected string[] arrays that the model has no place for
---@field misfits { name: string, model: string, file: string, reason: string? }[] those of another shape
---@field unused string[] arrays that belong to a part which the model was built without: a classifier, auxiliary heads, counters
---@field private counts string? of layers with weights in file and model, where they are compared by order and the numbers differ
local methods = {}

--- Whether every weight of the model has its array and every array its place.
---@return boolean
function methods:complete() return #self.missing == 0 and #self.unexpected == 0 and #self.misfits == 0 end

local sentences = {
  arrays = { missing = "%s is missing%s", unexpected = "%s is not among the model's weights%s" },
  layers = { missing = "has no weights for %s%s", unexpected = "layer '%s' has no counterpart in the model%s" },
}

--- The first thing that does not fit, in words.
---@return string?
function methods:problem()
  local m, counts = self.misfits[1], self.counts or ""
  if m then return (m.reason or ("%s is %s, but the model expects %s"):format(m.name, m.file, m.model)) .. counts end
  for _, list in ipairs { "missing", "unexpected" } do
    if self[list][1] then return sentences[self.of][list]:format(self[list][1], counts) end
  end
end

--- Names that show how file and model differ: a prefix, or another network.
local function difference(self)
  local theirs, ours = self.unexpected[1], self.missing[1]
  if theirs and ours then return ("the file has %s, the model looks for %s"):format(check.show(theirs), check.show(ours)) end
  return self:problem() or "the file holds only parts that the model was built without"
end

local remedy = "names with a prefix are to be renamed in the file, other shapes need the model that the file was made of"

--- Why nothing is loaded: something does not fit (strict), or nothing does.
---@param strict boolean
---@return string? problem
function methods:refusal(strict)
  if strict then return self:problem() end
  if self.loaded > 0 or self.total == 0 then return end
  local sentence = "nothing can be loaded even with strict = false: none of the model's %d weights is in the file (%s); %s"
  return sentence:format(self.total, difference(self), remedy)
end

--- Says on standard error that less than half of the model's weights were loaded, if so.
function methods:tell()
  if 2 * self.loaded >= self.total then return end
  notice.once(("%s: only %d of the model's %d weights were loaded, the others are as they were (%s); %s. print(report) lists them"):format(
    self.path, self.loaded, self.total, difference(self), remedy))
end

local function listed(title, names)
  if #names == 0 then return "" end
  local shown = check.escape(table.concat(names, ", ", 1, math.min(#names, 8)))
  return ("\n  %-11s%d: %s%s"):format(title, #names, shown, #names > 8 and ", …" or "")
end

local function text(self)
  local misfits = {}
  for i, m in ipairs(self.misfits) do misfits[i] = ("%s (%s, expected %s)"):format(m.name, m.file, m.model) end
  local head = ("%s: %d%s weights loaded"):format(self.path, self.loaded, self.loaded < self.total and " of " .. self.total or "")
  return head .. listed("missing", self.missing) .. listed("unexpected", self.unexpected) .. listed("misshapen", misfits) ..
    listed("unused", self.unused)
end

local defined = class.define {
  name = "scion.WeightsReport", title = "a report of loaded weights", methods = methods,
  locked = { "path", "loaded", "total", "of", "missing", "unexpected", "misfits", "unused", "counts" }, meta = { __tostring = text },
}

--- An empty report.
---@param path string
---@param total integer how many weights the model has
---@param of "arrays"|"layers"
---@return scion.WeightsReport
function report.new(path, total, of)
  return defined.new { path = path, loaded = 0, total = total, of = of, missing = {}, unexpected = {}, misfits = {}, unused = {} }
end

return report
