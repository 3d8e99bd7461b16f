local core = require "scion.core"
local shape = require "scion.shape"

describe("shape", function()
  it("counts elements", function()
    assert.equal(1, shape.elements {})
    assert.equal(24, shape.elements { 2, 3, 4 })
    assert.equal(0, shape.elements { 5, 0 })
    assert.equal(shape.most_elements, shape.elements { 1 << 20, 1 << 20 })
    assert.equal("integer", math.type(shape.elements { 2, 3 }))
  end)

  it("raises on more elements than can be computed with, also where the product would wrap round", function()
    for _, sizes in ipairs { { 1 << 20, 1 << 20, 2 }, { 1 << 32, 1 << 32 }, { 1 << 62, 4 }, { 3, math.maxinteger } } do
      local ok, message = pcall(shape.elements, sizes)
      assert.is_false(ok)
      assert.matches("a shape of " .. table.concat(sizes, "x") .. " has more than 2^40 elements", message, 1, true)
    end
    local _, message = pcall(shape.elements, { 1 << 41 }, "conv: an output")
    assert.matches("conv: an output of 2199023255552 has more than", message, 1, true)
  end)

  it("counts the bytes that the tensors of each dtype take", function()
    for dtype, size in pairs(shape.dtype_bytes) do
      assert.equal(6 * size, shape.bytes({ 2, 3 }, dtype))
      assert.equal(6 * size, #core.new({ 2, 3 }, dtype):bytes())
    end
  end)
end)
