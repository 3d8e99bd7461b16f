--- Layers that a Keras model calls with training=True: batch norms then use the statistics of each batch, and dropouts drop. Keras 2 does so in
--- predictions too. Keras 3 does so in net(x), and in net.predict(x) it passes training=False on to all layers.
local keras_config = require "scion.weights.keras_config"

--- Calls visit(layer) for all layers that are called with training=True, or are within a model that is and are not called otherwise.
local function each_trained(model, within, visit)
  for _, layer in ipairs(model.layers) do
    local training = within
    for _, call in ipairs(keras_config.calls(layer)) do
      if type(call.training) == "boolean" then training = call.training end
    end
    if layer.layers then each_trained(layer, training, visit) elseif training then visit(layer) end
  end
end

local function names_text(names)
  local more = #names - 1
  return ("'%s'%s"):format(names[1], more == 0 and "" or (" and %d more layer%s"):format(more, more == 1 and "" or "s"))
end

local sentences = {
  older = {
    norms = "the file's model calls batch norms with training=True (%s), which then use the statistics of each batch, also in Keras's predictions, " ..
      "and here those that are stored; in Keras, build it without and copy the weights",
    drops = "the file's model drops values in Keras's predictions too, by layers called with training=True (%s), and here it does so in training alone",
  },
  newer = {
    norms = "the file's model calls batch norms with training=True (%s): in Keras, net(x) uses the statistics of each batch, and net.predict(x), as here, " ..
      "those that are stored",
    drops = "the file's model calls layers with training=True (%s): in Keras, net(x) drops values, and net.predict(x), as here, does not",
  },
}

--- A sentence about layers that are called with training=True; nil where there are none.
---@param opened scion.KerasFile with a description
---@return string?
---@return boolean? differs whether Keras's predictions then are other ones than those here, given the same weights
return function(opened)
  local norms, drops = {}, {}
  each_trained(opened.config, false, function(layer)
    local name = layer.name or layer.class
    if layer.class == "BatchNormalization" and layer.config.trainable ~= false then norms[#norms + 1] = name end -- frozen ones use what is stored
    if layer.class:find "Dropout" or layer.class:find "^Gaussian" then drops[#drops + 1] = name end
  end)
  local told = sentences[opened.older and "older" or "newer"]
  if norms[1] then return told.norms:format(names_text(norms)), opened.older end
  if drops[1] then return told.drops:format(names_text(drops)) end
end
