--- Occlusion: a grey square covers a part of a picture, each part in turns, and how far a score falls tells how much rests on that part.
local core = require "scion.core"
local interrupts = require "scion.interrupts"

local at_once = 32 -- pictures that are computed together

--- Where squares lie along an axis: f32 [squares, positions], 1 where one covers. They move by half of their side, the last one to the end.
local function places(length, side)
  local step, firsts = math.max(side // 2, 1), {}
  for first = 0, length - side, step do firsts[#firsts + 1] = first end
  if firsts[#firsts] < length - side then firsts[#firsts + 1] = length - side end
  local at = core.arange(0, length - 1):to "f32" - core.from_table(firsts, "f32"):reshape(#firsts, 1)
  return (at:ge(0):to "f32") * (at:lt(side):to "f32")
end

--- How far the score falls where each pixel is covered: the mean over the squares that cover it.
---@param picture scion.Tensor u8 [1, height, width, channels]
---@param side integer? of the square, at most the picture's shorter side (a fifth of that)
---@param score fun(pictures: scion.Tensor): scion.Tensor f32 [pictures]
---@return scion.Tensor falls f32 [height, width]
return function(picture, side, score)
  local _, height, width, channels = table.unpack(picture:shape())
  side = side or math.max(math.min(height, width) // 5, 1)
  local rows, columns = places(height, side), places(width, side)
  local pixels, whole, falls, waiting = picture:to "f32":reshape(height, width, channels), score(picture):get(1), {}, {}
  local caught <close> = interrupts.catch() -- luacheck: ignore 211
  local function flush()
    if not waiting[1] then return end
    for _, value in ipairs(score(core.stack(waiting)):totable()) do falls[#falls + 1] = whole - value end
    waiting = {}
    interrupts.check "model:explain"
  end
  for i = 1, #rows do
    for j = 1, #columns do
      local mask = rows:slice(1, i, i):copy():reshape(height, 1):matmul(columns:slice(1, j, j)):reshape(height, width, 1)
      waiting[#waiting + 1] = (pixels * (1 - mask) + mask * 128):to "u8"
      if #waiting == at_once then flush() end
    end
  end
  flush()
  local sums = rows:transpose():matmul(core.from_table(falls, "f32"):reshape(#rows, #columns)):matmul(columns)
  return sums / (rows:sum(1):reshape(height, 1) * columns:sum(1):reshape(1, width))
end
