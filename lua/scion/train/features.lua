--- model:features: the output of a layer for many images at once.
local check = require "scion.check"
local core = require "scion.core"
local options = require "scion.options"
local pass = require "scion.cache.pass"
local predict = require "scion.train.predict"

local pools = { avg = "global_average_pool_forward", max = "global_max_pool_forward" }

local function submodel(model, name)
  model.parts = model.parts or {}
  model.parts[name] = model.parts[name] or model:upto(name)
  return model.parts[name]
end

---@param model scion.Model
---@param data scion.Dataset|string|string[]|scion.Tensor
---@param name string of a layer
---@param given { pool: "avg"|"max"|nil, batch: integer?, cache: boolean?, precision: string? } cache: false: what is frozen is computed anew
---@return scion.Tensor features one row an image, in file order
---@return scion.Tensor? labels i32 classes from 1, where the data set has them
return function(model, data, name, given)
  options.check("features", given, { pool = false, batch = false, cache = true, precision = false })
  local part = submodel(model, name)
  part.precision = given.precision or model.precision
  local shape = { table.unpack(part.output.shape) }
  local pool = given.pool
  if pool and (not pools[pool] or #shape ~= 3) then
    check.raise(("features: pool is 'avg' or 'max' of an image, and %s gives %s"):format(name, table.concat(shape, "x")))
  end
  if pool then shape = { shape[3] } end
  local set = predict.dataset(model, data, given.batch)
  local total, at, classes = #set, 0, {}
  local features = core.new({ total, table.unpack(shape) }, "f32")
  predict.run(part, set, { batch = given.batch, cache = pass.options("features", given.cache) }, function(output, n, _, failures, labels)
    if set ~= data and failures and failures[1] then check.raise(failures[1].message) end
    if n == 0 then return end
    local rows = features:slice(1, at + 1, at + n)
    if pool then core.run { pools[pool], x = output, y = rows } else core.copy(output, rows) end
    if labels then classes[#classes + 1] = { labels = labels, first = at + 1, last = at + n } end
    at = at + n
  end)
  if at < total then features = features:slice(1, 1, at):copy() end
  if #classes == 0 then return features end
  local labels = core.new({ at }, "i32")
  for _, part_of in ipairs(classes) do core.copy(part_of.labels, labels:slice(1, part_of.first, part_of.last)) end
  return features, labels + 1
end
