-- Busted in the interpreter that runs this file: the busted command would start a shell first.
require "busted.runner" { standalone = false }
