local core = require "scion.core"
local tensor = require "scion.tensor"
local golden = dofile "spec/fixtures/tensor_golden.lua"

local dtypes = { "f32", "bf16", "u8", "i32" }

local function make(t) return tensor.tensor(t.values):reshape(t.shape) end

local function assert_same(expected, actual, what)
  assert.same(expected.shape, actual:shape(), what)
  assert.same(make(expected):totable(), actual:to("f32"):totable(), what)
end

describe("negative indices", function()
  local t = tensor.arange(1, 24):reshape(2, 3, 4)

  it("count from the end", function()
    assert.same(t[2]:totable(), t[-1]:totable())
    assert.equal(t:get(2, 3, 4), t:get(-1, -1, -1))
    assert.equal(t[1][3][1], t[-2][-1][-4])
    assert.same(t:slice(3, 3, 4):totable(), t:slice(-1, -2, -1):totable())
    assert.same(t:sum(3):totable(), t:sum(-1):totable())
    assert.same(t:argmax(1):totable(), t:argmax(-3):totable())
    assert.equal(99, t:copy():set(-1, 1, -1, 99):get(2, 1, 4))
    assert.same({ 2, 0, 4 }, t:slice(2, -1, 2):shape()) -- the range 3 to 2 is empty
  end)

  it("end before the first, and there is no 0", function()
    for _, read in ipairs { function() return t[-3] end, function() return t[0] end, function() return t:get(1, 1, -5) end, function() return t:slice(1, -3, 1) end,
                            function() return t:slice(1, 0, 1) end, function() return t:sum(-4) end, function() return t:sum(0) end,
                            function() return t[math.mininteger] end, function() return t:slice(1, math.mininteger, 1) end } do
      assert.is_false((pcall(read)))
    end
  end)
end)

describe("ipairs", function()
  it("goes over the parts along the first axis, which are views", function()
    local t, seen = tensor.arange(1, 6):reshape(3, 2), {}
    for i, row in ipairs(t) do
      seen[i] = row:totable()
      row:fill(i)
    end
    assert.same({ { 1, 2 }, { 3, 4 }, { 5, 6 } }, seen)
    assert.same({ { 1, 1 }, { 2, 2 }, { 3, 3 } }, t:totable())
  end)

  it("goes over the numbers of a vector, and over nothing", function()
    local seen = {}
    for i, value in ipairs(tensor.tensor({ 7, 0, 9 }, "u8")) do seen[i] = value end
    assert.same({ 7, 0, 9 }, seen)
    for _ in ipairs(tensor.zeros(0, 3)) do error "there is no row" end
    assert.error_matches(function() for _ in ipairs(tensor.full({}, 1)) do error "there is no part" end end, "a scalar has no parts", 1, true)
  end)

  it("is the only one to whom the index behind the last is no error", function()
    local t = tensor.zeros(3, 2)
    assert.error_matches(function() return t[4] end, "index 4 is out of range")
    assert.error_matches(function() for i = 1, 4 do local _ = t[i] end end, "index 4 is out of range")
    assert.error_matches(function() for i in ipairs(t) do local _ = t[i + 1] end end, "index 4 is out of range")
    assert.error_matches(function() return table.unpack(t, 1, 4) end, "index 4 is out of range")
    local next_one = ipairs {}
    assert.is_nil((next_one(t, 3)))
    assert.error_matches(function() next_one(t, 4) end, "index 5 is out of range")
  end)
end)

describe("a part", function()
  it("is read and written as NumPy does it", function()
    local t, want = make(golden.assign.x), golden.assign
    t[{ {}, { 2, 3 }, { -2, -1 } }] = tensor.tensor { { 100 }, { 200 } }
    t[{ { 2, 3 }, 1 }] = 7
    t[{ {}, {}, 1 }] = tensor.arange(0, 3)
    assert_same(want.y, t, "assigned")
    assert_same(want.part, t[{ { 2, 3 }, 2, { 3, 4 } }], "read")
    assert.equal(t:get(2, 3, 4), t[{ 2, 3, 4 }])
    assert.same(t[2]:totable(), t[{ 2 }]:totable())
    assert.same(t:totable(), t[{}]:totable())
  end)

  it("of any axis takes a number of any dtype, as t:set does", function()
    for _, dtype in ipairs(dtypes) do
      for _, value in ipairs { 16777217, -1.5, 2.5, 300, 0 / 0, math.huge } do
        local t, one = tensor.ones({ 2, 3, 4 }, dtype), tensor.zeros({ 1 }, dtype):set(1, value)
        t[{ {}, { 2, 3 }, { 1, 2 } }] = value
        assert.is_true(core.stack { one, one }:equal(t[{ 2, 3, { 1, 2 } }]:copy():reshape(2, 1)), dtype .. value)
        assert.equal(1, t:get(1, 1, 1))
        assert.equal(1, t:get(2, 3, 3))
      end
    end
  end)

  it("converts what it is given", function()
    local t = tensor.zeros({ 2, 3, 4 }, "u8")
    t[{ {}, { 1, 2 } }] = tensor.tensor { -5, 1.5, 254.6, 1e9 }
    assert.same({ { { 0, 2, 255, 255 }, { 0, 2, 255, 255 }, { 0, 0, 0, 0 } }, { { 0, 2, 255, 255 }, { 0, 2, 255, 255 }, { 0, 0, 0, 0 } } }, t:totable())
  end)

  it("is a view where rows lie at equal distances, and else cannot be written to, so that nothing is lost", function()
    local t = tensor.zeros(2, 3, 4)
    t[{ 2, { 2, 3 } }]:fill(1)
    t[{ {}, 1, { 2, 3 } }]:fill(2)
    t[{ {}, { 3, 3 } }]:set(1, 1, 4, 3)
    assert.equal(8 + 8 + 3, t:sum())
    for _, place in ipairs { { {}, { 1, 2 } }, { {}, {}, 1 }, { {}, { 1, 2 }, { 1, 1 } } } do
      assert.error_matches(function() t[place]:fill(1) end, "made by t[{ ... }]: what is written to it would not reach t. t[{ {}, {1, 2} }] = value", 1, true)
      t[place] = 5
      assert.equal(5, t[place]:min())
    end
  end)

  it("may be given a tensor with which it overlaps", function()
    local t = tensor.arange(1, 6)
    t[{ { 2, 6 } }] = t[{ { 1, 5 } }]
    assert.same({ 1, 1, 2, 3, 4, 5 }, t:totable())
    t[{ { 1, 5 } }] = t[{ { 2, 6 } }]
    assert.same({ 1, 2, 3, 4, 5, 5 }, t:totable())
  end)

  it("may be empty, or of one element", function()
    local t = tensor.zeros(1, 1, 17)
    t[{ 1, { 1, 0 } }] = 3
    assert.equal(0, t:sum())
    assert.same({ 0, 17 }, t[{ 1, { 1, 0 } }]:shape())
    t[{ {}, {}, -1 }] = 3
    assert.equal(3, t[{ 1, 1, 17 }])
    local scalar = tensor.full({}, 4)
    assert.equal(4, scalar[{}])
    scalar[{}] = 5
    assert.equal(5, scalar:get())
    local nothing = tensor.zeros(0, 3)
    nothing[{ {}, 2 }] = 1
    assert.same({ 0 }, nothing[{ {}, 2 }]:shape())
  end)

  it("leaves the tensor as it was where it does not fit, and counts its version up where it does", function()
    local t = tensor.zeros(2, 3)
    local version = t:version()
    assert.error_matches(function() t[{ {}, 1 }] = tensor.ones(3) end, "a tensor of 3 cannot be assigned to a part of 2")
    assert.error_matches(function() t[{ 1 }] = tensor.ones(1, 3) end, "a tensor of 1x3 cannot be assigned to a part of 3")
    assert.error_matches(function() t[{ 1, 2, 3 }] = 1 end, "a tensor of 2x3 takes 2 entries at most, not 3")
    assert.error_matches(function() t[{ {}, { 3 } }] = 1 end, "entry 2 is an index, a range such as {1, 5}, or {} for the whole axis", 1, true)
    assert.same({ 0, version }, { t:abs():sum(), t:version() })
    t[{ {}, 1 }] = 1
    assert.is_true(t:version() > version)
  end)
end)

describe("joined tensors", function()
  it("are what NumPy makes of them", function()
    for _, dtype in ipairs(dtypes) do
      local a, b = make(golden.join.a):to(dtype), make(golden.join.b):to(dtype)
      for axis = 1, 3 do
        assert_same(golden.join.stack[axis], tensor.stack({ a, b }, axis), "stack " .. axis)
        assert_same(golden.join.stack[axis], tensor.stack({ a, b }, axis - 4), "stack from the end " .. axis)
      end
      for axis = 1, 2 do assert_same(golden.join.concat[axis], tensor.concat({ a, b }, axis), "concat " .. axis) end
      assert.equal(dtype, tensor.stack { a, b }:dtype())
      assert.same(tensor.concat({ a, b }, 1):totable(), tensor.concat { a, b }:totable())
    end
  end)

  it("may be one, scalars, or empty", function()
    local t = tensor.arange(1, 3)
    assert.is_true(t:equal(tensor.concat { t }))
    assert.same({ 3, 4 }, tensor.stack { tensor.full({}, 3), tensor.full({}, 4) }:totable())
    assert.same({ 1, 2, 3 }, tensor.concat { tensor.zeros(0), t, tensor.zeros(0) }:totable())
    assert.same({ 2, 0, 3 }, tensor.stack { tensor.zeros(0, 3), tensor.zeros(0, 3) }:shape())
  end)

  it("do not share memory with what they are made of", function()
    local t = tensor.zeros(2)
    tensor.concat { t, t }:fill(1)
    tensor.stack { t }:fill(1)
    assert.equal(0, t:sum())
  end)
end)

describe("where", function()
  it("chooses as NumPy does", function()
    for i, case in ipairs(golden.where) do
      assert_same(case.y, tensor.where(make(case.condition), make(case.a), make(case.b)), "case " .. i)
    end
  end)

  it("takes numbers, in the dtype of the tensor if that holds them", function()
    local t = tensor.tensor({ 5, 0, 200 }, "u8")
    local function dtype_of(a, b) return tensor.where(t, a, b):dtype() end
    assert.same({ 5, 9, 200 }, tensor.where(t, t, 9):totable())
    assert.same({ 1, 0, 1 }, tensor.where(t:gt(0), 1, 0):totable())
    assert.same({ "u8", "u8", "f32", "f32", "f32" }, { dtype_of(t, 9), dtype_of(0.0, t), dtype_of(t, 256), dtype_of(-1, t), dtype_of(0.5, t) })
    local i32, bf16 = t:to "i32", t:to "bf16"
    assert.same({ "i32", "i32", "f32", "bf16", "bf16", "f32" },
      { dtype_of(i32, 1 << 30), dtype_of(1, 2), dtype_of(i32, 1 << 31), dtype_of(bf16, 0.1), dtype_of(3, bf16), dtype_of(bf16, t) })
    assert.same({ 16777217, 3, 16777217 }, tensor.where(t, tensor.full(3, 16777217, "i32"), 3):totable())
    assert.equal("f32", dtype_of(0 / 0, i32))
  end)

  it("takes a NaN for true, and keeps those that it chooses", function()
    local t = tensor.tensor { 0 / 0, 0, -0.0, math.huge }
    assert.same({ 1, 2, 2, 1 }, tensor.where(t, 1, 2):totable())
    assert.equal(1, tensor.where(t:ne(t), t, 0):ne(tensor.zeros(4)):sum())
  end)
end)
