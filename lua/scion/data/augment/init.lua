--- Random changes of images, for the `augment` option of a data set: a list of these, which are applied one after the other.
---
--- A change is drawn for each image and epoch from the data set's seed, and from nothing else. Without a crop that makes images of the data
--- set's size (random_resized_crop, centre_crop), images are resized first. Changes of place next to each other become one: an image is
--- interpolated once. So do changes of brightness and colour, which are clipped once, at their end.
local class = require "scion.class"
local modules = require "scion.modules"

return class.names("scion.augment", {}, {
  find = function(name) return modules.open("scion.data.augment", name) end,
  list = function() return modules.list "scion.data.augment" end,
})
