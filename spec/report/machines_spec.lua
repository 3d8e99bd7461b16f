-- comm:plan: the time of a step on one machine and on more.
local comm = require "scion.mpi"
local machines = require "scion.report.machines"
local scion = require "scion"
local nn = scion.nn

local cost = { reading = 0.01, frozen = 0.04, at_once = 8, frozen_at_once = 0.25, rest = 0.05, leaving = 0.03, adding = 0.004, update = 0.02, bytes = 10000000, wire = "f32",
               parts = 8, batch = 32, threads = 2 }

local function near(expected, got) assert.is_true(math.abs(expected - got) < 1e-12, ("%.15g, not %.15g"):format(got, expected)) end

describe("a plan for machines", function()
  it("adds up computing, agreeing, and what of the sums is not hidden", function()
    local one = machines.step(cost, 1, 1e-3, 1e9)
    near(8 * 0.06 + 0.25 + 0.02, one.seconds)
    assert.equal(0, one.messages)
    local eight = machines.step(cost, 8, 1e-3, 1e9)
    local sums = 2e-3 + 2 * 7 / 8 * 8e7 / 1e9 -- 0.142 s; the last 0.03 s of the rest and 0.05 s of reading and frozen layers hide a part of it
    local handling = 2 * 2 * 7 / 8 * 1e7 * 0.3e-9 / 2 -- of what is sent and what is received, beside the other thread's work
    near(0.1 + 3 * 0.004 + 0.02 + handling, eight.compute)
    near(sums + 3e-3, eight.messages)
    near(0.08, eight.hidden)
    near(eight.compute + 3e-3 + sums - 0.08, eight.seconds)
    local two = machines.step(cost, 2, 1e-3, 1e9) -- here all of it is hidden
    near(two.messages - 3e-3, two.hidden)
    near(4 * 0.06 + 9 * 0.004 + (0.04 + 0.03 * 3) + 0.02 + 3e-3 + 3e-3, two.seconds) -- each further part at once takes 0.03 s
  end)

  it("knows that a rank whose parts are no branch of the tree sends more than one sum", function()
    local three = machines.step(cost, 3, 0, 1e9) -- parts 0 1 | 2 3 4 | 5 6 7: the second sends (2 + 3) and 4
    near(3 * 2 / 3 * 8e7 / 1e9, three.messages)
    near(3 * 0.06 + 7 * 0.004 + 0.1 + 0.02 + 6e-3, three.compute)
  end)

  it("counts half the bytes where they are sent as bf16, and the rounding", function()
    local halves = setmetatable({ wire = "bf16" }, { __index = cost })
    local eight = machines.step(halves, 8, 1e-3, 1e9)
    near(2e-3 + 3e-3 + 7 / 8 * 8e7 / 1e9, eight.messages)
    near(0.1 + 3 * 0.004 + 0.02 + 2 * 7 / 8 * 1e7 * 0.5e-9 / 2, eight.compute)
  end)

  it("tells where another machine stops paying", function()
    local rows, pays = machines.rows(cost, { 1, 2, 4, 8 }, 2e-4, 1e10)
    assert.equal(8, pays)
    near(1, rows[1].efficiency)
    for i = 2, 4 do
      assert.is_true(rows[i].efficiency < rows[i - 1].efficiency)
      near(rows[1].seconds / rows[i].seconds / rows[i].ranks, rows[i].efficiency)
    end
    local _, slow = machines.rows(cost, { 1, 2, 4, 8 }, 5e-3, 1e8)
    assert.equal(1, slow) -- ten megabytes take longer than what they save
    local _, medium = machines.rows(cost, { 1, 2, 4, 8 }, 2e-4, 5e8)
    assert.equal(4, medium)
  end)

  it("measures this machine, changes nothing, and prints as a table", function()
    scion.seed(1)
    local images = scion.uniform({ 24, 12, 12, 3 }, 0, 255):to "u8"
    local list = {}
    for i = 1, 24 do list[i] = i % 3 + 1 end
    local data = scion.data.tensors(images, list, { batch = 8 })
    local base = scion.sequential { nn.input(12, 12, 3), nn.conv2d(4, 3), nn.relu(), nn.conv2d(4, 3, { name = "last" }) }
    local model = base:freeze { upto = "last" }:graft { nn.batch_norm { statistics = "batch" }, nn.dropout(0.5), nn.global_avg_pool(), nn.dense(3, "softmax") }
    local digest = dofile("spec/support/models.lua").digest
    local before, steps = digest(model), model.steps
    local plan = comm:plan(model, data, { bandwidth = 1e9, latency = 1e-4 })
    assert.equal(before, digest(model))
    assert.equal(steps, model.steps)
    assert.same({ 1, 2, 4, 8 }, { plan[1].ranks, plan[2].ranks, plan[3].ranks, plan[4].ranks })
    assert.equal(4, #plan)
    assert.equal(4 * (4 + 4 + 4 * 3 + 3), plan.cost.bytes) -- of the batch norm's and the dense layer's weights
    assert.is_true(plan.cost.rest > 0)
    assert.equal(0, plan.cost.leaving) -- so few gradients leave together
    assert.equal(8, plan.cost.at_once)
    local text = tostring(plan)
    assert.matches("machines%s+a step", text)
    assert.matches("\n[ >] 8 +%d", text)
    assert.matches("at 1 Gbit/s and 0.1 ms", (text:gsub("%s+", " ")), 1, true)
    assert.is_false(plan.kept)
    assert.is_true(plan.cost.frozen_at_once >= plan.cost.frozen)
    local whole = comm:plan(model, scion.data.tensors(images, list, { batch = 23 }), { bandwidth = 1e9, latency = 1e-4 })
    assert.matches("A batch has one part, and so one machine: give shards", (tostring(whole):gsub("%s+", " ")), 1, true)
  end)

  it("knows how long before the end of a part its gradients begin to leave", function()
    local images = scion.uniform({ 16, 12, 12, 3 }, 0, 255):to "u8"
    local data = scion.data.tensors(images, { 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2, 1, 2 }, { batch = 8 })
    local model = scion.sequential { nn.input(12, 12, 3), nn.conv2d(8, 3), nn.flatten(), nn.dense(300), nn.dense(1000), nn.dense(2, "softmax") }
    local found = comm:plan(model, data, { bandwidth = 1e9, latency = 1e-4 }).cost
    assert.is_true(found.leaving > 0 and found.leaving < found.rest)
  end)

  it("is refused without a network, with more machines than parts, and for a data set of one's own", function()
    local data = scion.data.tensors(scion.zeros { 8, 3 }, { 1, 2, 1, 2, 1, 2, 1, 2 }, { batch = 4 })
    local model = scion.sequential { nn.input(3), nn.dense(2, "softmax") }
    local function refused(...)
      local ok, message = pcall(comm.plan, comm, ...)
      assert.is_false(ok)
      assert.matches("machines_spec.lua:%d+: comm:plan", message)
      return message
    end
    assert.matches("give bandwidth, in bits a second, and latency", refused(model, data), 1, true)
    assert.matches("8 machines are more than the 4 shards of a batch", refused(model, data, { ranks = { 8 }, bandwidth = 1e9, latency = 0 }), 1, true)
    assert.matches("a data set", refused(model, "photos"), 1, true)
    assert.matches("bandwidth", refused(model, data, { bandwidth = 0, latency = 0 }), 1, true)
  end)
end)
