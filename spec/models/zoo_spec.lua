-- Every architecture against its publisher's own implementation in double precision, with weights that both make by one rule.
local core = require "scion.core"
local layer = require "scion.layer"
local scion = require "scion"
local rule = dofile "spec/models/rule.lua"

local golden = {}
for _, publisher in ipairs { "torchvision", "keras" } do
  local file <close> = assert(io.open("spec/fixtures/models/" .. publisher .. ".json", "rb"))
  golden[publisher] = core.json_decode(file:read "a")
end

local cases, names = {}, {}
for publisher, list in pairs(golden) do
  for name, case in pairs(list) do
    if case.logits then cases[#cases + 1] = { publisher = publisher, name = name, case = case } end
    if case.parameters and not names[name] then names[#names + 1], names[name] = name, true end
  end
end
table.sort(cases, function(a, b) return a.name .. a.publisher < b.name .. b.publisher end)
table.sort(names)
for _, name in ipairs(names) do names[name] = nil end

local function built(name, variant)
  return layer.without_initial_values(function() return scion.models[name] { top = true, variant = variant } end)
end


describe("the zoo", function()
  after_each(function() collectgarbage() end)

  for _, case in ipairs(cases) do
    it(("has in %s what %s computes"):format(case.name, case.publisher), function()
      local expected = case.case
      local model = rule.model(expected.model or case.name, case.publisher, expected)
      local logits = rule.logits(model, expected.size)
      assert.is_true(rule.deviation(logits:totable()) > 0.1)
      local d = rule.distance(logits, expected.logits)
      assert.is_true(d < 1e-4, ("the logits differ by %g"):format(d))
      if not expected.gradients then return end
      local gradients = rule.gradients(model, case.publisher, expected.size)
      for name, kept in pairs(expected.gradients) do
        d = rule.distance(gradients[name], kept)
        assert.is_true(d < 1e-4, ("the gradient by the kernel of %s differs by %g"):format(name, d))
      end
    end)
  end

  it("would show a wrong epsilon, padding rule, order of branches or preprocessing", function()
    local function wrong(name, change)
      local case = golden.torchvision[name]
      local model, by_name = rule.model(name, "torchvision", case), {}
      for _, node in ipairs(model.order) do by_name[node.layer.name] = node end
      change(by_name, model.order)
      assert.is_true(rule.distance(rule.logits(model, case.size), case.logits) > 2e-4, name)
    end
    wrong("resnet18", function(_, order)
      for _, node in ipairs(order) do
        if node.layer.kind == "batch_norm" then node.layer.options.epsilon = 1e-3 end
      end
    end)
    wrong("squeezenet1_1", function(nodes)
      local inputs = nodes["fire5/concat"].inputs
      inputs[1], inputs[2] = inputs[2], inputs[1]
    end)
    wrong("inception_v3", function(nodes) nodes["mixed10/branch_pool/pool"].layer.options.include_padding = false end)
    wrong("densenet121", function(nodes) nodes.input.layer.options.preprocess = require("scion.preprocessing").resolve "tf" end)
  end)

  --- Parameters in all and such as train, and multiply-adds.
  local function totals(model)
    local total, trainable, macs = 0, 0, 0
    for i, row in ipairs(model:layers()) do
      local node = model.order[i]
      total, trainable = total + row.parameters, trainable + row.trainable
      if node.layer.macs then macs = macs + node.layer:macs(node.inputs[1].shape, node.shape) end
    end
    return total, trainable, macs
  end

  for _, name in ipairs(names) do
    it(("has in %s the published numbers of parameters%s"):format(name, golden.keras[name] and ", and Keras's layers in its order" or ""), function()
      local architecture, model, i = scion.models[name], built(name), 0
      local total, trainable, macs = totals(model)
      assert.equal(architecture.parameters, total)
      assert.equal(architecture.macs, macs)
      local keras, torchvision = golden.keras[name], golden.torchvision[name]
      if name == "inception_v3" then -- torchvision's has the gammas too
        trainable = select(2, totals(built(name, "torchvision")))
      end
      if torchvision then assert.equal(torchvision.parameters, trainable) end
      if not keras then return end
      assert.equal(keras.parameters, total)
      for hashes in keras.layers:gmatch "%x+%-*" do
        i = i + 1
        local node = model.order[i] or error("there are too few layers")
        local what, title, text = rule.describe(node)
        local expected_title = hashes:sub(9) ~= "----" and hashes:sub(9) or title
        assert.equal(hashes:sub(1, 8) .. expected_title, what .. title, ("layer %d, %s: %s"):format(i, node.layer.name, text))
      end
      assert.equal(i, #model.order)
    end)
  end

  it("is listed whole, as a table", function()
    local listed, text = {}, tostring(scion.models.list())
    for i, architecture in ipairs(scion.models.list()) do listed[i] = architecture.name end
    assert.same(names, listed)
    assert.matches("resnet50 +25,610,152 +4.089 GMAC +224  torchvision: torch, 2 files %(sha256 0676ba61, sha256 11ad3fa6%)", text)
    assert.has_error(function() return scion.models.resnet51 end, "scion.models has no architecture 'resnet51' (the nearest: resnet50, resnet101, resnet152)")
    assert.error_matches(function() return scion.models.builder end, "scion.models has no architecture 'builder'", 1, true)
    assert.has_error(function() scion.models.resnet18 { variant = "keras" } end, "resnet18: variant is 'torchvision', not 'keras'")
    assert.has_error(function() scion.models.mobilenet { width = 0 } end)
  end)
end)
