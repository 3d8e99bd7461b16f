-- Data sets of the same images: divided, picked from, and with other options.
local core = require "scion.core"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local data = scion.data

local function refused(message, f, ...)
  local args = table.pack(...)
  assert.matches(message, messages.refused(function() f(table.unpack(args, 1, args.n)) end), 1, true)
end

-- A folder with `count` different pictures a class, made in the order of `step`: file k of a class is k * step mod count.
local function tree(counts, step)
  local root = support.folder() .. "/somewhere"
  assert(lfs.mkdir(root))
  for class, count in pairs(counts) do
    assert(lfs.mkdir(root .. "/" .. class))
    for k = 1, count do
      local i = k * (step or 1) % count
      assert(scion.image.save(("%s/%s/%02d.png"):format(root, class, i), support.pattern(5, 6, 3 * i + 7 * #class)))
    end
  end
  return root
end

local function names(d)
  local list = {}
  for i, file in ipairs(d.files) do list[i] = file:sub(#d.path + 2) end
  return list
end

local function set(list)
  local found = {}
  for _, each in ipairs(list) do found[each] = true end
  return found
end

describe("data:split", function()
  after_each(support.done)

  it("divides by class, and every image is in one part", function()
    local d = data.folder(tree { a = 20, bb = 10, ccc = 5 }, { size = 5, seed = 3, augment = { flip = "both" }, batch = 4 })
    for _, case in ipairs { { { 0.8 }, { { 16, 8, 4 }, { 4, 2, 1 } } }, { { 0.7, 0.15, 0.15 }, { { 14, 7, 3 }, { 3, 2, 1 }, { 3, 1, 1 } } },
                            { { 0.05, 0.95 }, { { 1, 1, 1 }, { 19, 9, 4 } } } } do
      local parts, all = { d:split(table.unpack(case[1])) }, {}
      assert.equal(#case[2], #parts)
      for k, part in ipairs(parts) do
        assert.same(case[2][k], part:class_counts())
        assert.same({ d.labels, 4, d.path }, { part.labels, part.batch, part.path })
        assert.same(k == 1, part.shuffle)
        assert.same(k == 1, part.augment ~= nil)
        table.move(names(part), 1, #part, #all + 1, all)
        for i, class in ipairs(part.classes:totable()) do assert.equal(part.labels[class], names(part)[i]:match "^(.*)/") end
      end
      table.sort(all)
      assert.same(names(d), all)
    end
  end)

  it("is the same for the same seed, wherever the folder lies and in whatever order its files were made", function()
    local counts = { a = 12, bb = 7 }
    local one, other = data.folder(tree(counts), { seed = 5 }), data.folder(tree(counts, 5), { seed = 1 })
    local first, second = one:split(0.5)
    local again, rest = other:split(0.5, { seed = 5 })
    assert.same({ names(first), names(second) }, { names(again), names(rest) })
    assert.not_same(names(first), names((one:split(0.5, { seed = 6 }))))
    assert.same(core.json_decode(support.slurp "spec/fixtures/data/split.json"), names(first))
    local listed = data.files(one.files, { seed = 5 })
    assert.equal(10, #(listed:split(0.5)))
  end)

  it("keeps exact copies on one side, whatever they are called", function()
    local root = tree { a = 12, bb = 8 }
    for i = 1, 6 do
      local bytes = support.slurp(("%s/a/%02d.png"):format(root, i))
      support.spit(("%s/a/copy%d.png"):format(root, i), bytes)
      support.spit(("%s/bb/other%d.png"):format(root, i), bytes)
    end
    for seed = 1, 8 do
      local side = {}
      for k, part in ipairs { data.folder(root):split(0.5, { seed = seed }) } do
        for _, file in ipairs(part.files) do
          local bytes = support.slurp(file)
          assert.is_true(side[bytes] == nil or side[bytes] == k, file)
          side[bytes] = k
        end
      end
    end
  end)

  it("takes what is no image for no copy of one, says so, and shares it out by itself", function()
    local root = tree { a = 10, bb = 10 }
    for i = 1, 10 do
      support.spit(("%s/a/page%02d.png"):format(root, i), "<!DOCTYPE html><html><body>404</body></html>")
      support.spit(("%s/bb/empty%02d.png"):format(root, i), "")
    end
    local first, second
    local told = support.stderr_of(function() first, second = data.folder(root):split(0.5) end)
    local function counts(d)
      local n = {}
      for _, name in ipairs(names(d)) do
        local kind = name:match "page" or name:match "empty" or name:match "^%l+"
        n[kind] = (n[kind] or 0) + 1
      end
      return n
    end
    assert.same({ a = 5, bb = 5, page = 5, empty = 5 }, counts(first))
    assert.same({ a = 5, bb = 5, page = 5, empty = 5 }, counts(second))
    assert.equal(("scion: data:split: what is no image is no copy of one: 20 of the files, such as %s/a/page01.png (an HTML page); " ..
                  "scion.data.doctor lists what cannot be read\n"):format(root), told)
  end)

  it("leaves most images where they were when others are added", function()
    local root = tree { a = 60, bb = 60 }
    local before = set(names((data.folder(root):split(0.5))))
    for i = 1, 6 do assert(scion.image.save(("%s/a/new%d.png"):format(root, i), support.pattern(5, 6, 200 + i))) end
    local moved = 0
    local first, second = data.folder(root):split(0.5)
    for _, name in ipairs(names(first)) do moved = moved + ((before[name] or name:find "new") and 0 or 1) end
    for _, name in ipairs(names(second)) do moved = moved + (before[name] and 1 or 0) end
    assert.is_true(moved <= 6, moved)
  end)

  it("takes the rows of everything in memory along", function()
    local x = scion.arange(1, 60):reshape(20, 3)
    for name, y in pairs { targets = scion.arange(1, 20):reshape(20, 1), soft = core.from_table((function()
      local rows = {}
      for i = 1, 20 do rows[i] = { i / 32, 1 - i / 32 } end
      return rows
    end)(), "f32") } do
      local d = data.tensors(x, y, { labels = name == "soft" and { "p", "q" } or nil })
      for _, part in ipairs { d:split(0.7) } do
        for i = 1, #part do assert.equal((part.values:get(i, 1) + 2) / 3, part[name]:get(i, 1) * (name == "soft" and 32 or 1)) end
      end
    end
    local grey = data.tensors(scion.full({ 4, 3, 3, 1 }, 5, "u8"), { 1, 2, 1, 2 })
    refused("data:split: part 2 of 2 would be empty: there are 4 images", grey.split, grey, 0.5) -- copies of one another
    local told = support.stderr_of(function()
      local first, second = data.tensors(x, { 1, 2, table.unpack((function()
        local list = {}
        for i = 1, 18 do list[i] = 3 end
        return list
      end)()) }):split(0.9)
      assert.same({ 20, { 1, 1, 16 }, { 0, 0, 2 } }, { #first + #second, first:class_counts(), second:class_counts() })
    end)
    assert.equal("scion: data:split: part 2 has no image of 1, 2\n", told)
  end)

  it("leaves at least one example of each of several labels in the first part, whatever the seed, and tells which the others lack", function()
    local x, y = scion.arange(1, 40):reshape(40, 1), {}
    for i = 1, 40 do y[i] = { i % 2 == 0 and "even" or "odd" } end
    y[7], y[30] = { "odd", "seven" }, { "even", "thirty" }
    local d = data.tensors(x, y)
    for seed = 1, 20 do
      local first, second
      local told = support.stderr_of(function() first, second = d:split(0.75, { seed = seed }) end)
      assert.same({ 30, 10 }, { #first, #second })
      for label, count in ipairs(first.multi:sum(1):totable()) do assert.is_true(count >= 1, ("seed %d: no %s"):format(seed, d.labels[label])) end
      assert.equal("scion: data:split: part 2 has no image of seven, thirty\n", told)
    end
  end)

  it("gives each part its share of several labels, though they go together, and keeps copies on one side", function()
    local n, k = 500, 8
    local x, draws, often, rows = scion.arange(1, n):reshape(n, 1), scion.uniform({ n, k }):totable(), scion.uniform({ n }):totable(), {}
    for i = 1, n do
      rows[i] = {}
      for label = 1, k do rows[i][label] = draws[i][label] < 0.5 / label * (often[i] < 0.5 and 0.3 or 1.7) and 1 or 0 end
    end
    for i = 2, n, 50 do -- copies, which may have other labels
      x:set(i, 1, i - 1)
    end
    local d = data.tensors(x, core.from_table(rows, "f32"), { labels = { "a", "b", "c", "d", "e", "f", "g", "h" }, multi = true })
    local all = d.multi:sum(1):totable()
    for _, shares in ipairs { { 0.8, 0.2 }, { 0.6, 0.25, 0.15 } } do
      local parts, seen = { d:split(table.unpack(shares)) }, {}
      for p, part in ipairs(parts) do
        assert.near(shares[p] * n, #part, 1)
        for label, count in ipairs(part.multi:sum(1):totable()) do
          assert.near(shares[p] * all[label], count, 3, ("part %d, label %d of %d"):format(p, label, all[label]))
        end
        for i = 1, #part do
          local value = part.values:get(i, 1)
          assert.is_true(seen[value] == nil or seen[value] == p)
          seen[value] = p
        end
      end
    end
  end)

  it("divides shares of classes by the largest", function()
    local x, rows = scion.arange(1, 40):reshape(40, 1), {}
    for i = 1, 40 do rows[i] = i % 4 == 0 and { 0.2, 0.8 } or { 0.9, 0.1 } end
    local d = data.tensors(x, core.from_table(rows, "f32"), { labels = { "p", "q" } })
    local first, second = d:split(0.8)
    assert.near(24 * 0.9 + 8 * 0.2, first.soft:sum(1):get(1), 1e-4)
    assert.near(6 * 0.9 + 2 * 0.2, second.soft:sum(1):get(1), 1e-4)
    refused("part 2 of 2 would be empty: there are 1 images", d.split, d:take(1), 0.5)
  end)

  it("divides examples that have a single label, or not", function()
    local x, y = scion.arange(1, 8):reshape(8, 1), scion.tensor({ { 1 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 }, { 0 } }, "u8")
    local first, second = data.tensors(x, y, { labels = { "rare" }, multi = true }):split(0.5)
    assert.same({ 1, 0 }, { first.multi:sum(), second.multi:sum() })
    local broken = x:copy()
    broken:set(1, 1, 0 / 0)
    assert.equal("rare", data.tensors(broken, y, { labels = { "rare" }, multi = true }).problems[2].label)
  end)

  it("refuses shares that are none", function()
    local d = data.tensors(scion.uniform { 6, 2 }, { 1, 2, 1, 2, 1, 2 })
    refused("data:split takes the share of the first part, such as 0.8", d.split, d)
    refused("the share is a number above 0 and below 1, not 1.5", d.split, d, 1.5)
    refused("share 2 is a number above 0 and below 1, not 'x'", d.split, d, 0.5, "x")
    refused("the shares add up to 0.85, not to 1", d.split, d, 0.7, 0.15)
    refused("unknown option 'sed' (did you mean 'seed'?)", d.split, d, 0.7, { sed = 1 })
    refused("of 3 would be empty: there are 2 images", d.split, d:take(2), 0.4, 0.3, 0.3)
  end)
end)

describe("data:subset and data:take", function()
  after_each(support.done)

  it("give these images, in this order", function()
    local d = data.folder(tree { a = 4, bb = 3 }, { size = { 5, 6 }, batch = 2, shuffle = false })
    local some = d:subset { 7, 1, 1, 5 }
    assert.same({ "bb/02.png", "a/00.png", "a/00.png", "bb/00.png" }, names(some))
    assert.same({ { 2, 1, 1, 2 }, { 2, 2 } }, { some.classes:totable(), some:class_counts() })
    local i = 0
    for batch in some:batches() do
      for row = 1, #batch do
        i = i + 1
        assert.equal(scion.image.load(some.files[i]):bytes(), batch.x[row]:bytes())
      end
    end
    assert.equal(4, i)
    local images = scion.uniform({ 6, 2, 2, 3 }, 0, 255):to "u8"
    local in_memory = data.tensors(images, { 1, 2, 3, 1, 2, 3 })
    assert.same(images:slice(1, 2, 4):totable(), in_memory:subset({ 2, 3, 4 }).images:totable())
    assert.same({ images[6]:totable(), images[1]:totable() }, in_memory:subset(scion.tensor({ 6, 1 }, "i32")).images:totable())
    refused("data:subset: image 8 of 7", d.subset, d, { 1, 8 })
    refused("data:subset: the first argument is a list of the images' numbers, from 1, but element 2 is 0", d.subset, d, { 1, 0 })
    refused("data:subset: no number is given", d.subset, d, {})
  end)

  it("take some of each class where images are shuffled, else the first", function()
    local root = tree { a = 20, bb = 20 }
    local d = data.folder(root, { seed = 4 })
    local order = d:order(1):totable()
    local some, wanted = names(d:take(10)), {}
    for i = 1, 10 do wanted[i] = names(d)[order[i]] end
    table.sort(wanted)
    assert.same(wanted, some)
    assert.same({ 10, 0 }, data.folder(root, { shuffle = false }):take(10):class_counts())
    refused("the number of images is a whole number from 1 to 40, not 41", d.take, d, 41)
  end)

  it("keep what is left out of examples in memory with its number", function()
    local x = scion.uniform { 6, 2 }
    x:set(4, 1, 0 / 0)
    local d
    support.stderr_of(function() d = data.tensors(x, { 1, 2, 1, 2, 1, 2 }):subset { 5, 4, 4, 1 } end)
    d.shuffle = false
    for batch in d:batches() do assert.same({ { 1, 4 }, 2, 3 }, { batch.index:totable(), batch.failed[1].index, batch.failed[2].index }) end
  end)
end)

describe("data:with", function()
  after_each(support.done)

  it("gives the same images with other options", function()
    local root = tree { a = 4, bb = 3 }
    support.spit(root .. "/a/x.text", "")
    local d
    support.stderr_of(function() d = data.folder(root, { size = 5, batch = 2, seed = 9, augment = { flip = "both" } }) end)
    d.batch = 3
    local other = d:with { size = 8, shuffle = false, augment = false }
    assert.same({ d.files, d.labels, d.classes:totable(), d.problems, 3, 9 }, { other.files, other.labels, other.classes:totable(), other.problems, other.batch, other.seed })
    assert.same({ { 8, 8 }, false }, { other.size, other.shuffle })
    assert.is_nil(other.augment)
    assert.same({ { 5, 5 }, true }, { d.size, d.shuffle })
    assert.is_table(d:with({ batch = 1 }).augment)
    for batch in other:batches() do assert.same({ #batch, 8, 8, 3 }, batch.x:shape()) end
    refused("data:with: unknown option 'labels'", d.with, d, { labels = { "a" } })
    refused("data:with takes the options that change", d.with, d)
    local features = data.tensors(scion.uniform { 3, 2 }, { 1, 2, 1 })
    refused("data:with: unknown option 'size'", features.with, features, { size = 8 })
    assert.equal(2, features:with({ batch = 2 }).batch)
  end)
end)

describe("a data set with examples that are known to be left out", function()
  it("neither counts them nor takes them for copies", function()
    local x, y = scion.randn { 60, 4 }, {}
    for i = 1, 60 do
      y[i] = (i - 1) // 20 + 1
      if i % 2 == 0 then for k = 1, 4 do x:set(i, k, 0 / 0) end end
    end
    local d
    support.stderr_of(function() d = data.tensors(x, y, { labels = { "a", "b", "c" } }) end)
    assert.same({ 10, 10, 10 }, d:class_counts())
    assert.matches("in 3 classes (a 10, b 10, c 10);", tostring(d), 1, true)
    assert.matches("30 broken and left out", tostring(d), 1, true)
    for _, part in ipairs { d:split(0.5) } do
      assert.equal(30, #part)
      assert.same({ 5, 5, 5 }, part:class_counts())
    end
    local told = support.stderr_of(function() d:subset { 1, 3, 22, 24, 42, 44 }:split(0.5) end)
    assert.equal("", told) -- neither part could have one of b or c
  end)
end)

describe("data:class_weights", function()
  it("are scikit-learn's balanced ones", function()
    local y = { 1, 1, 1, 1, 1, 2, 2, 2, 4, 4 }
    -- compute_class_weight("balanced", classes = [1, 2, 4], y = y)
    local expected = { 0.66666667, 1.11111111, 1, 1.66666667 }
    for i, weight in ipairs(data.tensors(scion.uniform { 10, 2 }, y):class_weights()) do assert.near(expected[i], weight, 1e-8) end
    local d = data.tensors(scion.uniform { 3, 2 })
    refused("data:class_weights: the data set has no labels", d.class_weights, d)
    local several = data.tensors(scion.uniform { 2, 2 }, { { "a" }, { "a", "b" } })
    refused("data:class_weights: the data set has several labels of each example, and no classes to count", several.class_weights, several)
    local shares = data.tensors(scion.uniform { 2, 2 }, { { 0.9, 0.1 }, { 0.2, 0.8 } }, { labels = { "p", "q" } })
    refused("data:class_counts: the data set has shares of several classes of each example", shares.class_counts, shares)
    assert.equal(2, #shares:class_weights())
  end)
end)

describe("a data set of which every tenth file is damaged", function()
  after_each(support.done)

  -- 60 files of three classes; those whose number ends in 5 are damaged, each in another way.
  local function damaged()
    local root = tree { a = 20, bb = 20, ccc = 20 }
    local function path(class, i) return ("%s/%s/%02d.png"):format(root, class, i) end
    local big = support.spit(path("a", 5), "")
    assert(scion.image.save(big:gsub("png$", "jpg"), support.pattern(40, 40)))
    support.spit(big, support.slurp((big:gsub("png$", "jpg"))):sub(1, 500)) -- truncated
    assert(os.remove((big:gsub("png$", "jpg"))))
    support.spit(path("a", 15), "")
    support.spit(path("bb", 5), "this is text")
    assert(os.remove(path("bb", 15)))
    assert(lfs.link("/nowhere/at/all.png", path("bb", 15), true))
    assert(os.remove(path("ccc", 5)))
    assert(lfs.mkdir(path("ccc", 5))) -- a folder, which holds nothing
    return root, path("ccc", 15)
  end

  it("trains to the end, and rows, labels and files belong together", function()
    local root, removed = damaged()
    local d
    support.stderr_of(function() d = data.folder(root, { size = 6, batch = 7, seed = 2, memory = 0 }) end)
    assert.equal(59, #d)
    local nn = scion.nn
    local model = scion.sequential { nn.input(6, 6, 3), nn.conv2d(4, 3, { name = "conv" }), nn.global_avg_pool { name = "pool" }, nn.dense(3, "softmax") }
    local told = support.stderr_of(function()
      local history = model:fit(d, { epochs = 3, verbose = false, callbacks = { epoch = function(entry)
        if entry.epoch == 2 then assert(os.remove(removed)) end -- while it trains
      end } })
      assert.equal(3, #history)
    end)
    assert.equal(5, d.skipped)
    assert.equal(5, #d.problems)
    assert.equal(5, select(2, told:gsub("left out ", "")))
    local bad = {}
    for _, problem in ipairs(d.problems) do bad[problem.file] = problem.reason end
    assert.equal("No such file or directory", bad[removed])
    local seen = {}
    for batch in d:batches(4) do
      for row, index in ipairs(batch.index:totable()) do
        assert.equal(d.files[index], batch.files[row])
        assert.equal(d.classes:get(index), batch.y:get(row))
        assert.equal(scion.image.resize(scion.image.load(batch.files[row]), 6):bytes(), batch.x[row]:bytes())
        seen[index] = true
      end
      for _, failure in ipairs(batch.failed) do assert.is_true(bad[d.files[failure.index]] ~= nil and not seen[failure.index]) end
    end
    local x, y
    support.stderr_of(function() x, y = model:features(d, "pool") end)
    local list = model:predict(d)
    assert.same({ 59, d.classes:totable() }, { #list, y:totable() })
    local of_features, left = nil, 0
    support.stderr_of(function() of_features = data.tensors(x, y, { labels = d.labels, batch = 9 }) end)
    for i, file in ipairs(d.files) do
      assert.equal(file, list[i].file)
      if bad[file] then
        assert.is_true(x:get(i, 1) ~= x:get(i, 1) and list[i].error ~= nil)
      else
        assert.is_true((model:features(file, "pool") - x:slice(1, i, i)):abs():max() < 1e-5, file)
        left = left + 1
      end
    end
    assert.equal(54, left)
    local examples = 0
    for batch in of_features:batches() do
      for row, index in ipairs(batch.index:totable()) do
        assert.same({ x[index]:totable(), d.classes:get(index) }, { batch.x[row]:totable(), batch.y:get(row) })
        examples = examples + 1
      end
    end
    assert.equal(54, examples)
  end)

  it("raises at the first one where it is told to", function()
    local d
    support.stderr_of(function() d = data.folder((damaged()), { size = 6, batch = 7, shuffle = false, on_broken = "error" }) end)
    local nn = scion.nn
    local model = scion.sequential { nn.input(6, 6, 3), nn.conv2d(4, 3, { name = "conv" }), nn.global_avg_pool(), nn.dense(3, "softmax") }
    for _, call in ipairs { function() model:fit(d, { verbose = false }) end, function() model:evaluate(d) end, function() model:predict(d) end,
                            function() model:features(d, "conv") end, function() for _ in d:batches() do end end } do -- luacheck: ignore 542
      refused("/a/05.png: truncated JPEG: the file ends before the image does; truncated = 'keep' reads what is there; on_broken = 'skip' leaves such images out", call)
    end
    refused("on_broken is 'skip' or 'error'", data.files, { "x" }, { on_broken = "stop" })
  end)
end)
