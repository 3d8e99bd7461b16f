--- What stands for a layer of Keras's that Scion has none for, in a graph that is compared with another and never computed: it has inputs and
--- the shape of an output.
local check = require "scion.check"
local kinds = require "scion.kinds"
local layer = require "scion.layer"

return layer.define {
  kind = "stand_in",
  schema = { computes = { check.text, required = true }, shape = { check.list(kinds.size), required = true } },

  output_shape = function(self, ...)
    self:expect({ ... }, 1)
    return { table.unpack(self.options.shape) }
  end,
}
