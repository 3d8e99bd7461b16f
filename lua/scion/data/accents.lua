--- Names without their accents. Unicode writes é in two ways that look alike: as one character, or, as on macOS, as e and an accent.
local accents = {}

local letters = {
  a = "àáâãäåāăąÀÁÂÃÄÅĀĂĄ", c = "çćĉċčÇĆĈĊČ", d = "ďĎ", e = "èéêëēĕėęěÈÉÊËĒĔĖĘĚ", g = "ĝğġģĜĞĠĢ", h = "ĥĤ", i = "ìíîïĩīĭįÌÍÎÏĨĪĬĮİ", j = "ĵĴ", k = "ķĶ",
  l = "ĺļľĹĻĽ", n = "ñńņňÑŃŅŇ", o = "òóôõöōŏőÒÓÔÕÖŌŎŐ", r = "ŕŗřŔŖŘ", s = "śŝşšŚŜŞŠ", t = "ţťŢŤ", u = "ùúûüũūŭůűųÙÚÛÜŨŪŬŮŰŲ", w = "ŵŴ", y = "ýÿŷÝŶŸ", z = "źżžŹŻŽ",
}

local plain = {}
for letter, list in pairs(letters) do
  for _, code in utf8.codes(list) do plain[utf8.char(code)] = letter end
end

local combining = "\xcc[\x80-\xbf]" -- U+0300 to U+033F, which those that are written apart are among

--- The name in lower case, as far as it is Latin, and without accents.
---@param name string
---@return string
function accents.without(name) return (name:gsub(combining, ""):gsub("[\xc3-\xc5][\x80-\xbf]", plain):lower()) end

--- Whether a name has accents that are characters of their own.
---@param name string
---@return boolean
function accents.apart(name) return name:find(combining) ~= nil end

return accents
