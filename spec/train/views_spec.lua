-- Test-time augmentation: the outputs of several views of an image are averaged.
local scion = require "scion"
local messages = require "spec.support.messages"
local support = dofile "spec/support/images.lua"
local nn = scion.nn

describe("model:predict with several views", function()
  teardown(support.done)

  local function network(head)
    scion.seed(5)
    return scion.sequential { nn.input(9, 8, 3), nn.conv2d(4, 3, { activation = "relu" }), nn.flatten(), head }
  end

  local function files(n)
    local folder, list = support.folder(), {}
    for i = 1, n do
      list[i] = ("%s/%02d.png"):format(folder, i)
      assert(scion.image.save(list[i], support.pattern(12, 11, i * 31)))
    end
    return list
  end

  local function outputs(list)
    local found = {}
    for i, entry in ipairs(list) do found[i] = entry.output end
    return scion.tensor(found)
  end

  it("averages the image as it is and the draws of the data set's augmentation", function()
    local model = network(nn.dense(3))
    local data = scion.data.files(files(5), { size = { 9, 8 }, batch = 2, augment = { rotation = 30, zoom = 0.3, flip = "both" } })
    local sum = outputs(model:predict(data))
    for epoch = 1, 3 do
      local views = {}
      for batch in data:batches(epoch + 1, { shuffle = false }) do
        for _, row in ipairs(outputs(model:predict(batch.x)):totable()) do views[#views + 1] = row end
      end
      sum = sum + scion.tensor(views)
    end
    local found = outputs(model:predict(data, { tta = 4 }))
    assert.is_true((found - sum / 4):abs():max() < 1e-5)
    assert.is_true((found - outputs(model:predict(data))):abs():max() > 1e-3)
    assert.is_true(found:equal(outputs(model:predict(data, { tta = 4, batch = 5 }))))
    assert.is_true(outputs(model:predict(data, { tta = 1 })):equal(outputs(model:predict(data))))
  end)

  it("draws small changes where the data set has none, and averages probabilities", function()
    local model, list = network(nn.dense(3, "softmax")), files(4)
    local once, often = model:predict(list, { top = 3 }), model:predict(list, { tta = 6, top = 3 })
    for i, entry in ipairs(often) do
      local sum = 0
      for _, best in ipairs(entry.top) do sum = sum + best.confidence end
      assert.near(1, sum, 1e-5)
      assert.equal(list[i], entry.file)
      assert.is_true(entry.confidence ~= once[i].confidence and math.abs(entry.confidence - once[i].confidence) < 0.5)
    end
  end)

  it("leaves changes of whole batches out, which bring in other images", function()
    local model, A = network(nn.dense(3)), scion.augment
    local data = scion.data.files(files(6), { size = { 9, 8 }, batch = 3, augment = { A.rotate(20), A.mixup { alpha = 2 }, A.cutmix() } })
    local alone = data:with { augment = { A.rotate(20) } }
    assert.is_true(outputs(model:predict(data, { tta = 4 })):equal(outputs(model:predict(alone, { tta = 4 }))))
    local mixed = data:with { augment = { A.mixup { alpha = 2 } } }
    assert.is_true(outputs(model:predict(mixed, { tta = 4 })):equal(outputs(model:predict(data:with { augment = false }, { tta = 4 }))))
  end)

  it("tells of files that cannot be read, as without", function()
    local model, list = network(nn.dense(3, "softmax")), files(3)
    support.spit(list[2], "no image")
    local once, often = model:predict(list), model:predict(list, { tta = 3 })
    assert.equal(once[2].error, often[2].error)
    assert.is_truthy(often[1].label and often[3].label)
    assert.matches("tta is a whole number from 1 to 1000, not 0", messages.refused(function() model:predict(list, { tta = 0 }) end), 1, true)
  end)
end)
