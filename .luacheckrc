std = "lua54"
max_line_length = 175
self = false -- a method may not need its object
ignore = {
  "43./self", -- a method defined within a constructor
  "581", -- not (x <= y) is no x > y where a NaN may come
}
files["spec"] = { std = "+busted", ignore = { "421", "512" } }
exclude_files = { "lua/scion/meta.lua", "spec/fixtures" } -- declarations for editors, and data
