-- What fit shows.
local results = require "scion.report.results"

describe("an epoch's line", function()
  it("writes epochs of any length", function()
    local entry = { epoch = 3, loss = 0.51234, accuracy = 0.8, val_loss = 0.6, val_accuracy = 0.75, images_per_second = 41.26 }
    local function shown(seconds)
      entry.seconds = seconds
      return results.epoch_text(entry):match "images/s  (.*)$"
    end
    assert.equal("0s", shown(0.3))
    assert.equal("2:05 min", shown(124.7))
    assert.equal("1:02:05 h", shown(3725.2))
    assert.equal("?", shown(0 / 0))
    assert.equal("epoch 3  loss 0.5123  accuracy 0.8000  val_loss 0.6000  val_accuracy 0.7500  41.3 images/s  0s", (function()
      shown(0.3)
      return results.epoch_text(entry)
    end)())
  end)
end)
