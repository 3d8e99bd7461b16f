--- insight.embed: features in few numbers, to be drawn.
local check = require "scion.check"
local core = require "scion.core"
local interrupts = require "scion.interrupts"
local normalization = require "scion.data.normalization"

local where = "scion.insight.embed"

---@class scion.EmbedOptions
---@field k? integer how many numbers each row keeps (2)
local schema = { k = { check.whole(1, (1 << 31) - 1), 2 } }

local function embed(x, given)
  x = check.argument(where, "the first argument", x, check.tensor)
  local o, shape = check.options(where, given, schema), x:shape()
  if x:dtype() ~= "f32" or #shape ~= 2 then
    check.raise(("%s: features are an f32 tensor [images, features], not %s; base:features(data, name, { pool = 'avg' }) gives such"):format(where, check.show(x)))
  end
  if o.k > math.min(shape[1], shape[2]) then
    check.raise(("%s: k is %d, but %d rows of %d features have %d directions at most"):format(where, o.k, shape[1], shape[2], math.min(shape[1], shape[2])))
  end
  if not core.finite(x) then check.raise(where .. ": a row has a number that is NaN or infinite, as those of images that cannot be read: leave it out") end
  local u, s, vt = (x - normalization.mean(x, 1)):svd()
  local total, explained, columns = (s * s):sum(), {}, {}
  for i = 1, o.k do
    local direction, length = vt:select(i), s:get(i)
    local sign = direction:get(direction:abs():argmax()) < 0 and -1 or 1
    columns[i] = u:slice(2, i, i) * (sign * length)
    explained[i] = total > 0 and length * length / total or 0
  end
  return core.concat(columns, 2), explained
end

--- The principal components of features: the k directions in which they vary most, and each row's place along them. The largest weight of each
--- direction is positive, so that the same features always give the same picture. Raises unless x is a matrix of finite numbers, if it has not
--- as many rows and columns as k, and on unknown options.
---@param x scion.Tensor f32 [N, D], such as base:features gives
---@param given scion.EmbedOptions?
---@return scion.Tensor points f32 [N, k]
---@return number[] explained the share of all variance that lies along each direction
---@example points, explained = scion.insight.embed(scion.randn { 20, 8 })
return function(x, given) return interrupts.within(where, embed, x, given) end
