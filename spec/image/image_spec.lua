local core = require "scion.core"
local image = require "scion.image"
local support = dofile "spec/support/images.lua"
local golden = dofile "spec/fixtures/image/golden.lua"
local resized = dofile "spec/fixtures/image/resize.lua".sizes

describe("scion.image", function()
  after_each(support.done)

  local function file_of(name, bytes)
    local path = support.folder() .. "/" .. name
    support.spit(path, bytes)
    return path
  end

  describe("load", function()
    for _, case in ipairs(golden.files) do
      it("decodes " .. case.name .. " as Pillow does", function()
        local t = assert(image.load(file_of("picture", support.unhex(case.file)))) -- the name says nothing of the format
        assert.same({ case.size[1], case.size[2], 3 }, t:shape())
        assert.equal("u8", t:dtype())
        assert.equal(0, support.largest_difference(support.unhex(case.y), t:bytes()))
      end)
    end

    it("turns photographs upright", function()
      local data = support.test_data(pending)
      if not data then return end
      for _, case in ipairs(golden.exif) do
        local t = assert(image.load(data .. "/data/images/exif/" .. case.name))
        assert.same({ case.size[1], case.size[2], 3 }, t:shape(), case.name)
        assert.equal(support.unhex(case.y), image.resize(t, 3):bytes(), case.name)
      end
    end)

    -- PNG's checksum of a chunk: CRC-32, bit by bit.
    -- Where the pixel at row i, column j (from 0) of an upright image lies in the stored one of height x width, by EXIF's orientation.
    local stored_at = {
      function(i, j) return i, j end,
      function(i, j, _, w) return i, w - 1 - j end,
      function(i, j, h, w) return h - 1 - i, w - 1 - j end,
      function(i, j, h) return h - 1 - i, j end,
      function(i, j) return j, i end,
      function(i, j, h) return h - 1 - j, i end,
      function(i, j, h, w) return h - 1 - j, w - 1 - i end,
      function(i, j, _, w) return j, w - 1 - i end,
    }

    it("turns PNG images upright by their eXIf, before the pixels or after them", function()
      local height, width = 2, 3
      local stored = core.from_bytes(string.char(table.unpack((function()
        local bytes = {}
        for k = 1, height * width * 3 do bytes[k] = 10 * k end
        return bytes
      end)())), { height, width, 3 }, "u8")
      local path = support.folder() .. "/plain.png"
      assert(image.save(path, stored))
      local bytes = support.slurp(path)
      for orientation, from in ipairs(stored_at) do
        for _, type_of in ipairs { 3, 4 } do -- a short, and the long that some writers use
          local tiff = "II*\0" .. string.pack("<I4 I2 I2 I2 I4 I4 I4", 8, 1, 0x0112, type_of, 1, orientation, 0)
          local chunk = string.pack(">I4", #tiff) .. "eXIf" .. tiff .. string.pack(">I4", support.crc32("eXIf" .. tiff))
          for _, before in ipairs { "IDAT", "IEND" } do
            local at = bytes:find(before, 1, true) - 4
            local t = assert(image.load(file_of("turned.png", bytes:sub(1, at - 1) .. chunk .. bytes:sub(at))))
            local swap = orientation >= 5
            assert.same({ swap and width or height, swap and height or width, 3 }, t:shape())
            for i = 0, t:shape()[1] - 1 do
              for j = 0, t:shape()[2] - 1 do
                local y, x = from(i, j, height, width)
                assert.equal(stored:get(y + 1, x + 1, 1), t:get(i + 1, j + 1, 1), ("orientation %d, %d, %d"):format(orientation, i, j))
              end
            end
          end
        end
      end
    end)

    it("reads all of PngSuite, and refuses what is broken in it", function()
      local data = support.test_data(pending)
      if not data then return end
      for _, case in ipairs(golden.pngsuite) do
        local t, message = image.load(data .. "/data/images/pngsuite/" .. case.name)
        if case.size then
          assert.same({ case.size[1], case.size[2], 3 }, t and t:shape(), case.name .. ": " .. tostring(message))
          assert.equal(case.adler, support.adler32(t:bytes()), case.name)
        else
          assert.is_nil(t, case.name)
          assert.matches(case.name, message, 1, true)
        end
      end
      assert.is_true(#golden.pngsuite > 150)
    end)

    local function refused(path, reason)
      local t, message = image.load(path)
      assert.is_nil(t)
      assert.matches(path, message, 1, true)
      assert.matches(reason, message)
    end

    it("says what is wrong with a file", function()
      refused("/nowhere/a.jpg", "No such file")
      refused(support.folder(), "is a folder")
      refused(file_of("a.jpg", ""), "empty")
      refused(file_of("a.jpg", "This is text."), "a text file, which is no image")
      refused(file_of("a.jpg", "\xff\xd8\xff"), "truncated JPEG")
      refused(file_of("a.png", "\x89PNG\r\n\x1a\n"), "truncated PNG")
    end)

    it("refuses an image of which pixels are missing, and takes one of which only the end is", function()
      for extension, ending in pairs { jpg = 2, png = 12 } do
        local path = support.folder() .. "/whole." .. extension
        assert(image.save(path, support.pattern(40, 50)))
        local bytes, whole = support.slurp(path), assert(image.load(path))
        for _, left in ipairs{ 4, 30, #bytes // 3, #bytes // 2, #bytes * 9 // 10, #bytes - ending - 2 } do
          local cut = file_of("cut." .. extension, bytes:sub(1, left))
          refused(cut, extension == "jpg" and "truncated JPEG" or left < 8 and "no JPEG, PNG, WebP or GIF image" or "truncated PNG")
        end
        for left = #bytes - ending, #bytes - 1 do
          assert.is_true(whole:equal(assert(image.load(file_of("cut." .. extension, bytes:sub(1, left))))))
        end
        local head, zeros = bytes:sub(1, -ending - 1), ("\0"):rep(ending)
        assert.is_true(whole:equal(assert(image.load(file_of("overwritten." .. extension, head .. zeros)))))
      end
    end)

    it("reads what is there of a truncated JPEG if told, and of no other broken file", function()
      local path = support.folder() .. "/whole.jpg"
      assert(image.save(path, support.pattern(64, 64)))
      local bytes, whole = support.slurp(path), assert(image.load(path))
      local cut = file_of("cut.jpg", bytes:sub(1, #bytes // 2))
      refused(cut, "truncated = 'keep' reads what is there")
      local kept = assert(image.load(cut, { truncated = "keep" }))
      local upper = { 0, 0, 64, 12 }
      assert.is_true(image.crop(whole, upper):equal(image.crop(kept, upper)))
      assert.is_false(whole:equal(kept))
      for _, broken in ipairs { bytes:sub(1, 100), bytes:sub(1, #bytes // 2) .. "\xff\xd9" } do
        local t, message = image.load(file_of("broken.jpg", broken), { truncated = "keep" })
        assert.is_nil(t)
        assert.not_matches("'keep'", message)
      end
      local progressive = support.unhex(golden.files[2].file) -- its later scans sharpen the earlier ones
      assert.equal("progressive.jpg", golden.files[2].name)
      for left = #progressive - 8, #progressive - 1 do
        refused(file_of("cut.jpg", progressive:sub(1, left)), "truncated JPEG")
        assert(image.load(file_of("cut.jpg", progressive:sub(1, left)), { truncated = "keep" }))
      end
      assert.error_matches(function() image.load(cut, { truncated = "kept" }) end, "truncated is 'error' or 'keep'")
    end)

    it("refuses a JPEG of more scans than pictures have, which would take minutes", function()
      local side = 4000 -- 250,000 blocks: seven runs of 32,767 empty ones and one of 20,631, in bits
      local function bytes(bits) return (bits:gsub(("%d"):rep(8), function(eight) return string.char(tonumber(eight, 2)) end):gsub("\xff", "\xff\0")) end
      local function table_of(class, symbol) return "\xff\xc4" .. string.pack(">HBBc15B", 20, class << 4, 1, ("\0"):rep(15), symbol) end
      local function scan(first, last) return "\xff\xda" .. string.pack(">HBBBBBB", 8, 1, 1, 0, first, last, 0) end
      local rest, binary = 250000 - 7 * 32767 - (1 << 14), ""
      for bit = 13, 0, -1 do binary = binary .. (rest >> bit & 1) end
      local empty = scan(1, 1) .. bytes(("0" .. ("1"):rep(14)):rep(7) .. "0" .. binary)
      local head = "\xff\xd8\xff\xdb" .. string.pack(">HB", 67, 0) .. ("\1"):rep(64) .. "\xff\xc2" .. string.pack(">HBHHBBBB", 11, 8, side, side, 1, 1, 0x11, 0)
        .. table_of(0, 0) .. table_of(1, 0xe0) .. scan(0, 0) .. ("\0"):rep(250000 // 8)
      assert(image.load(file_of("few.jpg", head .. empty:rep(9) .. "\xff\xd9")))
      refused(file_of("many.jpg", head .. empty:rep(600) .. "\xff\xd9"), "a JPEG of more than 100 scans of 4000x4000 pixels, which no picture has")
    end)

    -- half a minute and more, where all of it is read
    local function quickly(path)
      local began = os.clock()
      assert(image.load(path))
      assert.is_true(os.clock() - began < 5)
    end

    it("passes over texts in a PNG that inflate to gigabytes", function()
      local path = support.folder() .. "/plain.png"
      assert(image.save(path, support.pattern(4, 5)))
      local bytes = support.slurp(path)
      local bits = "110" .. "10101101" .. ("11000101" .. "00000"):rep(27000) .. "0000000" -- a byte and 27,000 times 258 more of it, deflated
      local packed = "\x78\1" .. (bits .. ("0"):rep(-#bits % 8)):gsub("........", function(eight) return string.char(tonumber(eight:reverse(), 2)) end)
      local body = "zTXt" .. "a\0\0" .. packed
      local chunk = string.pack(">I4", #body - 4) .. body .. string.pack(">I4", support.crc32(body))
      quickly(file_of("texts.png", bytes:sub(1, 33) .. chunk:rep(800) .. bytes:sub(34)))
    end)

    it("passes over millions of markers in a JPEG", function()
      local path = support.folder() .. "/plain.jpg"
      assert(image.save(path, support.pattern(8, 8)))
      local bytes = support.slurp(path)
      quickly(file_of("markers.jpg", bytes:sub(1, 2) .. ("\xff\xe1\0\2"):rep(2000000) .. bytes:sub(3)))
      refused(file_of("short.jpg", bytes:sub(1, 2) .. "\xff\xe1\0\1" .. bytes:sub(3)), "JPEG")
      refused(file_of("beyond.jpg", "\xff\xd8\xff\xe1\xff\xff" .. "Exif\0\0"), "truncated JPEG")
    end)

    it("refuses a JPEG whose data were lost though it ends properly", function()
      local path = support.folder() .. "/whole.jpg"
      assert(image.save(path, support.pattern(64, 64)))
      local bytes = support.slurp(path)
      refused(file_of("a.jpg", bytes:sub(1, #bytes // 2) .. "\xff\xd9"), "broken JPEG")
    end)

    it("refuses an immense image before taking memory for it", function()
      local function chunk(kind, body)
        local crc = 0xffffffff
        for _, byte in ipairs{ (kind .. body):byte(1, -1) } do
          crc = crc ~ byte
          for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0xedb88320 or crc >> 1 end
        end
        return string.pack(">I4", #body) .. kind .. body .. string.pack(">I4", crc ~ 0xffffffff)
      end
      local function picture(width, height)
        return "\x89PNG\r\n\x1a\n" .. chunk("IHDR", string.pack(">I4I4BBBBB", width, height, 8, 2, 0, 0, 0)) .. chunk("IDAT", "x")
      end
      refused(file_of("bomb.png", picture(1 << 20, 1 << 20)), "an image of 1048576x1048576 pixels; the largest that can be read have 268435456")
      refused(file_of("rows.png", picture(1, 1 << 28)), "an image of 1x268435456 pixels is refused, since it has more than 178956970; max_pixels = 268435456 lets it in")
      local path = support.folder() .. "/small.png"
      assert(image.save(path, support.pattern(20, 30)))
      assert(image.load(path, { max_pixels = 600 }))
      local t, message = image.load(path, { max_pixels = 599 })
      assert.is_nil(t)
      assert.matches("30x20 pixels is refused, since it has more than 599; max_pixels = 600", message)
    end)

    it("survives any damaged byte", function()
      local seed = os.time()
      math.randomseed(seed)
      for _, case in ipairs(golden.files) do
        local bytes = support.unhex(case.file)
        for _ = 1, 30 do
          local at = math.random(#bytes)
          local t, message = image.load(file_of("damaged", bytes:sub(1, at - 1) .. string.char(math.random(0, 255)) .. bytes:sub(at + 1)))
          assert(t or type(message) == "string", "seed " .. seed)
        end
      end
    end)
  end)

  describe("save", function()
    it("keeps every pixel in a PNG, and nearly in a JPEG", function()
      local folder = support.folder()
      local t = image.resize(support.pattern(4, 5), { 61, 83 }) -- smooth, as JPEG likes it
      for extension, most in pairs{ png = 0, PNG = 0, jpg = 40, jpeg = 40 } do
        assert.is_true(image.save(folder .. "/a." .. extension, t))
        local back = assert(image.load(folder .. "/a." .. extension))
        assert.same(t:shape(), back:shape())
        assert.is_true(support.largest_difference(t:bytes(), back:bytes()) <= most)
      end
      local names = {}
      for name in require "lfs".dir(folder) do names[#names + 1] = name end
      assert.equal(6, #names) -- the two dots and the four files: nothing temporary is left
    end)

    it("gives the bytes of a JPEG in memory, which are those of the file at its quality", function()
      local folder, t = support.folder(), support.pattern(20, 30)
      assert(image.save(folder .. "/a.jpg", t))
      assert.equal(support.slurp(folder .. "/a.jpg"), core.image_encode(t, 95):bytes())
      assert.is_true(core.image_encode(t, 20):shape()[1] < core.image_encode(t, 95):shape()[1])
      assert.error_matches(function() core.image_encode(t, 101) end, "the quality is from 1 to 100, not 101")
      assert.error_matches(function() core.image_encode(core.new({ 2, 2, 4 }, "u8"), 90) end, "u8 2x2x4")
    end)

    it("tells what the world gets wrong, and raises what the caller does", function()
      local t = support.pattern(2, 2)
      local saved, message = image.save("Makefile/none/a.png", t)
      assert.is_nil(saved)
      assert.matches("^Makefile/none/a.png: cannot be written in its folder: Not a directory", message)
      assert.error_matches(function() image.save("a.gif", t) end, "images are written as .png, .jpg or .jpeg, which 'a.gif'")
      assert.error_matches(function() image.save("a.png", core.new({ 2, 2, 3 }, "f32")) end, "f32 2x2x3")
      assert.error_matches(function() image.save("a.png", core.new({ 2, 2, 4 }, "u8")) end, "u8 2x2x4")
    end)
  end)

  describe("resize", function()
    for _, case in ipairs(resized) do
      local box = case.box and (" of { %g, %g, %g, %g }"):format(table.unpack(case.box)) or ""
      it(("gives Pillow's bytes, %s from %dx%d%s to %dx%d"):format(case.filter, case.x[1], case.x[2], box, case.y[1], case.y[2]), function()
        local y = image.resize(support.pattern(case.x[1], case.x[2]), case.y, { filter = case.filter, box = case.box })
        assert.same({ case.y[1], case.y[2], 3 }, y:shape())
        assert.equal(case.adler, support.adler32(y:bytes()))
      end)
    end

    it("is bilinear unless told", function()
      local x = support.pattern(9, 11)
      assert.is_true(image.resize(x, 4):equal(image.resize(x, 4, { filter = "bilinear" })))
      assert.is_false(image.resize(x, 4):equal(image.resize(x, 4, { filter = "area" })))
    end)

    it("takes several images", function()
      local one, other = support.pattern(13, 9), support.pattern(13, 9, 100)
      local both = core.stack { one, other }
      for _, o in ipairs { {}, { filter = "nearest" }, { box = { 0.5, 1, 7.25, 12 }, filter = "bicubic" } } do
        local y = image.resize(both, { 5, 6 }, o)
        assert.same({ 2, 5, 6, 3 }, y:shape())
        assert.equal(image.resize(one, { 5, 6 }, o):bytes() .. image.resize(other, { 5, 6 }, o):bytes(), y:bytes())
      end
      assert.same({ 0, 5, 6, 3 }, image.resize(core.new({ 0, 4, 4, 3 }, "u8"), { 5, 6 }):shape())
    end)

    it("refuses other tensors and sizes", function()
      assert.error_matches(function() image.resize(core.new({ 4, 4 }, "u8"), 2) end, "height x width x 3, not a tensor")
      assert.error_matches(function() image.resize(support.pattern(4, 4), 0) end, "the size is")
      assert.error_matches(function() image.resize(support.pattern(4, 4), { 1, 1 << 40 }) end, "element 2")
      assert.error_matches(function() image.resize(support.pattern(4, 4), 2, { filter = "cubic" }) end, "filter is")
      assert.error_matches(function() image.resize(support.pattern(4, 4), 2, { boxes = {} }) end, "it takes box, filter")
    end)

    it("refuses a box that is empty or beyond the image", function()
      local x = support.pattern(4, 6)
      for message, box in pairs { ["reaches beyond the image, which is { 0, 0, 6, 4 }"] = { 0, 0, 6.5, 4 }, ["is empty"] = { 2, 1, 2, 3 } } do
        local ok, told = pcall(image.resize, x, 2, { box = box })
        assert.is_false(ok)
        assert.matches(message, told, 1, true)
      end
      for _, box in ipairs { { -1, 0, 3, 3 }, { 0, 0, 0 / 0, 3 }, { 0, 0, 3 } } do assert.error_matches(function() image.resize(x, 2, { box = box }) end, "box is") end
      -- a box that is not empty until it becomes floats
      assert.error_matches(function() image.resize(x, 2, { box = { 5.99999999, 0, 6, 4 } }) end, "is empty")
      for _, box in ipairs { { 0 / 0, 0, 3, 3 }, { 0, 0, math.huge, 3 }, { -1e300, 0, 3, 3 } } do
        assert.error_matches(function() core.image_resize(x, 2, 2, box) end, "is empty or reaches beyond")
      end
    end)
  end)

  describe("crop", function()
    it("copies a part, of one image or of several", function()
      local x = support.pattern(6, 8)
      local part = image.crop(x, { 2, 1, 7, 5 })
      assert.same({ 4, 5, 3 }, part:shape())
      for i = 1, 4 do
        for j = 1, 5 do assert.equal(x:get(i + 1, j + 2, 3), part:get(i, j, 3)) end
      end
      assert.equal(part:bytes() .. part:bytes(), image.crop(core.stack { x, x }, { 2, 1, 7, 5 }):bytes())
      assert.equal(x:bytes(), image.crop(x, { 0, 0, 8, 6 }):bytes())
      part:fill(0)
      assert.is_true(x:equal(support.pattern(6, 8)))
    end)

    it("refuses what is no part", function()
      local x = support.pattern(6, 8)
      assert.error_matches(function() image.crop(x, { 0, 0, 9, 6 }) end, "scion.image.crop: the part { 0, 0, 9, 6 } reaches beyond")
      assert.error_matches(function() image.crop(x, { 0, 0, 0, 6 }) end, "is empty")
      assert.error_matches(function() image.crop(x, { 0, 0, 1.5, 6 }) end, "as whole numbers")
      assert.error_matches(function() image.crop(core.new({ 4, 4 }, "u8"), { 0, 0, 1, 1 }) end, "an image, a u8 tensor")
    end)
  end)

  describe("the affine warp", function()
    for _, case in ipairs(golden.warp) do
      it(("is SciPy's: %dx%d, %s, %.2f .."):format(case.size[1], case.size[2], case.fill, case.matrix[1]), function()
        local y = core.image_warp(support.pattern(case.size[1], case.size[2]), case.matrix, case.fill, 77)
        assert.is_true(support.largest_difference(support.unhex(case.y), y:bytes()) <= 1)
      end)
    end

    it("that moves nothing changes nothing", function()
      local x = support.pattern(30, 41)
      for _, fill in ipairs{ "nearest", "constant", "reflect", "wrap" } do
        assert.equal(x:bytes(), core.image_warp(x, { 1, 0, 0, 0, 1, 0 }, fill):bytes())
      end
    end)

    it("mirrors exactly", function()
      local x = support.pattern(20, 37)
      local mirror = { -1, 0, 36, 0, 1, 0 }
      local once = core.image_warp(x, mirror)
      assert.not_equal(x:bytes(), once:bytes())
      assert.equal(x:bytes():sub(1, 3), once:bytes():sub(36 * 3 + 1, 37 * 3))
      assert.equal(x:bytes(), core.image_warp(once, mirror):bytes())
    end)

    it("bears numbers that lead nowhere", function()
      local x = support.pattern(20, 37)
      for _, fill in ipairs{ "nearest", "constant", "reflect", "wrap" } do
        for _, far in ipairs{ 1e30, -1e30, math.huge, 0 / 0 } do
          assert.same({ 20, 37, 3 }, core.image_warp(x, { far, 0, far, 0, far, 1 }, fill):shape())
        end
      end
    end)
  end)
end)
