--- Inception V3 (Szegedy et al. 2015, "Rethinking the Inception Architecture"), layer for layer as Keras builds it: 311 layers
--- without the top. Shapes in comments are those of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- The branches of one block, whose layers are named block/branch/conv, norm, relu, conv_2, …
local function branches(block)
  local made = {}
  return function(name)
    made[name] = (made[name] or 0) + 1
    local suffix = made[name] == 1 and "" or "_" .. made[name]
    return function(part) return block .. "/" .. name .. "/" .. part .. suffix end
  end
end

--- Convolution without bias, batch norm without scale, ReLU.
local function conv_bn(x, named, filters, height, width, options)
  local o = options or {}
  x = nn.conv2d(filters, { height, width }, { stride = o.stride or 1, padding = o.padding or "same", bias = false, name = named "conv" })(x)
  x = nn.batch_norm { scale = false, epsilon = 1e-3, name = named "norm" }(x)
  return nn.relu { name = named "relu" }(x)
end

local function average(x, named) return nn.avg_pool(3, { stride = 1, padding = "same", name = named "pool" })(x) end

local shrink = { stride = 2, padding = "valid" }

--- 35 x 35 in the paper: 1x1, 5x5, two 3x3, and a pooled branch.
local function block_a(x, block, pool_filters)
  local of = branches(block)
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
local function block_b(x, block, filters)
  local of = branches(block)
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
local function block_c(x, block)
  local of = branches(block)
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

local function shrink_a(x, block)
  local of = branches(block)
  local a = conv_bn(x, of "branch3x3", 384, 3, 3, shrink)
  local b = conv_bn(x, of "branch3x3dbl", 64, 1, 1)
  b = conv_bn(b, of "branch3x3dbl", 96, 3, 3)
  b = conv_bn(b, of "branch3x3dbl", 96, 3, 3, shrink)
  local c = nn.max_pool(3, { stride = 2, name = of "branch_pool" "pool" })(x)
  return nn.concatenate { name = block } { a, b, c }
end

local function shrink_b(x, block)
  local of = branches(block)
  local a = conv_bn(x, of "branch3x3", 192, 1, 1)
  a = conv_bn(a, of "branch3x3", 320, 3, 3, shrink)
  local b = conv_bn(x, of "branch7x7x3", 192, 1, 1)
  b = conv_bn(b, of "branch7x7x3", 192, 1, 7)
  b = conv_bn(b, of "branch7x7x3", 192, 7, 1)
  b = conv_bn(b, of "branch7x7x3", 192, 3, 3, shrink)
  local c = nn.max_pool(3, { stride = 2, name = of "branch_pool" "pool" })(x)
  return nn.concatenate { name = block } { a, b, c }
end

local function trunk(x)
  local function stem(n)
    return function(part) return "stem/" .. part .. (n == 1 and "" or "_" .. n) end
  end
  x = conv_bn(x, stem(1), 32, 3, 3, shrink)                               -- 111 x 111 x 32
  x = conv_bn(x, stem(2), 32, 3, 3, { padding = "valid" })                -- 109 x 109 x 32
  x = conv_bn(x, stem(3), 64, 3, 3)                                       -- 109 x 109 x 64
  x = nn.max_pool(3, { stride = 2, name = "stem/pool" })(x)               --  54 x  54 x 64
  x = conv_bn(x, stem(4), 80, 1, 1, { padding = "valid" })                --  54 x  54 x 80
  x = conv_bn(x, stem(5), 192, 3, 3, { padding = "valid" })               --  52 x  52 x 192
  x = nn.max_pool(3, { stride = 2, name = "stem/pool_2" })(x)             --  25 x  25 x 192
  x = block_a(x, "mixed0", 32)                                            --  25 x  25 x 256
  x = block_a(x, "mixed1", 64)                                            --  25 x  25 x 288
  x = block_a(x, "mixed2", 64)                                            --  25 x  25 x 288
  x = shrink_a(x, "mixed3")                                               --  12 x  12 x 768
  x = block_b(x, "mixed4", 128)                                           --  12 x  12 x 768
  x = block_b(x, "mixed5", 160)                                           --  12 x  12 x 768
  x = block_b(x, "mixed6", 160)                                           --  12 x  12 x 768
  x = block_b(x, "mixed7", 192)                                           --  12 x  12 x 768
  x = shrink_b(x, "mixed8")                                               --   5 x   5 x 1280
  x = block_c(x, "mixed9")                                                --   5 x   5 x 2048
  return block_c(x, "mixed10")                                            --   5 x   5 x 2048
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
  },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    return nn.dense(o.classes, "softmax", { name = "predictions" })(x)
  end,
}
