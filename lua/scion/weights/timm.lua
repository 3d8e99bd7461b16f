--- timm's names. Its ResNets, DenseNets and Inception V3 have torchvision's; the networks below have names of its own, and VGG's dense
--- layers are convolutions there.
local timm = {}

local mobilenet_stages = { 1, 2, 3, 4, 3, 3, 1 } -- blocks of each; torchvision counts them through

--- The parts of a block in order: what timm calls a convolution and the norm after it.
local plain = { { "conv_dw", "bn1" }, { "conv_pw", "bn2" } }
local expanded = { { "conv_pw", "bn1" }, { "conv_dw", "bn2" }, { "conv_pwl", "bn3" } }
local excited = { fc1 = "se.conv_reduce", fc2 = "se.conv_expand" }

local function in_mobilenet(block, rest)
  local stage, parts = 1, block == 1 and plain or expanded
  while block > mobilenet_stages[stage] do block, stage = block - mobilenet_stages[stage], stage + 1 end
  local part, which, last = rest:match "^(%d)%.([01])%.(.+)$"
  if not part then -- the last convolution has no activation, and so stands with its norm in the list itself
    part, last = rest:match "^(%d)%.(.+)$"
    part, which = tonumber(part) == #parts - 1 and part or part - 1, tonumber(part) == #parts - 1 and "0" or "1"
  end
  return ("blocks.%d.%d.%s.%s"):format(stage - 1, block - 1, parts[part + 1][which + 1], last)
end

local function in_efficientnet(stage, block, part, rest)
  local squeeze = stage == 1 and 1 or 2
  local parts, name = stage == 1 and plain or expanded
  if part == squeeze then
    local fc, last = rest:match "^(fc[12])%.(.+)$"
    name = excited[fc] .. "." .. last
  else
    local which, last = rest:match "^([01])%.(.+)$"
    name = parts[(part > squeeze and part - 1 or part) + 1][which + 1] .. "." .. last
  end
  return ("blocks.%d.%d.%s"):format(stage - 1, block, name)
end

local ends = { ["features.0.0"] = "conv_stem", ["features.0.1"] = "bn1", ["features.8.0"] = "conv_head", ["features.8.1"] = "bn2",
               ["features.18.0"] = "conv_head", ["features.18.1"] = "bn2", ["classifier.1"] = "classifier" }
local vgg = { ["classifier.0"] = "pre_logits.fc1", ["classifier.3"] = "pre_logits.fc2", ["classifier.6"] = "head.fc" }

local function own_name(name)
  local stage, block, part, rest = name:match "^features%.(%d+)%.(%d+)%.block%.(%d+)%.(.+)$"
  if stage then return in_efficientnet(tonumber(stage), tonumber(block), tonumber(part), rest) end
  block, rest = name:match "^features%.(%d+)%.conv%.(.+)$"
  if block then return in_mobilenet(tonumber(block), rest) end
  local layer, last = name:match "^(.+)%.([^.]+)$"
  return ends[layer] and ends[layer] .. "." .. last
end

--- VGG's dense layers as convolutions of 7x7 and 1x1.
local function as_convolution(weight)
  local layer, last = weight.name:match "^(.+)%.([^.]+)$"
  if not vgg[layer] then return end
  weight.name = vgg[layer] .. "." .. last
  if last ~= "weight" or layer == "classifier.6" then return end
  local view = weight.tensor:shape()
  if #view == 4 then
    weight.shape, weight.axes = { view[4], view[3], view[1], view[2] }, { { 3 }, { 4 }, { 2 }, { 1 } }
  else
    weight.shape = { view[2], view[1], 1, 1 }
  end
end

--- Gives the weights that a model expects by torchvision's names those of timm, if the file has them.
---@param expected scion.ExpectedWeight[]
---@param arrays scion.Array[]
---@return scion.ExpectedWeight[] expected the same list
function timm.rename(expected, arrays)
  local names = {}
  for _, a in ipairs(arrays) do names[a.name] = true end
  for _, weight in ipairs(expected) do
    if names["conv_stem.weight"] then
      weight.name = own_name(weight.name) or weight.name
    elseif names["pre_logits.fc1.weight"] then
      as_convolution(weight)
    end
  end
  return expected
end

return timm
