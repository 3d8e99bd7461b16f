-- What an optimizer keeps between steps: for a checkpoint, and while layers are frozen.
local core = require "scion.core"
local gradients = dofile "spec/support/gradients.lua"
local models = dofile "spec/support/models.lua"
local scion = require "scion"
local nn = scion.nn

local function network(units)
  scion.seed(5)
  return scion.sequential { nn.input(8, 8, 3), nn.conv2d(4, 3, { name = "a/conv" }), nn.batch_norm { name = "a/norm" }, nn.global_avg_pool(),
                            nn.dense(units or 3, { name = "head" }) }
end

local options = { sgd = { momentum = 0.9 }, rmsprop = { momentum = 0.5 } }
local function make(name) return scion.optim[name](options[name]) end

-- Some steps on gradients that follow from the step's number.
local function run(optimizer, model, from, to)
  local buffer = gradients.zeros(model)
  for step = from, to do
    core.fill_normal(buffer.flat, 11, step, 0, 1)
    assert.is_nil(optimizer:step(optimizer:groups_of(model), buffer))
  end
end

-- A network with the weights of another.
local function twin(model)
  local other = network()
  for i, node in ipairs(model.order) do
    for k, p in ipairs(node.layer.parameters) do core.run { "copy", x = p.tensor, y = other.order[i].layer.parameters[k].tensor } end
  end
  return other
end

describe("an optimizer's state", function()
  it("continues bit by bit in another optimizer and another model", function()
    for name in pairs(scion.optim) do
      local model, optimizer = network(), make(name)
      run(optimizer, model, 1, 5)
      local other, again = twin(model), make(name)
      assert.is_true(again:restore(other.order, optimizer:state(model.order)))
      run(optimizer, model, 6, 10)
      run(again, other, 6, 10)
      assert.same(models.bytes(model), models.bytes(other), name)
      local anew, fresh = twin(model), make(name)
      run(optimizer, model, 11, 12)
      run(fresh, anew, 11, 12)
      assert.not_same(models.bytes(model), models.bytes(anew), name) -- so that a state which is lost would be seen
    end
  end)

  it("is copied, named, and in the model's order", function()
    local model, optimizer = network(), scion.optim.adam()
    run(optimizer, model, 1, 2)
    local state, list = optimizer:state(model.order), {}
    for i, entry in ipairs(state.tensors) do list[i] = entry.name end
    assert.equal("a/conv/kernel/momentum a/conv/kernel/velocity a/conv/bias/momentum a/conv/bias/velocity a/norm/gamma/momentum " ..
                 "a/norm/gamma/velocity a/norm/beta/momentum a/norm/beta/velocity head/kernel/momentum head/kernel/velocity head/bias/momentum " ..
                 "head/bias/velocity", table.concat(list, " "))
    assert.same({ ["a/conv/kernel"] = 2, ["a/conv/bias"] = 2, ["a/norm/gamma"] = 2, ["a/norm/beta"] = 2, ["head/kernel"] = 2, ["head/bias"] = 2 }, state.steps)
    local again = scion.optim.adam()
    assert.is_true(again:restore(model.order, state))
    local kept = again:state(model.order).tensors[1].tensor
    local before = kept:bytes()
    run(optimizer, model, 3, 3)
    assert.equal(before, kept:bytes())
  end)

  it("stays while a layer is frozen, and goes on when it is thawed", function()
    local model, optimizer = network(), scion.optim.adam()
    run(optimizer, model, 1, 2)
    model:freeze { upto = "a" }
    run(optimizer, model, 3, 3)
    local steps = optimizer:state(model.order).steps
    assert.same({ 2, 3 }, { steps["a/conv/kernel"], steps["head/kernel"] })
    model:thaw()
    run(optimizer, model, 4, 4)
    assert.equal(3, optimizer:state(model.order).steps["a/conv/kernel"])
  end)

  it("is that of one model, whose layers may have the names of another's", function()
    local one, other, optimizer = network(), network(), scion.optim.adam()
    run(optimizer, one, 1, 1)
    run(optimizer, other, 2, 3)
    assert.equal(1, optimizer:state(one.order).steps["head/bias"])
    assert.equal(2, optimizer:state(other.order).steps["head/bias"])
    assert.same({}, optimizer:state(network().order).tensors)
  end)

  it("brings back what was set between steps", function()
    local o = { lr = 0.1, groups = { { layers = "a", lr = 1 }, { layers = "head", weight_decay = 1 } } }
    local model, optimizer, again = network(), scion.optim.adam(o), scion.optim.adam(o)
    optimizer.lr, optimizer.beta1, optimizer.groups[1].lr, optimizer.groups[2].weight_decay = 0.05, 0.8, 0.5, nil
    assert.is_true(again:restore(model.order, optimizer:state(model.order)))
    assert.same({ 0.05, 0.8, 0.5 }, { again.lr, again.beta1, again.groups[1].lr })
    assert.is_nil(again.groups[2].weight_decay)
  end)

  it("holds rates, which need not be there again", function()
    local lr = scion.lr
    local function made(rate) return scion.optim.adam { lr = rate, groups = { { layers = "a", lr = lr.cosine(1) } } } end
    local model, optimizer, again = network(), made(lr.cosine(0.1)), made(lr.cosine(0.1))
    optimizer.scale = 0.5
    local state = optimizer:state(model.order)
    assert.same({ { rate = "cosine", options = { lr = 0.1, to = 0 } }, 0.5 }, { state.values.lr, state.values.scale })
    assert.is_true(again:restore(model.order, state))
    assert.same({ "cosine(0.1)", 0.5 }, { tostring(again.lr), again.scale })
    local _, message = made(lr.cosine(0.2)):restore(model.order, state)
    assert.matches("the state is that of adam(lr = cosine(0.1), groups", message, 1, true)
    for _, rate in ipairs { lr.step(1, { every = 2 }), lr.warmup(lr.cosine(lr.by_depth(1, 0.1), { to = 1e-6 }), { share = 0.25 }), lr.one_cycle(1e-3), lr.layer_decay(1, 0.5),
                            lr.polynomial(0.5), lr.exponential(0.5, { factor = 0.9 }), lr.constant(1e-3) } do
      optimizer.lr = rate
      assert.is_true(again:restore(model.order, optimizer:state(model.order)))
      assert.equal(tostring(rate), tostring(again.lr))
      for step = 1, 8 do assert.equal(rate:at { step = step, steps = 8, depth = 1, deepest = 2 }, again.lr:at { step = step, steps = 8, depth = 1, deepest = 2 }) end
    end
    local damaged = optimizer:state(model.order)
    damaged.values.lr = { rate = "sawtooth", options = {} }
    _, message = again:restore(model.order, damaged)
    assert.matches("the state's lr is no rate: scion.lr has no 'sawtooth'", message, 1, true)
    optimizer.lr = 0.25
    assert.is_true(again:restore(model.order, optimizer:state(model.order)))
    assert.equal(0.25, again.lr)
  end)

  it("goes with its model", function()
    local optimizer = scion.optim.adam()
    run(optimizer, network(), 1, 1)
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(optimizer.states))
  end)

  it("that does not fit is refused with a reason, and changes nothing", function()
    local model, optimizer = network(), scion.optim.adam()
    run(optimizer, model, 1, 1)
    local function refused(expected, change, into, made)
      local state = optimizer:state(model.order)
      if change then change(state) end
      local target, order = made or scion.optim.adam(), (into or model).order
      run(target, into or model, 1, 2)
      local function all()
        local found = target:state(order)
        for i, entry in ipairs(found.tensors) do found.tensors[i] = entry.name .. entry.tensor:bytes() end
        return found
      end
      local before = all()
      local ok, message = target:restore(order, state)
      assert.is_nil(ok)
      assert.matches(expected, message, 1, true)
      assert.same(before, all())
    end
    refused("the state is that of adam(lr = 0.001), and the optimizer is sgd(lr = 0.01)", nil, nil, scion.optim.sgd())
    refused("and the optimizer is adam(lr = 0.1); make it as it was", nil, nil, scion.optim.adam { lr = 0.1 })
    refused("head/kernel/momentum is f32 4x3, and the weight is f32 4x2", nil, network(2))
    refused("the state has the weight hed/bias, and the model has none of that name; the nearest is head/bias", function(s) s.steps["hed/bias"] = 1 end)
    refused("head/bias/age, which adam does not keep", function(s) s.tensors[#s.tensors].name = "head/bias/age" end)
    refused("head/bias/momentum, which adam does not keep", function(s) s.steps["head/bias"] = nil end)
    refused("steps of head/bias are 0.5", function(s) s.steps["head/bias"] = 0.5 end)
    refused("the state's lr is -1, and not a number from 0 up or a rate", function(s) s.values.lr = -1 end)
    refused("the state's beta1 is nil", function(s) s.values.beta1 = nil end)
  end)
end)
