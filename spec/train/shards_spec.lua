-- Parts of a batch: which images belong to which, and in which order an epoch goes through them.
local core = require "scion.core"
local scion = require "scion"
local shards = require "scion.train.shards"

local function data(n) return scion.data.tensors(scion.zeros({ n, 2 }), nil, { batch = 12, seed = 5 }) end

--- The parts of an epoch, as ranks see them: a list of batches, each with its parts, by their numbers from 0.
local function parts_of(n, epoch, o)
  local list = {}
  for rank = 0, o.ranks - 1 do
    local first, last = o.parts * rank // o.ranks, o.parts * (rank + 1) // o.ranks
    local order = shards.order(data(n), epoch, o.shuffled, { batch = 12, parts = o.parts, first = first, last = last }):totable()
    local size, at = 12 // o.parts, 0
    while at < #order do
      for part = first, last - 1 do
        local number = at // (size * (last - first)) + 1
        list[number] = list[number] or {}
        list[number][part] = table.move(order, at + part * size - first * size + 1, at + (part - first + 1) * size, 1, {})
      end
      at = at + size * (last - first)
    end
  end
  return list
end

describe("parts of a batch", function()
  for _, n in ipairs { 1, 5, 11, 12, 13, 30, 48, 100 } do
    it(("hold each of %d images once, in its own part, whatever the ranks"):format(n), function()
      for _, parts in ipairs { 1, 2, 3, 4, 6, 12 } do
        local one = parts_of(n, 3, { parts = parts, ranks = 1, shuffled = true })
        local seen, count = {}, 0
        assert.equal(math.ceil(n / 12), #one)
        for number, batch in ipairs(one) do
          local in_batch = 0
          for part = 0, parts - 1 do
            assert.equal(12 // parts, #batch[part])
            for _, image in ipairs(batch[part]) do
              if image >= 0 then
                assert.equal(part, image % parts)
                assert.is_nil(seen[image])
                seen[image], count, in_batch = true, count + 1, in_batch + 1
              end
            end
          end
          assert.equal(number < #one and 12 or n - 12 * (#one - 1), in_batch)
        end
        assert.equal(n, count)
        for ranks = 2, parts do assert.same(one, parts_of(n, 3, { parts = parts, ranks = ranks, shuffled = true })) end
      end
    end)
  end

  it("are shuffled anew in each epoch, and each part in its own way", function()
    local first, second = parts_of(480, 0, { parts = 4, ranks = 1, shuffled = true }), parts_of(480, 1, { parts = 4, ranks = 1, shuffled = true })
    assert.are_not.same(first, second)
    local alike = 0 -- images of one batch and the same place in different parts are not neighbours in the data set
    for _, batch in ipairs(first) do
      for i = 1, 3 do alike = alike + (batch[0][i] // 4 == batch[1][i] // 4 and 1 or 0) end
    end
    assert.is_true(alike < 20, alike)
  end)

  it("come in file order where nothing is shuffled: a batch holds what it holds without parts", function()
    for number, batch in ipairs(parts_of(30, 7, { parts = 3, ranks = 2, shuffled = false })) do
      local all = {}
      for part = 0, 2 do
        for _, image in ipairs(batch[part]) do all[#all + 1] = image >= 0 and image or nil end
      end
      table.sort(all)
      assert.equal((number - 1) * 12, all[1])
      assert.equal(math.min(number * 12, 30) - 1, all[#all])
    end
  end)

  it("are as many as divide the batch, at most eight", function()
    for batch, parts in pairs { [1] = 1, [2] = 2, [7] = 7, [8] = 8, [12] = 6, [20] = 5, [31] = 1, [32] = 8, [30] = 6 } do
      assert.equal(parts, shards.parts_of(batch), batch)
    end
  end)

  it("are refused where they are of several sizes, or too few", function()
    local function refused(...)
      local ok, message = pcall(shards.check, "fit", ...)
      assert.is_false(ok)
      return message
    end
    assert.matches("a batch of 32 cannot be cut into 5 parts of one size: shards = 2, 4, 8, 16, 32 can be", refused(32, 5, 2), 1, true)
    assert.matches("a batch of 32 has 8 parts, too few for 9 ranks: shards = 16, 32 can be", refused(32, 8, 9), 1, true)
    assert.matches("give the data set batch = 64 or more", refused(32, 8, 64), 1, true)
    assert.is_true(pcall(shards.check, "fit", 32, 8, 8))
  end)

  it("without images are empty batches of the loader, which reads the others", function()
    local images = scion.arange(0, 4, 1, "u8"):reshape(5, 1, 1, 1) * scion.ones({ 5, 2, 2, 3 }, "u8")
    local set = scion.data.tensors(images, { 1, 2, 3, 4, 5 }, { size = 2, batch = 4 })
    local found = {}
    local order = core.from_table({ 4, -1, -1, -1, -1, 0, 2, 3 }, "i32")
    for batch in set:pass { order = order, batch = 2, epoch = 0, number = math.tointeger } do
      found[#found + 1] = batch.index:totable()
      assert.equal(#found[#found], #batch)
      for i, index in ipairs(found[#found]) do
        assert.equal(index, batch.x:get(i, 1, 1, 1))
        assert.equal(index, batch.y:get(i))
      end
    end
    assert.same({ { 4 }, {}, { 0 }, { 2, 3 } }, found)
  end)
end)
