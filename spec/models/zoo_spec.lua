-- Every architecture against its publisher's own implementation in double precision, with weights that both make by one rule.
local layer = require "scion.layer"
local layers = dofile "spec/support/layers.lua"
local scion = require "scion"
local rule = dofile "spec/models/rule.lua"

local golden = rule.golden()

local cases, names = {}, {}
for publisher, list in pairs(golden) do
  for name, case in pairs(list) do
    if case.logits then cases[#cases + 1] = { publisher = publisher, name = name, case = case } end
    if case.parameters and not names[name] then names[#names + 1], names[name] = name, true end
  end
end
table.sort(cases, function(a, b) return a.name .. a.publisher < b.name .. b.publisher end)
table.sort(names)
for _, name in ipairs(names) do names[name] = nil end

local function built(name, variant)
  return layer.without_initial_values(function() return scion.models[name] { top = true, variant = variant } end)
end


describe("the zoo", function()
  after_each(function() collectgarbage() end)

  --- What could be wrong in an architecture: each changes the layers of a model where it has such, and says whether it did.
  local mistakes = {
    epsilon = function(order)
      local found = false
      for _, node in ipairs(order) do
        local o = node.layer.options
        if node.layer.kind == "batch_norm" then
          o.epsilon, found = o.epsilon < 1e-4 and 1e-3 or 1e-5, true
        end
      end
      return found
    end,
    padding = function(order) -- what stands before an image and what after it, shifted by a pixel
      local found = false
      for _, node in ipairs(order) do
        local l = node.layer
        local before, after = l.window and l.window.before, l.window and l.window.after
        if before and before[1] + after[1] > 0 then
          local by = before[1] > 0 and -1 or 1
          before[1], after[1], found = before[1] + by, after[1] - by, true
        elseif l.kind == "zero_pad" then
          local by = l.top > 0 and -1 or 1
          layers.set(l, { top = l.top + by, bottom = l.bottom - by })
          found = true
        end
      end
      return found
    end,
    branches = function(order) -- in another order where they are put together
      local found = false
      for _, node in ipairs(order) do
        local inputs = node.inputs
        if node.layer.kind == "concatenate" then
          inputs[1], inputs[2], found = inputs[2], inputs[1], true
        end
      end
      return found
    end,
    averages = function(order) -- over padding or not
      local found = false
      for _, node in ipairs(order) do
        local l = node.layer
        if l.kind == "avg_pool" and l.window.before[1] > 0 then
          l.options.include_padding, found = not l.options.include_padding, true
        end
      end
      return found
    end,
  }

  --- What numbers show is shown without sanitizers; with them it is enough that each network runs.
  if (os.getenv "SCION_BUILD" or ""):find "sanitize" then mistakes = {} end

  --- Another size of an architecture, or one of its family that is built by the same lines, would tell nothing new.
  local alike = { resnet50 = true, squeezenet1_0 = true, efficientnet_b2 = true, efficientnet_b5 = true, efficientnet_lite2 = true }

  for _, case in ipairs(cases) do
    it(("has in %s what %s computes, and would show a mistake"):format(case.name, case.publisher), function()
      local expected, name = case.case, case.case.model or case.name
      local model = rule.model(name, case.publisher, expected)
      local logits = rule.logits(model, expected.size)
      assert.is_true(rule.deviation(logits:totable()) > 0.1)
      local d = rule.distance(logits, expected.logits)
      assert.is_true(d < 1e-4, ("the logits differ by %g"):format(d))
      for what, change in pairs(expected.model == case.name and not alike[case.name] and mistakes or {}) do
        local wrong = rule.model(name, case.publisher, expected, model)
        if change(wrong.order) then
          d = rule.distance(rule.logits(wrong, expected.size), expected.logits)
          assert.is_true(d > 5e-4, ("a mistake of %s makes a difference of %g alone"):format(what, d))
        end
      end
      if not expected.gradients then return end
      local gradients = rule.gradients(model, case.publisher, expected.size)
      for title, kept in pairs(expected.gradients) do
        d = rule.distance(gradients[title], kept)
        assert.is_true(d < 1e-4, ("the gradient by the kernel of %s differs by %g"):format(title, d))
      end
    end)
  end

  --- Parameters in all and such as train, and multiply-adds.
  local function totals(model)
    local total, trainable, macs = 0, 0, 0
    for i, row in ipairs(model:layers()) do
      local node = model.order[i]
      total, trainable = total + row.parameters, trainable + row.trainable
      if node.layer.macs then macs = macs + node.layer:macs(node.inputs[1].shape, node.shape) end
    end
    return total, trainable, macs
  end

  for _, name in ipairs(names) do
    local layered = golden.keras[name] and golden.keras[name].layers
    it(("has in %s the published numbers of parameters%s"):format(name, layered and ", and Keras's layers in its order" or ""), function()
      local architecture, model, i = scion.models[name], built(name), 0
      local total, trainable, macs = totals(model)
      assert.equal(architecture.parameters, total)
      assert.equal(architecture.macs, macs)
      local keras, torchvision, tf = golden.keras[name], golden.torchvision[name], golden.tf[name]
      if name == "inception_v3" then -- torchvision's has the gammas too
        trainable = select(2, totals(built(name, "torchvision")))
      end
      for _, theirs in ipairs { torchvision or tf, tf } do assert.equal(theirs.parameters, trainable) end
      if tf and tf.macs then assert.same({ tf.total, tf.macs }, { total, macs }) end
      if not keras then return end
      assert.equal(keras.parameters, total)
      if not layered then return end
      for hashes in layered:gmatch "%x+%-*" do
        i = i + 1
        local node = model.order[i] or error("there are too few layers")
        local what, title, text = rule.describe(node)
        local expected_title = hashes:sub(9) ~= "----" and hashes:sub(9) or title
        assert.equal(hashes:sub(1, 8) .. expected_title, what .. title, ("layer %d, %s: %s"):format(i, node.layer.name, text))
      end
      assert.equal(i, #model.order)
    end)
  end

  it("knows the files that are published, with hashes, and the sizes that are legal, as the publishers' libraries do", function()
    for _, architecture in ipairs(scion.models.list()) do
      for _, variant in ipairs(architecture.variants) do
        local known, files = golden[variant.name][architecture.name] or { files = "" }, {}
        if variant.name == "keras" then
          for i, file in ipairs(variant.weights) do
            local options = file.width and ("%g %d"):format(file.width, file.input) or "-"
            files[i] = ("%s %s %d %s"):format(file.url, file.md5 or "-", file.top and 1 or 0, options)
          end
          table.sort(files)
          for i, line in ipairs(files) do files[i] = ("%08x"):format(rule.stream(line)) end
          assert.equal(known.files, table.concat(files, " "), architecture.name)
          if known.sizes then assert.same(known.sizes, { architecture.input, variant.smallest }, architecture.name) end
        elseif variant.name ~= "torchvision" then -- some of timm's files
          for _, file in ipairs(variant.weights) do
            assert.matches("-" .. file.sha256 .. ".pth", file.url, 1, true)
            assert.matches(file.url, table.concat(known.files, "\n"), 1, true)
          end
        else
          for i, file in ipairs(variant.weights) do
            files[i] = ("%s %d %d"):format(file.url, file.resize or variant.resize, variant.crop)
            assert.matches("-" .. file.sha256 .. ".pth", file.url, 1, true)
          end
          assert.same(known.files, files)
          assert.equal(known.smallest, variant.smallest, architecture.name)
          local macs = select(3, totals(built(architecture.name, variant.name))) -- at the size of its crop
          assert.equal(("%.3f"):format(known.gmacs), ("%.3f"):format(macs / 1e9), architecture.name)
        end
      end
    end
  end)

  it("takes any size from the smallest up, square or not, with and without the top", function()
    local function build(architecture, options)
      return layer.without_initial_values(function() return architecture(options) end)
    end
    for _, architecture in ipairs(scion.models.list()) do
      for _, variant in ipairs(architecture.variants) do
        local n = variant.smallest
        local model = build(architecture, { input = { n, n + 6 }, variant = variant.name })
        assert.same({ n, n + 6, 3 }, model.input.shape)
        assert.equal(3, #model.output.shape, architecture.name)
        assert.same({ 7 }, build(architecture, { input = { 2 * n + 13, n }, variant = variant.name, top = true, classes = 7 }).output.shape)
        local message = ("scion.models.%s: input is a "):format(architecture.name)
        for _, size in ipairs { n - 1, { n, n - 1 }, { n - 1, n }, { n }, n + 0.5, "large" } do
          assert.error_matches(function() architecture { input = size, variant = variant.name } end, message, 1, true)
        end
      end
      collectgarbage()
    end
  end)

  it("is listed whole, as a table", function()
    local listed, text = {}, tostring(scion.models.list())
    for i, architecture in ipairs(scion.models.list()) do listed[i] = architecture.name end
    assert.same(names, listed)
    assert.matches("\nresnet50 +25,610,152 +4.089 +224  torchvision\n", text)
    assert.matches("\nvgg16 +138,357,544 +15.470 +224  keras, torchvision\n", text)
    assert.equal([[
vgg16: 138,357,544 parameters, 15.470 GMAC at 224x224
  keras: inputs from 32 up, preprocessing caffe, weights at
    https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels.h5
      with the top, md5 64373286793e3c8b2b4e3219cbf3544b
    https://storage.googleapis.com/tensorflow/keras-applications/vgg16/vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5
      without the top, md5 6d6bbae143d832006294945121d1f1fc
  torchvision: inputs from 32 up, preprocessing torch, weights at
    https://download.pytorch.org/models/vgg16-397923af.pth
      with the top, sha256 397923af]], tostring(scion.models.vgg16))
    assert.matches("mobilenet_1_0_224_tf_no_top.h5\n      without the top, width 1, input 224\n", tostring(scion.models.mobilenet), 1, true)
    assert.matches("keras: inputs from 31 up, preprocessing caffe, no weights are published", tostring(scion.models.squeezenet1_1), 1, true)
    assert.has_error(function() return scion.models.resnet51 end, "scion.models has no 'resnet51': did you mean 'resnet50'?")
    assert.error_matches(function() return scion.models.builder end, "scion.models has no 'builder'", 1, true)
    assert.has_error(function() scion.models.resnet18 { variant = "keras" } end, "scion.models.resnet18: variant is 'torchvision', not 'keras'")
    assert.has_error(function() scion.models.mobilenet { width = 0 } end)
  end)
end)
