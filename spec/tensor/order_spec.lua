local core = require "scion.core"
local tensor = require "scion.tensor"
local golden = dofile "spec/fixtures/tensor_golden.lua"

local dtypes = { "f32", "bf16", "u8", "i32" }

local function make(t, dtype) return tensor.tensor(t.values, dtype):reshape(t.shape) end

describe("sorting", function()
  it("is NumPy's in ascending order, and PyTorch's in descending order", function()
    local x = make(golden.sort.x)
    for axis, case in ipairs(golden.sort) do
      local up, up_order = x:sort(axis)
      local down, down_order = x:sort(axis - 4, { descending = true })
      assert.same(case.up.shape, up:shape())
      for name, pair in pairs { up = { case.up, up }, down = { case.down, down } } do
        assert.is_true(pair[2]:equal(make(pair[1])) or pair[2]:ne(make(pair[1])):equal(pair[2]:ne(pair[2])), name .. axis) -- but for the bits of a NaN
      end
      assert.same(make(case.up_order, "i32"):totable(), up_order:totable())
      assert.same(make(case.down_order, "i32"):totable(), down_order:totable())
      assert.is_true(up_order:equal(x:argsort(axis)) and down_order:equal(x:argsort(axis, { descending = true })))
      assert.is_true(up:equal(x:gather(axis, up_order)))
    end
  end)

  it("is along the last axis unless one is given, and options may come first", function()
    local x = make(golden.top_k.x)
    assert.is_true(x:sort():equal((x:sort(3))))
    assert.is_true(x:sort { descending = true }:equal((x:sort(3, { descending = true }))))
    assert.is_true(x:sort({ descending = false }):equal((x:sort())))
    assert.is_true(x:argsort { descending = true }:equal(x:argsort(3, { descending = true })))
  end)

  it("keeps the dtype, the order of equal elements, and large integers apart", function()
    for _, dtype in ipairs(dtypes) do
      local values, indices = tensor.tensor({ 2, 1, 2, 1, 0 }, dtype):sort { descending = true }
      assert.same({ dtype, "i32" }, { values:dtype(), indices:dtype() })
      assert.same({ 2, 2, 1, 1, 0 }, values:totable())
      assert.same({ 1, 3, 2, 4, 5 }, indices:totable())
    end
    assert.same({ -2147483648, -1, 16777216, 16777217, 2147483647 },
      tensor.tensor({ 16777217, 2147483647, -1, 16777216, -2147483648 }, "i32"):sort():totable())
    assert.same({ 1, 2, 3 }, tensor.tensor({ 0.0, -0.0, 0.0 }):argsort():totable())
  end)

  it("puts a NaN last, and first in descending order, as t:argmax does", function()
    local t = tensor.tensor { 1, 0 / 0, math.huge, -math.huge, 0 / 0 }
    assert.same({ 4, 1, 3, 2, 5 }, t:argsort():totable())
    assert.same({ 2, 5, 3, 1, 4 }, t:argsort { descending = true }:totable())
    local _, first = t:top_k(1)
    assert.equal(t:argmax(), first[1])
  end)

  it("takes slices, one element and none", function()
    local t = tensor.tensor { { 4, 3, 2, 1 }, { 8, 7, 6, 5 } }
    assert.same({ { 2, 3 }, { 6, 7 } }, t:slice(2, 2, 3):sort():totable())
    assert.same({ { 4, 3, 2, 1 }, { 8, 7, 6, 5 } }, t:totable())
    assert.same({ 1 }, tensor.tensor({ 9 }):argsort():totable())
    local values, indices = tensor.zeros(0, 3):sort(1)
    assert.same({ { 0, 3 }, { 0, 3 } }, { values:shape(), indices:shape() })
    assert.same({ 3, 0 }, tensor.zeros(3, 0):sort():shape())
    assert.same({ 1, 1, 17 }, tensor.randn(1, 1, 17):sort(2):shape())
  end)

  it("gives the same for any number of threads, also of long lines", function()
    local threads = core.threads()
    local x = core.randn({ 3, 700000 }, os.time(), 1):to "bf16" -- with ties
    local values, indices
    for _, count in ipairs { 1, 2, 5 } do
      core.threads(count)
      local v, i = x:sort()
      assert.is_true(not values or (values:equal(v) and indices:equal(i)))
      values, indices = v, i
    end
    core.threads(threads)
    assert.equal(0, values:slice(2, 1, 699999):gt(values:slice(2, 2, 700000)):sum())
  end)
end)

describe("top_k", function()
  it("gives PyTorch's values and indices", function()
    local x = make(golden.top_k.x)
    for axis, case in ipairs(golden.top_k) do
      local values, indices = x:top_k(2, axis)
      assert.same(make(case.values):totable(), values:totable())
      assert.same(make(case.indices, "i32"):totable(), indices:totable())
    end
    assert.same((x:top_k(2, 3)):totable(), (x:top_k(2)):totable())
  end)

  it("is the beginning of the sort, also of equal numbers, however many are asked for", function()
    for n = 1, 40 do
      local x = (core.uniform({ 5, n }, 3, n) * 9):to "u8":to "f32"
      local sorted, order = x:sort(2, { descending = true }), x:argsort(2, { descending = true })
      for k = 1, math.min(n, 20) do
        local values, indices = x:top_k(k, 2)
        assert.is_true(values:equal(sorted:slice(2, 1, k):copy()) and indices:equal(order:slice(2, 1, k):copy()), ("%d of %d"):format(k, n))
      end
    end
  end)

  it("may be all", function()
    local values, indices = tensor.tensor({ 3, 9, 3 }, "u8"):top_k(3)
    assert.same({ { 9, 3, 3 }, { 2, 1, 3 } }, { values:totable(), indices:totable() })
  end)
end)

describe("gathering", function()
  it("picks elements as PyTorch does, and parts as NumPy does", function()
    for axis, case in ipairs(golden.gather) do
      for _, dtype in ipairs(dtypes) do
        local x = make(golden.gather.x, dtype)
        assert.same(make(case.picked, dtype):totable(), x:gather(axis, make(case.index, "i32")):totable())
        assert.same(make(case.taken, dtype):totable(), x:gather(axis, case.some.values):totable())
        assert.same(make(case.taken, dtype):totable(), x:gather(axis, make(case.some, dtype)):totable())
      end
    end
  end)

  it("counts from the end, and takes slices and nothing", function()
    local t = tensor.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.same({ { 3, 1 }, { 6, 4 } }, t:gather(2, { -1, 1 }):totable())
    assert.same({ { 3 }, { 5 } }, t:gather(-1, tensor.tensor { { -1 }, { 2 } }):totable())
    assert.same({ { 3, 2 }, { 6, 5 } }, t:slice(2, 2, 3):gather(2, { 2, 1 }):totable())
    assert.same({ { 3 }, { 5 } }, t:slice(2, 2, 3):gather(2, tensor.tensor { { 2 }, { 1 } }):totable())
    assert.same({ 0, 3 }, t:gather(1, {}):shape())
    assert.same({ 30, 10 }, tensor.tensor({ 10, 20, 30 }):gather(1, { 3, 1 }):totable())
  end)
end)

describe("one_hot", function()
  it("is PyTorch's", function()
    local classes, y = golden.one_hot.classes, make(golden.one_hot.y)
    assert.is_true(y:equal(tensor.one_hot(make(classes, "i32"), 4)))
    assert.is_true(y:equal(tensor.one_hot(make(classes), 4)))
    assert.same({ { 0, 1, 0 }, { 1, 0, 0 } }, tensor.one_hot({ 2, 1 }, 3):totable())
    assert.same({ 0, 3 }, tensor.one_hot({}, 3):shape())
  end)
end)
