local core = require "scion.core"
local data = require "scion.data"
local dataset = require "scion.data.dataset"
local image = require "scion.image"
local messages = require "spec.support.messages"
local support = dofile "spec/support/images.lua"

-- N grey images of one side, image i of the value 100 + i.
local function greys(n, side)
  local list = {}
  for i = 1, n do list[i] = core.new({ side, side, 3 }, "u8"):fill(100 + i) end
  return core.stack(list)
end

-- The sheet of a data set as a tensor.
local function shown(set, given)
  local path = support.folder() .. "/sheet.png"
  assert.equal(path, set:show(path, given))
  return assert(image.load(path))
end

local function value(sheet, y, x) return sheet:get(y, x, 1) end

-- How many pixels of ink there are below the tile whose left column and top row are given.
local function ink(sheet, left, top, side)
  local count = 0
  for y = top + side, math.min(top + side + 22, sheet:shape()[1]) do
    for x = left, left + side - 1 do
      if value(sheet, y, x) == 40 then count = count + 1 end
    end
  end
  return count
end

local gap, line = 8, 2 * (8 + 2)

describe("data:show", function()
  teardown(support.done)

  it("puts images in rows of eight, in the order of the epoch", function()
    local set = data.tensors(greys(10, 96), { 1, 2, 1, 2, 1, 2, 1, 2, 1, 2 }, { shuffle = false })
    local sheet = shown(set)
    assert.same({ 2 * (96 + gap + line) + gap, 8 * (96 + gap) + gap, 3 }, sheet:shape())
    assert.equal(101, value(sheet, gap + 1, gap + 1))
    assert.equal(101, value(sheet, gap + 96, gap + 96))
    assert.equal(255, value(sheet, gap + 1, gap + 97))
    assert.equal(110, value(sheet, gap + 96 + line + gap + 1, gap + 96 + gap + 1))
    assert.equal(255, value(sheet, gap + 96 + line + gap + 1, gap + 2 * (96 + gap) + 1)) -- there is no eleventh
    assert.same({ 96 + 2 * gap + line, 3 * (96 + gap) + gap, 3 }, shown(set, { n = 3 }):shape())
  end)

  it("shows what training sees: shuffled, augmented, another in each epoch", function()
    local set = data.tensors(greys(10, 96), nil, { seed = 3, augment = { channel_shift = 20 } })
    local first, second = shown(set), shown(set, { epoch = 2 })
    assert.not_equal(first:bytes(), second:bytes())
    assert.equal(first:bytes(), shown(set, { epoch = 1 }):bytes())
    for epoch, sheet in ipairs { first, second } do -- a new model's epochs count from 0 inside
      for batch in set:pass { epoch = epoch - 1 } do
        for i = 1, 10 do
          local x, y = (i - 1) % 8 * (96 + gap) + gap + 1, (i - 1) // 8 * (96 + gap + line) + gap + 1
          assert.equal(batch.x:get(i, 1, 1, 1), value(sheet, y, x))
        end
      end
    end
  end)

  it("draws labels dot by dot, and no more than fits", function()
    local function under(text, side) return ink(shown(data.tensors(greys(1, side or 96), { text })), gap + 1, gap + 1, side or 96) end
    assert.equal(5 * 4, under "-")
    assert.equal(0, under " ")
    assert.is_true(under "I" > under ".")
    assert.equal(5 * 16, under(("-"):rep(16))) -- too long for dots of 2x2 pixels
    assert.equal(5 * 14 + 2, under(("-"):rep(40))) -- cut in the middle, ".."
  end)

  it("draws Latin letters with their accents, in whichever way they are written", function()
    local function ink_of(text) return ink(core.image_sheet(greys(1, 96), { text }, 1, 2), 9, 9, 96) end
    local function under(label) return shown(data.tensors(greys(1, 96), { label })) end
    for text, apart in pairs { ["é"] = "e\u{301}", ["Å"] = "A\u{30a}", ["ấ"] = "a\u{302}\u{301}", ["ş"] = "s\u{327}" } do
      assert.equal(under(apart):bytes(), under(text):bytes())
      assert.is_true(ink_of(apart) > ink_of(apart:sub(1, 1)), text) -- some dots more
    end
    assert.equal(ink_of "E" + 2 * 4, ink_of "E\u{301}") -- an acute accent of two dots
    assert.equal(ink_of "i" + 4, ink_of "i\u{301}") -- in place of a dot
    local box = ink_of "☃"
    assert.equal(20 * 4, box)
    for letter in ("ßæøłđðþıŒ’"):gmatch(utf8.charpattern) do assert.is_true(core.image_sheet_writes(letter), letter) end
    assert.is_true(core.image_sheet_writes "Łodz e\u{301}" and not core.image_sheet_writes "日" and not core.image_sheet_writes "\xff")
    assert.equal(0, ink_of "")
    assert.is_true(ink_of "\u{301}" > 0) -- an accent of nothing
  end)

  it("shows labels in other scripts, and such files' names, as numbers, and says once which", function()
    local sheet
    local told = support.stderr_of(function()
      sheet = shown(data.tensors(greys(3, 96), { "b", "日本語", "мир" }, { labels = { "b", "日本語", "мир" }, shuffle = false }))
    end)
    assert.equal("scion: data:show: labels in letters that it cannot draw are numbers: #2 is 日本語, #3 is мир\n", told)
    assert.equal(shown(data.tensors(greys(3, 96), { "b", "#2", "#3" }, { shuffle = false })):bytes(), sheet:bytes())
    local root, files = support.folder(), {}
    for i, name in ipairs { "a.png", "日.png" } do
      files[i] = root .. "/" .. name
      assert(image.save(files[i], core.new({ 9, 9, 3 }, "u8"):fill(100 + i)))
    end
    local two = core.stack { core.new({ 96, 96, 3 }, "u8"):fill(101), core.new({ 96, 96, 3 }, "u8"):fill(102) }
    assert.equal(shown(data.tensors(two, { "a.png", "#2" }, { shuffle = false })):bytes(), shown(data.files(files, { size = 96 })):bytes())
    assert.equal("", support.stderr_of(function() shown(data.tensors(greys(1, 96), { "é" })) end))
  end)

  it("makes large images smaller, and small ones larger by whole factors", function()
    assert.same({ 160 + 2 * gap + line, 160 + 2 * gap, 3 }, shown(data.tensors(greys(1, 320))):shape())
    local sheet = shown(data.tensors(greys(1, 30)))
    assert.same({ 150 + 2 * gap + line, 150 + 2 * gap, 3 }, sheet:shape())
    assert.equal(101, value(sheet, gap + 150, gap + 150))
    assert.same({ 80 + 2 * gap + line, 160 + 2 * gap, 3 }, shown(data.tensors(core.new({ 1, 200, 400, 3 }, "u8"))):shape())
  end)

  it("writes numbers to predict, and names of files without labels", function()
    local function under(set) return ink(shown(set), gap + 1, gap + 1, 96) end
    local tensor = require "scion.tensor"
    assert.equal(under(data.tensors(greys(1, 96), { "0.5 2" })), under(data.tensors(greys(1, 96), tensor.tensor { { 0.5, 2 } })))
    local soft = dataset.new({ images = greys(1, 96), count = 1, soft = tensor.tensor { { 0.25, 0.7, 0.06 } }, labels = { "a", "b", "c" } },
                             { size = { 96, 96 }, batch = 1, seed = 0 })
    assert.equal(under(data.tensors(greys(1, 96), { "b 0.70 a 0.25 c 0.06" })), under(soft))
    local path = support.folder() .. "/-.png"
    assert(image.save(path, core.new({ 9, 9, 3 }, "u8"):fill(200)))
    assert.equal(under(data.tensors(greys(1, 96), { "-.png" })), under(data.files({ path }, { size = 96 })))
  end)

  it("leaves out what cannot be read, and refuses what makes no sense", function()
    local root = support.folder()
    local good = root .. "/good.png"
    assert(image.save(good, core.new({ 9, 9, 3 }, "u8"):fill(200)))
    assert.same({ 96 + 2 * gap + line, 96 + 2 * gap, 3 }, shown(data.files({ root .. "/none.png", good }, { size = 96 })):shape())
    local set = data.files({ good }, { size = 96 })
    local features = data.tensors(require("scion.tensor").zeros { 2, 5 })
    assert.matches("data:show: the data set holds no u8 images", messages.refused(function() features:show(root .. "/x.png") end))
    assert.matches("scion.data.doctor: the first argument holds no u8 images", messages.refused(function() data.doctor(features) end))
    assert.matches("none of the images can be read", messages.refused(function() data.files({ root .. "/none.png" }):show(root .. "/x.png") end))
    assert.matches("images are written as .png", messages.refused(function() set:show(root .. "/x.gif") end), 1, true)
    assert.matches("unknown option 'm'", messages.refused(function() set:show(root .. "/x.png", { m = 3 }) end))
    assert.matches("n is a whole number from 1 to 1000", messages.refused(function() set:show(root .. "/x.png", { n = 0 }) end))
    assert.matches("good.png/x.png: cannot be written", messages.refused(function() set:show(good .. "/x.png") end), 1, true)
    assert.is_nil(io.open(root .. "/x.png"))
    assert.error(function() core.image_sheet(greys(2, 8), { "a" }, 1, 1) end)
    assert.error(function() core.image_sheet(greys(2, 8), { "a", "b" }, 3, 1) end)
    assert.error(function() core.image_sheet(core.new({ 2, 8, 8 }, "u8"), { "a", "b" }, 1, 1) end)
  end)
end)
