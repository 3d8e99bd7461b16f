--- Questions about networks and data sets that are answered without training.
return { advise = require "scion.insight.advise", rank = require "scion.insight.rank", transfer = require "scion.insight.transfer" }
