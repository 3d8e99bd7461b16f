--- The weights of a network for coloured images, for the same network with one input channel.
local core = require "scion.core"
local graph = require "scion.graph"
local preprocessing = require "scion.preprocessing"
local shape = require "scion.shape"

local grey = {}

--- A kernel for one channel, which gives for a grey image what the kernel for three gives for three equal channels.
local function summed(kernel)
  local height, width, _, out = table.unpack(kernel:shape())
  return kernel:sum(3):reshape { height, width, 1, out }
end

--- Copies all weights of one model into another, which was built in the same way, but with one input channel. Where the first kernel is
--- still a random one it stops.
---@param from scion.Model
---@param into scion.Model
---@return string? note what was done, a sentence for the report; nil where the first kernel is random
function grey.take(from, into)
  local given = from.input.layer.options.preprocess
  local mine, first = graph.layers(into.order)
  for i, layer in ipairs(graph.layers(from.order)) do
    for k, p in ipairs(layer.parameters) do
      local q = mine[i].parameters[k]
      local theirs, ours = p.tensor:shape(), q.tensor:shape()
      if shape.equal(theirs, ours) then
        core.copy(p.tensor, q.tensor)
      else -- the kernel of the first convolution
        if p.drawn == p.tensor:version() then return nil end
        core.copy(summed(p.tensor), q.tensor)
        first = layer.name
      end
      q.drawn = p.drawn == p.tensor:version() and q.tensor:version() or nil -- a random weight stays known as one
    end
  end
  into.input.layer.options.preprocess, into.labels = given, from.labels
  return ("%s was summed over red, green and blue, for 1 channel%s"):format(first, preprocessing.of_channels(given, 1) == given and "" or
    "; images are standardized by the means of the channels' numbers, which differ: with channels = 3 features of grey images are the same as in colour, here nearly")
end

return grey
