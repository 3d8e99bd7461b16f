-- Downloads from a real server on this machine, through curl: whole ones, and everything that goes wrong.
local support = dofile "spec/files/support.lua"

describe("scion.weights.hub", function()
  local folder, cache, server, pid, port, log
  local content = "\137HDF" .. ("weights "):rep(5000)

  setup(function()
    folder = support.folder()
    support.shell(("mkdir '%s/served'"):format(folder))
    support.spit(folder .. "/served/net.h5", content)
    log = folder .. "/log"
    server = assert(io.popen(("exec python3 spec/support/server.py '%s/served' '%s'"):format(folder, log)))
    pid, port = assert(server:read "l"):match "^(%d+) (%d+)$"
  end)
  teardown(function()
    os.execute("kill " .. pid)
    server:close()
    support.done()
  end)
  before_each(function() cache = support.shell(("mktemp -d '%s/cacheXXXXXX'"):format(folder)):match "%S+" end)

  -- What hub.fetch gives in a process of its own: its result or its message. `before`: shell commands.
  local function fetch(description, mode, before, curl_path)
    local output = support.shell(("%s XDG_CACHE_HOME='%s' SCION_WEIGHTS_URL=%s no_proxy='*' %s %s"):format(before or "", cache,
      mode and support.quoted(("http://127.0.0.1:%s%s"):format(port, mode)) or "''", curl_path or "",
      support.lua(("print(select(2, pcall(require('scion.weights.hub').fetch, %s)))"):format(description))))
    return output:gsub("%s+$", ""):match "[^\n]*$"
  end
  local function requests()
    local list = {}
    for line in support.slurp(log):gmatch "[^\n]+" do list[#list + 1] = line end
    return list
  end
  local function sum(program) return support.shell(("printf '%%s' '%s' | %s"):format(content, program)):match "%x+" end
  local function described(hash) return ("{ url = 'https://example.invalid/net.h5'%s }"):format(hash or "") end
  local function target() return cache .. "/scion/net.h5" end

  it("downloads once, checks, and keeps", function()
    local before = #requests()
    for _, hash in ipairs { "sha256 = '" .. sum "sha256sum" .. "'", "sha256 = '" .. sum "sha256sum":sub(1, 8) .. "'", "md5 = '" .. sum "md5sum" .. "'" } do
      assert.equal(target(), fetch(described(", " .. hash), "/"))
      assert.equal(content, support.slurp(target()))
      assert.equal(target(), fetch(described(", " .. hash), "/")) -- from the cache
      assert.equal("net.h5\nnet.h5.lock\n", support.list(cache .. "/scion"))
      os.remove(target())
    end
    assert.equal(before + 3, #requests())
  end)

  it("refuses another content, and forgets it", function()
    local message = fetch(described ", sha256 = '01234567'", "/")
    assert.matches("http://127.0.0.1:" .. port .. "/net.h5 cannot be had: its SHA256 is " .. sum "sha256sum" .. ", not 01234567", message, 1, true)
    assert.equal("net.h5.lock\n", support.list(cache .. "/scion"))
  end)

  it("goes on where a transfer was cut off", function()
    local hash = (", md5 = '%s'"):format(sum "md5sum")
    local message = fetch(described(hash), "/cut")
    assert.matches("the transfer was cut off", message, 1, true)
    assert.matches(target(), message, 1, true)
    assert.equal(#content // 2, #support.slurp(target() .. ".part"))
    assert.equal(target(), fetch(described(hash), "/"))
    assert.equal(content, support.slurp(target()))
    assert.equal(("file bytes=%d-"):format(#content // 2), requests()[#requests()])
  end)

  it("starts anew where the server cannot go on, or what is there is no beginning", function()
    local hash = (", md5 = '%s'"):format(sum "md5sum")
    fetch(described(hash), "/cut")
    assert.equal(target(), fetch(described(hash), "/plain"))
    os.remove(target())
    support.spit(target() .. ".part", ("x"):rep(#content + 5))
    assert.equal(target(), fetch(described(hash), "/"))
    assert.equal(content, support.slurp(target()))
    os.remove(target())
    support.spit(target() .. ".part", content) -- all there, but its name
    local before = #requests()
    assert.equal(target(), fetch(described(hash), "/"))
    assert.equal(before, #requests())
  end)

  it("says what the server answers, keeps what it has, and where to put the file", function()
    local message = fetch("{ url = 'https://example.invalid/none.h5' }", "/")
    assert.matches("none.h5 cannot be had: the server answers 404. Without a connection put the file at " .. cache .. "/scion/none.h5", message, 1, true)
    support.spit(cache .. "/scion/none.h5.part", "begun")
    assert.matches("answers 404", fetch("{ url = 'https://example.invalid/none.h5' }", "/"), 1, true)
    assert.equal("begun", support.slurp(cache .. "/scion/none.h5.part"))
    assert.matches("its host does not answer", fetch("{ url = 'x' }", nil, nil, "SCION_WEIGHTS_URL=http://127.0.0.1:1/"), 1, true)
  end)

  it("says so when the disk takes no more", function()
    local message = fetch(described(), "/", "trap '' XFSZ; ulimit -f 8;")
    assert.matches("the disk takes no more", message, 1, true)
    assert.equal(target(), fetch(described(), "/"))
    assert.equal(content, support.slurp(target()))
  end)

  it("lets one process download, and the others wait for it", function()
    local before = #requests()
    local one = ("XDG_CACHE_HOME='%s' SCION_WEIGHTS_URL='http://127.0.0.1:%s/' no_proxy='*' %s"):format(cache, port,
      support.lua(("print((require('scion.weights.hub').fetch%s))"):format(described())))
    local output = support.shell(one .. " & " .. one .. " & " .. one .. " & wait")
    assert.equal((target() .. "\n"):rep(3), output)
    assert.equal(before + 1, #requests())
  end)

  it("waits for what a process that was killed is still downloading", function()
    local before, hash = #requests(), (", md5 = '%s'"):format(sum "md5sum")
    local function one(mode)
      return ("exec env XDG_CACHE_HOME='%s' SCION_WEIGHTS_URL='http://127.0.0.1:%s%s' no_proxy='*' %s"):format(cache, port, mode,
        support.lua(("print((require('scion.weights.hub').fetch%s))"):format(described(hash))))
    end
    local output = support.shell(([[half=%s/served/half; go=%s/served/go; mkfifo $half $go; ( %s ) >/dev/null & first=$!
      timeout 60 cat $half; kill -9 $first; wait $first
      python3 -c "import fcntl; fcntl.flock(open('%s.lock'), fcntl.LOCK_EX | fcntl.LOCK_NB)" 2>/dev/null || echo held
      ( %s ) & timeout 60 sh -c "echo >$go"; wait; rm $half $go]]):format(folder, folder, one "/gate/", target(), one "/"))
    assert.equal("held\n" .. target() .. "\n", (output:gsub("Killed\n", "")))
    assert.equal(content, support.slurp(target()))
    assert.equal(before + 1, #requests())
  end)

  it("keeps nothing that is no file of weights, where no hash is published", function()
    support.spit(folder .. "/served/page.h5", "<html>log in</html>")
    local message = fetch("{ url = 'https://example.invalid/page.h5' }", "/")
    assert.matches("page.h5 cannot be had: this is a web page, not a file of weights", message, 1, true)
    assert.equal("page.h5.lock\n", support.list(cache .. "/scion"))
    assert.matches("only http:// and https:// are taken", fetch("{ url = 'x' }", nil, nil, "SCION_WEIGHTS_URL=file:///tmp/"), 1, true)
  end)

  it("passes no name on to the shell's judgement", function()
    local evil = "{ url = 'https://example.invalid/$(touch " .. folder .. "/evil)`touch " .. folder .. "/evil`;x.h5' }"
    fetch(evil, "/")
    fetch("{ url = 'https://example.invalid/x.h5' }", "/'; touch " .. folder .. "/evil; echo '")
    fetch("{ url = 'https://example.invalid/-o x' }", "/")
    assert.equal("", support.shell(("ls %s | grep evil"):format(folder)))
  end)

  it("knows which file an architecture's options mean", function()
    local script = [==[
      local models = require "scion.models"
      for _, case in ipairs {
        { "vgg16", { weights = "imagenet" } }, { "vgg16", { weights = "imagenet", top = true } },
        { "vgg16", { weights = "imagenet", variant = "torchvision" } }, { "mobilenet", { weights = "imagenet", width = 0.5, input = 160 } },
        { "mobilenet", { weights = "imagenet", width = 0.3 } }, { "vgg16", { weights = "imagenet", top = true, classes = 10 } },
      } do print(case[1], (tostring(select(2, pcall(models[case[1]], case[2]))):gsub(" cannot be had.*", ""):gsub("^.-:%d+: ", ""))) end]==]
    local output = support.shell(("XDG_CACHE_HOME='%s' SCION_WEIGHTS_URL='http://127.0.0.1:%s/' no_proxy='*' %s"):format(cache, port, support.lua(script)))
    local base = "http://127.0.0.1:" .. port .. "/"
    assert.equal(table.concat({
      "vgg16\t" .. base .. "vgg16_weights_tf_dim_ordering_tf_kernels_notop.h5", "vgg16\t" .. base .. "vgg16_weights_tf_dim_ordering_tf_kernels.h5",
      "vgg16\t" .. base .. "vgg16-397923af.pth", "mobilenet\t" .. base .. "mobilenet_5_0_160_tf_no_top.h5",
      "mobilenet\tmobilenet: no weights are published for these options",
      "vgg16\tvgg16: weights = 'imagenet' with a top has 1000 classes, not 10; graft a top of your own", "",
    }, "\n"), output)
  end)
end)
