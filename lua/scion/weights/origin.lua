--- Which network a weights file belongs to, and whether a model is that network. Networks whose weights have the same names and shapes may
--- still compute something else, since they pad or normalize otherwise. The file tells by its names, by the variant that model:export
--- noted, and by the config.json beside it.
local builder = require "scion.models.builder"
local check = require "scion.check"
local core = require "scion.core"
local format = require "scion.weights.format"
local kinds = require "scion.kinds"
local names = require "scion.weights.names.architectures"
local preprocessing = require "scion.preprocessing"

local origin = {}

---@class scion.WeightsOrigin to be closed: until then the numbers can be read from the one file that was opened, whatever becomes of the path
---@field path string of the file
---@field keras scion.KerasFile? the open file, if it is Keras's
---@field arrays (scion.Array[]|scion.SafetensorsArrays)? those of any other file
---@field trouble string? why neither could be opened
---@field library "keras"|"pytorch"|nil whose names the weights have; nil: Scion's own, or the file cannot be read
---@field variant string? of the network: what model:export noted, or where only one has such names: "tf" of EfficientNet-PyTorch's
---@field exported boolean? whether model:export noted the variant
---@field transformers boolean? whether the names are those of the package transformers
---@field facts scion.WeightsFacts? what model:save and model:export noted beside the weights
---@field config scion.WeightsConfig?

local libraries = { keras = "keras", torchvision = "pytorch", tf = "pytorch", timm = "pytorch" } -- by variant

--- Sets library and variant from the names of arrays in a PyTorch file. EfficientNet-PyTorch has the authors' networks from TensorFlow:
--- "tf".
local function of_names(told)
  local rule = require("scion.weights.transformers").rule(told.arrays or {})
  told.library = "pytorch"
  if rule then told.transformers, told.variant = true, rule.variant end
  if require("scion.weights.torchvision").naming(told.arrays or {}) == "efficientnet_pytorch" then told.variant = "tf" end
end

local function note_variant(told, variant)
  if kinds.variant.read(variant) then told.variant, told.exported = variant, true end
end

--- The same for a safetensors file, which may also be Scion's own: those have a slash in their names.
local function of_safetensors(told)
  told.arrays, told.trouble = require("scion.weights.safetensors").arrays(told.path)
  local arrays, metadata = told.arrays or {}, told.arrays and told.arrays.metadata or {}
  format.refuse_checkpoint(told.path, metadata)
  if not arrays[1] or arrays[1].name:find("/", 1, true) then
    if metadata.format ~= "scion" then return end
    local variant
    told.facts, variant = require("scion.weights.facts").of_saved(metadata, told.path)
    note_variant(told, variant)
    return
  end
  of_names(told)
  note_variant(told, metadata.variant)
  if not metadata.preprocessing then return end
  told.facts = require("scion.weights.facts").read({ preprocessing = metadata.preprocessing, rescalings = metadata.rescalings, labels = metadata.labels }, told.path)
end

--- The same for a Keras file. model:export writes every variant as .h5 with Keras's names, and notes the variant in an attribute.
local function of_keras(told)
  told.library = "keras"
  told.keras, told.trouble = require("scion.weights.keras").open(told.path)
  local file = told.keras and told.keras.file
  if not file then return end
  local function text(name)
    local value = file:has("/", name) and file:attribute("/", name)
    return type(value) == "string" and value or nil
  end
  note_variant(told, text "variant")
  if text "preprocessing" then
    local read, labels = check.try(require("scion.weights.keras_layers").names_at, file, "/", "labels")
    told.facts = require("scion.weights.facts").read({ preprocessing = text "preprocessing", rescalings = text "rescalings", labels = read and labels or nil }, told.path)
  end
end

--- Whether a file is one of Keras's: HDF5, or an archive that holds it. Raises where the archive is damaged.
local function is_keras(path, kind)
  if kind ~= "zip" then return kind == "hdf5" end
  local archive <close>, message = core.zip_open(path)
  if not archive then check.raise(message) end
  return archive:entries()["model.weights.h5"] ~= nil
end

local closable = { __close = function(told)
  local _ <close> = told.keras or told.arrays
end }

--- What a file tells, with the file itself open. Raises, with the path, where there is no such file, where it is no file of weights, and
--- where the config.json beside it is damaged.
---@param path string
---@return scion.WeightsOrigin
function origin.of(path)
  local told, kind = setmetatable({ path = path }, closable), format.of(path)
  if kind == "safetensors" then
    of_safetensors(told)
  elseif is_keras(path, kind) then
    of_keras(told)
  else
    told.arrays, told.trouble = require("scion.weights.torch").arrays(path)
    of_names(told)
  end
  if told.library == "pytorch" and (not told.variant or told.transformers) then told.config = require("scion.weights.config").beside(path) end
  return told
end

-- ---- which network that is ------------------------------------------------------------------------------------------

--- A variant of an architecture by its name.
local function variant_named(architecture, name)
  for _, variant in ipairs(architecture.variants) do
    if variant.name == name then return variant end
  end
end

--- The entry of names/architectures.lua for timm's name of a network, which may end in a tag: "resnet50.a1_in1k". A name that is not listed
--- there but is torchvision's stands for our architecture of that name.
local function entry(name)
  local bare = name:match "^[^.]*"
  if names.networks[bare] then return names.networks[bare] end
  for _, part in ipairs(names.older) do bare = bare:gsub(part, "") end
  local architecture = builder.find(bare)
  return names.networks[bare] or architecture and variant_named(architecture, "torchvision") and { bare, "torchvision" } or nil
end

--- The variants of an architecture that timm has: as a list of those that Scion can build, and by name.
---@param architecture scion.Architecture
---@return table variants { "tf", "timm", tf = true, timm = true }
function origin.timms(architecture)
  local variants = {}
  for _, row in pairs(names.networks) do
    if row[1] == architecture.name and not row.but and not row.preprocess then variants[row[2]] = true end
  end
  for _, each in ipairs(architecture.variants) do variants[#variants + 1] = variants[each.name] and each.name or nil end
  return variants
end

--- The name of the first variant of a file's library; if only some variants have timm's names, and the file has those, the first of them.
--- nil where there is none.
local function fitting_variant(architecture, told)
  local first
  local timms = told.library == "pytorch" and require("scion.weights.timm").named(told.arrays or {})
  for _, each in ipairs(architecture.variants) do
    if timms and each.names == "timm" then return each.name end
    if libraries[each.name] == told.library then first = first or each.name end
  end
  return first
end

--- Options with which an architecture builds the network that the weights belong to, as far as the file and its config.json tell.
---@param architecture scion.Architecture
---@param told scion.WeightsOrigin
---@return { variant: string?, width: number?, classes: integer?, input: integer[]?, channels: integer? } options
function origin.options(architecture, told)
  local c = told.config
  local row = c and c.architecture and entry(c.architecture)
  local variant = told.variant or row and row[1] == architecture.name and row[2]
  if not variant or not variant_named(architecture, variant) then variant = fitting_variant(architecture, told) end
  if not c or row and row[1] ~= architecture.name then return { variant = variant } end
  return { variant = variant, width = row and row.width, classes = c.classes ~= 0 and c.classes or nil, input = c.input,
           channels = (c.channels == 1 or c.channels == 3) and c.channels or nil }
end

--- The call that builds the network of an entry: "scion.models.mobilenet_v2{ width = 0.5, weights = … }". nil where Scion cannot build it.
local function builder_of(row)
  local architecture = builder.find(row[1])
  if row.but or not architecture or not variant_named(architecture, row[2]) then return nil end
  return ("scion.models.%s{ %sweights = … }"):format(row[1], row.width and ("width = %g, "):format(row.width) or "")
end

local as_it_is = "strict = false loads what fits all the same"

--- How a config.json and a model disagree, in words; nil where they agree.
local function config_disagrees(c, architecture, variant)
  if c.channels and c.channels ~= 3 and c.channels ~= 1 then
    return ("%s: the network takes images of %d channels, and those of scion.models take 3, or 1; %s"):format(c.path, c.channels, as_it_is)
  end
  local has_not = "%s built with other arguments (%s), which scion.models.%s has not; %s"
  if c.known then
    local says = ("%s says that it is of transformers' %s"):format(c.path, c.transformers)
    return c.changes and has_not:format(says, c.changes, architecture.name, as_it_is) or nil
  end
  if c.transformers then
    return ("%s says that it is of transformers' %s, whose weights have names of their own; those of its %s are read; take timm's file of the " ..
      "network, or torchvision's; %s"):format(
      c.path, c.transformers, require("scion.weights.names.transformers").families, as_it_is)
  end
  if not c.architecture then return nil end
  local says, row = ("%s says that it is of timm's %s"):format(c.path, c.architecture), entry(c.architecture)
  if row and row[1] == architecture.name and not row.but and c.changes then
    return has_not:format(says, c.changes, row[1], as_it_is)
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

--- Whether a variant has the names of the one that fits a file: those of some architectures are timm's in one and torchvision's in another.
local function named_alike(architecture, variant, fitting)
  local one, other = variant_named(architecture, variant), variant_named(architecture, fitting)
  return not one or not other or one.names == other.names
end

--- Whose names a file has, or whose network it says it is of, in words.
local function named_as(told, architecture)
  if told.exported then return ("it was exported from the variant '%s'"):format(told.variant) end
  if told.transformers then return "it has transformers' names" end
  if told.variant then return "it has EfficientNet-PyTorch's names" end
  local fitting = told.library == "pytorch" and variant_named(architecture, fitting_variant(architecture, told))
  return ("it has %s names"):format(fitting and fitting.names == "timm" and "timm's" or owners[told.library])
end

--- How the names in a file and a model's variant disagree, in words; nil where they agree.
local function names_disagree(told, architecture, variant)
  local exact, fitting = told.variant, origin.options(architecture, told).variant
  if architecture.alike or not variant or not fitting or (exact and exact == variant) then return nil end
  if not exact and libraries[variant] == told.library and named_alike(architecture, variant, fitting) then return nil end
  local whose = named_as(told, architecture)
  local sentence = "%s, and this %s is of the variant '%s', which pads or normalizes otherwise; variant = '%s' builds the one that fits, as weights = … does by itself; %s"
  return sentence:format(whose, architecture.name, variant, fitting, as_it_is)
end

--- Why a file's weights would compute something else in a model than in the network that they belong to; nil where nothing tells that they
--- would.
---@param told scion.WeightsOrigin
---@param name string? of the model: that of its architecture
---@param variant string? of the model
---@return string? reason
function origin.disagreement(told, name, variant)
  local architecture = (told.library or told.exported) and name and builder.find(name)
  if not architecture then return nil end
  if told.config then
    local reason = config_disagrees(told.config, architecture, variant)
    if reason or told.config.architecture then return reason end
  end
  return names_disagree(told, architecture, variant)
end

-- ---- what cannot be told --------------------------------------------------------------------------------------------

--- The longest of timm's network names that occurs in a file's name as a word of its own: tf_efficientnet_b0 in
--- "tf_efficientnet_b0_ns-c0e6a31c.pth". nil where there is none.
local function named_by(path)
  local file, longest = path:match "[^/]*$":lower():gsub("%-", "_"), nil
  for name in pairs(names.networks) do
    local from, to = file:find(name, 1, true)
    local alone = from and not file:sub(from - 1, from - 1):find "^%w$" and not file:sub(to + 1, to + 1):find "^%w$"
    if alone and (not longest or #name > #longest) then longest = name end
  end
  return longest
end

--- How an entry's network differs from ours, in words.
local function otherwise(row, architecture)
  if row.but then return row.but end
  if row.preprocess then return ("takes preprocess = '%s'"):format(row.preprocess) end
  if not variant_named(architecture, row[2]) then return "pads or normalizes otherwise" end
  return ("is variant = '%s'%s"):format(row[2], row.width and (" at width = %g"):format(row.width) or "")
end

--- The entries of networks whose weights have an architecture's names and shapes, but that compute something else than this variant of it:
--- a sorted list of names, and the entries by name. None of them, all timm's, has the names of a variant that others differ from in just
--- that.
local function others_of(architecture, variant)
  local others, apart = {}, false
  for _, each in ipairs(architecture.variants) do apart = apart or each.names ~= nil end
  if apart and not variant_named(architecture, variant).names then return others end
  for name, row in pairs(names.networks) do
    if row[1] == architecture.name and (row.but or row.preprocess or row[2] ~= variant and not architecture.alike) then
      others[#others + 1] = name
      others[name] = row
    end
  end
  table.sort(others)
  return others
end

--- Whether a model takes images as its variant does by itself.
local function is_usual(model)
  local ours, variant = model.input.layer.options.preprocess, variant_named(builder.find(model.name), model.variant)
  local usual = variant and preprocessing.of_channels(preprocessing.resolve(variant.preprocess), model.input.shape[3])
  for c = 1, usual and 3 or 0 do
    if ours.scale[c] ~= usual.scale[c] or ours.shift[c] ~= usual.shift[c] then return false end
  end
  return true
end

--- What is assumed of images where a file has Keras's weights and no description, for networks of scion.models; empty where it is known.
local function assumed_of_keras(told, model, given)
  local known = given or told.facts or not told.keras or told.keras.config or not model.name or not builder.find(model.name) or not is_usual(model)
  if known or require("scion.weights.keras_front").is_published(model, told.path) then return {} end
  return { ("images are rescaled as for %s's own weights, since a file of weights alone does not tell how they were; preprocess = says it otherwise"):format(
    model.variant or "keras") }
end

--- What is assumed where a Keras file does not tell how its images were preprocessed, or a PyTorch file neither that nor to which of several
--- networks with the same names and shapes it belongs: sentences for the report.
---@param told scion.WeightsOrigin
---@param model scion.Model
---@param known { timms: boolean?, preprocess: any, variant: string? } whether the file has names that only timm gives; the options `preprocess` and
--- `variant`
---@return string[] assumed
---@return boolean hinted whether something speaks against the first of these: the file is named like another of these networks, or its
--- arrays have timm's names, timm has another one that Scion can build, and the user did not name the variant
function origin.assumed(told, model, known)
  local name, variant = model.name, model.variant
  if told.library == "keras" then return assumed_of_keras(told, model, known.preprocess), false end
  local tells = told.library ~= "pytorch" or told.exported or told.config and told.config.architecture
  local architecture = not tells and name and builder.find(name)
  if not architecture or not variant then return {}, false end
  local list = { not known.preprocess and not (told.config and told.config.mean) and ("images are standardized as for %s's own weights"):format(variant) or nil }
  local others, own = others_of(architecture, variant), named_by(told.path)
  if #others == 0 or told.variant or told.transformers then return list, false end
  if own == architecture.name then own = nil end -- as many call the files of all its variants
  local chosen = known.variant or variant ~= fitting_variant(architecture, told)
  local hinted, parts = others[own] ~= nil, {}
  for i, other in ipairs(others) do
    local row = others[other]
    parts[i] = ("%s %s"):format(other, otherwise(row, architecture))
    if known.timms and not own and not chosen and not row.but and not row.preprocess and variant_named(architecture, row[2]) then hinted = true end
  end
  local sentence = "taken for %s's %s; networks with the same names and shapes: %s; a config.json beside the file tells"
  table.insert(list, 1, sentence:format(variant, name, table.concat(parts, ", ")))
  return list, hinted
end

return origin
