-- What users can reach of a data set cannot be brought out of order: lists are read and not changed, labels of images may be set.
local messages = require "spec.support.messages"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local data, nn = scion.data, scion.nn

describe("a data set's lists", function()
  teardown(support.done)

  local function folder()
    local root = support.folder()
    for k, class in ipairs { "cat", "dog" } do
      support.shell(("mkdir %q"):format(root .. "/" .. class))
      for i = 1, 3 do assert(scion.image.save(("%s/%s/%d.png"):format(root, class, i), support.pattern(8, 8, 60 * k + 9 * i))) end
    end
    support.spit(root .. "/dog/notes.text", "notes")
    return root
  end

  local function set(o)
    local made
    support.stderr_of(function() made = data.folder(folder(), o or { size = 8, background = "white", shuffle = false }) end)
    return made
  end

  it("cannot be changed in place, at the user's line", function()
    local d = set()
    for _, case in ipairs { { "files", "data:subset{ … } picks images and orders them" }, { "labels", "give labels where the data set is made" },
                            { "size", "make another data set with that size" }, { "background", "data:with{ background = … } makes another data set" } } do
      local name, remedy = table.unpack(case)
      local before = table.concat(d[name], " ")
      local wanted = ("a data set: %s cannot be changed in place: %s; table.move(list, 1, #list, 1, {}) makes a copy that can"):format(name, remedy)
      assert.equal(wanted, messages.refused(function() d[name][1] = d[name][2] end))
      assert.equal(wanted, messages.refused(function() table.sort(d[name], function() return true end) end))
      assert.equal(wanted, messages.refused(function() table.remove(d[name]) end))
      assert.equal(wanted, messages.refused(function() table.insert(d[name], 1) end))
      assert.equal(before, table.concat(d[name], " "))
    end
    assert.same({ 255, 255, 255 }, { table.unpack(data.folder(d.path, { background = "white" }).background) })
  end)

  it("read as other lists do, print, and are taken where lists are", function()
    local d, seen = set(), {}
    for i, label in pairs(d.labels) do seen[i] = label end
    assert.same({ "cat", "dog" }, seen)
    assert.same({ 2, "cat dog", "dog", 6 }, { #d.labels, table.concat(d.labels, " "), select(2, table.unpack(d.labels)), #table.move(d.files, 1, #d.files, 1, {}) })
    assert.equal("{ 'cat', 'dog' }", tostring(d.labels))
    local long = {}
    for i = 1, 42 do long[i] = i .. ".png" end
    assert.matches("'40.png', and 2 more }", tostring(data.files(long).files):gsub("\n ", ""), 1, true)
    local other = data.files(d.files, { size = d.size, background = d.background })
    assert.same({ #d, table.concat(d.files), 8, 255 }, { #other, table.concat(other.files), other.size[1], other.background[1] })
    local same
    support.stderr_of(function() same = data.folder(d.path, { size = d.size, labels = d.labels }) end)
    assert.equal("cat dog", table.concat(same:with { batch = 2 }.labels, " "))
    local model = scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2, "softmax") }
    model:fit(same, { verbose = false, quiet = true })
    assert.equal(6, #model:predict(d.files))
    model.history[1].labels = d.labels -- what users keep in a history is saved
    local path = d.path .. "/m.safetensors"
    model:save(path)
    assert.same({ { "cat", "dog" }, { "cat", "dog" } }, { scion.load(path).history[1].labels, scion.load(path).labels })
  end)

  it("are what has elements by number, not the data set", function()
    local d = set()
    local wanted = "a data set has no elements by number: for batch in data:batches() do … end goes over its batches, and data.files and data.classes " ..
      "have an element for each image"
    assert.equal(wanted, messages.refused(function() for _, batch in ipairs(d) do error(batch) end end))
    assert.equal(wanted, messages.refused(function() return d[1] end))
    assert.matches("the first argument is a list of paths, not a data set", messages.refused(function() data.files(d) end), 1, true)
    local x = scion.zeros(2, 3)
    assert.matches("the second argument is a list of class numbers, .* not a data set$", messages.refused(function() data.tensors(x, d) end))
    assert.equal("dog cat", table.concat(data.tensors(x, { "dog", "cat" }, { labels = { "dog", "cat" } }).labels, " "))
    assert.same({ 1, 2 }, data.tensors(x, d.labels).classes:totable())
  end)

  it("of problems are the users' own: the doctor keeps to what was passed over", function()
    local d = set()
    d.problems[1] = nil
    assert.equal(1, #data.doctor(d).passed_over)
    assert.matches("1 file passed over", tostring(d), 1, true)
    assert.equal(1, #d:with { batch = 2 }.problems)
  end)

  it("and a class that is set anew is the image's everywhere, and of no other set", function()
    local d = set()
    local before, some = d:with { batch = 2 }, d:subset { 1, 2, 3 }
    d.classes:set(1, 2)
    assert.same({ { 2, 4 }, { 3, 3 }, { 3, 0 } }, { d:class_counts(), before:class_counts(), some:class_counts() })
    for batch in d:batches() do assert.same({ 2, 1, 1, 2, 2, 2 }, batch.y:totable()) end
    some.classes:set(2, 2)
    assert.same({ { 2, 4 }, { 2, 1 } }, { d:class_counts(), some:class_counts() })
    assert.same({ 2, 1, 1, 2, 2, 2 }, d.classes:totable())
  end)
end)
