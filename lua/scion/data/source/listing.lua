--- The images in a folder and in all folders below it, and what else lies there.
local core = require "scion.core"
local lfs = require "lfs"

local listing = {}

---@class scion.Problem
---@field file? string nil for an example in memory, and for a class
---@field label? string a class of which no example can be read
---@field reason string why the file is not among the images, or could not be read; or what this means for the class

local endings = { jpg = true, jpeg = true, jpe = true, jfif = true, png = true, webp = true, gif = true }

--- The endings of names, for messages.
listing.endings = ".jpg, .jpeg, .jpe, .jfif, .png, .webp or .gif"

local function ending_of(name) return name:match "%.([^./]*)$" end

--- Whether a name has the ending of an image that is read; what the file holds shows when it is read.
---@param name string
---@return boolean
function listing.is_image(name)
  local ending = ending_of(name)
  return ending ~= nil and endings[ending:lower()] ~= nil
end

--- Why a file is none of the images: "." and its ending, or in words.
---@param name string
---@param dangling boolean? whether it is a link to nothing
---@return string
function listing.reason(name, dangling)
  local ending = ending_of(name)
  return dangling and "linking to nothing" or ending and "." .. ending:lower() or "without an ending"
end

local of_systems = { ["__MACOSX"] = true, ["@eaDir"] = true, ["$RECYCLE.BIN"] = true, ["System Volume Information"] = true, ["lost+found"] = true }

--- Why a folder is none of pictures: systems make some for themselves, such as those of small copies of all pictures around. nil for others.
---@param name string
---@return string? reason
function listing.of_system(name) return of_systems[name] and "made by the system" or nil end

--- Which folder this is, by whatever path it was reached; nil if there is none.
---@param path string
---@return string?
function listing.identity(path)
  local device = lfs.attributes(path, "dev")
  return device and ("%s:%s"):format(device, lfs.attributes(path, "ino"))
end

-- Goes down into a folder, whose path ends in "/".
local function walk(self, path)
  local names, links = core.list_folder(path)
  if not names then return nil, links end
  local files, problems = self.files, self.problems
  for _, name in ipairs(names) do
    local file = path .. name
    if name:sub(-1) ~= "/" then
      if listing.is_image(name) then
        files[#files + 1] = file
      else
        problems[#problems + 1] = { file = file, reason = listing.reason(name, links[name]) }
      end
    elseif listing.of_system(name:sub(1, -2)) then
      problems[#problems + 1] = { file = file:sub(1, -2), reason = listing.of_system(name:sub(1, -2)) }
    elseif links[name] and not self.follow then
      problems[#problems + 1] = { file = file:sub(1, -2), reason = "linking to a folder" }
    else
      local known = self.follow and listing.identity(file)
      if known and self.seen[known] then
        problems[#problems + 1] = { file = file:sub(1, -2), reason = "linking to a folder that is read already" }
      else
        if known then self.seen[known] = true end
        local good, message = walk(self, file)
        if not good then return nil, message end
      end
    end
  end
  return true
end

--- Adds the images in a folder, at any depth, to the list `files`, in the order of their paths' bytes. What else lies there goes into the
--- list `problems`; hidden files are ignored.
---@param path string
---@param into { files: string[], problems: scion.Problem[] }
---@param follow boolean whether links to folders are followed, to each folder once
---@param seen? table<string, boolean> identities of folders to which no link is followed; those that are read are added
---@return true? found nil if a folder cannot be read
---@return string? message
function listing.collect(path, into, follow, seen)
  local self = { files = into.files, problems = into.problems, follow = follow, seen = seen or {} }
  if follow then self.seen[listing.identity(path) or ""] = true end
  return walk(self, path .. "/")
end

--- What was passed over, counted: "12 .heic, 3 .bmp, 1 linking to a folder".
---@param problems scion.Problem[]
---@param from integer? the first that counts (1)
---@return string
function listing.counted(problems, from)
  local count, reasons = {}, {}
  for i = from or 1, #problems do
    local reason = problems[i].reason
    if not count[reason] then reasons[#reasons + 1] = reason end
    count[reason] = (count[reason] or 0) + 1
  end
  table.sort(reasons, function(a, b)
    if count[a] ~= count[b] then return count[a] > count[b] end
    return core.byte_less(a, b)
  end)
  for i, reason in ipairs(reasons) do reasons[i] = ("%d %s"):format(count[reason], reason) end
  return table.concat(reasons, ", ")
end

return listing
