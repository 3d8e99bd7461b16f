--- insight.filters and insight.activations: what a layer looks for, and what it finds in a picture, as grids in a picture file.
local check = require "scion.check"
local core = require "scion.core"
local graph = require "scion.graph"
local heat = require "scion.insight.heat"
local notice = require "scion.report.notice"
local preprocessing = require "scion.preprocessing"
local tiles = require "scion.data.tiles"

local grids = {}

---@class scion.GridOptions
---@field n? integer how many channels, at most 1000 (64, or all if there are fewer)

local schema = { n = { check.whole(1, 1000), 64 } }

local a_model = check.instance("scion.Model", "a model")

--- A plane or three as a u8 picture: from its smallest value, black, to its largest.
local function picture(values)
  local low, high = values:min(), values:max()
  return heat.coloured(((values - low) * (255 / math.max(high - low, 1e-12)) + 0.5):to "u8")
end

--- Writes the grid of n planes, f32 [height, width, 1 or 3] each.
local function write(where, path, size, count, n, plane)
  local pictures, texts = {}, {}
  for i = 1, math.min(n, count) do
    local values = plane(i)
    pictures[i], texts[i] = picture(values), tostring(i)
  end
  if n < count then notice.once(("scion: %s: the first %d of %d channels are shown; n = %d shows more"):format(where, n, count, math.min(count, 1000))) end
  tiles.write(where, pictures, texts, size, path)
  return path
end

--- The layer of a name, and its node.
local function find(where, model, name)
  model = check.argument(where, "the first argument", model, a_model)
  name = check.argument(where, "the layer's name", name, check.text)
  local found = graph.find(model.order, name)
  return model.order[found[#found]]
end

--- Writes a picture of a convolution's kernels: what it looks for. Kernels that read three channels, as a network's first, are shown in colour,
--- others by their mean over the channels that they read. Each is shown from its smallest value, black, to its largest. Raises unless the layer
--- has kernels of height and width, and if the file cannot be written.
---@param model scion.Model
---@param layer string its name
---@param path string that ends in .png, .jpg or .jpeg; its folder is made if there is none
---@param given? scion.GridOptions
---@return string path
---@example scion.insight.filters(base, base:layers()[2].name, "filters.png")
function grids.filters(model, layer, path, given)
  local where = "scion.insight.filters"
  local node = find(where, model, layer)
  path = check.argument(where, "the path", path, check.path)
  local o = check.options(where, given, schema)
  local kernel = node.layer:weight "kernel"
  local shape = kernel and kernel:shape() or {}
  if #shape ~= 4 or shape[1] * shape[2] == 1 then
    check.raise(("%s: %s has no kernels of height and width: it is a %s%s"):format(where, layer, node.layer.kind, kernel and " of " .. table.concat(shape, "x") or ""))
  end
  local height, width, read, count = table.unpack(shape)
  local of_image = read == 3 and node.inputs[1] == model.input
  local reverse = of_image and preprocessing.of_channels(model.input.layer.options.preprocess, 3).reverse
  return write(where, path, { height, width }, count, o.n, function(i)
    local one = kernel:slice(4, i, i):copy():reshape(height * width, read)
    if reverse then one = one:gather(2, { 3, 2, 1 }) end -- weights of Caffe's kind read blue, green, red
    return read == 3 and one:reshape(height, width, 3) or one:matmul(core.full({ read, 1 }, 1 / read)):reshape(height, width, 1)
  end)
end

--- Writes a picture of a layer's output for a picture: what each of its channels finds there. Each is shown from its smallest value, black, to
--- its largest. Raises unless the output has height and width, if the picture cannot be read, and if the file cannot be written.
---@param model scion.Model
---@param x string|scion.Tensor a file, or one u8 image, H x W x 3
---@param layer string its name, or that of a block
---@param path string that ends in .png, .jpg or .jpeg; its folder is made if there is none
---@param given? scion.GridOptions
---@return string path
---@example scion.insight.activations(base, "dog.png", "block1", "activations.png")
function grids.activations(model, x, layer, path, given)
  local where = "scion.insight.activations"
  local node = find(where, model, layer)
  path = check.argument(where, "the path", path, check.path)
  local o = check.options(where, given, schema)
  if #node.shape ~= 3 then check.raise(("%s: the output of %s is %s, and has no height and width"):format(where, layer, table.concat(node.shape, "x"))) end
  local values = model:features(x, layer)
  if #values ~= 1 then check.raise(("%s: one picture at a time is looked at, and here are %d"):format(where, #values)) end
  local height, width, count = table.unpack(node.shape)
  values = values:reshape(height * width, count)
  return write(where, path, { height, width }, count, o.n, function(i) return values:slice(2, i, i):copy():reshape(height, width, 1) end)
end

return grids
