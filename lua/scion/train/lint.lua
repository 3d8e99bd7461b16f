--- What is likely a mistake in a recipe, told before fit begins: a rule each, from the fit's job to a message, or nil. A message says what is
--- odd, why, and what to do. What cannot be right raises elsewhere, such as labels in another order.
local check = require "scion.check"
local dataset = require "scion.data.dataset"
local events = require "scion.train.events"
local findings = require "scion.data.findings"
local lfs = require "lfs"
local notice = require "scion.report.notice"
local pipeline = require "scion.data.pipeline"
local results = require "scion.report.results"
local schedule = require "scion.train.schedule"
local untrained = require "scion.train.untrained"

local lint = {}

-- ---- what trains, and where its weights are from --------------------------------------------------------------------

-- Weights that have trained in this process since they were drawn at random: they are no pretrained ones.
local learned = setmetatable({}, { __mode = "k" })

--- Whether initial weights would be drawn at random: kernels, and neither biases nor norms.
local function is_kernel(p) return p.init == "glorot" or p.init == "he" end

local function is_random(p) return p.drawn ~= nil and p.drawn == p.tensor:version() end

--- Names of the layers that train, the pretrained ones and those that began at random; of the latter also those that never trained.
local function trunk_and_head(model)
  local trunk, head, fresh = {}, {}, {}
  for _, node in ipairs(model.order) do
    for _, p in ipairs(node.layer:trainable()) do
      local name = node.layer.name
      if is_kernel(p) and not is_random(p) and not learned[p] then
        trunk[#trunk + 1] = name
      elseif is_kernel(p) then
        head[#head + 1] = name
        if is_random(p) then fresh[#fresh + 1] = name end
      end
    end
  end
  return trunk, head, fresh
end

-- ---- rules ----------------------------------------------------------------------------------------------------------

local function frozen_random(job)
  local words, them = untrained.text(job.model.order, function(layer) return layer.frozen end)
  return words and ("the frozen %s: give the model weights (such as weights = \"imagenet\") or thaw %s"):format(words, them)
end

--- A rescaling layer divides values by 255 that the input's preprocessing has already scaled to about 1.
local function rescaled_twice(job)
  local model = job.model
  local preprocess = model.input.layer.options.preprocess
  for _, node in ipairs(model.order) do
    local scale = node.layer.kind == "rescaling" and node.inputs[1] == model.input and node.layer.options.scale
    if scale and 255 * preprocess.scale[1] * math.abs(type(scale) == "table" and scale[1] or scale) < 0.1 then
      return ("%s scales images down that the input's preprocessing has brought to about 1 already: leave the layer out"):format(node.layer.name)
    end
  end
end

--- A pretrained trunk trains under a head that has not learned anything yet: its gradients are noise, and spoil the trunk.
local function fresh_head(job)
  local trunk, _, fresh = trunk_and_head(job.model)
  if not trunk[1] or not fresh[1] then return nil end
  return ("%s has random weights, and the pretrained layers below it train from the first step (%s on): its first gradients spoil them; " ..
          "freeze them (base:freeze()) for the first epochs, and thaw some afterwards"):format(fresh[#fresh], trunk[1])
end

-- The highest usual rates for weights that are good already. SGD's steps are as large as gradients, the others' as large as the rate.
local highest = { sgd = 1e-2, lion = 1e-4 }
local highest_else = 1e-3

local function learning_rate(job)
  local trunk, head = trunk_and_head(job.model)
  if not trunk[1] or not head[1] then return nil end
  local names = {}
  for _, name in ipairs(trunk) do names[name] = true end
  local limit, lr = highest[job.optimizer.name] or highest_else, job.optimizer:highest_rate(job.model, names, job.lr)
  if lr <= limit then return nil end
  return ("a learning rate of %g is high for the pretrained layers that train (%s on), which it makes forget: %s takes %g or less there"):format(
    lr, trunk[1], job.optimizer.name, limit)
end

--- Every layer that trains has a rate of 0.
local function zero_rate(job)
  local names = {}
  for _, node in ipairs(job.model.order) do names[node.layer.name] = true end
  if job.optimizer:highest_rate(job.model, names, job.lr) > 0 then return nil end
  return ("the learning rate is 0, so that no step changes a weight: give the optimizer one above 0, as in scion.optim.%s{ lr = 1e-4 }, or see to its scale"):format(
    job.optimizer.name)
end

--- A group of an optimizer of which nothing trains, in no stage.
local function frozen_group(job)
  local trains, given = {}, {}
  schedule.each(job.stages, job.model, "fit", function(number)
    local optimizer = schedule.optimizer(job.stages, number, job.first_optimizer)
    table.move(optimizer.groups, 1, #optimizer.groups, #given + 1, given)
    for _, these in ipairs(optimizer:groups_of(job.model)) do trains[these.options or 0] = true end
  end)
  for _, group in ipairs(given) do
    if not trains[group] then
      return ("the optimizer's group %s does nothing, since no weight of its layers trains%s: thaw them, or leave the group out"):format(
        tostring(group), job.by_schedule and " in any stage" or "")
    end
  end
end

-- Callbacks of which a second one undoes or repeats what the first does.
local alone = { ema = "each has averages of its own, and the model ends with those of the later one",
                early_stopping = "the first of them that sees no better value ends the fit, and the later one's best weights remain" }

--- Whether they are the same object, or tables of the same functions: fit's own copies of one table.
local function is_same(a, b)
  if a == b or getmetatable(a) or getmetatable(b) then return a == b end
  for name, f in next, a do
    if b[name] ~= f then return false end
  end
  return next(a) ~= nil
end

local function doubled_callback(job)
  for i, callback in ipairs(job.callbacks) do
    for k = 1, i - 1 do
      local other = job.callbacks[k]
      if is_same(callback, other) then
        return ("the list of callbacks has the same one twice (%s), which is called twice at each event: leave one out"):format(events.text(callback))
      end
      local both = getmetatable(callback) and getmetatable(other) and callback.name == other.name and alone[callback.name]
      if both then return ("there are two callbacks %s: %s; leave one out"):format(callback.name, both) end
    end
  end
end

--- Several processes run the script, and each of them does all of the fit.
local function undistributed(job)
  local comm = package.loaded["scion.mpi"]
  if job.distributed or job.where ~= "fit" or not comm or comm.size == 1 then return nil end
  return ("each of the %d ranks does all of it: distributed = comm shares it"):format(comm.size)
end

local function shear(job)
  if not dataset.is(job.data) then return nil end
  local angle
  for _, each in ipairs(pipeline.list(job.data.augment)) do angle = angle or each.options[each.name == "shear" and "degrees" or "shear"] end
  if not angle or angle <= 0 or angle >= 1 then return nil end
  return ("shear = %g is an angle in degrees, which changes nothing that can be seen; recipes with 0.2 mean radians: shear = 11.5"):format(angle)
end

local function augmented_validation(job)
  if not dataset.is(job.validate) or not job.validate.augment then return nil end
  return "the validation set has augment, which is left out: it is measured on the images as they are; leave augment out where the set is made"
end

--- The test set is validated on although there is a validation set beside it.
local function test_set(job)
  local path = dataset.is(job.validate) and job.validate.path
  local parent, name = (path or ""):match "^(.-)([^/]+)$"
  if not name or not (name:lower() == "test" or name:lower() == "testing") then return nil end
  for _, other in ipairs { "val", "valid", "validation" } do
    if lfs.attributes(parent .. other, "mode") == "directory" then
      return ("the validation set is %s although %s is there: what is chosen by a test set is not measured by it; validate on %s, and evaluate " ..
              "on the test set once, at the end"):format(path, parent .. other, other)
    end
  end
end

--- What is said of validation examples that are trained on, too.
---@param count integer how many are
---@param all integer validation examples
---@return string
function lint.shared(count, all)
  return ("%s %d validation examples %s in the training set, too: what is measured there tells nothing of new images; data:split(0.8) makes two " ..
          "sets that share none"):format(count == all and "all" or ("%d of the"):format(count), all, count == 1 and "is" or "are")
end

--- Examples that are trained on are validated on, too.
local function shared_examples(job)
  local data, validate = job.data, job.validate
  if not dataset.is(data) or not dataset.is(validate) then return nil end
  local trained, count = {}, 0
  for _, file in ipairs(data.files or {}) do trained[file] = true end
  for _, file in ipairs(validate.files or {}) do count = count + (trained[file] and 1 or 0) end
  if data == validate then count = #validate end -- also without files
  return count > 0 and lint.shared(count, #validate) or nil
end

--- The classes come one after the other, in every epoch.
local function unshuffled(job)
  local data = job.data
  if not dataset.is(data) or data.shuffle or not data.classes or #data <= data.batch then return nil end
  local seen, classes, runs, before = {}, 0, 0, nil
  for _, class in ipairs(data.classes:totable()) do
    if not seen[class] then seen[class], classes = true, classes + 1 end
    if class ~= before then runs, before = runs + 1, class end
  end
  if classes < 2 or runs > classes then return nil end
  return "the training set has shuffle = false, and its classes come one after the other: each class is forgotten while the next is learned; leave shuffle out"
end

--- Classes have hardly any images. Where all have equally few, as near as a split can make them, that is meant.
local function few_images(job)
  if not dataset.is(job.data) or not job.data.classes then return nil end
  local few, counts, least, most = {}, job.data:class_counts(), math.huge, 0
  for i, count in ipairs(counts) do
    least, most = math.min(least, count), math.max(most, count)
    if count < findings.least_images then few[#few + 1] = ("%s %d"):format(job.data.labels[i], count) end
  end
  local all = #few == #counts
  if not few[1] or all and least > 0 and most - least <= 1 then return nil end
  local more = #few > 4 and (" and %d more"):format(#few - 4) or ""
  return ("%s of the classes %s fewer than %d images (%s%s): they are hardly learned; find more%s"):format(
    all and "all" or #few == 1 and "one" or tostring(#few), #few == 1 and "has" or "have", findings.least_images,
    table.concat(few, ", ", 1, math.min(#few, 4)), more, all and "" or #few == 1 and ", or leave the class out" or ", or leave the classes out")
end

-- Their names, and which are for each stage of a schedule; the others are for the first, or for all of them at once.
local rules = {
  { "frozen_random", frozen_random }, { "rescaled_twice", rescaled_twice }, { "fresh_head", fresh_head },
  { "learning_rate", learning_rate, each_stage = true }, { "zero_rate", zero_rate, each_stage = true }, { "frozen_group", frozen_group },
  { "doubled_callback", doubled_callback }, { "undistributed", undistributed }, { "shear", shear },
  { "augmented_validation", augmented_validation }, { "test_set", test_set }, { "shared_examples", shared_examples }, { "unshuffled", unshuffled },
  { "few_images", few_images },
}

-- ---- telling --------------------------------------------------------------------------------------------------------

--- Tells of a warning: by the caller's function, or once in a process on standard error, or not at all.
---@param warning scion.Warning
---@param told { quiet: boolean, warn: (fun(message: string, rule: string))? }
function lint.tell(warning, told)
  if told.quiet then return end
  if told.warn then told.warn(check.escape(warning.message), warning.rule) else notice.once("scion: fit: " .. warning.message) end
end

--- Applies all rules, and tells of what they find.
---@param job { model: scion.Model, data: scion.Dataset, validate: scion.Dataset?, optimizer: scion.Optimizer, lr: number|scion.Rate|nil,
--- stages: table, by_schedule: boolean, first_optimizer: scion.Optimizer, callbacks: scion.Callback[] } lr: what the stage sets the optimizer's rate to
---@param told { quiet: boolean, warn: (fun(message: string, rule: string))? }
---@param later boolean? whether it is a later stage, to which few rules are applied
---@return scion.Warning[]
function lint.run(job, told, later)
  local list = {}
  for _, rule in ipairs(rules) do
    local message = (rule.each_stage or not later) and rule[2](job)
    if message then list[#list + 1] = { rule = rule[1], message = message } end
  end
  for _, warning in ipairs(list) do lint.tell(warning, told) end
  return results.warnings(list)
end

--- Remembers which weights begin at random and train from here on. To be called when training begins.
---@param model scion.Model
function lint.begin(model)
  for _, node in ipairs(model.order) do
    for _, p in ipairs(node.layer:trainable()) do
      if is_random(p) then learned[p] = true end
    end
  end
end

return lint
