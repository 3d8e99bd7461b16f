--- calibration_error: the expected calibration error of Guo et al. (2017), "On Calibration of Modern Neural Networks". Examples are sorted
--- into 15 bins of equal width by their confidence, the probability of the predicted class; the result is the mean over the examples of
--- the difference between the accuracy of their bin and its mean confidence. Where an image can have several labels, each of them is an
--- example, a decision between no and yes. Outputs that are not finite are in no bin.
local core = require "scion.core"

local bins = 15

local function add(kept, probabilities, truth)
  if truth:dtype() == "f32" then
    probabilities, truth = probabilities:reshape(-1, 1), truth:reshape(-1):gt(0.5):to "i32"
  end
  core.run { "calibration", x = probabilities, labels = truth, counts = kept.counts, confidence = kept.confidence }
end

local function value(_, _, kept)
  local counts, confidence, sum, examples = kept.counts:totable(), kept.confidence:totable(), 0, 0
  for b = 1, bins do sum, examples = sum + math.abs(counts[b][2] - confidence[b]), examples + counts[b][1] end
  if examples == 0 then return 0 / 0, "NaN: none of the outputs is a number" end
  return sum / examples
end

--- The bins as records: see scion.CalibrationBin.
local function records(kept)
  local counts, confidence, list = kept.counts:totable(), kept.confidence:totable(), {}
  for b = 1, bins do
    local n = counts[b][1]
    list[b] = { from = (b - 1) / bins, to = b / bins, examples = n, accuracy = n > 0 and counts[b][2] / n or nil, confidence = n > 0 and confidence[b] / n or nil }
  end
  return list
end

return {
  bins = records,
  names = { "calibration_error" }, tells = { classes = true, labels = true }, add = add, value = value,
  begin = function() return { counts = core.new({ bins, 2 }, "i32"), confidence = core.new { bins } } end,
}
