--- What the sources share that list image files and their labels one by one.
local check = require "scion.check"
local dataset = require "scion.data.dataset"
local labels_of = require "scion.data.labels"

local listed = {}

local schema = dataset.options { "augment", "workers", "on_broken", "max_pixels", "truncated", "background", "labels", "shuffle", "memory", size = { 224, 224 }, batch = 32,
                                 seed = 0, reducing_gap = 2 }
schema.multi = { check.boolean, false }

--- The options of data sets that are made of a list of files.
listed.schema = schema

--- Makes a data set of files and their labels. A set with labels is for training: it is shuffled, keeps decoded images in memory, and
--- tells of files that cannot be read.
---@param where string the name of the function that the user called, for messages
---@param list string[] paths
---@param labels any[]? what scion.data.files takes as label, for each file
---@param o table the options, checked
---@param what string the name of the labels, for messages
---@param lines? integer[] where the labels stand in a file
---@return scion.Dataset
function listed.new(where, list, labels, o, what, lines)
  if not labels then
    for _, option in ipairs { "labels", "multi" } do
      if o[option] then check.raise(("%s: %s is about labels, but the files have none"):format(where, option)) end
    end
  end
  local source = labels and labels_of.read(where, what, labels, { labels = o.labels, multi = o.multi, lines = lines }, "lists of one, label = { 31 }") or {}
  source.files, source.quiet = list, not labels
  if o.shuffle == nil then o.shuffle = labels ~= nil end
  o.memory = o.memory or labels and 1e9 or 0
  return dataset.new(source, o)
end

return listed
