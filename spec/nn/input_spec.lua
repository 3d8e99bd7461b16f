local layers = dofile "spec/support/layers.lua"
local nn = require("scion").nn

local core = require "scion.core"
local scion = require "scion"

describe("nn.input", function()
  it("has the shape that it is given", function()
    assert.same({ 5, 4, 3 }, nn.input(5, 4, 3).shape)
    assert.same({ 7 }, nn.input { shape = { 7 } }.shape)
    for _, node in ipairs { nn.input(5, 4, 3, { name = "here" }), nn.input({ 5, 4, 3 }, { name = "here" }), nn.input { shape = { 5, 4, 3 }, name = "here" } } do
      assert.same({ 5, 4, 3 }, node.shape)
      assert.equal("here", node.layer.name)
    end
    assert.same({ 1, 2 }, layers.output({ 1, 2 }, nn.rescaling(1)))
  end)

  it("takes u8 images through the weights' preprocessing", function()
    local expected = { tf = { -1, 0, 1 }, unit = { 0, 0.5, 1 } }
    for preprocess, numbers in pairs(expected) do
      local model = scion.model { output = nn.rescaling(1)(nn.input { shape = { 1, 1, 3 }, preprocess = preprocess }) }
      local plan = model:plan_for { mode = "infer", batch = 1, input_dtype = "u8" }
      model:execute(plan, { images = scion.tensor({ { { { 0, 127, 255 } } } }, "u8") })
      local found = core.place(model.arena, plan.output, 1):reshape({ -1 }):totable()
      for c, x in ipairs(numbers) do assert.is_true(math.abs(found[c] - x) < 0.005, preprocess) end
    end
  end)
end)
