--- The losses: by name, with options, or a function of the user's. A loss says which activation its kernel applies to logits, and which
--- kernel computes it. scion.loss has the constructors.
local check = require "scion.check"
local class = require "scion.class"

---@class scion.Loss
---@field name string "categorical", "binary", "focal", "mse", "mae" or "huber"; of a function where it was defined
---@field activation "softmax"|"sigmoid"|nil that the kernel applies to logits
---@field smoothing number? this one and those below exist only if the loss has that option
---@field gamma number?
---@field alpha number?
---@field delta number?
---@field private own boolean? whether it is a function of the user's
---@field private compute function? that function; nil if the loss comes from a file, which cannot hold it

local losses = {}

local smoothing = { check.number { from = 0, below = 1 }, 0.0, usual = true }

-- The kernel for each dtype that labels can have: i32 labels are a class number for each example; f32 labels have the shape of the output.
local cross_entropy = { softmax = { i32 = "softmax_cross_entropy", f32 = "softmax_cross_entropy_soft" }, sigmoid = { f32 = "sigmoid_cross_entropy" } }
local focal = { softmax = { i32 = "softmax_focal", f32 = "softmax_focal_soft" }, sigmoid = { f32 = "sigmoid_focal" } }

-- `arguments` are those of the kernel; `numbers`: it compares numbers, and not probabilities.
local kinds = {
  categorical = { activation = "softmax", kernels = cross_entropy, options = { smoothing = smoothing },
                  arguments = function(loss) return { smoothing = loss.smoothing } end },
  binary = { activation = "sigmoid", kernels = cross_entropy, options = { smoothing = smoothing },
             arguments = function(loss) return { smoothing = loss.smoothing } end },
  focal = { kernels = focal, options = { gamma = { check.number { from = 0 }, 2.0, usual = true }, alpha = { check.number { above = 0, below = 1 } },
                                         activation = { check.one_of("softmax", "sigmoid") } },
            arguments = function(loss)
              local there = loss.alpha or 1
              return { gamma = loss.gamma, alpha = there, beta = loss.activation == "sigmoid" and (loss.alpha and 1 - there or 1) or nil }
            end },
  mse = { numbers = true, kernels = { f32 = "mean_squared_error" } },
  mae = { numbers = true, kernels = { f32 = "mean_absolute_error" } },
  huber = { numbers = true, kernels = { f32 = "huber" }, options = { delta = { check.number { above = 0 }, 1.0, usual = true } },
            arguments = function(loss) return { delta = loss.delta } end },
}

local methods = {}

--- The options that were given or have a default, by name.
---@return table<string, any>
function methods.options(self)
  local found = {}
  for name in pairs(not self.own and kinds[self.name].options or {}) do found[name] = self[name] end
  return found
end

--- Whether it compares numbers, and not probabilities.
---@return boolean
function methods.of_numbers(self) return not self.own and kinds[self.name].numbers == true end

--- The kernels by the dtype of the labels.
---@return table<"i32"|"f32", string>
function methods.kernels(self)
  local kernels = kinds[self.name].kernels
  return self.activation and kernels[self.activation] or kernels
end

--- The kernel call without its operands.
---@param dtype "i32"|"f32" of the labels
---@return scion.Call
function methods.call(self, dtype)
  local arguments = kinds[self.name].arguments
  local call = arguments and arguments(self) or {}
  call[1] = self:kernels()[dtype]
  return call
end

--- "focal(alpha = 0.25, gamma = 2)": the options that differ from their defaults.
local function text(self)
  local parts = {}
  for name, value in pairs(self:options()) do
    if value ~= kinds[self.name].options[name][2] then parts[#parts + 1] = ("%s = %s"):format(name, type(value) == "number" and ("%.14g"):format(value) or value) end
  end
  table.sort(parts)
  return self.name .. (#parts > 0 and "(" .. table.concat(parts, ", ") .. ")" or "")
end

local Loss = class.define { name = "scion.Loss", title = "a loss", internal = methods, locked = { "name", "activation", "smoothing", "gamma", "alpha", "delta" },
                            fields = { "own", "compute" }, meta = { __tostring = text } }

local function new(name, values)
  values.name, values.activation = name, values.activation or kinds[name].activation
  return Loss.new(values)
end

--- The function that makes a loss of a name from options.
---@param name string
---@return fun(given: table?): scion.Loss
function losses.constructor(name)
  return function(given) return new(name, check.options("scion.loss." .. name, given, kinds[name].options or {})) end
end

--- Where a function was defined, as "function at train.lua:12", by which it is remembered.
local function place_of(f)
  local info = debug.getinfo(f, "S")
  local file = info.source:match "^@(.*)$"
  file = file and file:match "[^/\\]+$"
  return file and utf8.len(file) and ("function at %s:%d"):format(file, info.linedefined) or "function"
end

local plain = {} -- the losses without options

--- The loss that a name or a function stands for.
---@param given string|scion.Loss
---@return scion.Loss
function losses.of(given)
  if type(given) ~= "string" then return given end
  plain[given] = plain[given] or losses.constructor(given) {}
  return plain[given]
end

local by_name = check.name_in(kinds)

--- A loss as the user gives it: a name, which stays one; what a constructor made; or a function, which becomes a loss.
losses.kind = check.kind(by_name.what .. ", a loss with options, such as scion.loss.focal{ gamma = 2 }, or a function of outputs and targets", function(value)
  if Loss.is(value) then return true, value end
  if type(value) ~= "function" then return by_name.read(value) end
  for name in pairs(kinds) do
    if value == require("scion.loss")[name] then
      return false, nil, ("is a loss: scion.loss.%s is the function that makes one, scion.loss.%s()"):format(name, name)
    end
  end
  return true, Loss.new { name = place_of(value), own = true, compute = value }
end)

--- The name of the loss that follows from the activation of a network's last layer.
---@param activation string
---@return "categorical"|"binary"|nil
function losses.following(activation) return activation == "softmax" and "categorical" or activation == "sigmoid" and "binary" or nil end

--- The loss for a network whose last layer has an activation: a focal loss takes that one, unless it was given another. Raises if that is
--- neither softmax nor sigmoid.
---@param given string|scion.Loss
---@param activation string
---@param layer string the name of that layer, for messages
---@return scion.Loss
function losses.for_activation(given, activation, layer)
  local loss = losses.of(given)
  if loss.name ~= "focal" or loss.activation then return loss end
  if not focal[activation] then
    check.raise(("the loss 'focal' is for the probabilities of softmax or sigmoid, but %s %s"):format(layer, activation == "linear" and
      "has no activation: where it gives logits, say of which, as in scion.loss.focal{ activation = 'softmax' }" or
      ("ends in %s: the network should end in softmax or sigmoid"):format(activation)))
  end
  local values = loss:options()
  values.activation = activation
  return new("focal", values)
end

--- A text that differs between losses for which different kernels run.
---@param loss scion.Loss?
---@return string
function losses.key(loss) return loss and (loss.own and tostring(loss.compute) or tostring(loss)) or "-" end

--- What a file holds of a loss: its name, or a table of name and options. A function is known by its name alone.
---@param loss string|scion.Loss|nil
---@return string|table|nil
function losses.describe(loss)
  if not Loss.is(loss) then return loss end
  if loss.own then return { name = loss.name, own = true } end
  local described = loss:options()
  described.name = loss.name
  return described
end

--- Such a description, as a kind for checks; it is read as a loss.
losses.described = check.kind("a loss", function(value)
  if type(value) ~= "table" then return by_name.read(value) end
  local given = {}
  for key, each in next, value do given[key] = each end
  local name, own = given.name, given.own
  given.name, given.own = nil, nil
  if own == true then return check.text.read(name) and next(given) == nil, Loss.new { name = name, own = true } end
  if own ~= nil or not by_name.read(name) then return false end
  return check.try(losses.constructor(name), given)
end)

return losses
