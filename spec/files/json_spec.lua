local core = require "scion.core"
local support = dofile "spec/files/support.lua"

local function refused(pattern, ...)
  local ok, message = pcall(...)
  assert.is_false(ok)
  assert.matches(pattern, message)
end

describe("core.json_encode and json_decode", function()
  teardown(support.done)

  it("carry tables there and back, with keys in order", function()
    local text = core.json_encode { b = { 1, 2, { c = "x" } }, a = true, ["ä\n\"/"] = "Zoë\0\t", n = core.null }
    assert.equal([[{"a":true,"b":[1,2,{"c":"x"}],"n":null,"ä\n\"/":"Zoë\u0000\t"}]], text)
    local value = assert(core.json_decode(text))
    assert.same({ b = { 1, 2, { c = "x" } }, a = true, ["ä\n\"/"] = "Zoë\0\t", n = core.null }, value)
    assert.equal(text, core.json_encode(value))
  end)

  it("take values that are no tables", function()
    for value, text in pairs { [1] = "1", ["x"] = '"x"', [true] = "true", [core.null] = "null" } do
      assert.equal(text, core.json_encode(value))
      assert.equal(value, (core.json_decode(text)))
    end
    assert.is_false((core.json_decode "false"))
  end)

  it("keep integers and floats apart, and all their digits", function()
    for _, number in ipairs { 0, 1, -1, math.maxinteger, math.mininteger, 2 ^ 53 + 1, 1.0, 0.1, -0.0, 1e300, 5e-324, 1 / 3 } do
      local back = core.json_decode(core.json_encode { number })[1]
      assert.equal(math.type(number), math.type(back))
      assert.equal(string.pack("n", number), string.pack("n", back))
      assert.equal(number, back)
    end
  end)

  it("tell an empty object from an empty array", function()
    assert.equal("{}", core.json_encode {})
    assert.equal("[]", core.json_encode(setmetatable({}, core.json_array)))
    assert.equal('[[],{},{"a":[]}]', core.json_encode(core.json_decode '[[ ], { }, {"a":[]}]'))
    assert.equal('{"x":1}', core.json_encode(setmetatable({ x = 1 }, core.json_array)))
    assert.equal("{}", core.json_encode(setmetatable({}, {})))
  end)

  it("refuse to write what JSON cannot hold", function()
    refused("NaN and infinite", core.json_encode, { 0 / 0 })
    refused("NaN and infinite", core.json_encode, math.huge)
    refused("a function cannot be written", core.json_encode, { f = print })
    refused("a userdata cannot be written", core.json_encode, core.new { 1 })
    refused("a nil cannot be written", core.json_encode, nil)
    refused("not UTF%-8", core.json_encode, { "\xff" })
    refused("not UTF%-8", core.json_encode, { ["\xff"] = 1 })
    refused("zero byte", core.json_encode, { ["a\0b"] = 1 })
    refused("its key 3 is no string", core.json_encode, { [3] = 1, [5] = 2 })
    refused("is no string", core.json_encode, { 1, 2, x = 3 })
    refused("is no string", core.json_encode, { [1.5] = 3 })
    local cycle = {}
    cycle[1] = cycle
    refused("100 deep", core.json_encode, cycle)
  end)

  it("refuse what is not JSON, with the place", function()
    for text, pattern in pairs {
      ['{"a":1,"a":2}'] = "duplicate object key", ["[1,]"] = "line 1, column 4", ["[1] x"] = "end of file expected",
      ["NaN"] = "invalid token", ["[1e999]"] = "overflow", ["99999999999999999999"] = "too big", ['"\xff"'] = "decode byte", [""] = "line",
      [("["):rep(101) .. ("]"):rep(101)] = "100 deep", [("["):rep(1e6)] = "depth", ["{'a':1}"] = "line 1",
    } do
      local value, message = core.json_decode(text)
      assert.is_nil(value)
      assert.matches("^json: ", message)
      assert.matches(pattern, message)
    end
    assert(core.json_decode(("["):rep(100) .. ("]"):rep(100)))
  end)

  it("free everything when they fail", function()
    local growth = support.growth([[
      local core = require "scion.core"
      local list = {}
      for i = 1, 10000 do list[i] = "text " .. i end
      local text = core.json_encode(list)
      list[10001] = print
      local deep = "[" .. text .. "," .. ("["):rep(101) .. ("]"):rep(101) .. "]"
      function again(times)
        for _ = 1, times do
          assert(not pcall(core.json_encode, list))
          assert(not core.json_decode(deep))
          assert(not core.json_decode(text:sub(1, -2)))
        end
      end]], 5, 40) -- 400,000 values each way, some 60 MB
    assert.is_true(not growth or growth < 30000, growth)
  end)
end)
