--- NASNet-A Mobile (Zoph et al. 2017, "Learning Transferable Architectures for Scalable Image Recognition"), as Keras builds it. Every cell
--- reads the outputs of the two cells before it: x of the last and p of the one before. Shapes in comments are for 224 x 224 inputs.
local builder = require "scion.models.builder"
local nn = require "scion.nn"

local filters = 44 -- of the first cells' branches; the last cell gives 24 times as many channels, 1056

local norm = { momentum = 0.9997 }
local conv_norm = builder.conv_norm { norm = norm, activation = false, padding = "same" }

local function pointwise(x, name, keras, channels)
  return nn.conv2d(channels, 1, { padding = "same", bias = false, name = name, origin = { keras = keras } })(x)
end

--- Functions that apply the layers of one cell, which is named kind_id. In Keras the names of its layers end in _id.
local function cell(kind, id)
  local made = { name = kind .. "_" .. id }

  --- The name of a layer in this cell, and its name in Keras.
  function made.named(name, keras)
    return made.name .. "/" .. name, ("%s_%s"):format(keras, id)
  end

  --- The options of a layer with both names: `options` is changed and returned.
  function made.options(name, keras, options)
    local o = options or {}
    o.name, o.origin = made.named(name, keras)
    o.origin = { keras = o.origin }
    return o
  end

  --- ReLU, separable convolution and batch norm, twice. The first convolution has the stride.
  function made.separable(x, branch, channels, kernel, stride)
    local theirs = kind .. "_" .. branch
    local padding = "same"
    x = nn.relu { name = made.named(branch .. "/relu_1", "") }(x)
    if stride == 2 then
      x = nn.zero_pad(builder.keras_padding(x, kernel), made.options(branch .. "/pad", "separable_conv_1_pad_" .. theirs))(x)
      padding = "valid"
    end
    for i = 1, 2 do
      if i == 2 then x = nn.relu { name = made.named(branch .. "/relu_2", "") }(x) end
      local conv, keras_conv = made.named(branch .. "/conv_" .. i, ("separable_conv_%d_%s"):format(i, theirs))
      local bn, keras_bn = made.named(branch .. "/bn_" .. i, ("separable_conv_%d_bn_%s"):format(i, theirs))
      x = conv_norm(x, { conv, bn }, channels, kernel, { conv = nn.separable_conv2d, stride = i == 1 and stride or 1, padding = i == 1 and padding or "same",
                                                         origin = { keras = { keras_conv, keras_bn } } })
    end
    return x
  end

  function made.pool(x, branch, constructor, stride, padding)
    return constructor(3, made.options(branch .. "/pool", kind .. "_" .. branch, { stride = stride, padding = padding }))(x)
  end

  function made.add(a, b, name, keras) return nn.add(made.options(name, keras or kind .. "_" .. name)) { a, b } end

  --- Brings p, the output of the cell before x's, to x's size and to `channels` channels, as many as the branches have.
  function made.adjust(p, x, channels)
    if not p then return x end
    if p.shape[2] ~= x.shape[2] then
      p = nn.relu(made.options("adjust_relu_1", "adjust_relu_1"))(p)
      local a = nn.avg_pool(1, made.options("adjust_avg_pool_1", "adjust_avg_pool_1", { stride = 2 }))(p)
      local name, keras = made.named("adjust_conv_1", "adjust_conv_1")
      a = pointwise(a, name, keras, channels // 2)
      -- The image is shifted by one pixel up and left, so that this pool reads other pixels than the first.
      local b = nn.zero_pad({ 0, 0, 1, 1 }, { name = made.named("adjust_pad", "") })(p)
      b = nn.crop({ 1, 1, 0, 0 }, { name = made.named("adjust_crop", "") })(b)
      b = nn.avg_pool(1, made.options("adjust_avg_pool_2", "adjust_avg_pool_2", { stride = 2 }))(b)
      name, keras = made.named("adjust_conv_2", "adjust_conv_2")
      b = pointwise(b, name, keras, channels // 2)
      p = nn.concatenate { name = made.named("adjust_concat", "") } { a, b }
    elseif p.shape[3] ~= channels then
      p = nn.relu { name = made.named("adjust_relu", "") }(p)
      local name, keras = made.named("adjust_conv_projection", "adjust_conv_projection")
      p = pointwise(p, name, keras, channels)
    else
      return p
    end
    return nn.batch_norm(made.options("adjust_bn", "adjust_bn", { momentum = norm.momentum }))(p)
  end

  --- Brings the input to as many channels as the branches have.
  function made.squeeze(x, channels)
    x = nn.relu { name = made.named("relu", "") }(x)
    local conv, keras_conv = made.named("conv_1", kind .. "_conv_1")
    local bn, keras_bn = made.named("bn_1", kind .. "_bn_1")
    return conv_norm(x, { conv, bn }, channels, 1, { origin = { keras = { keras_conv, keras_bn } } })
  end
  return made
end

local function normal(x, p, channels, id)
  local c = cell("normal", id)
  p = c.adjust(p, x, channels)
  local h = c.squeeze(x, channels)
  local x1 = c.add(c.separable(h, "left1", channels, 5), c.separable(p, "right1", channels, 3), "add_1")
  local x2 = c.add(c.separable(p, "left2", channels, 5), c.separable(p, "right2", channels, 3), "add_2")
  local x3 = c.add(c.pool(h, "left3", nn.avg_pool, 1, "same"), p, "add_3")
  local x4 = c.add(c.pool(p, "left4", nn.avg_pool, 1, "same"), c.pool(p, "right4", nn.avg_pool, 1, "same"), "add_4")
  local x5 = c.add(c.separable(h, "left5", channels, 3), h, "add_5")
  return nn.concatenate(c.options("concat", "normal_concat")) { p, x1, x2, x3, x4, x5 }, x
end

local function reduction(x, p, channels, id)
  local c = cell("reduction", id)
  p = c.adjust(p, x, channels)
  local h = c.squeeze(x, channels)
  local h3 = nn.zero_pad(builder.keras_padding(h, 3), c.options("pad_1", "reduction_pad_1"))(h)
  local x1 = c.add(c.separable(h, "left1", channels, 5, 2), c.separable(p, "right1", channels, 7, 2), "add_1")
  local x2 = c.add(c.pool(h3, "left2", nn.max_pool, 2, "valid"), c.separable(p, "right2", channels, 7, 2), "add_2")
  local x3 = c.add(c.pool(h3, "left3", nn.avg_pool, 2, "valid"), c.separable(p, "right3", channels, 5, 2), "add_3", "reduction_add3")
  local x4 = nn.add { name = c.named("add_4", "") } { x2, c.pool(x1, "left4", nn.avg_pool, 1, "same") }
  local x5 = c.add(c.separable(x1, "left4", channels, 3), c.pool(h3, "right5", nn.max_pool, 2, "valid"), "add_5", "reduction_add4")
  return nn.concatenate(c.options("concat", "reduction_concat")) { x2, x3, x4, x5 }, x
end

local function trunk(x)
  local p
  local function stage(first, channels)
    for i = first, first + 3 do x, p = normal(x, p, channels, i) end
  end
  x = conv_norm(x, { "stem_conv1", "stem_bn1" }, 32, 3, { stride = 2, padding = "valid" }) -- 111 x 111 x 32
  x, p = reduction(x, nil, filters // 4, "stem_1")                        --  56 x  56 x 44
  x, p = reduction(x, p, filters // 2, "stem_2")                          --  28 x  28 x 88
  stage(0, filters)                                                       --  28 x  28 x 264
  x, p = reduction(x, p, filters * 2, "reduce_4")                         --  14 x  14 x 352
  stage(5, filters * 2)                                                   --  14 x  14 x 528
  x, p = reduction(x, p, filters * 4, "reduce_8")                         --   7 x   7 x 704
  stage(9, filters * 4)                                                   --   7 x   7 x 1056
  return nn.relu { name = "relu" }(x)                                     --   7 x   7 x 1056
end

return {
  nasnet_mobile = builder.define {
    name = "nasnet_mobile",
    input = 224,
    parameters = 5326716,
    macs = 563638816,
    variants = { { name = "keras", smallest = 32, preprocess = "tf", weights = {
      { top = true, url = "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/NASNet-mobile.h5", md5 = "020fb642bf7360b370c678b08e0adf61" },
      { url = "https://storage.googleapis.com/tensorflow/keras-applications/nasnet/NASNet-mobile-no-top.h5", md5 = "1ed92395b5b598bdda52abe5c0dbfd63" },
    } } },
    trunk = trunk,
    top = function(x, o)
      x = nn.global_avg_pool { name = "avg_pool" }(x)
      return nn.dense(o.classes, o.scores, { name = "predictions" })(x)
    end,
  },
}
