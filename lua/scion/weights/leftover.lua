--- What a file has in place of weights that a model misses, in words that follow "conv1.weight is missing; ": PyTorch's tools split weights
--- or put others beside them, and parts of one's own have names of one's own.
local array = require "scion.weights.array"
local check = require "scion.check"
local classifier = require "scion.weights.classifier"
local last_part = require "scion.weights.last_part"
local names = require "scion.weights.names.torchvision"

local leftover = {}

local most_named, longest_name = 3, 128 -- arrays in a sentence, and bytes of a name in a remedy

local unread = ", whose names are not read; take timm's file of the network, or torchvision's"
local every = "; in Python, before torch.save: for m in list(net.modules()): "

--- Signs of PyTorch's tools, of which the first that fits counts. `last`: the last part of an array's name, or `inside`: what stands in it; and
--- what is said of it. `beside`: the weights that it changes are in the file, too.
local tools = {
  { last = "weight_g", says = "torch.nn.utils.weight_norm%shasattr(m, 'weight_g') and torch.nn.utils.remove_weight_norm(m)" },
  { last = "weight_mask", says = "torch.nn.utils.prune%shasattr(m, 'weight_mask') and torch.nn.utils.prune.remove(m, 'weight')" },
  { last = "weight_u", says = "torch.nn.utils.spectral_norm%shasattr(m, 'weight_u') and torch.nn.utils.remove_spectral_norm(m)" },
  { inside = ".parametrizations.", says = "torch.nn.utils.parametrize%shasattr(m, 'parametrizations') and " ..
    "torch.nn.utils.parametrize.remove_parametrizations(m, 'weight')" },
  { inside = ".base_layer.", says = "peft, with the matrices of LoRA or the like beside it; in Python, before torch.save: net = net.merge_and_unload()" },
  { inside = ".lora_A.", says = "peft, and of LoRA's matrices alone, without the network; in Python: " ..
    "net = peft.PeftModel.from_pretrained(net, folder).merge_and_unload(), and torch.save(net.state_dict(), 'weights.pth')" },
  { last = "lora_A", beside = true, says = "loralib, with LoRA's matrices, which its network adds to the weights beside them; in Python: net.eval() adds them, and then " ..
    "torch.save({k: v for k, v in net.state_dict().items() if 'lora_' not in k}, 'weights.pth')" },
  { inside = "efficientnet.embeddings.", says = "transformers' EfficientNet" .. unread },
  { inside = "mobilenet_v1.conv_stem.", says = "transformers' MobileNetV1" .. unread },
}

local statistics = { running_mean = true, running_var = true }

--- The name of the first array that has a tool's sign; nil where none has.
local function sign_of(tool, arrays)
  for _, a in ipairs(arrays) do
    if tool.last and last_part(a.name, ".") == tool.last or tool.inside and a.name:find(tool.inside, 1, true) then return a.name end
  end
end

--- Whether an array, or an expected weight, is the statistics of a batch norm.
local function is_statistics(each) return statistics[last_part(each.name, ".")] ~= nil end

--- Whether some array is.
local function has_statistics(arrays)
  for _, a in ipairs(arrays) do
    if is_statistics(a) then return true end
  end
  return false
end

--- The name of the first array without a place that is the bias of a convolution whose kernel has one; nil where there is none.
local function convolution_bias(left, arrays)
  local kernels = {}
  for _, a in ipairs(arrays) do kernels[#a.shape == 4 and a.name or ""] = true end
  for _, a in ipairs(left) do kernels[a.name] = nil end
  for _, a in ipairs(left) do
    local layer = a.name:match "^(.+)%.bias$"
    if layer and kernels[layer .. ".weight"] then return a.name end
  end
end

--- The name of the first of several batch norms' statistics; nil where there are fewer.
local function norms_in(arrays)
  local first, layers
  for _, a in ipairs(arrays) do
    if last_part(a.name, ".") == "running_mean" then first, layers = first or a.name, (layers or 0) + 1 end
  end
  return layers and layers > 1 and first or nil
end

--- What the file has in place of batch norms, or batch norms in place of nothing, in words; nil where that is not so.
local function other_norms(missing, left, arrays, expected)
  local bias = has_statistics(missing) and convolution_bias(left, arrays)
  if bias then
    return ("the file has %s, the bias of a convolution, where the model has batch norms, as where these were fused into convolutions; in Python, " ..
      "torch.save(net.state_dict(), 'weights.pth') before they are fused"):format(check.show(bias))
  end
  local norm = missing[1] and not has_statistics(expected) and norms_in(left)
  if norm then
    return ("the file has batch norms (%s), as torchvision's vgg16_bn has them, and this network has none: it is of another network"):format(check.show(norm))
  end
end

--- Why weights are missing, or not what the file's network computes with, that a file has in another form, and what to do in Python; nil where it
--- has not.
---@param missing scion.ExpectedWeight[]
---@param left scion.Array[] that have no place in the model
---@param arrays scion.Array[] all of the file
---@param expected scion.ExpectedWeight[] all of the model
---@return string?
function leftover.rewritten(missing, left, arrays, expected)
  for _, tool in ipairs(tools) do
    local sign = (missing[1] or tool.beside) and sign_of(tool, left)
    if sign then return ("the file has %s, which is of %s"):format(check.show(sign), tool.says:format(every)) end
  end
  local norms = other_norms(missing, left, arrays, expected)
  if norms then return norms end
  if missing[1] and is_statistics(missing[1]) and not has_statistics(arrays) then
    return "the file has no running_mean and running_var, the statistics of batch norms, as where only parameters were saved or track_running_stats was False; " ..
      "in Python, torch.save(net.state_dict(), 'weights.pth') saves them if the network has them; otherwise layers that are not frozen learn them in " ..
      "training; a network with GroupNorm, which has none, is another one"
  end
end

local function described(each) return last_part(each.name, ".") .. " " .. array.shape_text(each.shape) end

--- The arrays that may be meant by what is missing: those like the first missing weight, those like any, and the others.
local function likeliest(missing, left)
  local wanted, ranked = {}, { {}, {}, {} }
  for _, weight in ipairs(missing) do wanted[described(weight)] = 2 end
  if missing[1] then wanted[described(missing[1])] = 1 end
  for _, a in ipairs(left) do
    if not names.counters[last_part(a.name, ".")] then table.insert(ranked[wanted[described(a)] or 3], a) end
  end
  for rank = 2, 3 do table.move(ranked[rank], 1, #ranked[rank], #ranked[1] + 1, ranked[1]) end
  return ranked[1]
end

--- The layer of an array; nil where the name has no part for it, or is too long for a sentence.
local function layer_of(a) return #a.name <= longest_name and a.name:match "^(.+)%.[^.]+$" or nil end

--- The names that a graft's layers must have to take arrays, in the file's order: "'fc/1', 'fc/3'".
local function graft_names(arrays)
  local list, seen = {}, {}
  for _, a in ipairs(arrays) do
    local layer = not names.counters[last_part(a.name, ".")] and layer_of(a)
    if layer and not seen[layer] then
      seen[layer] = true
      list[#list + 1] = ("'%s'"):format((layer:gsub("%.", "/")))
    end
  end
  return table.concat(list, ", ", 1, math.min(#list, most_named)) .. (#list > most_named and ", …" or "")
end

--- What to do where weights are missing and the first of the likeliest arrays may be what the first of them means; "" where nothing is known. The
--- second result tells whether that is to give a graft's layers names.
local function remedy(missing, likely, left, grafted)
  local first, a = missing[1], likely[1]
  if not layer_of(a) then return "" end
  local same = array.shape_text(first.shape) == array.shape_text(a.shape)
  if grafted and names.classifiers[classifier.part(first.name)] then
    return (": a graft onto the network without its top takes the numbers by their names (name = %s)"):format(graft_names(same and { a } or left)), true
  end
  if grafted and #a.shape == #first.shape then
    return (": a graft's layer takes the numbers of that name (name = %s)"):format(graft_names(#likely == #missing and left or { a })), true
  end
  if not same or last_part(first.name, ".") ~= last_part(a.name, ".") then return "" end
  return ("; in Python, names are changed by weights['%s'] = weights.pop('%s')"):format(first.name, a.name)
end

--- Names of the file that the model has no place for; nil where there are none, or nothing is missing.
---@param missing scion.ExpectedWeight[]
---@param left scion.Array[] that have no place in the model
---@param grafted boolean whether what is missing may be a graft: most of the model was found, and nothing behind it
---@return string?
---@return boolean? grafts whether to give a graft's layers these names mends it
function leftover.named(missing, left, grafted)
  local list, shown = likeliest(missing, left), {}
  if grafted and #missing == 1 and not list[1] and missing[1].name:find "%.bias$" then
    local layer = missing[1].name:match "^(.+)%.bias$"
    return ("the file's %s has no bias: in a graft onto the network without its top, nn.dense(…, { bias = false, name = '%s' }) takes its weights"):format(
      check.show(layer), check.escape((layer:gsub("%.", "/"))))
  end
  if not missing[1] or not list[1] then return nil end
  for i = 1, math.min(#list, most_named) do shown[i] = ("%s (%s)"):format(check.show(list[i].name), array.shape_text(list[i].shape)) end
  local more = #list > #shown and (" and %d more"):format(#list - #shown) or ""
  local what, grafts = remedy(missing, list, left, grafted)
  return ("the model has no place for the file's %s%s%s"):format(table.concat(shown, ", "), more, what), grafts
end

return leftover
