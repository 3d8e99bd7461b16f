--- augment.custom(change)
--- A function of your own, on whole batches: change(images) is given u8 n x H x W x 3 and returns images of the same shape and dtype. It is
--- called between two steps of training, after everything else. What it draws is its own affair, and so it is never kept in a cache.
---@class scion.augment.custom
---@field change fun(images: scion.Tensor): scion.Tensor
---@example train = train:with{ augment = { scion.augment.custom(function(images) return images end) } }
local augmentation = require "scion.data.augmentation"
local check = require "scion.check"

local function shape_of(t) return ("%s %s"):format(t:dtype(), table.concat(t:shape(), "x")) end

return augmentation.define {
  name = "custom",
  kind = "batch",
  positional = { "change" },
  schema = { change = { check.callable, required = true } },
  p = false,
  apply = function(o, batch)
    if #batch == 0 then return batch end -- none could be read, or a part of a batch has none
    local wanted = shape_of(batch.x)
    local x = o.change(batch.x)
    if not check.tensor.read(x) or shape_of(x) ~= wanted then
      check.raise(("scion.augment.custom: the function returns images as it was given them, %s, not %s"):format(wanted, check.show(x)))
    end
    batch.x = x
    return batch
  end,
}
