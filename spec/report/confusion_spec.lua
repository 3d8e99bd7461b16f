-- An evaluation prints which classes are taken for which: as a table where it fits, else the most frequent mistakes.
local results = require "scion.report.results"
local scion = require "scion"
local support = dofile "spec/support/files.lua"

--- An evaluation of classes with these names, from the rows of its confusion matrix.
local function evaluation(names, rows)
  local classes, examples = {}, 0
  for i, name in ipairs(names) do
    local count = 0
    for _, n in ipairs(rows[i]) do count = count + n end
    examples, classes[i] = examples + count, { label = name, precision = 0.5, recall = 0.5, f1 = 0.5, support = count }
  end
  return results.evaluation { loss = 1, accuracy = 0.5, examples = examples, classes = classes, confusion = scion.tensor(rows, "i32") }
end

local function below_scores(found, classes)
  local lines = {}
  for line in tostring(found):gmatch "[^\n]+" do lines[#lines + 1] = line end
  return table.move(lines, classes + 3, #lines, 1, {})
end

describe("an evaluation's confusion matrix", function()
  it("is a table with the classes' names where it fits", function()
    local found = evaluation({ "cat", "dog", "名前" }, { { 10, 2, 0 }, { 1, 1234, 3 }, { 0, 0, 5 } })
    assert.same({ "true \\ predicted  cat   dog  名前", "cat                10     2     0", "dog                 1  1234     3",
                  "名前                0     0     5" }, below_scores(found, 3))
  end)

  it("is told by the most frequent mistakes where it does not", function()
    local names, rows = {}, {}
    for i = 1, 100 do
      names[i], rows[i] = ("a class with a long name, number %d"):format(i), {}
      for k = 1, 100 do rows[i][k] = i == k and 20 or 0 end
    end
    assert.same({ "no mistakes" }, below_scores(evaluation(names, rows), 100))
    rows[7][3], rows[7][9], rows[99][1], rows[2][1], rows[3][1], rows[4][1] = 5, 5, 17, 1, 1, 1
    local found = below_scores(evaluation(names, rows), 100)
    local pairs_of = {}
    for i = 2, 6 do pairs_of[i - 1] = table.concat({ found[i]:match "^a class.- number (%d+)%s+a class.- number (%d+)%s+(%d+)$" }, " ") end
    assert.same({ "99 1 17", "7 3 5", "7 9 5", "2 1 1", "3 1 1" }, pairs_of)
    assert.same({ "and 1 more pairs" }, table.move(found, 7, #found, 1, {}))
    for _, line in ipairs(found) do assert.is_true(#line <= 80, line) end
  end)

  it("fits narrow terminals", function()
    local script = support.spit(support.folder() .. "/x.lua", [[
      local scion = require "scion"
      local nn, y = scion.nn, {}
      for i = 1, 40 do y[i] = ("a class called %d"):format(i % 4) end
      print(scion.sequential { nn.input(3), nn.dense(4, "softmax") }:evaluate(scion.data.tensors(scion.uniform { 40, 3 }, y)))
    ]])
    local out, status = support.shell(("COLUMNS=60 lua5.4 %q"):format(script))
    assert.equal(0, status)
    assert.matches("true \\ predicted    1  2  3  4\n1 a class called 0 ", out, 1, true)
    for line in out:gmatch "[^\n]+" do assert.is_true(#line <= 60, line) end
    support.done()
  end)

  it("prints as a sentence where something of it was changed into what it cannot be", function()
    local found = results.evaluation { loss = 1, accuracy = 0.5, examples = 2 }
    found.loss = "low"
    assert.matches("that was changed, so that it cannot be printed$", tostring(found))
  end)
end)
