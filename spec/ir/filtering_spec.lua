-- What minimal filtering has to compute, counted.
local filtering = require "scion.ir.filtering"

describe("minimal filtering", function()
  it("is compared with plain sums by what both have to compute", function()
    local window = { kernel = { 3, 1 }, stride = { 1, 1 }, dilation = { 1, 1 }, before = { 1, 0 }, after = { 1, 0 } }
    local counts = filtering.counts(window, { 10, 7, 2 }, { 10, 7, 5 })
    assert.same({ plain = 10 * 7 * 3 * 2 * 5, products = 6 * 3 * 7 * 2 * 5, transforms = 6 * 3 * 7 * (2 + 5), weights = 6 * 2 * 5 }, counts)
    local gain = filtering.gain(window, { 10, 7, 2 }, { 10, 7, 5 }, { plain = 2, product = 1, transform = 0, weight = 3 })
    assert.equal(2 * 2100 / (1260 + 3 * 60), gain)
    window.stride = { 2, 2 }
    assert.is_nil(filtering.counts(window, { 10, 7, 2 }, { 5, 4, 5 }))
    assert.equal(0, filtering.gain(window, { 10, 7, 2 }, { 5, 4, 5 }, { plain = 1, product = 1, transform = 1, weight = 1 }))
  end)
end)
