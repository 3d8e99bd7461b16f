--- Functions that make data sets. A source in source/ says which examples there are; data/dataset.lua has the class of all data sets.
return {
  folder = require "scion.data.source.folder",
  files = require "scion.data.source.files",
  csv = require "scion.data.source.csv",
  tensors = require "scion.data.source.tensors",
  statistics = require "scion.data.statistics",
  doctor = require "scion.data.doctor",
}
