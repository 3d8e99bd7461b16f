--- Augmentations as lists, the pipeline that they become, and how images of another shape fit. What ImageDataGenerator's options give is in
--- data_spec.lua; the boxes of a crop are in spec/csrc/image_test.c.
local scion = require "scion"
local core = require "scion.core"
local messages = dofile "spec/support/messages.lua"
local pipeline = require "scion.data.pipeline"
local support = dofile "spec/support/images.lua"

local A, data, image = scion.augment, scion.data, scion.image

--- What `count` epochs make of one image: bytes, by epoch.
local function drawn(x, augment, given, count)
  local shape, o = x:shape(), { augment = augment, seed = 11, workers = 1 }
  for key, value in pairs(given or {}) do o[key] = value end
  local set, seen = data.tensors(x:copy():reshape(1, shape[1], shape[2], 3), nil, o), {}
  for epoch = 1, count or 1 do
    for batch in set:batches(epoch) do seen[epoch] = batch.x:bytes() end
  end
  return seen
end

-- a smooth picture: neighbours differ by a few levels, and no value is near 0 or 255
local function smooth(height, width)
  return image.resize(((support.pattern(3, 3):to "f32") * 0.2 + 90):to "u8", { height, width }, { filter = "bicubic" })
end

local all = {
  autocontrast = { 1 }, blur = {}, brightness = { 0.4 }, centre_crop = {}, channel_shift = { 30 }, contrast = { 0.4 }, equalize = { 1 },
  erase = { { p = 1 } }, flip = {}, gray = { 1 }, hue = { 0.2 }, image_data_generator = { { rotation = 20, zoom = 0.2 } }, invert = { 1 },
  jitter = { { brightness = 0.4, contrast = 0.4, saturation = 0.4, hue = 0.1 } }, jpeg = {}, posterize = { { p = 1 } }, rand_augment = {},
  random_crop = { 3 }, random_resized_crop = {}, rotate = { 20 }, saturation = { 0.9 }, sharpness = { 0.9 }, shear = { 20 }, solarize = { { p = 1 } },
  translate = { 0.2 }, trivial_augment = {}, zoom = { 0.3 },
}
local of_batches = { custom = true, mixup = true, cutmix = true } -- mixing_spec has the last two
local function made(name) return A[name](table.unpack(all[name])) end

describe("an augmentation", function()
  it("of each kind changes images by what is drawn, the same with any number of workers, also those of a single pixel", function()
    local n = 5
    local pictures = (support.pattern(20 * n, 17):to "f32" * 0.6 + 20):to "u8":reshape(n, 20, 17, 3)
    for name in pairs(A) do
      if not of_batches[name] then
        assert(all[name], name .. " is not tried here")
        local function run(workers, given)
          local set = data.tensors(pictures, nil, { augment = { made(name) }, seed = 4, workers = workers, size = given.size, shuffle = false })
          local bytes = {}
          for batch in set:batches(given.epoch or 1, { batch = given.batch, augment = given.augment }) do bytes[#bytes + 1] = batch.x:bytes() end
          return table.concat(bytes)
        end
        local one = run(1, { batch = 3 })
        assert.is_true(one == run(4, { batch = 2 }), name)
        assert.is_true(one ~= run(2, { augment = false }), name)
        local fixed = ({ autocontrast = 1, centre_crop = 1, equalize = 1, gray = 1, invert = 1, posterize = 1, solarize = 1 })[name]
        assert.equal(fixed ~= nil, one == run(2, { epoch = 2 }), name)
        for _, size in ipairs { 1, { 1, 9 }, { 9, 1 }, { 31, 2 } } do
          assert.equal(n * (type(size) == "number" and size * size or size[1] * size[2]) * 3, #run(2, { size = size }), name)
        end
      end
    end
  end)

  it("happens with its probability", function()
    local x = support.pattern(4, 4)
    for p, low in pairs { [0] = 0, [0.25] = 60, [1] = 300 } do
      local count = 0
      for _, bytes in ipairs(drawn(x, { A.invert(p) }, nil, 300)) do count = count + (bytes ~= x:bytes() and 1 or 0) end
      assert.is_true(count >= low and count <= (p == 0.25 and 90 or low), ("p = %g: %d of 300"):format(p, count))
    end
  end)

  it("draws for itself: another one before it changes nothing of what it draws, but its own place does", function()
    local x = support.pattern(40, 40)
    local alone = drawn(x, { A.random_crop(9) }, nil, 5)
    assert.same(alone, drawn(x, { A.random_crop(9), A.brightness { factor = 0.5, p = 0 } }, nil, 5))
    assert.not_same(alone, drawn(x, { A.brightness { factor = 0.5, p = 0 }, A.random_crop(9) }, nil, 5))
  end)

  it("of places folds with its neighbours into what one after the other gives, within a level", function()
    local x = smooth(40, 50)
    local function step_by_step(list)
      local now = {}
      for epoch = 1, 4 do
        local y = x
        for i, each in ipairs(list) do -- its own place in the list, with nothing that is drawn before it
          local alone = {}
          for k = 1, i - 1 do alone[k] = A.invert(0) end
          alone[i] = each
          y = core.from_bytes(drawn(y, alone, { size = { 40, 50 } }, epoch)[epoch], { 40, 50, 3 })
        end
        now[epoch] = y
      end
      return now
    end
    local list = { A.rotate(10), A.zoom { factor = { 0.6, 0.7 } }, A.flip { p = 1 }, A.translate(0.05) }
    local steps = step_by_step(list)
    for epoch, bytes in ipairs(drawn(x, list, { size = { 40, 50 } }, 4)) do
      local folded = core.from_bytes(bytes, { 40, 50, 3 })
      local inner = { 12, 10, 38, 30 } -- what no fill reached
      local off = support.largest_difference(image.crop(folded, inner):bytes(), image.crop(steps[epoch], inner):bytes())
      assert.is_true(off <= 2, ("off by %d"):format(off)) -- each of the four steps was rounded
    end
    list = { A.brightness(0.1), A.contrast(0.2), A.saturation(0.5), A.channel_shift(5) }
    steps = step_by_step(list)
    for epoch, bytes in ipairs(drawn(x, list, nil, 4)) do
      local off = support.largest_difference(bytes, steps[epoch]:bytes())
      assert.is_true(off <= 2, ("colours off by %d"):format(off)) -- here too
    end
  end)

  it("of RandAugment and TrivialAugment does what torchvision's does, sign by sign", function()
    local x, h, w = support.pattern(16, 12), 16, 12
    local augmentation, tried = require "scion.data.augmentation", 0
    local places = { "Identity", "ShearX", "ShearY", "TranslateX", "TranslateY", "Rotate", "Brightness", "Color", "Contrast", "Sharpness", "Posterize",
                     "Solarize", "AutoContrast", "Equalize" }
    local at = {}
    for i, op in ipairs(places) do at[op] = i end
    local function apply(stage)
      stage.counter = 0
      local loader <close> = core.loader { images = x:copy():reshape(1, h, w, 3), height = h, width = w, workers = 1, seed = 1, stages = { stage } }
      loader:start(nil, 1, 1)
      return loader:next():bytes()
    end
    for _, case in ipairs(dofile "spec/fixtures/image/operations.lua") do
      local stages = augmentation.stages(A[case.augment] { magnitude = case.augment == "rand_augment" and case.magnitude or nil }, { h, w }, 0)
      local first = case.augment == "rand_augment" and 1 or 1 + 28 * case.magnitude -- after some_of
      local expected = support.unhex(case.pixels)
      local moves = case.op:find "^Translate" ~= nil -- ours tells where a pixel comes from, torchvision's where it goes
      local got, off = apply(stages[first + at[case.op] + (moves == (case.sign > 0) and 14 or 0)]), 0
      for i = 1, #case.inside do
        for c = 3 * i - 2, 3 * i do
          if case.inside:byte(i) == 49 then off = math.max(off, math.abs(got:byte(c) - expected:byte(c))) end
        end
      end
      assert.is_true(off <= 1, ("%s %d: %s %d is off by %d"):format(case.augment, case.magnitude, case.op, case.sign, off))
      assert.is_true(moves or case.inside:find "1" ~= nil) -- 29 pixels are more than there are
      tried = tried + 1
    end
    assert.equal(46, tried)
  end)

  it("flips in one direction, or in both, each with its own draw", function()
    local x = support.pattern(4, 5)
    local function changed(sx, sy) return core.image_warp(x, { sx, 0, sx < 0 and 4 or 0, 0, sy, sy < 0 and 3 or 0 }):bytes() end
    local name_of = { [changed(1, 1)] = "as it is", [changed(-1, 1)] = "left and right", [changed(1, -1)] = "up and down", [changed(-1, -1)] = "both" }
    local function counts(list)
      local found = {}
      for _, bytes in ipairs(drawn(x, list, { size = { 4, 5 } }, 400)) do found[name_of[bytes]] = (found[name_of[bytes]] or 0) + 1 end
      return found
    end
    local found = counts { A.flip("both") }
    for _, name in pairs(name_of) do assert.is_true(math.abs(found[name] - 100) < 45, ("%s: %d"):format(name, found[name])) end
    assert.same({ both = 400 }, counts { A.flip { "both", p = 1 } })
    assert.same({ ["up and down"] = 400 }, counts { A.flip { "vertical", p = 1 } })
    assert.same({ ["left and right"] = 400 }, counts { A.flip { p = 1 } })
  end)

  it("flips, crops and cuts exactly: a part is Pillow's resize of what was cut out", function()
    local x, found = support.pattern(12, 9), {}
    for top = 0, 12 - 6 do
      for left = 0, 9 - 6 do
        local part = image.resize(image.crop(x, { left, top, left + 6, top + 6 }), { 7, 5 })
        found[part:bytes()], found[core.image_warp(part, { -1, 0, 4, 0, 1, 0 }):bytes()] = top * 9 + left, -1
      end
    end
    local seen, places = drawn(x, { A.random_resized_crop { scale = { 1 / 3, 1 / 3 }, ratio = { 1, 1 } }, A.flip() }, { size = { 7, 5 } }, 60), {}
    for _, bytes in ipairs(seen) do places[assert(found[bytes], "a part that Pillow does not give")] = true end
    local count = 0
    for _ in pairs(places) do count = count + 1 end
    assert.is_true(count > 10)
    -- the middle is a part of the whole: what lies beside it has its weight
    local middle = drawn(support.pattern(64, 64), { A.centre_crop(0.5) }, { size = 20 })[1]
    assert.is_true(image.resize(support.pattern(64, 64), 20, { box = { 16, 16, 48, 48 } }):bytes() == middle)
  end)

  it("shows no pattern that is not there: what shrinks looks at all pixels", function()
    local stripes = {}
    for i = 1, 200 do stripes[i] = (i % 2 == 0 and "\0\0\0" or "\255\255\255"):rep(100) end
    local x = core.from_bytes(table.concat(stripes), { 200, 100, 3 }) -- alternate rows: grey from afar
    for _, bytes in ipairs(drawn(x, { A.rotate(5), A.centre_crop(0.5) }, { size = 20 }, 5)) do
      assert.is_true(support.largest_difference(bytes, ("\127"):rep(1200)) < 30)
    end
  end)

  it("fills what lies outside as it is told", function()
    local white = core.full({ 9, 9, 3 }, 255, "u8")
    local function least(augment)
      local low = 255
      for _, bytes in ipairs(drawn(white, augment, nil, 20)) do low = math.min(low, bytes:byte(1, -1)) end
      return low
    end
    assert.equal(255, least { A.translate(0.5) })
    assert.equal(7, least { A.translate { x = 0.5, fill = "constant", fill_value = 7 } })
    assert.equal(0, least { A.random_crop(4) })
    assert.equal(255, least { A.random_crop { padding = 4, fill = "reflect" } })
    -- a rotation after a crop finds what the crop left out, where there is any
    assert.equal(255, least { A.centre_crop(0.5), A.rotate { degrees = 45, fill = "constant" } })
  end)
end)

describe("a list of augmentations", function()
  it("is refused, with the reason, where it makes no sense", function()
    local function refused(augment) return messages.refused(function() data.tensors(core.full({ 1, 2, 2, 3 }, 1, "u8"), nil, { augment = augment }) end) end
    assert.matches("augment is a list of augmentations: write { … } around the one", refused(A.flip()), 1, true)
    assert.matches("element 2 is a function", refused { A.flip(), A.rotate }, 1, true)
    assert.matches("has custom before flip: what changes whole batches comes last", refused { A.custom(function(x) return x end), A.flip() }, 1, true)
    local function bad(f) return messages.refused(f) end
    for message, wrong in pairs {
      ["solarize: threshold is 0, or a number from 1 to 256, not 0.5 (pixels are 0 to 255: 0.5 of that is 128)"] = function() A.solarize(0.5) end,
      ["channel_shift: levels is 0, or a number from 1 to 255, not 0.1 (pixels are 0 to 255: 0.1 of that is 26)"] = function() A.channel_shift(0.1) end,
      ["channel_shift is 0, or a number from 1 to 1e+06, not 0.2 (pixels are 0 to 255"] = function() A.image_data_generator { channel_shift = 0.2 } end,
      ["fill_value is 0, or a number from 1 to 255, not 0.5 (pixels are 0 to 255"] = function() A.rotate(20, { fill_value = 0.5 }) end,
      ["element 2 is 0.5 (pixels are 0 to 255"] = function() A.erase { value = { 1, 0.5, 0 } } end,
      ["bits is a whole number from 1 to 8, not 128 (it is how many of a value's 8 bits stay"] = function() A.posterize(128) end,
      ["x is a number from 0 to 1, not 20 (it is a fraction of the image"] = function() A.translate(20) end,
      ["hue is a number from 0 to 0.5, not 36 (it is a part of the circle of colours: 36 degrees are 0.1)"] = function() A.jitter { hue = 36 } end,
    } do assert.matches(message, bad(wrong), 1, true) end
    for _, given in ipairs { {}, { p = 0.5 }, { hue = 0 } } do
      assert.matches("scion.augment.jitter: it changes nothing: say what, as in jitter{ brightness", bad(function() A.jitter(given) end), 1, true)
    end
    local wide = bad(function() drawn(support.pattern(40, 40), { A.random_crop(32) }) end)
    assert.matches("scion.augment.random_crop: a border of 32 pixels is too wide for images of 40x40", wide, 1, true)
    assert.matches("scion.augment has no 'rotat': did you mean 'rotate'?", bad(function() return A.rotat end), 1, true)
    assert.matches("scion.augment.rotate: degrees is missing", bad(function() A.rotate() end), 1, true)
    assert.matches("scion.augment.rotate: unknown option 'fil' (did you mean fill or fill_value?)", bad(function() A.rotate(5, { fil = "wrap" }) end), 1, true)
    assert.matches("scion.augment.flip: direction is 'horizontal', 'vertical' or 'both', not 'diagonal'", bad(function() A.flip { "diagonal" } end), 1, true)
    assert.matches("scale is { smallest, largest } share of the area, up to 1, but 0.9 is above 0.1",
                   bad(function() A.random_resized_crop { scale = { 0.9, 0.1 } } end), 1, true)
    assert.matches("an augmentation: 'options' cannot be set", bad(function() A.flip().options = {} end), 1, true)
  end)

  it("prints as it is written", function()
    assert.equal("flip()", tostring(A.flip()))
    assert.equal("flip{ direction = 'vertical', p = 0.3 }", tostring(A.flip { "vertical", p = 0.3 }))
    assert.equal("zoom{ factor = { 0.5, 1 } }", tostring(A.zoom { 0.5, 1 }))
    local function shown(given) return tostring(pipeline.list(given)[1]) end
    assert.equal("image_data_generator{ flip = 'horizontal' }", shown { flip = "horizontal" })
    assert.equal("image_data_generator{ brightness = { 0.5, 1 } }", shown { brightness = { 0.5, 1 } })
  end)

  it("is told from others by name and options, unless it changes whole batches", function()
    local one = core.json_encode(pipeline.identity { A.flip(), A.rotate(15) })
    assert.equal(one, core.json_encode(pipeline.identity { A.flip(), A.rotate(15) }))
    assert.not_equal(one, core.json_encode(pipeline.identity { A.flip(), A.rotate(16) }))
    assert.not_equal(one, core.json_encode(pipeline.identity { A.rotate(15), A.flip() }))
    assert.is_nil(pipeline.identity { A.flip(), A.custom(function(x) return x end) })
  end)

  it("may end with a function of one's own, whose result is checked", function()
    local x = support.pattern(6, 7)
    assert.is_true((255 - x:to "f32"):to "u8":bytes() == drawn(x, { A.custom(function(t) return (255 - t:to "f32"):to "u8" end) })[1])
    local wrong = messages.refused(function() drawn(x, { A.custom(function(t) return t:reshape(1, 7, 6, 3) end) }) end)
    assert.matches("scion.augment.custom: the function returns images as it was given them, u8 1x6x7x3, not a tensor (u8 1x7x6x3)", wrong, 1, true)
  end)
end)

describe("fit and filter", function()
  it("make of images of another shape what Pillow's ImageOps make of them", function()
    for _, case in ipairs(dofile "spec/fixtures/image/fits.lua") do
      local bytes = drawn(support.pattern(case.x[1], case.x[2]), false, { size = case.y, fit = case.fit, filter = case.filter })[1]
      assert.is_true(support.largest_difference(support.unhex(case.pixels), bytes) <= 2, ("%s %s %dx%d"):format(case.fit, case.filter, case.x[1], case.x[2]))
    end
    local x = support.pattern(30, 40)
    assert.equal(image.resize(x, 11, { filter = "bicubic" }):bytes(), drawn(x, nil, { size = 11, filter = "bicubic" })[1])
  end)
end)
