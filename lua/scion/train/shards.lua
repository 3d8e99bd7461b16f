--- The parts of a batch. Where several processes train together, each image of a data set belongs to one part for good: image i, from 0, to part
--- i mod `parts`. An epoch shuffles within the parts, and a batch takes as many images from each. So what a batch holds does not depend on how
--- many processes there are, and a process that has a part sees the same images in every epoch, whose values it has kept.
local check = require "scion.check"
local core = require "scion.core"

local shards = {}

--- What a process sees of a pass. `size`: places in a batch of the loader; `pieces`: how many of these make a batch of the data set.
---@class scion.Share
---@field size integer
---@field pieces integer
---@field order fun(data: scion.Dataset, epoch: integer, shuffled: boolean): scion.Tensor i32, numbers from 0; -1 is a place without an image
---@field first integer? of a block: the images first .. last - 1, from 0, in file order
---@field last integer?
---@field number fun(i: integer): integer the number of batch i of the pass, both from 1, from which augmentations of whole batches draw

shards.usual = 8

--- What a rank has of things in a row, as of a batch's parts: csrc/mpi/reduction.c cuts them so, too.
---@param count integer of them
---@param rank integer from 0
---@param ranks integer
---@return integer first from 0
---@return integer last the first one behind its own
function shards.of_rank(count, rank, ranks) return count * rank // ranks, count * (rank + 1) // ranks end

--- How many parts a batch has where nobody says: as many as divide it evenly, at most 8.
---@param batch integer
---@return integer
function shards.parts_of(batch)
  for parts = math.min(shards.usual, batch), 1, -1 do
    if batch % parts == 0 then return parts end
  end
end

--- Raises unless a batch can be cut into parts, and each rank has one.
---@param where string
---@param batch integer
---@param parts integer
---@param ranks integer
function shards.check(where, batch, parts, ranks)
  local divisors = {}
  for n = 1, batch do
    if batch % n == 0 and n >= ranks then divisors[#divisors + 1] = n end
  end
  local can = divisors[1] and ("shards = %s can be"):format(table.concat(divisors, ", ", 1, math.min(#divisors, 6))) or
    ("a batch has at least one image of each rank: give the data set batch = %d or more"):format(ranks)
  if batch % parts ~= 0 then
    check.raise(("%s: distributed: a batch of %d cannot be cut into %d parts of one size: %s"):format(where, batch, parts, can))
  end
  if parts < ranks then
    check.raise(("%s: distributed: a batch of %d has %d part%s, too few for %d ranks: %s"):format(where, batch, parts, parts == 1 and "" or "s", ranks, can))
  end
end

-- the seed of the order within a part
local function seed_of(seed, part) return (string.unpack("<i8", core.hash(string.pack("<i8i8", seed, part)))) end

--- The order in which the parts first .. last - 1 come in an epoch: those of the first batch, then those of the second, and so on. Each has the same
--- number of places; -1 is a place without an image.
---@param data scion.Dataset
---@param epoch integer from 0
---@param shuffled boolean
---@param o { batch: integer, parts: integer, first: integer, last: integer }
---@return scion.Tensor i32
function shards.order(data, epoch, shuffled, o)
  local size, batches, columns = o.batch // o.parts, math.ceil(#data / o.batch), {}
  for part = o.first, o.last - 1 do
    local n = math.max((#data - part + o.parts - 1) // o.parts, 0)
    local own = shuffled and core.permutation(n, seed_of(data.seed, part), epoch) or core.arange(0, n - 1, 1, "i32")
    columns[#columns + 1] = core.concat({ own * o.parts + part, core.full({ batches * size - n }, -1, "i32") }):reshape(batches, size)
  end
  return core.concat(columns, 2):reshape(-1)
end

return shards
