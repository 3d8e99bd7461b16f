-- Draws two sets of pictures: lua5.4 draw_shapes.lua FOLDER [SEED]
--   FOLDER/source/train            many shapes of eight kinds, as JPEG: what a network is pretrained on
--   FOLDER/target/{train,test}     five other kinds, few to train on, as PNG: what it is fine-tuned for
-- Every shape has a random place, size, turn and colours, on a background of stripes and noise.
local scion = require "scion"
local lfs = require "lfs"

local size = 32
local abs, max, min, sin, cos, pi, random = math.abs, math.max, math.min, math.sin, math.cos, math.pi, math.random

-- Each kind: a name, and a function that tells whether the point (x, y) lies in the shape, for coordinates from -1 to 1 (y points down).
local source = {
  { "bar", function(x, y) return abs(x) < 0.25 and abs(y) < 1 end },
  { "disc", function(x, y) return x * x + y * y < 0.8 end },
  { "frame", function(x, y) return max(abs(x), abs(y)) < 0.85 and max(abs(x), abs(y)) > 0.5 end },
  { "half", function(x, y) return x * x + y * y < 1 and y > 0.1 end },
  { "plus", function(x, y) return min(abs(x), abs(y)) < 0.28 and max(abs(x), abs(y)) < 1 end },
  { "ring", function(x, y) return x * x + y * y < 1 and x * x + y * y > 0.4 end },
  { "square", function(x, y) return abs(x) < 0.75 and abs(y) < 0.75 end },
  { "triangle", function(x, y) return y < 0.6 and y > 1.7 * abs(x) - 1 end },
}
local target = {
  { "corner", function(x, y) return max(abs(x), abs(y)) < 0.9 and (x < -0.4 or y > 0.4) end },
  { "flower", function(x, y) return x * x + y * y < (0.6 + 0.4 * cos(3 * math.atan(y, x))) ^ 2 end },
  { "moon", function(x, y) return x * x + y * y < 1 and (x - 0.5) ^ 2 + y * y > 0.6 end },
  { "star", function(x, y) return x * x + y * y < (0.65 + 0.35 * cos(5 * math.atan(y, x))) ^ 2 end },
  { "tee", function(x, y) return (abs(x) < 0.9 and abs(y + 0.65) < 0.25) or (abs(x) < 0.25 and abs(y - 0.2) < 0.7) end },
}

local function draw(inside, path)
  local turn, radius = random() * 2 * pi, size * (0.26 + 0.16 * random())
  local cx, cy = radius + random() * (size - 2 * radius), radius + random() * (size - 2 * radius)
  local front, back = {}, {}
  for c = 1, 3 do front[c], back[c] = random(0, 255), random(0, 255) end
  front[1] = (back[1] + random(80, 175)) % 256 -- so that the shape always stands out from the background in one channel
  local wave, slope, rows = random() * 25, random() * 6, {}
  for i = 1, size do
    rows[i] = {}
    for j = 1, size do
      local dx, dy = (j - cx) / radius, (i - cy) / radius
      local shape = inside(dx * cos(turn) - dy * sin(turn), dx * sin(turn) + dy * cos(turn))
      local light, pixel = shape and 0 or wave * sin(slope + 0.4 * (i + slope * j)), {}
      for c = 1, 3 do pixel[c] = (shape and front or back)[c] + light + random(-15, 15) end
      rows[i][j] = pixel
    end
  end
  assert(scion.image.save(path, scion.tensor(rows, "f32"):clamp(0, 255):to "u8"))
end

math.randomseed(tonumber(arg[2]) or 1)
for _, folder in ipairs { "", "/source", "/target" } do lfs.mkdir(arg[1] .. folder) end
local sets = { { "/source/train", source, 200, "jpg" }, { "/target/train", target, 8, "png" }, { "/target/test", target, 40, "png" } }
for _, set in ipairs(sets) do
  local folder, kinds, count, extension = arg[1] .. set[1], table.unpack(set, 2)
  lfs.mkdir(folder)
  for _, kind in ipairs(kinds) do
    lfs.mkdir(folder .. "/" .. kind[1])
    for i = 1, count do draw(kind[2], ("%s/%s/%03d.%s"):format(folder, kind[1], i, extension)) end
  end
end
