-- WebP, GIF and what is transparent, against Pillow.
local core = require "scion.core"
local image = require "scion.image"
local support = dofile "spec/support/images.lua"
local cases = dofile "spec/fixtures/image/formats.lua"

describe("image formats", function()
  after_each(support.done)

  local function file_of(name, bytes) return support.spit(support.folder() .. "/" .. name, bytes) end

  for _, case in ipairs(cases) do
    it(case.name .. " is decoded as Pillow does it", function()
      local path = file_of("picture", support.unhex(case.file)) -- the name says nothing of the format
      local t = assert(image.load(path))
      assert.same({ case.size[1], case.size[2], 3 }, t:shape())
      assert.equal(case.adler, support.adler32(t:bytes()))
      for i, background in ipairs { "white", "black", { 200, 30, 77 } } do
        local upon = assert(image.load(path, { background = background }))
        assert.equal(case.upon[i], support.adler32(upon:bytes()), "upon " .. i)
      end
    end)
  end

  local function refused(path, reason, options)
    local t, message = image.load(path, options)
    assert.is_nil(t)
    assert.matches(path .. ": " .. reason, message, 1, true)
  end

  it("are refused when cut off, larger than allowed, or damaged", function()
    for _, case in ipairs(cases) do
      local kind = case.name:match "%.webp$" and "WebP" or case.name:match "%.gif$" and "GIF"
      if kind and case.name ~= "animated.gif" then -- its first picture may be whole
        local bytes = support.unhex(case.file)
        for _, left in ipairs { 12, #bytes // 3, #bytes // 2 } do refused(file_of("cut", bytes:sub(1, left)), "truncated " .. kind) end
        refused(file_of("large", bytes), "an image of ", { max_pixels = case.size[1] * case.size[2] - 1 })
        assert(image.load(file_of("allowed", bytes), { max_pixels = case.size[1] * case.size[2] }))
      end
    end
    refused(file_of("broken.gif", "GIF89a" .. ("\1"):rep(300)), "broken GIF")
    refused(file_of("broken.webp", "RIFF\100\0\0\0WEBP" .. ("\1"):rep(300)), "broken WebP")
  end)

  it("are whole when only the end of a GIF is missing", function()
    local case = cases[9]
    assert.equal("palette.gif", case.name)
    local bytes = support.unhex(case.file)
    for left = #bytes - 2, #bytes do assert.equal(case.adler, support.adler32(assert(image.load(file_of("cut", bytes:sub(1, left)))):bytes())) end
  end)

  it("are never read as whole where a GIF is cut within its pixels", function()
    local path = file_of("cut", "")
    for _, case in ipairs(cases) do
      if case.name:match "%.gif$" and case.name ~= "animated.gif" then
        local bytes = support.unhex(case.file)
        for left = 1, #bytes do
          local near = left > #bytes - 150 or left % 17 == 0
          local t = near and image.load(support.spit(path, bytes:sub(1, left)))
          if t then assert.equal(case.adler, support.adler32(t:bytes()), ("%s, %d of %d bytes"):format(case.name, left, #bytes)) end
        end
      end
    end
  end)

  it("name what to install where their module is missing, and that is no fault of the file", function()
    local core_file = assert(package.searchpath("scion.core", package.cpath))
    local folder = support.folder()
    assert(require "lfs".mkdir(folder .. "/scion"))
    support.spit(folder .. "/scion/core.so", support.slurp(core_file))
    local path = file_of("a.webp", support.unhex(cases[1].file))
    local out = support.shell(("LUA_CPATH=%s lua5.4 -e %s"):format(support.quoted(folder .. "/?.so;" .. package.cpath), support.quoted(([[
      local scion = require "scion"
      print(scion.image.load %q)
      print(pcall(function() for _ in scion.data.files({ %q }, { size = 8 }):batches() do end end))]]):format(path, path))))
    local told = path .. ": a WebP image, which is read with libwebp (Scion was built without it): install it (Debian: apt-get install libwebp-dev;"
    assert.matches("nil\t" .. told, out, 1, true)
    assert.matches("false\t", out, 1, true)
  end)

  it("are told by their first bytes when they are others", function()
    local kinds = {
      ["a HEIC image"] = "\0\0\0\24ftypheic\0\0\0\0", ["an AVIF image"] = "\0\0\0\24ftypavif\0\0\0\0", ["a video"] = "\0\0\0\24ftypisom\0\0\0\0",
      ["a BMP image"] = "BM\70\1\0\0\0\0\0\0\54\0\0\0\40", ["a TIFF image"] = "MM\0*\0\0\0\8", ["a JPEG XL image"] = "\xff\x0a\1\2",
      ["a JPEG 2000 image"] = "\0\0\0\x0cjP  \r\n\x87\n", ["an HTML page"] = "\r\n<!DOCTYPE HTML><title>Not found</title>", ["an icon"] = "\0\0\1\0\1\0",
      ["a Git LFS pointer"] = "version https://git-lfs.github.com/spec/v1\noid sha256:12\nsize 3\n", ["a PDF file"] = "%PDF-1.7\n", ["a ZIP archive"] = "PK\3\4\20\0",
      ["an SVG drawing"] = "<?xml version='1.0'?>\n<svg xmlns='http://www.w3.org/2000/svg'/>", ["a text file"] = "file,label\na.jpg,1\n",
      ["a PNM image"] = "P6\n3 4\n255\n\0\1",
      ["a compressed archive"] = "\x1f\x8b\8\0", ["a file of zeros"] = ("\0"):rep(700), ["a DICOM image"] = ("\0"):rep(128) .. "DICM\2\0", ["a NumPy array"] = "\x93NUMPY\1\0",
    }
    for name, bytes in pairs(kinds) do
      local path = file_of("x.jpg", bytes)
      assert.equal(name, core.image_format(path))
      refused(path, name .. ", ")
      local _, message = image.load(path)
      assert.matches(", %a.*%a", message) -- and what to do
    end
    assert.equal("an empty file", core.image_format(file_of("x.jpg", "")))
    assert.equal("a text file", core.image_format(file_of("x.jpg", "BMW and Audi, P6 and P5")))
    for _, case in ipairs(cases) do
      local extension = case.name:match "%.(%a+)$"
      assert.equal(("a %s image"):format(extension == "webp" and "WebP" or extension:upper()), core.image_format(file_of("x", support.unhex(case.file))))
    end
    assert.is_nil(core.image_format(file_of("x.jpg", "\1\2\3\4\5")))
    refused(file_of("x.jpg", "\1\2\3\4\5"), "no JPEG, PNG, WebP or GIF image, and none of a format that Scion knows")
    assert.is_nil(core.image_format(support.folder()))
    assert.is_nil(core.image_format "/nowhere/x.jpg")
    for length = 1, 40 do -- never reads behind the end
      for _, bytes in pairs(kinds) do core.image_format(file_of("x.jpg", bytes:sub(1, length))) end
    end
  end)

  it("upon a background are options of data sets, too", function()
    local case = cases[4]
    assert.equal("lossless_alpha.webp", case.name)
    local path = file_of("a.webp", support.unhex(case.file))
    for background, adler in pairs { white = case.upon[1], black = case.upon[2] } do
      local data = require "scion".data.files({ path }, { size = case.size, background = background })
      for batch in data:batches() do assert.equal(adler, support.adler32(batch.x:bytes())) end
    end
    assert.error_matches(function() image.load(path, { background = "gray" }) end, "background is 'white', 'black' or { red, green, blue } from 0 to 255")
    assert.error_matches(function() image.load(path, { background = { 1, 2, 256 } }) end, "background is")
  end)
end)
