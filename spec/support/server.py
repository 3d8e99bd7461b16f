"""A server for downloads that go wrong: python3 server.py FOLDER LOG. Prints its process and port, and appends a
line to LOG for each request.

/NAME        a file of FOLDER, also from the middle
/cut/NAME    the first half of what is asked for, and then the connection ends
/plain/NAME  the whole file, whatever range is asked for
/gate/NAME   the first half, and the rest when the pipe FOLDER/go is written to; when it has sent the half, FOLDER/half can be read"""
import http.server, os, sys

folder, log = sys.argv[1], open(sys.argv[2], "a")


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        parts = self.path.strip("/").split("/")
        mode, path = (parts[0] if len(parts) > 1 else ""), os.path.join(folder, parts[-1])
        asked = self.headers.get("Range")
        print(mode or "file", asked or "whole", file=log, flush=True)
        if not os.path.exists(path):
            return self.send_error(404)
        data = open(path, "rb").read()
        first = int(asked[6:].split("-")[0]) if asked and mode != "plain" else 0
        if first and first >= len(data):
            return self.send_error(416)
        self.send_response(206 if first else 200)
        if first:
            self.send_header("Content-Range", "bytes %d-%d/%d" % (first, len(data) - 1, len(data)))
        self.send_header("Content-Length", str(len(data) - first))
        self.end_headers()
        rest = data[first:]
        if mode == "gate":
            self.wfile.write(rest[: len(rest) // 2])
            self.wfile.flush()
            open(os.path.join(folder, "half"), "w").close()
            open(os.path.join(folder, "go")).close()
            rest = rest[len(rest) // 2 :]
        self.wfile.write(rest[: len(rest) // 2] if mode == "cut" else rest)

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
print(os.getpid(), server.server_port, flush=True)
server.serve_forever()
