--- Questions about networks and data sets that are answered without training.
return require("scion.class").names("scion.insight", { rank = require "scion.insight.rank", transfer = require "scion.insight.transfer" })
