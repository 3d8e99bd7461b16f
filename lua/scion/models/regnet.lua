--- RegNet (Radosavovic et al. 2020, "Designing Network Design Spaces") as torchvision builds it: residual bottlenecks with convolutions in
--- groups, whose widths follow a straight line over the depth. X has them alone, Y with squeeze and excitation. Shapes in comments are
--- those of regnet_y_400mf and an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local conv_norm = builder.conv_norm { names = { "%s/0", "%s/1", "%s/2" }, norm = { epsilon = 1e-5, momentum = 0.9 }, activation = "relu", padding = 0 }

--- The nearest whole number, the even one of two that are as near: the sum is rounded so, as a float of this size has no fractions.
local function round(x) return x + 0x1p52 - 0x1p52 end

--- The stages of a network by the paper's four numbers: a block's width is a straight line over the depth, w0 + wa * index, rounded to a
--- power of wm times w0 and to a multiple of 8; blocks of equal width are a stage. A width is then rounded to a multiple of the group width.
local function stages(depth, w0, wa, wm, group_width)
  local list = {}
  for index = 0, depth - 1 do
    local power = round(math.log((w0 + wa * index) / w0) / math.log(wm))
    local quantized = round(w0 * wm ^ power / 8) * 8
    local stage = list[#list]
    if not stage or stage.quantized ~= quantized then
      local group = math.min(group_width, math.tointeger(quantized))
      local width = math.max(group, (quantized + group // 2) // group * group)
      if width < 0.9 * quantized then width = width + group end
      stage = { quantized = quantized, width = math.tointeger(width), group = group, depth = 0 }
      list[#list + 1] = stage
    end
    stage.depth = stage.depth + 1
  end
  return list
end

--- Multiplies each channel by a factor. The number of channels between the two convolutions follows from the block's input.
local function squeeze_excite(y, block, reduced)
  local s = nn.global_avg_pool { keep_dims = true, name = block .. "/f/se/avgpool" }(y)
  s = nn.conv2d(reduced, 1, { activation = "relu", name = block .. "/f/se/fc1" })(s)
  s = nn.conv2d(y.shape[3], 1, { activation = "sigmoid", name = block .. "/f/se/fc2" })(s)
  return nn.multiply { name = block .. "/f/se" } { y, s }
end

--- A bottleneck that is as wide as its output. The input is added to the result, where shapes differ through a 1x1 convolution.
local function residual(x, block, stage, stride, excites)
  local width, shortcut = stage.width, x
  if stride ~= 1 or x.shape[3] ~= width then
    shortcut = conv_norm(x, block .. "/proj", width, 1, { stride = stride, activation = false })
  end
  local y = conv_norm(x, block .. "/f/a", width, 1)
  y = conv_norm(y, block .. "/f/b", width, 3, { stride = stride, padding = 1, groups = width // stage.group })
  if excites then y = squeeze_excite(y, block, x.shape[3] // 4) end
  y = conv_norm(y, block .. "/f/c", width, 1, { activation = false })
  return nn.add { activation = "relu", name = block .. "/add" } { shortcut, y }
end

local function trunk(excites, ...)
  local list = stages(...)
  return function(x)
    x = conv_norm(x, "stem", 32, 3, { stride = 2, padding = 1 })          -- 112 x 112 x 32
    for s, stage in ipairs(list) do                                       --  56 x  56 x 48,  28 x 28 x 104,  14 x 14 x 208,  7 x 7 x 440
      for i = 0, stage.depth - 1 do
        x = residual(x, ("trunk_output/block%d/block%d-%d"):format(s, s, i), stage, i == 0 and 2 or 1, excites)
      end
    end
    return x
  end
end

local function top(x, o)
  x = nn.global_avg_pool { name = "avgpool" }(x)
  return nn.dense(o.classes, o.scores, { name = "fc" })(x)
end

--- depth, w0, wa, wm and group width of each; facts; beginnings of its files' hashes.
local networks = {
  regnet_y_400mf = { { 16, 48, 27.89, 2.09, 8 }, parameters = 4371296, macs = 401842848, sha256 = { "c65dace8", "e6988f5f" } },
  regnet_y_800mf = { { 14, 56, 38.84, 2.4, 16 }, parameters = 6462944, macs = 833856256, sha256 = { "1b27b58c", "58fc7688" } },
  regnet_y_1_6gf = { { 27, 48, 20.71, 2.65, 24 }, parameters = 11255102, macs = 1612076160, sha256 = { "b11a554e", "0d7bc02a" } },
  regnet_y_3_2gf = { { 21, 80, 42.63, 2.66, 24 }, parameters = 19502498, macs = 3176482752, sha256 = { "b5a9779c", "9180c971" } },
  regnet_y_8gf = { { 17, 192, 76.82, 2.19, 56 }, parameters = 39468000, macs = 8473070592, sha256 = { "d0d0e4a8", "dc2b1b54" } },
  regnet_y_16gf = { { 18, 200, 106.23, 2.48, 112 }, parameters = 83712956, macs = 15911510272, sha256 = { "9e6ed7dd", "3e4a00f9" } },
  regnet_y_32gf = { { 20, 232, 115.89, 2.53, 232 }, parameters = 145205058, macs = 32279552832, sha256 = { "4dee3f7a", "8db6d4b5" } },
  regnet_x_400mf = { { 22, 24, 24.48, 2.54, 16 }, parameters = 5533832, macs = 413812608, sha256 = { "adf1edd5", "62229a5f" } },
  regnet_x_800mf = { { 16, 56, 35.73, 2.28, 16 }, parameters = 7296968, macs = 799699712, sha256 = { "ad17e45c", "94a99ebd" } },
  regnet_x_1_6gf = { { 18, 80, 34.01, 2.25, 24 }, parameters = 9233640, macs = 1602849792, sha256 = { "e3633e7f", "a12f2b72" } },
  regnet_x_3_2gf = { { 25, 88, 26.31, 2.25, 48 }, parameters = 15359112, macs = 3176621952, sha256 = { "f342aeae", "7071aa85" } },
  regnet_x_8gf = { { 23, 80, 49.56, 2.88, 120 }, parameters = 39663112, macs = 7995132416, sha256 = { "03ceed89", "2b70d774" } },
  regnet_x_16gf = { { 22, 216, 55.59, 2.1, 128 }, parameters = 54389704, macs = 15940755456, sha256 = { "2007eb11", "ba3796d7" } },
  regnet_x_32gf = { { 23, 320, 69.86, 2.0, 168 }, parameters = 107973576, macs = 31735929792, sha256 = { "9d47f8d0", "6eb8fdc6" } },
}

local family = {}
for name, facts in pairs(networks) do
  local files = {}
  for i, sha256 in ipairs(facts.sha256) do -- the second file is of a later training recipe, for images resized to 232
    files[i] = builder.torchvision_file(name, sha256, i == 2 and 232 or nil)
  end
  family[name] = builder.define {
    name = name,
    input = 224,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = { { name = "torchvision", smallest = 1, preprocess = "torch", resize = 256, crop = 224, weights = files } },
    trunk = trunk(name:find "^regnet_y" ~= nil, table.unpack(facts[1])),
    top = top,
  }
end
return family
