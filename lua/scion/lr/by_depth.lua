--- lr.by_depth(head, deepest)
--- Discriminative rates (Howard and Ruder 2018): one for the last block of layers that trains, which is the head, another for the first, and
--- between them the same factor from block to block. A block are the layers whose names begin alike: mixed9/…; what was grafted is one block.
---@example model:fit(train, { optimizer = scion.optim.adam{ lr = scion.lr.by_depth(1e-3, 1e-5) } })
---@class scion.lr.by_depth
---@field head number of the last block
---@field deepest number of the first block that trains
local check = require "scion.check"
local rate = require "scion.rate"

local above_zero = check.number { above = 0 }

return rate.define {
  name = "by_depth",
  positional = { "head", "deepest" },
  schema = { head = { above_zero, required = true }, deepest = { above_zero, required = true } },
  of_depth = true,
  at = function(o, _, depth, deepest)
    if deepest == 0 then return o.head end
    return o.head ^ (1 - depth / deepest) * o.deepest ^ (depth / deepest)
  end,
}
