--- model:explain: which parts of a picture a network's answer rests on.
local batches = require "scion.data.batch"
local cached = require "scion.cache.cached"
local check = require "scion.check"
local class = require "scion.class"
local core = require "scion.core"
local graph = require "scion.graph"
local heat = require "scion.insight.heat"
local image = require "scion.image"
local inputs = require "scion.train.inputs"
local occlusion = require "scion.insight.occlusion"
local predict = require "scion.train.predict"
local text = require "scion.report.text"

local where = "model:explain"

local least_fall = 1e-3 -- as a share of the probability, by covering a part; below it none matters, and what is found may be rounding

---@class scion.ExplainOptions
---@field class? string|integer the class, by its label or its number, that is explained (the one that is predicted)
---@field method? "grad_cam"|"occlusion" grad_cam: by the gradients of the class's logit with respect to a layer's output (Selvaraju et al. 2017);
--- occlusion: by how far its probability falls where a grey square covers a part (Zeiler and Fergus 2014), which is slower and asks nothing of
--- the network ("grad_cam")
---@field layer? string for grad_cam: the layer or block whose output is looked at (the last one whose output has height and width)
---@field square? integer for occlusion: the side of the square, in pixels, at most the picture's shorter side (a fifth of that); it moves by
--- half of its side

--- Which parts of a picture a network's answer rests on. It prints as a small map.
---@class scion.Explanation
---@field label string|integer the class that is explained: its label, or its number if the model has none
---@field class integer its number, from 1
---@field confidence number? its probability; nil if the network gives numbers
---@field method "grad_cam"|"occlusion"
---@field layer string? of grad_cam
---@field heat scion.Tensor f32 [height, width] of the network's input, from 0 to 1, where 1 speaks for the class most. All 0 if no part does, as where
--- the probability falls by less than a thousandth of it, whatever is covered
---@field peak number what 1 stands for: of grad_cam the weighted sum of activations, of occlusion the fall of the probability
---@field image scion.Tensor u8 [height, width, 3], the picture as the network sees it
---@field picture scion.Tensor u8 [height, width, 3], the picture with the heat laid over it

-- ---- what is explained -----------------------------------------------------------------------------------------------

--- The one picture of the input: u8 [1, height, width, channels].
local function read(model, x)
  local set = inputs.any(where, x, model)
  if #set ~= 1 then check.raise(("%s: one picture at a time is explained, and here are %d"):format(where, #set)) end
  inputs.fits(where, model, set, nil, type(x) == "userdata")
  local picture
  for batch in cached.over(model, set, false, { where = where, shuffle = false, augment = false }):pass(0) do
    local failure = batches.failures_for_user(batch.failed)[1]
    if failure then check.raise(("%s: %s"):format(where, failure.message)) end
    if batch.x:dtype() ~= "u8" then check.raise(where .. ": pictures are explained, u8 images, and these are numbers") end
    picture = batch.x:copy()
  end
  return picture
end

--- The number of the class that the user names.
local function class_number(model, given, count)
  if type(given) == "string" then
    for i, label in ipairs(model.labels or {}) do
      if label == given then return i end
    end
    check.raise(("%s: the model has no label %s: %s"):format(where, check.show(given), check.suggestion(given, model.labels or {}, "it has")))
  end
  if given > count then check.raise(("%s: class is %d, but the model tells %d"):format(where, given, count)) end
  return given
end

--- The node that grad_cam looks at.
local function node_of(model, name)
  if name then
    local found = graph.find(model.order, name)
    local node = model.order[found[#found]]
    if #node.shape ~= 3 then check.raise(("%s: the output of %s is %s: grad_cam needs one with height and width"):format(where, name, table.concat(node.shape, "x"))) end
    return node
  end
  for i = #model.order, 1, -1 do
    local node = model.order[i]
    if #node.shape == 3 and node.shape[1] * node.shape[2] > 1 and node.layer.kind ~= "input" then return node end
  end
  check.raise(where .. ": no layer of the network has an output with height and width: method = 'occlusion' needs none")
end

-- ---- methods --------------------------------------------------------------------------------------------------------

--- What the network gives for pictures: f32 [pictures, outputs], as probabilities where it tells any.
local function outputs(model, x, apply)
  local plan = model:plan_for { mode = "infer", batch = #x, input_dtype = "u8" }
  model:execute(plan, { images = x })
  local found = core.place(model.arena, plan.output, #x)
  return (apply and apply(found) or found):copy()
end

--- Grad-CAM: the channels of a layer's output are added up, each weighted by its mean gradient, and what speaks against the class is left out.
local function grad_cam(model, x, seed, node)
  local plan = model:plan_for { mode = "infer", batch = 1, input_dtype = "u8", taps = { node }, gradients_of = { node } }
  model:execute(plan, { images = x, seed = seed })
  local height, width, channels = table.unpack(node.shape)
  local values = core.place(model.arena, plan.taps[node], 1):copy():reshape(height * width, channels)
  local gradients = core.place(model.arena, plan.node_gradients[node], 1):copy():reshape(height * width, channels)
  return values:matmul(gradients:mean(1)):clamp(0, math.huge):reshape(height, width)
end

-- ---- the explanation --------------------------------------------------------------------------------------------------

local shades = " .:-=+*#%@"

--- A map of the heat in letters, as wide as a part of the terminal.
local function map_of(self)
  local shape = self.heat:shape()
  local columns = math.max(math.min(text.width() // 2, 32), 8)
  local rows = math.max(columns * shape[1] // shape[2] // 2, 2) -- letters are twice as high as wide
  local lines = {}
  for i, row in ipairs(heat.resize(self.heat, rows, columns):totable()) do
    local letters = {}
    for j, value in ipairs(row) do
      local shade = math.min(math.floor(math.max(value, 0) * #shades) + 1, #shades)
      letters[j] = shades:sub(shade, shade)
    end
    lines[i] = "  |" .. table.concat(letters) .. "|"
  end
  return lines
end

local function as_text(self)
  local by = self.method == "grad_cam" and ("by Grad-CAM at %s"):format(self.layer) or "by covering parts"
  local sure = self.confidence and (" (%s)"):format(text.percent(self.confidence)) or ""
  local matters = self.heat:max() > 0
  local said = matters and "the denser the letter, the more that part speaks for it" or "no part of the picture speaks for it"
  if self.method == "occlusion" and self.peak > 0 then
    local most = self.confidence and ("%.2g points of probability"):format(100 * self.peak) or ("%.2g"):format(self.peak)
    said = ("%s, at most %s"):format(matters and said or "no square matters", most)
  end
  local lines = text.wrap(("%s%s, %s: %s."):format(self.label, sure, by, said), text.width(), 2)
  if matters then table.move(map_of(self), 1, 99, #lines + 1, lines) end
  return table.concat(lines, "\n")
end

local methods = {}

--- Writes the picture with the heat laid over it, as PNG or JPEG. Raises if the file cannot be written.
---@param path string that ends in .png, .jpg or .jpeg; its folder is made if there is none
---@return scion.Explanation self
---@example model:explain("dog.png"):save "why.png"
function methods:save(path)
  local saved, message = image.save(path, self.picture)
  if not saved then check.raise(("explanation:save: %s"):format(message)) end
  return self
end

local made = class.define { name = "scion.Explanation", title = "an explanation", methods = methods, call = "explanation",
                            locked = { "label", "class", "confidence", "method", "layer", "heat", "peak", "image", "picture" }, meta = { __tostring = as_text } }

local schema = {
  class = { check.either(check.text, check.whole(1)) }, method = { check.one_of("grad_cam", "occlusion"), "grad_cam" },
  layer = { check.text }, square = { check.whole(1) },
}

--- Which outputs speak for a class, and how: the gradient of its score with respect to the outputs. One sigmoid output tells two classes: the
--- second, or, turned round, the first.
local function seed_of(outputs_count, count, number)
  local seed = core.full({ 1, outputs_count }, 0)
  seed:set(1, math.min(number, outputs_count), outputs_count < count and number == 1 and -1 or 1)
  return seed
end

--- The probability, or number, of a class in each row of the outputs.
local function scores_of(rows, count, number)
  local outputs_count = rows:shape()[2]
  local column = rows:slice(2, math.min(number, outputs_count), math.min(number, outputs_count)):copy():reshape(#rows)
  return outputs_count < count and number == 1 and 1 - column or column
end

--- Explains an answer: see model:explain.
---@param model scion.Model
---@param x string|scion.Tensor
---@param given scion.ExplainOptions?
---@return scion.Explanation
---@private
return function(model, x, given)
  local o = check.options(where, given, schema)
  if #model.output.shape ~= 1 then check.raise(where .. ": the network's output is no row of numbers, one for each class, but " .. table.concat(model.output.shape, "x")) end
  if o.layer and o.method ~= "grad_cam" then check.raise(where .. ": layer is an option of grad_cam") end
  if o.square and o.method ~= "occlusion" then check.raise(where .. ": square is an option of occlusion") end
  local told, count, apply = predict.probabilities(model)
  count = count or model.output.shape[1]
  local number = o.class and class_number(model, o.class, count)
  local node = o.method == "grad_cam" and node_of(model, o.layer) or nil
  local picture = read(model, x)
  local shape = picture:shape()
  local side = math.min(shape[2], shape[3])
  if o.square and o.square > side then
    check.raise(("%s: square is %d, but the network sees the picture at %dx%d: it is a whole number from 1 to %d"):format(
      where, o.square, shape[2], shape[3], side))
  end
  local rows = outputs(model, picture, apply)
  if not core.finite(rows) then check.raise(where .. ": " .. predict.no_number) end
  if not number then number = model.output.shape[1] < count and (rows:get(1, 1) > 0.5 and 2 or 1) or rows:argmax(2) end
  local confidence = told and scores_of(rows, count, number):get(1) or nil
  local found, peak
  if node then
    found, peak = heat.scaled(grad_cam(model, picture, seed_of(model.output.shape[1], count, number), node))
  else
    found, peak = heat.scaled(occlusion(picture, o.square, function(covered) return scores_of(outputs(model, covered, apply), count, number) end))
    if confidence and peak < least_fall * confidence then found = found * 0 end
  end
  local shown = heat.coloured(picture:reshape(shape[2], shape[3], shape[4]))
  found = heat.resize(found, shape[2], shape[3])
  return made.new { label = model.labels and model.labels[number] or number, class = number, confidence = confidence,
                    method = o.method, layer = node and (o.layer or node.layer.name), heat = found, peak = peak, image = shown, picture = heat.over(shown, found) }
end
