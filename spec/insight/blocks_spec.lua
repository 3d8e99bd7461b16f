-- The places at which networks can be cut.
local blocks = require "scion.insight.blocks"
local scion = require "scion"
local nn = scion.nn

local function names_of(model)
  local names = {}
  for i, block in ipairs(blocks.of(model)) do names[i] = block.name end
  return names
end

describe("a network's blocks", function()
  it("are four or more in each family of architectures, each a place to cut, and the last one the end", function()
    local smallest, families = {}, 0
    for _, architecture in ipairs(scion.models.list()) do
      local family = architecture.name:gsub("%d", "")
      local other = smallest[family]
      families = families + (other and 0 or 1)
      if not other or architecture.parameters < other.parameters then smallest[family] = architecture end
    end
    assert(families > 20)
    for _, architecture in pairs(smallest) do
      local name = architecture.name
      local model = scion.models[name] { input = 224 }
      local list, before = blocks.of(model), 0
      assert(#list >= 4, name)
      assert.equal(model.output, list[#list].node, name)
      for i, block in ipairs(list) do
        local part = model:upto(block.name)
        assert.equal(block.node.layer, part.output.layer, name)
        assert.equal(block.features, part.output.shape[#part.output.shape])
        assert.is_true(#part.order > before, name)
        before = i == 1 and #part.order or before
      end
    end
  end)

  it("are the stages of a RegNet, the cells of NASNet, and no padding", function()
    assert.same({ "stem", "trunk_output/block1", "trunk_output/block2", "trunk_output/block3", "trunk_output/block4" }, names_of(scion.models.regnet_y_400mf { input = 224 }))
    local cells = names_of(scion.models.nasnet_mobile { input = 224 })
    assert.same({ "stem_bn1", "reduction_stem_1", "reduction_stem_2", "normal_0", "normal_1" }, table.move(cells, 1, 5, 1, {}))
    assert.same({ "conv1", "conv_dw_1", "conv_pw_1", "conv_dw_2" }, table.move(names_of(scion.models.mobilenet { input = 224 }), 1, 4, 1, {}))
  end)

  it("are none of a network's classifier: the last one is what stands before it", function()
    for name, last in pairs { squeezenet1_1 = "drop9", resnet18 = "avgpool", vgg16 = "fc2", mobilenet_v3_small = "dropout" } do
      local list = blocks.of(scion.models[name] { input = 64, top = true })
      assert.equal(last, list[#list].name, name)
    end
    assert.same({ "first" }, names_of(scion.sequential { nn.input(4), nn.dense(3, { name = "first" }), nn.dense(2, "softmax") }))
    assert.same({ "first", "second" }, names_of(scion.sequential { nn.input(4), nn.dense(3, { name = "first" }), nn.dense(2, { name = "second" }) }))
  end)

  it("do not lie within a branch", function()
    local x = nn.conv2d(4, 3, { padding = "same", name = "first" })(nn.input(8, 8, 3))
    local y = nn.batch_norm { name = "branch_norm" }(nn.conv2d(4, 1, { name = "branch" })(x))
    local z = nn.conv2d(4, 1, { name = "other/a" })(nn.conv2d(4, 1, { name = "other/b" })(x))
    local model = scion.model { output = nn.conv2d(4, 1, { name = "last" })(nn.add { name = "sum" } { y, z }) }
    assert.same({ "first", "sum", "last" }, names_of(model))
  end)
end)
