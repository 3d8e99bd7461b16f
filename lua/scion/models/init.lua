--- Architectures. scion.models.X is what the file models/X.lua returns. A file may also return a family of architectures by name: resnet50
--- is in resnet.lua, the longest file name that its own name begins with.
local builder = require "scion.models.builder"
local class = require "scion.class"

local models = {}

--- A list of all architectures, with their sizes and costs; prints as a table. A single one, such as scion.models.resnet50, prints with the
--- addresses and hashes of its weights.
---@return scion.ModelList
---@example print(scion.models.list())
function models.list() return require("scion.report.models").list() end

---@class scion.FromKerasOptions
---@field input? integer|integer[] size of images in pixels, where the file's model takes any: a number for a square, or { height, width }
---@field preprocess? "tf"|"caffe"|"torch"|"unit"|table as for nn.input: what was done to images before they were given to the model in
--- Keras (what the file tells, else nothing: the model gets values from 0 to 255)

--- Builds a whole Keras model (.keras, or .h5 by model.save) from the description in its file, and loads its weights: Functional and
--- Sequential models of known layers, also as layers of each other. Layers that do nothing in a prediction, such as RandomFlip, are left
--- out. What was left out or assumed is told once, and kept in the report's notes.
---
--- Raises, with the path, if the file holds no Keras model, and names the layer that cannot be built here: one of an unknown class, Python
--- code, weights that are used twice, several inputs or outputs.
---@param path string
---@param given? scion.FromKerasOptions
---@return scion.Model model its layers have the names in the file; those of an inner model have that model's name and a slash before them
---@return scion.WeightsReport report
---@example model = scion.models.from_keras "net.keras"
function models.from_keras(path, given) return require "scion.models.from_keras"(path, given) end

return class.names("scion.models", models, {
  find = builder.find,
  list = function()
    local names = {}
    for i, architecture in ipairs(require("scion.report.models").list()) do names[i] = architecture.name end
    return names
  end,
})
