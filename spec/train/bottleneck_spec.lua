-- The recipe of bottleneck features, on photographs: a classifier of one's own learns from a trunk's outputs, and is put behind the trunk.
local core = require "scion.core"
local scion = require "scion"
local support = dofile "spec/support/images.lua"
local nn = scion.nn

describe("a classifier of bottleneck features", function()
  teardown(support.done)

  it("learns, and predicts the same behind the trunk", function()
    if not support.data then return pending "SCION_TEST_DATA is not set" end
    local folder = support.folder() .. "/photographs"
    support.photographs(support.data, "train", folder, 6)
    scion.seed(3)
    local train = scion.data.folder(folder, { size = 96, batch = 16 })
    local base = scion.models.squeezenet1_1 { weights = support.data .. "/weights/squeezenet1_1_notop.h5", input = 96 }

    local x, y = base:features(train, "fire9/concat", { pool = "avg" })
    local head = scion.sequential { nn.input(512), nn.dense(#train.labels, "softmax") }
    local history = head:fit(scion.data.tensors(x, y, { labels = train.labels }), { epochs = 20, verbose = false })

    assert.same({ #train, 512 }, x:shape())
    assert.same(train.classes:totable(), y:totable())
    assert.is_true(history[20].loss < history[1].loss / 2 and history[20].accuracy > 0.9, tostring(history))
    local model = base:graft { nn.global_avg_pool(), nn.dense(#train.labels, "softmax") }
    local from, into = head:layers(), model:layers()
    for _, name in ipairs { "kernel", "bias" } do
      core.copy(from[#from].weights[name], into[#into].weights[name])
    end
    local of_images, of_features = model:predict(train), head:predict(scion.data.tensors(x))
    for i, file in ipairs(train.files) do
      assert.equal(file, of_images[i].file)
      assert.equal(of_features[i].label, train.labels[of_images[i].label]) -- a model that was not fitted knows no names
      assert.near(of_features[i].confidence, of_images[i].confidence, 1e-4)
    end
  end)
end)
