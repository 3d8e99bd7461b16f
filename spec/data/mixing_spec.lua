-- mixup and cutmix: what a batch becomes, its targets among it. Each image is a class of its own here, so that the targets tell whom it was
-- mixed with, and by which share.
local mixing = require "scion.data.mixing"
local scion = require "scion"
local messages = require "spec.support.messages"
local support = dofile "spec/support/images.lua"
local A, nn = scion.augment, scion.nn

local n, height, width = 12, 9, 7

local function images()
  scion.seed(11)
  return scion.uniform({ n, height, width, 3 }, 0, 256):clamp(0, 255):to "u8"
end

local function data(augment, given)
  local numbers = {}
  for i = 1, n do numbers[i] = i end
  local o = { batch = 5, seed = 4, augment = augment }
  for key, value in pairs(given or {}) do o[key] = value end
  return scion.data.tensors(images(), numbers, o)
end

--- Calls f(image, of one's own, of the partner, share, row of targets) for each image of an epoch.
local function each(set, epoch, f)
  local pixels = images()
  for batch in set:batches(epoch) do
    for i = 1, #batch do
      local row, own, partner = batch.y:select(i):totable(), batch.index:get(i), nil
      for k, share in ipairs(row) do
        if share > 0 and k ~= own then partner = k end
      end
      f(batch.x:select(i), pixels:select(own), partner and pixels:select(partner), row[own], row)
    end
  end
end

describe("mixing of batches", function()
  teardown(support.done)

  it("blends each image with another, and their targets by the same share", function()
    local mixed = 0
    for epoch = 1, 4 do
      each(data { A.mixup { alpha = 1 } }, epoch, function(image, own, partner, share, row)
        local sum = 0
        for _, value in ipairs(row) do sum = sum + value end
        assert.near(1, sum, 1e-6)
        if not partner then return end
        local expected = own:to "f32" * share + partner:to "f32" * (1 - share)
        assert.is_true((image:to "f32" - expected):abs():max() <= 0.51)
        mixed = mixed + 1
      end)
    end
    assert.is_true(mixed > 20)
  end)

  it("tells once where batches of one image have none to mix it with, but not of a last batch of one", function()
    local function told(augment, given)
      local set = data({ augment }, given)
      return support.stderr_of(function()
        for _ = 1, 2 do
          for batch in set:batches() do assert.is_true(batch.y:shape()[2] == n) end
        end
      end)
    end
    assert.equal("", told(A.mixup(), { batch = n - 1 }))
    assert.equal("scion: scion.augment.mixup: batches of one image have none to mix it with, so that it changes nothing: give data sets a batch of 2 or more\n",
                 told(A.mixup(), { batch = 1 }))
    assert.matches("scion.augment.cutmix: batches of one image", told(A.cutmix(), { batch = 1 }), 1, true)
  end)

  it("takes a box from another image, and shares of the targets by the area", function()
    local mixed = 0
    for epoch = 1, 6 do
      each(data { A.cutmix() }, epoch, function(image, own, partner, share)
        if not partner then return end
        local same = image:eq(own):to "f32"
        local others = image:eq(partner):to "f32"
        assert.equal(height * width * 3, same:sum() + others:sum() - (same * others):sum())
        local kept = 0 -- pixels of its own, all three channels of which are
        for y = 1, height do
          for x = 1, width do
            local alike = true
            for c = 1, 3 do alike = alike and image:get(y, x, c) == own:get(y, x, c) end
            kept = kept + (alike and 1 or 0)
          end
        end
        assert.near(share, kept / (height * width), 1e-6)
        mixed = mixed + 1
      end)
    end
    assert.is_true(mixed > 10)
  end)

  it("draws shares from the Beta distribution, and others for each batch and epoch", function()
    for _, alpha in ipairs { 0.2, 1, 2 } do
      local list, count = {}, 2000
      for i = 1, count do list[i] = mixing.share({ seed = 3, epoch = i // 50, batch = i % 50 }, alpha) end
      local shares = scion.tensor(list)
      local mean = shares:mean()
      assert.near(0.5, mean, 0.03)
      local variance = ((shares - mean) * (shares - mean)):mean()
      assert.near(1, variance * 4 * (2 * alpha + 1), 0.1)
    end
  end)

  it("depends on seed and epoch alone, and is off for evaluation", function()
    local function bytes(set, epoch)
      local parts = {}
      for batch in set:batches(epoch) do parts[#parts + 1] = batch.x:bytes() .. batch.y:bytes() end
      return table.concat(parts)
    end
    local list = { A.flip(), A.mixup(), A.cutmix() }
    local one = bytes(data(list, { workers = 1 }), 3)
    assert.equal(one, bytes(data(list, { workers = 5 }), 3))
    assert.not_equal(one, bytes(data(list), 2))
    local model = scion.sequential { nn.input(height, width, 3), nn.conv2d(4, 3), nn.global_avg_pool(), nn.dense(n, "softmax") }
    local history = model:fit(data(list), { epochs = 2, verbose = false })
    assert.is_true(history[2].loss > 0 and history[2].accuracy <= 1)
    assert.equal(model:evaluate(data()).loss, model:evaluate(data(list)).loss)
  end)

  it("leaves what there is nothing to mix with, and images without labels keep none", function()
    local pixels = images()
    for batch in data({ A.mixup { alpha = 1 } }, { batch = 1 }):batches() do
      assert.is_true(batch.x:select(1):equal(pixels:select(batch.y:argmax())))
    end
    local bare = scion.data.tensors(images(), nil, { augment = { A.mixup { alpha = 1 } }, batch = 6 })
    for batch in bare:batches() do assert.is_nil(batch.y) end
    assert.matches("alpha is a number above 0", messages.refused(function() A.mixup { alpha = 0 } end), 1, true)
    assert.matches("cutmix before flip: what changes whole batches comes last", messages.refused(function() data { A.cutmix(), A.flip() } end), 1, true)
  end)
end)
