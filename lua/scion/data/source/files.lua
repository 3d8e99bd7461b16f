--- A list of image files.
local check = require "scion.check"
local dataset = require "scion.data.dataset"

local paths = check.list(check.path, nil, "a list of paths")
local files_options = dataset.options { "augment", "workers", "max_pixels", "truncated", "background",
                                        size = { 224, 224 }, batch = 32, shuffle = false, seed = 0, memory = 0, reducing_gap = 2 }

--- A data set of image files, in their order and without labels. It does not warn of files that cannot be read: the fourth result of
--- data:batches has them.
---@param list string[] paths
---@param given? scion.FilesOptions
---@return scion.Dataset
---Raises if the list is not one of paths, and on unknown options and invalid values.
return function(list, given)
  local where = "scion.data.files"
  list = check.argument(where, "the first argument", list, paths)
  return dataset.new({ files = list, quiet = true }, check.options(where, given, files_options))
end
