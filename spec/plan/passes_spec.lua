-- The passes of a plan, each by what it leaves behind.
local core = require "scion.core"
local files = dofile "spec/support/files.lua"
local key = require "scion.cache.key"
local machine = require "scion.machine"
local scion = require "scion"
local shape = require "scion.shape"
local kernels = dofile("spec/support/plans.lua").kernels
local nn = scion.nn
local value = require "scion.ir.value"

local function unit(x, name, filters, kernel, statistics)
  x = nn.conv2d(filters, kernel, { padding = "same", bias = false, name = name .. "/conv" })(x)
  x = nn.batch_norm { scale = false, statistics = statistics or "stored", name = name .. "/norm" }(x)
  return nn.relu { name = name .. "/relu" }(x)
end

local function network(statistics)
  local x = unit(nn.input(8, 8, 3), "a", 4, 3, statistics)
  local left, right = unit(x, "b/left", 4, 1, statistics), unit(x, "b/right", 4, 3, statistics)
  x = nn.concatenate { name = "b" } { left, right }
  x = unit(x, "c", 4, 3, statistics)
  return scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.dropout(0.5)(nn.flatten()(x))) }
end

local function plan(model, mode)
  return model:plan_for { mode = mode or "train", batch = 4, input_dtype = "u8", loss = "categorical" }
end

describe("a request", function()
  it("for a batch too large to count is refused", function()
    local model = network()
    for _, batch in ipairs { 1 << 62, 1 << 40 } do
      local ok, message = pcall(model.plan_for, model, { mode = "infer", batch = batch, input_dtype = "u8" })
      assert.is_false(ok)
      assert.matches("a batch of " .. batch .. "x8x8x3 has more than 2^40 elements", message, 1, true)
    end
  end)
end)

describe("the frontier", function()
  it("keeps backward above it, and weight gradients to what trains", function()
    local model = network()
    model:freeze { upto = "b" }
    local count = kernels(plan(model))
    assert.equal(4, count.conv2d_forward)
    assert.equal(1, count.conv2d_backward_weights)
    assert.is_nil(count.conv2d_backward_input)
    assert.equal(1, count.dense_backward_input)
    model:thaw():freeze { layers = "c/conv" }
    count = kernels(plan(model))
    assert.equal(3, count.conv2d_backward_weights)
    assert.equal(3, count.conv2d_backward_input)
    model:freeze { layers = "*/*" }
    count = kernels(plan(model))
    assert.is_nil(count.conv2d_backward_weights)
    assert.is_nil(count.dense_backward_input)
    assert.equal(1, count.dense_backward_weights)
  end)

  it("lets memory of frozen layers go early", function()
    local model = network()
    local full = plan(model).arena_bytes
    model:freeze { upto = "c" }
    assert.is_true(plan(model).arena_bytes < full)
  end)
end)

describe("minimal filtering", function()
  local function wide(kernel, options)
    local x = nn.conv2d(64, 1, { name = "below" })(nn.input(24, 24, 3))
    x = nn.conv2d(96, kernel, options)(x)
    return scion.model { output = nn.dense(2, "softmax")(nn.global_avg_pool()(x)) }
  end

  it("is for windows of stride 1 with channels enough", function()
    for _, kernel in ipairs { 3, { 1, 7 }, { 7, 1 } } do
      local count = kernels(plan(wide(kernel, { padding = "same" })))
      assert.equal(1, count.winograd_forward)
      assert.equal(1, count.winograd_backward_input)
      assert.equal(1, count.winograd_backward_weights)
    end
    assert.is_nil(kernels(plan(wide(3, { stride = 2 }))).winograd_forward)
    assert.is_nil(kernels(plan(wide(3, { dilation = 2 }))).winograd_forward)
    assert.is_nil(kernels(plan(wide(5, {}))).winograd_forward)
    assert.is_nil(kernels(plan(network())).winograd_forward) -- four channels
  end)

  it("follows from the machine's costs, and the names of cached values tell it", function()
    local function names_and_kernels()
      scion.seed(7)
      local model = wide(3, { padding = "same" })
      return key.of_node(model.output, "f32"), kernels(plan(model))
    end
    local costs <close> = setmetatable({ least_gain = machine.filtering.least_gain }, { __close = function(self)
      machine.filtering.least_gain = self.least_gain
    end })
    local name, count = names_and_kernels()
    assert.equal(name, (names_and_kernels()))
    assert.equal(1, count.winograd_forward)
    machine.filtering.least_gain = 2 * costs.least_gain
    local other, without = names_and_kernels()
    assert.is_nil(without.winograd_forward)
    assert.is_nil(without.winograd_backward_input)
    assert.is_nil(without.winograd_backward_weights)
    assert.not_equal(name, other)
  end)

  it("shows in the predicted speed, and not in the multiply-adds", function()
    local fast, plain = plan(wide(3, { padding = "same" })).cost, plan(wide(3, { padding = 2, dilation = 2 })).cost
    assert.equal(plain.forward, fast.forward)
    assert.is_true(fast.work < plain.work / 1.25)
  end)
end)

describe("packed kernels", function()
  it("stay with their layers where they are frozen, and in the arena where they train", function()
    local function place_of(model)
      for _, call in ipairs(plan(model).calls) do
        if call.window and call.packed and call.x.shape[3] == 8 then return type(call.packed) end
      end
    end
    local x = nn.conv2d(8, 1, { name = "below" })(nn.input(6, 6, 3))
    local model = scion.model { output = nn.dense(2, "softmax")(nn.flatten()(nn.conv2d(8, 2, { name = "above" })(x))) }
    assert.equal("table", place_of(model)) -- a value of the plan
    model:freeze { layers = "above" }
    assert.equal("userdata", place_of(model))
  end)
end)

describe("folding and fusing", function()
  it("leave one kernel for convolution, stored batch norm and activation", function()
    local count = kernels(plan(network(), "infer"))
    assert.equal(4, count.conv2d_forward)
    assert.is_nil(count.scale_shift_forward)
    assert.is_nil(count.activation_forward)
    assert.is_nil(count.dropout)
  end)

  it("leave an activation by itself where its gradient needs its input, and nowhere else", function()
    local function made(activation)
      local x = nn.conv2d(4, 3, { name = "below" })(nn.input(6, 6, 3))
      x = nn.activation(activation)(x)
      return scion.model { output = nn.dense(2, "softmax")(nn.flatten()(x)) }
    end
    for _, activation in ipairs { "swish", "hard_swish", "hard_sigmoid", "gelu", "gelu_tanh" } do
      scion.seed(1)
      local model = made(activation)
      local count = kernels(plan(model))
      assert.equal(1, count.activation_forward)
      assert.equal(1, count.activation_backward)
      assert.is_nil(kernels(plan(model, "infer")).activation_forward)
      local images, labels = scion.uniform({ 4, 6, 6, 3 }, 0, 255):to "u8", scion.tensor({ 0, 1, 1, 0 }, "i32")
      local losses = {}
      for i, upto in ipairs { false, "below" } do -- the same bits by either way
        if upto then model:freeze { upto = upto } end
        local made_plan = plan(model)
        assert(model:execute(made_plan, { images = images, labels = labels, step = 0 }))
        losses[i] = core.place(model.arena, made_plan.losses, 4):copy()
      end
      assert.is_true(losses[1]:equal(losses[2]))
      assert.is_nil(kernels(plan(model)).activation_forward)
    end
    assert.is_nil(kernels(plan(made "tanh")).activation_forward)
  end)

  it("leave no kernel for a border of zeros that one convolution reads", function()
    local function padded(size, readers)
      local x = nn.zero_pad(size)(nn.conv2d(3, 1, { name = "below" })(nn.input(7, 6, 3)))
      local outputs = {}
      for i = 1, readers do outputs[i] = nn.depthwise_conv2d(3, { stride = 2 })(nn.conv2d(4, 3)(x)) end
      x = readers > 1 and nn.add()(outputs) or outputs[1]
      return scion.model { output = nn.dense(2, "softmax")(nn.flatten()(x)) }
    end
    local border = { 0, 1, 2, 1 }
    local count = kernels(plan(padded(border, 1)))
    assert.is_nil(count.zero_pad_forward)
    assert.is_nil(count.zero_pad_backward)
    assert.equal(1, kernels(plan(padded(border, 2))).zero_pad_forward) -- two read it
    assert.equal(1, kernels(plan(padded(3, 1))).zero_pad_forward) -- a window would lie in the border alone
    local images = scion.uniform({ 2, 7, 6, 3 }, 0, 255):to "u8"
    local function outputs(build)
      scion.seed(3)
      return scion.model { output = build(nn.conv2d(3, 1)(nn.input(7, 6, 3))) }:features(images, "last"):totable()
    end
    for _, kind in ipairs { "conv2d", "depthwise_conv2d" } do
      local function convolve(padding)
        local o = { stride = 2, padding = padding, name = "last" }
        return kind == "conv2d" and nn.conv2d(4, 3, o) or nn.depthwise_conv2d(3, o)
      end
      assert.same(outputs(function(x) return convolve(border)(x) end), outputs(function(x) return convolve "valid"(nn.zero_pad(border)(x)) end))
    end
  end)

  it("keep batch statistics by themselves, and fold the frozen ones all the same", function()
    local model = network "batch"
    local count = kernels(plan(model))
    assert.equal(4, count.batch_norm_batch_forward)
    assert.is_nil(count.activation_forward)
    model:freeze { upto = "b" }
    assert.equal(1, kernels(plan(model)).batch_norm_batch_forward)
    assert.is_nil(kernels(plan(model, "infer")).batch_norm_batch_forward)
  end)

  it("fold a gamma that trains, unless the kernel below is frozen", function()
    local x = nn.conv2d(4, 1, { name = "conv" })(nn.input(4, 4, 3))
    x = nn.batch_norm { statistics = "stored", name = "norm" }(x)
    local model = scion.model { output = nn.dense(2, "softmax")(nn.flatten()(x)) }
    local count = kernels(plan(model))
    assert.equal(1, count.batch_norm_unfold)
    assert.is_nil(count.batch_norm_stored_backward)
    model:freeze { layers = "conv" }
    count = kernels(plan(model))
    assert.equal(1, count.batch_norm_stored_backward)
    assert.is_nil(count.batch_norm_unfold)
  end)

  it("add a residual in the convolution that ends the block, and pass its gradient on uncopied", function()
    local x = unit(nn.input(4, 4, 3), "a", 4, 1)
    local y = nn.conv2d(4, 1)(unit(x, "b", 4, 3))
    x = nn.add { activation = "relu" } { y, x }
    x = nn.add() { nn.conv2d(4, 1)(x), nn.conv2d(4, 3, { padding = "same", activation = "relu" })(x) } -- relu: not this one
    local made = plan(scion.model { output = nn.dense(2, "softmax")(nn.flatten()(x)) })
    local count, added = kernels(made), 0
    for _, call in ipairs(made.calls) do
      if call.addend then
        added = added + 1
        assert.equal("relu", call.activation)
      end
    end
    assert.equal(1, added)
    assert.equal(1, count.add_forward)
    assert.equal(1, count.copy) -- the gradient of the sum left over, to the second of its inputs
    assert.is_nil(count.activation_backward)
  end)

  it("do not fold what somebody else reads", function()
    local x = nn.conv2d(4, 1, { name = "conv" })(nn.input(4, 4, 3))
    local y = nn.batch_norm { statistics = "stored" }(x)
    local model = scion.model { output = nn.dense(2, "softmax")(nn.flatten()(nn.add() { x, y })) }
    assert.equal(1, kernels(plan(model, "infer")).scale_shift_forward)
  end)
end)

describe("aliasing", function()
  it("writes branches straight into a concatenation, and copies what feeds two", function()
    assert.is_nil(kernels(plan(network(), "infer")).copy)
    local x = unit(nn.input(4, 4, 3), "a", 2, 1)
    local y = unit(x, "b", 3, 1)
    local both = nn.concatenate() { nn.concatenate() { x, y }, nn.concatenate() { y, x } }
    local model = scion.model { output = nn.dense(3, "softmax")(nn.global_avg_pool()(both)) }
    assert.equal(2, kernels(plan(model, "infer")).copy)
    local made = plan(model)
    local images = scion.uniform({ 4, 4, 4, 3 }, 0, 255):to "u8"
    assert.is_true(model:execute(made, { images = images, labels = scion.tensor({ 0, 1, 2, 0 }, "i32") }))
  end)
end)

describe("placement", function()
  it("never gives two values that live at one time the same bytes", function()
    for _, freeze in ipairs { "none", "b" } do
      local model = network "batch"
      if freeze ~= "none" then model:freeze { upto = freeze } end
      local made = plan(model)
      local first, last = {}, {}
      for i, call in ipairs(made.calls) do
        for _, operand in pairs(call) do
          if value.is(operand) then
            local root = value.root(operand)
            root = root.within or root
            first[root] = math.min(first[root] or i, root.input and 0 or i)
            last[root] = root.pinned and #made.calls + 1 or i
          end
        end
      end
      local function size(root) return shape.bytes(root.shape, root.dtype) * (root.fixed and 1 or 4) end
      for a in pairs(first) do
        assert.is_true(a.offset >= 0 and a.offset % 64 == 0)
        for b in pairs(first) do
          if a ~= b and first[a] <= last[b] and first[b] <= last[a] then
            assert.is_true(a.offset + size(a) <= b.offset or b.offset + size(b) <= a.offset)
          end
        end
      end
    end
  end)
end)

describe("placement in another process", function()
  it("is the same", function() -- where the order of a table's keys may be another
    local script = [[
      local scion = require "scion"
      local nn = scion.nn
      local x = nn.batch_norm()(nn.conv2d(4, 3)(nn.input(8, 8, 3)))
      local model = scion.model { output = nn.dense(3, "softmax")(nn.flatten()(x)) }
      local plan = model:plan_for { mode = "train", batch = 4, input_dtype = "u8", loss = "categorical", weighted = true }
      for _, call in ipairs(plan.calls) do
        local offsets = {}
        for name, v in pairs(call) do
          while type(v) == "table" and v.parent do v = v.parent end
          if type(v) == "table" and v.offset then offsets[#offsets + 1] = name .. v.offset end
        end
        table.sort(offsets)
        print(call[1], table.concat(offsets, " "))
      end]]
    local first
    for _ = 1, 8 do
      local out = files.shell("lua5.4 -e " .. files.quoted(script))
      assert.matches("softmax_cross_entropy", out, 1, true)
      first = first or out
      assert.equal(first, out)
    end
  end)
end)

describe("a kept plan", function()
  it("serves smaller batches and packs frozen weights once", function()
    local model = network()
    model:freeze { upto = "c" }
    local made = plan(model, "infer")
    assert.equal(made, model:plan_for { mode = "infer", batch = 2, input_dtype = "u8", loss = "categorical" })
    local packed = model.order[2].layer.derived
    local images, labels = scion.uniform({ 4, 8, 8, 3 }, 0, 255):to "u8", scion.tensor({ 0, 1, 2, 0 }, "i32")
    model:execute(made, { images = images, labels = labels })
    local versions = {}
    for name, entry in pairs(packed) do versions[name] = entry.stamp end
    local whole = core.place(model.arena, made.output, 4):copy()
    model:execute(made, { images = images:slice(1, 2, 3):copy(), labels = labels:slice(1, 2, 3):copy() })
    assert.is_true((core.place(model.arena, made.output, 2) - whole:slice(1, 2, 3)):abs():max() < 1e-6)
    for name, entry in pairs(packed) do assert.equal(versions[name], entry.stamp) end
  end)

  it("follows weights that a user changes by hand", function()
    local model = network()
    local image = scion.uniform({ 1, 8, 8, 3 }, 0, 255):to "u8"
    local before = model:features(image, "c/conv")
    model:layer("c/conv").weights.kernel:fill(0)
    assert.is_false(before:equal(model:features(image, "c/conv")))
    assert.equal(0, model:features(image, "c/conv"):max())
  end)
end)
