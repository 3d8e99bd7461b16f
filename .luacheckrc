std = "lua54"
max_line_length = 130
files["spec"] = { std = "+busted" }
exclude_files = { "lua/scion/meta.lua" } -- declarations for editors: empty functions
