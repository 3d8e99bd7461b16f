-- How accurate saved models were on the validation set after each epoch, as a picture: lua5.4 curves.lua PICTURE MODEL..
-- PICTURE is the .png or .jpg that is written; each MODEL was fitted with validate = and saved. examples/transfer.png shows what make demo
-- leaves: lua5.4 .make/curves.lua examples/transfer.png build/demo/grafted.safetensors "build/demo/from scratch.safetensors"
local scion = require "scion"

local picture = arg[1]
if not arg[2] then
  print "usage: curves.lua PICTURE MODEL.."
  os.exit(2)
end

-- letters of 5 columns and 7 rows, two digits a column; a bit is a point, the lowest at the top
local font = {}
for letter, columns in ([[a2054545478 b7F48444438 c3844444420 d384444487F e3854545418 f087E090102 g0C5252523E h7F08040478 i00447D4000
  j2040443D00 k7F10284400 l00417F4000 m7C04180478 n7C08040478 o3844444438 p7C14141408 q081414187C r7C08040408 s4854545420 t043F444020
  u3C4040207C v1C2040201C w3C4030403C x4428102844 y0C5050503C z4464544C44 03E5149453E 100427F4000 24261514946 32141454B31 41814127F10
  52745454539 63C4A494930 70171090503 83649494936 9064949291E %2313086462]]):gmatch "([%w%%])(%x%x%x%x%x%x%x%x%x%x)" do
  font[letter] = columns
end

local width, height, left, right, top, bottom = 760, 320, 70, 190, 20, 50
local colours = { { 0, 125, 50 }, { 200, 60, 40 }, { 40, 90, 200 }, { 150, 90, 170 } }
local grey, pale = { 90, 90, 90 }, { 225, 225, 225 }
local sheet = {}
for y = 1, height do
  sheet[y] = {}
  for x = 1, width do sheet[y][x] = { 255, 255, 255 } end
end

local function write(text, x, y, colour) -- from x on, its middle at y; twice the size of the font
  for i = 1, #text do
    local columns = font[text:sub(i, i):lower()] or ("00"):rep(5)
    for bit = 0, 10 * 14 - 1 do
      local dx, dy = bit % 10, bit // 10
      if tonumber(columns:sub(dx // 2 * 2 + 1, dx // 2 * 2 + 2), 16) >> dy // 2 & 1 == 1 then sheet[y - 7 + dy][x + (i - 1) * 12 + dx] = colour end
    end
  end
end

local function stroke(x0, y0, x1, y1, colour, thick)
  local steps = math.max(math.abs(x1 - x0), math.abs(y1 - y0), 1)
  for i = 0, steps do
    local x, y = math.floor(x0 + (x1 - x0) * i / steps + 0.5), math.floor(y0 + (y1 - y0) * i / steps + 0.5)
    for d = 0, thick * thick - 1 do sheet[y + d // thick][x + d % thick] = colour end
  end
end

local models, epochs = {}, 1
for i = 2, #arg do
  models[i - 1] = scion.load(arg[i])
  epochs = math.max(epochs, models[i - 1].epoch)
end
local function place(epoch, accuracy) -- in the picture
  return left + (width - left - right) * (epoch - 1) // math.max(epochs - 1, 1), math.floor(height - bottom - (height - top - bottom) * accuracy)
end
for percent = 0, 100, 25 do
  local x, y = place(1, percent / 100)
  stroke(x, y, width - right, y, pale, 1)
  write(("%3d%%"):format(percent), x - 56, y, grey)
end
write(("epoch 1 to %d"):format(epochs), left, height - 20, grey)
for m, model in ipairs(models) do
  local x, y
  for _, entry in ipairs(model.history) do
    if entry.val_accuracy then
      local next_x, next_y = place(entry.epoch, entry.val_accuracy)
      stroke(x or next_x, y or next_y, next_x, next_y, colours[(m - 1) % #colours + 1], 3)
      x, y = next_x, next_y
    end
  end
  if x then write(arg[m + 1]:match "([^/]*)%.[^.]*$", x + 12, y, colours[(m - 1) % #colours + 1]) end
end
assert(scion.image.save(picture, scion.tensor(sheet, "u8")))
print("drawn: " .. picture)
