local core = require "scion.core"
local tensor = require "scion.tensor"
local golden = dofile "spec/fixtures/tensor_golden.lua"

describe("a tensor", function()
  it("is made from nested tables and goes back", function()
    local t = tensor.tensor { { 1, 2, 3 }, { 4, 5, 6.5 } }
    assert.same({ 2, 3 }, t:shape())
    assert.equal("f32", t:dtype())
    assert.equal(6.5, t:get(2, 3))
    assert.same({ { 1, 2, 3 }, { 4, 5, 6.5 } }, t:totable())
    assert.same({ 0 }, tensor.tensor({}):shape())
    assert.same({ { { 7 } } }, tensor.tensor({ { { 7 } } }, "i32"):totable())
  end)

  it("is not made from a ragged table", function()
    assert.error_matches(function() tensor.tensor { { 1, 2 }, { 3 } } end,
      "ragged: %[2%] has 1 elements where the first has 2")
    assert.error_matches(function() tensor.tensor { { 1, 2 }, 3 } end, "ragged: %[2%] is 3 where")
    assert.error_matches(function() tensor.tensor { { { 1 } }, { { {} } } } end, "element %[2%]%[1%]%[1%] is an empty table, not a number")
    assert.error_matches(function() tensor.tensor { { 1, 2 }, { 3, "4" } } end, "element %[2%]%[2%] is '4', not a number")
    assert.error_matches(function() tensor.tensor { 1, true } end, "element %[2%] is true")
    assert.error_matches(function() tensor.tensor { { { { { { { 1 } } } } } } } end, "at most 6 dimensions")
    local endless = {}
    endless[1] = endless
    assert.error_matches(function() tensor.tensor(endless) end, "at most 6 dimensions")
  end)

  it("is not made from a table that answers for its own length", function()
    for _, length in ipairs { 3, 1 << 62, -1, (1 << 32) + 1 } do
      local liar = setmetatable({ 1 }, { __len = function() return length end, __index = function() return 0 end })
      assert.error_matches(function() tensor.tensor(liar) end, "a list with a __len of its own is not taken: give a plain table")
      assert.error_matches(function() tensor.tensor { { 1 }, liar } end, "__len of its own")
      assert.error_matches(function() core.new(liar) end, "__len of its own")
      assert.error_matches(function() core.new { 1 }:reshape(liar) end, "__len of its own")
    end
  end)

  it("is made by the constructors", function()
    assert.same({ { 0, 0 }, { 0, 0 } }, tensor.zeros(2, 2):totable())
    assert.same({ 1, 1 }, tensor.ones({ 2 }, "u8"):totable())
    assert.same({ 7, 7, 7 }, tensor.full(3, 7):totable())
    assert.same({ 1, 2, 3 }, tensor.arange(1, 3):totable())
    assert.same({ 5, 3, 1 }, tensor.arange(5, 0, -2, "i32"):totable())
    assert.equal(4, #tensor.arange(0, 0.3, 0.1))
    assert.equal(0, #tensor.arange(1, 0))
    assert.same({}, tensor.full({}, 3):shape())
    assert.equal(3, tensor.full({}, 3):get())
  end)

  it("refuses bad shapes and dtypes", function()
    assert.error_matches(function() tensor.zeros() end, "the shape is a list of sizes")
    assert.error_matches(function() tensor.zeros { 2, -1 } end, "dimension 2 of the shape is a whole number from 0 up, not %-1")
    assert.error_matches(function() tensor.zeros(2, -1) end, "dimension 2 of the shape")
    assert.error_matches(function() tensor.zeros({ 2 }, "f64") end, "dtype is 'f32', 'bf16', 'u8' or 'i32', not 'f64'")
    assert.error_matches(function() tensor.full({ 2 }, "x") end, "value is a number, not 'x'")
    assert.error_matches(function() tensor.zeros { 1 << 30, 1 << 30 } end, "out of memory")
    assert.error_matches(function() tensor.zeros { 1 << 60 } end, "out of memory")
    assert.error_matches(function() tensor.zeros { 1, 1, 1, 1, 1, 1, 1 } end, "at most 6 dimensions")
    assert.error_matches(function() tensor.randn { 2, 0.5 } end, "scion.randn: the shape is .* element 2 is 0.5")
    assert.error_matches(function() tensor.uniform(-1) end, "scion.uniform: the shape is .* element 1 is %-1")
    assert.error_matches(function() tensor.arange(1, 2, 0) end, "the step is 0")
    assert.error_matches(function() tensor.arange(1, math.huge) end, "last number is finite, not inf")
  end)

  it("is read and written by indices from 1", function()
    local t = tensor.arange(1, 24):reshape(2, 3, 4)
    assert.equal(24, t:get(2, 3, 4))
    assert.equal(13, t[2][1][1])
    assert.same({ 3, 4 }, t[2]:shape())
    assert.equal(2, #t)
    assert.equal(t, t:set(1, 2, 3, -1))
    assert.equal(-1, t[1][2][3])
    t[1] = 0
    assert.equal(0, t[1]:abs():sum())
    t[2][1] = tensor.tensor { 9, 8, 7, 6 }
    assert.same({ 9, 8, 7, 6 }, t[2][1]:totable())
    assert.equal("integer", math.type(tensor.zeros(1, "u8")[1]))
  end)

  it("names index and shape when out of range", function()
    local t = tensor.zeros(2, 3)
    assert.error_matches(function() t:get(1, 4) end, "index 4 is out of range: dimension 2 of a tensor of 2x3 has 1 to 3")
    assert.error_matches(function() t:get(0, 1) end, "index 0 is out of range")
    assert.error_matches(function() t:get(1) end, "a tensor of 2x3 takes 2 indices, not 1")
    assert.error_matches(function() t:set(1, 1) end, "takes 2 indices, not 1")
    assert.error_matches(function() return t[3] end, "index 3 is out of range: dimension 1 of a tensor of 2x3 has 1 to 2")
    assert.error_matches(function() t[3] = 1 end, "index 3 is out of range")
    assert.error_matches(function() t[1] = tensor.zeros(2) end, "a tensor of 2 cannot be assigned to a part of 3")
    assert.error_matches(function() t.name = 1 end, "only parts can be set, t%[i%] with a whole number and .*, not 'name'")
    assert.error_matches(function() t:slice(3, 1, 1) end, "a tensor of 2x3 has no axis 3")
    assert.error_matches(function() t:slice(2, 2, 4) end, "2 to 4 is out of range: dimension 2 of a tensor of 2x3 has 1 to 3")
    assert.error_matches(function() t:slice(2, math.mininteger, math.maxinteger) end, "out of range")
    assert.error_matches(function() t:reshape(4) end, "reshape: a tensor of 2x3 does not fit the shape 4")
    assert.error_matches(function() t:reshape(-1, 4) end, "does not fit the shape %-1x4")
    assert.error_matches(function() tensor.zeros(2):transpose() end, "a tensor of 2 is no matrix")
    assert.error_matches(function() return t.no_such_method end, "a tensor has no method 'no_such_method'")
    assert.error_matches(function() return t:resahpe(6) end, "did you mean 'reshape'?", 1, true)
  end)

  it("shares its numbers with views and not with copies", function()
    local t = tensor.zeros(4, 6)
    local rows, columns, again, copy = t:slice(1, 2, 3), t:slice(2, 5, 6), t:reshape(2, -1), t:copy()
    local middle, stretch = t:reshape(2, 2, 6):slice(2, 1, 1), tensor.zeros(2, 3, 6):slice(2, 1, 2)
    t:fill(1)
    assert.equal(12, rows:sum())
    assert.equal(8, columns:sum())
    assert.equal(24, again:sum())
    assert.equal(0, copy:sum())
    assert.equal(12, middle:sum()) -- rows at equal distances, of which a tensor can be a view
    assert.error_matches(function() stretch:fill(1) end, "a copy", 1, true)
    columns:fill(5)
    assert.equal(16 + 40, t:sum())
    assert.same({ { 1, 1, 5, 5 }, { 1, 1, 5, 5 } }, t:slice(1, 1, 2):slice(2, 3, 6):copy():totable())
  end)

  it("refuses to be written to where it is a copy that could be taken for a view", function()
    local t = tensor.zeros(2, 3, 4, 5)
    for axis, by in pairs { [2] = "slice", [3] = "slice" } do
      local part = t:slice(axis, 1, 2)
      for _, write in ipairs { function() part:fill(1) end, function() part:set(1, 1, 1, 1, 1) end, function() part[1] = 1 end,
                               function() part[1]:fill(1) end, function() part:slice(1, 1, 1):fill(1) end, function() core.copy(part, part) end } do
        assert.error_matches(write, ("this tensor is a copy, made by t:%s"):format(by), 1, true)
      end
      assert.equal(#part:bytes() / 4, part:copy():fill(1):sum())
    end
    assert.error_matches(function() t:slice(4, 1, 2):reshape(-1):fill(7) end, "t:reshape(...):copy()", 1, true) -- there are gaps between its rows
    assert.error_matches(function() tensor.zeros(2, 3):transpose():fill(1) end, "made by t:transpose", 1, true)
    assert.equal(0, t:sum())
    t:slice(1, 2, 2):fill(1) -- views
    t:slice(4, 5, 5):fill(1)
    t[1]:slice(1, 1, 1):fill(1)
    t:slice(1, 1, 1):slice(2, 2, 2):fill(1)
    assert.equal(60 + 12 + 20 - 4 + 20 - 4, t:sum())
  end)

  it("is transposed", function()
    assert.same({ { 1, 4 }, { 2, 5 }, { 3, 6 } }, tensor.tensor({ { 1, 2, 3 }, { 4, 5, 6 } }, "u8"):transpose():totable())
    assert.same({ { 2, 5 }, { 3, 6 } }, tensor.tensor({ { 1, 2, 3 }, { 4, 5, 6 } }, "bf16"):slice(2, 2, 3):transpose():totable())
  end)

  it("counts up its version with every change", function()
    local t = tensor.zeros(2, 2)
    local view = t[1]
    for _, change in ipairs {
      function() t:fill(1) end, function() t:set(1, 1, 2) end, function() t[1] = 3 end, function() view:fill(4) end,
      function() core.copy(tensor.ones(2, 2), t) end, function() core.fill(t, 2) end, function() core.fill_normal(t, 1, 1) end,
      function() core.fill_uniform(t, 1, 1) end } do
      local before = t:version()
      change()
      assert.is_true(t:version() > before)
    end
    local before = t:version()
    assert.is_truthy(t + t and t:copy() and t:sum() and tostring(t))
    assert.equal(before, t:version())
  end)

  it("compares bits", function()
    local t = tensor.tensor { 1, 0 / 0, 3 }
    assert.is_true(t:equal(t:copy()))
    assert.is_false(t:equal(t:to "bf16"))
    assert.is_false(t:equal(t:reshape(3, 1)))
    assert.is_false(tensor.tensor({ 0.0 }):equal(tensor.tensor { -0.0 }))
    local wide = tensor.arange(1, 8):reshape(2, 4)
    assert.is_true(wide:slice(2, 2, 3):equal(wide:slice(2, 2, 3):copy()))
    assert.is_false(wide:slice(2, 2, 3):equal(wide:slice(2, 3, 4)))
  end)

  it("goes to bytes and comes from bytes", function()
    local t = tensor.tensor { { 1, 2, 3 }, { 4, 5, 6 } }
    assert.equal(string.pack("<ffffff", 1, 2, 3, 4, 5, 6), t:bytes())
    assert.equal(string.pack("<ffff", 2, 3, 5, 6), t:slice(2, 2, 3):bytes())
    assert.equal("\1\2\255", tensor.tensor({ 1, 2, 300 }, "u8"):bytes())
    assert.equal("", tensor.zeros(0):bytes())
    assert.is_true(t:equal(core.from_bytes(t:bytes(), { 2, 3 }, "f32")))
    assert.same({ 97, 98 }, core.from_bytes("ab", { 2 }):totable())
    assert.error_matches(function() core.from_bytes("abc", { 1 }, "i32") end, "the string has 3 bytes, the tensor 4")
    assert.equal(3 * 2 ^ 20, #tensor.zeros(3, 1 << 20, "u8"):bytes())
  end)

  it("changes its dtype", function()
    local x, y = tensor.tensor(golden.bf16.x.values), golden.bf16.y.values
    for i, value in ipairs(x:to("bf16"):totable()) do assert.equal(y[i], value) end
    assert.same({ 0, 2, 2, 255, 0 }, tensor.tensor({ 0.5, 1.5, 2.5, 1000, -3 }):to("u8"):totable())
    assert.same({ 3, -3, 2147483647 }, tensor.tensor({ 2.7, -2.7, 1e20 }):to("i32"):totable())
    assert.same({ 16777217 }, tensor.tensor({ 16777217 }, "i32"):to("i32"):totable())
    assert.error_matches(function() x:to() end, "a dtype is")
    assert.error_matches(function() x:to "double" end, "not 'double'")
  end)

  it("is copied and accumulated in place", function()
    local target = tensor.ones(2, 3)
    core.copy(tensor.tensor { { 1, 2, 3 }, { 4, 5, 6 } }, target, true)
    assert.same({ { 2, 3, 4 }, { 5, 6, 7 } }, target:totable())
    core.copy(tensor.full({ 2, 2 }, 9, "u8"), target:slice(2, 2, 3))
    assert.same({ { 2, 9, 9 }, { 5, 9, 9 } }, target:totable())
    assert.error_matches(function() core.copy(tensor.zeros(4), target) end, "copy: 4 does not fit into 2x3")
    assert.error_matches(function() core.copy(target, tensor.zeros(2, 3, "u8"), true) end, "only f32 and bf16 tensors accumulate")
  end)
end)

describe("printing", function()
  it("shows shape, dtype and values", function()
    assert.equal("tensor 2x2 f32\n  1.0000  -2.5000\n  0.0000  10.0000", tostring(tensor.tensor { { 1, -2.5 }, { 0, 10 } }))
    assert.equal("tensor 3 i32\n   1   20  -30", tostring(tensor.tensor({ 1, 20, -30 }, "i32")))
    assert.equal("tensor 2x1x2 u8\n[1]\n 1  2\n[2]\n 3  4", tostring(tensor.tensor({ { { 1, 2 } }, { { 3, 4 } } }, "u8")))
    assert.equal("tensor 3 f32\n  nan   inf  -inf", tostring(tensor.tensor { 0 / 0, math.huge, -math.huge }))
    assert.equal("tensor 2 f32\n 1.0000e-07  2.5000e+10", tostring(tensor.tensor { 1e-7, 2.5e10 }))
    assert.equal("tensor scalar f32\n 5", tostring(tensor.full({}, 5)))
    assert.equal("tensor 0x3 f32, empty", tostring(tensor.zeros(0, 3)))
  end)

  it("leaves out the middle", function()
    assert.equal("tensor 1000 f32\n    1     2     3     4     5     6  ...   995   996   997   998   999  1000",
      (tostring(tensor.arange(1, 1000))))
    assert.equal("tensor 10x1 f32\n  1\n  2\n  3\n ...\n  8\n  9\n 10", tostring(tensor.arange(1, 10):reshape(10, 1)))
    assert.equal("tensor 4x1x1 f32\n[1]\n 1\n...\n[4]\n 4", tostring(tensor.arange(1, 4):reshape(4, 1, 1)))
  end)

  it("fits a terminal whatever the tensor", function()
    for _, t in ipairs { tensor.randn(1000), tensor.randn(30, 500) * 1e20, tensor.randn(2, 3, 4, 5),
      tensor.arange(1, 200, 1, "i32"), tensor.randn(50, 60, 7):to "u8", tensor.full(50, -math.huge), tensor.randn(64, 1), tensor.full({ 90 }, 1, "u8") } do
      local count = 0
      for line in tostring(t):gmatch "[^\n]+" do
        count = count + 1
        assert.is_true(#line <= 79, line)
      end
      assert.is_true(count <= 30, tostring(t))
    end
  end)
end)
