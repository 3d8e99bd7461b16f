local core = require "scion.core"
local data = require "scion.data"
local image = require "scion.image"
local pipeline = require "scion.data.pipeline"
local support = dofile "spec/support/images.lua"

describe("core.loader", function()
  local files, first

  setup(function()
    local folder = support.folder()
    files = {}
    for i = 1, 23 do
      files[i] = ("%s/%02d.%s"):format(folder, i, i % 2 == 0 and "jpg" or "png")
      assert(image.save(files[i], support.pattern(20 + i, 30, i * 7)))
    end
  end)
  teardown(support.done)

  local function make(given)
    local options = { files = files, height = 11, width = 13 }
    for key, value in pairs(given or {}) do options[key] = value end
    return core.loader(options)
  end

  local function take(loader)
    local bytes = {}
    for images in function() return (loader:next()) end do bytes[#bytes + 1] = images:bytes() end
    return table.concat(bytes)
  end

  before_each(function()
    local loader = make{ workers = 1 }
    loader:start(nil, 4, 1)
    first = take(loader)
    assert.equal(23 * 11 * 13 * 3, #first)
  end)

  it("gives the same bytes for any number of workers and batches ahead", function()
    for _, workers in ipairs { 1, 3, 5, 8 } do
      for _, ahead in ipairs{ 1, 2, 50 } do
        local loader = make{ workers = workers, ahead = ahead }
        loader:start(nil, 4, 1)
        assert.equal(first, take(loader))
      end
    end
  end)

  it("starts again after a pass, in the middle of one, and after being stopped", function()
    local loader = make()
    for _ = 1, 3 do
      loader:start(nil, 4, 1)
      loader:next()
      loader:start(nil, 4, 1)
      assert.equal(first, take(loader))
      assert.is_nil(loader:next())
      loader:start(nil, 4, 1)
      loader:stop()
      assert.is_nil(loader:next())
      loader:stop()
    end
  end)

  it("never writes again into a batch it gave", function()
    local loader = make{ ahead = 1 }
    loader:start(nil, 4, 1)
    local batch = loader:next()
    local bytes = batch:bytes()
    take(loader)
    loader:start(nil, 4, 2)
    take(loader)
    assert.equal(bytes, batch:bytes())
  end)

  it("follows the order it is given, repetitions too", function()
    local loader = make()
    loader:start(core.from_one{ 3, 1, 3 }, 2, 1)
    local _, indices = loader:next()
    assert.same({ 2, 0 }, support.integers(indices))
    _, indices = loader:next()
    assert.same({ 2 }, support.integers(indices))
    loader:start(core.from_one{}, 2, 1)
    assert.is_nil(loader:next())
  end)

  it("tells of failures in their batch", function()
    local broken = { files[1], "/nowhere", files[3], "/nowhere/else" }
    local loader = make{ files = broken }
    loader:start(nil, 3, 1)
    local images, indices, failures = loader:next()
    assert.same({ 2, 11, 13, 3 }, images:shape())
    assert.same({ 0, 2 }, support.integers(indices))
    assert.same({ { index = 1, message = "/nowhere: No such file or directory" } }, failures)
    images, indices, failures = loader:next()
    assert.same({ 0, 11, 13, 3 }, images:shape())
    assert.same({}, support.integers(indices))
    assert.equal(3, failures[1].index)
    assert.is_nil(loader:next())
  end)

  it("refuses what makes no sense", function()
    assert.error_matches(function() core.loader{ height = 3, width = 3 } end, "'files', a list of paths, or 'images'")
    assert.error_matches(function() core.loader{ files = { 3 }, height = 3, width = 3 } end, "file 1 of the list is not a string")
    assert.error_matches(function() make{ height = 0 } end, "size of 0x13")
    assert.error_matches(function() make{ workers = 1000 } end, "1 to 256 workers")
    assert.error_matches(function() make{ ahead = 0 } end, "batches ahead")
    assert.error_matches(function() make{ seed = 1.5 } end, "'seed' is not a whole number")
    assert.error_matches(function() make{ files = false, images = core.new({ 2, 2, 3 }, "u8") } end, "NxHxWx3")
    local loader = make()
    assert.error_matches(function() loader:start(nil, 0, 1) end, "at least one image")
    assert.error_matches(function() loader:start(core.from_one{ 24 }, 1, 1) end, "names image 23 of 23")
    assert.error_matches(function() loader:start(core.new({ 3 }, "f32"), 1, 1) end, "i32")
    getmetatable(loader).__close(loader)
    getmetatable(loader).__close(loader)
    assert.error_matches(function() loader:start(nil, 1, 1) end, "was closed")
  end)

  it("is left in the middle of a pass without a trace", function()
    collectgarbage()
    local before = core.live_bytes()
    for _ = 1, 30 do
      local loader = make{ workers = 3 }
      loader:start(nil, 2, 1)
      loader:next()
    end
    collectgarbage()
    collectgarbage()
    assert.equal(before, core.live_bytes())
    for _ = 1, 5 do
      for _ in data.files(files, { size = 10, batch = 3 }):batches() do break end -- luacheck: ignore 512
    end
    local closed = core.live_bytes() -- a loop that is left closes its loader at once; what it gave waits for the collector
    collectgarbage()
    collectgarbage()
    assert.is_true(closed - before <= 5 * (3 * 10 * 10 * 3 + 64))
    assert.equal(before, core.live_bytes())
  end)

  it("decodes large JPEGs at a fraction of their size, as Pillow's draft does", function()
    local folder = support.folder()
    for i, picture in ipairs(dofile "spec/fixtures/image/resize.lua".reduced) do
      local path = ("%s/reduced%d.jpg"):format(folder, i)
      support.spit(path, support.unhex(picture.file))
      for _, case in ipairs(picture[1]) do
        local function load(gap)
          local loader = make{ files = { path }, height = case.y[1], width = case.y[2], reducing_gap = gap }
          loader:start(nil, 1, 1)
          return loader:next():bytes()
        end
        local what = ("picture %d, turned by orientation %d, %dx%d"):format(i, picture.orientation, case.y[1], case.y[2])
        assert.equal(case.adler, support.adler32(load(2)), what)
        local whole = image.resize(assert(image.load(path)), case.y):bytes()
        assert.equal(whole, load(0))
        assert.equal(case.decoded >= 96, whole == load(2), what)
        assert.is_true(support.largest_difference(whole, load(2)) <= 24, what) -- a smooth picture stays what it is
      end
    end
    assert.error_matches(function() make{ reducing_gap = 0.5 } end, "a reducing gap is 0 or a number from 1 up")
  end)

  it("finds in a store what another loader put there", function()
    local path = support.folder() .. "/large.jpg"
    assert(image.save(path, image.resize(support.pattern(9, 12), { 120, 160 })))
    local function load(store, gap)
      local loader = make{ files = { path }, store = store, reducing_gap = gap }
      loader:start(nil, 1, 1)
      return loader:next():bytes()
    end
    local store = core.image_store(1, 11, 13, 1e6)
    local reduced, whole = load(nil, 1), load(nil, 0)
    assert.not_equal(reduced, whole)
    assert.equal(reduced, load(store, 1))
    assert.equal(reduced, load(store, 0)) -- it did not decode
    assert(image.save(path, support.pattern(11, 13)))
    assert.not_equal(reduced, load(store, 0)) -- a file that changed is read again
    assert.equal(load(nil, 0), load(store, 0))
  end)

  it("gives the same bytes with a store, which keeps to its budget", function()
    local one = 11 * 13 * 3
    for _, images in ipairs{ 0, 1, 7, 100 } do
      local store = core.image_store(#files, 11, 13, images * (one + 64))
      for workers = 1, 3 do
        local loader = make{ store = store, workers = workers }
        loader:start(nil, 4, 1)
        assert.equal(first, take(loader))
        assert.is_true(#store <= images * (one + 64) and #store >= math.min(images, #files) * one)
      end
    end
    local stages = pipeline.new({ shear = 20, zoom = { 0.7, 1.2 }, flip = "horizontal" }, { 11, 13 }).stages
    local plain, kept = make{ stages = stages, seed = 5 }, make{ stages = stages, seed = 5, store = core.image_store(#files, 11, 13, 1e6) }
    for epoch = 1, 3 do
      plain:start(nil, 4, epoch)
      kept:start(nil, 4, epoch)
      assert.equal(take(plain), take(kept))
    end
    for _, wrong in ipairs{ { 22, 11, 13 }, { 23, 13, 12 }, { 23, 13, 11 } } do
      assert.error_matches(function() make{ store = core.image_store(wrong[1], wrong[2], wrong[3], 1e6) } end, "one for other images")
    end
    assert.error_matches(function() core.image_store(-1, 3, 3, 1e6) end, "cannot hold %-1 images")
  end)

  it("holds on to what it works with under a restless collector", function()
    local function run()
      local loader = make{ files = table.move(files, 1, #files, 1, {}), workers = 2 }
      loader:start(core.permutation(23, 1, 1), 2, 1)
      local kept = {}
      for images, indices in function() return loader:next() end do kept[#kept + 1] = { images, indices } end
      for _, batch in ipairs(kept) do
        for row, index in ipairs(support.integers(batch[2])) do
          local size = 11 * 13 * 3
          assert.equal(first:sub(index * size + 1, (index + 1) * size), batch[1]:bytes():sub((row - 1) * size + 1, row * size))
        end
      end
      local tensor = core.from_bytes(first, { 23, 11, 13, 3 })
      loader = core.loader{ images = tensor, height = 11, width = 13 }
      tensor = nil -- luacheck: ignore
      loader:start(nil, 4, 1)
      assert.equal(first, take(loader))
    end
    collectgarbage "generational"
    run()
    collectgarbage("incremental", 10, 1000)
    run()
    collectgarbage("incremental", 200, 100)
  end)
end)

describe("the loader's company", function()
  it("permutes by seed and stream", function()
    local order = support.integers(core.permutation(100, 7, 1))
    assert.same(order, support.integers(core.permutation(100, 7, 1)))
    assert.not_same(order, support.integers(core.permutation(100, 7, 2)))
    assert.not_same(order, support.integers(core.permutation(100, 8, 1)))
    table.sort(order)
    for i = 1, 100 do assert.equal(i - 1, order[i]) end
    assert.error_matches(function() core.permutation(-1, 7, 1) end, "0 to 2")
  end)

  it("gathers rows and counts numbers", function()
    local x = core.from_bytes("abcdef", { 3, 2 })
    assert.equal("efabef", core.gather(x, core.from_one{ 3, 1, 3 }):bytes())
    assert.same({ 3, 2 }, core.gather(x, core.from_one{ 3, 1, 3 }):shape())
    assert.error_matches(function() core.gather(x, core.from_one{ 4 }) end, "index 3 of a tensor with 3 parts")
    assert.same({ 1, 0, 2 }, core.count(core.from_one{ 3, 1, 3 }, 3))
    assert.error_matches(function() core.count(core.from_one{ 3 }, 2) end, "2 is not in 0 .. 1")
    assert.error_matches(function() core.from_one{ 1, 2.5 } end, "number 2 is not a whole number")
    assert.same({ { 0, 0, 1 }, { 1, 0, 0 } }, core.one_hot(core.from_one{ 3, 1 }, 3):totable())
    assert.same({ 0, 3 }, core.one_hot(core.from_one{}, 3):shape())
    assert.error_matches(function() core.one_hot(core.from_one{ 3 }, 2) end, "a label is 2, not in 0 .. 1")
    assert.error_matches(function() core.one_hot(x, 2) end, "wants i32 class numbers")
  end)

  it("orders names by their bytes", function()
    assert.is_true(core.byte_less("Z", "a"))
    assert.is_true(core.byte_less("z", "é"))
    assert.is_true(core.byte_less("a", "ab"))
    assert.is_false(core.byte_less("ab", "ab"))
  end)
end)
