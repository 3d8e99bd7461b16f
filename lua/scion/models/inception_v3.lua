--- Inception V3 (Szegedy et al. 2015, "Rethinking the Inception Architecture"), layer for layer as Keras builds it: 311 layers
--- without the top. torchvision's batch norm has a scale, and its average pools count the padding. Shapes in comments are those
--- of an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- The variant's conv_norm: see builder.conv_norm. torchvision's batch norm has a scale, Keras's has none.
local function style(o)
  local torchvision = o.variant == "torchvision"
  return builder.conv_norm { activation = "relu", padding = "same",
                             norm = { scale = torchvision, epsilon = 1e-3, momentum = torchvision and 0.9 or 0.99 } }
end

--- Names the layers of a block: block/branch/conv, norm, relu, then conv_2 and so on. Returns a function that is called once for each
--- convolution of a branch, with the branch's name and, where it does not follow from that, torchvision's name. `theirs` is torchvision's
--- name of the block, and `o` the options of the network.
local function branches(block, theirs, o)
  local made = { branch1x1 = false, branch_pool = false } -- these branches have one convolution, whose name has no number in torchvision
  return function(name, origin)
    local count = made[name] or 1
    if made[name] ~= false then
      made[name] = count + 1
      origin = origin or name .. "_" .. count
    end
    local suffix = count == 1 and "" or "_" .. count
    local function named(part) return block .. "/" .. name .. "/" .. part .. suffix end
    return { named = named, origin = ("%s.%s"):format(theirs, origin or name), torchvision = o.variant == "torchvision", conv_norm = style(o) }
  end
end

--- Convolution, batch norm and ReLU in a branch. `of`: their names.
local function conv_norm(x, of, filters, height, width, options)
  local o = options or {}
  return of.conv_norm(x, { of.named "conv", of.named "norm", of.named "relu" }, filters, { height, width },
                      { stride = o.stride, padding = o.padding, origin = { torchvision = { of.origin .. ".conv", of.origin .. ".bn" } } })
end

local function average(x, of)
  return nn.avg_pool(3, { stride = 1, padding = "same", include_padding = of.torchvision, name = of.named "pool" })(x)
end

local shrink = { stride = 2, padding = "valid" }

--- For images of 35 x 35 in the paper. Branches: 1x1; 5x5; two 3x3; average pooling.
local function block_a(x, block, theirs, pool_filters, o)
  local of = branches(block, theirs, o)
  local a = conv_norm(x, of "branch1x1", 64, 1, 1)
  local b = conv_norm(x, of "branch5x5", 48, 1, 1)
  b = conv_norm(b, of "branch5x5", 64, 5, 5)
  local c = conv_norm(x, of "branch3x3dbl", 64, 1, 1)
  c = conv_norm(c, of "branch3x3dbl", 96, 3, 3)
  c = conv_norm(c, of "branch3x3dbl", 96, 3, 3)
  local pool = of "branch_pool"
  local d = conv_norm(average(x, pool), pool, pool_filters, 1, 1)
  return nn.concatenate { name = block } { a, b, c, d }
end

--- For images of 17 x 17 in the paper. 7x7 convolutions are split into pairs of 1x7 and 7x1.
local function block_b(x, block, theirs, filters, o)
  local of = branches(block, theirs, o)
  local a = conv_norm(x, of "branch1x1", 192, 1, 1)
  local b = conv_norm(x, of "branch7x7", filters, 1, 1)
  b = conv_norm(b, of "branch7x7", filters, 1, 7)
  b = conv_norm(b, of "branch7x7", 192, 7, 1)
  local c = conv_norm(x, of "branch7x7dbl", filters, 1, 1)
  c = conv_norm(c, of "branch7x7dbl", filters, 7, 1)
  c = conv_norm(c, of "branch7x7dbl", filters, 1, 7)
  c = conv_norm(c, of "branch7x7dbl", filters, 7, 1)
  c = conv_norm(c, of "branch7x7dbl", 192, 1, 7)
  local pool = of "branch_pool"
  local d = conv_norm(average(x, pool), pool, 192, 1, 1)
  return nn.concatenate { name = block } { a, b, c, d }
end

--- For images of 8 x 8 in the paper. Two branches end in a 1x3 and a 3x1 convolution side by side.
local function block_c(x, block, theirs, o)
  local of = branches(block, theirs, o)
  local function split(y, branch, last)
    local wide = conv_norm(y, of(branch, branch .. last .. "a"), 384, 1, 3)
    local tall = conv_norm(y, of(branch, branch .. last .. "b"), 384, 3, 1)
    local keras = branch == "branch3x3" and { keras = "mixed9_" .. (block == "mixed9" and 0 or 1) } or nil
    return nn.concatenate { name = block .. "/" .. branch .. "/concat", origin = keras } { wide, tall }
  end
  local a = conv_norm(x, of "branch1x1", 320, 1, 1)
  local b = split(conv_norm(x, of "branch3x3", 384, 1, 1), "branch3x3", "_2")
  local c = conv_norm(x, of "branch3x3dbl", 448, 1, 1)
  c = split(conv_norm(c, of "branch3x3dbl", 384, 3, 3), "branch3x3dbl", "_3")
  local pool = of "branch_pool"
  local d = conv_norm(average(x, pool), pool, 192, 1, 1)
  return nn.concatenate { name = block } { a, b, c, d }
end

local function shrink_a(x, block, theirs, o)
  local of = branches(block, theirs, o)
  local a = conv_norm(x, of("branch3x3", "branch3x3"), 384, 3, 3, shrink)
  local b = conv_norm(x, of "branch3x3dbl", 64, 1, 1)
  b = conv_norm(b, of "branch3x3dbl", 96, 3, 3)
  b = conv_norm(b, of "branch3x3dbl", 96, 3, 3, shrink)
  local c = nn.max_pool(3, { stride = 2, name = of("branch_pool").named "pool" })(x)
  return nn.concatenate { name = block } { a, b, c }
end

local function shrink_b(x, block, theirs, o)
  local of = branches(block, theirs, o)
  local a = conv_norm(x, of "branch3x3", 192, 1, 1)
  a = conv_norm(a, of "branch3x3", 320, 3, 3, shrink)
  local b = conv_norm(x, of "branch7x7x3", 192, 1, 1)
  b = conv_norm(b, of "branch7x7x3", 192, 1, 7)
  b = conv_norm(b, of "branch7x7x3", 192, 7, 1)
  b = conv_norm(b, of "branch7x7x3", 192, 3, 3, shrink)
  local c = nn.max_pool(3, { stride = 2, name = of("branch_pool").named "pool" })(x)
  return nn.concatenate { name = block } { a, b, c }
end

local function trunk(x, o)
  local function stem(n, theirs)
    local function named(part) return "stem/" .. part .. (n == 1 and "" or "_" .. n) end
    return { named = named, origin = "Conv2d_" .. theirs, conv_norm = style(o) }
  end
  x = conv_norm(x, stem(1, "1a_3x3"), 32, 3, 3, shrink)                   -- 111 x 111 x 32
  x = conv_norm(x, stem(2, "2a_3x3"), 32, 3, 3, { padding = "valid" })    -- 109 x 109 x 32
  x = conv_norm(x, stem(3, "2b_3x3"), 64, 3, 3)                           -- 109 x 109 x 64
  x = nn.max_pool(3, { stride = 2, name = "stem/pool" })(x)               --  54 x  54 x 64
  x = conv_norm(x, stem(4, "3b_1x1"), 80, 1, 1, { padding = "valid" })    --  54 x  54 x 80
  x = conv_norm(x, stem(5, "4a_3x3"), 192, 3, 3, { padding = "valid" })   --  52 x  52 x 192
  x = nn.max_pool(3, { stride = 2, name = "stem/pool_2" })(x)             --  25 x  25 x 192
  x = block_a(x, "mixed0", "Mixed_5b", 32, o)                             --  25 x  25 x 256
  x = block_a(x, "mixed1", "Mixed_5c", 64, o)                             --  25 x  25 x 288
  x = block_a(x, "mixed2", "Mixed_5d", 64, o)                             --  25 x  25 x 288
  x = shrink_a(x, "mixed3", "Mixed_6a", o)                                --  12 x  12 x 768
  x = block_b(x, "mixed4", "Mixed_6b", 128, o)                            --  12 x  12 x 768
  x = block_b(x, "mixed5", "Mixed_6c", 160, o)                            --  12 x  12 x 768
  x = block_b(x, "mixed6", "Mixed_6d", 160, o)                            --  12 x  12 x 768
  x = block_b(x, "mixed7", "Mixed_6e", 192, o)                            --  12 x  12 x 768
  x = shrink_b(x, "mixed8", "Mixed_7a", o)                                --   5 x   5 x 1280
  x = block_c(x, "mixed9", "Mixed_7b", o)                                 --   5 x   5 x 2048
  return block_c(x, "mixed10", "Mixed_7c", o)                             --   5 x   5 x 2048
end

return builder.define {
  name = "inception_v3",
  input = 299,
  parameters = 23851784,
  macs = 5713216096,
  variants = {
    { name = "keras", smallest = 75, preprocess = "tf",
      weights = builder.keras_files("inception_v3/inception_v3", { "9a0d58056eeedaa3f26cb7ebd46da564", "bcbd6486424b2319ff4ef7d526e38f63" }) },
    -- torchvision standardizes images, but its network (transform_input) turns them back into -1 .. 1
    { name = "torchvision", smallest = 75, preprocess = "tf", resize = 342, crop = 299,
      weights = { builder.torchvision_file("inception_v3_google", "0cc3c7bd") } },
  },
  trunk = trunk,
  top = function(x, o)
    x = nn.global_avg_pool { name = "avg_pool" }(x)
    if o.variant == "torchvision" then x = nn.dropout(0.5, { name = "dropout" })(x) end
    return nn.dense(o.classes, o.scores, { name = "predictions", origin = { torchvision = "fc" } })(x)
  end,
}
