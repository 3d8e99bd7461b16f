--- What specs of plans share.
local plans = {}

--- How often each kernel stands in a plan.
function plans.kernels(made)
  local count = {}
  for _, call in ipairs(made.calls) do count[call[1]] = (count[call[1]] or 0) + 1 end
  return count
end

--- A convolution with a frozen batch norm and an activation, ReLU unless told; false: none.
function plans.unit(x, name, filters, kernel, activation)
  local nn = require "scion".nn
  x = nn.conv2d(filters, kernel, { padding = "same", bias = false, name = name .. "/conv" })(x)
  x = nn.batch_norm { statistics = "stored", name = name .. "/norm" }(x)
  return activation == false and x or nn.activation(activation or "relu", { name = name .. "/relu" })(x)
end

--- Convolutions, a concatenation, a pool and a dense layer.
---@param unit? fun(x: scion.Node, name: string, filters: integer, kernel: integer): scion.Node (plans.unit)
---@param given? table options of the input
function plans.network(unit, given)
  local scion = require "scion"
  local nn = scion.nn
  unit = unit or plans.unit
  scion.seed(11)
  local x = unit(nn.input(8, 8, 3, given), "a", 4, 3)
  x = nn.concatenate { name = "b" } { unit(x, "b/left", 4, 1), nn.max_pool(3, { stride = 1, padding = "same", name = "b/right" })(x) }
  x = unit(x, "c", 4, 3)
  return scion.model { output = nn.dense(3, "softmax", { name = "head" })(nn.flatten()(x)) }
end

--- A plan for four pictures.
function plans.made(model, mode, precision)
  return model:plan_for { mode = mode, batch = 4, input_dtype = "u8", precision = precision, loss = mode == "train" and "categorical" or nil }
end

--- The first call of a kernel.
function plans.call_of(made, kernel)
  for _, call in ipairs(made.calls) do
    if call[1] == kernel then return call end
  end
end

--- The largest difference of two tensors, as a share of the largest number of the second one.
function plans.farthest(a, b) return (a - b):abs():max() / b:abs():max() end

return plans
