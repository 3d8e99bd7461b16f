-- model:explain: against PyTorch's gradients, and on pictures of which it is known what counts.
local core = require "scion.core"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local nn = scion.nn

local golden = core.json_decode(support.slurp "spec/fixtures/grad_cam.json")

local function golden_model()
  local x = nn.conv2d(4, 3, { padding = "same", activation = "relu", name = "first" })(nn.input(14, 10, 3, { preprocess = "unit" }))
  x = nn.max_pool(2)(x)
  x = nn.add() { nn.conv2d(6, 3, { padding = "same", bias = false, name = "left" })(x), nn.conv2d(6, 1, { bias = false, name = "right" })(x) }
  x = nn.global_avg_pool()(nn.relu { name = "last" }(x))
  local model = scion.model { output = nn.dense(3, "softmax", { name = "head" })(x) }
  for _, name in ipairs { "first", "left", "right", "head" } do
    local weights = model:layer(name).weights
    core.copy(core.from_table(golden.weights[name], "f32"), weights.kernel)
    if golden.weights[name .. "_bias"] then core.copy(core.from_table(golden.weights[name .. "_bias"], "f32"), weights.bias) end
  end
  return model
end

-- A model that tells how much red and how much blue there is in the picture's left half.
local function halves(activation)
  local x = nn.conv2d(2, 1, { name = "colours", bias = false })(nn.input(8, 12, 3, { preprocess = "unit" }))
  x = nn.relu { name = "seen" }(x)
  local units = activation == "sigmoid" and 1 or 2
  local model = scion.model { output = nn.dense(units, activation, { name = "head" })(nn.global_avg_pool()(x)) }
  core.copy(core.from_table({ { { { 4, 0 }, { 0, 0 }, { 0, 4 } } } }, "f32"), model:layer "colours".weights.kernel)
  core.copy(core.from_table(units == 2 and { { 1, -1 }, { -1, 1 } } or { { -2 }, { 2 } }, "f32"), model:layer "head".weights.kernel)
  model.labels = { "red", "blue" }
  return model
end

-- Red on the left third, blue on the rest.
local function flag()
  local t = core.new({ 8, 12, 3 }, "u8")
  t:fill(0)
  for y = 1, 8 do
    for x = 1, 12 do t:set(y, x, x <= 4 and 1 or 3, 255) end
  end
  return t
end

describe("model:explain", function()
  teardown(support.done)

  it("draws the maps of PyTorch's gradients", function()
    local model, image = golden_model(), core.from_table(golden.image, "u8")
    for _, map in ipairs(golden.maps) do
      local why = model:explain(image, { class = map.class, layer = map.layer })
      local difference = (why.heat - core.from_table(map.heat, "f32")):abs():max()
      assert(difference < 1e-5, ("class %d at %s: off by %g"):format(map.class, map.layer, difference))
      assert.near(map.confidence, why.confidence, 1e-6)
      assert.same({ map.class, map.class, map.layer, "grad_cam" }, { why.class, why.label, why.layer, why.method })
    end
    assert.equal("last", model:explain(image).layer)
  end)

  it("finds the part that counts, by both methods, for either class", function()
    for _, activation in ipairs { "softmax", "sigmoid" } do
      local model = halves(activation)
      for _, method in ipairs { "grad_cam", "occlusion" } do
        for class, label in ipairs { "red", "blue" } do
          local why = model:explain(flag(), { class = label, method = method })
          local left, right = why.heat:slice(2, 1, 4):mean(), why.heat:slice(2, 5, 12):mean()
          assert(class == 1 and left > 2 * right or class == 2 and right > 2 * left, ("%s %s %s: %g and %g"):format(activation, method, label, left, right))
          assert.same({ { 8, 12 }, { 8, 12, 3 }, label }, { why.heat:shape(), why.picture:shape(), why.label })
          assert.same({ 0, 0 }, { (why.image:to "f32" - flag():to "f32"):abs():max(), math.min(why.heat:min(), 0) })
        end
      end
      assert.equal("blue", model:explain(flag()).label)
    end
  end)

  it("says so where nothing speaks for a class", function()
    local why = halves("softmax"):explain(core.full({ 8, 12, 3 }, 0):to "u8", { class = "red" })
    assert.same({ 0, 0 }, { why.peak, why.heat:max() })
    assert.matches("no part of the picture speaks for it", (tostring(why):gsub("%s+", " ")), 1, true)
  end)

  it("paints nothing where covering a part changes next to nothing, and says so", function()
    local model = halves("softmax")
    model:layer("head").weights.bias:set(2, -12) -- far surer of red than any part can change
    local why = model:explain(flag(), { class = "red", method = "occlusion" })
    assert.is_true(why.peak > 0 and why.peak < 1e-3, why.peak)
    assert.same({ 0, 0 }, { why.heat:max(), (why.picture:to "f32" - flag():to "f32"):abs():max() })
    assert.matches("by covering parts: no square matters, at most [%d.e-]+ points of probability%.$", (tostring(why):gsub("%s+", " ")))
    model:layer("head").weights.bias:set(2, 0)
    assert.equal(1, math.floor(model:explain(flag(), { class = "red", method = "occlusion" }).heat:max() + 0.5))
  end)

  it("prints a map, and saves the picture", function()
    local path = support.folder() .. "/why.png"
    local why = halves("softmax"):explain(flag(), { class = "red" })
    local lines = {}
    for line in tostring(why):gmatch "[^\n]+" do lines[#lines + 1] = line end
    assert.matches("^red %(%d+%.%d%%%), by Grad%-CAM at seen", lines[1])
    assert.matches("|@@[@#*+= .:%-]+ |$", lines[#lines])
    assert.equal(why, why:save(path))
    assert.equal(0, (scion.image.load(path):to "f32" - why.picture:to "f32"):abs():max())
    assert.matches("explanation:save: ", messages.refusal(function() why:save "Makefile/none/why.png" end), 1, true)
  end)

  it("leaves the model as it was, and takes files", function()
    local model, path = halves("softmax"), support.folder() .. "/flag.png"
    assert(scion.image.save(path, flag()))
    model:freeze { layers = "colours" }
    local before = model:predict(path)[1].confidence
    local why = model:explain(path, { method = "occlusion", square = 3 })
    assert.near(before, why.confidence, 1e-6)
    assert.equal(before, model:predict(path)[1].confidence)
    assert.is_true(model:layer "colours".frozen)
  end)

  it("refuses what it cannot explain, in words that lead on", function()
    local model = halves("softmax")
    assert.matches("model:explain: the model has no label 'bleu': did you mean 'blue'?", messages.refusal(function() model:explain(flag(), { class = "bleu" }) end), 1, true)
    assert.matches("model:explain: class is 3, but the model tells 2", messages.refusal(function() model:explain(flag(), { class = 3 }) end), 1, true)
    assert.matches("model:explain: the output of head is 2: grad_cam needs one with height and width",
      messages.refusal(function() model:explain(flag(), { layer = "head" }) end), 1, true)
    assert.matches("model:explain: layer is an option of grad_cam", messages.refusal(function() model:explain(flag(), { layer = "seen", method = "occlusion" }) end), 1, true)
    assert.matches("model:explain: square is 9, but the network sees the picture at 8x12: it is a whole number from 1 to 8",
                   messages.refusal(function() model:explain(flag(), { method = "occlusion", square = 9 }) end), 1, true)
    assert.matches("model:explain: square is an option of occlusion", messages.refusal(function() model:explain(flag(), { square = 3 }) end), 1, true)
    assert.matches("model:explain: one picture at a time is explained, and here are 2", messages.refusal(function() model:explain(core.stack { flag(), flag() }) end), 1, true)
    assert.matches("model:explain: ", messages.refusal(function() model:explain "/nowhere/dog.png" end), 1, true)
    assert.matches("model:explain: ", messages.refusal(function() model:explain(core.full({ 3 }, 1)) end), 1, true)
    local numbers = scion.sequential { nn.input(4), nn.dense(2, "softmax") }
    assert.matches("model:explain: ", messages.refusal(function() numbers:explain(flag()) end), 1, true)
  end)
end)
