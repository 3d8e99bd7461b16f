local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"

-- What a call raises.
local function message_of(f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  return message
end

describe("scion.check", function()
  local schema = { labels = { check.list(check.text) }, size = { check.whole(1), 224 }, batch = { check.whole(1), 32 },
                   shuffle = { check.boolean, true } }

  it("fills in defaults, reads values, and copies what was given", function()
    local given = { size = 64 / 2, labels = { "a", "b" } }
    local checked = check.options("f", given, schema)
    assert.same({ size = 32, batch = 32, shuffle = true, labels = { "a", "b" } }, checked)
    assert.equal("integer", math.type(checked.size))
    checked.labels[1] = "c"
    assert.same({ "a", "b" }, given.labels)
    assert.is_false(check.options("f", { shuffle = false }, schema).shuffle)
  end)

  it("names the nearest option where one is misspelled", function()
    assert.matches("f: unknown option 'batches' (did you mean 'batch'?)", message_of(check.options, "f", { batches = 1 }, schema), 1, true)
    assert.matches("unknown option 'banana' (it takes batch, labels, shuffle, size)", message_of(check.options, "f", { banana = 1 }, schema), 1, true)
    assert.matches("unknown option 1", message_of(check.options, "f", { "batch" }, schema), 1, true)
    assert.matches("options are a table", message_of(check.options, "f", "batch", schema), 1, true)
  end)

  it("knows what others call a name, compares without case and underscores, and never gives back the name itself", function()
    local fit = { "batch", "class_weights", "epochs", "optimizer", "validate" }
    local rate = "the learning rate is the optimizer's: optimizer = scion.optim.sgd{ lr = … }"
    for name, told in pairs {
      lr = rate, learning_rate = rate,
      validation_data = "did you mean 'validate'?", batch_size = "did you mean 'batch'?", class_weight = "did you mean 'class_weights'?",
      ClassWeights = "did you mean 'class_weights'?",
      epochs = "it takes batch, class_weights, epochs, optimizer, validate",
    } do assert.equal(told, check.suggestion(name, fit)) end
    assert.equal("did you mean 'lr'?", check.suggestion("learning_rate", { "lr", "momentum" }))
    assert.equal("it takes fit, save", check.suggestion("foo", { "save", "fit" }))
    local many = { "Eskimo dog, husky", "Siberian husky" }
    for i = 1, 200 do many[#many + 1] = ("class %d of many"):format(i) end
    assert.equal("it has 202 names, such as 'Siberian husky', 'Eskimo dog, husky'", check.suggestion("HUSKY", many, "it has"))
    assert.matches("^it takes 202 names, such as '[^']+', '[^']+', '[^']+', '[^']+', '[^']+'$", check.suggestion("giraffes", many))
    assert.equal("did you mean net18 or net50?", check.suggestion("net", { "net18", "net50" }))
    assert.matches("(did you mean 'avg'?)", message_of(check.argument, "f", "pool", "mean", check.one_of("avg", "max")), 1, true)
    for name in pairs(require "scion.other_names") do assert.matches("^%w+$", name) assert.equal(name:lower(), name) end
  end)

  it("shows a required option, or else the usual one, as the example of a table of options", function()
    assert.matches("such as { lr = … }", message_of(check.options, "f", 3, { beta = { check.any }, lr = { check.any, usual = true } }), 1, true)
    assert.matches("such as { path = … }", message_of(check.options, "f", 3, { lr = { check.any, usual = true }, path = { check.any, required = true } }), 1, true)
  end)

  it("says what a value has to be and what it is", function()
    local function wrong(value, of) return (message_of(check.argument, "f", "x", value, of):gsub("^.-: ", "", 1)) end
    assert.equal("f: x is a whole number from 1 up, not 0", wrong(0, check.whole(1)))
    assert.equal("f: x is a whole number from 1 up, not null", wrong(core.null, check.whole(1)))
    assert.equal("f: x is a whole number from 1 up, not an empty list", wrong(core.json_decode "[]", check.whole(1)))
    assert.equal("f: x is a whole number from 1 to 9, not 2.5", wrong(2.5, check.whole(1, 9)))
    assert.equal("f: x is a number from 0 and below 1, not NaN", wrong(0 / 0, check.number { from = 0, below = 1 }))
    assert.equal("f: x is a number above 0, not '1'", wrong("1", check.number { above = 0 }))
    assert.equal("f: x is true or false, not 0", wrong(0, check.boolean))
    assert.equal("f: x is 'avg' or 'max', not 'avgg' (did you mean 'avg'?)", wrong("avgg", check.one_of("avg", "max")))
    assert.equal("f: x is a path, not a\\x01b", (wrong("a\1b\0", check.path):gsub("'", ""):gsub("\\x00", "")))
    assert.equal("f: x is 'avg' or 'max' or false, not 'avgg' (did you mean 'avg'?)", wrong("avgg", check.either(check.one_of("avg", "max"), check.only(false))))
    assert.equal("f: x is a path or nil, not 3", wrong(3, check.optional(check.path)))
    assert.equal("f: x is a list of two, but element 2 is 'b'", wrong({ 1, "b" }, check.list(check.whole(), 2, "a list of two")))
    assert.equal("f: x is a list, each a whole number, but element 2 is missing", wrong({ 1, nil, 3 }, check.list(check.whole())))
    assert.equal("f: x: unknown option 'varients' (did you mean 'variants'?)",
                 wrong({ varients = 1 }, check.either(check.boolean, check.table_of { variants = { check.whole(1) } })))
    assert.equal("f: x is a model, not a tensor (f32 2x3)", wrong(require("scion.tensor").zeros { 2, 3 }, check.instance("scion.Model", "a model")))
  end)

  it("points at the line of the script that called, however deep the check stands", function()
    local line = debug.getinfo(1, "l").currentline + 1
    local message = message_of(function() local x = require("scion.optim").sgd { lr = -1 } return x end)
    assert.equal(("spec/check_spec.lua:%d: scion.optim.sgd: lr is a number from 0 up or a rate such as scion.lr.cosine(1e-4), not -1"):format(line), message:match "spec/.*")
  end)

  it("leaves the place out where the message goes into a longer one", function()
    local ok, message = check.try(check.raise, "no")
    assert.same({ false, "no" }, { ok, message })
    assert.matches("check_spec.lua:%d+: yes$", message_of(check.raise, "yes"))
  end)

  it("ranks names by the edits between them", function()
    local nearest, distances = check.nearest("mixed9", { "conv1", "mixed8", "mixed10", "mixed9_1", "pool" }, 2)
    assert.same({ "mixed8", "mixed10" }, nearest)
    assert.same({ 1, 2 }, distances)
    assert.same({ "abc" }, (check.nearest("acb", { "abc" })))
    assert.same({ {}, {} }, { check.nearest("x", {}) })
  end)
end)

describe("scion.class", function()
  local thing = class.define { name = "scion.Thing", title = "a thing", methods = { act = function(self) return self.kept end },
                               locked = { "kept", "later" }, settable = { rate = check.number { from = 0 } }, instead = { trainable = "use freeze" } }
  local note = class.define { name = "scion.Note", title = "a note", locked = { "frozen", "name" } }

  it("has the fields that are declared, and no others", function()
    local t = thing.new { kept = 3, rate = 0.5 }
    assert.equal(3, t:act())
    assert.equal(0.5, t.rate)
    assert.is_nil(t.later)
    t.rate = 0.25
    assert.matches("a thing has no field 'rat': did you mean 'rate'?", message_of(function() return t.rat end), 1, true)
    assert.matches("a thing has no field 'acd': did you mean 'act'?", message_of(function() t.acd = 1 end), 1, true)
    assert.matches("a thing has no field 'trainable': use freeze", message_of(function() t.trainable = false end), 1, true)
    assert.matches("a thing: rate is a number from 0 up, not nil", message_of(function() t.rate = nil end), 1, true)
    assert.equal(0.25, t.rate)
  end)

  it("is sealed where it only tells something", function()
    local n = note.new { frozen = false, name = "x" }
    assert.equal("x", n.name)
    assert.matches("a note: 'frozen' cannot be set", message_of(function() n.frozen = true end), 1, true)
    local seen = {}
    for key, value in pairs(n) do seen[key] = value end
    assert.same({ frozen = false, name = "x" }, seen)
  end)

  it("tells a method that is called with a dot, and keeps what is the library's out of what it suggests", function()
    local caller = class.define { name = "scion.Caller", title = "a caller", call = "caller", methods = { go = function(self, n) return self, n end },
                                  internal = { going = function() return 1 end, constant = 7 } }
    local c = caller.new {}
    assert.same({ c, 3 }, { c:go(3) })
    assert.same({ 1, 7 }, { c.going(), c.constant })
    assert.matches("caller:go is called with a colon on a caller: caller:go(…); it was called on 3", message_of(c.go, 3), 1, true)
    assert.matches("it was called on a thing", message_of(c.go, thing.new {}), 1, true)
    assert.matches("did you mean 'go'?", message_of(function() return c.goo end), 1, true)
    assert.matches("a caller has no field 'goin': it has go", message_of(function() return c.goin end), 1, true)
  end)

  it("lets only files of the library set what users cannot, and lists what is its own in no message", function()
    local kind = function(self) return self.key == 1 and check.whole(1) or check.text end
    local door = class.define { name = "scion.Door", title = "a door", fields = { "hinge" }, locked = { "key" }, methods = { knock = print }, settable = { plate = kind } }
    local d = door.new { key = 1, hinge = "left" }
    assert.matches("a door: 'key' cannot be set", message_of(function() d.key = 2 end), 1, true)
    assert.matches("a door: 'hinge' cannot be set", message_of(function() d.hinge = nil end), 1, true)
    assert.matches("a door: 'knock' is a method and cannot be set", message_of(function() d.knock = 2 end), 1, true)
    assert.matches("a door has no field 'wood': it has key, knock, plate$", message_of(function() return d.wood end))
    assert.matches("a door: plate is a whole number from 1 up, not 'x'", message_of(function() d.plate = "x" end), 1, true)
    local folder = debug.getinfo(class.define, "S").source:match "^(.*)class%.lua$"
    local set_both = assert(load("local d = ... d.key, d.hinge = 3, 'right'", folder .. "own.lua"))
    set_both(d)
    d.plate = "x"
    assert.same({ 3, "right", "x" }, { d.key, d.hinge, d.plate })
  end)

  it("keeps a module's names as they are", function()
    local found = 0
    local module = class.names("m", { f = print }, { list = function() return { "late" } end, find = function(name)
      found = found + 1
      return name == "late" and 5 or nil
    end })
    assert.equal(print, module.f)
    assert.same({ 5, 5, 1 }, { module.late, module.late, found })
    assert.matches("m has no 'lat': did you mean 'late'?", message_of(function() return module.lat end), 1, true)
    assert.matches("m: 'f' cannot be set; it is called", message_of(function() module.f = 3 end), 1, true)
    assert.matches("m: 'g' cannot be set", message_of(function() module.g = 3 end), 1, true)
    assert.matches("m has no 3", message_of(function() return module[3] end), 1, true)
    local seen = {}
    for name, value in pairs(module) do seen[name] = value end
    assert.same({ f = print, late = 5 }, seen)
  end)

  it("knows its own", function()
    assert.is_true(thing.is(thing.new {}))
    assert.is_false(thing.is(note.new {}))
    assert.is_false(thing.is(3))
  end)
end)
