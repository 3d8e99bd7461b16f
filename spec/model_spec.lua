-- Graphs, names, freezing, grafting, summaries.
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local nn = scion.nn

local function network()
  local x = nn.input { shape = { 12, 12, 3 } }
  local function unit(name, filters, y)
    y = nn.conv2d(filters, 3, { padding = "same", bias = false, name = name .. "/conv" })(y)
    return nn.relu { name = name .. "/relu" }(nn.batch_norm { name = name .. "/norm" }(y))
  end
  x = unit("a", 4, x)
  local b = unit("b/left", 3, x)
  local c = unit("b/right", 5, x)
  x = nn.concatenate { name = "b" } { b, c }
  return scion.model { output = unit("c", 6, x) }
end

local function frozen(model)
  local names = {}
  for _, row in ipairs(model:layers()) do
    if row.frozen then names[#names + 1] = row.name end
  end
  return names
end

describe("a model", function()
  it("lists its layers with shapes and counts", function()
    local model = network()
    local row = model:layer "b/right/conv"
    assert.same({ 12, 12, 5 }, row.shape)
    assert.equal("conv2d", row.kind)
    assert.equal(3 * 3 * 4 * 5, row.parameters)
    local norm = model:layer "c/norm"
    assert.equal(24, norm.parameters)
    assert.equal(12, norm.trainable)
    assert.equal(row.index, model:layer(row.index).index)
    assert.equal(#model:layers(), norm.index + 1)
  end)

  it("freezes by number, name, block and glob", function()
    local model = network()
    assert.equal(model, model:freeze { upto = "a" })
    assert.same({ "input_1", "a/conv", "a/norm", "a/relu" }, frozen(model))
    model:freeze { first = 2 }
    assert.same({ "input_1", "a/conv" }, frozen(model))
    model:freeze { layers = "b/*/norm" }
    assert.same({ "input_1", "a/conv", "b/left/norm", "b/right/norm" }, frozen(model))
    model:thaw { layers = "b/l?ft/[m-o]orm" }
    assert.same({ "input_1", "a/conv", "b/right/norm" }, frozen(model))
    model:thaw { layers = "b/right/[!a-c]orm" }
    assert.same({ "input_1", "a/conv" }, frozen(model))
    model:thaw { from = "b" }
    assert.same({ "input_1", "a/conv", "a/norm", "a/relu" }, frozen(model))
    model:freeze { upto = "b" }
    assert.equal(11, #frozen(model))
    model:freeze()
    assert.equal(#model:layers(), #frozen(model))
    model:thaw()
    assert.equal(0, #frozen(model))
  end)

  it("names the nearest layers when one does not exist", function()
    local model = network()
    for _, call in ipairs {
      function() model:freeze { upto = "b/rihgt" } end, function() model:thaw { from = "b/rihgt/conv" } end,
      function() model:layer "b/rihgt/conv" end, function() model:upto "b/rihgt/conv" end,
      function() model:freeze { layers = "b/rihgt/*" } end,
    } do
      local ok, message = pcall(call)
      assert.is_false(ok)
      assert.matches("b/rihgt", message, 1, true)
      assert.matches("b/right", message, 1, true)
    end
    assert.has_error(function() model:freeze { first = 99 } end)
    assert.has_error(function() model:freeze { first = 1, upto = "a" } end)
    assert.has_error(function() model:freeze {} end)
    assert.has_error(function() model:layer(99) end)
    local ok, message = pcall(model.freeze, model, { uptoo = "a" })
    assert.is_false(ok)
    assert.matches("upto", message, 1, true)
  end)

  it("may be as deep as memory allows", function()
    local node = { inputs = {} }
    for _ = 1, 200000 do node = { inputs = { node } } end
    local order = require("scion.graph").order(node)
    assert.equal(200001, #order)
    assert.equal(node, order[#order])
  end)

  it("shares its layers with what is grafted onto it, and with its parts", function()
    local base = network()
    local model = base:graft { nn.global_avg_pool(), nn.dense(2, "softmax", { name = "head" }) }
    base:freeze()
    assert.equal(#base:layers(), #frozen(model))
    assert.is_false(model:layer("head").frozen)
    local part = model:upto "b"
    assert.same({ 12, 12, 8 }, part.output.shape)
    part:thaw()
    assert.is_false(base:layer("a/conv").frozen)
    assert.is_true(base:layer("c/conv").frozen)
  end)

  it("tells of weights that are grafted onto probabilities", function()
    local function told(activation, ...)
      local base = network():graft { nn.global_avg_pool(), nn.dense(5, activation, { name = "top" }), nn.dropout(0.1) }
      local layers = { ... }
      return support.stderr_of(function() base:graft(layers) end)
    end
    assert.equal("scion: graft: 'mine' is put onto the softmax of 'top', and so learns from probabilities, which hold little of the images: build the network without " ..
      "its top (top = false), graft onto model:upto(NAME) of a layer before, or end the base in a dense layer without an activation\n",
      told("softmax", nn.relu(), nn.dense(3, { name = "mine" })))
    assert.equal("", told("softmax", nn.relu(), nn.dense(3, { name = "mine" }))) -- once
    assert.equal("", told("softmax", nn.relu()))
    assert.equal("", told("relu", nn.dense(3, { name = "other" })))
  end)

  it("refuses what makes no graph", function()
    assert.has_error(function() scion.model { output = nn.dense(3) } end)
    assert.has_error(function() nn.dense(3)(nn.input(4, 4, 3)) end)
    assert.has_error(function() nn.dense()(nn.input(4)) end)
    assert.has_error(function() nn.conv2d(3, 5)(nn.input(4, 4, 3)) end)
    assert.has_error(function() nn.conv2d(3, 0)(nn.input(4, 4, 3)) end)
    assert.has_error(function() nn.activation "rellu" end)
    assert.has_error(function() return nn.no_such_layer end)
    assert.has_error(function() nn.add() { nn.input(4), nn.input(5) } end)
    local layer = nn.dense(3)
    layer(nn.input(4))
    local ok, message = pcall(layer, nn.input(4))
    assert.is_false(ok)
    assert.matches("applied already", message, 1, true)
    ok, message = pcall(nn.conv2d, 3, 3, { pading = "same" })
    assert.is_false(ok)
    assert.matches("padding", message, 1, true)
    ok, message = pcall(scion.sequential, { nn.input(4), nn.dense(2, { name = "x" }), nn.dense(2, { name = "x" }) })
    assert.is_false(ok)
    assert.matches("'x'", message, 1, true)
  end)

  it("prints a summary that fits into 80 columns", function()
    local base = network()
    base:freeze { upto = "b/left" }
    for line in (tostring(base) .. "\n" .. base:summary()):gmatch "[^\n]+" do assert.is_true(#line <= 80, line) end
    assert.matches("trainable", tostring(base), 1, true)
    assert.matches("frozen", tostring(base), 1, true)
    assert.matches("^plan for an inference step, batch %d+: ", tostring(base:plan { mode = "infer" }))
    assert.matches("^plan for a training step, batch %d+: ", tostring(base:plan()))
    for line in tostring(base:plan()):gmatch "[^\n]+" do assert.is_true(#line <= 100, line) end
  end)

  it("takes images as they are, whatever the preprocessing", function()
    local image = scion.full({ 1, 2, 2, 3 }, 255, "u8")
    image:set(1, 1, 1, 1, 51)
    local function first(preprocess)
      local x = nn.input { shape = { 2, 2, 3 }, preprocess = preprocess }
      local out = scion.model { output = x }:features(image, "input_1")
      return { out:get(1, 1, 1, 1), out:get(1, 1, 1, 2), out:get(1, 1, 1, 3) }
    end
    local function near(expected, got)
      for c = 1, 3 do assert.is_true(math.abs(expected[c] - got[c]) < 1e-4, ("%g is not %g"):format(got[c], expected[c])) end
    end
    near({ -0.6, 1, 1 }, first "tf")
    near({ 0.2, 1, 1 }, first "unit")
    near({ 255 - 103.939, 255 - 116.779, 51 - 123.68 }, first "caffe")
    near({ (0.2 - 0.485) / 0.229, (1 - 0.456) / 0.224, (1 - 0.406) / 0.225 }, first "torch")
    near({ -0.6, 1, 1 }, first { mean = { 0.5, 0.5, 0.5 }, std = { 0.5, 0.5, 0.5 } })
    assert.has_error(function() first "imagenet" end)
    assert.has_error(function() first { mean = { 1 } } end)
  end)

  it("describes layers, whose weights are changed through their tensors alone", function()
    local model = network()
    local weights = model:layer("a/conv").weights
    assert.error_matches(function() weights.kernel = weights.kernel:copy() end, "a layer's weights: 'kernel' cannot be replaced; change the tensor itself")
    weights.kernel:fill(0.5)
    assert.equal(0.5, model:layer("a/conv").weights.kernel:max())
    local names = {}
    for name in pairs(weights) do names[#names + 1] = name end
    assert.same({ "kernel" }, names)
  end)
end)
