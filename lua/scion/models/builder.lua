--- What all architectures share: their options, the input, the top, loading weights, and the names their publishers use.
local check = require "scion.check"
local class = require "scion.class"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local model = require "scion.model"
local nn = require "scion.nn"
local prefix = require "scion.weights.prefix"
local preprocessing = require "scion.preprocessing"
local results = require "scion.report.results"
local shape = require "scion.shape"

local builder = {}

---@class scion.WeightsFile
---@field url string
---@field sha256 string? all of it or, as in torchvision's file names, its first digits
---@field md5 string?
---@field top boolean? with the classifier
---@field width number? for which `width` of the model it is
---@field input integer? for which `input`
---@field resize integer? where it differs from the variant's

--- One publisher's form of an architecture. Preprocessing, epsilons and padding belong to the weights, and so to the variant.
---@class scion.Variant
---@field name string the publisher: "keras", "torchvision", "tf" (the authors' own in TensorFlow, which timm has as tf_…) or "timm"
---@field preprocess string|table
---@field resize integer? images are resized to that (the shorter side), and `crop` taken from the middle; neither: to the input
---@field crop integer?
---@field smallest integer size of the input that it takes
---@field weights scion.WeightsFile[]

---@class scion.ModelOptions
---@field weights? string a file (.h5, .weights.h5, .keras, .pth, .pt, .safetensors; told by what is in it), or "imagenet": the published
--- file, which is downloaded once; none: fresh initial weights
---@field variant? "keras"|"torchvision"|"tf"|"timm" whose form of the network, where they differ; that of the weights' publisher unless given
---@field input? integer|integer[] a size, or { height, width }
---@field top? boolean with the classifier (false)
---@field classes? integer of the classifier (1000)
---@field labels? string[] names of the classes; ImageNet's for 1000 classes that were loaded, unless the file tells others
---@field batch_norm? "stored"|"batch" in training: with stored statistics or the batch's ("stored" with weights, "batch" without)
---@field preprocess? "tf"|"caffe"|"torch"|"unit"|table as for nn.input; the variant's, unless the weights were trained otherwise
---@field prefix? string what stands before the names in a PyTorch file, where that cannot be told: as for scion.weights.load
---@field strict? boolean whether weights that do not fit are refused; else what fits is loaded, and the rest reported (true)
---@field width? number by which numbers of channels are multiplied: MobileNets alone (1)

--- An architecture is called with options to build a model. Raises, before a weight changes, when the weights do not fit. The second
--- result is a scion.WeightsReport where weights were loaded.
---@class scion.Architecture
---@overload fun(given: scion.ModelOptions?): scion.Model, scion.WeightsReport?
---@field name string
---@field input integer default size, of variants without `crop`
---@field parameters integer published number, with the top for 1000 classes, statistics of batch norm included
---@field macs integer multiply-adds at that size
---@field variants scion.Variant[] the first is the default
---@field alike boolean? the variants differ in names and preprocessing alone
---@field private trunk function builds the network without its top
---@field private top function builds the top
---@field private options table its own, beside those that all have
---@field private check function? raises where options do not go together
local architecture

--- The options that all have.
local common = {
  weights = { { what = "the path of a weights file, or 'imagenet'", read = check.path.read }, usual = true },
  input = { check.any }, -- what sizes it takes is the variant's affair
  top = { check.boolean, false },
  classes = { kinds.size, 1000 },
  batch_norm = { check.one_of("stored", "batch") },
  preprocess = { preprocessing.kind },
  strict = { check.boolean, true },
  prefix = { prefix.kind },
  labels = { check.any }, -- how many there have to be is the model's affair
}

local function input_size(where, definition, variant, given)
  local size = check.whole(variant.smallest, shape.largest_size)
  local pair = check.either(size, check.list(size, 2, "a list of two such (height, width)"),
                            ("a whole number from %d up, or a list of two such (height, width)"):format(variant.smallest))
  return layer.pair(check.argument(where, "input", given or variant.crop or definition.input, pair))
end

local function find_variant(definition, name)
  for _, variant in ipairs(definition.variants) do
    if variant.name == name or not name then return variant end
  end
end

--- Options that were not given, by what a file and the config.json beside it tell of the network: variant, width, classes, input.
local function follow_file(self, told, o, given, where)
  local found = require("scion.weights.origin").options(self, told)
  for _, name in ipairs { "variant", "width", "input" } do
    if given[name] == nil and self.options[name] then o[name] = found[name] or o[name] end
  end
  if not o.top or not found.classes then return end
  if given.classes and given.classes ~= found.classes then
    check.raise(("%s: classes = %d, but %s tells of %d; leave classes out, or graft a top of your own"):format(where, given.classes, told.config.path, found.classes))
  end
  o.classes = found.classes
end

local function set_statistics(made, statistics)
  for _, node in ipairs(made.order) do
    if node.layer.kind == "batch_norm" then node.layer.options.statistics = statistics end
  end
end

--- The name of a layer in a publisher's files: its `origin`, or its own name with that publisher's separator.
---@param made { name: string, origin: table<string, string>? } a layer
---@param publisher "keras"|"torchvision"|"efficientnet_pytorch"
---@return string
function builder.publisher_name(made, publisher)
  local given = made.origin and made.origin[publisher]
  return given or (made.name:gsub("/", publisher == "keras" and "_" or "."))
end

--- The option `width`, by which numbers of channels are multiplied.
builder.width = { check.number { from = 1 / 32, to = 16 }, 1.0 }

--- The multiple of 8 nearest to a number of channels, but not below 90% of it.
---@param channels number
---@return integer
function builder.divisible(channels)
  local rounded = math.max(8, (channels + 4) // 8 * 8)
  if rounded < 0.9 * channels then rounded = rounded + 8 end
  return math.tointeger(rounded)
end

--- What most networks are made of: a convolution, batch norm, and an activation where there is one. Makes the function that a network
--- writes for it, from what is the same in all of the network: patterns of the three layers' names, options of the batch norm,
--- and defaults.
---
--- conv_norm(x, name, filters, kernel, { stride, padding, activation, conv, origin }): `name` goes into the patterns, or is a list of
--- three names; conv is the convolution's constructor, nn.conv2d unless given, and `origin` holds a publisher's names for the
--- convolution and the norm, { torchvision = { "features.0.0", "features.0.1" } }.
---@param style { names: string[], norm: table, activation: string|false, padding: any, bias: boolean? }
---@return fun(x: scion.Node, name: string|string[], filters: integer?, kernel: integer|integer[], given: table?): scion.Node
function builder.conv_norm(style)
  return function(x, name, filters, kernel, given)
    local o, names = given or {}, type(name) == "table" and name or {}
    for i, pattern in ipairs(type(name) == "string" and style.names or {}) do names[i] = pattern:format(name) end
    local function origin(i)
      local own = {}
      for publisher, theirs in pairs(o.origin or {}) do own[publisher] = theirs[i] end
      return next(own) and own or nil
    end
    x = (o.conv or nn.conv2d) { filters = filters, kernel = kernel, stride = o.stride or 1, padding = o.padding or style.padding, bias = style.bias or false,
                                name = names[1], origin = origin(1) }(x)
    local norm = { name = names[2], origin = origin(2) }
    for key, value in pairs(style.norm) do norm[key] = value end
    x = nn.batch_norm(norm)(x)
    local activation = o.activation
    if activation == nil then activation = style.activation end
    return activation and nn[activation] { name = names[3] }(x) or x
  end
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

--- A file of timm, whose name ends so, too.
---@param name string
---@param sha256 string
---@return scion.WeightsFile
function builder.timm_file(name, sha256)
  return { top = true, url = ("https://github.com/huggingface/pytorch-image-models/releases/download/v0.1-weights/%s-%s.pth"):format(name, sha256), sha256 = sha256 }
end

--- Whether a value is an architecture.
---@param value any
---@return boolean
function builder.is(value) return architecture.is(value) end

--- Makes an architecture from: the fields of scion.Architecture; trunk(x, o) and top(x, o), which get the options; `options`, those
--- it has beside the common ones, as for check.options.
---@param definition table
---@return scion.Architecture
function builder.define(definition)
  local schema, names = {}, {}
  for i, variant in ipairs(definition.variants) do names[i] = variant.name end
  for _, list in ipairs { common, definition.options or {}, { variant = { check.one_of(table.unpack(names)) } } } do
    for name, option in pairs(list) do schema[name] = option end
  end
  results.variants(definition.variants)
  definition.options = schema
  return architecture.new(definition)
end

--- Names the classes: as the user does; else as the file did; else 1000 that came from a publisher's file are ImageNet's.
local function name_classes(where, made, o, told, report)
  if o.labels then
    made.labels = check.argument(where, "labels", o.labels, model.labels_kind(made))
  elseif report and o.top and o.classes == 1000 and not made.labels and #report.missing + #report.misfits == 0 and
    told.library then
    made.labels = require "scion.models.imagenet_labels"
    report:note "its 1000 classes are ImageNet's, which was assumed"
  end
end

--- Builds the model.
local function build(self, given)
  local where = "scion.models." .. self.name
  local o = check.options(where, given, self.options)
  if o.labels and not o.top or given and given.classes and given.top == nil then
    check.raise(("%s: %s are those of the classifier, which needs top = true"):format(where, o.labels and "labels" or "classes"))
  end
  if o.prefix and not o.weights then check.raise(where .. ": prefix is that of names in a file, which needs weights") end
  local told = o.weights and o.weights ~= "imagenet" and require("scion.weights.origin").of(o.weights)
  if told then follow_file(self, told, o, given, where) end
  local variant = find_variant(self, o.variant)
  local size = input_size(where, self, variant, o.input)
  o.variant = variant.name
  if o.weights == "imagenet" then told = require("scion.weights.origin").of(require("scion.weights.hub").imagenet(self, variant, o)) end
  local function network()
    local x = nn.input { shape = { size[1], size[2], 3 }, preprocess = o.preprocess or variant.preprocess, name = "input" }
    x = self.trunk(x, o)
    if o.top then x = self.top(x, o) end
    local made = model.new { output = x, name = self.name }
    made.variant = o.variant
    return made
  end
  local made, report
  if told then
    made = o.strict and layer.without_initial_values(network) or network()
    report = require "scion.weights.load"(made, told, o)
  else
    made = network()
  end
  name_classes(where, made, o, told, report)
  set_statistics(made, o.batch_norm or (o.weights and "stored" or "batch"))
  return made, report
end

architecture = class.define {
  name = "scion.Architecture", title = "an architecture", fields = { "alike", "trunk", "top", "options" },
  locked = { "name", "input", "parameters", "macs", "variants" },
  meta = { __call = build, __tostring = function(self) return require("scion.report.models").describe(self) end },
}

return builder
