local array = require "scion.weights.array"
local core = require "scion.core"
local safetensors = require "scion.weights.safetensors"
local support = dofile "spec/files/support.lua"

describe("scion.weights.array", function()
  local folder, path, numbers
  setup(function()
    folder = support.folder()
    path = folder .. "/large.safetensors"
    numbers = core.uniform({ 40, 6, 3, 3000 }, 1, 1)
    assert(safetensors.write(path, { x = numbers }))
  end)
  teardown(function()
    support.remove(folder)
    support.done()
  end)

  -- Reads the file's numbers into a new tensor, as an array with these fields and strides, and tells the number of reads. None is of more than 4 MiB.
  local function read(shape, strides, fields)
    local arrays <close> = assert(safetensors.arrays(path))
    local a, reads = arrays[1], 0
    local inner, last = a.read, -1
    for key, value in pairs(fields or {}) do a[key] = value end
    a.read = function(offset, count, room)
      reads = reads + 1
      assert(count <= 4 << 20 and offset > last, "the pieces are too large, or not in order")
      last = offset
      return inner(offset, count, room)
    end
    local tensor = core.new(shape)
    assert.is_nil(array.misfit(a))
    assert(array.read_each { { array = a, tensor = tensor, strides = strides } })
    return tensor, reads
  end

  it("shows shapes, of which a file may claim very long ones", function()
    local many = {}
    for i = 1, 100000 do many[i] = 1 end
    assert.same({ "scalar", "2x3" }, { array.shape_text {}, array.shape_text { 2, 3 } })
    assert.equal(("1x"):rep(64) .. "… (100000 dimensions)", array.shape_text(many))
  end)

  it("reads large arrays in pieces, along the first axis of the tensor or the last", function()
    local same, reads = read({ 40, 6, 3, 3000 })
    assert.is_true(same:equal(numbers))
    assert.equal(3, reads)
    local turned, again = read({ 6, 3, 3000, 40 }, { 9000, 3000, 1, 54000 }) -- as PyTorch's [out, in, kh, kw] becomes ours
    assert.is_true(turned:reshape(54000, 40):equal(numbers:reshape(40, 54000):transpose()))
    assert.equal(3, again)
  end)

  it("reads arrays with gaps in their storage", function()
    local part, reads = read({ 2990, 720 }, { 1, 3000 }, { first = 7, shape = { 720, 2990 }, strides = { 3000, 1 } })
    assert.is_true(part:equal(numbers:reshape(720, 3000):slice(2, 8, 2997):transpose()))
    assert.equal(3, reads)
  end)

  it("refuses arrays whose numbers are spread far apart", function()
    local function misfit(stride) return array.misfit { name = "a", dtype = "F32", shape = { 64 }, strides = { stride }, bytes = 1 << 30 } end
    assert.is_nil(misfit(4000))
    assert.equal("a has 256 bytes, spread over 2520004; in Python, save x.contiguous() in its place", misfit(10000))
  end)
end)
