-- Where examples and their labels come from besides folders: lists of files, CSV files, tensors.
local core = require "scion.core"
local lfs = require "lfs"
local messages = require "spec.support.messages"
local reader = require "scion.data.source.csv_reader"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local data = scion.data

local function refused(message, f, ...)
  local args = table.pack(...)
  assert.matches(message, messages.refused(function() f(table.unpack(args, 1, args.n)) end), 1, true)
end

-- A folder with small pictures of these names.
local function pictures(...)
  local folder = support.folder()
  for i, name in ipairs { ... } do
    local inner = name:match "^(.*)/"
    if inner then lfs.mkdir(folder .. "/" .. inner) end
    assert(scion.image.save(folder .. "/" .. name, support.pattern(6, 6, 31 * i)))
  end
  return folder
end

local function answers(d)
  local name, list = nil, {}
  for _, each in ipairs { "classes", "soft", "multi", "targets" } do
    if d[each] then name = assert(name == nil and each) end
  end
  if name then list = d[name]:totable() end
  return name, list
end

describe("labels", function()
  local images = scion.zeros({ 3, 2, 2, 3 }, "u8")
  local names = { labels = { "a", "b" } }

  it("are classes by number, name or one-hot row", function()
    for _, case in ipairs {
      { { 2, 1, 2 } }, { { "b", "a", "b" } }, { { 2.0, 1, 2 }, names }, { scion.tensor({ 2, 1, 2 }, "i32") }, { scion.tensor({ 2, 1, 2 }, "u8"), names },
      { scion.tensor({ { 0, 1 }, { 1, 0 }, { 0, 1 } }, "u8") }, { scion.tensor({ { 0, 1 }, { 1, 0 }, { 0, 1 } }, "i32") },
      { scion.tensor { { 0, 1 }, { 1, 0 }, { 0, 1 } }, names }, { { { 0, 1 }, { 1, 0 }, { 0, 1 } }, names },
    } do
      local d = data.tensors(images, table.unpack(case))
      local name, list = answers(d)
      assert.same({ "classes", { 2, 1, 2 } }, { name, list })
      assert.equal(2, #d.labels)
    end
    assert.same({ 0, 0, 3 }, data.tensors(images, { "z", "z", "z" }, { labels = { "x", "y", "z" } }):class_counts())
  end)

  it("are shares of classes where rows add up to 1", function()
    local rows = { { 0.25, 0.75 }, { 1, 0 }, { 0.5, 0.5 } }
    for _, given in ipairs { scion.tensor(rows), rows } do
      local d = data.tensors(images, given, names)
      local name, list = answers(d)
      assert.same({ "soft", rows }, { name, list })
      assert.same({ "a", "b" }, d.labels)
    end
    for _, one in ipairs { { "a", "b", "a" }, { 1, 2, 1 } } do
      refused("multi = true is about several labels of each, but the second argument has one label each: give lists of names", data.tensors, images, one, { multi = true })
    end
    refused("row 2 adds up to 0.7, but shares of classes add up to 1; multi = true says", data.tensors, images, { { 0.25, 0.75 }, { 0.7, 0 }, { 0.5, 0.5 } }, names)
    refused("row 3 has a number that is not from 0 to 1", data.tensors, images, { { 0, 1 }, { 1, 0 }, { -0.5, 1.5 } }, names)
    refused("row 1 has a number that is not from 0 to 1", data.tensors, images, scion.tensor { { 0 / 0, 1 }, { 1, 0 }, { 1, 0 } }, names)
    refused("rows of 3 numbers, but there are 2 labels", data.tensors, images, { { 0, 1, 0 }, { 1, 0, 0 }, { 1, 0, 0 } }, names)
    refused("row 3 has 1 numbers, and row 1 has 2", data.tensors, images, { { 0, 1 }, { 1, 0 }, { 1 } }, names)
  end)

  it("are several an image: lists of names, rows of 0 and 1, or any rows where the user says so", function()
    for _, given in ipairs { { { "b", "a" }, {}, { "b" } }, scion.tensor({ { 1, 1 }, { 0, 0 }, { 0, 1 } }, "u8") } do
      local name, list = answers(data.tensors(images, given, names))
      assert.same({ "multi", { { 1, 1 }, { 0, 0 }, { 0, 1 } } }, { name, list })
    end
    assert.same({ "a", "b", "c" }, data.tensors(images, { { "c", "a" }, {}, { "b" } }).labels)
    for _, rows in ipairs { { { 0, 1 }, { 1, 0 }, { 0, 1 } }, { { 0.25, 0.5 }, { 1, 0 }, { 0, 0.75 } } } do
      local name, list = answers(data.tensors(images, rows, { labels = { "a", "b" }, multi = true }))
      assert.same({ "multi", rows }, { name, list })
    end
    refused("label 2, 'x', is not among the labels (a, b)", data.tensors, images, { { "a" }, { "x" }, {} }, names)
    refused("but element 1 has 'a' twice", data.tensors, images, { { "a", "a" }, {}, {} }, names)
    refused("there is no label at all", data.tensors, images, { {}, {}, {} })
  end)

  it("are numbers to predict where they are not about classes", function()
    for _, case in ipairs { { { 0.5, 1, 2 }, { { 0.5 }, { 1 }, { 2 } } }, { { { 0.5, 1 }, { 1, 0 }, { 7, -2 } }, { { 0.5, 1 }, { 1, 0 }, { 7, -2 } } } } do
      local name, list = answers(data.tensors(images, case[1]))
      assert.same({ "targets", case[2] }, { name, list })
    end
    refused("labels name classes, but there are numbers to predict", data.tensors, images, { 0.5, 1, 2 }, names)
    refused("3 images, but 2 targets", data.tensors, images, { 0.5, 1.5 })
    refused("labels are a list, a tensor of class numbers (i32)", data.tensors, images, scion.zeros({ 3, 2, 2 }, "u8"))
  end)
end)

describe("scion.data.tensors of f32", function()
  local x = scion.uniform { 7, 5 }

  it("gives examples as they are, in batches, with their labels", function()
    local d = data.tensors(x, { 1, 2, 3, 1, 2, 3, 1 }, { batch = 3, seed = 4 })
    assert.equal("data set of 7 examples in 3 classes (1 3, 2 2, 3 2); 5 numbers each, batches of\n  3; shuffled by seed 4", tostring(d))
    local order, seen = d:order(2):totable(), 0
    for batch in d:batches(2) do
      for row, index in ipairs(batch.index:totable()) do
        assert.same({ order[seen + 1], x[index]:totable(), (index - 1) % 3 + 1 }, { index, batch.x[row]:totable(), batch.y:get(row) })
        seen = seen + 1
      end
      assert.same({}, batch.failed)
    end
    assert.equal(7, seen)
    assert.is_nil(d.size)
    local columns = scion.uniform { 4, 6 }
    assert.same(columns:slice(2, 3, 4):totable(), data.tensors(columns:slice(2, 3, 4)).values:totable())
  end)

  it("leaves out examples that are no numbers, and tells of them", function()
    local bad = x:copy()
    bad:set(2, 5, 0 / 0)
    bad:set(6, 1, math.huge)
    local d
    local told = support.stderr_of(function() d = data.tensors(bad, { 1, 2, 3, 1, 2, 3, 1 }, { batch = 3, shuffle = false }) end)
    assert.equal("scion: scion.data.tensors: left out 2 of 7 examples, which hold numbers that are NaN or infinite; the first is example 2\n", told)
    assert.same({ 2, 2, "example 2 holds a number that is NaN or infinite" }, { d.skipped, #d.problems, d.problems[1].reason })
    assert.same({ 1, 2 }, { d:subset({ 1, 2 }).skipped, #d:take(3).problems }) -- the example, and its class, which has no other
    local indices, classes, failed = {}, {}, {}
    for batch in d:batches() do
      for row, index in ipairs(batch.index:totable()) do
        indices[#indices + 1], classes[#classes + 1] = index, batch.y:get(row)
        assert.same(x[index]:totable(), batch.x[row]:totable())
      end
      for _, failure in ipairs(batch.failed) do failed[#failed + 1] = { failure.index, failure.message } end
    end
    assert.same({ { 1, 3, 4, 5, 7 }, { 1, 3, 1, 2, 1 } }, { indices, classes })
    assert.same({ { 2, "example 2 holds a number that is NaN or infinite" }, { 6, "example 6 holds a number that is NaN or infinite" } }, failed)
    assert.same({ 2, 2 }, { d.skipped, #d.problems })
  end)

  it("is trained on, evaluated, predicted and cut like images", function()
    local nn = scion.nn
    local y = scion.tensor({ 1, 2, 2, 1, 2, 1, 1 }, "i32")
    local features = scion.zeros { 7, 5 }
    for i = 1, 7 do features[i] = x[i] * 0.1 + y:get(i) end
    local d = data.tensors(features, y, { labels = { "one", "two" }, batch = 4 })
    local model = scion.sequential { nn.input(5), nn.dense(8, "relu", { name = "hidden" }), nn.dense(2, "softmax") }
    model:fit(d, { epochs = 60, optimizer = scion.optim.adam { lr = 0.05 }, verbose = false, validate = d, quiet = true })
    assert.equal(1.0, model:evaluate(d).accuracy)
    for _, given in ipairs { d, features } do
      for i, entry in ipairs(model:predict(given)) do assert.equal(y:get(i) == 1 and "one" or "two", entry.label) end
    end
    local hidden, back = model:features(d, "hidden")
    assert.same({ { 7, 8 }, y:totable() }, { hidden:shape(), back:totable() })
    assert.matches("7 examples", tostring(d))
    refused("fit: the data set has examples of 4 numbers, but the model takes 5: its input should be nn.input(4)", model.fit, model, data.tensors(scion.zeros(2, 4), { 1, 2 }))
    refused("predict: the data set has examples of 5 numbers, but the model takes 8x8x3", model.predict,
            scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2, "softmax") }, features)
  end)

  it("teaches shares of classes, several labels and numbers", function()
    local nn = scion.nn
    local rows = scion.tensor { { 1, 0, 0.5 }, { 0, 1, 0.25 }, { 1, 1, 0 }, { 0, 0, 0.75 } }
    local function last(d, head)
      local history = scion.sequential { nn.input(3), head }:fit(d, { epochs = 400, optimizer = scion.optim.adam { lr = 0.05 }, verbose = false })
      return history[400].loss
    end
    local d = data.tensors(rows, { { "a", "b" }, {}, { "b" }, { "a" } })
    assert.is_true(last(d, nn.dense(2, "sigmoid")) < 0.1)
    d = data.tensors(rows, { { 0.5, 0.5 }, { 0.25, 0.75 }, { 0.5, 0.5 }, { 0.25, 0.75 } }, { labels = { "a", "b" } })
    local entropy = -(math.log(0.5) + 0.25 * math.log(0.25) + 0.75 * math.log(0.75)) / 2 -- the least that it can be
    assert.near(entropy, last(d, nn.dense(2, "softmax")), 0.01)
    assert.same({ 4 / (2 * 1.5), 4 / (2 * 2.5) }, d:class_weights())
    assert.is_true(last(data.tensors(rows, { 1.5, -1, 0.5, 0 }), nn.dense(1)) < 0.05)
  end)

  it("is taken as it is where it is images, whose size has to fit", function()
    local nn = scion.nn
    local model = scion.sequential { nn.input(4, 4, 3), nn.flatten { name = "flat" } }
    local images = scion.uniform({ 2, 4, 4, 3 }, -3, 3)
    support.stderr_of(function() assert.same(images:reshape(2, 48):totable(), (model:features(images, "flat")):totable()) end)
    refused("size resizes u8 images; f32 examples stay as they are, 4x4x3", data.tensors, images, nil, { size = 8 })
    refused("augment is for u8 images", data.tensors, images, nil, { augment = { flip = "both" } })
    refused("features an f32 tensor, not a tensor (f32 6): one number each is x:reshape(6, 1)", data.tensors, scion.zeros(6))
    assert.same({ 4, 4 }, data.tensors(images, nil, { size = 4 }).size)
  end)
end)

describe("scion.data.files with labels", function()
  after_each(support.done)

  it("takes what labels can be, with each path", function()
    local folder = pictures("1.png", "2.png", "3.png")
    local function list(...)
      local entries = {}
      for i, label in ipairs { ... } do entries[i] = { path = ("%s/%d.png"):format(folder, i), label = label } end
      return entries
    end
    for kind, case in pairs {
      classes = { list("dog", "cat", "dog"), { 2, 1, 2 }, labels = { "cat", "dog" } }, multi = { list({ "cat", "dog" }, {}, { "dog" }), { { 1, 1 }, { 0, 0 }, { 0, 1 } },
      labels = { "cat", "dog" } }, targets = { list(0.5, 2, 3), { { 0.5 }, { 2 }, { 3 } } },
    } do
      local d = data.files(case[1], { size = 6 })
      local name, values = answers(d)
      assert.same({ kind, case[2], case.labels or {} }, { name, values, d.labels or {} })
      assert.is_true(d.shuffle)
      local n = 0
      for batch in d:batches() do
        for row, index in ipairs(batch.index:totable()) do
          assert.same({ case[1][index].path, scion.image.load(case[1][index].path):bytes() }, { batch.files[row], batch.x[row]:bytes() })
          n = n + 1
        end
      end
      assert.equal(3, n)
    end
    assert.same({ 3, 1, 2 }, data.files(list(3, 1, 2)).classes:totable())
    assert.is_false(data.files { folder .. "/1.png" }.shuffle)
    assert.is_nil(data.files(list()).labels)
  end)

  it("are refused where they do not fit together", function()
    refused("element 2 has an unknown field 'file' (it takes label, path)", data.files, { { path = "x", label = 1 }, { file = "y", label = 1 } })
    refused("element 2 is 'y', but the first one is a table", data.files, { { path = "x", label = 1 }, "y" })
    refused("the path of element 2 is a path, not nil", data.files, { { path = "x", label = 1 }, { label = 1 } })
    refused("y has no label, but x has one", data.files, { { path = "x", label = 1 }, { path = "y" } })
    refused("y has no label, but x has one", data.files, { { path = "y" }, { path = "x", label = 1 } })
    refused("label 2, 'cow', is not among the labels (cat, dog)", data.files, { { path = "x", label = "cat" }, { path = "y", label = "cow" } }, { labels = { "cat", "dog" } })
    refused("labels is about labels, but the files have none", data.files, { "x" }, { labels = { "a" } })
  end)
end)

describe("scion.data.csv", function()
  after_each(support.done)

  local function csv(text, folder)
    folder = folder or support.folder()
    return support.spit(folder .. "/list.csv", text)
  end

  it("reads what Python's csv module writes", function()
    for _, case in ipairs(core.json_decode(support.slurp "spec/fixtures/data/csv.json")) do
      local read = assert(reader.open(case.text))
      local rows = { read.columns }
      repeat
        local row, message = read.rows()
        rows[#rows + 1] = row
        assert.is_true(row ~= nil or message == nil, message)
      until not row
      assert.same(case.rows, rows)
    end
  end)

  it("gives the files it names with their labels", function()
    local folder = pictures("a.png", "in/b.png", "c, d.png")
    local path = csv('\xef\xbb\xbfname,kind,"left",up\r\na.png,dog,1,0\r\nin/b.png,cat,0.5,2\r\n"c, d.png",dog,0,0\r\n\r\n', folder)
    local d = data.csv(path, { file = "name", label = "kind", size = 6 })
    assert.same({ folder .. "/a.png", folder .. "/in/b.png", folder .. "/c, d.png" }, d.files)
    assert.same({ { "cat", "dog" }, { 2, 1, 2 } }, { d.labels, d.classes:totable() })
    assert.same({ 1, 2, 1 }, data.csv(path, { file = "name", label = "kind", labels = { "dog", "cat" } }).classes:totable())
    d = data.csv(path, { file = "name", label = { "left", "up" } })
    assert.same({ { { 1, 0 }, { 0.5, 2 }, { 0, 0 } }, nil }, { d.targets:totable(), d.labels })
    d = data.csv(path, { file = "name" })
    assert.same({ nil, false }, { d.labels, d.shuffle })
    local elsewhere = csv "name\na.png\n/x/y.png\n"
    assert.same({ folder .. "/a.png", "/x/y.png" }, data.csv(elsewhere, { file = "name", root = folder }).files)
    for batch in data.csv(path, { file = "name", label = "kind", size = 6 }):batches() do assert.equal(3, #batch) end
  end)

  it("passes over empty rows, and takes another separator", function()
    local o = { file = "f", label = "l" }
    local d = data.csv(csv "f,l\na,x\n\nb,y\n,\n,\n", o)
    assert.same({ 2, { "x", "y" } }, { #d, d.labels })
    o.separator = ";"
    assert.same({ "x", "y,z" }, data.csv(csv "f;l\na;x\n\"b\";y,z\n", o).labels)
    o.separator = "\t"
    assert.same({ "x", "y" }, data.csv(csv "f\tl\na\tx\nb\ty\n", o).labels)
    -- a number with a comma where commas divide nothing; one cell that is none
    assert.same({ { 0.5 }, { -7.25 } }, data.csv(csv "f;l\na;0,5\nb;-7,25\n", { file = "f", label = "l", separator = ";" }).targets:totable())
    assert.same({ { 1.5 } }, data.csv(csv "f\tl\na\t1,5\n", { file = "f", label = { "l" }, separator = "\t" }).targets:totable())
    for _, cell in ipairs { "n/a", "nan", "", "12.5 g" } do
      local why = cell == "" and "line 3: 'l' is empty" or ("line 3: 'l' is '%s', but most of its cells are numbers to predict"):format(cell)
      refused(why, data.csv, csv("f,l\na,1.5\nb," .. cell .. "\nc,2.5\n"), { file = "f", label = "l" })
    end
    assert.same({ "1.5", "v2", "v3" }, data.csv(csv "f,l\na,1.5\nb,v2\nc,v3\n", { file = "f", label = "l" }).labels)
    refused("list.csv: line 4: the label 'z' is not among the labels (x, y)", data.csv, csv "f,l\na,x\n\nb,z\n", { file = "f", label = "l", labels = { "x", "y" } })
    refused("line 3: 'l' is '1e999', but most", data.csv, csv "f,l\na,1.5\nb,1e999\nc,2.5\n", { file = "f", label = "l" })
    -- columns in another order than the labels are put into theirs
    d = data.csv(csv "f,b,a\n1,1,0\n2,0,1\n", { file = "f", label = { "b", "a" }, labels = { "a", "b" } })
    assert.same({ { 2, 1 }, { "a", "b" } }, { d.classes:totable(), d.labels })
    refused("labels has 'c', which is none of the columns of label (b, a)", data.csv, csv "f,b,a\n1,1,0\n", { file = "f", label = { "b", "a" }, labels = { "a", "c" } })
    refused("label has the column 'b', which is none of the labels (a)", data.csv, csv "f,b,a\n1,1,0\n", { file = "f", label = { "b", "a" }, labels = { "a" } })
    for _, text in ipairs { "sep=;\nf;l\na;x,z\nb;y\n", '\xef\xbb\xbf"sep=;"\r\nf;l\r\na;x,z\r\nb;y\r\n', "\n\r\n;;\nf;l\na;x,z\nb;y\n" } do -- as Excel writes it
      assert.same({ "x,z", "y" }, data.csv(csv(text), { file = "f", label = "l", separator = not text:find "^\xef" and ";" or nil }).labels, text)
    end
    refused("separator is ',', but its first line tells ';': leave separator out", data.csv, csv "sep=;\nf;l\na;x\n", { file = "f", separator = "," })
    refused("line 5: the label 'z' is not", data.csv, csv "sep=,\n\nf,l\na,x\nb,z\n", { file = "f", label = "l", labels = { "x", "y" } })
    refused("it has no row that names the columns", data.csv, csv "sep=,\n,,\n", { file = "f" })
    refused("separator = ';' reads cells that it divides", data.csv, csv "f;l\na;b\n", { file = "f" })
    refused("it is not in UTF-8 (byte 9): save it as UTF-8", data.csv, csv "f,l\na,ca\xe9\n", { file = "f", label = "l" })
    refused("label is a list of columns, not an empty one", data.csv, csv "f,l\na,b\n", { file = "f", label = {} })
  end)

  it("takes a column of numbers that are not all whole for numbers to predict", function()
    assert.same({ { 0.5 }, { 20 } }, data.csv(csv "f,l\na,0.5\nb,20\n", { file = "f", label = "l" }).targets:totable())
    assert.same({ "20", "5" }, data.csv(csv "f,l\na,5\nb,20\n", { file = "f", label = "l" }).labels)
    assert.same({ "0.5", "20" }, data.csv(csv "f,l\na,0.5\nb,20\n", { file = "f", label = "l", labels = { "0.5", "20" } }).labels)
    local model = scion.sequential { scion.nn.input(8, 8, 3), scion.nn.flatten(), scion.nn.dense(1) }
    local ages = data.csv(csv "f,l\na,30\nb,41\n", { file = "f", label = "l", size = 8 })
    refused("where these are numbers to predict they are an f32 tensor, or a list for each, label = { 20 }, and of a CSV file label = { 'column' }",
            model.fit, model, ages)
  end)

  it("takes columns of 0 and 1 for labels, by the columns' names", function()
    local d = data.csv(csv "f,cat,dog\n1.png,1,1\n2.png,0,0\n", { file = "f", label = { "cat", "dog" } })
    assert.same({ { { 1, 1 }, { 0, 0 } }, { "cat", "dog" } }, { d.multi:totable(), d.labels })
    d = data.csv(csv "f,cat,dog\n1.png,1,0\n2.png,0,1\n", { file = "f", label = { "cat", "dog" } })
    assert.same({ { 1, 2 }, { "cat", "dog" } }, { d.classes:totable(), d.labels })
    d = data.csv(csv "f,cat,dog\n1.png,1,0\n2.png,0,1\n", { file = "f", label = { "cat", "dog" }, multi = true })
    assert.same({ { 1, 0 }, { 0, 1 } }, d.multi:totable())
  end)

  it("is refused with the line and the remedy where it is no sound CSV file", function()
    local o = { file = "f", label = "l" }
    for text, message in pairs {
      ["f,l\na,b\nc\n"] = "list.csv: line 3 has 1 cells, but the first one has 2", ["f,l\na,b\n\nc\n"] = "line 4 has 1 cells, but",
      ["f,l\n\"a\nb\",c\nd,e,f\n"] = "line 4 has more than 2 cells, but the first one has 2", ["f,l\na,\"b\n"] = "line 2: a quote is opened and not closed",
      ["f,l\na,\"b\"c\n"] = "line 2: a closing quote is followed by something other than a comma", ["f,l\na,b\"c\n"] = "line 2: a quote stands inside a cell",
      ["f,l\ra,b\r"] = "line 1: a carriage return stands without a line feed", [""] = "list.csv: it is empty", ["f,l\n"] = "it has no row but the first",
      ["\xff\xfef\0"] = "it is in UTF-16: save it as UTF-8", ["f,l\na\0,b\n"] = "it holds zero bytes", ["file,l\na,b\n"] = "there is no column 'f' (it has file, l)",
      ["F,l\na,b\n"] = "there is no column 'f' (did you mean 'F'?)", ["f;l\na;b\n"] = "the first line has no comma, but ';'", ["f,l,f\na,b,c\n"] = "there are two columns 'f'",
      ["f,l\na,b\n,c\n"] = "line 3 names no file", ["f,l\na,b\nc,\n"] = "line 3: 'l' is empty",
    } do
      refused(message, data.csv, csv(text), o)
    end
    local truths = csv "f,a,b,c\n1.png,True,yes,1\n2.png,False,NO,1\n3.png,TRUE,No,0\n"
    local d = data.csv(truths, { file = "f", label = { "a", "b", "c" } })
    assert.same({ { { 1, 1, 1 }, { 0, 0, 1 }, { 1, 0, 0 } }, "a b c" }, { d.multi:totable(), table.concat(d.labels, " ") })
    assert.same({ { 1 }, { 0 }, { 1 } }, data.csv(truths, { file = "f", label = { "a" } }).multi:totable())
    assert.equal("False True", table.concat(data.csv(csv "f,l\na,True\nb,False\n", { file = "f", label = "l" }).labels, " "))
    refused("line 3: 'l' is 'true', but its cells before are numbers", data.csv, csv "f,l\na,1\nb,true\n", { file = "f", label = { "l" } })
    refused("line 3: 'l' is '0', but its cells before are true or false, yes or no", data.csv, csv "f,l\na,yes\nb,0\n", { file = "f", label = { "l" } })
    refused("line 3: 'l' is 'x', which is no number, and none of true, false, yes and no", data.csv, csv "f,l\na,1\nb,x\n", { file = "f", label = { "l" } })
    refused("line 2: 'l' is '0x1', which is no number", data.csv, csv "f,l\na,0x1\n", { file = "f", label = { "l" } })
    refused("file is missing; it is a string", data.csv, csv "f,l\na,1\n", { label = "l" })
    refused("/nowhere.csv: No such file or directory", data.csv, "/nowhere.csv", o)
    refused("/dev is a folder, and no CSV file", data.csv, "/dev", o)
    refused("/dev/zero is a char device, and no CSV file", data.csv, "/dev/zero", o)
    refused("line 2: the label 'b' is not among the labels (x)", data.csv, csv "f,l\na,b\n", { file = "f", label = "l", labels = { "x" } })
  end)
end)

describe("class names", function()
  after_each(support.done)

  it("that are not UTF-8 are refused when the data set is made, and not when the model is saved", function()
    local folder = support.folder()
    for _, name in ipairs { "a", "caf\xe9" } do
      assert(lfs.mkdir(folder .. "/" .. name))
      assert(scion.image.save(folder .. "/" .. name .. "/1.png", support.pattern(4, 4)))
    end
    refused("is not UTF-8, in which models keep their labels: rename its folder, or give labels in UTF-8", data.folder, folder)
    refused("is not UTF-8", data.tensors, scion.zeros({ 2, 4, 4, 3 }, "u8"), { "a", "b\xff" })
  end)
end)

describe("core.list_folder", function()
  after_each(support.done)

  it("gives the names in a folder by their bytes, with those of folders as paths go on, and which are links to folders or to nothing", function()
    local folder = support.folder()
    for _, name in ipairs { "b", "B", "a.png", "é", ".hidden" } do support.spit(folder .. "/" .. name, "") end
    for _, name in ipairs { "a", "a+", ".git" } do assert(lfs.mkdir(folder .. "/" .. name)) end
    for name, target in pairs { to_folder = "a", to_file = "b", to_nothing = "nowhere", circle = "." } do assert(lfs.link(target, folder .. "/" .. name, true)) end
    local names, links = core.list_folder(folder)
    assert.same({ "B", "a+/", "a.png", "a/", "b", "circle/", "to_file", "to_folder/", "to_nothing", "é" }, names)
    assert.same({ ["circle/"] = true, ["to_folder/"] = true, to_nothing = true }, links)
    assert.same({ nil, "the folder /nowhere cannot be read: No such file or directory" }, { core.list_folder "/nowhere" })
    assert.same({ nil, ("the folder %s/b cannot be read: Not a directory"):format(folder) }, { core.list_folder(folder .. "/b") })
  end)
end)

describe("features", function()
  after_each(support.done)

  it("are trained on, and the head put behind the trunk predicts the same", function()
    local nn, root = scion.nn, support.folder()
    for k, class in ipairs { "dark", "light" } do
      assert(lfs.mkdir(root .. "/" .. class))
      for i = 1, 12 do
        local image = scion.uniform({ 12, 12, 3 }, 90 * (k - 1), 90 * (k - 1) + 160):to "u8"
        assert(scion.image.save(("%s/%s/%02d.png"):format(root, class, i), image))
      end
    end
    local train = data.folder(root, { size = 12, batch = 5, seed = 2 })
    local base = scion.sequential { nn.input(12, 12, 3), nn.conv2d(16, 3, { name = "conv", activation = "relu" }), nn.conv2d(24, 3, { name = "last", activation = "relu" }) }
    local x, y = base:features(train, "last", { pool = "avg" })
    local head = scion.sequential { nn.input(24), nn.dense(#train.labels, "softmax", { name = "head" }) }
    local history = head:fit(data.tensors(x, y, { labels = train.labels }), { epochs = 20, optimizer = scion.optim.adam { lr = 0.03 }, verbose = false })
    assert.is_true(history[20].loss < history[1].loss and history[20].accuracy > 0.9)
    local whole = base:graft { nn.global_avg_pool(), nn.dense(#train.labels, "softmax", { name = "head" }) }
    for name, tensor in pairs(head:layer "head".weights) do
      for i = 1, #tensor do whole:layer "head".weights[name][i] = tensor[i] end
    end
    local on_images, on_features = whole:predict(train), head:predict(x)
    local classes = y:totable()
    for i, entry in ipairs(on_images) do
      assert.near(on_features[i].confidence, entry.confidence, 1e-6)
      assert.equal(train.labels[entry.label], on_features[i].label)
      assert.equal(train.files[i]:match "([^/]+)/[^/]+$", train.labels[classes[i]])
    end
    assert.near(head:evaluate(data.tensors(x, y, { labels = train.labels })).loss, whole:evaluate(train).loss, 1e-6)
  end)

  it("tells of labels that are missing, differ in blanks alone, or look like numbers to predict", function()
    local folder = support.folder()
    for _, name in ipairs { "a", "b", "c" } do assert(scion.image.save(folder .. "/" .. name .. ".png", scion.zeros({ 6, 6, 3 }, "u8"))) end
    local function read(...)
      local path = support.spit(folder .. "/t.csv", "file,kind\n" .. table.concat({ ... }, "\n") .. "\n")
      return data.csv(path, { file = "file", label = "kind", size = 6 })
    end
    assert.matches("line 4: 'kind' is 'nan': the label is missing; take the row out", messages.refused(function() read("a.png,x", "b.png,y", "c.png,nan") end), 1, true)
    local told = support.stderr_of(function() assert.same(2, #read("a.png,x", "b.png,x ", "c.png,x").labels) end)
    assert.matches("the labels 'x' and 'x ' differ in blanks alone, and are two classes", told, 1, true)
    told = support.stderr_of(function() read("a.png,1.0", "b.png,2.0", "c.png,3.0") end)
    assert.matches("kind holds whole numbers with a decimal point or comma, such as 1.0, which are taken as names of classes; label = { 'kind' } predicts them", told, 1, true)
    local rows = {}
    for i = 1, 10 do rows[i] = ("a.png,%d"):format(i < 6 and 1500 + i or 1500) end
    assert.matches("kind holds whole numbers that hardly repeat, such as 1501, which", support.stderr_of(function() read(table.unpack(rows)) end), 1, true)
    rows[5] = "a.png,1500"
    assert.equal("", support.stderr_of(function() read(table.unpack(rows)) end)) -- two examples of each, on average
    assert.matches("kind holds numbers with commas, such as 1,234, which", support.stderr_of(function() read("a.png,1", 'b.png,"1,234"') end), 1, true)
  end)

  it("takes a single example with a row", function()
    local d = data.tensors(scion.zeros { 1, 2 }, scion.tensor({ { 0, 1 } }, "u8"))
    assert.same({ { 2 }, { 0, 1 } }, { d.classes:totable(), d:class_counts() })
  end)

  it("shares the memory of examples, also with the sets that are made of it, but copies labels", function()
    for dtype, shape in pairs { f32 = { 4, 3 }, u8 = { 4, 2, 2, 3 } } do
      local x, y = scion.zeros(shape, dtype), scion.tensor({ 1, 2, 1, 2 }, "i32")
      local d = data.tensors(x, y, { shuffle = false })
      local apart, part = data.tensors(x:copy(), y), d:subset { 2, 3 }
      x:select(2):reshape(-1):set(1, 7)
      y:set(1, 2)
      local function sum(set)
        local total = 0
        for batch in set:batches() do total = total + batch.x:to "f32":sum() end
        return total
      end
      assert.same({ 7, 7, 0 }, { sum(d), sum(part), sum(apart) }, dtype)
      assert.same({ 1, 2, 1, 2 }, d.classes:totable())
    end
    local wide = scion.zeros { 4, 3 }
    local d = data.tensors(wide:slice(2, 1, 2)) -- its rows have gaps
    wide:set(1, 1, 7)
    for batch in d:batches() do assert.equal(0, batch.x:sum()) end
  end)

  it("tells of whole numbers that hardly repeat, and are taken as classes", function()
    local list, files = {}, {}
    for i = 1, 10 do list[i] = 20 + math.min(i, 6) end
    for i, number in ipairs(list) do files[i] = { path = i .. ".png", label = number } end
    local x = scion.zeros { 10, 2 }
    for where, make in pairs {
      ["scion.data.tensors: the second argument has 6 different whole numbers of 10, which are taken as numbers of classes; numbers to predict are given as an f32 tensor"] =
        function() return data.tensors(x, list) end,
      ["scion.data.files: the list of labels has 6 different whole numbers of 10, which are taken as numbers of classes; numbers to predict are given as lists of one"] =
        function() return data.files(files) end,
    } do assert.matches(where, support.stderr_of(make), 1, true) end
    local names = {}
    for i = 1, 26 do names[i] = "n" .. i end
    list[1] = 22
    assert.equal("", support.stderr_of(function()
      data.tensors(x, list) -- five of ten
      list[1] = 21
      data.tensors(x, list, { labels = names })
      data.tensors(x, scion.tensor(list, "f32"))
    end))
    list[1] = 200000
    refused("or numbers to predict as an f32 tensor", data.tensors, x, list)
  end)
end)
