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

local function each(field)
  local list = {}
  for publisher, cases in pairs(golden) do
    for name, case in pairs(cases) do
      if case[field] then list[#list + 1] = { publisher = publisher, name = name, case = case } end
    end
  end
  table.sort(list, function(a, b) return a.name .. a.publisher < b.name .. b.publisher end)
  return ipairs(list)
end

local function built(name, variant)
  return layer.without_initial_values(function() return scion.models[name] { top = true, variant = variant } end)
end


describe("the zoo", function()
  after_each(function() collectgarbage() end)

  for _, case in each "logits" do
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

  for _, case in each "parameters" do
    it(("is in %s made of what %s publishes"):format(case.name, case.publisher), function()
      local architecture, model, i = scion.models[case.name], built(case.name, case.publisher), 0
      for hashes in (case.case.layers or ""):gmatch "%x+%-*" do
        i = i + 1
        local node = model.order[i] or error("there are too few layers")
        local what, name, text = rule.describe(node)
        local expected_name = hashes:sub(9) ~= "----" and hashes:sub(9) or name
        assert.equal(hashes:sub(1, 8) .. expected_name, what .. name, ("layer %d, %s: %s"):format(i, node.layer.name, text))
      end
      assert.is_true(i == 0 or i == #model.order)
      local total, trainable, macs = 0, 0, 0
      for k, row in ipairs(model:layers()) do
        local node = model.order[k]
        total, trainable = total + row.parameters, trainable + row.trainable
        if node.layer.macs then macs = macs + node.layer:macs(node.inputs[1].shape, node.shape) end
      end
      assert.equal(case.case.parameters, case.publisher == "keras" and total or trainable)
      assert.equal(architecture.parameters, total)
      assert.equal(architecture.macs, macs)
    end)
  end
end)
