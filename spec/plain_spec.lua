-- What users keep, as JSON can hold it.
local core = require "scion.core"
local plain = require "scion.plain"

local function round(value)
  local lost = {}
  local written = plain.write(value, "it", lost)
  table.sort(lost)
  return plain.read(core.json_decode(core.json_encode(written == nil and core.null or written))), lost
end

describe("scion.plain", function()
  it("gives back numbers, strings, booleans, lists and tables", function()
    for _, value in ipairs { 1, -5, 1.0, 0.1 + 0.2, 5e-324, 1.7976931348623157e308, math.huge, -math.huge, math.maxinteger, math.mininteger, "", "Größe",
                             "a\0b", "nan", true, false, {}, { 1, 2 }, { a = { b = { "c" } } }, { { { math.huge } } } } do
      local back, lost = round(value)
      assert.same(value, back)
      assert.equal(math.type(value), math.type(back))
      assert.same({}, lost)
    end
    local nan = round(0 / 0)
    assert.is_true(nan ~= nan)
  end)

  it("names what it leaves out", function()
    local list = setmetatable({}, { __index = {} })
    local itself = {}
    itself.x = itself
    local deep = { 1 }
    for _ = 1, 30 do deep = { deep } end
    for _, case in ipairs {
      { print, "it" }, { io.stdout, "it" }, { coroutine.create(print), "it" }, { list, "it" }, { "\xff", "it" }, { { a = print, b = 1 }, "it.a" },
      { { 1, print, 3 }, "it[2]" }, { { [1] = 1, [3] = 3 }, "it[1]", "it[3]" }, { { 1, x = 2 }, "it[1]" }, { { ["\xff"] = 1 }, "it[\xff]" },
      { itself, "it.x" }, { deep, "it" .. ("[1]"):rep(20) }, { { [true] = 1 }, "it[true]" },
    } do
      local _, lost = round(case[1])
      assert.same({ table.unpack(case, 2) }, lost)
    end
    assert.same({ 1, nil, 3 }, (round { 1, print, 3 }))
  end)

  it("keeps what results hold", function()
    assert.same({ { loss = 1.5 } }, (round { setmetatable({ loss = 1.5 }, { __name = "scion.Epoch", __tostring = function() return "epoch" end }) }))
  end)

  it("writes a table that stands in two places twice", function()
    local shared = { 1 }
    assert.same({ a = { 1 }, b = { 1 } }, (round { a = shared, b = shared }))
  end)
end)
