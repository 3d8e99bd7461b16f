local tensor = require "scion.tensor"
local golden = dofile "spec/fixtures/tensor_golden.lua"

local function make(t) return tensor.tensor(t.values):reshape(t.shape) end

local function flat(t) return type(t) == "number" and { t } or t:reshape(-1):totable() end

-- all elements within `steps` spacings of f32 numbers of their size
local function assert_close(expected, actual, steps, what)
  assert.same(expected.shape, actual:shape(), what)
  for i, value in ipairs(flat(actual)) do
    local limit = (steps or 0) * math.abs(expected.values[i]) * 2.0 ^ -23
    local message = ("%s, element %d: %a, expected %a"):format(what, i, value, expected.values[i])
    assert.is_true(math.abs(value - expected.values[i]) <= limit, message)
  end
end

describe("arithmetic", function()
  it("broadcasts and rounds as NumPy does", function()
    for i, case in ipairs(golden.binary) do
      local a, b = make(case.a), make(case.b)
      assert_close(case.add, a + b, 0, "add " .. i)
      assert_close(case.sub, a - b, 0, "sub " .. i)
      assert_close(case.mul, a * b, 0, "mul " .. i)
      assert_close(case.div, a / b, 0, "div " .. i)
      assert_close(case.pow, a:abs() ^ b, 1, "pow " .. i)
      assert_close(case.lt, a:lt(b), 0, "lt " .. i)
    end
  end)

  it("computes functions of one tensor", function()
    local x = make(golden.unary.x)
    for _, name in ipairs { "exp", "log", "sqrt" } do assert_close(golden.unary[name], x[name](x), 1, name) end
    assert.same({ 1, 2, 3 }, tensor.tensor { -1, 2, -3 }:abs():totable())
    assert.same({ 0, 2, 2.5 }, tensor.tensor { -1, 2, 3 }:clamp(0, 2.5):totable())
    assert.same({ -1.0, 2.0 }, (-tensor.tensor { 1, -2 }):totable())
  end)

  it("takes numbers on either side", function()
    local t = tensor.tensor { 1, 2, 4 }
    assert.same({ 3, 4, 6 }, (2 + t):totable())
    assert.same({ 1, 0, -2 }, (2 - t):totable())
    assert.same({ 8, 4, 2 }, (8 / t):totable())
    assert.same({ 0.5, 1, 2 }, (t / 2):totable())
    assert.same({ 1, 4, 16 }, t:pow(2):totable())
    assert.same({ 0, 1, 0 }, t:eq(2):totable())
    assert.same({ 1, 0, 1 }, t:ne(2):totable())
    assert.same({ 0, 1, 1 }, t:ge(2):totable())
    assert.same({ 0, 0, 1 }, t:gt(2):totable())
    assert.same({ 1, 1, 0 }, t:le(2):totable())
  end)

  it("keeps i32 where both are whole numbers, and saturates", function()
    local big = tensor.tensor({ 2147483647, -2147483648, 65536 }, "i32")
    assert.equal("i32", (big + 1):dtype())
    assert.same({ 2147483647, -2147483647, 65537 }, (big + 1):totable())
    assert.same({ 2147483647, -2147483648, 2147483647 }, (big * big[3]):totable())
    assert.same({ -2147483647, 2147483647, -65536 }, (-big):totable())
    assert.equal("f32", (big + 0.5):dtype())
    assert.equal("f32", (big / big):dtype())
    assert.equal("f32", (tensor.ones({ 2 }, "u8") + 1):dtype())
    assert.same({ 255 + 255.0 }, (tensor.full(1, 255, "u8") + tensor.full(1, 255, "u8")):totable())
  end)

  it("works on slices and on more elements than a chunk", function()
    local t = tensor.arange(1, 60000):reshape(200, 300)
    local right = t:slice(2, 101, 300)
    local twice = right + right
    assert.equal(2 * 101, twice:get(1, 1))
    assert.equal(2 * 60000, twice:get(200, 200))
    assert.equal(2 * 500, twice:get(2, 100))
    assert.equal(0, (twice - right * 2):abs():max())
    assert.equal(60000 - 300, (t - t[1]):get(200, 300))
    assert.equal(60000 - 59701, (t - t:slice(2, 1, 1)):get(200, 300))
  end)

  it("multiplies matrices", function()
    local a, b = tensor.arange(1, 6):reshape(2, 3), tensor.arange(1, 12):reshape(3, 4)
    assert.same({ { 38, 44, 50, 56 }, { 83, 98, 113, 128 } }, a:matmul(b):totable())
    assert.same({ 14, 32 }, a:matmul(a[1]):totable())
    assert.same({ 38, 44, 50, 56 }, a[1]:matmul(b):totable())
    assert.equal(14, a[1]:matmul(a[1]))
    -- slices of columns, whose rows have gaps
    assert.same({ { 2 * 2 + 3 * 6, 2 * 3 + 3 * 7 }, { 5 * 2 + 6 * 6, 5 * 3 + 6 * 7 } },
      a:slice(2, 2, 3):matmul(b:slice(1, 1, 2):slice(2, 2, 3)):totable())
  end)

  it("refuses what does not fit", function()
    local a = tensor.zeros(2, 3)
    assert.error_matches(function() return a + tensor.zeros(2) end, "shapes do not fit: 2x3 and 2")
    assert.error_matches(function() return a + "1" end, "a %+ b: an operand is a tensor or a number, not '1'")
    assert.error_matches(function() return a:matmul(a) end, "matmul: matrices of 2x3 and 2x3 do not fit")
    assert.error_matches(function() return a:matmul(tensor.zeros({ 3, 1 }, "u8")) end, "f32")
    assert.error_matches(function() return a:clamp(2, 1) end, "upper one")
  end)
end)

describe("reduction", function()
  local x = make(golden.reduce.x)

  it("gives NumPy's sums, means and extremes", function()
    for _, name in ipairs { "sum", "mean", "max", "min", "argmax" } do
      local expected = golden.reduce[name]
      for axis = 1, 3 do assert_close(expected[axis], x[name](x, axis), 0, name .. " " .. axis) end
      assert.near(expected.all, x[name](x), 1e-12)
    end
  end)

  it("counts over slices with gaps", function()
    local t = tensor.arange(1, 12):reshape(3, 4):slice(2, 2, 3)
    assert.same({ 5, 13, 21 }, t:sum(2):totable())
    assert.same({ 18, 21 }, t:sum(1):totable())
    assert.equal(39, t:sum())
    assert.equal(6, t:argmax())
  end)

  it("to one element is a number", function()
    assert.equal(6, tensor.tensor { 1, 2, 3 }:sum(1))
    assert.equal(3, tensor.tensor { 1, 7, 9 }:argmax(1))
    assert.equal("integer", math.type(tensor.ones({ 4 }, "u8"):sum()))
    assert.equal("float", math.type(tensor.ones({ 4 }, "u8"):mean()))
  end)

  it("adds in double", function()
    local t = tensor.full(3000000, 0.1)
    assert.near(3000000 * tensor.full(1, 0.1)[1], t:sum(), 1e-6)
  end)

  it("lets a NaN through, and names the first greatest", function()
    local t = tensor.tensor { 1, 0 / 0, 5 }
    for _, name in ipairs { "sum", "mean", "max", "min" } do
      local result = t[name](t)
      assert.is_true(result ~= result, name)
    end
    assert.equal(2, t:argmax())
    assert.equal(50001, (-(tensor.arange(1, 60000) - 50001):abs()):argmax())
    assert.equal(1, tensor.tensor { -math.huge, -math.huge }:argmax())
    assert.equal(2, tensor.tensor { 1, 9, 9 }:argmax())
  end)

  it("of integers stays exact", function()
    local t = tensor.tensor({ { 16777217, 1 }, { 2, 3 } }, "i32")
    assert.equal(16777223, t:sum())
    assert.same({ 16777219, 4 }, t:sum(1):totable())
    assert.equal(16777217, t:max())
    assert.equal("u8", tensor.zeros(2, 2, "u8"):max(1):dtype())
  end)

  it("refuses axes that are not there, and choosing from nothing", function()
    assert.error_matches(function() return x:sum(4) end, "a tensor of 2x3x4 has no axis 4")
    assert.error_matches(function() return tensor.zeros(0):max() end, "no elements")
    assert.equal(0, tensor.zeros(0):sum())
  end)

  it("compares integers with whole floats exactly", function()
    local large = tensor.tensor({ 16777217, 2 ^ 31 - 1 }, "i32")
    assert.same({ 1, 0 }, large:eq(16777217.0):totable())
    assert.same({ 0, 1 }, large:eq(2 ^ 31 - 1):totable())
    assert.same({ 0, 0 }, large:gt(2 ^ 31):totable())
    assert.same({ 1, 0 }, large:lt(16777217.5):totable())
  end)
end)
