--- Inception V3 (Szegedy et al. 2015, "Rethinking the Inception Architecture"), layer for layer as Keras builds it: 311 layers
--- without the top. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- The branches of one block, whose layers are named block/branch/conv, norm, relu, conv_2, …; each name comes with the options.
local function branches(block, o)
  local made = {}
  return function(name)
    made[name] = (made[name] or 0) + 1
    local suffix = made[name] == 1 and "" or "_" .. made[name]
    return function(part) return block .. "/" .. name .. "/" .. part .. suffix, o end
  end
end

local their_stem = { "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "Conv2d_3b_1x1", "Conv2d_4a_3x3" }
local their_blocks = { [0] = "5b", "5c", "5d", "6a", "6b", "6c", "6d", "6e", "7a", "7b", "7c" }
local side_by_side = { branch3x3 = { "_1", "_2a", "_2b" }, branch3x3dbl = { "_1", "_2", "_3a", "_3b" } } -- in the last two blocks

--- Torchvision's name of a convolution with its batch norm: "mixed4/branch7x7/conv_2" is Mixed_6b.branch7x7_2.
local function torchvision_name(name)
  local index = tonumber(name:match "/conv_(%d+)$" or 1)
  if name:find "^stem/" then return their_stem[index] end
  local block, branch = name:match "^mixed(%d+)/([^/]+)/"
  local alone = branch == "branch1x1" or branch == "branch_pool" or (block == "3" and branch == "branch3x3")
  local suffixes = tonumber(block) > 8 and side_by_side[branch]
  return "Mixed_" .. their_blocks[tonumber(block)] .. "." .. branch .. (suffixes and suffixes[index] or alone and "" or "_" .. index)
end

--- Convolution without bias, batch norm (torchvision's has a scale), ReLU.
local function conv_bn(x, named, filters, height, width, options)
  local window = options or {}
  local name, o = named "conv"
  local theirs = torchvision_name(name)
  x = nn.conv2d(filters, { height, width }, { stride = window.stride or 1, padding = window.padding or "same", bias = false, name = name,
                                              origin = { torchvision = theirs .. ".conv" } })(x)
  x = nn.batch_norm { scale = o.variant == "torchvision", epsilon = 1e-3, name = named "norm", origin = { torchvision = theirs .. ".bn" } }(x)
  return nn.relu { name = named "relu" }(x)
end

--- Torchvision's average counts the zeros around the image.
local function average(x, named)
  local name, o = named "pool"
  return nn.avg_pool(3, { stride = 1, padding = "same", include_padding = o.variant == "torchvision", name = name })(x)
end

local shrink = { stride = 2, padding = "valid" }

--- 35 x 35 in the paper: 1x1, 5x5, two 3x3, and a pooled branch.
local function block_a(x, block, pool_filters, o)
  local of = branches(block, o)
  local a = conv_bn(x, of "branch1x1", 64, 1, 1)
  local b = conv_bn(x, of "branch5x5", 48, 1, 1)
  b = conv_bn(b, of "branch5x5", 64, 5, 5)
  local c = conv_bn(x, of "branch3x3dbl", 64, 1, 1)
  c = conv_bn(c, of "branch3x3dbl", 96, 3, 3)
  c = conv_bn(c, of "branch3x3dbl", 96, 3, 3)
  local named = of "branch_pool"
  local d = conv_bn(average(x, named), named, pool_filters, 1, 1)
  return nn.concatenate { name = block } { a, b, c, d }
end

--- 17 x 17 in the paper: 7x7 convolutions as pairs of 1x7 and 7x1.
local function block_b(x, block, filters, o)
  local of = branches(block, o)
  local a = conv_bn(x, of "branch1x1", 192, 1, 1)
  local b = conv_bn(x, of "branch7x7", filters, 1, 1)
  b = conv_bn(b, of "branch7x7", filters, 1, 7)
  b = conv_bn(b, of "branch7x7", 192, 7, 1)
  local c = conv_bn(x, of "branch7x7dbl", filters, 1, 1)
  c = conv_bn(c, of "branch7x7dbl", filters, 7, 1)
  c = conv_bn(c, of "branch7x7dbl", filters, 1, 7)
  c = conv_bn(c, of "branch7x7dbl", filters, 7, 1)
  c = conv_bn(c, of "branch7x7dbl", 192, 1, 7)
  local named = of "branch_pool"
  local d = conv_bn(average(x, named), named, 192, 1, 1)
  return nn.concatenate { name = block } { a, b, c, d }
end

--- 8 x 8 in the paper: 3x3 convolutions that end in a 1x3 and a 3x1 side by side.
local function block_c(x, block, o)
  local of = branches(block, o)
  local function split(y, branch)
    local wide = conv_bn(y, of(branch), 384, 1, 3)
    local tall = conv_bn(y, of(branch), 384, 3, 1)
    return nn.concatenate { name = block .. "/" .. branch .. "/concat" } { wide, tall }
  end
  local a = conv_bn(x, of "branch1x1", 320, 1, 1)
  local b = split(conv_bn(x, of "branch3x3", 384, 1, 1), "branch3x3")
  local c = conv_bn(x, of "branch3x3dbl", 448, 1, 1)
  c = split(conv_bn(c, of "branch3x3dbl", 384, 3, 3), "branch3x3dbl")
  local named = of "branch_pool"
  local d = conv_bn(average(x, named), named, 192, 1, 1)
  return nn.concatenate { name = block } { a, b, c, d }
end

local function shrink_a(x, block, o)
  local of = branches(block, o)
  local a = conv_bn(x, of "branch3x3", 384, 3, 3, shrink)
  local b = conv_bn(x, of "branch3x3dbl", 64, 1, 1)
  b = conv_bn(b, of "branch3x3dbl", 96, 3, 3)
  b = conv_bn(b, of "branch3x3dbl", 96, 3, 3, shrink)
  local c = nn.max_pool(3, { stride = 2, name = (of "branch_pool" "pool") })(x)
  return nn.concatenate { name = block } { a, b, c }
end

local function shrink_b(x, block, o)
  local of = branches(block, o)
  local a = conv_bn(x, of "branch3x3", 192, 1, 1)
  a = conv_bn(a, of "branch3x3", 320, 3, 3, shrink)
  local b = conv_bn(x, of "branch7x7x3", 192, 1, 1)
  b = conv_bn(b, of "branch7x7x3", 192, 1, 7)
  b = conv_bn(b, of "branch7x7x3", 192, 7, 1)
  b = conv_bn(b, of "branch7x7x3", 192, 3, 3, shrink)
  local c = nn.max_pool(3, { stride = 2, name = (of "branch_pool" "pool") })(x)
  return nn.concatenate { name = block } { a, b, c }
end

local function trunk(x, o)
  local function stem(n)
    return function(part) return "stem/" .. part .. (n == 1 and "" or "_" .. n), o end
  end
  x = conv_bn(x, stem(1), 32, 3, 3, shrink)                               -- 111 x 111 x 32
  x = conv_bn(x, stem(2), 32, 3, 3, { padding = "valid" })                -- 109 x 109 x 32
  x = conv_bn(x, stem(3), 64, 3, 3)                                       -- 109 x 109 x 64
  x = nn.max_pool(3, { stride = 2, name = "stem/pool" })(x)               --  54 x  54 x 64
  x = conv_bn(x, stem(4), 80, 1, 1, { padding = "valid" })                --  54 x  54 x 80
  x = conv_bn(x, stem(5), 192, 3, 3, { padding = "valid" })               --  52 x  52 x 192
  x = nn.max_pool(3, { stride = 2, name = "stem/pool_2" })(x)             --  25 x  25 x 192
  x = block_a(x, "mixed0", 32, o)                                         --  25 x  25 x 256
  x = block_a(x, "mixed1", 64, o)                                         --  25 x  25 x 288
  x = block_a(x, "mixed2", 64, o)                                         --  25 x  25 x 288
  x = shrink_a(x, "mixed3", o)                                            --  12 x  12 x 768
  x = block_b(x, "mixed4", 128, o)                                        --  12 x  12 x 768
  x = block_b(x, "mixed5", 160, o)                                        --  12 x  12 x 768
  x = block_b(x, "mixed6", 160, o)                                        --  12 x  12 x 768
  x = block_b(x, "mixed7", 192, o)                                        --  12 x  12 x 768
  x = shrink_b(x, "mixed8", o)                                            --   5 x   5 x 1280
  x = block_c(x, "mixed9", o)                                             --   5 x   5 x 2048
  return block_c(x, "mixed10", o)                                         --   5 x   5 x 2048
end

local keras_files = "https://storage.googleapis.com/tensorflow/keras-applications/inception_v3/inception_v3_weights_tf_dim_ordering_tf_kernels"

return builder.define {
  name = "inception_v3",
  input = 299,
  smallest = 75,
  parameters = 23851784,
  macs = 5713216096,
  variants = {
    { name = "keras", preprocess = "tf",
      weights = { { top = true, url = keras_files .. ".h5", md5 = "9a0d58056eeedaa3f26cb7ebd46da564" },
                  { url = keras_files .. "_notop.h5", md5 = "bcbd6486424b2319ff4ef7d526e38f63" } } },
    { name = "torchvision", preprocess = "tf", resize = 342, crop = 299, -- its own normalisation undoes torchvision's usual one
      weights = { { top = true, url = "https://download.pytorch.org/models/inception_v3_google-0cc3c7bd.pth", sha256 = "0cc3c7bd" } } },
  },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    if o.variant == "torchvision" then x = nn.dropout(0.5, { name = "dropout" })(x) end
    return nn.dense(o.classes, "softmax", { name = "predictions", origin = { torchvision = "fc" } })(x)
  end,
}
