--- A constructor takes its first options by position and the rest in a table, or all in one table: nn.conv2d(64, 3, { stride = 2 }) is
--- nn.conv2d{ filters = 64, kernel = 3, stride = 2 }. It returns a layer. Apply the layer to a node, as in nn.relu()(x), or put it into the
--- list of scion.sequential or model:graft. A layer can be applied only once.

---@class scion.LayerOptions
---@field name? string of the layer; slashes in it make blocks: "block1/conv" (its kind and a number: "conv2d_3")
---@field origin? table<string, string> the layer's names in the files of others, by publisher: { keras = "conv1_bn", torchvision = "bn1" };
--- needed only where they do not follow from its name

---@class scion.BlockOptions
---@field name? string of the block: its layers are named name/part

local class = require "scion.class"
local kinds = require "scion.kinds"
local layer = require "scion.layer"
local modules = require "scion.modules"

local nn = {}

for _, name in ipairs(table.move(kinds.activations, 1, #kinds.activations - 1, 1, {})) do
  nn[name] = function(...)
    return require "scion.nn.activation"(name, layer.arguments("nn." .. name, {}, { name = { kinds.name }, origin = { kinds.origin } }, ...))
  end
end

return class.names("scion.nn", nn, {
  find = function(name) return modules.open("scion.nn", name) end,
  list = function() return modules.list "scion.nn" end,
})
