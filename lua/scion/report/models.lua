--- Texts about architectures: the table of all of them, for scion.models.list(), and the description of one, for printing it.
local builder = require "scion.models.builder"
local modules = require "scion.modules"
local text = require "scion.report.text"

local models = {}

--- A list of architectures, which prints as a table.
---@class scion.ModelList
---@field [integer] scion.Architecture
local class = { __name = "scion.ModelList" }

local function preprocessing(variant) return type(variant.preprocess) == "string" and variant.preprocess or "within the network" end

--- Two lines about a file of weights: its address, and what it holds.
local function describe_file(file)
  local parts = { file.top and "with the top" or "without the top" }
  if file.width then parts[#parts + 1] = ("width %g, input %d"):format(file.width, file.input) end
  parts[#parts + 1] = file.sha256 and "sha256 " .. file.sha256 or file.md5 and "md5 " .. file.md5 or nil
  return ("    %s\n%s"):format(file.url, table.concat(text.wrap("      " .. table.concat(parts, ", "), text.width(), 6), "\n"))
end

--- A description of an architecture, in several lines.
---@param architecture scion.Architecture
---@return string
function models.describe(architecture)
  local lines = text.wrap(("%s: %s parameters, %s at %dx%d"):format(architecture.name, text.grouped(architecture.parameters),
    text.macs(architecture.macs), architecture.input, architecture.input), text.width(), 2)
  for _, variant in ipairs(architecture.variants) do
    local line = ("  %s: inputs from %d up, preprocessing %s, %s"):format(variant.name, variant.smallest, preprocessing(variant),
      #variant.weights > 0 and "weights at" or "no weights are published")
    for _, part in ipairs(text.wrap(line, text.width(), 4)) do lines[#lines + 1] = part end
    for _, file in ipairs(variant.weights) do lines[#lines + 1] = describe_file(file) end
  end
  return table.concat(lines, "\n")
end

function class:__tostring()
  local rows = {}
  for i, a in ipairs(self) do
    local variants = {}
    for k, variant in ipairs(a.variants) do variants[k] = variant.name end
    rows[i] = { a.name, text.grouped(a.parameters), ("%.3f"):format(a.macs / 1e9), ("%d"):format(a.input), table.concat(variants, ", ") }
  end
  local columns = { { title = "name" }, { title = "parameters", right = true }, { title = "GMAC", right = true }, { title = "input", right = true },
                    { title = "variants", wraps = true } }
  local lines = text.table(columns, rows)
  table.move(text.wrap("One of them, as scion.models.resnet50, prints with its preprocessing and its files.", text.width(), 2), 1, 9, #lines + 1, lines)
  return table.concat(lines, "\n")
end

--- All architectures, sorted by name.
---@return scion.ModelList
function models.list()
  local list = setmetatable({}, class)
  for _, file in ipairs(modules.list "scion.models") do
    local made = require("scion.models." .. file)
    for _, architecture in pairs(builder.is(made) and { made } or made) do
      if builder.is(architecture) then list[#list + 1] = architecture end -- the folder has other files, too: builder.lua
    end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return models
