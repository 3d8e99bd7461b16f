--- Questions about networks and data sets that are answered without training.
local grids = require "scion.insight.grids"

return {
  activations = grids.activations, advise = require "scion.insight.advise", curve = require "scion.insight.curve", embed = require "scion.insight.embed",
  filters = grids.filters, leep = require "scion.insight.leep", mistakes = require "scion.insight.mistakes",
  neighbours = require "scion.insight.neighbours", rank = require "scion.insight.rank", transfer = require "scion.insight.transfer",
}
