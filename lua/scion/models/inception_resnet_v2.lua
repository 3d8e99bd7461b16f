--- Inception-ResNet V2 (Szegedy et al. 2016, "Inception-v4, Inception-ResNet and the Impact of Residual Connections on
--- Learning"). Names are Keras's; timm's batch norm has a scale. Shapes in comments are those of an input of 299 x 299.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local shrink = { stride = 2, padding = "valid" }

--- timm's name of a block. timm counts blocks from 0, and names the last block8, which is not scaled and has no ReLU, apart from the
--- others.
local function theirs(name)
  local kind, index = name:match "^block(%d+)_(%d+)$"
  if not kind then return name end
  local prefix = { ["35"] = "repeat", ["17"] = "repeat_1", ["8"] = "repeat_2" }
  return kind == "8" and index == "10" and "block8" or ("%s.%d"):format(prefix[kind], index - 1)
end

--- `name`: for the names of the convolution, its norm and its activation, or a list of the three; `timm`: timm's name of the whole.
local function conv_norm(x, name, timm, filters, kernel, options, o)
  local scale = o.variant == "timm"
  local given = { origin = scale and { torchvision = { timm .. ".conv", timm .. ".bn" } } or nil }
  for key, value in pairs(options or {}) do given[key] = value end
  local make = builder.conv_norm { names = { "%s/conv", "%s/norm", "%s/relu" }, norm = { scale = scale, momentum = scale and 0.9 or 0.99 },
                                   activation = "relu", padding = "same" }
  return make(x, name, filters, kernel, given)
end

--- Convolutions one after the other, each { filters, kernel, options }. `at`: { block, branch }, and as `timm` the branch's name there if
--- it differs.
local function branch(x, at, o, ...)
  local block, name, convolutions = at[1], at[2], { ... }
  for i, c in ipairs(convolutions) do
    local timm = ("%s.%s%s"):format(theirs(block), at.timm or name, #convolutions > 1 and "." .. i - 1 or "")
    x = conv_norm(x, ("%s/%s_%d"):format(block, name, i), timm, c[1], c[2], c[3], o)
  end
  return x
end

--- Joins the branches by a 1x1 convolution, and adds the result, multiplied by `scale`, to the input; linear: without the ReLU at the end.
local function residual(x, block, scale, branches, o, linear)
  local y = nn.concatenate { name = block .. "/mixed" }(branches)
  y = nn.conv2d(x.shape[3], 1, { padding = "same", name = block .. "/conv",
                                 origin = o.variant == "timm" and { torchvision = theirs(block) .. ".conv2d" } or nil })(y)
  x = nn.scaled_add(scale, { name = block .. "/add" }) { x, y }
  return linear and x or nn.relu { name = block .. "/ac" }(x)
end

local function block35(x, block, o)
  return residual(x, block, 0.17, {
    branch(x, { block, "branch0" }, o, { 32, 1 }),
    branch(x, { block, "branch1" }, o, { 32, 1 }, { 32, 3 }),
    branch(x, { block, "branch2" }, o, { 32, 1 }, { 48, 3 }, { 64, 3 }),
  }, o)
end

local function block17(x, block, o)
  return residual(x, block, 0.1, {
    branch(x, { block, "branch0" }, o, { 192, 1 }),
    branch(x, { block, "branch1" }, o, { 128, 1 }, { 160, { 1, 7 } }, { 192, { 7, 1 } }),
  }, o)
end

local function block8(x, block, scale, o, linear)
  return residual(x, block, scale, {
    branch(x, { block, "branch0" }, o, { 192, 1 }),
    branch(x, { block, "branch1" }, o, { 192, 1 }, { 224, { 1, 3 } }, { 256, { 3, 1 } }),
  }, o, linear)
end

local function pool(x, name) return nn.max_pool(3, { stride = 2, name = name })(x) end

local function mixed_5b(x, block, o)
  local average = nn.avg_pool(3, { stride = 1, padding = "same", name = block .. "/branch_pool/pool" })(x)
  return nn.concatenate { name = block } {
    branch(x, { block, "branch0" }, o, { 96, 1 }),
    branch(x, { block, "branch1" }, o, { 48, 1 }, { 64, 5 }),
    branch(x, { block, "branch2" }, o, { 64, 1 }, { 96, 3 }, { 96, 3 }),
    branch(average, { block, "branch_pool", timm = "branch3.1" }, o, { 64, 1 }),
  }
end

local function mixed_6a(x, block, o)
  return nn.concatenate { name = block } {
    branch(x, { block, "branch0" }, o, { 384, 3, shrink }),
    branch(x, { block, "branch1" }, o, { 256, 1 }, { 256, 3 }, { 384, 3, shrink }),
    pool(x, block .. "/branch_pool/pool"),
  }
end

local function mixed_7a(x, block, o)
  return nn.concatenate { name = block } {
    branch(x, { block, "branch0" }, o, { 256, 1 }, { 384, 3, shrink }),
    branch(x, { block, "branch1" }, o, { 256, 1 }, { 288, 3, shrink }),
    branch(x, { block, "branch2" }, o, { 256, 1 }, { 288, 3 }, { 320, 3, shrink }),
    pool(x, block .. "/branch_pool/pool"),
  }
end

local function trunk(x, o)
  local function stem(index, theirs_there, filters, kernel, options)
    x = conv_norm(x, "stem/" .. index, "conv2d_" .. theirs_there, filters, kernel, options, o)
  end
  stem(1, "1a", 32, 3, shrink)                                            -- 149 x 149 x 32
  stem(2, "2a", 32, 3, { padding = "valid" })                             -- 147 x 147 x 32
  stem(3, "2b", 64, 3)                                                    -- 147 x 147 x 64
  x = pool(x, "stem/pool_3")                                              --  73 x  73 x 64
  stem(4, "3b", 80, 1, { padding = "valid" })                             --  73 x  73 x 80
  stem(5, "4a", 192, 3, { padding = "valid" })                            --  71 x  71 x 192
  x = pool(x, "stem/pool_5")                                              --  35 x  35 x 192
  x = mixed_5b(x, "mixed_5b", o)                                          --  35 x  35 x 320
  for i = 1, 10 do x = block35(x, "block35_" .. i, o) end                 --  35 x  35 x 320
  x = mixed_6a(x, "mixed_6a", o)                                          --  17 x  17 x 1088
  for i = 1, 20 do x = block17(x, "block17_" .. i, o) end                 --  17 x  17 x 1088
  x = mixed_7a(x, "mixed_7a", o)                                          --   8 x   8 x 2080
  for i = 1, 9 do x = block8(x, "block8_" .. i, 0.2, o) end               --   8 x   8 x 2080
  x = block8(x, "block8_10", 1.0, o, true)                                --   8 x   8 x 2080
  return conv_norm(x, { "conv_7b", "conv_7b/bn", "conv_7b/ac" }, "conv2d_7b", 1536, 1, nil, o) -- 8 x 8 x 1536
end

return builder.define {
  name = "inception_resnet_v2",
  input = 299,
  parameters = 55873736,
  macs = 13155794016,
  variants = { { name = "keras", smallest = 75, preprocess = "tf",
    weights = builder.keras_files("inception_resnet_v2/inception_resnet_v2", { "e693bd0210a403b3192acc6073ad2e96", "d19885ff4a710c122648d3b5c3b684e4" }) },
               { name = "timm", smallest = 75, preprocess = "tf", weights = {} } },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    return nn.dense(o.classes, o.scores, { name = "predictions", origin = o.variant == "timm" and { torchvision = "classif" } or nil })(x)
  end,
}
