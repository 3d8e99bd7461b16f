--- What mixup and cutmix share: the draw of a batch, and how its targets are mixed.
local check = require "scion.check"
local core = require "scion.core"
local notice = require "scion.report.notice"

local mixing = {}

--- The option `alpha`: of the Beta distribution from which the share is drawn.
mixing.alpha = check.number { above = 0, to = 2 }

local tries = 256 -- of 1 in 6 that is taken for alpha = 2; fewer for none below

--- Numbers in [0, 1) that depend on the data set's seed, the epoch and the batch's number.
---@param draw { seed: integer, epoch: integer, batch: integer }
---@param purpose integer numbers of different purposes have nothing to do with each other
---@param count integer
---@return number[]
function mixing.numbers(draw, purpose, count)
  local seed = draw.seed * 0x9E3779B97F4A7C15 + (draw.epoch << 24) + draw.batch -- integers wrap around
  return core.uniform({ count }, seed, purpose):totable()
end

--- A share from the Beta distribution of alpha and alpha (Jöhnk 1964): the larger alpha, the more often about a half.
---@param draw table as for mixing.numbers
---@param alpha number
---@return number share 0 to 1
function mixing.share(draw, alpha)
  local numbers = mixing.numbers(draw, 1, 2 * tries)
  for i = 1, 2 * tries, 2 do
    local a, b = numbers[i] ^ (1 / alpha), numbers[i + 1] ^ (1 / alpha)
    if a + b > 0 and a + b <= 1 then return a / (a + b) end
  end
  return 1.0 -- both powers underflowed all the time: a tiny alpha, whose shares are 0 or 1
end

--- Tells once where batches, or the parts of batches that several processes share, have one example each, and so none to mix it with.
---@param where string the augmentation's name, for the message
---@param draw { size: integer, part: boolean } how many examples the batches of the pass have, and whether they are parts of batches
function mixing.tell_alone(where, draw)
  if draw.size > 1 then return end
  notice.once(("scion: %s: %s of one image have none to mix it with, so that it changes nothing: give %s"):format(
    where, draw.part and "parts of batches" or "batches", draw.part and "distributed fewer shards, or data sets a larger batch" or "data sets a batch of 2 or more"))
end

--- Whom each example is mixed with: i32 numbers from 0.
---@param draw table as for mixing.numbers
---@param n integer examples in the batch
---@return scion.Tensor
function mixing.partners(draw, n)
  return core.permutation(n, draw.seed * 0x9E3779B97F4A7C15 + (draw.epoch << 24) + draw.batch, 2)
end

--- The targets, mixed by these shares. Classes become rows with the share of each class, also of a batch without examples.
---@param where string for messages
---@param batch scion.Batch
---@param draw { classes: integer? } how many classes there are
---@param partners scion.Tensor
---@param share number
---@return scion.Tensor?
function mixing.targets(where, batch, draw, partners, share)
  local y = batch.y
  if not y then return nil end
  if y:dtype() == "i32" then
    if not draw.classes then check.raise(where .. ": the data set has classes without names, so it is not known how many there are") end
    y = core.one_hot(y, draw.classes)
  end
  return core.mixup(y, partners, share)
end

return mixing
