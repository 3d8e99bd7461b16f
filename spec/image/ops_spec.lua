local core = require "scion.core"
local support = dofile "spec/support/images.lua"
local golden = dofile "spec/fixtures/image/ops.lua"

--- The image of spec/fixtures/image/ops.py.
local function scene(height, width)
  local bytes = {}
  for y = 0, height - 1 do
    for x = 0, width - 1 do
      for c = 0, 2 do
        local waves = math.abs((x * 5 + c * 60) % 256 - 128) + math.abs((y * 7 + x * 2) % 256 - 128)
        local noise = ((y * width + x) * 1103515245 + c * 12345 >> 16) % 16
        bytes[#bytes + 1] = string.char(math.min(waves + noise, 255))
      end
    end
  end
  return core.from_bytes(table.concat(bytes), { height, width, 3 }, "u8")
end

local images = { scene(1, 1), scene(2, 3), scene(17, 5), scene(68, 61) }

describe("core.image_op", function()
  local function show(name, amounts) return name .. "(" .. table.concat(amounts, ", ") .. ")" end

  for _, case in ipairs(golden.exact) do
    local name, amounts, sums = table.unpack(case)
    it("gives Pillow's bytes for " .. show(name, amounts), function()
      for i, image in ipairs(images) do
        local y = core.image_op(name, image, table.unpack(amounts))
        assert.equal(sums[i], support.adler32(y:bytes()), ("image %d"):format(i))
      end
    end)
  end

  it("leaves its argument as it was", function()
    local before = images[3]:bytes()
    core.image_op("invert", images[3])
    assert.equal(before, images[3]:bytes())
  end)

  it("blurs as torchvision does", function()
    for _, case in ipairs(golden.blur) do
      local size, sigma, bytes = table.unpack(case)
      local y = core.image_op("gaussian_blur", images[3], size, sigma):bytes()
      assert.is_true(support.largest_difference(support.unhex(bytes), y) <= 1, show("gaussian_blur", { size, sigma }))
    end
  end)

  it("blurs images that are smaller than the blur, where torchvision does not", function()
    assert.equal(images[1]:bytes(), core.image_op("gaussian_blur", images[1], 9, 3):bytes())
    local flat = core.image_op("brightness", images[2], 0)
    assert.equal(flat:bytes(), core.image_op("gaussian_blur", flat, 9, 3):bytes())
  end)

  it("gives the same bytes for every instruction set", function()
    local script = [[
      local core = require "scion.core"
      local bytes = {}
      for i = 1, 50 * 37 * 3 do bytes[i] = string.char((i * i * 7 + i * 31) % 251) end
      local x = core.from_bytes(table.concat(bytes), { 50, 37, 3 }, "u8")
      local function put(...) io.write(core.image_op(...):bytes()) end
      put("brightness", x, 1.3) put("contrast", x, 1.3) put("saturation", x, 1.3) put("sharpness", x, 1.3) put("hue", x, 0.1) put("gray", x)
      put("gaussian_blur", x, 7, 1.3) put("matrix", x, 1.1, -0.2, 0.05, 10, 0.3, 0.5, 0.1, -7, -0.1, 0.2, 1.3, 3.5)]]
    local usual = support.shell("lua5.4 -e " .. support.quoted(script))
    assert.equal(8 * 50 * 37 * 3, #usual)
    assert.is_true(usual == support.shell("SCION_ISA=portable lua5.4 -e " .. support.quoted(script)))
  end)

  it("shifts all channels within the image's own range", function() -- Keras's apply_channel_shift, rounded
    local x = core.from_bytes("\20\100\240\200\23\29", { 1, 2, 3 }, "u8")
    assert.equal("\80\160\240\240\83\89", core.image_op("channel_shift", x, 60):bytes())
    assert.equal("\20\70\210\170\20\20", core.image_op("channel_shift", x, -30):bytes())
    assert.equal("\21\101\240\201\24\30", core.image_op("channel_shift", x, 0.6):bytes())
  end)

  it("erases a box, of which what lies outside is cut off", function()
    local function expected(top, left, bottom, right, colour)
      local x, height, width = images[3]:bytes(), 17, 5
      return (x:gsub("()...", function(at)
        local pixel = (at - 1) // 3
        local y, column = pixel // width, pixel % width
        return y >= top and y < bottom and column >= left and column < right and y < height and colour or nil
      end))
    end
    local colour = "\1\2\3"
    assert.equal(expected(2, 1, 6, 4, colour), core.image_op("erase", images[3], 2, 1, 4, 3, 1, 2, 3):bytes())
    assert.equal(expected(0, 3, 5, 5, colour), core.image_op("erase", images[3], -3, 3, 8, 1 << 28, 1, 2, 3):bytes())
    assert.equal(images[3]:bytes(), core.image_op("erase", images[3], 17, 5, 4, 3, 1, 2, 3):bytes())
    assert.equal(images[3]:bytes(), core.image_op("erase", images[3], 2, -9, 4, 9, 1, 2, 3):bytes())
  end)

  it("erases with noise that depends on its seed alone", function()
    local image = images[4]
    local function noise(...) return core.image_op("erase_noise", image, ...) end
    local y = noise(10, 20, 30, 25, 7)
    assert.equal(y:bytes(), noise(10, 20, 30, 25, 7):bytes())
    assert.not_equal(y:bytes(), noise(10, 20, 30, 25, 8):bytes())
    local inside = y:slice(1, 11, 40):slice(2, 21, 45)
    assert.is_true(math.abs(inside:mean() - 127.5) < 5, "uniform bytes: " .. inside:mean()) -- five deviations of 2250 bytes are 7.8
    assert.equal(255, inside:max())
    local outside = core.image_op("erase", y, 10, 20, 30, 25, 0, 0, 0)
    assert.equal(core.image_op("erase", image, 10, 20, 30, 25, 0, 0, 0):bytes(), outside:bytes())
  end)

  it("refuses what no operation takes", function()
    local function refused(message, ...)
      local ok, said = pcall(core.image_op, ...)
      assert.is_false(ok)
      assert.matches(message, said, 1, true)
    end
    local x = images[3]
    refused("there is no image operation 'blur'", "blur", x)
    refused("posterize: wants 1 number, not 0", "posterize", x)
    refused("invert: wants 0 numbers, not 1", "invert", x, 1)
    refused("posterize: bits is a whole number from 1 to 8, not 0", "posterize", x, 0)
    refused("posterize: bits is a whole number from 1 to 8, not 2.5", "posterize", x, 2.5)
    refused("hue: fraction is a number from -0.5 to 0.5, not 0.51", "hue", x, 0.51)
    refused("brightness: factor is a number from 0 to 1000", "brightness", x, 0 / 0)
    refused("jpeg: quality is a whole number from 1 to 100, not 101", "jpeg", x, 101)
    refused("gaussian_blur: the size is odd, not 4", "gaussian_blur", x, 4, 1)
    refused("invert: wants a contiguous u8 tensor HxWx3, not f32 17x5x3", "invert", x:to "f32")
    refused("invert: wants a contiguous u8 tensor HxWx3, not u8 17x15", "invert", x:reshape(17, 15))
    refused("too many numbers", "invert", x, table.unpack({ 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13 }))
  end)
end)

describe("mixing a batch", function()
  local scion = require "scion"
  local x = scion.arange(0, 69):reshape(2, 5, 7, 1)
  local other = core.from_one { 2, 1 }

  local function flat(t) return t:reshape(70):totable() end

  it("adds shares of images and of targets, as torchvision's MixUp", function()
    for _, case in ipairs(golden.mixup) do
      local share, y = table.unpack(case)
      assert.same(y, flat(core.mixup(x, other, share)), "share " .. share)
    end
    local targets = core.mixup(scion.tensor { { 1, 0, 0 }, { 0, 0, 1 } }, other, 0.75):totable()
    assert.same({ { 0.75, 0, 0.25 }, { 0.25, 0, 0.75 } }, targets)
  end)

  it("rounds bytes", function()
    local bytes = core.from_bytes("\0\10\255\100\11\255", { 2, 3 }, "u8")
    assert.equal("\75\11\255\25\10\255", core.mixup(bytes, other, 0.25):bytes())
    assert.equal("\50\11\255\50\11\255", core.mixup(bytes, other, 0.5):bytes())
    assert.equal(bytes:bytes(), core.mixup(bytes, core.from_one { 1, 2 }, 0.3):bytes())
  end)

  it("pastes a box of the partner, as torchvision's CutMix", function()
    for _, case in ipairs(golden.cutmix) do
      local share, row, column, kept, y = table.unpack(case)
      local result, left = core.cutmix(x, other, share, row, column)
      assert.same(y, flat(result), "share " .. share)
      assert.near(kept, left, 1e-12)
      assert.equal(share == 1, left == 1)
    end
  end)

  it("refuses partners, shares and boxes that there are not", function()
    local function refused(message, call, ...)
      local ok, said = pcall(call, ...)
      assert.is_false(ok)
      assert.matches(message, said, 1, true)
    end
    refused("mixup: partner 2 of a batch of 2", core.mixup, x, core.from_one { 1, 3 }, 0.5)
    refused("mixup: wants a partner for each of the 2 examples", core.mixup, x, core.from_one { 1, 2, 1 }, 0.5)
    refused("mixup: a share is from 0 to 1, not 1.5", core.mixup, x, other, 1.5)
    refused("mixup: a share is from 0 to 1", core.mixup, x, other, 0 / 0)
    refused("mixup: wants two contiguous tensors of one shape, u8 or f32", core.mixup, core.from_one { 1, 2 }, other, 0.5)
    refused("cutmix: wants images NxHxWxC and a box around one of their pixels", core.cutmix, x, other, 0.5, 5, 0)
    refused("cutmix: wants images NxHxWxC and a box around one of their pixels", core.cutmix, x:reshape(2, 35), other, 0.5, 0, 0)
  end)
end)
