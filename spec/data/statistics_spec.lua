-- Normalization of images in memory, beside what Keras's ImageDataGenerator makes of the same images.
local core = require "scion.core"
local scion = require "scion"
local messages = require "spec.support.messages"
local support = dofile "spec/support/files.lua"

local cases = core.json_decode(support.slurp "spec/fixtures/data/statistics.json")

-- The pattern of spec/fixtures/data/make_statistics.py.
local function pattern(n, height, width, seed)
  local t, state = {}, seed
  for i = 1, n * height * width * 3 do
    state = (state * 1103515245 + 12345) % (1 << 31)
    t[i] = (state >> 16) % 251
  end
  return scion.tensor(t):reshape(n, height, width, 3)
end

local function distance(a, numbers)
  local b = scion.tensor(numbers):reshape(a:shape())
  return (a - b):abs():max() / b:abs():max()
end

describe("scion.data.statistics", function()
  it("normalizes as Keras does, the images that it was taken of and others", function()
    for _, case in ipairs(cases) do
      local train = pattern(case.n, 3, 4, 1)
      local found = scion.data.statistics(train, case.options)
      local tolerance = case.options.zca_whitening and 1e-4 or 2e-6 -- single precision knows small singular values less exactly
      for name, images in pairs { first = train:slice(1, 1, 1), other = pattern(2, 3, 4, 7):slice(1, 1, 1) } do
        local d = distance(found:apply(images), case[name])
        assert.is_true(d < tolerance, ("%s, %d images, %s: %g"):format(tostring(found), case.n, name, d))
      end
    end
  end)

  it("whitens: the covariance of all numbers becomes the identity", function()
    scion.seed(3)
    local mixed = scion.randn(200, 12):matmul(scion.randn(12, 12))
    local white = scion.data.statistics(mixed, { featurewise_center = true, zca_whitening = true }):apply(mixed)
    local covariance = white:transpose():matmul(white) / 200
    for i = 1, 12 do
      for j = 1, 12 do assert.near(i == j and 1 or 0, covariance:get(i, j), 1e-4) end
    end
  end)

  it("takes bytes, and leaves what it is given as it is", function()
    local bytes = pattern(5, 2, 2, 0):to "u8"
    local before = bytes:bytes()
    local found = scion.data.statistics(bytes, { featurewise_center = true })
    assert.is_true(found:apply(bytes):equal(found:apply(bytes:to "f32")))
    assert.equal(before, bytes:bytes())
    local numbers = bytes:to "f32"
    before = numbers:bytes()
    found:apply(numbers)
    assert.equal(before, numbers:bytes())
    assert.equal("statistics of images 2x2x3: featurewise_center", tostring(found))
  end)

  it("refuses what it cannot normalize", function()
    local function refused(images, options) return messages.refused(function() scion.data.statistics(images, options) end) end
    local images = pattern(2, 3, 4, 0)
    assert.matches("say which, such as", refused(images), 1, true)
    assert.matches("featurewise_std_normalization is to be left out", refused(images, { zca_whitening = true, featurewise_std_normalization = true }), 1, true)
    assert.matches("did you mean 'zca_whitening'", refused(images, { zca_whitning = true }), 1, true)
    assert.matches("images are a u8 or f32 tensor NxHxWxC, not a tensor", refused(scion.zeros(3), { featurewise_center = true }), 1, true)
    assert.matches("NaN or infinite", refused(images / 0, { featurewise_center = true }), 1, true)
    assert.matches("100x100x3 has 30000", refused(scion.zeros { 1, 100, 100, 3 }, { zca_whitening = true }), 1, true)
    local found = scion.data.statistics(images, { featurewise_center = true })
    assert.matches("images are 4x3x3, but the statistics are of 3x4x3", messages.refused(function() found:apply(scion.zeros { 1, 4, 3, 3 }) end), 1, true)
  end)
end)
