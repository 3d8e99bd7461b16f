local core = require "scion.core"
local layers = dofile "spec/support/layers.lua"
local kernels = dofile("spec/support/plans.lua").kernels
local scion = require "scion"
local nn = scion.nn

describe("nn.slice", function()
  it("takes some channels, counted from 1", function()
    assert.same({ { { 2, 3 }, { 6, 7 } } }, layers.output({ { { 1, 2, 3, 4 }, { 5, 6, 7, 8 } } }, nn.slice(2, 3)))
    assert.same({ 4 }, layers.output({ 1, 2, 3, 4 }, nn.slice(4, 4)))
  end)

  it("wants channels that are there", function()
    assert.has_error(function() nn.slice(2, 5)(nn.input(2, 2, 4)) end, "slice: an input of 4 channels has no channels 2 to 5")
    assert.has_error(function() nn.slice(3, 2)(nn.input(2, 2, 4)) end, "slice: an input of 4 channels has no channels 3 to 2")
  end)

  --- A network that slices what a convolution gives, and slices a slice.
  local function network(last)
    local x = nn.conv2d(6, 1, { name = "conv" })(nn.input(4, 4, 3))
    local y = nn.slice(2, 3)(nn.slice(3, 6, { name = "upper" })(x))
    return scion.model { output = last { nn.slice(1, 2)(x), y } }
  end

  it("costs nothing where the next layer reads it, and one copy on the way into a concatenation", function()
    local request = { mode = "infer", batch = 2, input_dtype = "u8" }
    assert.is_nil(kernels(network(nn.add()):plan_for(request)).copy)
    assert.equal(2, kernels(network(nn.concatenate()):plan_for(request)).copy)
  end)

  it("gives the same numbers in place and copied, also as a network's output", function()
    local images, kernel = scion.uniform({ 2, 4, 4, 3 }, 0, 255), nil
    local function output(model, name)
      kernel = kernel or model:layer("conv").weights.kernel
      core.copy(kernel, model:layer("conv").weights.kernel)
      model = name and model:upto(name) or model
      local plan = model:plan_for { mode = "infer", batch = 2, input_dtype = "f32" }
      assert.equal(plan.output.shape[4], plan.output.stride) -- what leaves a plan has no gaps
      assert(model:execute(plan, { images = images }))
      return core.place(model.arena, plan.output, 2):copy()
    end
    local both = output(network(nn.concatenate()))
    local upper, whole = output(network(nn.concatenate()), "upper"), output(network(nn.concatenate()), "conv")
    assert.is_true(upper:equal(whole:slice(4, 3, 6)))
    assert.is_true(both:slice(4, 1, 2):equal(whole:slice(4, 1, 2)))
    assert.is_true(both:slice(4, 3, 4):equal(whole:slice(4, 4, 5)))
    assert.is_true(output(network(nn.add())):equal(whole:slice(4, 1, 2) + whole:slice(4, 4, 5)))
  end)
end)
