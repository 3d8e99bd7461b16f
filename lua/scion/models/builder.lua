--- What all architectures share: their options, the input, the top, loading weights, and the names their publishers use.
local check = require "scion.check"
local layer = require "scion.layer"
local model = require "scion.model"
local nn = require "scion.nn"
local options = require "scion.options"
local results = require "scion.report.results"

local builder = {}

---@class scion.WeightsFile
---@field url string
---@field sha256 string? all of it or, as in torchvision's file names, its first digits
---@field md5 string?
---@field top boolean? with the classifier; `width` and `input`: for which options of the builder it was made; `resize`: where it
---  differs from the variant's

--- One publisher's form of an architecture. Preprocessing, epsilons and padding belong to the weights, and so to the variant.
---@class scion.Variant
---@field name string the publisher: "keras" or "torchvision"
---@field preprocess string|table
---@field resize integer? images are resized to that (the shorter side), and `crop` taken from the middle; neither: to the input
---@field crop integer?
---@field filter string? "bilinear" unless given
---@field smallest integer size of the input that it takes
---@field weights scion.WeightsFile[]

---@class scion.ModelOptions
---@field weights string? a file; none: fresh initial weights
---@field variant "keras"|"torchvision"|nil
---@field input integer|integer[]|nil a size, or height and width
---@field top boolean? with the classifier
---@field classes integer? of the classifier, 1000
---@field batch_norm "stored"|"batch"|nil "stored" with weights, "batch" without
---@field preprocess string|table|nil the variant's, unless the weights were trained otherwise
---@field width number? MobileNets: by which numbers of channels are multiplied

--- An architecture is called with options to build a model.
---@class scion.Architecture
---@overload fun(options: scion.ModelOptions?): scion.Model
---@field name string
---@field input integer default size
---@field parameters integer published number, with the top for 1000 classes, statistics of batch norm included
---@field macs integer multiply-adds at the default size
---@field variants scion.Variant[] the first is the default
---@field alike boolean? the variants differ in names and preprocessing alone
local architecture = { __name = "scion.Architecture" }

local known = { weights = false, input = false, top = false, classes = 1000, batch_norm = false, preprocess = false, variant = false, strict = true }

local function input_size(definition, variant, given)
  local size = given or definition.input
  local pair = type(size) == "number" and { size, size } or size
  for axis = 1, 2 do
    local n = type(pair) == "table" and pair[axis]
    if math.type(n) ~= "integer" or n < variant.smallest then
      check.raise(("%s: input is a size from %d up, or a list of height and width"):format(definition.name, variant.smallest))
    end
  end
  return pair
end

local function find_variant(definition, name)
  local names = {}
  for i, variant in ipairs(definition.variants) do
    if variant.name == name or not name then return variant end
    names[i] = "'" .. variant.name .. "'"
  end
  check.raise(("%s: variant is %s, not '%s'"):format(definition.name, table.concat(names, " or "), tostring(name)))
end

--- The variant that a file's publisher means, if the architecture has it.
local function variant_of_file(definition, path)
  local publisher = require("scion.weights").publisher(path)
  for _, variant in ipairs(definition.variants) do
    if variant.name == publisher then return publisher end
  end
end

local function set_statistics(made, statistics)
  if statistics ~= "stored" and statistics ~= "batch" then
    check.raise(("batch_norm is 'stored' or 'batch', not '%s'"):format(tostring(statistics)))
  end
  for _, node in ipairs(made.order) do
    if node.layer.kind == "batch_norm" then node.layer.options.statistics = statistics end
  end
end

--- The name of a layer in a publisher's files: its `origin`, or its own name with that publisher's separator.
---@param made { name: string, origin: table<string, string>? } a layer
---@param publisher "keras"|"torchvision"
---@return string
function builder.publisher_name(made, publisher)
  local given = made.origin and made.origin[publisher]
  return given or (made.name:gsub("/", publisher == "torchvision" and "." or "_"))
end

--- Raises unless the option `width`, by which numbers of channels are multiplied, is sensible.
---@param o table
function builder.check_width(o)
  if type(o.width) ~= "number" or not (o.width >= 1 / 32 and o.width <= 16) then check.raise("width is a number from 1/32 to 16") end
end

--- How Keras pads an image before a convolution of stride 2: half a kernel at the end, and one less at the start of even sizes.
---@param x scion.Node
---@param kernel integer
---@return integer[] { top, left, bottom, right }
function builder.keras_padding(x, kernel)
  local half = kernel // 2
  return { half - 1 + x.shape[1] % 2, half - 1 + x.shape[2] % 2, half, half }
end

--- The two files that Keras publishes of most networks: with the classifier, and without.
---@param name string folder and beginning of the files' names: "vgg16/vgg16"
---@param md5 string[] of the two
---@return scion.WeightsFile[]
function builder.keras_files(name, md5)
  local url = ("https://storage.googleapis.com/tensorflow/keras-applications/%s_weights_tf_dim_ordering_tf_kernels"):format(name)
  return { { top = true, url = url .. ".h5", md5 = md5[1] }, { url = url .. "_notop.h5", md5 = md5[2] } }
end

--- A file of torchvision, whose name ends with the first digits of its hash.
---@param name string
---@param sha256 string
---@param resize integer?
---@return scion.WeightsFile
function builder.torchvision_file(name, sha256, resize)
  return { top = true, url = ("https://download.pytorch.org/models/%s-%s.pth"):format(name, sha256), sha256 = sha256, resize = resize }
end

--- Whether a value is an architecture.
---@param value any
---@return boolean
function builder.is(value) return getmetatable(value) == architecture end

--- Makes an architecture from: the fields of scion.Architecture; trunk(x, o) and top(x, o), which get the options; `options`, those
--- it has beside the common ones, with defaults.
---@param definition table
---@return scion.Architecture
function builder.define(definition)
  definition.known = {}
  for _, list in ipairs { known, definition.options or {} } do
    for name, default in pairs(list) do definition.known[name] = default end
  end
  results.variants(definition.variants)
  return setmetatable(definition, architecture)
end

--- Builds the model.
function architecture:__call(given)
  local o = options.check("scion.models." .. self.name, given, self.known)
  local variant = find_variant(self, o.variant or (o.weights and o.weights ~= "imagenet" and variant_of_file(self, o.weights)))
  local size = input_size(self, variant, o.input or nil)
  o.variant = variant.name
  if self.check then self.check(o) end
  if o.weights == "imagenet" then o.weights = require("scion.weights.hub").imagenet(self, variant, o) end
  local function build()
    local x = nn.input { shape = { size[1], size[2], 3 }, preprocess = o.preprocess or variant.preprocess, name = "input" }
    x = self.trunk(x, o)
    if o.top then x = self.top(x, o) end
    local network = model.new { output = x, name = self.name }
    network.variant = o.variant
    return network
  end
  local made, report
  if o.weights then
    made = o.strict and layer.without_initial_values(build) or build()
    report = require("scion.weights").load(made, o.weights, { strict = o.strict })
  else
    made = build()
  end
  set_statistics(made, o.batch_norm or (o.weights and "stored" or "batch"))
  return made, report
end

function architecture:__tostring() return require("scion.report.models").describe(self) end

return builder
