-- Draws two sets of pictures: lua5.4 draw_shapes.lua FOLDER
--   FOLDER/source/train            many shapes of eight kinds, as JPEG: what a network is pretrained on
--   FOLDER/target/{train,test}     five other kinds, few to train on, as PNG: what it is fine-tuned for
-- Every shape has a random place, size, turn and colours, on a background of stripes and noise.
local scion = require "scion"
local lfs = require "lfs"

local size = 40
local abs, sqrt, sin, cos, pi, random = math.abs, math.sqrt, math.sin, math.cos, math.pi, math.random

-- whether the point (x, y) lies in the shape, which reaches from -1 to 1
local source = {
  disc = function(x, y) return x * x + y * y < 0.8 end,
  ring = function(x, y) local r = sqrt(x * x + y * y); return r < 1 and r > 0.6 end,
  square = function(x, y) return abs(x) < 0.75 and abs(y) < 0.75 end,
  frame = function(x, y) local m = math.max(abs(x), abs(y)); return m < 0.85 and m > 0.5 end,
  triangle = function(x, y) return y < 0.6 and y > 1.7 * abs(x) - 1 end,
  plus = function(x, y) return math.min(abs(x), abs(y)) < 0.28 and math.max(abs(x), abs(y)) < 1 end,
  bar = function(x, y) return abs(x) < 0.25 and abs(y) < 1 end,
  half = function(x, y) return x * x + y * y < 1 and y > 0.1 end,
}
local function star(points, depth)
  return function(x, y) return sqrt(x * x + y * y) < 1 - depth + depth * cos(points * math.atan(y, x)) end
end
local target = {
  star = star(5, 0.35),
  flower = star(3, 0.4),
  tee = function(x, y) return (abs(x) < 0.9 and y < -0.4 and y > -0.9) or (abs(x) < 0.25 and y > -0.5 and y < 0.9) end,
  corner = function(x, y) return math.max(abs(x), abs(y)) < 0.9 and (x < -0.4 or y > 0.4) end,
  moon = function(x, y) return x * x + y * y < 1 and (x - 0.5) ^ 2 + y * y > 0.6 end,
}

local function draw(inside, path)
  local turn, radius = random() * 2 * pi, size * (0.22 + 0.16 * random())
  local cx, cy = radius + random() * (size - 2 * radius), radius + random() * (size - 2 * radius)
  local front, back = {}, {}
  for c = 1, 3 do front[c], back[c] = random(0, 255), random(0, 255) end
  local dim = random(1, 3) -- one channel always tells the shape from the ground
  front[dim] = (back[dim] + random(80, 175)) % 256
  local wave, slope, rows = random() * 40, random() * 6, {}
  for i = 1, size do
    rows[i] = {}
    for j = 1, size do
      local dx, dy = (j - cx) / radius, (i - cy) / radius
      local shape = inside(dx * cos(turn) - dy * sin(turn), dx * sin(turn) + dy * cos(turn))
      local light, pixel = shape and 0 or wave * sin(slope + 0.4 * (i + slope * j)), {}
      for c = 1, 3 do pixel[c] = (shape and front or back)[c] + light + random(-25, 25) end
      rows[i][j] = pixel
    end
  end
  assert(scion.image.save(path, scion.tensor(rows, "f32"):clamp(0, 255):to "u8"))
end

local function set(folder, shapes, count, extension)
  lfs.mkdir(folder)
  local names = {}
  for name in pairs(shapes) do names[#names + 1] = name end
  table.sort(names)
  for _, name in ipairs(names) do
    lfs.mkdir(folder .. "/" .. name)
    for i = 1, count do draw(shapes[name], ("%s/%s/%03d.%s"):format(folder, name, i, extension)) end
  end
end

math.randomseed(tonumber(arg[2]) or 1)
for _, folder in ipairs { "", "/source", "/target" } do lfs.mkdir(arg[1] .. folder) end
set(arg[1] .. "/source/train", source, 200, "jpg")
set(arg[1] .. "/target/train", target, 8, "png")
set(arg[1] .. "/target/test", target, 40, "png")
