-- Values: slices, views, and where they lie in their parents.
local value = require "scion.ir.value"

describe("a value", function()
  local image = value.new({ 4, 6, 8 }, { dtype = "bf16" })

  it("has memory of its own, or is a slice or another shape of one that has", function()
    local slice = value.slice(image, 2, 5)
    assert.same({ 4, 6, 5 }, slice.shape)
    assert.equal("bf16", slice.dtype)
    assert.equal(120, value.elements(slice))
    assert.same({ image, 2, 8 }, { value.root(slice) })
    assert.same({ image, 0, 8 }, { value.root(image) })
    local part = value.slice(slice, 1, 3)
    assert.same({ image, 3, 8 }, { value.root(part) })
    assert.same({ image, 0, 192 }, { value.root(value.view(image, { 192 })) })
  end)

  it("is contiguous unless a slice is on its way", function()
    assert.is_true(value.contiguous(image))
    assert.is_true(value.contiguous(value.view(image, { 24, 8 })))
    assert.is_false(value.contiguous(value.slice(image, 0, 8)))
    assert.is_false(value.contiguous(value.view(value.slice(image, 0, 4), { 4, 6, 4 })))
  end)

  it("can move into a slice of another", function()
    local both, branch = value.new { 2, 9 }, value.new { 2, 3 }
    value.move_into(branch, both, 6)
    assert.same({ both, 6, 9 }, { value.root(branch) })
  end)

  it("is told from a tensor", function()
    assert.is_true(value.is(image))
    assert.is_false(value.is(require("scion").zeros(2)))
    assert.is_false(value.is {})
  end)
end)
