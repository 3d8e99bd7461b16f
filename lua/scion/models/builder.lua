--- What all architectures share: their options, the input, loading weights, and the names that publishers use. An architecture consists of
--- a trunk, the network that computes features, and a top, the classifier behind it.
local check = require "scion.check"
local class = require "scion.class"
local layer = require "scion.layer"
local model = require "scion.model"
local nn = require "scion.nn"
local notice = require "scion.report.notice"
local prefix = require "scion.weights.prefix"
local preprocessing = require "scion.preprocessing"
local results = require "scion.report.results"
local shape = require "scion.shape"

local builder = {}

---@class scion.WeightsFile
---@field url string
---@field sha256 string? in hex: all of it, or its first digits, as in torchvision's file names
---@field md5 string? in hex; of a file without a hash only the format is checked
---@field top boolean? whether it includes the classifier
---@field width number? the model's option `width` that it is for
---@field input integer? the model's option `input` that it was trained with
---@field resize integer? as in scion.Variant, where it differs from the variant's

--- One publisher's form of an architecture. Preprocessing, epsilons and padding belong to the weights, and so to the variant.
---@class scion.Variant
---@field name string the publisher: "keras", "torchvision", "tf" (the authors' own in TensorFlow, which timm has as tf_…) or "timm"
---@field preprocess string|table as for nn.input
---@field resize integer? for evaluation: the shorter side of an image is resized to this, in pixels; none: the image is resized to the
--- input
---@field crop integer? for evaluation: then a square of this size is taken from the middle; also the default of the option `input`
---@field smallest integer the smallest height and width of the input, in pixels
---@field names "timm"? where the layers' names in PyTorch are timm's alone
---@field weights scion.WeightsFile[]

---@class scion.ModelOptions
---@field weights? string a path (.h5, .weights.h5, .keras, .pth, .pt, .safetensors; the format is told by the contents), or "imagenet": the
--- published file, which is downloaded once; without it the weights are initial ones, drawn at random
---@field variant? "keras"|"torchvision"|"tf"|"timm" whose form of the network, where publishers differ (as the weights file tells, else
--- the architecture's first)
---@field input? integer|integer[] size of images in pixels: a number for a square, or { height, width } (that of the file's config.json,
--- else the architecture's)
---@field top? boolean whether the model includes the classifier (false)
---@field classes? integer number of classes; needs top = true. 1 is a network for two classes that ends in a sigmoid, the probability of the
--- second; other numbers end in a softmax (1000, or as config.json tells)
---@field labels? string[] names of the classes; needs top = true (those that come with the file; ImageNet's for 1000 classes of a file with
--- a publisher's names)
---@field channels? integer of images: 3, or 1, for grey ones; weights for 3 are then summed (3, or as config.json tells)
---@field batch_norm? "stored"|"batch" statistics that batch norm uses in training, as for nn.batch_norm ("stored" with weights, else
--- "batch")
---@field preprocess? "tf"|"caffe"|"torch"|"unit"|table as for nn.input, also in place of layers by which Keras's network rescales images (that of the
--- file's config.json, else the variant's)
---@field prefix? string what stands before the weights' names in a PyTorch file, as for scion.weights.load; needs weights (found by
--- comparing)
---@field strict? boolean whether weights that do not fit are refused; if not, what fits is loaded and the rest reported (true)
---@field width? number by which numbers of channels are multiplied, 1/32 to 16; MobileNets only (1, or as config.json tells)

--- Call an architecture with options to build a model. Raises on options that do not go together and on weights that do not fit. The second
--- result is a scion.WeightsReport where weights were loaded, and nil otherwise.
---@class scion.Architecture
---@overload fun(given: scion.ModelOptions?): scion.Model, scion.WeightsReport?
---@field name string
---@field input integer default height and width of images in pixels, for variants without `crop`
---@field parameters integer number of parameters, with the top for 1000 classes and batch norm's statistics
---@field macs integer multiply-adds for one image of that size
---@field variants scion.Variant[] the first is the default
---@field alike boolean? whether the variants differ only in names and preprocessing, so that weights of one suit the others
---@field private outside { part: string, layer: string, cut: string }? torchvision computes the trunk's last layer outside of its part of that
--- name, which ends in the layer `cut`
---@field private trunk function builds the network without its top
---@field private top function builds the top
---@field private options table the schema of all its options, as for check.options
local architecture

local most_classes = 1 << 20 -- of a network with a top

--- The options that all architectures have.
local common = {
  weights = { { what = "the path of a weights file, or 'imagenet'", read = check.path.read }, usual = true },
  input = { check.any }, -- checked by input_size: the sizes depend on the variant
  top = { check.boolean, false },
  classes = { check.whole(1, most_classes), 1000 },
  channels = { check.kind("1 or 3", function(value) return value == 1 or value == 3, value == 1 and 1 or 3 end), 3 },
  batch_norm = { check.one_of("stored", "batch") },
  preprocess = { preprocessing.kind },
  strict = { check.boolean, true },
  prefix = { prefix.kind },
  labels = { check.any }, -- checked by name_classes: their number depends on the model
}

--- The input's { height, width }; raises where it is not a size that the variant takes.
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

--- Fills in options that were not given (variant, width, classes, input) from what a weights file and the config.json beside it tell.
--- Raises where the number of classes contradicts config.json.
local function follow_file(self, told, o, given, where)
  local found = require("scion.weights.origin").options(self, told)
  for _, name in ipairs { "variant", "width", "input", "channels" } do
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

--- The name of a layer in a publisher's files: the one in its `origin`, or else its own name with that publisher's separator for the slash.
---@param made { name: string, origin: table<string, string>? } a layer
---@param publisher "keras"|"torchvision"|"efficientnet_pytorch"
---@return string
function builder.publisher_name(made, publisher)
  local given = made.origin and made.origin[publisher]
  return given or (made.name:gsub("/", publisher == "keras" and "_" or "."))
end

--- The option `width`, by which numbers of channels are multiplied.
builder.width = { check.number { from = 1 / 32, to = 16 }, 1.0 }

--- Whether a network that rescales images by layers of its own in the variant "keras" is built with these: the option `preprocess` replaces them,
--- and a file of Scion's may note that its network has none.
---@param o table the options, with `file`
---@return boolean
function builder.rescales(o)
  local facts = o.file and o.file.facts
  return o.variant == "keras" and not o.preprocess and not (facts and facts.rescalings == 0)
end

--- The multiple of 8 nearest to a number of channels, at least 8, and at least 90% of that number.
---@param channels number
---@return integer
function builder.divisible(channels)
  local rounded = math.max(8, (channels + 4) // 8 * 8)
  if rounded < 0.9 * channels then rounded = rounded + 8 end
  return math.tointeger(rounded)
end

--- Most networks repeat a convolution, batch norm and an activation. This makes a function conv_norm that applies all three, from what is
--- the same throughout a network: `names`, patterns with one %s for the names of the three layers; `norm`, the options of the batch norm;
--- `bias`, whether the convolution has one (false); and the defaults of `activation` and `padding`.
---
--- conv_norm(x, name, filters, kernel, { stride, padding, groups, activation, conv, origin }) returns a node. `name` is put into the patterns, or
--- is a list of the three names. stride is 1 unless given; activation = false leaves the activation out. conv is the convolution's
--- constructor, nn.conv2d unless given. `origin` holds publishers' names for the convolution and the norm:
--- { torchvision = { "features.0.0", "features.0.1" } }.
---@param style { names: string[]?, norm: table, activation: string|false, padding: any, bias: boolean? }
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
    x = (o.conv or nn.conv2d) { filters = filters, kernel = kernel, stride = o.stride or 1, padding = o.padding or style.padding, groups = o.groups,
                                bias = style.bias or false, name = names[1], origin = origin(1) }(x)
    local norm = { name = names[2], origin = origin(2) }
    for key, value in pairs(style.norm) do norm[key] = value end
    x = nn.batch_norm(norm)(x)
    local activation = o.activation
    if activation == nil then activation = style.activation end
    return activation and nn[activation] { name = names[3] }(x) or x
  end
end

--- How Keras pads an image before a convolution of stride 2: by half a kernel, but one pixel less at the top or left where the size is
--- even.
---@param x scion.Node
---@param kernel integer height and width
---@return integer[] { top, left, bottom, right }
function builder.keras_padding(x, kernel)
  local half = kernel // 2
  return { half - 1 + x.shape[1] % 2, half - 1 + x.shape[2] % 2, half, half }
end

--- Squeeze and excite (Hu et al. 2017) with the layers that Keras's EfficientNets have: multiplies each channel by a factor that two 1x1
--- convolutions compute from the means of all channels.
---@param x scion.Node
---@param name string of the block
---@param filters integer of the first convolution
---@param reduce table<string, string> names of the first convolution, as for `origin`
---@param expand table<string, string> of the second
---@return scion.Node
function builder.excite(x, name, filters, reduce, expand)
  local channels = x.shape[3]
  local s = nn.global_avg_pool { name = name .. "/se_squeeze" }(x)
  s = nn.reshape({ 1, 1, channels }, { name = name .. "/se_reshape" })(s)
  s = nn.conv2d(filters, 1, { padding = "same", activation = "swish", name = name .. "/se_reduce", origin = reduce })(s)
  s = nn.conv2d(channels, 1, { padding = "same", activation = "sigmoid", name = name .. "/se_expand", origin = expand })(s)
  return nn.multiply { name = name .. "/se_excite" } { x, s }
end

--- The two files that Keras publishes for most networks: with the classifier, and without.
---@param name string folder and beginning of the files' names: "vgg16/vgg16"
---@param md5 string[] of the file with the classifier, then of the other
---@return scion.WeightsFile[]
function builder.keras_files(name, md5)
  local url = ("https://storage.googleapis.com/tensorflow/keras-applications/%s_weights_tf_dim_ordering_tf_kernels"):format(name)
  return { { top = true, url = url .. ".h5", md5 = md5[1] }, { url = url .. "_notop.h5", md5 = md5[2] } }
end

--- A file of torchvision's. The file's name ends with the first digits of its SHA-256.
---@param name string without these digits
---@param sha256 string the digits
---@param resize integer? as in scion.WeightsFile
---@return scion.WeightsFile
function builder.torchvision_file(name, sha256, resize)
  return { top = true, url = ("https://download.pytorch.org/models/%s-%s.pth"):format(name, sha256), sha256 = sha256, resize = resize }
end

--- A file of timm's, which is named in the same way.
---@param name string without the digits
---@param sha256 string the digits
---@param release string? that it belongs to ("v0.1-weights")
---@return scion.WeightsFile
function builder.timm_file(name, sha256, release)
  local url = "https://github.com/huggingface/pytorch-image-models/releases/download/%s/%s-%s.pth"
  return { top = true, url = url:format(release or "v0.1-weights", name, sha256), sha256 = sha256 }
end

--- Whether a value is an architecture.
---@param value any
---@return boolean
function builder.is(value) return architecture.is(value) end

--- What the file that defines an architecture returns: the architecture itself, or a table of its family by name. nil where there is no
--- such file.
local function open(name)
  for length = #name, 1, -1 do
    local path = "scion.models." .. name:sub(1, length)
    if package.searchpath(path, package.path) then return require(path) end
  end
end

--- The architecture of that name; nil where there is none.
---@param name string
---@return scion.Architecture?
function builder.find(name)
  local found = name:find "^[%w_]+$" and open(name)
  if builder.is(found) then return found.name == name and found or nil end
  return type(found) == "table" and builder.is(found[name]) and found[name] or nil
end

--- Makes an architecture. The definition has the public fields of scion.Architecture; trunk(x, o) and top(x, o), which get a node and the
--- options, with `scores` for the activation in which the top ends, and return a node; and `options`, a schema of the options that it has
--- beside the common ones, as for check.options.
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

--- Names the classes: by the option `labels`, else by the labels that came with the file. Else 1000 classes from a file with a publisher's
--- names, which has every weight of the model, are taken for ImageNet's.
local function name_classes(where, made, o, report)
  if o.labels then
    made.labels = check.argument(where, "labels", o.labels, model.labels_kind(made))
  elseif report and o.top and o.classes == 1000 and not made.labels and #report.missing + #report.misfits == 0 and
    o.file.library then
    made.labels = require "scion.models.imagenet_labels"
    report:note "its 1000 classes are ImageNet's, which was assumed"
  end
end

--- Loads weights into a network of one channel: those of one as they are, and those of three summed. If not strict, the first kernel may fit
--- in neither way.
local function load_grey(loaded, network, strict)
  local ok, made, report = check.try(loaded, 1, true)
  if ok then return made, report end
  local coloured
  coloured, report = loaded(3, strict)
  made = layer.without_initial_values(function() return network(1) end)
  local note = require("scion.models.grey").take(coloured, made)
  if not note then return loaded(1, strict) end
  report:note(note)
  return made, report
end

--- Tells where a Keras file describes a network for images of another size than the usual one, which was taken since the user named none.
local function tell_size(size, o, report)
  local config = o.file and o.file.keras and o.file.keras.config
  local theirs = not o.input and config and require("scion.weights.keras_config").input_size(config)
  if not theirs or theirs[1] == size[1] and theirs[2] == size[2] then return end
  local as_option = theirs[1] == theirs[2] and tostring(theirs[1]) or ("{ %d, %d }"):format(theirs[1], theirs[2])
  local line = ("the file's network takes images of %dx%d, and this one of %dx%d, its usual size; input = %s builds it for the file's"):format(
    theirs[1], theirs[2], size[1], size[2], as_option)
  report:note(line)
  notice.once(("%s: %s"):format(report.path, line))
end

--- Builds the model: what calling an architecture does.
local function build(self, given)
  local where = "scion.models." .. self.name
  local o = check.options(where, given, self.options)
  if o.labels and not o.top or given and given.classes and given.top == nil then
    check.raise(("%s: %s are those of the classifier, which needs top = true"):format(where, o.labels and "labels" or "classes"))
  end
  if o.prefix and not o.weights then check.raise(where .. ": prefix is that of names in a file, which needs weights") end
  local origin = require "scion.weights.origin"
  local given_file <close> = o.weights and o.weights ~= "imagenet" and origin.of(o.weights) or nil
  if given_file then follow_file(self, given_file, o, given, where) end
  local variant = find_variant(self, o.variant)
  local size = input_size(where, self, variant, o.input)
  o.variant = variant.name
  local published <close> = o.weights == "imagenet" and origin.of(require("scion.weights.hub").imagenet(self, variant, o)) or nil
  o.file = given_file or published -- what a network is built of may depend on it
  o.scores = o.classes == 1 and "sigmoid" or "softmax" -- in which the top ends: the softmax of one number is 1
  local function network(channels)
    local x = nn.input { shape = { size[1], size[2], channels }, preprocess = o.preprocess or variant.preprocess, name = "input" }
    x = self.trunk(x, o)
    if o.top then x = self.top(x, o) end
    local made = model.new { output = x, name = self.name }
    made.variant = o.variant
    return made
  end
  local function loaded(channels, strict)
    local made = strict and layer.without_initial_values(function() return network(channels) end) or network(channels)
    return made, require "scion.weights.load"(made, o.file, { strict = strict, prefix = o.prefix, preprocess = o.preprocess,
                                                                variant = given.variant })
  end
  local made, report
  if not o.file then
    made = network(o.channels)
  elseif o.channels == 3 then
    made, report = loaded(3, o.strict)
  else
    made, report = load_grey(loaded, network, o.strict)
  end
  if report then tell_size(size, o, report) end
  name_classes(where, made, o, report)
  set_statistics(made, o.batch_norm or (o.weights and "stored" or "batch"))
  return made, report
end

architecture = class.define {
  name = "scion.Architecture", title = "an architecture", fields = { "alike", "outside", "trunk", "top", "options" },
  locked = { "name", "input", "parameters", "macs", "variants" },
  meta = { __call = build, __tostring = function(self) return require("scion.report.models").describe(self) end },
}

return builder
