--- What a file of weights tells of the network that it is of: whose names it has, the variant that model:export noted, and the
--- config.json beside it; and how that agrees with a model. Networks with the same names and shapes may still compute otherwise.
local config = require "scion.weights.config"
local core = require "scion.core"
local format = require "scion.weights.format"
local kinds = require "scion.kinds"
local names = require "scion.weights.names.architectures"

local origin = {}

---@class scion.WeightsOrigin
---@field path string of the file
---@field format "hdf5"|"zip"|"pickle"|"safetensors"
---@field library "keras"|"pytorch"|nil whose names it has; nil: Scion's own file, or one that cannot be read
---@field variant string? that model:export noted, or that its names tell
---@field exported boolean? whether model:export noted it
---@field labels string? of a model that was saved, as JSON
---@field config scion.WeightsConfig?

local libraries = { keras = "keras", torchvision = "pytorch", tf = "pytorch", timm = "pytorch" } -- of variants

--- Whether an archive is Keras's, and why that cannot be told.
---@param path string
---@return boolean keras
---@return string? message
function origin.holds_keras(path)
  local archive <close>, message = core.zip_open(path)
  return archive ~= nil and archive:entries()["model.weights.h5"] ~= nil, message
end

--- Whose names a list of arrays has: EfficientNet-PyTorch has the networks of TensorFlow's authors.
local function of_names(told, arrays)
  told.library = "pytorch"
  if require("scion.weights.torchvision").naming(arrays) == "efficientnet_pytorch" then told.variant = "tf" end
end

local function of_safetensors(told)
  local arrays <close> = require("scion.weights.safetensors").arrays(told.path)
  local metadata = arrays and arrays.metadata or {}
  if not arrays or not arrays[1] or arrays[1].name:find("/", 1, true) then
    told.labels = metadata.format == "scion" and metadata.labels or nil
    return
  end
  of_names(told, arrays)
  if kinds.variant.read(metadata.variant) then told.variant, told.exported = metadata.variant, true end
end

--- Keras's names are those of every variant that model:export wrote as .h5; which one it was is an attribute.
local function of_hdf5(told)
  told.library = "keras"
  local file <close> = core.hdf5_open(told.path)
  local variant = file and file:has("/", "variant") and file:attribute("/", "variant")
  if kinds.variant.read(variant) then told.variant, told.exported = variant, true end
end

--- What a file tells. Raises with the path when there is no such file, where it is none of weights, and where the config.json beside it
--- is damaged.
---@param path string
---@return scion.WeightsOrigin
function origin.of(path)
  local told = { path = path, format = format.of(path) }
  if told.format == "safetensors" then
    of_safetensors(told)
  elseif told.format == "hdf5" then
    of_hdf5(told)
  elseif told.format == "zip" and origin.holds_keras(path) then
    told.library = "keras"
  else
    local arrays <close> = require("scion.weights.torch").arrays(path)
    of_names(told, arrays or {})
  end
  if told.library == "pytorch" and not told.variant then told.config = config.beside(path) end
  return told
end

-- ---- which network that is ------------------------------------------------------------------------------------------

--- An architecture of scion.models by its name.
local function find(name)
  for _, architecture in ipairs(require("scion.models").list()) do
    if architecture.name == name then return architecture end
  end
end

local function variant_named(architecture, name)
  for _, variant in ipairs(architecture.variants) do
    if variant.name == name then return variant end
  end
end

--- What names/architectures.lua has for timm's name, which may have a tag behind it: "resnet50.a1_in1k". Torchvision's names that timm has
--- not are ours.
local function entry(name)
  local bare = name:match "^[^.]*"
  if names.networks[bare] then return names.networks[bare] end
  for _, part in ipairs(names.older) do bare = bare:gsub(part, "") end
  local architecture = find(bare)
  return names.networks[bare] or architecture and variant_named(architecture, "torchvision") and { bare, "torchvision" } or nil
end

--- The options that build the network which a config.json names, if it is this one.
---@param architecture scion.Architecture
---@param told scion.WeightsOrigin
---@return { variant: string?, width: number?, classes: integer?, input: integer[]? } options
function origin.options(architecture, told)
  local c = told.config
  local row = c and c.architecture and entry(c.architecture)
  local variant = told.variant or row and row[1] == architecture.name and row[2]
  if not variant or not variant_named(architecture, variant) then
    variant = nil
    for _, each in ipairs(architecture.variants) do
      if not variant and libraries[each.name] == told.library then variant = each.name end
    end
  end
  if not c or row and row[1] ~= architecture.name then return { variant = variant } end
  return { variant = variant, width = row and row.width, classes = c.classes ~= 0 and c.classes or nil, input = c.input }
end

--- "scion.models.mobilenet_v2{ width = 0.5, weights = … }" for an entry, where it can be built.
local function builder_of(row)
  local architecture = find(row[1])
  if row.but or not architecture or not variant_named(architecture, row[2]) then return nil end
  return ("scion.models.%s{ %sweights = … }"):format(row[1], row.width and ("width = %g, "):format(row.width) or "")
end

local as_it_is = "strict = false loads what fits all the same"

--- How a config.json and a model disagree.
local function config_disagrees(c, architecture, variant)
  if c.channels and c.channels ~= 3 then
    return ("%s: the network takes images of %d channel%s, and those of scion.models take 3; %s"):format(c.path, c.channels, c.channels == 1 and "" or "s", as_it_is)
  end
  if not c.architecture then return nil end
  local says, row = ("%s says that it is of timm's %s"):format(c.path, c.architecture), entry(c.architecture)
  if row and row[1] == architecture.name and not row.but and c.changes then
    return ("%s built with other arguments (%s), which scion.models.%s has not; %s"):format(says, c.changes, row[1], as_it_is)
  end
  local fits = row and builder_of(row)
  if not fits then
    local what = row and row.but and (", which has the names of %s but %s"):format(row[1], row.but) or ""
    return ("%s%s: Scion has no such network, and scion.models.%s would predict something else; %s"):format(says, what, architecture.name, as_it_is)
  end
  if row[1] ~= architecture.name then return ("%s, not of %s: %s builds it"):format(says, architecture.name, fits) end
  if architecture.alike or not variant or variant == row[2] then return nil end
  return ("%s, which this %s of the variant '%s' computes otherwise; variant = '%s' builds it, as %s does by itself"):format(says, architecture.name, variant, row[2], fits)
end

local owners = { keras = "Keras's", pytorch = "PyTorch's" }

--- How the names in a file and a model's variant disagree.
local function names_disagree(told, architecture, variant)
  local exact, fitting = told.variant, origin.options(architecture, told).variant
  if architecture.alike or not variant or not fitting or (exact and exact == variant) then return nil end
  if not exact and libraries[variant] == told.library then return nil end
  local whose = told.exported and ("it was exported from the variant '%s'"):format(exact) or exact and "it has EfficientNet-PyTorch's names" or
    ("it has %s names"):format(owners[told.library])
  local sentence = "%s, and this %s is of the variant '%s', which pads or normalizes otherwise; variant = '%s' builds the one that fits, as weights = … does by itself; %s"
  return sentence:format(whose, architecture.name, variant, fitting, as_it_is)
end

--- Why a file's weights would compute something else in a model than in the network that they are of, as far as that can be told.
---@param told scion.WeightsOrigin
---@param name string? of the model
---@param variant string? of it
---@return string? reason
function origin.disagreement(told, name, variant)
  local architecture = told.library and name and find(name)
  if not architecture then return nil end
  if told.config then
    local reason = config_disagrees(told.config, architecture, variant)
    if reason or told.config.architecture then return reason end
  end
  return names_disagree(told, architecture, variant)
end

-- ---- what cannot be told --------------------------------------------------------------------------------------------

--- The longest of timm's names that a file's name holds by itself: of "tf_efficientnet_b0_ns-c0e6a31c.pth" tf_efficientnet_b0.
local function named_by(path)
  local file, longest = path:match "[^/]*$":lower():gsub("%-", "_"), nil
  for name in pairs(names.networks) do
    local from, to = file:find(name, 1, true)
    local alone = from and not file:sub(from - 1, from - 1):find "^%w$" and not file:sub(to + 1, to + 1):find "^%w$"
    if alone and (not longest or #name > #longest) then longest = name end
  end
  return longest
end

--- What an entry's network has that tells it from ours.
local function otherwise(row, architecture)
  if row.but then return row.but end
  if row.preprocess then return ("takes preprocess = '%s'"):format(row.preprocess) end
  return variant_named(architecture, row[2]) and ("is variant = '%s'"):format(row[2]) or "pads or normalizes otherwise"
end

--- The entries of the same names and shapes as an architecture that compute otherwise than its variant.
local function others_of(architecture, variant)
  local others = {}
  for name, row in pairs(names.networks) do
    if row[1] == architecture.name and (row.but or row.preprocess or row[2] ~= variant and not architecture.alike) then
      others[#others + 1] = name
      others[name] = row
    end
  end
  table.sort(others)
  return others
end

--- What is assumed of a file that does not tell which of several networks with the same names and shapes it is of, nor by which means
--- its images were standardized.
---@param told scion.WeightsOrigin
---@param model { name: string?, variant: string? }
---@param known { timms: boolean?, preprocess: any } whether the file has timm's names; the preprocessing that was given
---@return string[] assumed
---@return boolean hinted whether the file's name is that of another one, or its names are timm's, who has two that Scion has
function origin.assumed(told, model, known)
  local name, variant = model.name, model.variant
  local tells = told.library ~= "pytorch" or told.exported or told.config and told.config.architecture
  local architecture = not tells and name and find(name)
  if not architecture or not variant then return {}, false end
  local list = { not known.preprocess and not (told.config and told.config.mean) and ("images are standardized as for %s's own weights"):format(variant) or nil }
  local others, own = others_of(architecture, variant), named_by(told.path)
  if #others == 0 or told.variant then return list, false end
  local hinted, parts = others[own] ~= nil, {}
  for i, other in ipairs(others) do
    local row = others[other]
    parts[i] = ("%s %s"):format(other, otherwise(row, architecture))
    if known.timms and not own and not row.but and not row.preprocess and variant_named(architecture, row[2]) then hinted = true end
  end
  local sentence = "taken for %s's %s; networks with the same names and shapes: %s; a config.json beside the file tells"
  table.insert(list, 1, sentence:format(variant, name, table.concat(parts, ", ")))
  return list, hinted
end

return origin
