local core = require "scion.core"
local data = require "scion.data"
local image = require "scion.image"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/images.lua"

-- A data set of small generated images: for each class a list of file names. Text for names that end in .txt or say "text".
local function tree(classes)
  local root, shift = support.folder(), 0
  for class, names in pairs(classes) do
    assert(lfs.mkdir(root .. "/" .. class))
    for _, name in ipairs(names) do
      shift = shift + 29
      local path = root .. "/" .. class .. "/" .. name
      if name:find "text" then support.spit(path, "no image") else
        assert(image.save(path .. ".png", support.pattern(12, 17, shift)))
        assert(os.rename(path .. ".png", path)) -- formats are told by content
      end
    end
  end
  return root
end

local function numbered(n)
  local names = {}
  for i = 1, n do names[i] = ("%02d.png"):format(i) end
  return names
end

-- All of a pass as one string, and what came with it.
local function pass(dataset, ...)
  local bytes, labels, indices, failures, sizes = {}, {}, {}, {}, {}
  for batch in dataset:batches(...) do
    bytes[#bytes + 1] = batch.x:bytes()
    sizes[#sizes + 1] = #batch
    for _, label in ipairs(batch.y and support.integers(batch.y) or {}) do labels[#labels + 1] = label end
    for _, index in ipairs(support.integers(batch.index)) do indices[#indices + 1] = index end
    for _, failure in ipairs(batch.failed) do failures[#failures + 1] = failure end
  end
  return { bytes = table.concat(bytes), labels = labels, indices = indices, failures = failures, sizes = sizes }
end

-- What this process has in memory, or nothing where the system does not tell or a sanitizer keeps what is freed.
local function resident()
  local file = not os.getenv "LD_PRELOAD" and io.open "/proc/self/status"
  if not file then return nil end
  local kilobytes = file:read "a":match "VmRSS:%s*(%d+) kB"
  file:close()
  return 1024 * tonumber(kilobytes)
end

local everything = { rotation = 20, width_shift = 0.1, height_shift = 0.2, shear = 10, zoom = 0.3, flip = "both",
                     brightness = { 0.7, 1.2 }, channel_shift = 20 }

describe("scion.data.folder", function()
  after_each(support.done)

  for _, memory in ipairs{ 0, 1e9 } do
    it(("needs no more memory after many epochs than after a few, keeping %g bytes"):format(memory), function()
      local d = data.folder(tree{ a = numbered(12), b = numbered(12) }, { size = 60, batch = 5, augment = everything, workers = 2, memory = memory })
      local function epochs(first, last)
        for e = first, last do
          for _ in d:batches(e) do end -- luacheck: ignore 542
          collectgarbage() -- what waits for the collector is no concern here
        end
        return core.live_bytes(), d.store and #d.store or 0, resident()
      end
      local live, kept, before = epochs(1, 50) -- by then malloc has its arenas for the threads
      local live_after, kept_after, after = epochs(51, 200)
      assert.equal(live, live_after)
      assert.equal(kept, kept_after)
      if before then assert.is_true(after - before < 2e6, ("%d bytes more"):format(after - before)) end
    end)
  end

  it("keeps images in memory as it is told, and gives the same ones", function()
    local root = tree{ a = numbered(3), b = numbered(4) }
    local one = 20 * 20 * 3
    local kept = data.folder(root, { size = 20, augment = everything })
    local not_kept = data.folder(root, { size = 20, augment = everything, memory = 0 })
    local some = data.folder(root, { size = 20, augment = everything, memory = 3 * (one + 64) })
    for epoch = 1, 3 do
      local bytes = pass(kept, epoch).bytes
      assert.equal(bytes, pass(not_kept, epoch).bytes)
      assert.equal(bytes, pass(some, epoch).bytes)
    end
    assert.is_nil(not_kept.store)
    assert.is_true(#kept.store >= 7 * one and #some.store >= 3 * one and #some.store < 4 * one)
    assert.is_nil(data.files(kept.files).store)
  end)

  it("gives the same images from memory where they are shrunk, whatever a worker did before", function()
    local root, bytes = tree{ a = numbered(4), b = numbered(4) }, {}
    for i, memory in ipairs{ 0, 1e9 } do
      local d = data.folder(root, { size = 20, filter = "bicubic", augment = { scion.augment.zoom{ 1.5, 2 } }, memory = memory })
      pass(d, 1)
      bytes[i] = pass(d, 2).bytes -- by new workers, which never read a file if it is in memory
    end
    assert.is_true(bytes[1] == bytes[2])
  end)

  it("sorts classes and files by code point and passes over what is no image", function()
    local root = tree{ b = { "2.jpg", "10.PNG", "Z.jpeg", "notes.text", ".hidden.jpg" }, Y = { "a.png" }, ["é"] = { "x.jpg" },
                       [".git"] = { "x.jpg" }, z = { "x.jpg" } }
    support.spit(root .. "/README.text", "beside the folders")
    local d = data.folder(root .. "/", { size = 8 })
    assert.same({ "Y", "b", "z", "é" }, d.labels)
    assert.same({ root .. "/Y/a.png", root .. "/b/10.PNG", root .. "/b/2.jpg", root .. "/b/Z.jpeg", root .. "/z/x.jpg",
                  root .. "/é/x.jpg" }, d.files)
    assert.same({ 1, 2, 2, 2, 3, 4 }, support.integers(d.classes))
    assert.same({ 1, 3, 1, 1 }, d:class_counts())
    assert.equal(6, #d)
    assert.equal("data set of 6 images in 4 classes (Y 1, b 3, z 1, é 1); 8x8, batches of 32;\n  shuffled by seed 0; 1 file passed over", tostring(d))
  end)

  it("reads folders within a class's folder", function()
    local root = tree{ a = { "2.png", "10.png" }, b = { "1.png" } }
    assert(lfs.mkdir(root .. "/a/1"))
    assert(image.save(root .. "/a/1/x.png", support.pattern(3, 3)))
    assert(os.rename(root .. "/a/10.png", root .. "/a/1.png"))
    -- "." sorts before "/"
    assert.same({ root .. "/a/1.png", root .. "/a/1/x.png", root .. "/a/2.png", root .. "/b/1.png" }, data.folder(root).files)
  end)

  it("gives each image with its own label", function()
    local root = tree{ a = numbered(5), b = numbered(3), c = numbered(4) }
    local d = data.folder(root, { size = { 12, 17 }, batch = 5, seed = 3 })
    local n = 0
    for batch in d:batches(2) do
      assert.equal("u8", batch.x:dtype())
      assert.equal("i32", batch.y:dtype())
      for row, index in ipairs(support.integers(batch.index)) do
        local bytes = batch.x:bytes():sub((row - 1) * 12 * 17 * 3 + 1, row * 12 * 17 * 3)
        assert.equal(image.load(d.files[index]):bytes(), bytes)
        assert.equal(d.files[index], batch.files[row])
        assert.equal(d.files[index]:match "/(.)/%d+.png$", d.labels[support.integers(batch.y)[row]])
        n = n + 1
      end
    end
    assert.equal(12, n)
  end)

  it("tells the order of an epoch before it runs", function()
    local root = tree{ a = numbered(6), b = numbered(5) }
    local d = data.folder(root, { size = 4, batch = 3, seed = 3 })
    assert.same(pass(d, 2).indices, support.integers(d:order(2)))
    d.shuffle = false
    assert.same(pass(d, 2).indices, support.integers(d:order(2)))
    assert.same({ 1, 11 }, { d:order():get(1), #d:order() })
  end)

  it("shuffles by seed and epoch, or not at all", function()
    local root = tree{ a = numbered(20), b = numbered(17) }
    local d = data.folder(root, { size = 4, batch = 10, seed = 3 })
    local first, again, second = pass(d, 1), pass(d, 1), pass(d, 2)
    assert.same({ 10, 10, 10, 7 }, first.sizes)
    assert.same(first, again)
    assert.not_same(first.indices, second.indices)
    assert.not_same(first.indices, pass(data.folder(root, { size = 4, seed = 4 }), 1).indices)
    table.sort(second.indices)
    local plain = pass(d, 1, { shuffle = false, batch = 100 })
    assert.same(plain.indices, second.indices)
    assert.same({ 37 }, plain.sizes)
    assert.same(support.integers(d.classes), plain.labels)
  end)

  it("follows the order of labels that it is given, and refuses others", function()
    local root = tree{ a = { "1.png" }, b = { "1.png", "2.png" } }
    local d = data.folder(root, { labels = { "b", "a" } })
    assert.same({ "b", "a" }, d.labels)
    assert.same({ 2, 1 }, d:class_counts())
    assert.error_matches(function() data.folder(root, { labels = { "a" } }) end, "the folder " .. root .. "/b is none of the labels %(a%)")
    assert.error_matches(function() data.folder(root, { labels = { "a", "b", "a" } }) end, "'a' is given twice")
  end)

  it("takes a folder that happens to have no image of a class, where labels name it, and tells of it", function()
    local root = tree{ a = { "1.png" }, c = { "2.png" } }
    assert(lfs.mkdir(root .. "/b"))
    local told = support.stderr_of(function()
      local d = data.folder(root, { labels = { "a", "b", "c", "d" }, size = 8 })
      assert.same({ 1, 0, 1, 0 }, d:class_counts())
      assert.same({ 1, 3 }, support.integers(d.classes))
    end)
    assert.equal("scion: " .. root .. " has no image of b, d\n", told)
    assert.matches("b holds no images", messages.refused(function() data.folder(root) end), 1, true)
    assert.matches("x holds no images", messages.refused(function() data.folder(tree{ x = {} }, { labels = { "x", "y" } }) end), 1, true)
  end)

  it("tells once what it passes over, counted by kind, and keeps the list", function()
    local root = tree{ a = { "1.jfif", "2.jpe", "3.JPG", "4.webp", "5.GIF" }, b = { "1.png", "a.webp.text", "b.text" } }
    for _, name in ipairs{ "3.HEIC", "4.heic", "Thumbs" } do support.spit(root .. "/a/" .. name, "") end
    assert(lfs.link("../a", root .. "/b/linked", true))
    for _, name in ipairs{ "3.png", "4.JPEG", "notes.txt" } do support.spit(root .. "/" .. name, "") end
    support.spit(root .. "/scan.tif", "II*\0\8\0\0\0")
    local d
    local told = support.stderr_of(function() d = data.folder(root, { size = 8 }) end)
    assert.equal(6, #d)
    assert.equal(("scion: %s: passed over: 2 .heic, 2 .text, 2 in no class folder, 1 .tif, 1 linking to a folder, 1 without an ending, " ..
                  "such as %s/3.png\n"):format(root, root), told)
    assert.equal(9, #d.problems)
    assert.same({ { file = root .. "/3.png", reason = "in no class folder" }, { file = root .. "/4.JPEG", reason = "in no class folder" },
                  { file = root .. "/scan.tif", reason = ".tif" }, { file = root .. "/a/3.HEIC", reason = ".heic" } }, table.move(d.problems, 1, 4, 1, {}))
    assert.same(d.problems, d:take(2).problems)
    assert.same({ file = root .. "/b/linked", reason = "linking to a folder" }, d.problems[9])
    for name, bytes in pairs{ ["iPhone.heic"] = "\0\0\0\24ftypheic\0\0\0\0", ["saved.htm"] = "<!DOCTYPE html><title>x</title>" } do
      local other = tree{ a = { "1.png" }, b = { "1.png" } }
      support.spit(other .. "/a/" .. name, bytes)
      local what = name == "saved.htm" and "an HTML page" or "a HEIC image"
      assert.equal(("scion: %s: passed over: 1 %s, such as %s/a/%s (%s)\n"):format(other, name:match "%..*", other, name, what),
                   support.stderr_of(function() data.folder(other) end))
    end
    assert.equal("", support.stderr_of(function() assert.same({}, data.folder(tree{ a = { "1.png" }, b = { "1.png" } }).problems) end))
  end)

  it("follows links to folders where it is told to, to each folder once", function()
    local root, other = tree{ a = { "1.png" }, b = { "2.png" } }, tree{ more = { "3.png", "4.png" } }
    assert(lfs.link(other .. "/more", root .. "/a/linked", true))
    assert(lfs.link(other .. "/more", root .. "/a/linked_again", true))
    assert(lfs.link("../a", root .. "/a/circle", true))
    assert(lfs.link("..", other .. "/more/up", true))
    local files = data.folder(root, { size = 8, follow_links = true }).files
    assert.same({ root .. "/a/1.png", root .. "/a/linked/3.png", root .. "/a/linked/4.png", root .. "/b/2.png" }, files)
    assert.equal(2, #data.folder(root, { size = 8 }))
  end)

  it("reads images without labels, wherever they lie", function()
    local root = tree{ a = { "2.png" }, b = { "1.png", "x.text" } }
    assert(image.save(root .. "/0.png", support.pattern(3, 3)))
    local d = data.folder(root, { labels = false, size = 4, shuffle = false })
    assert.same({ root .. "/0.png", root .. "/a/2.png", root .. "/b/1.png" }, d.files)
    assert.same({ d.labels, d.classes }, {})
    assert.same({}, pass(d).labels)
    assert.same({ { file = root .. "/b/x.text", reason = ".text" } }, d.problems)
    local empty = support.folder()
    assert.matches(empty .. " holds no images (.jpg, ", messages.refused(function() data.folder(empty, { labels = false }) end), 1, true)
  end)

  it("reads a folder with very many files at once, in little memory", function()
    local root, n = tree{ a = {}, b = {} }, 5000
    for i = 1, n do support.spit(("%s/%s/photograph_%05d.jpg"):format(root, i % 2 == 0 and "a" or "b", i), "") end
    collectgarbage()
    local before = collectgarbage "count"
    local d = data.folder(root)
    collectgarbage()
    assert.equal(n, #d)
    assert.is_true(1024 * (collectgarbage "count" - before) < 200 * n)
  end)

  it("is not augmented by options that change nothing", function()
    for _, nothing in ipairs{ {}, { rotation = 0 }, { zoom = { 1, 1 } }, { brightness = { 1, 1 }, flip = false, fill = "wrap" } } do
      local d = data.folder(tree{ a = { "1.png" }, b = { "1.png" } }, { augment = nothing })
      assert.is_nil(d.augment)
      d.augment = { rotation = 5 }
      assert.is_table(d.augment)
      d.augment = nothing
      assert.is_nil(d.augment)
    end
  end)

  it("tells of a folder one level too high or too low, and of the shell's ~", function()
    local root = tree{ ["train"] = {}, ["val"] = {} }
    for _, part in ipairs{ "train", "val" } do
      support.remove(root .. "/" .. part)
      assert(os.rename(tree{ a = { "1.png" }, b = { "2.png" } }, root .. "/" .. part))
    end
    assert.matches(("%s holds train and val, which hold the class folders: scion.data.folder('%s/train') and scion.data.folder('%s/val') read them"):format(root, root, root),
                   messages.refused(function() data.folder(root, { size = 8 }) end), 1, true)
    assert(os.rename(tree{ a = { "1.png" }, b = { "2.png" } }, root .. "/unsorted")) -- beside them
    assert.matches(root .. " holds train and val, which hold the class folders: ", messages.refused(function() data.folder(root, { size = 8 }) end), 1, true)
    support.remove(root .. "/unsorted")
    assert.equal(6, #data.folder(tree{ train = { "1.png", "2.png" }, car = { "1.png", "2.png" }, bus = { "1.png", "2.png" } }))
    assert.equal("", support.stderr_of(function() data.folder(tree{ train = { "1.png" }, val = { "1.png" } }, { size = 8 }) end))
    assert.matches("/train/a holds pictures themselves (such as 1.png), but one folder of images for each class is wanted; labels = false reads them without",
                   messages.refused(function() data.folder(root .. "/train/a") end), 1, true)
    assert(os.rename(root .. "/val", root .. "/photos"))
    support.remove(root .. "/train")
    assert.matches("holds one class folder alone, photos, and there is nothing to tell it from: the path may be one folder too high, since " .. root ..
                     "/photos holds folders, such as a, or too low; labels =", messages.refused(function() data.folder(root) end), 1, true)
    assert.equal(1, #data.folder(tree{ a = { "1.png" } }, { labels = { "a", "b" }, size = 8 }))
    assert.matches("the folder ~/nowhere does not exist; '~' is the shell's, in Lua it is os.getenv \"HOME\" .. '/nowhere'",
                   messages.refused(function() data.folder "~/nowhere" end), 1, true)
  end)

  it("passes over folders that systems make, and tells names that only look alike", function()
    local root = tree{ a = { "1.png" }, b = { "2.png" }, ["__MACOSX"] = { "3.png" }, ["@eaDir"] = { "4.png" } }
    assert(os.rename(tree{ ["x.png"] = { "small.png" } }, root .. "/a/@eaDir"))
    local d
    local told = support.stderr_of(function() d = data.folder(root, { size = 8 }) end)
    assert.same({ root .. "/a/1.png", root .. "/b/2.png" }, table.move(d.files, 1, #d.files, 1, {}))
    assert.equal(("scion: %s: passed over: 3 made by the system, such as %s/@eaDir\n"):format(root, root), told)
    local composed, apart = "caf\u{e9}", "cafe\u{301}"
    root = tree{ [apart] = { "1.png" }, b = { "2.png" } }
    assert.matches(("/%s is none of the labels (%s, b); one of it and '%s' writes its accents as characters of their own, as macOS does: "):format(
                   apart, composed, composed), messages.refused(function() data.folder(root, { labels = { composed, "b" } }) end), 1, true)
    assert.matches("/b is none of the labels (a, c): labels name all class folders; scion.data.files makes a set of the images of some of them",
                   messages.refused(function() data.folder(root, { labels = { "a", "c" } }) end), 1, true)
  end)

  it("names the path of what cannot be a data set", function()
    local empty, root = support.folder(), tree{ a = { "1.png" }, b = { "notes.text" } }
    assert.error_matches(function() data.folder "/nowhere/trash" end, "the folder /nowhere/trash does not exist")
    assert.error_matches(function() data.folder(empty) end, empty .. " holds no class folders")
    assert.error_matches(function() data.folder(root .. "/a/1.png") end, "1.png is not a folder")
    assert.matches("the class folder " .. root .. "/b holds no images (.jpg, .jpeg, .jpe, .jfif, .png, .webp or .gif), but 1 .text",
                   messages.refused(function() data.folder(root) end), 1, true)
    assert.error_matches(function() data.folder(7) end, "the first argument is a path, not 7")
  end)

  it("refuses options it does not know or that make no sense", function()
    local root = tree{ a = { "1.png" }, b = { "2.png" } }
    for given, message in pairs{
      [{ agument = {} }] = "scion.data.folder: unknown option 'agument' (did you mean 'augment'?)",
      [{ target_size = 32 }] = "scion.data.folder: unknown option 'target_size' (did you mean 'size'?)",
      [{ augment = { horizontal_flip = true } }] = "augment: unknown option 'horizontal_flip' (write flip = 'horizontal', in a list flip())",
      [{ augment = { sheer = 1 } }] = "scion.data.folder: augment: unknown option 'sheer' (did you mean 'shear'?)",
      [{ size = 0 }] = "size is a number of pixels from 1 to 16384, or { height, width }, not 0", [{ size = { 3 } }] = "size is", [{ size = "big" }] = "size is",
      [{ size = { 3, 2.5 } }] = "size is a number of pixels or { height, width }, but element 2 is 2.5", [{ batch = 1.5 }] = "batch is a whole number",
      [{ seed = "x" }] = "seed is a whole number, not 'x'", [{ workers = 0 }] = "workers is", [{ augment = { zoom = 1 } }] = "zoom is",
      [{ augment = { zoom = { 2, 1 } } }] = "but 2 is above 1", [{ augment = { flip = "horizontl" } }] = "(did you mean 'horizontal'?)",
      [{ augment = { fill = "zeros" } }] = "fill is", [{ augment = { rotation = -1 } }] = "rotation is", [{ shuffle = 0 }] = "shuffle is true or false, not 0",
      [{ memory = -1 }] = "memory is", [{ max_pixels = 0 }] = "max_pixels is",
        [{ truncated = "drop" }] = "truncated is 'error' or 'keep'", [{ reducing_gap = 0.5 }] = "reducing_gap is a number from 1 to 1e+06, or false, not 0.5",
      [{ augment = { shear = 0 / 0 } }] = "shear is a number from 0 to 1e+06, not NaN", [{ augment = { brightness = 2 } }] = "brightness is",
      [{ batch = 1 << 62 }] = "batch is a whole number from 1 to 2147483647, not 4611686018427387904",
    } do
      assert.matches(message, messages.refused(function() data.folder(root, given) end), 1, true)
    end
    assert.error_matches(function() data.folder(root):batches(1, { shufle = true }) end, "did you mean 'shuffle'")
  end)

  it("leaves broken images out, tells of each once, and counts them", function()
    local root = tree{ a = numbered(6), b = numbered(5) }
    support.spit(root .. "/a/03.png", "text that calls itself an image")
    assert(image.save(root .. "/b/big.jpg", support.pattern(50, 50)))
    local bytes = support.slurp(root .. "/b/big.jpg")
    support.spit(root .. "/b/big.jpg", bytes:sub(1, #bytes // 2))
    local d = data.folder(root, { size = 6, batch = 4, seed = 1 })
    local told = {}
    d.warn = function(message) told[#told + 1] = message end
    local first = pass(d, 1)
    assert.equal(10, #first.indices)
    assert.equal(10, #first.labels)
    assert.equal(10 * 6 * 6 * 3, #first.bytes)
    for row, index in ipairs(first.indices) do -- those that remain have moved up with their labels
      local pixels = first.bytes:sub((row - 1) * 108 + 1, row * 108)
      assert.equal(image.resize(image.load(d.files[index]), 6):bytes(), pixels)
      assert.equal(support.integers(d.classes)[index], first.labels[row])
    end
    assert.equal(2, #first.failures)
    assert.equal(2, d.skipped)
    table.sort(told)
    assert.same({ "left out " .. root .. "/a/03.png: a text file, which is no image: take it out of the folder",
                  "left out " .. root .. "/b/big.jpg: truncated JPEG: the file ends before the image does; truncated = 'keep' reads what is there" }, told)
    assert.equal(10, #pass(d, 2).indices)
    assert.same({ 2, 2 }, { #told, d.skipped })
    assert.matches("2 of them broken and left out", tostring(d))
    for _, failure in ipairs(first.failures) do assert.equal(failure.file, d.files[failure.index]) end
  end)

  it("tells once of a class of which nothing is left, and keeps that among the problems", function()
    local root = tree{ a = numbered(4), b = numbered(3) }
    for i = 1, 3 do support.spit(("%s/b/%02d.png"):format(root, i), "") end
    local d, told = data.folder(root, { size = 6, batch = 2, seed = 1 }), {}
    d.warn = function(message) told[#told + 1] = message end
    pass(d, 1)
    pass(d, 2)
    local reason = "none of the 3 images of 'b' can be used, so that nothing is learnt or measured of it: mend its examples, or make the data set without it"
    assert.equal(4, #told)
    assert.equal(reason, told[4])
    assert.same({ label = "b", reason = reason }, d.problems[4])
    assert.equal(4, #d.problems)
    assert.equal(3, d.skipped)
    assert.same({ 4, 3 }, d:class_counts()) -- as they are listed
    assert.matches("(a 4, b 3)", tostring(d), 1, true)
    assert.matches("3 of them broken and left out", tostring(d), 1, true)
  end)

  it("knows what is broken in the sets that are made of it, and tells of it no more", function()
    local root = tree{ a = numbered(4), b = numbered(3) }
    for _, name in ipairs { "a/01", "b/02", "b/03" } do support.spit(("%s/%s.png"):format(root, name), "") end
    local d, told = data.folder(root, { size = 6, batch = 2, seed = 1, shuffle = false }), {}
    d.warn = function(message) told[#told + 1] = message end
    pass(d, 1)
    assert.equal(3, #told)
    local function facts(set)
      local list = { set.skipped }
      for i, problem in ipairs(set.problems) do list[i + 1] = problem.label or problem.file:sub(#root + 2) end
      return list
    end
    for _, case in ipairs { { d:with { batch = 3 }, { 3, "a/01.png", "b/02.png", "b/03.png" } }, { d:take(2), { 1, "a/01.png" } },
                            { d:subset { 5, 2, 6, 1, 1 }, { 3, "b/02.png", "a/01.png", "a/01.png" } } } do
      assert.same(case[2], facts(case[1]))
      pass(case[1], 1)
      assert.same(case[2], facts(case[1]))
    end
    assert.equal(3, #told)
    assert.same({ 2, "b/02.png", "b/03.png", "b" }, facts(d:subset { 2, 6, 7 })) -- of the class there was one image left
    assert.matches("none of the 2 images of 'b' can be used", told[4])
    assert.same({ 0 }, facts(d:with { truncated = "keep" })) -- which may read them
    messages.refused(function() pass(d:with { on_broken = "error" }, 1) end)
  end)

  it("tells of a label, too, that only broken images had, and of a class whose examples all hold NaN", function()
    local root = tree{ a = numbered(3) }
    support.spit(root .. "/a/03.png", "")
    local function last_problem(d)
      d.warn = function() end
      for _ in d:batches() do end
      return d.problems[#d.problems]
    end
    local rows = {}
    for i, labels in ipairs { { "dog" }, { "cat", "dog" }, { "dog", "owl" } } do rows[i] = { path = ("%s/a/%02d.png"):format(root, i), label = labels } end
    assert.equal("owl", last_problem(data.files(rows, { size = 6 })).label)
    local nan = core.from_table({ { 1, 2 }, { 0 / 0, 1 } }, "f32")
    local problem = last_problem(data.tensors(nan, { "x", "y" }))
    assert.equal("y", problem.label)
    assert.matches("the only example of 'y' cannot be used", problem.reason, 1, true)
  end)

  it("gives a batch of which nothing is left as an empty one", function()
    local root = tree{ a = numbered(2), b = numbered(1) }
    support.spit(root .. "/a/02.png", "")
    local d = data.folder(root, { size = 6, batch = 1, shuffle = false })
    d.warn = function() end
    assert.same({ 1, 0, 1 }, pass(d, 1).sizes)
  end)
end)

describe("augmentation", function()
  after_each(support.done)

  it("depends on seed, epoch and image, not on workers, order or batches", function()
    local root = tree{ a = numbered(13), b = numbered(12) }
    local function run(workers, seed, epoch, given)
      local d = data.folder(root, { size = { 20, 31 }, batch = 4, seed = seed, workers = workers, augment = everything })
      return pass(d, epoch, given).bytes
    end
    local one = run(1, 5, 1)
    assert.equal(one, run(2, 5, 1))
    assert.equal(one, run(5, 5, 1))
    assert.not_equal(one, run(2, 6, 1))
    assert.not_equal(one, run(2, 5, 2))
    local plain = { shuffle = false, batch = 7 }
    local sorted, size, at = {}, 20 * 31 * 3, 1
    for _, index in ipairs(pass(data.folder(root, { size = { 20, 31 }, seed = 5 }), 1).indices) do
      sorted[index] = one:sub(at, at + size - 1)
      at = at + size
    end
    assert.equal(table.concat(sorted), run(2, 5, 1, plain))
  end)

  it("is off without options, and where a pass asks for none", function()
    local root = tree{ a = numbered(3), b = numbered(2) }
    local plain = pass(data.folder(root, { size = 9, shuffle = false }), 1).bytes
    local d = data.folder(root, { size = 9, shuffle = false, augment = everything })
    assert.not_equal(plain, pass(d, 1).bytes)
    assert.equal(plain, pass(d, 1, { augment = false }).bytes)
    assert.equal(plain, pass(data.folder(root, { size = 9, shuffle = false, augment = {} }), 1).bytes)
  end)

  -- One image in memory, many epochs: what each option makes of it.
  local function draws(x, augment, n)
    local shape = x:shape()
    local d = data.tensors(core.from_bytes(x:bytes(), { 1, shape[1], shape[2], 3 }), nil, { augment = augment, seed = 11 })
    local seen = {}
    for epoch = 1, n do seen[epoch] = pass(d, epoch).bytes end
    return seen
  end

  it("flips half of the images, exactly", function()
    local x = support.pattern(8, 9)
    for flip, matrices in pairs{ horizontal = { { -1, 0, 8, 0, 1, 0 } }, vertical = { { 1, 0, 0, 0, -1, 7 } },
                                 both = { { -1, 0, 8, 0, 1, 0 }, { 1, 0, 0, 0, -1, 7 }, { -1, 0, 8, 0, -1, 7 } } } do
      local count, kinds = { [x:bytes()] = 0 }, #matrices + 1
      for _, matrix in ipairs(matrices) do count[core.image_warp(x, matrix):bytes()] = 0 end
      for _, bytes in ipairs(draws(x, { flip = flip }, 400)) do count[bytes] = count[bytes] + 1 end
      for _, n in pairs(count) do assert.is_true(math.abs(n - 400 / kinds) < 60) end
    end
  end)

  it("draws each parameter within its range, and over all of it", function()
    local gray = core.from_bytes(("\100"):rep(5 * 5 * 3), { 5, 5, 3 })
    local low, high = 255, 0
    for _, bytes in ipairs(draws(gray, { brightness = { 0.5, 1.5 } }, 300)) do
      low, high = math.min(low, bytes:byte(1)), math.max(high, bytes:byte(1))
    end
    assert.is_true(low >= 50 and low <= 54 and high <= 150 and high >= 146)
    local ramp = {}
    for i = 0, 74 do ramp[i + 1] = string.char(50 + i) end
    low, high = 0, 0
    for _, bytes in ipairs(draws(core.from_bytes(table.concat(ramp), { 5, 5, 3 }), { channel_shift = 30 }, 300)) do
      local shift = bytes:byte(38) - 87
      for i = 0, 74 do assert.equal(math.min(math.max(50 + i + shift, 50), 124), bytes:byte(i + 1)) end
      low, high = math.min(low, shift), math.max(high, shift)
    end
    assert.is_true(low >= -30 and low <= -28 and high <= 30 and high >= 28)
  end)

  it("shifts by at most the fraction asked for, along the axis asked for", function()
    local rows = {}
    for y = 1, 20 do rows[y] = string.char(y * 10):rep(20 * 3) end -- each row its own gray: columns are alike
    local x = core.from_bytes(table.concat(rows), { 20, 20, 3 })
    for _, bytes in ipairs(draws(x, { width_shift = 0.4 }, 20)) do assert.equal(x:bytes(), bytes) end
    local low, high = 255, 0
    for _, bytes in ipairs(draws(x, { height_shift = 0.25 }, 200)) do
      local middle = bytes:byte(10 * 60 + 1) -- 110 where nothing moved; 5 rows are 50 levels
      low, high = math.min(low, middle), math.max(high, middle)
    end
    assert.is_true(low >= 60 and low <= 66 and high <= 160 and high >= 154)
    assert.same(draws(x, { height_shift = 0.25 }, 5), draws(x, { height_shift = 5 }, 5)) -- from 1 on, pixels
  end)

  it("keeps the centre where it is", function()
    local pixels = {}
    for y = -8, 8 do
      for x = -8, 8 do pixels[#pixels + 1] = string.char(x * x + y * y < 3 and 255 or 0):rep(3) end
    end
    local x = core.from_bytes(table.concat(pixels), { 17, 17, 3 })
    for _, bytes in ipairs(draws(x, { rotation = 180, shear = 20, zoom = 0.3, flip = "both" }, 50)) do
      assert.equal(255, bytes:byte((8 * 17 + 8) * 3 + 1))
    end
  end)

  it("turns by as many degrees as were drawn", function()
    local x = support.pattern(15, 15)
    local quarter, found = core.image_warp(x, { 0, -1, 14, 1, 0, 0 }):bytes(), 255
    for _, bytes in ipairs(draws(x, { rotation = 90 }, 300)) do
      local difference = 0
      for i = 1, #bytes, 3 do difference = difference + math.abs(bytes:byte(i) - quarter:byte(i)) end
      found = math.min(found, difference // (#bytes // 3))
    end
    assert.is_true(found < 8)
  end)
end)

describe("scion.data.files", function()
  after_each(support.done)

  it("keeps the order and shows what could not be read", function()
    local folder = support.folder()
    for i = 1, 5 do assert(image.save(("%s/%d.png"):format(folder, i), support.pattern(6, 6, i * 31))) end
    local list = { folder .. "/4.png", folder .. "/missing.png", folder .. "/2.png", folder .. "/none.png" }
    local d = data.files(list, { size = 6, batch = 2 })
    local seen = pass(d)
    assert.same({ 1, 1 }, seen.sizes)
    assert.same({ 1, 3 }, seen.indices)
    assert.same({}, seen.labels)
    assert.equal(support.pattern(6, 6, 4 * 31):bytes() .. support.pattern(6, 6, 2 * 31):bytes(), seen.bytes)
    assert.same({ { index = 2, file = list[2], message = list[2] .. ": No such file or directory" },
                  { index = 4, file = list[4], message = list[4] .. ": No such file or directory" } }, seen.failures)
    local alone = pass(data.files({ list[2] }, { size = 6 }))
    assert.same({ 0 }, alone.sizes)
    assert.equal(1, #alone.failures)
    assert.same({}, pass(data.files{}).sizes)
    assert.error_matches(function() data.files{ 3 } end, "a list of paths, but element 1 is 3")
    assert.error_matches(function() data.files{ "a.png", nil, "b.png" } end, "a list of paths, but element 2 is missing")
    assert.error_matches(function() d:class_counts() end, "no labels")
  end)
end)

describe("scion.data.tensors", function()
  local images = core.from_bytes(support.pattern(4 * 5, 7):bytes(), { 4, 5, 7, 3 })

  it("takes labels as numbers, as a tensor or as names", function()
    local d = data.tensors(images, { 2, 1, 2, 3 }, { shuffle = false })
    assert.same({ "1", "2", "3" }, d.labels)
    local seen = pass(d)
    assert.same({ 2, 1, 2, 3 }, seen.labels)
    assert.equal(images:bytes(), seen.bytes)
    local tensor = core.from_bytes(string.pack("<i4i4i4i4", 2, 1, 2, 2), { 4 }, "i32")
    d = data.tensors(images, tensor, { labels = { "cat", "dog", "cow" } })
    assert.same({ 1, 3, 0 }, d:class_counts())
    d = data.tensors(images, { "dog", "cat", "cat", "dog" })
    assert.same({ "cat", "dog" }, d.labels)
    assert.same({ 2, 1, 1, 2 }, support.integers(d.classes))
    assert.is_nil(data.tensors(images).classes)
  end)

  it("resizes and shuffles like the others", function()
    local seen = pass(data.tensors(images, { 1, 2, 3, 4 }, { size = 9, batch = 3, seed = 2 }), 5)
    assert.same({ 3, 1 }, seen.sizes)
    assert.equal(4 * 9 * 9 * 3, #seen.bytes)
    assert.same(seen.indices, seen.labels)
  end)

  it("refuses what does not fit", function()
    assert.error_matches(function() data.tensors(images, { 1, 2 }) end, "4 images, but 2 labels")
    assert.error_matches(function() data.tensors(images, { 1, 2, 3, 0 }) end, "a list of class numbers, which count from 1, or one of names, but element 4 is 0")
    assert.error_matches(function() data.tensors(images, { 1, 1, 1, 1 << 30 }) end, "class 1073741824 of 4 images; give the names")
    assert.error_matches(function() data.tensors(images, core.from_bytes(("\0"):rep(16), { 4 }, "i32")) end, "class numbers count from 1")
    assert.error_matches(function() data.tensors(images, { 1, 1, 1, 3 }, { labels = { "a", "b" } }) end,
                         "class 3, but there are 2 labels")
    assert.error_matches(function() data.tensors(images, { "a", "x", "a", "a" }, { labels = { "a", "b" } }) end, "label 2, 'x', is not among")
    for _, bad in ipairs { 0 / 0, math.huge } do
      assert.error_matches(function() data.tensors(images, core.from_table { { 0 }, { 1 }, { bad }, { 1 } }) end, "a target is NaN or infinite")
    end
    assert.error_matches(function() data.tensors(core.new({ 4, 5, 7, 2 }, "u8")) end, "u8 tensor NxHxWx3 or NxHxWx1, not a tensor %(u8 4x5x7x2%)")
  end)

  it("gives no image two classes by a link", function()
    local root = support.folder()
    for _, class in ipairs { "a", "b" } do
      assert(lfs.mkdir(root .. "/" .. class))
      assert(scion.image.save(root .. "/" .. class .. "/1.png", scion.zeros({ 6, 6, 3 }, "u8")))
    end
    support.shell(("ln -s .. %s/a/up; ln -s ../b %s/a/other"):format(root, root))
    local d = data.folder(root, { size = 6, follow_links = true, shuffle = false })
    assert.same({ root .. "/a/1.png", root .. "/b/1.png" }, table.move(d.files, 1, #d.files, 1, {}))
    support.shell(("ln -s a %s/c"):format(root))
    assert.matches("/c is a link to the class folder a, so that its images would be of two classes", messages.refused(function() data.folder(root, { size = 6 }) end), 1, true)
    support.shell(("rm %s/c; ln -s . %s/c"):format(root, root))
    assert.matches("/c is a link to " .. root .. " itself", messages.refused(function() data.folder(root, { size = 6 }) end), 1, true)
  end)
end)
