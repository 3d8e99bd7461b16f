--- EfficientNet-Lite0 to 4: the networks of Tan and Le 2019, which their authors made lighter for phones in 2020. They have no squeeze and
--- excite, and ReLU6 as activation. The stem and the head have the same width in all of them, the first and the last stage the same depth.
--- The variant "tf" is for the authors' weights and pads as TensorFlow does; "timm" is for timm's own, pads on all sides, and has another
--- epsilon and other means. Layers are named as in EfficientNet. Shapes in comments are those of Lite0 with an input of 224 x 224.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

--- Stochastic depth: in training a block is left out for some examples. The probability rises with depth, from 0 to almost this.
local drop = 0.2

--- The variant's conv_norm: see builder.conv_norm. Publishers differ in epsilon, momentum and padding.
local function style(o)
  local timm = o.variant == "timm"
  return builder.conv_norm { names = { "%s_conv", "%s_bn", "%s_activation" }, activation = "relu6", padding = "same",
                             norm = { epsilon = timm and 1e-5 or 1e-3, momentum = timm and 0.9 or 0.99 } }
end

--- The padding of the convolutions that may have a stride of 2.
local function padding(kernel, o) return o.variant == "timm" and kernel // 2 or "same" end

--- Names of a convolution and its norm in timm and in EfficientNet-PyTorch. timm's have the key `torchvision`: torchvision has no such
--- network.
local function origin(timm, efficientnet_pytorch) return { torchvision = timm, efficientnet_pytorch = efficientnet_pytorch } end

--- A 1x1 convolution to more channels, a depthwise one, and a 1x1 to few channels without an activation. The result is added to the input
--- where the shapes agree. theirs(conv, norm, conv_there, norm_there) gives the origin of a convolution and its norm.
local function inverted_residual(x, block, expansion, filters, kernel, stride, dropped, theirs, o)
  local conv_norm, y, n = style(o), x, 1
  if expansion > 1 then
    y = conv_norm(y, block .. "/expand", expansion * x.shape[3], 1, { origin = theirs("conv_pw", 1, "_expand_conv", 0) })
    n = 2
  end
  y = conv_norm(y, { block .. "/dwconv", block .. "/bn", block .. "/activation" }, nil, kernel,
                { conv = nn.depthwise_conv2d, stride = stride, padding = padding(kernel, o), origin = theirs("conv_dw", n, "_depthwise_conv", 1) })
  y = conv_norm(y, block .. "/project", filters, 1,
                { activation = false, origin = theirs(expansion > 1 and "conv_pwl" or "conv_pw", n + 1, "_project_conv", 2) })
  if stride == 2 or x.shape[3] ~= filters then return y end
  if dropped > 0 then y = nn.dropout(dropped, { examples = true, name = block .. "/drop" })(y) end
  return nn.add { name = block .. "/add" } { y, x }
end

local function trunk(x, o, facts)
  local index, conv_norm = 0, style(o)
  local function deep(n) return math.ceil(n * facts.depth) end
  local blocks = 2 + 2 * deep(2) + 2 * deep(3) + deep(4)
  local function stage(number, repeats, expansion, channels, kernel, stride)
    local filters = builder.divisible(channels * facts.width)
    for i = 1, repeats do
      local timm, counted = ("blocks.%d.%d."):format(number - 1, i - 1), ("_blocks.%d."):format(index)
      local function theirs(conv, norm, conv_there, norm_there)
        return origin({ timm .. conv, timm .. "bn" .. norm }, { counted .. conv_there, counted .. "_bn" .. norm_there })
      end
      local block = ("block%d%s"):format(number, string.char(96 + i))
      x = inverted_residual(x, block, expansion, filters, kernel, i == 1 and stride or 1, drop * index / blocks, theirs, o)
      index = index + 1
    end
  end
  x = conv_norm(x, "stem", 32, 3, { stride = 2, padding = padding(3, o),  -- 112 x 112 x 32
                                    origin = origin({ "conv_stem", "bn1" }, { "_conv_stem", "_bn0" }) })
  stage(1, 1, 1, 16, 3, 1)                                                -- 112 x 112 x 16
  stage(2, deep(2), 6, 24, 3, 2)                                          --  56 x  56 x 24
  stage(3, deep(2), 6, 40, 5, 2)                                          --  28 x  28 x 40
  stage(4, deep(3), 6, 80, 3, 2)                                          --  14 x  14 x 80
  stage(5, deep(3), 6, 112, 5, 1)                                         --  14 x  14 x 112
  stage(6, deep(4), 6, 192, 5, 2)                                         --   7 x   7 x 192
  stage(7, 1, 6, 320, 3, 1)                                               --   7 x   7 x 320
  return conv_norm(x, "top", 1280, 1, { origin = origin({ "conv_head", "bn2" }, { "_conv_head", "_bn1" }) }) -- 7 x 7 x 1280
end

local function top(x, o, facts)
  x = nn.global_avg_pool { name = "avg_pool" }(x)
  x = nn.dropout(facts.dropout, { name = "top_dropout" })(x)
  return nn.dense(o.classes, o.scores, { name = "predictions", origin = origin("classifier", "_fc") })(x)
end

--- EfficientNet-Lite`number`. `facts`: factors of width and depth, the dropout before the classifier, the size of images, and the first
--- digits of the SHA-256 of timm's files: `tf` of the authors' weights and, for Lite0, `timm` of its own.
local function lite(number, facts)
  return builder.define {
    name = "efficientnet_lite" .. number,
    input = facts.input,
    parameters = facts.parameters,
    macs = facts.macs,
    variants = {
      { name = "tf", smallest = 1, preprocess = "tf", weights = { builder.timm_file("tf_efficientnet_lite" .. number, facts.tf) } },
      { name = "timm", smallest = 1, preprocess = "torch",
        weights = { facts.timm and builder.timm_file(("efficientnet_lite%d_ra"):format(number), facts.timm) } },
    },
    trunk = function(x, o) return trunk(x, o, facts) end,
    top = function(x, o) return top(x, o, facts) end,
  }
end

return {
  efficientnet_lite0 = lite(0, { width = 1.0, depth = 1.0, dropout = 0.2, input = 224, parameters = 4694024, macs = 385187552, tf = "0aa007d2", timm = "37913777" }),
  efficientnet_lite1 = lite(1, { width = 1.0, depth = 1.1, dropout = 0.2, input = 240, parameters = 5470344, macs = 600185232, tf = "bde8b488" }),
  efficientnet_lite2 = lite(2, { width = 1.1, depth = 1.2, dropout = 0.3, input = 260, parameters = 6150168, macs = 859736272, tf = "dcccb7df" }),
  efficientnet_lite3 = lite(3, { width = 1.2, depth = 1.4, dropout = 0.3, input = 280, parameters = 8273768, macs = 1383321872, tf = "b733e338" }),
  efficientnet_lite4 = lite(4, { width = 1.4, depth = 1.8, dropout = 0.3, input = 300, parameters = 13118936, macs = 2553034336, tf = "741542c3" }),
}
