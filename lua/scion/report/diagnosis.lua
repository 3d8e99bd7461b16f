--- The doctor's findings as text: each with a few examples and what to do.
local accents = require "scion.data.accents"
local check = require "scion.check"
local findings = require "scion.data.findings"
local text = require "scion.report.text"

local most_shown = 3 -- examples of a finding
local most_classes = 20 -- in the first lines

local function counted(n, one, several) return ("%s %s"):format(text.grouped(n), n == 1 and one or several or one .. "s") end

--- Names in quotes, since blanks at an end cannot be seen.
local function quoted(names)
  local list = {}
  for i, name in ipairs(names) do list[i] = check.show(name) .. (accents.apart(name) and " (accents as characters of their own)" or "") end
  return table.concat(list, " and ")
end

local function files(name, title, advice)
  return { name = name, title = title, line = function(file, short) return short(file) end, advice = advice }
end

local function group_line(group, short)
  local shown = {}
  for i = 1, math.min(#group.files, most_shown) do shown[i] = short(group.files[i]) end
  if #group.files > most_shown then shown[#shown + 1] = ("%s more"):format(text.grouped(#group.files - most_shown)) end
  return table.concat(shown, group.exact and " = " or " looks like ")
end

-- Broken files by what is wrong with them, the most frequent first.
local function by_message(list)
  local kinds, of = {}, {}
  for _, e in ipairs(list) do
    local kind = of[e.message] or { file = e.file, message = e.message, count = 0, place = #kinds + 1 }
    of[e.message], kinds[kind.place], kind.count = kind, kind, kind.count + 1
  end
  table.sort(kinds, function(a, b)
    if a.count ~= b.count then return a.count > b.count end
    return a.place < b.place
  end)
  return kinds
end

local function broken_line(kind, short)
  return ("%s%s: %s"):format(short(kind.file), kind.count > 1 and (" and %s more"):format(text.grouped(kind.count - 1)) or "", kind.message)
end

--- How a finding reads: title(list); line(entry, short), where short shortens a path; advice; name, for "nothing to tell of"; merged:
--- what is shown in place of the list, entries that stand for several of its elements each, as many as `count` says.
local say = {
  broken = { name = "broken files", merged = by_message, line = broken_line, advice = "They are left out; mend or remove them.",
             title = function(list) return counted(#list, "file") .. " cannot be read" end },
  passed_over = { name = "files passed over", line = function(e, short) return short(e.file) .. ": " .. e.reason end, advice = "They are not part of the data set.",
                  title = function(list) return counted(#list, "file") .. (#list == 1 and " was" or " were") .. " passed over" end },
  copies = { name = "exact copies", line = group_line, advice = "They count twice; where they fall into training and validation both, accuracy is too high.",
             title = function(list) return counted(#list, "group") .. " of exact copies" end },
  alike = { name = "near copies", line = group_line, advice = "Look at them: what shows one scene belongs on one side of a split.",
            title = function(list) return counted(#list, "group") .. " of images that look the same" end },
  two_classes = { name = "one image in two classes", advice = "One of the labels is wrong, where they show the same thing.",
                  line = function(e, short) return group_line(e, short) .. " (" .. table.concat(e.labels, ", ") .. ")" end,
                  title = function(list) return counted(#list, "image is", "images are") .. " in more than one class" end },
  leaks = { name = "images in two sets", advice = "What a model has learned by heart measures nothing: take them out of one of the sets.",
            line = function(e, short)
              local function of(file, set) return short(file) .. (set and (" (%s)"):format(set) or "") end
              return ("%s %s %s"):format(of(e.file, e.set), e.exact and "=" or "looks like", of(e.copy_of, e.of_set))
            end,
            title = function(list) return counted(#list, "image is", "images are") .. " in two sets" end },
  small = { name = "images too small", advice = "They are enlarged, and blurred by that.",
            line = function(e, short) return ("%s: %dx%d"):format(short(e.file), e.height, e.width) end,
            title = function(list) return counted(#list, "image is", "images are") .. " smaller than the data set's size" end },
  misnamed = { name = "wrong extensions", advice = "Content decides, so Scion reads them; other programs may not.",
               line = function(e, short) return ("%s holds a %s image"):format(short(e.file), e.format:upper()) end,
               title = function(list) return counted(#list, "file is", "files are") .. " of another format than the name says" end },
  similar_names = { name = "similar class names", line = function(e) return quoted(e.labels) end, advice = "If they mean the same, make them one.",
                    title = function(list) return counted(#list, "group") .. " of class names that are nearly the same" end },
  few = { name = "small classes", line = function(e) return ("%s: %d"):format(e.label, e.images) end, advice = "So few teach little, and measure nothing: find more.",
          title = function(list) return counted(#list, "class has", "classes have") .. " fewer than " .. findings.least_images .. " images" end },
  imbalance = { name = "imbalance", advice = "class_weights = \"balanced\", an option of fit, evens it out; look at recall by class, not at accuracy alone.",
                line = function(e)
                  return ("%s %s, %s %s"):format(e.most.label, text.grouped(e.most.images), e.least.label, text.grouped(e.least.images))
                end,
                title = function(list) return ("the largest class has %.3g times the images of the smallest"):format(
                  list[1].most.images / math.max(list[1].least.images, 1)) end },
  blank = files("blank images", function(list) return counted(#list, "image is", "images are") .. " of one colour all over" end, "They teach nothing."),
  grey = files("grey images among coloured ones", function(list) return counted(#list, "image is", "images are") .. " grey, the others coloured" end,
               "Where most of them are in one class, a model learns that, and not the thing."),
  deep = files("grey images of 16 bits", function(list) return counted(#list, "image has", "images have") .. " 16 bits of grey" end,
               "They are cut off at 255, as Pillow does, so most of them turn white: divide by 256 and save them with 8 bits."),
  cmyk = files("CMYK images", function(list) return counted(#list, "image is", "images are") .. " in four inks (CMYK)" end,
               "Their colours are an estimate: other programs show them otherwise."),
  transparent = files("transparency", function(list) return counted(#list, "image hides", "images hide") .. " colours beneath transparent pixels" end,
                      "Opacity is dropped, and they show: background = \"white\", an option of data sets, lays the pictures upon white."),
  turned = files("images turned by EXIF", function(list) return counted(#list, "image is", "images are") .. " turned upright by EXIF data" end,
                 "Scion does that; a program that does not would train on them lying."),
}

-- the worst first
local order = { "broken", "two_classes", "leaks", "copies", "alike", "few", "similar_names", "imbalance", "blank", "misnamed", "passed_over", "small", "deep", "grey", "cmyk",
                "transparent", "turned" }

local function add(shown, line, margin)
  for _, part in ipairs(text.wrap(margin .. check.escape(line), text.width(), #margin + 2)) do shown[#shown + 1] = part end
end

local function head(self, shown)
  local parts = { counted(self.images, "image"), text.bytes(self.bytes) }
  for i, set in ipairs(self.against) do
    local name = (i == 1 and "against " or "and ") .. (set.name and set.name .. ": " or "")
    parts[#parts + 1] = name .. counted(set.images, "image") .. ", " .. text.bytes(set.bytes)
  end
  if self.folder ~= "" then parts[#parts + 1] = "in " .. self.folder end
  add(shown, table.concat(parts, ", "), "")
  local classes, count = {}, #self.classes
  for i = 1, math.min(count, most_classes) do classes[i] = ("%s %s"):format(self.classes[i].label, text.grouped(self.classes[i].images)) end
  if count > most_classes then classes[#classes + 1] = ("and %s more (.classes)"):format(text.grouped(count - most_classes)) end
  if classes[1] then add(shown, ("%s: %s"):format(counted(count, "class", "classes"), table.concat(classes, ", ")), "") end
end

--- The lines of a diagnosis.
---@param self scion.Diagnosis
return function(self)
  local shown, clean = {}, {}
  local function short(file) return file:sub(1, #self.folder) == self.folder and file:sub(#self.folder + 1) or file end
  head(self, shown)
  for _, field in ipairs(order) do
    local list, words = self[field], say[field]
    if #list == 0 then clean[#clean + 1] = words.name end
    if #list > 0 then
      shown[#shown + 1] = ""
      add(shown, ("%s (.%s):"):format(words.title(list), field), "")
      local entries, left = words.merged and words.merged(list) or list, #list
      for i = 1, math.min(#entries, most_shown) do
        add(shown, words.line(entries[i], short), "  ")
        left = left - (words.merged and entries[i].count or 1)
      end
      if left > 0 then add(shown, ("and %s more"):format(text.grouped(left)), "  ") end
      add(shown, words.advice, "  ")
    end
  end
  shown[#shown + 1] = ""
  if clean[1] then add(shown, "nothing to tell of " .. table.concat(clean, ", "), "") end
  return shown
end
