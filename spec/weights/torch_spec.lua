-- PyTorch's files against the numbers that PyTorch itself gives, and pickles that want more than tensors.
local core = require "scion.core"
local support = dofile "spec/files/support.lua"
local torch = require "scion.weights.torch"

local fixtures = "spec/fixtures/weights/"
local golden = core.json_decode(support.slurp(fixtures .. "torch.json"))

-- The start of a chain of pickles up to the object: magic number, version, machine.
local head = "\x80\2\x8a\10\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\2M\xe9\3.\x80\2}."

describe("scion.weights.torch", function()
  local folder, path
  setup(function()
    folder = support.folder()
    path = folder .. "/x.pth"
  end)
  teardown(support.done)

  local function refused(bytes, expected)
    support.spit(path, bytes)
    local tensors, message = torch.read(path)
    assert.is_nil(tensors)
    assert.equal(path .. ": ", message:sub(1, #path + 2))
    assert.is_truthy(message:find(expected, 1, true), message .. "\n" .. expected)
  end

  -- One object, then the list of its storages and one storage "0" of two floats.
  local function chain(object) return head .. "\x80\2" .. object .. ".\x80\2](X\1\0\0\0" .. "0e." .. string.pack("<i8ff", 2, 1.5, -2) end
  local storage = "(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpuK\2NtQ"
  -- {"a": a tensor of that shape, strides and offset}
  local function dict(shape, strides, offset)
    return "}X\1\0\0\0actorch._utils\n_rebuild_tensor_v2\n(" .. storage .. (offset or "K\0") .. shape .. strides .. "\x89}tRs"
  end

  it("reads both formats: shared storages, strides, halves, and wrappers", function()
    for _, name in ipairs { "torch_zip.pth", "torch_legacy.pth" } do
      local tensors, count = assert(torch.read(fixtures .. name)), 0
      for key, expected in pairs(golden) do
        local t = assert(tensors["module." .. key], key)
        assert.same(expected.shape, t:shape(), key)
        local flat = t:reshape { -1 }
        for i, value in ipairs(expected.values) do assert.equal(value, flat:get(i), key) end
        count = count + 1
      end
      assert.equal(17, count)
      for _ in pairs(tensors) do count = count - 1 end
      assert.equal(0, count)
      assert.equal("bf16", tensors["module.brain"]:dtype())
      assert.equal("u8", tensors["module.flags"]:dtype())
      assert.equal("i32", tensors["module.int"]:dtype())
    end
  end)

  it("finds a checkpoint's state dict although a tensor stands beside it", function()
    local tensor = dict("K\1\x85", "K\1\x85"):match "^}X\1%z%z%za(.*)s$"
    local beside = "X\9\0\0\0best_acc1" .. tensor .. "s"
    for _, wrapper in ipairs { "state_dict", "model_state_dict", "model", "net", "module", "ema" } do
      local wrapped = "X" .. string.pack("<s4", wrapper) .. dict("K\2\x85", "K\1\x85") .. "s"
      for _, object in ipairs { "}" .. beside .. wrapped, "}" .. wrapped .. beside } do
        support.spit(path, chain(object))
        local tensors = assert(torch.read(path))
        assert.same({ 1.5, -2.0 }, tensors.a:totable())
        assert.is_nil(tensors.best_acc1)
      end
    end
    support.spit(path, chain("}" .. beside .. "X\5\0\0\0other" .. dict("K\2\x85", "K\1\x85") .. "s")) -- of no name that is known
    assert.same({ 1 }, assert(torch.read(path)).best_acc1:shape())
  end)

  it("reads the hand-made pickle that the refused ones vary", function()
    support.spit(path, chain(dict("K\2\x85", "K\1\x85")))
    local tensors = assert(torch.read(path))
    assert.same({ 1.5, -2.0 }, tensors.a:totable())
  end)

  it("holds a place for whatever is no tensor and no plain container, and calls nothing", function()
    local saved = dict("K\2\x85", "K\1\x85")
    local function text(value) return "X" .. string.pack("<s4", value) end
    local places = {
      "cos\nsystem\nq\0090h\9" .. text("touch " .. folder .. "/called") .. "\x85R", -- POP, REDUCE
      "cbuiltins\neval\n" .. text "1" .. "\x85R", "ctorch\nFloatStorage\n)R", "cnumpy.core.multiarray\n_reconstruct\n)R(K\1K\2tb",
      "cargparse\nNamespace\n)\x81}" .. text "lr" .. "G?\xb9\x99\x99\x99\x99\x99\x9asb", -- NEWOBJ, BUILD
      "cargparse\nNamespace\n)}\x92", "(cargparse\nNamespace\nK\1o", "(K\1iargparse\nNamespace\n", -- NEWOBJ_EX, OBJ, INST
      "\x8c\2os\x8c\6system\x93)R", "ccollections\nCounter\n}" .. text "a" .. "K\3s\x85R", -- STACK_GLOBAL
      "cmine\nDict\n)R(" .. text "conv.weight" .. "K\1u" .. text "x" .. "K\2s", "cmine\nList\n)R(K\1K\2eK\3a", -- filled
      "\x8f(K\1K\2\x90", "(K\1\x91", "\x95\1\0\0\0\0\0\0\0N", -- EMPTY_SET, ADDITEMS, FROZENSET, FRAME
      "\x96\2\0\0\0\0\0\0\0ab", "\x8e\2\0\0\0\0\0\0\0ab", "\x8d\2\0\0\0\0\0\0\0ab", "C\2ab", "B\2\0\0\0ab", -- texts
      "L12345678901234567890123L\n", "I5\n", "I01\n", "F1.5\n", "\x8b\2\0\0\0\1\2", "S'ab'\n",
      "Vab\n", "(K\1K\2l", "(K\1K\2d", "(K\1K\0011N", "K\0012\x86",
      "cos\nsystem\n\x94", "cos\nsystem\np200\n0g200\n",
    }
    for i, place in ipairs(places) do
      local other = text "beside" .. place .. "s"
      for _, object in ipairs { "}" .. text "state_dict" .. saved .. "s" .. other, "}" .. other .. text "net" .. saved .. "s" } do
        support.spit(path, chain(object))
        local tensors, message = torch.read(path)
        assert.same({ 1.5, -2.0 }, assert(tensors, ("%d: %s"):format(i, message)).a:totable())
      end
    end
    assert.is_nil(io.open(folder .. "/called"))
  end)

  it("passes over numbers of other kinds, and refuses quantized ones", function()
    local function with(class, count)
      return "}X\5\0\0\0modelctorch\n" .. class .. "\n0" .. dict("K\2\x85", "K\1\x85"):gsub("FloatStorage", class) .. "s" .. (count or "")
    end
    support.spit(path, chain(with "FloatStorage"))
    assert.same({ 1.5, -2.0 }, assert(torch.read(path)).a:totable())
    refused(chain(with "ComplexFloatStorage"), "it has a torch.ComplexFloatStorage, whose numbers are not read")
    refused(chain(with "QInt8Storage"), "it holds quantized tensors, whose numbers are rounded; in Python, save the state dict of the network before")
    refused(head .. "\x80\2c__torch__.net\nNet\n)\x81}b.\x80\2].", "a network of torch.jit.freeze, whose weights are in its code; in Python, before it is frozen: torch.save(")
  end)

  it("refuses tensors that PyTorch computes only later, and sparse ones, where their numbers are needed", function()
    local function marked(key, value) return dict("K\2\x85", "K\1\x85"):gsub("}tRs$", "}}X" .. string.pack("<s4", key) .. value .. "stRs") end
    refused(chain(marked("neg", "\x88")), "a is stored as its negative, which PyTorch leaves for later; in Python, save x.resolve_neg() in its place")
    refused(chain(marked("conj", "\x88")), "a is stored as its conjugate, which PyTorch leaves for later; in Python, save x.resolve_conj() in its place")
    support.spit(path, chain(marked("neg", "\x89")))
    assert.same({ 1.5, -2.0 }, assert(torch.read(path)).a:totable())
    -- torch._utils._rebuild_sparse_tensor(layout, (indices, values, size, is_coalesced))
    local part = dict("K\2\x85", "K\1\x85"):match "^}X\1%z%z%za(.*)s$"
    local function sparse(parts) return "}X\1\0\0\0actorch._utils\n_rebuild_sparse_tensor\nctorch\nlayout\n" .. parts .. "\x86Rs" end
    refused(chain(sparse("(" .. part .. part .. "K\3K\4\x86\x89t")), "a is a sparse tensor; in Python, save x.to_dense() in its place")
    refused(chain(sparse "(K\3K\4\x86\x89t"), "it describes a tensor wrongly: it has no storage")
    refused(chain(sparse("(" .. part .. part .. "t")), "it describes a tensor wrongly: its shape is no tuple")
  end)

  it("refuses NumPy's arrays with the line that saves tensors, also where they make the pickle too long", function()
    local remedy = "it holds arrays of NumPy in place of tensors; in Python: torch.save({k: torch.from_numpy(v) for k, v in weights.items()}, 'weights.pth')"
    for _, module in ipairs { "numpy.core.multiarray", "numpy._core.multiarray" } do
      local arrays = "}X\1\0\0\0ac" .. module .. "\n_reconstruct\n)R(K\1B" .. string.pack("<s4", "numbers") .. "tbs"
      local function whole(object) return head .. "\x80\2" .. object .. ".\x80\2]." end
      refused(whole(arrays), remedy)
      refused(whole("}X\5\0\0\0model" .. arrays .. "s"), remedy)
      refused(whole((arrays:gsub("B....numbers", function() return "B" .. string.pack("<s4", ("x"):rep(9 << 20)) end))), remedy)
    end
  end)

  it("refuses lists of tensors, with names or without", function()
    local part = dict("K\2\x85", "K\1\x85"):match "^}X\1%z%z%za(.*)s$"
    refused(chain("](" .. part .. part .. "e"), "it holds no tensors by names but a list of 2 tensors, as of model.parameters(), which leaves out names and the " ..
      "statistics of batch norms: not a state dict; in Python: torch.save(model.state_dict(), 'weights.pth')")
    refused(chain("](X\1\0\0\0a" .. part .. "\x86e"), "it holds no tensors by names but a list of pairs: not a state dict; in Python: torch.save(dict(torch.load(")
    refused(chain("](K\1" .. part .. "e"), "it holds no tensors by names: not a state dict; in Python: torch.save(model.state_dict(), 'weights.pth')")
  end)

  it("reads framed pickles in a chain", function()
    local function framed(pickle) return "\x80\4\x95" .. string.pack("<I8", #pickle) .. pickle end
    local bytes = framed "\x8a\10\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19." .. framed "M\xe9\3." .. framed "}\x94." ..
      framed(dict("K\2\x85", "K\1\x85") .. ".") .. framed "]\x94\x8c\0010a." .. string.pack("<i8ff", 2, 1.5, -2)
    support.spit(path, bytes)
    assert.same({ 1.5, -2.0 }, assert(torch.read(path)).a:totable())
    assert.equal("pickle", require("scion.weights.format").of(path))
  end)

  it("does not see tensors that lie in a placeholder", function()
    local saved = dict("K\2\x85", "K\1\x85")
    refused(chain("cmine\nNet\n)\x81" .. saved .. "b"), "it holds a whole model (mine.Net), not its weights; in Python: torch.save(model.state_dict(), 'weights.pth')")
    refused(head .. "\x80\2ctransformers.training_args\nTrainingArguments\n)\x81}b.\x80\2].", "it holds the options of a training (transformers.training_args." ..
      "TrainingArguments), and no weights: these are beside it, in model.safetensors or pytorch_model.bin")
    refused(chain("cmine\nmake\n" .. saved .. "\x85R"), "it holds no tensors by names but a value of mine.make: not a state dict; in Python: torch.save(model")
    refused(head .. "\x80\2}(X\5\0\0\0state}X\12\0\0\0param_groups]u.\x80\2].",
      "it holds no tensors by names but the state of an optimizer: not a state dict; in Python: torch.save(model")
    refused(head .. "\x80\2}(X\1\0\0\0a}K\1K\2X\1\0\0\0bK\3u.\x80\2].", "it holds no tensors by names but 'a', 'b' and 1 more: not a state dict")
    refused(head .. "\x80\2}.\x80\2].", "it holds no tensors by names: not a state dict; in Python: torch.save(model.state_dict(), 'weights.pth')")
    refused(chain("}X\5\0\0\0modelcmine\nNet\n)\x81" .. saved .. "bs"),
      "it holds a whole model (mine.Net) as 'model', not its weights; in Python: torch.save(checkpoint['model'].state_dict(), 'weights.pth')")
    local tensors, message = torch.read(fixtures .. "torch_module.pth")
    assert.is_nil(tensors)
    assert.equal(fixtures .. "torch_module.pth: it holds a whole model (torch.nn.modules.linear.Linear), not its weights; " ..
      "in Python: torch.save(model.state_dict(), 'weights.pth')", message)
  end)

  it("refuses a machine that is abused, and tensors that lie", function()
    refused(chain "", "its stack runs empty")
    refused(chain "(", "its stack runs empty")
    refused(chain "0", "its stack runs empty")
    refused(chain "1", "it has no mark")
    refused(chain "2", "its stack runs empty")
    refused(chain "}R", "its stack runs empty")
    refused(chain "})R", "it calls what is no function")
    refused(chain "cos\nsystem\n}R", "it calls something without a tuple of arguments")
    refused(chain "K\1K\2\x93", "it names something without a text")
    refused(chain("c" .. ("a"):rep(200) .. "\n" .. ("b"):rep(57) .. "\n"), "a name of more than 256 letters")
    refused(chain "K\1}b", "it gives attributes to what can have none")
    refused(chain "(}b", "it gives attributes to what can have none")
    refused(chain "}(K\1\x90", "fills what is no set")
    refused(chain "Sab\n", "a text without quotes")
    refused(chain "(o", "it calls what is no function")
    refused(chain "\x82\1", "operation 0x82, which is not read") -- EXT1
    refused(chain "P1\n", "it is of protocol 0; in Python, leave pickle_protocol out") -- PERSID
    refused("L119547037146038801333356L\n.I1001\n.", "it is of protocol 0 or 1; in Python, leave pickle_protocol out")
    refused(chain "\x97", "operation 0x97, which is not read") -- NEXT_BUFFER
    refused(chain "ctorch._utils\n_rebuild_tensor_v3\n)R", "it has no storage")
    refused(chain "ctorch._utils\n_rebuild_qtensor\n)R", "it holds quantized tensors")
    refused(chain "ctorch\nSize\n)R", "a size is no tuple")
    refused(chain "ctorch._tensor\n_rebuild_from_type_v2\n)R", "it is made by nothing")
    refused(chain "t", "it has no mark")
    refused(chain "K\1K\2a", "fills what is no list")
    refused(chain "}(K\1u", "a key without a value")
    refused(chain "h\9", "recalls what it never had")
    refused(chain "\x80\9", "protocol 9")
    refused(chain(("]q\0"):rep(300000)), "more than 250000 objects; in Python, save the state dict alone")
    refused(head .. "\x80\2X\xff\xff\xff\x7f", "ends in the middle")
    refused(chain "}", "stores what the pickle does not mention")
    refused(head .. "\x80\2}.\x80\2].", "it holds no tensors")
    refused(chain(dict("K\3\x85", "K\1\x85")), "a (3) reaches beyond the 8 bytes")
    refused(chain(dict("K\2\x85", "K\2\x85")), "a (2) reaches beyond the 8 bytes")
    refused(chain(dict("K\2\x85", "K\1\x85", "K\1")), "a (2) reaches beyond the 8 bytes")
    refused(chain(dict("K\2\x85", "K\1\x85", "J\xff\xff\xff\xff")), "its offset is no whole number")
    refused(chain(dict("K\2\x85", "J\xff\xff\xff\xff\x85")), "its strides has what is no whole number")
    refused(chain(dict("K\2\x85", "K\1K\1\x86")), "differ in length")
    local huge = "J\xff\xff\xff\x7f"
    refused(chain(dict(huge .. huge .. huge .. "\x87", "K\0K\0K\0\x87")), "reaches beyond")
    refused(chain(dict(huge .. "\x85", "K\0\x85")), "more than twice the memory of the file") -- a stride of 0 costs the file nothing
    refused("\x80\2K\1.", "not one of torch.save")
    refused("\x80\2ctorch.storage\n_load_from_bytes\nC\1a\x85R.", "pickle.dump wrote it, which packs each tensor in a pickle of its own; in Python: torch.save")
    -- more than is read of one pickle, and not from torch.save: it does not "end in the middle"
    local long = ("\0"):rep(9 << 20)
    refused("\x80\4\x95\0\0\0\0\0\0\0\0}\x94\x8e\0\0\x90\0\0\0\0\0" .. long, "a pickle, but not one of torch.save; in Python: torch.save")
    refused("\x80\4\x95\0\0\0\0\0\0\0\0\x8c\x16numpy._core.multiarray\x94\x8c\x0c_reconstruct\x94" .. long, "it holds arrays of NumPy")
    refused("\x80\5\x95\0\0\0\0\0\0\0\0\x8c\x13numpy._core.numeric\x94\x8c\x0b_frombuffer\x94" .. long, "it holds arrays of NumPy")
    refused(chain("X" .. string.pack("<s4", long)), "its pickle is longer than 8388608 bytes; in Python, save the state dict alone")
    refused("PK\3\4", "truncated")
    refused("", "not a file of torch.save")
    refused(support.slurp "README.md", "not a file of torch.save")
    assert.matches("No such file", select(2, torch.read(folder .. "/none.pth")))
  end)

  it("survives truncations and changed bytes everywhere", function()
    for _, name in ipairs { "torch_zip.pth", "torch_legacy.pth" } do
      local bytes, ended = support.slurp(fixtures .. name), 0
      for i = 1, #bytes, 17 do
        support.spit(path, bytes:sub(1, i - 1) .. string.char(bytes:byte(i) ~ (1 << i % 8)) .. bytes:sub(i + 1))
        local tensors, message = torch.read(path)
        assert.is_truthy(tensors or message:find(path, 1, true))
        support.spit(path, bytes:sub(1, i - 1))
        tensors, message = torch.read(path)
        assert.is_nil(tensors)
        assert.is_truthy(message:find(path, 1, true))
        if i > 4 then assert.matches("; download or copy it again$", message) end
        ended = ended + 1
      end
      assert.equal((#bytes + 16) // 17, ended)
    end
  end)

  it("finds a changed number by the archive's checksum", function()
    local bytes = support.slurp(fixtures .. "torch_zip.pth")
    local place = assert(bytes:find(string.pack("<fff", table.unpack(golden["conv.weight"].values, 1, 3)), 1, true))
    refused(bytes:sub(1, place) .. string.char(bytes:byte(place + 1) ~ 1) .. bytes:sub(place + 2), "torch_zip/data/1' in it cannot be read: CRC error")
  end)

  it("reads a real file from before the zip format", function()
    if not support.data then
      print "\nskipped: resnet20_cifar10.th lies in SCION_TEST_DATA, which is not set"
      return pending "SCION_TEST_DATA is not set"
    end
    local tensors = assert(torch.read(support.data .. "/weights/resnet20_cifar10.th"))
    local parameters = 0
    for _, t in pairs(tensors) do
      local n = 1
      for _, size in ipairs(t:shape()) do n = n * size end
      parameters = parameters + n
    end
    assert.equal(271098, parameters) -- counted by PyTorch
    assert.same({ 16, 3, 3, 3 }, tensors["module.conv1.weight"]:shape())
    assert.is_near(1.3101, tensors["module.conv1.weight"]:sum(), 1e-4)
  end)
end)
