--- What came of loading a file: which of the model's weights it lacks, what the model has no place for, and what has another shape.
local report = {}

---@class scion.WeightsReport
---@field path string
---@field loaded integer how many weights were read
---@field missing string[] weights of the model that the file lacks
---@field unexpected string[] arrays that the model has no place for
---@field misfits { name: string, model: string, file: string }[] those of another shape
---@field unused string[] arrays that belong to a part which the model was built without: a classifier, auxiliary heads, counters
local methods = {}

--- Whether every weight of the model has its array and every array its place.
---@return boolean
function methods:complete() return #self.missing == 0 and #self.unexpected == 0 and #self.misfits == 0 end

--- The first thing that does not fit, in words.
---@return string?
function methods:problem()
  local m = self.misfits[1]
  if m then return ("%s is %s, but the model expects %s"):format(m.name, m.file, m.model) end
  if self.missing[1] then return ("%s is missing"):format(self.missing[1]) end
  if self.unexpected[1] then return ("%s is not among the model's weights"):format(self.unexpected[1]) end
end

local function listed(title, names)
  if #names == 0 then return "" end
  local shown = table.concat(names, ", ", 1, math.min(#names, 8))
  return ("\n  %-11s%d: %s%s"):format(title, #names, shown, #names > 8 and ", …" or "")
end

local class = { __index = methods, __name = "scion.WeightsReport" }

function class:__tostring()
  local misfits = {}
  for i, m in ipairs(self.misfits) do misfits[i] = ("%s (%s, expected %s)"):format(m.name, m.file, m.model) end
  return ("%s: %d weights loaded"):format(self.path, self.loaded) .. listed("missing", self.missing) ..
    listed("unexpected", self.unexpected) .. listed("misshapen", misfits) .. listed("unused", self.unused)
end

--- An empty report.
---@param path string
---@return scion.WeightsReport
function report.new(path)
  return setmetatable({ path = path, loaded = 0, missing = {}, unexpected = {}, misfits = {}, unused = {} }, class)
end

return report
