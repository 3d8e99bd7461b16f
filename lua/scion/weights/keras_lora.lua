--- LoRA (Hu et al. 2021, "LoRA: Low-Rank Adaptation of Large Language Models") in Keras's .h5 files. A layer with it computes with
--- kernel + alpha / rank * a b, where a and b are two small matrices beside the kernel. (.weights.h5 files hold that sum as the kernel.)
local array = require "scion.weights.array"
local check = require "scion.check"
local core = require "scion.core"
local last_part = require "scion.weights.last_part"

local keras_lora = {}

local need = check.need

---@class scion.KerasLora
---@field a scion.KerasWeight the kernel's shape, with the rank in place of the filters
---@field b scion.KerasWeight rank x filters
---@field alpha number? nil: the file does not tell
---@field room integer bytes that both may take: what a file declares need not be stored in it

--- Takes the two matrices out of a layer's weights, as its field `lora`, and puts the kernel first again: it is listed last, since it does
--- not train.
---@param layer scion.KerasLayer is changed
---@param alphas table<string, number> by the layers' names, from the model's description
---@param size integer of the file, in bytes
function keras_lora.separate(layer, alphas, size)
  local found, others = {}, {}
  for _, weight in ipairs(layer.weights) do
    local last = last_part(weight.name, "/")
    local part = last:match "^lora_kernel_([ab])"
    if part then found[part] = weight else table.insert(others, last:find "^kernel" and 1 or #others + 1, weight) end
  end
  if not found.a or not found.b then return end
  found.alpha, found.room = alphas[last_part(layer.name, "/")], 2 * size
  layer.weights, layer.lora = others, found
end

--- Why the matrices do not fit the layer's kernel, or are larger than the file; nil where all is well.
---@param layer scion.KerasLayer with `lora`
---@return string?
function keras_lora.misfit(layer)
  local lora, kernel = layer.lora, layer.weights[1] and layer.weights[1].shape or {}
  local a, b, inputs = lora.a.shape, lora.b.shape, 1
  for k = 1, #kernel - 1 do inputs = inputs * kernel[k] end
  local expected = table.move(kernel, 1, #kernel, 1, {})
  expected[#kernel] = b[1]
  local fits = #b == 2 and b[1] > 0 and b[2] == kernel[#kernel] and array.shape_text(a) == array.shape_text(expected)
  -- a rank above both sizes of the kernel would be of no use, and take long
  if fits and b[1] <= math.max(inputs, b[2]) and 4 * b[1] * (inputs + b[2]) <= lora.room then return end
  return ("layer '%s' has LoRA's matrices %s and %s, which do not fit its kernel %s"):format(layer.name, array.shape_text(a), array.shape_text(b), array.shape_text(kernel))
end

--- Adds the product of the matrices to a kernel that was read.
---@param file userdata of core.hdf5_open
---@param lora scion.KerasLora
---@param kernel scion.Tensor
function keras_lora.add(file, lora, kernel)
  local rank, filters = lora.b.shape[1], lora.b.shape[2]
  local a <close> = core.new(lora.a.shape)
  local b <close> = core.new(lora.b.shape)
  need(file:read_into(lora.a.path, a))
  need(file:read_into(lora.b.path, b))
  local flat = kernel:reshape { -1, filters }
  core.copy(flat + a:reshape { -1, rank }:matmul(b) * ((lora.alpha or rank) / rank), flat)
end

return keras_lora
