--- What is known of every architecture, for scion.models.list(), and of one, for printing it.
local builder = require "scion.models.builder"
local lfs = require "lfs"
local text = require "scion.report.text"

local models = {}

---@class scion.ModelList a list of scion.Architecture, which prints as a table
local class = { __name = "scion.ModelList" }

--- The names of the files beside models/builder.lua.
local function files()
  local folder, names = assert(package.searchpath("scion.models.builder", package.path)):match "^(.*)/[^/]*$", {}
  for file in lfs.dir(folder) do
    local name = file:match "^([%w_]+)%.lua$"
    if name and name ~= "init" and name ~= "builder" then names[#names + 1] = name end
  end
  return names
end

local function preprocessing(variant) return type(variant.preprocess) == "string" and variant.preprocess or "within the network" end

--- "torchvision: torch, 2 files at download.pytorch.org (sha256 0676ba61, 11ad3fa6)"; files without a published hash are only counted.
local function describe(variant)
  local hashes, count = {}, #variant.weights
  for _, file in ipairs(variant.weights) do
    local hash = file.sha256 and "sha256 " .. file.sha256:sub(1, 8) or file.md5 and "md5 " .. file.md5:sub(1, 8)
    if hash then hashes[#hashes + 1] = (file.top and "" or "no top ") .. hash end
  end
  local where = count > 0 and " at " .. variant.weights[1].url:match "//([^/]*)" or ""
  return ("%s: %s, %d file%s%s%s"):format(variant.name, preprocessing(variant), count, count == 1 and "" or "s", where,
    #hashes > 0 and " (" .. table.concat(hashes, ", ") .. ")" or "")
end

--- A file's address, and what it is good for.
local function describe_file(file)
  local parts = { file.top and "with the top" or "without the top" }
  if file.width then parts[#parts + 1] = ("width %g, input %d"):format(file.width, file.input) end
  parts[#parts + 1] = file.sha256 and "sha256 " .. file.sha256 or file.md5 and "md5 " .. file.md5 or nil
  return ("    %s\n      %s"):format(file.url, table.concat(parts, ", "))
end

--- All that is known of an architecture: a block of lines.
---@param architecture scion.Architecture
---@return string
function models.describe(architecture)
  local lines = { ("%s: %s parameters, %s at %dx%d"):format(architecture.name, text.grouped(architecture.parameters), text.macs(architecture.macs),
    architecture.input, architecture.input) }
  for _, variant in ipairs(architecture.variants) do
    lines[#lines + 1] = ("  %s: inputs from %d up, preprocessing %s, %s"):format(variant.name, variant.smallest, preprocessing(variant),
      #variant.weights > 0 and "weights at" or "no weights are published")
    for _, file in ipairs(variant.weights) do lines[#lines + 1] = describe_file(file) end
  end
  return table.concat(lines, "\n")
end

function class:__tostring()
  local lines = { ("%s %12s %12s %5s  %s"):format(text.column("name", 20), "parameters", "multiply-adds", "input", "weights: preprocessing, files") }
  for _, a in ipairs(self) do
    for i, variant in ipairs(a.variants) do
      local head = i == 1 and ("%s %12s %13s %5d"):format(text.column(a.name, 20), text.grouped(a.parameters), text.macs(a.macs), a.input)
      lines[#lines + 1] = (head or (" "):rep(53)) .. "  " .. describe(variant)
    end
  end
  return table.concat(lines, "\n")
end

--- Every architecture there is, by name.
---@return scion.ModelList
function models.list()
  local list = setmetatable({}, class)
  for _, file in ipairs(files()) do
    local made = require("scion.models." .. file)
    for _, architecture in pairs(builder.is(made) and { made } or made) do list[#list + 1] = architecture end
  end
  table.sort(list, function(a, b) return a.name < b.name end)
  return list
end

return models
