--- The gradients of all parameters that train, in one flat buffer outside of the arena. The backward calls of a plan write each into its
--- slice; norm, clipping, accumulation and checks are then one call for all parameters. Between slices, which begin at cache lines, lie
--- zeros that nothing writes to.
local core = require "scion.core"
local shape = require "scion.shape"

local line = 16 -- elements of a cache line of 64 bytes

local gradients = {}
gradients.__index = gradients

---@class scion.Gradients
---@field flat scion.Tensor f32, all of them one after the other
---@field private offsets table<scion.Parameter, integer> where a slice begins, in bytes
---@field private slices table<scion.Parameter, scion.Tensor> those that were asked for: every step takes them all

--- A buffer of zeros for the parameters of these layers that train. They lie in the order of the layers.
---@param order scion.Node[]
---@return scion.Gradients
function gradients.new(order)
  local offsets, total = {}, 0
  for _, node in ipairs(order) do
    for _, p in ipairs(node.layer:trainable()) do
      offsets[p] = 4 * total
      total = total + (shape.elements(p.tensor:shape()) + line - 1) // line * line
    end
  end
  return setmetatable({ flat = core.new({ total }, "f32"), offsets = offsets, slices = {} }, gradients)
end

--- Where the gradient of a parameter begins in `flat`.
---@param parameter scion.Parameter one that trained when the buffer was made
---@return integer bytes
function gradients:offset(parameter) return self.offsets[parameter] end

--- The gradient of a parameter: a view of its part of the buffer.
---@param parameter scion.Parameter one that trained when the buffer was made
---@return scion.Tensor f32, of the parameter's shape
function gradients:slice(parameter)
  local slice = self.slices[parameter]
  if not slice then
    local sizes = parameter.tensor:shape()
    slice = core.place(self.flat, { offset = self.offsets[parameter], shape = sizes, stride = sizes[#sizes], dtype = "f32" })
    self.slices[parameter] = slice
  end
  return slice
end

--- Whether all of them are finite numbers.
---@return boolean
function gradients:finite() return core.finite(self.flat) end

return gradients
