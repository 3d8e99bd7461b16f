local core = require "scion.core"
local data = require "scion.data"
local dataset = require "scion.data.dataset"
local image = require "scion.image"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local support = dofile "spec/support/images.lua"

local golden = dofile "spec/fixtures/image/looks.lua"

local pictures = {}

-- A smooth picture that its number alone decides: a few waves.
local function picture(height, width, number)
  local key = ("%d %d %d"):format(height, width, number)
  if pictures[key] then return pictures[key] end
  local pixels = {}
  for y = 0, height - 1 do
    for x = 0, width - 1 do
      local u, v, value = x / width, y / height, 0
      for k = 1, 3 do
        local seed = number * 7 + k * 3
        value = value + math.sin(6.28 * (u * (seed * k % 13) / 6 + v * (seed * 5 % 17) / 8) + seed * k)
      end
      value = math.floor(128 + 35 * value)
      pixels[#pixels + 1] = string.char(value, value + 5, value + 10)
    end
  end
  pictures[key] = core.from_bytes(table.concat(pixels), { height, width, 3 })
  return pictures[key]
end

-- A folder of classes: files by name, each a picture, or bytes as they are.
local function tree(classes)
  local root = support.folder()
  for class, files in pairs(classes) do
    assert(lfs.mkdir(root .. "/" .. class))
    for name, content in pairs(files) do
      local path = root .. "/" .. class .. "/" .. name
      if type(content) == "string" then support.spit(path, content) else assert(image.save(path, content)) end
    end
  end
  return root
end

-- Paths relative to the folder.
local function relative(root, files)
  local list = {}
  for i, file in ipairs(files) do list[i] = file:sub(#root + 2) end
  return list
end

local function bits(n)
  local count = 0
  while n ~= 0 do n, count = n & (n - 1), count + 1 end
  return count
end

-- Two classes of ten different pictures.
local function sound()
  local classes = { jar = {}, lid = {} }
  for i = 1, 10 do
    classes.jar[i .. ".png"], classes.lid[i .. ".png"] = picture(36, 48, i), picture(36, 48, 20 + i)
  end
  return classes
end

local small = { size = 32 }

describe("how an image looks", function()
  teardown(support.done)

  it("is hashed as by Pillow and SciPy", function()
    local root = support.folder()
    for i, case in ipairs(golden.patterns) do
      local path = ("%s/%d.png"):format(root, i)
      assert(image.save(path, support.pattern(case[1], case[2], case[3])))
      local facts = core.image_examine({ path }, 1, 1)[1]
      assert.equal(case.hash, ("%016x"):format(string.unpack("=I8", facts.look)))
      assert.equal(support.unhex(case.tiles), facts.look:sub(9))
    end
  end)

  it("is much what the ImageHash library tells of photographs, which are decoded and resized otherwise there", function()
    if not support.data then pending "SCION_TEST_DATA is not set" return end
    local near = 0
    for _, case in ipairs(golden.photographs) do
      local facts = core.image_examine({ support.data .. "/data/trashnet/val/" .. case[1] }, 1, 1)[1]
      local distance = bits(string.unpack("=I8", facts.look) ~ tonumber(case[2], 16))
      assert.is_true(distance <= 8, case[1] .. " " .. distance) -- of different ones: 32, more or less
      if distance <= 2 then near = near + 1 end
    end
    assert.is_true(near >= #golden.photographs // 2, near .. " differ in 2 bits or fewer")
  end)

  it("is the same for images in memory", function()
    local path = support.folder() .. "/a.png"
    assert(image.save(path, picture(36, 48, 1)))
    local one, other = core.image_examine({ path }, 1, 1)[1], core.image_examine(picture(36, 48, 1):reshape(1, 36, 48, 3), 1, 1)[1]
    assert.equal(one.look, other.look)
    assert.same({ 36, 48 }, { other.height, other.width })
  end)

  it("finds copies of photographs, and takes no others for copies", function()
    if not support.data then pending "SCION_TEST_DATA is not set" return end
    local root, originals, copies = support.folder(), {}, {}
    for i = 1, #golden.photographs // 2 do
      local case = golden.photographs[2 * i]
      local path = support.data .. "/data/trashnet/val/" .. case[1]
      local pixels = assert(image.load(path))
      local height, width = table.unpack(pixels:shape())
      originals[i] = path
      local function keep(name, made)
        copies[name] = copies[name] or {}
        copies[name][i] = ("%s/%d_%s.jpg"):format(root, i, name)
        assert(image.save(copies[name][i], made))
      end
      keep("again", pixels)
      keep("half", image.resize(pixels, { height // 2, width // 2 }))
      keep("cropped", pixels:slice(1, 1 + height // 100, height - height // 100):slice(2, 1 + width // 100, width - width // 100):copy())
      keep("brighter", (pixels:to "f32" * 1.2):to "u8")
    end
    local function looks(files)
      local list = core.image_examine(files, 1, #files)
      for i, facts in ipairs(list) do list[i] = facts.look end
      return list
    end
    local mine = looks(originals)
    for name, files in pairs(copies) do
      local missed = 0
      for i, found in ipairs(core.image_alike(looks(files), mine)) do
        if found ~= i then missed = missed + 1 end
      end
      assert.is_true(missed <= 1, ("%d of %d missed: %s"):format(missed, #files, name))
    end
    local doubled = 0
    for _, found in ipairs(core.image_alike(mine)) do doubled = doubled + (found > 0 and 1 or 0) end
    assert.equal(0, doubled)
  end)

  it("is refused in calls that make no sense", function()
    assert.error(function() core.image_examine({ "a" }, 1, 2) end)
    assert.error(function() core.image_examine({ "a", 2 }, 1, 2) end)
    assert.error(function() core.image_examine(core.new({ 1, 2, 2, 4 }, "u8"), 1, 1) end)
    assert.error(function() core.image_alike { "short" } end)
    assert.error(function() core.image_alike({}, { 1 }) end)
    assert.same({}, core.image_alike {})
  end)
end)

describe("scion.data.doctor", function()
  teardown(support.done)

  it("has nothing to tell of a sound data set", function()
    local root = tree(sound())
    local found = data.doctor(data.folder(root, small))
    for name, value in pairs(found) do
      if type(value) == "table" and name ~= "classes" then assert.same({}, value, name) end
    end
    assert.equal(20, found.images)
    assert.same({ { label = "jar", images = 10 }, { label = "lid", images = 10 } }, found.classes)
    assert.equal(root .. "/", found.folder)
    assert.matches("20 images, .* in .*\n2 classes: jar 10, lid 10\n\nnothing to tell of broken files", tostring(found))
  end)

  it("finds broken files, copies, and one image in two classes", function()
    local classes = sound()
    classes.jar["broken.png"] = "no image"
    classes.jar["empty.jpg"] = ""
    classes.jar["x1.png"], classes.lid["x1.jpg"] = picture(36, 48, 1), picture(54, 72, 22) -- of jar/1 and lid/2
    classes.lid["y3.jpg"] = image.resize(picture(36, 48, 3), 44) -- of jar/3
    local root = tree(classes)
    local found = data.doctor(root)
    assert.equal(2, #found.broken)
    assert.equal(root .. "/jar/broken.png", found.broken[1].file)
    assert.equal("the file is empty", found.broken[2].message)
    assert.equal(1, #found.copies)
    assert.same({ "jar/1.png", "jar/x1.png" }, relative(root, found.copies[1].files))
    assert.is_true(found.copies[1].exact)
    local alike = {}
    for i, each in ipairs(found.alike) do alike[i] = relative(root, each.files) end
    assert.same({ { "jar/3.png", "lid/y3.jpg" }, { "lid/2.png", "lid/x1.jpg" } }, alike)
    assert.equal(1, #found.two_classes)
    assert.same({ "jar", "lid" }, found.two_classes[1].labels)
    assert.equal(11, found.classes[1].images)
    assert.matches("jar/3.png looks like lid/y3.jpg (jar, lid)", tostring(found), 1, true)
    assert.matches("2 files cannot be read (.broken):\n  jar/broken.png: ", tostring(found), 1, true)
  end)

  it("shows broken files by what is wrong with them", function()
    local classes = sound()
    for i = 1, 3 do classes.jar["empty" .. i .. ".jpg"], classes.lid["page" .. i .. ".jpg"] = "", i < 3 and "<html></html>" or "\1\2\3" end
    classes.jar["text.jpg"], classes.jar["zip.jpg"] = "text", "PK\3\4"
    local found = data.doctor(tree(classes))
    assert.same({ 8, 0, 0 }, { #found.broken, #found.copies, #found.two_classes })
    local shown = tostring(found):gsub("\n    ", " ")
    assert.matches("8 files cannot be read (.broken):\n  jar/empty1.jpg and 2 more: the file is empty\n  lid/page1.jpg and 1 more: an HTML page,", shown, 1, true)
    assert.matches("\n  jar/text.jpg: a text file, which is no image: take it out of the folder\n  and 2 more\n", shown, 1, true)
  end)

  it("tells what was passed over apart from what is broken, also after a pass", function()
    local classes = sound()
    classes.jar["broken.png"], classes.jar["notes.txt"] = "no image", "notes"
    local root = tree(classes)
    local set
    support.stderr_of(function() set = data.folder(root, small) end)
    set.warn = function() end
    for _ = 1, 2 do
      local found = data.doctor(set)
      assert.same({ 1, 1 }, { #found.broken, #found.passed_over })
      assert.equal(root .. "/jar/notes.txt", found.passed_over[1].file)
      for _ in set:batches() do end -- puts the broken one among the problems
    end
  end)

  it("finds images that stand in two of the sets", function()
    local train, val = sound(), sound()
    for i = 1, 10 do val.jar[i .. ".png"], val.lid[i .. ".png"] = picture(36, 48, 40 + i), picture(36, 48, 60 + i) end
    val.jar["same.png"], val.jar["like.png"] = picture(36, 48, 2), image.resize(picture(36, 48, 4), { 54, 72 })
    local one, other = tree(train), tree(val)
    local found = data.doctor(one, { against = { val = other } })
    assert.same({ { file = other .. "/jar/like.png", set = "val", copy_of = one .. "/jar/4.png", exact = false },
                  { file = other .. "/jar/same.png", set = "val", copy_of = one .. "/jar/2.png", exact = true } },
                { table.unpack(found.leaks[1].exact and { found.leaks[2], found.leaks[1] } or found.leaks) })
    assert.same({}, found.copies)
    assert.equal(20, found.images)
    local set = data.folder(other, small)
    assert.equal(2, #data.doctor(data.folder(one, small), { against = set }).leaks)
    local both = data.doctor(one, { against = { test = set, val = other } }) -- each image of val is in test, too
    assert.equal(2 + 2 + 22, #both.leaks)
    assert.equal("val", both.leaks[#both.leaks].set)
    assert.matches("same.png %(test%) = .-2.png\n", tostring(both))
    local apart = tree { jar = { ["80.png"] = picture(36, 48, 80) }, lid = { ["90.png"] = picture(36, 48, 90) } }
    assert.matches("%d.png %(val%) = .-%d.png %(test%)\n", tostring(data.doctor(apart, { against = { test = set, val = other } })))
    local head = tostring(both):match "^(.-)\n%d+ class":gsub("%s+", " ")
    assert.matches("^20 images, [%d.]+ kB, against test: 2%d images, [%d.]+ kB, and val: 22 images, [%d.]+ kB, in ", head)
    assert.same({ "test", #set, "val", 22 }, { both.against[1].name, both.against[1].images, both.against[2].name, both.against[2].images })
    local bytes = 0
    for _, file in ipairs(set.files) do bytes = bytes + lfs.attributes(file, "size") end
    assert.equal(bytes, both.against[1].bytes)
  end)

  it("finds what is small, blank, misnamed, grey, transparent or turned", function()
    local classes = sound()
    classes.jar["blank.png"] = picture(36, 48, 1):copy():fill(9)
    classes.jar["small.png"] = picture(31, 48, 70)
    classes.lid["named.jpg.png"] = picture(36, 48, 71)
    local root = tree(classes)
    assert(os.rename(root .. "/lid/named.jpg.png", root .. "/lid/named.jpg"))
    local function put(name, hex) support.spit(root .. "/lid/" .. name, support.unhex(hex)) end
    for _, each in ipairs(dofile "spec/fixtures/image/resize.lua".reduced) do
      if each.orientation == 6 then put("turned.jpg", each.file) end
    end
    for _, each in ipairs(dofile "spec/fixtures/image/formats.lua") do
      if each.name == "turned.webp" then put(each.name, each.file) end
    end
    local png = support.slurp(root .. "/lid/1.png")
    -- a grey picture with alpha, 1x1: header and data with their checksums, written by hand
    local function chunk(name, body)
      local crc = 0xffffffff
      for i = 1, #name + #body do
        crc = crc ~ (name .. body):byte(i)
        for _ = 1, 8 do crc = crc & 1 == 1 and crc >> 1 ~ 0xedb88320 or crc >> 1 end
      end
      return string.pack(">I4", #body) .. name .. body .. string.pack(">I4", crc ~ 0xffffffff)
    end
    local function grey_alpha(name, pixel) -- 1x1: a grey and an opacity
      local raw = "\0" .. pixel
      local stored = "\x78\x01\x01" .. string.pack("<I2I2", #raw, #raw ~ 0xffff) .. raw .. string.pack(">I4", support.adler32(raw))
      support.spit(root .. name, png:sub(1, 8) .. chunk("IHDR", string.pack(">I4I4BBBBB", 1, 1, 8, 4, 0, 0, 0)) .. chunk("IDAT", stored) .. chunk("IEND", ""))
    end
    local function deep_grey(name, value) -- 1x1 of 16 bits
      local raw = "\0" .. string.pack(">I2", value)
      local stored = "\x78\x01\x01" .. string.pack("<I2I2", #raw, #raw ~ 0xffff) .. raw .. string.pack(">I4", support.adler32(raw))
      support.spit(root .. name, png:sub(1, 8) .. chunk("IHDR", string.pack(">I4I4BBBBB", 1, 1, 16, 0, 0, 0, 0)) .. chunk("IDAT", stored) .. chunk("IEND", ""))
    end
    deep_grey("/lid/deep.png", 5000)
    grey_alpha("/lid/alpha.png", "\128\0")
    grey_alpha("/lid/opaque.png", "\127\255") -- hides nothing
    grey_alpha("/lid/white.png", "\255\0") -- looks the same on white
    local found = data.doctor(data.folder(root, small))
    assert.same({}, found.broken)
    assert.same({ "jar/blank.png", "lid/alpha.png", "lid/deep.png", "lid/opaque.png", "lid/white.png" }, relative(root, found.blank))
    assert.equal(root .. "/jar/small.png", found.small[1].file)
    assert.same({ 31, 48 }, { found.small[1].height, found.small[1].width })
    assert.same({ { file = root .. "/lid/named.jpg", format = "png" } }, found.misnamed)
    assert.same({ "lid/alpha.png", "lid/deep.png", "lid/opaque.png", "lid/white.png" }, relative(root, found.grey))
    assert.same({ "lid/deep.png" }, relative(root, found.deep))
    assert.same({ "lid/alpha.png" }, relative(root, found.transparent))
    assert.same({}, data.doctor(data.folder(root, { size = 32, background = "white" })).transparent)
    assert.same({ "lid/turned.jpg", "lid/turned.webp" }, relative(root, found.turned))
    local turned = core.image_examine({ root .. "/lid/turned.jpg" }, 1, 1)[1]
    assert.same({ 131, 97, 6 }, { turned.height, turned.width, turned.orientation })
    assert.matches("lid/named.jpg holds a PNG image", tostring(found), 1, true)
  end)

  it("looks at the classes: few images, lopsided, names that are nearly the same", function()
    local classes = sound()
    classes.Jar = { ["z.png"] = picture(36, 48, 80) }
    classes["lids"] = { ["z.png"] = picture(36, 48, 81) }
    classes["glass"], classes["glas s"] = { ["z.png"] = picture(36, 48, 82) }, { ["z.png"] = picture(36, 48, 83) }
    local found = data.doctor(tree(classes))
    assert.same({ { labels = { "Jar", "jar" } }, { labels = { "glas s", "glass" } }, { labels = { "lid", "lids" } } }, found.similar_names)
    assert.same({ "Jar", "glas s", "glass", "lids" }, { found.few[1].label, found.few[2].label, found.few[3].label, found.few[4].label })
    assert.equal(10, found.imbalance[1].most.images)
    assert.equal(1, found.imbalance[1].least.images)
  end)

  it("names of many classes the first, and tells names alike that differ in how accents are written", function()
    local classes = {}
    for i = 1, 21 do classes[("class%02d"):format(i)] = { ["1.png"] = picture(36, 48, i) } end
    classes["caf\u{e9}"], classes["cafe\u{301}"] = { ["1.png"] = picture(36, 48, 30) }, { ["1.png"] = picture(36, 48, 31) }
    local found = data.doctor(tree(classes))
    assert.equal(23, #found.classes)
    assert.matches("^23 images[^\n]+\n23 classes: cafe\u{301} 1, caf\u{e9} 1, class01 1, .*class18 1, and 3 more %(.classes%)\n", (tostring(found):gsub("\n  ", " ", 3)))
    assert.same({ { labels = { "cafe\u{301}", "caf\u{e9}" } } }, found.similar_names)
    assert.matches("'cafe\u{301}' (accents as characters of their own) and 'caf\u{e9}'", (tostring(found):gsub("\n    ", " ")), 1, true)
  end)

  it("takes images in memory, and files without labels", function()
    local images = core.stack { picture(36, 48, 1), picture(36, 48, 2), picture(36, 48, 1), picture(36, 48, 3) }
    local found = data.doctor(data.tensors(images, { "a", "b", "b", "a" }))
    assert.same({ { files = { "image 1", "image 3" }, labels = { "a", "b" }, exact = true } }, found.copies)
    local shares = require("scion.tensor").tensor { { 0.5, 0.5 }, { 1, 0 }, { 0, 1 }, { 0.2, 0.8 } }
    local soft = data.doctor(dataset.new({ images = images, count = 4, soft = shares, labels = { "a", "b" } }, { size = { 36, 48 }, batch = 4, seed = 0 }))
    assert.same({ {}, {}, 1 }, { soft.classes, soft.few, #soft.copies }) -- no image is of one class
    local root = tree(sound())
    assert.equal("", data.doctor(data.files { root .. "/jar/1.png", "no_such.png" }).folder)
    assert.matches("No such file", data.doctor(data.files { "no_such.png" }).broken[1].message)
  end)

  it("fits 60 columns", function()
    local classes = sound()
    classes.jar[("long"):rep(12) .. ".png"] = picture(36, 48, 5)
    classes.jar["broken.png"] = "no image"
    for _, line in ipairs(require "scion.report.diagnosis"(data.doctor(tree(classes)))) do
      assert.is_true(#line <= 80, line)
    end
  end)

  it("changes nothing, and refuses what is no data set", function()
    local root = tree(sound())
    local before = support.list(root .. "/jar")
    local set = data.folder(root, small)
    data.doctor(set)
    assert.equal(before, support.list(root .. "/jar"))
    assert.equal(0, set.skipped)
    assert.matches("scion.data.doctor: the first argument is a data set or the path of a folder, not 3", messages.refused(function() data.doctor(3) end), 1, true)
    assert.matches("no folder is there", messages.refused(function() data.doctor "no such" end))
    assert.matches("did you mean 'against'", messages.refused(function() data.doctor(set, { agains = set }) end))
    assert.matches("against.val is a data set", messages.refused(function() data.doctor(set, { against = { val = 5 } }) end))
    assert.matches("against is a data set, a folder, or a table", messages.refused(function() data.doctor(set, { against = { set } }) end))
  end)

  it("raises what is no file's fault", function()
    local root = tree(sound())
    local output = support.shell(("ulimit -n 12; %s -e 'local d = require \"scion.data\" local s = d.folder(%q) local h = {} " ..
      "pcall(function() while true do h[#h + 1] = assert(io.open(\"/dev/null\")) end end) print(pcall(d.doctor, s))'"):format(arg[-1] or "lua5.4", root))
    assert.matches("false\t.*too many open files", output)
  end)
end)
