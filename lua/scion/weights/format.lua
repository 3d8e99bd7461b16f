--- Tells the format of a weights file by its first bytes. Common files that hold no weights are told, too, for a helpful message: see
--- foreign.lua.
local check = require "scion.check"
local core = require "scion.core"
local lfs = require "lfs"
local paths = require "scion.data.paths"

local format = {}

local longest_magic = 512 -- bytes: a tar archive has its mark after 257 bytes

local function refuse(path, what, remedy) check.raise(("%s: this is %s, not a file of weights; %s"):format(path, what, remedy)) end

--- The `format` in the metadata of a checkpoint of a fit.
format.of_checkpoints = "scion-run"

--- Raises where a safetensors file is a checkpoint of a fit: its weights are those of the middle of a run, without the network.
---@param path string
---@param metadata table<string, string>
function format.refuse_checkpoint(path, metadata)
  if metadata.format == format.of_checkpoints then
    refuse(path, "a checkpoint of a fit", ("the same call of model:fit, with resume = %s, goes on from it; model:save then writes the model"):format(check.show(path)))
  end
end

local kinds_of_file = { ["named pipe"] = "a named pipe", ["char device"] = "a device", ["block device"] = "a device", socket = "a socket" }

--- Raises at folders, pipes and devices. A pipe must not even be opened: that would wait for its writer.
local function check_mode(path)
  local mode = lfs.attributes(path, "mode")
  if mode == "directory" and lfs.attributes(path .. "/saved_model.pb", "mode") then
    refuse(path, "the folder of a TensorFlow SavedModel", require("scion.weights.foreign").in_keras)
  elseif mode == "directory" then
    refuse(path, "a folder", "give one of the files in it")
  elseif kinds_of_file[mode] then
    refuse(path, kinds_of_file[mode], "copy what comes out of it to a file")
  end
end

--- Raises where the first bytes or the name are those of a known kind of file without weights.
local function check_foreign(path, head)
  if head == "" then refuse(path, "an empty file", "download or copy it again") end
  local low = head:gsub("^\239\187\191", ""):lower() -- without the byte order mark that Windows puts before UTF-8
  for _, known in ipairs(require("scion.weights.foreign").files) do
    if (not known.starts or low:find(known.starts)) and (not known.ends or path:find(known.ends)) then refuse(path, known.what, known.remedy) end
  end
end

local no_path = "; weights = \"imagenet\" is for scion.models, which know where theirs are published: scion.models.resnet50{ weights = \"imagenet\" }; here the path of " ..
  "a file is needed"

--- The format of a file. Raises, with the path, where there is no regular file and where it is no file of weights. A safetensors file
--- begins with the length of its header in eight bytes, of which the upper four are always 0, and then "{".
---@param path string
---@return "hdf5"|"zip"|"pickle"|"safetensors" format
function format.of(path)
  check_mode(path)
  local head, message = core.read_head(path, longest_magic)
  if not head then check.raise(message .. (path == "imagenet" and no_path or paths.home_hint(path))) end
  if head:sub(1, 4) == "\137HDF" then return "hdf5" end
  if head:sub(1, 4) == "PK\3\4" then return "zip" end
  if head:sub(5, 9) == "\0\0\0\0{" then return "safetensors" end
  -- 0x80 is PROTO. 0x95 is FRAME, whose length may make bytes 5 to 8 zero, as in a safetensors file.
  if head:byte() == 0x80 and (head:sub(5, 8) ~= "\0\0\0\0" or head:byte(3) == 0x95) then return "pickle" end
  if head:find "^L%d+L\n%." then return "pickle" end -- a long number, with which torch.save began before 1.6, in protocol 0 or 1
  if path:find "%.index%.json$" and head:find "^%s*{" then return "safetensors" end -- an index, whose parts lie beside it
  check_foreign(path, head)
  if head:sub(5, 8) == "\0\0\0\0" then return "safetensors" end
  check.raise(path .. ": not a file of weights that is known; Scion reads Keras's .h5 and .keras, PyTorch's .pth, and safetensors")
end

return format
