local core = require "scion.core"
local random = require "scion.random"
local tensor = require "scion.tensor"

describe("random tensors", function()
  it("repeat after scion.seed, and differ otherwise", function()
    random.seed(7)
    local a, b = tensor.randn(4, 5), tensor.randn { 4, 5 }
    local c = tensor.uniform({ 4, 5 }, -1, 1)
    random.seed(7)
    assert.is_true(a:equal(tensor.randn(4, 5)))
    assert.is_true(b:equal(tensor.randn(4, 5)))
    assert.is_true(c:equal(tensor.uniform({ 4, 5 }, -1, 1)))
    assert.is_false(a:equal(b))
    random.seed(8)
    assert.is_false(a:equal(tensor.randn(4, 5)))
  end)

  it("have streams of their own", function()
    random.seed(-3)
    local seed, first = random.next_stream()
    local _, second = random.next_stream()
    assert.same({ -3, 1, 2 }, { seed, first, second })
    assert.is_true(core.randn({ 9 }, 1, 2):equal(core.randn({ 9 }, 1, 2, 0, 1)))
    assert.is_true(core.randn({ 9 }, 1, 2):equal(core.fill_normal(tensor.zeros(9), 1, 2)))
    assert.is_true(core.uniform({ 9 }, 1, 2, 3, 4):equal(core.fill_uniform(tensor.zeros(9), 1, 2, 3, 4)))
    assert.is_false(core.randn({ 9 }, 1, 2):equal(core.randn({ 9 }, 1, 3)))
    assert.is_false(core.randn({ 9 }, 1, 2):equal(core.randn({ 9 }, 2, 2)))
    assert.is_false(core.randn({ 9 }, 1 << 40, 2):equal(core.randn({ 9 }, 0, 2)))
  end)

  it("fill a slice like a tensor without gaps", function()
    local wide = tensor.zeros(30, 7)
    core.fill_normal(wide:slice(2, 3, 5), 5, 6)
    assert.is_true(core.randn({ 30, 3 }, 5, 6):equal(wide:slice(2, 3, 5):copy()))
    assert.equal(0, wide:slice(2, 1, 2):abs():sum() + wide:slice(2, 6, 7):abs():sum())
  end)

  -- golden: the normal distribution's own quantiles (SciPy: norm.cdf), within five standard errors for 200,000 draws
  it("are distributed as they should be", function()
    local seed = os.time()
    local t = core.randn({ 200000 }, seed, 1)
    local shares = { [-2] = 0.0227501, [-1] = 0.1586553, [0] = 0.5, [0.5] = 0.6914625, [1.5] = 0.9331928, [3] = 0.9986501 }
    for bound, share in pairs(shares) do
      local limit = 5 * math.sqrt(share * (1 - share) / 200000)
      assert.near(share, t:lt(bound):mean(), limit, "seed " .. seed)
    end
    local u = core.uniform({ 200000 }, seed, 2, -1, 3)
    assert.is_true(u:min() >= -1 and u:max() < 3)
    for bound = -0.5, 2.5, 0.5 do
      local share = (bound + 1) / 4
      assert.near(share, u:lt(bound):mean(), 5 * math.sqrt(share * (1 - share) / 200000), "seed " .. seed)
    end
    assert.is_true(t:slice(1, 5, 200000):eq(t:slice(1, 1, 199996)):mean() < 1e-3, "the same four numbers twice")
    local pairs_of = t:reshape(-1, 2) -- the two of one Box-Muller draw
    local product = (pairs_of:slice(2, 1, 1) * pairs_of:slice(2, 2, 2)):mean()
    assert.near(0, product, 5 / math.sqrt(100000), "seed " .. seed)
  end)

  it("refuse what they cannot fill", function()
    assert.error_matches(function() core.fill_normal(tensor.zeros(3, "u8"), 1, 1) end, "f32")
    assert.error_matches(function() core.randn({ 3 }, 1, -1) end, "stream")
    assert.error_matches(function() core.randn({ 3 }, 0.5, 1) end, "integer")
    assert.error_matches(function() random.seed(0.5) end, "scion.seed: the seed is a whole number, not 0.5")
    assert.error_matches(function() random.seed "x" end, "not 'x'")
  end)

  it("refuses a range that f32 does not hold", function()
    for _, range in ipairs { { -1e308, 1e308 }, { -3e38, 3e38 } } do
      assert.error_matches(function() tensor.uniform({ 3 }, range[1], range[2]) end, "no range that f32 holds")
    end
  end)
end)
