--- What a graph computes between its layers with weights, as terms that are written in one way only: two graphs that write the same otherwise
--- have the same terms. An activation within a layer or behind it, zeros added before a window or by it, hard_swish in one layer or in four,
--- sums of sums and products of products: all of these become one form. What only moves or drops values in training is left out.
local class = require "scion.class"
local layers = require "scion.layer"

local most_joined = 256 -- terms of a sum, product or concatenation; larger ones, which no network has, keep sums within sums

--- A value between layers. Terms of the same value are the same table.
---@class scion.Term
---@field id integer
---@field op string what computes it, with its options: "relu"
---@field of scion.Term[] from which terms
---@field pair integer? of the output of a layer with weights: its number
---@field front boolean? whether it is the input but for what is compared elsewhere: how images are rescaled
---@field positive boolean? whether no value is below 0
---@field frame integer[]? pixels of zeros around it, { top, left, bottom, right }; those below 0 are cut off
---@field pool { kind: string, window: string }? of a pooling
---@field constant number? of a sum
---@field factors number[]? of a sum: by which each of `of` is multiplied

---@class scion.Terms
---@field framed boolean whether zeros around images are looked at
---@field known table<string, scion.Term>
---@field count integer
---@field activated table<string, table<scion.Term, scion.Term>> what activations gave
local methods = {}

--- The term of an operation; `more`: its further fields.
local function term(self, op, of, more)
  local key = { op }
  for i, each in ipairs(of) do key[i + 1] = each.id end
  key = table.concat(key, ";")
  local known = self.known[key]
  if known then return known end
  self.count = self.count + 1
  known = { id = self.count, op = op, of = of }
  for name, value in pairs(more or {}) do known[name] = value end
  self.known[key] = known
  return known
end

local function number(x) return ("%.5g"):format(math.abs(x) < 1e-7 and 0 or x) end

-- ---- zeros around an image ------------------------------------------------------------------------------------------

local function sides_text(sides) return ("{%d, %d, %d, %d}"):format(table.unpack(sides)) end

local function each_side(a, b, change)
  local sides = {}
  for i = 1, 4 do sides[i] = change(a[i], b[i]) end
  return sides
end

local none = { 0, 0, 0, 0 }

--- A term with pixels of zeros around it, or without pixels, where the sides are below 0.
local function framed(self, x, sides)
  if not self.framed or sides_text(sides) == sides_text(none) then return x end
  local base, inner = x, none
  local function joins(i) return sides[i] <= 0 or x.frame[i] >= 0 end
  if x.frame and joins(1) and joins(2) and joins(3) and joins(4) then base, inner = x.of[1], x.frame end -- zeros do not bring back what was cut off
  sides = each_side(inner, sides, function(a, b) return a + b end)
  if sides_text(sides) == sides_text(none) then return base end
  local op = math.min(table.unpack(sides)) >= 0 and "zero_pad " .. sides_text(sides) or math.max(table.unpack(sides)) <= 0 and
    "crop " .. sides_text(each_side(none, sides, function(_, side) return -side end)) or "zero_pad and crop " .. sides_text(sides)
  return term(self, op, { base }, { frame = sides, front = base.front, positive = base.positive })
end

--- The term within a frame of zeros, and the frame; the term itself where pixels were cut off.
local function unframed(x)
  if x.frame and math.min(table.unpack(x.frame)) >= 0 then return x.of[1], x.frame end
  return x, none
end

--- The padding of a window, with a frame before it. Pixels that no window reaches are not counted.
---@param node scion.Node
---@param frame integer[]
---@return integer[]
local function padding_of(node, frame)
  local window, sizes, out = node.layer.window, node.inputs[1].shape, node.shape
  local sides = { table.unpack(frame) }
  for axis = 1, 2 do
    local extent = (window.kernel[axis] - 1) * window.dilation[axis] + 1
    local inner = sizes[axis] - frame[axis] - frame[axis + 2]
    sides[axis] = sides[axis] + window.before[axis]
    local needed = (out[axis] - 1) * window.stride[axis] + extent - inner - sides[axis]
    sides[axis + 2] = math.max(0, math.min(sides[axis + 2] + window.after[axis], needed))
  end
  return sides
end

-- ---- sums -----------------------------------------------------------------------------------------------------------

--- constant + the sum of factors[i] * of[i].
local function sum(self, constant, factors)
  local of, list, texts = {}, {}, {}
  for each, factor in pairs(factors) do
    if factor ~= 0 then of[#of + 1] = each end
  end
  table.sort(of, function(a, b) return a.id < b.id end)
  local plain = number(constant) == "0"
  for i, each in ipairs(of) do
    list[i] = factors[each]
    texts[i] = number(list[i])
    plain = plain and texts[i] == "1"
  end
  if plain and #of == 1 then return of[1] end
  if #of == 1 and of[1].frame and number(constant) == "0" then
    return framed(self, sum(self, 0, { [of[1].of[1]] = list[1] }), of[1].frame)
  end
  return term(self, plain and "add" or ("sum %s %s"):format(number(constant), table.concat(texts, " ")), of, { constant = constant, factors = list })
end

--- constant + a[1].factor * a[1].term + …, where a term may be a sum itself.
local function joined(self, constant, list)
  local factors, count = {}, 0
  local function add(each, factor)
    if not factors[each] then count = count + 1 end
    factors[each] = (factors[each] or 0) + factor
  end
  for _, item in ipairs(list) do
    local x = item.term
    if x.factors and count + #x.of <= most_joined then
      constant = constant + item.factor * x.constant
      for i, each in ipairs(x.of) do add(each, item.factor * x.factors[i]) end
    else
      add(x, item.factor)
    end
  end
  return sum(self, constant, factors)
end

--- x * scale + shift. What is done to images at the front is compared elsewhere, but for zeros around them that become other numbers.
local function rescaled(self, x, scale, shift)
  local shifts = shift ~= 0
  if type(shift) == "table" then shifts = shift[1] ~= 0 or shift[2] ~= 0 or shift[3] ~= 0 end
  if x.front then return x.frame and shifts and term(self, "rescaled border", { x }, { front = true }) or x end
  if type(scale) == "number" and type(shift) == "number" then return joined(self, shift, { { term = x, factor = scale } }) end
  local texts = {}
  for i, value in ipairs { scale, shift } do
    local list = {}
    for c, n in ipairs(type(value) == "table" and value or { value }) do list[c] = number(n) end
    texts[i] = table.concat(list, " ")
  end
  return term(self, ("rescaling %s, %s"):format(table.unpack(texts)), { x })
end

-- ---- products -------------------------------------------------------------------------------------------------------

--- Multiplies terms; numbers among the factors stand before the product.
local function product(self, list)
  local scale, of = 1, {}
  for _, x in ipairs(list) do
    if x.factors and #x.of == 1 and number(x.constant) == "0" then scale, x = scale * x.factors[1], x.of[1] end
    local parts = x.op == "multiply" and #of + #x.of <= most_joined and x.of or { x }
    table.move(parts, 1, #parts, #of + 1, of)
  end
  table.sort(of, function(a, b) return a.id < b.id end)
  return sum(self, 0, { [term(self, "multiply", of)] = scale })
end

-- ---- activations, poolings, concatenations --------------------------------------------------------------------------

local keep_zeros = { relu = true, relu6 = true, gelu = true, gelu_tanh = true, tanh = true, swish = true, hard_swish = true }
local never_below_0 = { relu = true, relu6 = true, sigmoid = true, softmax = true }
local grows = { relu = true, relu6 = true, sigmoid = true, tanh = true } -- so that the largest value stays the largest

local pooled, concatenated -- below

--- Activations that are written with others.
local written = {
  linear = function(_, x) return x end,
  hard_sigmoid = function(self, x)
    local limited = self:activation("relu6", joined(self, 3, { { term = x, factor = 1 } }))
    return joined(self, 0, { { term = limited, factor = 1 / 6 } })
  end,
  swish = function(self, x) return product(self, { x, self:activation("sigmoid", x) }) end,
  hard_swish = function(self, x) return product(self, { x, self:activation("hard_sigmoid", x) }) end,
}

local function activate(self, name, x)
  if x.frame and keep_zeros[name] then return framed(self, self:activation(name, x.of[1]), x.frame) end
  if written[name] then return written[name](self, x) end
  if name == "relu" and x.positive or x.op == "relu6" and name == "relu6" then return x end
  if x.pool and x.pool.kind == "max_pool" and grows[name] then return pooled(self, x.pool.kind, x.pool.window, self:activation(name, x.of[1])) end
  if x.op == "concatenate" and name ~= "softmax" then
    local list = {}
    for i, each in ipairs(x.of) do list[i] = self:activation(name, each) end
    return concatenated(self, list)
  end
  return term(self, name, { x }, { positive = never_below_0[name] })
end

--- An activation of a term.
---@param name string
---@param x scion.Term
---@return scion.Term
function methods:activation(name, x)
  local known = self.activated[name] or {}
  self.activated[name] = known
  known[x] = known[x] or activate(self, name, x)
  return known[x]
end

function pooled(self, kind, window, x)
  return term(self, window == "" and "global_" .. kind or ("%s %s"):format(kind, window), { x },
    { pool = { kind = kind, window = window }, positive = x.positive })
end

function concatenated(self, list)
  local of, positive = {}, true
  for _, x in ipairs(list) do
    local parts = x.op == "concatenate" and #of + #x.of <= most_joined and x.of or { x }
    table.move(parts, 1, #parts, #of + 1, of)
    positive = positive and x.positive
  end
  return term(self, "concatenate", of, { positive = positive })
end

local function pooling(self, node, x)
  local layer, window, sizes = node.layer, node.layer.window, node.inputs[1].shape
  local kind, frame = layer.kind, none
  if kind == "avg_pool" and layer.options.include_padding and layer.options.padding ~= "ceil" then
    x = framed(self, x, { window.before[1], window.before[2], window.after[1], window.after[2] })
  elseif kind == "max_pool" and x.positive then
    x, frame = unframed(x) -- zeros are as good as none beside what is not below them
  end
  local sides = padding_of(node, frame)
  if kind == "avg_pool" and layer.options.include_padding then sides = none end
  local whole = not self.framed and window.kernel[1] >= 7 or window.kernel[1] >= sizes[1] and window.kernel[2] >= sizes[2] and node.shape[1] * node.shape[2] == 1
  if whole and sides_text(sides) == sides_text(none) then return pooled(self, kind, "", x) end
  local text = ("%dx%d by %dx%d"):format(window.kernel[1], window.kernel[2], window.stride[1], window.stride[2])
  if self.framed and sides_text(sides) ~= sides_text(none) then text = text .. " with padding " .. sides_text(sides) end
  return pooled(self, kind, text, x)
end

-- ---- layers without weights -----------------------------------------------------------------------------------------

local function same(_, _, x) return x end

--- The terms of layers by their kinds, from those of their inputs.
local kinds = {
  input = function(self) return term(self, "input", {}, { front = true }) end,
  dropout = same,
  flatten = same,
  activation = same, -- it is an option of every layer
  reshape = function(self, node, x) -- a list of pixels is the image; anything else puts values elsewhere
    local from, to = node.inputs[1].shape, node.shape
    if from[#from] == to[#to] and #from ~= #to or #to == 1 then return x end
    return term(self, "reshape " .. table.concat(to, "x"), { x })
  end,
  add = function(self, _, ...)
    local list = {}
    for i, x in ipairs { ... } do list[i] = { term = x, factor = 1 } end
    return joined(self, 0, list)
  end,
  scaled_add = function(self, node, a, b) return joined(self, 0, { { term = a, factor = 1 }, { term = b, factor = node.layer.options.scale } }) end,
  multiply = function(self, _, ...) return product(self, { ... }) end,
  rescaling = function(self, node, x) return rescaled(self, x, node.layer.options.scale, node.layer.options.offset) end,
  concatenate = function(self, _, ...) return concatenated(self, { ... }) end,
  zero_pad = function(self, node, x) return framed(self, x, layers.sides(node.layer.options.padding)) end,
  crop = function(self, node, x)
    return framed(self, x, each_side(none, layers.sides(node.layer.options.border), function(_, cut) return -cut end))
  end,
  stand_in = function(self, node, x) return term(self, node.layer.options.computes, { x }, { front = x.front }) end, -- see models/from_keras
  max_pool = pooling,
  avg_pool = pooling,
  global_max_pool = function(self, _, x) return pooled(self, "max_pool", "", x) end,
  global_avg_pool = function(self, _, x) return pooled(self, "avg_pool", "", x) end,
  adaptive_avg_pool = function(self, node, x)
    local size = layers.pair(node.layer.options.size)
    if size[1] * size[2] == 1 then return pooled(self, "avg_pool", "", x) end
    return term(self, ("adaptive_avg_pool %dx%d"):format(size[1], size[2]), { x })
  end,
}

--- The term of any other layer: its kind and its options.
local function other(self, node, ...)
  local options, texts = node.layer.options, {}
  for name, value in pairs(options) do
    if name ~= "activation" then texts[#texts + 1] = ("%s = %s"):format(name, type(value) == "table" and table.concat(value, "x") or tostring(value)) end
  end
  table.sort(texts)
  return term(self, #texts == 0 and node.layer.kind or ("%s (%s)"):format(node.layer.kind, table.concat(texts, ", ")), { ... })
end

-- ---- graphs ---------------------------------------------------------------------------------------------------------

--- The terms of a graph's nodes; nil of those that depend on a layer with weights that has no number.
---@param order scion.Node[]
---@param numbers table<scion.Layer, integer> of layers with weights: layers of two graphs with the same number have the same weights
---@return table<scion.Node, scion.Term> terms
---@return table<scion.Node, scion.Term> bare the same without the layers' own activations
function methods:of(order, numbers)
  local terms, bare = {}, {}
  for _, node in ipairs(order) do
    local layer, inputs, whole = node.layer, {}, true
    for i, input in ipairs(node.inputs) do
      inputs[i] = terms[input]
      whole = whole and inputs[i] ~= nil
    end
    local pair = numbers[layer]
    if #layer.parameters > 0 then
      bare[node] = pair and term(self, "layer " .. pair, {}, { pair = pair, front = layer.kind == "normalization" and whole and inputs[1].front })
    elseif whole then
      bare[node] = (kinds[layer.kind] or other)(self, node, table.unpack(inputs))
    end
    terms[node] = bare[node] and self:activation(layer.options.activation or "linear", bare[node])
  end
  return terms, bare
end

--- What a layer's window is applied to, and its padding with that of layers before it; for a layer without a window, its input.
---@param node scion.Node
---@param x scion.Term of its input
---@return scion.Term
---@return string? padding "{top, left, bottom, right}"; nil without a window, or where frames are not looked at
function methods:window(node, x)
  if not node.layer.window or not self.framed then return x end
  local base, frame = unframed(x)
  return base, sides_text(padding_of(node, frame))
end

--- Which of `list` are not in `others`.
local function without(list, others)
  local found, rest = {}, {}
  for _, each in ipairs(others) do found[each] = true end
  for _, each in ipairs(list) do
    if not found[each] then rest[#rest + 1] = each end
  end
  return rest
end

--- Two terms of two lists that have the same operation; nil where there are none.
local function alike(list, others)
  local of = {}
  for _, b in ipairs(others) do of[b.op] = of[b.op] or b end
  for _, a in ipairs(list) do
    if of[a.op] then return a, of[a.op] end
  end
end

--- Two small parts in which two terms differ.
---@param a scion.Term
---@param b scion.Term
---@return scion.Term
---@return scion.Term
function methods.smallest(a, b)
  while a.op == b.op and #a.of == #b.of do
    local x, y = without(a.of, b.of), without(b.of, a.of)
    local c, d = alike(x, y)
    if #x == 1 and #y == 1 then c, d = x[1], y[1] end
    if not c then break end
    a, b = c, d
  end
  return a, b
end

local deepest, most_listed = 2, 4

--- A sum in words: "0.5 * a + b + 3".
local function sum_text(x, parts)
  local texts = {}
  for i, part in ipairs(parts) do
    local factor = x.factors[i] and number(x.factors[i]) or "1"
    texts[i] = factor == "1" and part or ("%s * %s"):format(factor, part)
  end
  if number(x.constant) ~= "0" then texts[#texts + 1] = number(x.constant) end
  return table.concat(texts, " + ")
end

--- A term in words: "relu(add('a', 'b'))". Deep terms are cut short.
---@param x scion.Term
---@param name fun(pair: integer): string the name of a layer with weights
---@param depth? integer
---@return string
function methods.text(x, name, depth)
  depth = depth or 0
  if x.pair then return ("'%s'"):format(name(x.pair)) end
  if #x.of == 0 then return x.op end
  if depth == deepest and not (x.factors and #x.of == 1) then return (x.factors and "add" or x.op) .. "(…)" end
  local parts = {}
  for i = 1, math.min(#x.of, most_listed) do
    parts[i] = methods.text(x.of[i], name, x.factors and not x.of[i].factors and depth or depth + 1)
  end
  if #x.of > most_listed then parts[#parts + 1] = "…" end
  if x.factors and x.op ~= "add" then return sum_text(x, parts) end
  return ("%s(%s)"):format(x.op, table.concat(parts, ", "))
end

local defined = class.define { name = "scion.Terms", title = "terms", methods = methods, fields = { "count", "known", "activated", "framed" } }

--- Terms that can be compared with each other.
---@param looks_at_frames boolean whether zeros around images are looked at: which ones a network adds may depend on the size of its images
---@return scion.Terms
return function(looks_at_frames) return defined.new { framed = looks_at_frames, known = {}, count = 0, activated = {} } end
