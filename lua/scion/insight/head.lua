--- The head that insight.advise advises, and the learning rate by which it comes to tell most of the images. How large that has to be, and whether
--- batch norm pays, depends on how large the features are, how they hang together and how many steps there are, so that it is tried: on features
--- that are there already.
local evaluate = require "scion.train.evaluate"
local fit = require "scion.train.fit"
local folds = require "scion.insight.folds"
local nn = require "scion.nn"
local optim = require "scion.optim"
local random = require "scion.random"
local tensors = require "scion.data.source.tensors"

local head = {}

local rates = { 1e-3, 3e-3, 1e-2, 3e-2, 1e-1 } -- from Adam's own up

--- The layers of a head.
---@param shape integer[] of what it is on
---@param normalized boolean whether batch norm comes before the dense layer
---@param classes integer
---@return scion.Layer[]
function head.layers(shape, normalized, classes)
  local list = #shape == 3 and { nn.global_avg_pool() } or {}
  if normalized then list[#list + 1] = nn.batch_norm { momentum = 0.9 } end -- a mean over the last steps, where Keras's 0.99 is of more than there are
  list[#list + 1] = nn.dense(classes, "softmax")
  return list
end

local function names_of(of, data)
  if data.labels then return data.labels end
  local names = {}
  for c = 1, of.count do names[c] = tostring(c) end
  return names
end

--- Has a head learn from some images. Returns how many others it tells right.
local function told(of, o, learned, others)
  local layers = head.layers({}, o.normalized, of.count)
  local model = require("scion.model").sequential { nn.input { shape = { learned.x:shape()[2] } }, table.unpack(layers) }
  fit(model, tensors(learned.x, learned.classes, o.set),
      { epochs = o.epochs, optimizer = optim.adam { lr = o.rate }, verbose = false, quiet = true, on_interrupt = "raise" },
      of.where, function() return "so that there is no result" end)
  return evaluate(model, tensors(others.x, others.classes, o.set), {}, of.where, { done = function() end }).accuracy * #others.x
end

--- Tries heads with batch norm and without it, each by all rates, in five parts of a cross-validation.
---@param of scion.Gathered
---@param x scion.Tensor f32 [images, features] of the block that the head is on
---@param epochs integer in which the head learns
---@param data scion.Dataset the images, for their labels, and the size and order of their batches
---@return { normalized: boolean, rate: number, accuracy: number, tried: integer } best accuracy: the share of the images that it tells; tried: of how
--- many it is the best
function head.tried(of, x, epochs, data)
  local parts = folds.of(of.classes:totable(), math.min(5, #of.classes), 0)
  local rows, classes = x:gather(1, parts.order), of.classes:gather(1, parts.order)
  local set, best = { labels = names_of(of, data), batch = data.batch, seed = data.seed }, { accuracy = -1 }
  for _, normalized in ipairs { false, true } do
    for _, rate in ipairs(rates) do
      local right, o = 0, { set = set, epochs = epochs, rate = rate, normalized = normalized }
      for k = 1, #parts.first do
        local learned, others = {}, {}
        others.x, learned.x = folds.split(parts, rows, k)
        others.classes, learned.classes = folds.split(parts, classes, k)
        right = right + random.with(0, told, of, o, learned, others)
      end
      local accuracy = right / #classes
      if accuracy > best.accuracy then best = { normalized = normalized, rate = rate, accuracy = accuracy } end
    end
  end
  best.tried = 2 * #rates
  return best
end

return head
