-- Many short epochs: memory, threads and open files stay what they were.
local scion = require "scion"
local support = dofile "spec/support/images.lua"

describe("300 epochs", function()
  teardown(support.done)

  it("take no more memory, threads or files than the first ones, whatever each freezes", function()
    if not io.open "/proc/self/status" then return pending "reads /proc, which this system lacks" end
    if (os.getenv "SCION_BUILD" or ""):find "sanitize" then return pending "AddressSanitizer keeps what is freed" end
    local folder = support.folder()
    for k, class in ipairs { "left", "right" } do
      support.shell(("mkdir -p %q"):format(folder .. "/pictures/" .. class))
      for i = 1, 6 do assert(scion.image.save(("%s/pictures/%s/%d.png"):format(folder, class, i), support.pattern(16, 16, 40 * k + i))) end
    end
    local script = support.spit(folder .. "/long.lua", ([[
      local scion = require "scion"
      local lfs = require "lfs"
      local nn = scion.nn
      local train = scion.data.folder("%s/pictures", { size = 16, batch = 4, augment = { flip = "horizontal" } })
      local val = scion.data.folder("%s/pictures", { size = 16, batch = 4, labels = train.labels, shuffle = false })
      local base = scion.sequential { nn.input(16, 16, 3), nn.conv2d(8, 3, { name = "one/conv", activation = "relu" }), nn.batch_norm { name = "one/norm" },
                                      nn.conv2d(8, 3, { name = "two/conv", activation = "relu" }), nn.conv2d(8, 3, { name = "three/conv" }) }
      local model = base:graft { nn.global_avg_pool(), nn.dropout(0.2), nn.dense(2, "softmax") }
      local function used()
        collectgarbage() collectgarbage()
        local status = io.open "/proc/self/status"
        local text = status:read "a"
        status:close()
        local files = 0
        for _ in lfs.dir "/proc/self/fd" do files = files + 1 end
        return tonumber(text:match "VmRSS:%%s*(%%d+)"), tonumber(text:match "Threads:%%s*(%%d+)"), files
      end
      local names, before = { "one", "two", "three" }, nil
      for epoch = 1, 300 do
        model:thaw()
        for i = 1, 3 do
          if epoch >> (i - 1) & 1 == 1 then model:freeze { layers = names[i] } end
        end
        model:fit(train, { validate = val, verbose = false, quiet = true, cache = false, optimizer = scion.optim.adam(),
                           resume = epoch %% 10 == 0 and "%s/run.ckpt" or nil })
        os.remove "%s/run.ckpt"
        if epoch == 60 then before = { used() } end
      end
      local after = { used() }
      print(after[1] - before[1], after[2] - before[2], after[3] - before[3])
    ]]):format(folder, folder, folder, folder))
    local out, status = support.shell(("(lua5.4 %s 2>/dev/null)"):format(script))
    assert.equal(0, status, out)
    local kilobytes, threads, files = out:match "^(%-?%d+)%s+(%-?%d+)%s+(%-?%d+)"
    assert.same({ 0, 0 }, { tonumber(threads), tonumber(files) })
    assert.is_true(tonumber(kilobytes) < 2000, out)
  end)
end)
