--- insight.advise: which of the four strategies of transfer learning fits a network and a data set, as a schedule that runs as it is.
local blocks = require "scion.insight.blocks"
local check = require "scion.check"
local class = require "scion.class"
local difference = require "scion.insight.difference"
local head = require "scion.insight.head"
local interrupts = require "scion.interrupts"
local optim = require "scion.optim"
local probe = require "scion.insight.probe"
local random = require "scion.random"
local shift = require "scion.insight.shift"
local stages = require "scion.train.schedule"
local text = require "scion.report.text"

local where = "scion.insight.advise"

--- Images a class from which on a data set counts as large: fewer rarely pay for training more than a head.
local large = 200

---@class scion.AdviseOptions: scion.ProbeOptions
---@field epochs? integer of the schedule in all (10)

--- What insight.advise found. It prints as a text.
---@class scion.Advice
---@field strategy "head"|"cut"|"top"|"all" head: only the head trains, on all of the network; cut: only the head, on its earlier blocks; top: the
--- head first, and then the last two blocks, too; all: the head first, and then everything
---@field cut string the block to graft onto, as advice:graft(base) does
---@field schedule scion.Schedule for fit, on that graft
---@field normalized boolean whether the head that was tried best has batch norm before its dense layer
---@field rate number the learning rate of its stage: the one of 0.001, 0.003, 0.01, 0.03 and 0.1 by which it tells most images at the end of it
---@field accuracy number what it tells then, in cross-validation on the features that the probe has kept: that of the best of ten heads and rates on
--- the same images, and so rather high
---@field price scion.Prices what the schedule would take
---@field similar boolean whether the network's last features are among the best, as for images like those that it was trained on
---@field shift number? how far the images' activations lie from those that the network's batch norms have stored, in their deviations: the mean
--- over channels, of some 300 images; 0 for images like those that it was trained on, and nil without batch norm
---@field large boolean whether there are many images: 200 a class or more
---@field reasons string[]
---@field probe scion.Probe

local words = {
  head = "train a head alone, on the whole network", cut = "train a head alone, on the network's earlier blocks",
  top = "train a head first, then the last two blocks with it, slowly", all = "train a head first, then everything with it, slowly",
}

local function as_text(self)
  local shown = text.wrap(("Advice: cut at %s, and %s."):format(self.cut, words[self.strategy]), text.width(), 2)
  local function add(list) table.move(list, 1, #list, #shown + 1, shown) end
  for _, reason in ipairs(self.reasons) do add(text.wrap("- " .. reason, text.width(), 2)) end
  add { tostring(self.schedule), tostring(self.price) }
  return table.concat(shown, "\n")
end

local function graft(base, cut, normalized, classes)
  local part = base:upto(cut)
  return part:graft(head.layers(part.output.shape, normalized, classes))
end

--- A block of a network, in words.
local function block_words(name, of) return of and ("a block %s of %d features"):format(name, of.features) or "no further block" end

local methods = {}

--- Grafts the advised head onto the network, cut as advised: global_avg_pool, batch_norm if it was tried best with that, and dense.
---@param base scion.Model that the advice is for
---@return scion.Model
---Raises if that is another network than the one that the advice is for.
---@example model = scion.insight.advise(base, train):graft(base)
function methods:graft(base)
  check.argument("advice:graft", "the first argument", base, check.instance("scion.Model", "a model"))
  local list = blocks.of(base)
  for i = 1, math.max(#list, #self.probe) do
    local own, row = list[i], self.probe[i]
    if not own or not row or own.name ~= row.block or own.features ~= row.features then
      check.raise(("advice:graft: the advice is for another network: where that has %s, this one has %s; ask scion.insight.advise for this one"):format(
        block_words(row and row.block, row), block_words(own and own.name, own)))
    end
  end
  return graft(base, self.cut, self.normalized, self.probe.classes)
end

local made = class.define { name = "scion.Advice", title = "an advice", methods = methods, call = "advice",
                            locked = { "strategy", "cut", "schedule", "normalized", "rate", "accuracy", "price", "similar", "shift", "large", "reasons", "probe" },
                            meta = { __tostring = as_text } }

local schema = check.joined(probe.schema, { epochs = { check.whole(2, (1 << 31) - 1), 10 } })

--- The stages of a strategy: the head's, with a rate that is still to be found, and perhaps a slow one after it.
local function stages_of(strategy, epochs)
  if strategy == "head" or strategy == "cut" then return { { epochs = epochs, train = "head" } } end
  local first = math.max(epochs // 5, 1)
  return { { epochs = first, train = "head" }, { epochs = epochs - first, blocks = strategy == "top" and 2 or nil, train = strategy == "all" and "all" or nil,
                                                 optimizer = optim.sgd { lr = 1e-4, momentum = 0.9 } } }
end

--- Whether the last block is told no worse than the best one, and the words for it.
local function compare(found)
  local last, best = found[#found], probe.row(found, found.best)
  local mean, deviation = difference(found.right[best.block], found.right[last.block])
  local said = ("the last block's features tell %s of the images"):format(text.percent(last.accuracy))
  if mean <= deviation then
    return true, said .. ", and no other block's are clearly better" .. (found.recommended and ": they suit these images" or "")
  end
  if not found.recommended then return false, said end
  said = ("%s, those of %s %s"):format(said, best.block, text.percent(best.accuracy))
  if best.low <= last.high then
    return false, said .. ": their intervals overlap, so that what comes after it may be special to other images, and another seed may name another block"
  end
  return false, said .. ": what comes after it is special to other images"
end

--- The words for the head.
local function words_of(best, epochs, row)
  return ("of %d new heads that were tried on the features of %s, %s tells most after %d epoch%s, at a rate of %g: %s, which is rather high, as the " ..
    "best of several is, where the probe's classifier tells %s"):format(best.tried, row.block,
    best.normalized and "batch_norm and dense" or "a dense layer", epochs, epochs == 1 and "" or "s", best.rate, text.percent(best.accuracy), text.percent(row.accuracy))
end

local function advise(base, data, given)
  check.argument(where, "the first argument", base, check.instance("scion.Model", "a model"))
  local o = check.options(where, given, schema)
  local found, of = probe.run(where, base, data, o)
  local each = found.images / found.classes
  local many, similar, reason = each >= large, compare(found)
  local reasons = { ("there are %.0f images a class, which is %s"):format(each, many and ("many: %d or more"):format(large) or ("few: less than %d"):format(large)), reason }
  local strategy = many and (similar and "top" or "all") or similar and "head" or "cut"
  if not found.recommended then strategy = "head" end
  local cut = strategy == "cut" and found.recommended or found[#found].block
  local list = stages_of(strategy, o.epochs)
  local best = head.tried(of, of:block(of:position(cut)), list[1].epochs, data)
  list[1].optimizer = optim.adam { lr = best.rate }
  reasons[#reasons + 1] = words_of(best, list[1].epochs, probe.row(found, cut))
  local shifted = shift(where, base, data, o)
  if shifted then
    reasons[#reasons + 1] = ("the images' activations lie %.2f deviations from those of the images that the network was trained on; these lie near 0"):format(shifted)
  end
  if not found.recommended then
    reasons[#reasons + 1] = "no block tells the classes clearly better than a guess, so that this is a guess, too: more images, or cleaner labels, would tell"
  end
  local schedule = stages.new(where, list)
  local model = random.with(0, graft, base, cut, best.normalized, found.classes)
  return made.new { strategy = strategy, cut = cut, schedule = schedule, price = schedule:plan(model, data, { cache = o.cache, precision = o.precision }),
                    normalized = best.normalized, rate = best.rate, accuracy = best.accuracy, similar = similar, shift = shifted, large = many, reasons = reasons,
                    probe = found }
end

--- Advises which of four strategies to take. Two things decide: how many images each class has, and whether the last block of the network is
--- among the best for them, see base:probe. Few images and fitting features: a head alone. Few, and features that do not fit: a head on the
--- recommended earlier block. Many images: the last two blocks train, too, or everything where the features do not fit. Where no block tells the
--- classes clearly better than a guess, it is a head alone on the whole network, as a guess that is called so. The advice holds a
--- schedule for fit and its price. advice:graft(base) has the new head: with batch norm or without it, whichever was tried best, by the best of five
--- learning rates, on the features that the probe has kept. The network is not trained. Raises on options or data that do not fit, if there are not
--- two classes with two images each, and after Ctrl-C.
---@param base scion.Model
---@param data scion.Dataset
---@param given scion.AdviseOptions?
---@return scion.Advice
---@example
---  advice = scion.insight.advise(base, train, { epochs = 2 })
---  print(advice)
---  model = advice:graft(base)
---  model:fit(train, { schedule = advice.schedule })
return function(base, data, given) return interrupts.within(where, advise, base, data, given) end
