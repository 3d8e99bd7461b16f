-- What people have in place of weights: each is told by what it is, with what to do, wherever a file of weights or a model is read.
local lfs = require "lfs"
local messages = dofile "spec/support/messages.lua"
local scion = require "scion"
local support = dofile "spec/files/support.lua"
local nn = scion.nn

local function network() return scion.sequential { nn.input(8, 8, 3), nn.flatten(), nn.dense(2) } end

-- Files' names, bytes and how the sentence begins.
local cases = {
  { "lfs.pth", "version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102\n", "a Git LFS pointer" },
  { "page.h5", "<!DOCTYPE html><html><title>Virus scan warning</title>", "a web page" },
  { "page.pth", "\239\187\191\n<HTML lang=en>", "a web page" },
  { "denied.keras", '<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>', "an XML text" },
  { "config.json", '{\n  "architectures": ["ResNet"]}', "a JSON text" },
  { "net.weights.json", '{"metadata": {"total_size": 1}, "weight_map": {"/layers/conv2d/vars": "net_00000.weights.h5"}}', "the index of Keras's weights in parts" },
  { "model.onnx", "\8\7\18\7pytorch\26\0052.1.0", "an ONNX model" },
  { "saved_model.pb", "\8\1\18\229\170\1\10\214\14\18", "a TensorFlow SavedModel" },
  { "x.tflite", "\28\0\0\0TFL3\20\0 \0", "a TFLite model" },
  { "x.h5.gz", "\31\139\8\0\0\0\0\0\0\0", "compressed by gzip" },
  { "named.h5", "\31\139\8\8\1\2\3\4\2\3x.h5\0", "compressed by gzip" },
  { "x.pth.xz", "\2537zXZ\0\0\4", "compressed by xz" },
  { "x.pth.bz2", "BZh91AY&SY", "compressed by bzip2" },
  { "x.pth.zst", "\40\181\47\253\4\88\1\2", "compressed by zstd" },
  { "x.7z", "7z\188\175\39\28\0\4", "a 7-Zip archive" },
  { "x.rar", "Rar!\26\7\1\0", "a RAR archive" },
  { "x.pth.tar", "sys_info" .. ("\0"):rep(249) .. "ustar\00000", "a tar archive" },
  { "ckpt-1.index", "\0\0\6\8\1\26\2\8\1\0\28\14_CHECKPOINTABLE", "the index of a TensorFlow checkpoint" },
  { "ckpt-1.data-00000-of-00001", "\1\2\3\4\5\6\7\8\9", "a part of a TensorFlow checkpoint" },
  { "checkpoint", 'model_checkpoint_path: "ckpt-1"\n', "the note that TensorFlow leaves" },
  { "photo.pth", "\255\216\255\224\0\16JFIF\0", "a JPEG image" },
  { "photo.h5", "\137PNG\r\n\26\n\0\0\0\rIHDR", "a PNG image" },
  { "x.gif", "GIF89a\1\0\1\0", "a GIF image" },
  { "x.webp", "RIFF\36\0\0\0WEBPVP8 ", "a WebP image" },
  { "x.pdf", "%PDF-1.7\n%\226", "a PDF document" },
  { "x.npy", "\147NUMPY\1\0v\0{'descr'", "an array of NumPy" },
  { "x.gguf", "GGUF\3\0\0\0\1\2\3\4", "a GGUF file" },
  { "empty.h5", "", "an empty file" },
}

describe("A file that is none of weights", function()
  local folder
  setup(function() folder = support.folder() end)
  teardown(support.done)

  -- The sentence that all three ways to read a file give.
  local function refused(path)
    local one = messages.refusal(function() local m = scion.models.squeezenet1_1 { weights = path, input = 64 } return m end)
    for _, strict in ipairs { true, false } do
      assert.equal(one, messages.refusal(function() scion.weights.load(network(), path, { strict = strict }) end))
    end
    assert.equal(one, messages.refusal(function() local m = scion.load(path) return m end))
    assert.equal(one, messages.refusal(function()
      local m = scion.models.squeezenet1_1 { weights = path, input = 64, variant = "torchvision", strict = false }
      return m
    end))
    return one
  end

  for _, case in ipairs(cases) do
    it(("is told by what it is: %s, %s"):format(case[1], case[3]), function()
      local path = support.spit(folder .. "/" .. case[1], case[2])
      local begins = ("%s: this is %s"):format(path, case[3])
      local text = refused(path)
      assert.equal(begins, text:sub(1, #begins))
      assert.matches(", not a file of weights; %w", text)
    end)
  end

  it("is told when it is missing, a folder, a pipe or a device", function()
    assert.equal(folder .. "/none.h5: No such file or directory", refused(folder .. "/none.h5"))
    assert(lfs.mkdir(folder .. "/sub"))
    assert.equal(folder .. "/sub: this is a folder, not a file of weights; give one of the files in it", refused(folder .. "/sub"))
    support.spit(folder .. "/sub/saved_model.pb", "\8\1\18")
    assert.matches("this is the folder of a TensorFlow SavedModel", refused(folder .. "/sub"), 1, true)
    support.shell("mkfifo " .. support.quoted(folder .. "/pipe"))
    assert.matches("this is a named pipe, not a file", refused(folder .. "/pipe"), 1, true)
    assert.matches("this is a device, not a file", refused "/dev/zero", 1, true)
  end)

  it("is told to be unknown where it is", function()
    local path = support.spit(folder .. "/x.bin", "\1\2\3\4\5\6\7\8\9\10")
    assert.equal(path .. ": not a file of weights that is known; Scion reads Keras's .h5 and .keras, PyTorch's .pth, and safetensors", refused(path))
  end)

  it("is not taken for one by a header whose length looks like another's first bytes", function()
    -- a header of 559,903 bytes begins as a file of gzip does
    local path, model = folder .. "/long.safetensors", network()
    model:save(path)
    local bytes = support.slurp(path)
    local length = string.unpack("<I8", bytes)
    local data = #bytes - 8 - length
    local header = bytes:sub(9, 8 + length):gsub("%s*}%s*$", "") ..
      (',"pad":{"dtype":"U8","shape":[%d],"data_offsets":[%d,%d]}}'):format(4 << 20, data, data + (4 << 20))
    local padded = string.pack("<I8", 559903) .. header .. (" "):rep(559903 - #header) .. bytes:sub(9 + length) .. ("\0"):rep(4 << 20)
    support.spit(path, padded)
    assert.equal("\31\139\8\0", padded:sub(1, 4))
    assert.equal(2, scion.weights.load(model, path, { strict = false }).loaded)
  end)

  it("but weights, where a model is read, is told to belong to an architecture", function()
    local path = folder .. "/weights.safetensors"
    network():export(path)
    for _, file in ipairs { path, "spec/fixtures/weights/nested.h5", "spec/fixtures/weights/small.keras", "spec/fixtures/weights/torch_legacy.pth" } do
      local text = messages.refusal(function() local m = scion.load(file) return m end)
      assert.matches(file .. ": these are weights", text, 1, true)
      assert.matches(("not a model saved by Scion; give the file to scion.models.*{ weights = '%s' } or model:load_weights('%s')"):format(file, file), text, 1, true)
    end
  end)
end)
