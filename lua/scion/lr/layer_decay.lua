--- lr.layer_decay(lr, factor)
--- Layer-wise decay: lr for the last block of layers, which is the head, and `factor` times as much for each block before it. A block are the
--- layers whose names begin alike: mixed9/…; what was grafted is one block.
---@example model:fit(train, { optimizer = scion.optim.adamw{ lr = scion.lr.layer_decay(1e-3, { factor = 0.75 }) } })
---@class scion.lr.layer_decay
---@field lr number of the last block
---@field factor number from a block to the one before it, above 0, up to 1; 0.65 to 0.9 are usual
local check = require "scion.check"
local rate = require "scion.rate"

return rate.define {
  name = "layer_decay",
  positional = { "lr", "factor" },
  schema = { lr = { rate.number, required = true }, factor = { check.number { above = 0, to = 1 }, required = true } },
  of_depth = true,
  at = function(o, _, depth) return o.lr * o.factor ^ depth end,
}
