--- Names with and without their accents. Unicode writes é in two ways that look alike: as one character, or, as on macOS, as e and an accent.
local accents = {}

-- By the accent: each letter that has it, and what is left of that without it, perhaps with another accent. These are Unicode's canonical
-- decompositions of Latin letters.
local letters = {
  ["\u{300}"] = "ÀAÈEÌIÒOÙUàaèeìiòoùuǛÜǜüǸNǹnḔĒḕēṐŌṑōẀWẁwẦÂầâẰĂằăỀÊềêỒÔồôỜƠờơỪƯừưỲYỳy", -- grave
  ["\u{301}"] = "ÁAÉEÍIÓOÚUÝYáaéeíióoúuýyĆCćcĹLĺlŃNńnŔRŕrŚSśsŹZźzǗÜǘüǴGǵgǺÅǻåḈÇḉçḖĒḗēḮÏḯïḰKḱkḾMḿmṌÕṍõṒŌṓōṔPṕpṸŨṹũẂWẃwẤÂấâẮĂắăẾÊếêỐÔốôỚƠớơỨƯứư", -- acute
  ["\u{302}"] = "ÂAÊEÎIÔOÛUâaêeîiôoûuĈCĉcĜGĝgĤHĥhĴJĵjŜSŝsŴWŵwŶYŷyẐZẑzẬẠậạỆẸệẹỘỌộọ", -- circumflex
  ["\u{303}"] = "ÃAÑNÕOãañnõoĨIĩiŨUũuṼVṽvẪÂẫâẴĂẵăẼEẽeỄÊễêỖÔỗôỠƠỡơỮƯữưỸYỹy", -- tilde
  ["\u{304}"] = "ĀAāaĒEēeĪIīiŌOōoŪUūuǕÜǖüǞÄǟäǠȦǡȧǬǪǭǫȪÖȫöȬÕȭõȰȮȱȯȲYȳyḠGḡgḸḶḹḷṜṚṝṛ", -- macron
  ["\u{306}"] = "ĂAăaĔEĕeĞGğgĬIĭiŎOŏoŬUŭuḜȨḝȩẶẠặạ", -- breve
  ["\u{307}"] = "ĊCċcĖEėeĠGġgİIŻZżzȦAȧaȮOȯoḂBḃbḊDḋdḞFḟfḢHḣhṀMṁmṄNṅnṖPṗpṘRṙrṠSṡsṤŚṥśṦŠṧšṨṢṩṣṪTṫtẆWẇwẊXẋxẎYẏy", -- dot above
  ["\u{308}"] = "ÄAËEÏIÖOÜUäaëeïiöoüuÿyŸYḦHḧhṎÕṏõṺŪṻūẄWẅwẌXẍxẗt", -- diaeresis
  ["\u{309}"] = "ẢAảaẨÂẩâẲĂẳăẺEẻeỂÊểêỈIỉiỎOỏoỔÔổôỞƠởơỦUủuỬƯửưỶYỷy", -- hook
  ["\u{30a}"] = "ÅAåaŮUůuẘwẙy", -- ring
  ["\u{30b}"] = "ŐOőoŰUűu", -- double acute
  ["\u{30c}"] = "ČCčcĎDďdĚEěeĽLľlŇNňnŘRřrŠSšsŤTťtŽZžzǍAǎaǏIǐiǑOǒoǓUǔuǙÜǚüǦGǧgǨKǩkǰjȞHȟh", -- caron
  ["\u{31b}"] = "ƠOơoƯUưu", -- horn
  ["\u{323}"] = "ḄBḅbḌDḍdḤHḥhḲKḳkḶLḷlṂMṃmṆNṇnṚRṛrṢSṣsṬTṭtṾVṿvẈWẉwẒZẓzẠAạaẸEẹeỊIịiỌOọoỢƠợơỤUụuỰƯựưỴYỵy", -- dot below
  ["\u{326}"] = "ȘSșsȚTțt", -- comma below
  ["\u{327}"] = "ÇCçcĢGģgĶKķkĻLļlŅNņnŖRŗrŞSşsŢTţtȨEȩeḐDḑdḨHḩh", -- cedilla
  ["\u{328}"] = "ĄAąaĘEęeĮIįiŲUųuǪOǫo", -- ogonek
}

local apart, plain = {}, {} -- by the letter: as a letter and its accents, and without them in lower case
for accent, list in pairs(letters) do
  for with, without in list:gmatch("(" .. utf8.charpattern .. ")(" .. utf8.charpattern .. ")") do apart[with] = without .. accent end
end
for with in pairs(apart) do
  local written = apart[with]
  while #written > 0 and written:byte() >= 0x80 do written = written:gsub("^" .. utf8.charpattern, apart) end
  apart[with], plain[with] = written, written:sub(1, 1):lower()
end

local combining = "\xcc[\x80-\xbf]" -- U+0300 to U+033F, which those that are written apart are among
local beyond_ascii = "[\xc2-\xf4][\x80-\xbf]+"

--- The name in lower case, as far as it is Latin, and without accents.
---@param name string
---@return string
function accents.without(name) return (name:gsub(combining, ""):gsub(beyond_ascii, plain):lower()) end

--- The name with each accent as a character of its own, behind its letter.
---@param name string
---@return string
function accents.written_apart(name) return (name:gsub(beyond_ascii, apart)) end

--- Whether a name has accents that are characters of their own.
---@param name string
---@return boolean
function accents.apart(name) return name:find(combining) ~= nil end

return accents
