local options = require "scion.options"

describe("scion.options", function()
  it("fills in defaults and copies what was given", function()
    local given = { size = 3 }
    local checked = options.check("f", given, { "labels", size = 224, batch = 32, shuffle = true })
    assert.same({ size = 3, batch = 32, shuffle = true }, checked)
    checked.size = 4
    assert.equal(3, given.size)
    assert.same({ batch = 32 }, options.check("f", nil, { "labels", batch = 32 }))
    assert.same({ shuffle = false }, options.check("f", { shuffle = false }, { shuffle = true }))
  end)

  it("names the nearest option where one is misspelled", function()
    local function check(given) options.check("scion.data.folder", given, { "augment", "labels", batch = 32 }) end
    assert.error_matches(function() check{ agument = 1 } end, "scion.data.folder: unknown option 'agument' %(did you mean 'augment'%?%)")
    assert.error_matches(function() check{ banana = 1 } end, "unknown option 'banana' %(it takes augment, batch, labels%)")
    assert.error_matches(function() check{ "augment" } end, "unknown option '1'")
    assert.error_matches(function() check "augment" end, "options are a table, not a string")
  end)

  it("points at whoever called the function that checks", function()
    local function taker(given) return (options.check("taker", given, {})) end
    local line = debug.getinfo(1, "l").currentline + 1
    local _, message = pcall(function() local x = taker{ wrong = 1 } return x end)
    assert.matches("options_spec.lua:" .. line .. ": taker", message, 1, true)
  end)

  it("ranks names by the edits between them", function()
    local nearest, distances = options.nearest("mixed9", { "conv1", "mixed8", "mixed10", "mixed9_1", "pool" }, 2)
    assert.same({ "mixed8", "mixed10" }, nearest)
    assert.same({ 1, 2 }, distances)
    assert.same({ "abc" }, (options.nearest("acb", { "abc" })))
    assert.same({ {}, {} }, { options.nearest("x", {}) })
  end)
end)
