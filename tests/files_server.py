"""Files on localhost, with answers that break off."""

import hashlib
import http.server
import threading


class FilesServer:
    """Serves `files` (path -> bytes) until the block ends; `requests` are the (path, Range header) asked for."""

    def __init__(self, files):
        self.files, self.requests = files, []
        self.cuts = []  # after how many bytes each of the next answers with a .tar breaks off
        self.has_tags = True
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"at": self}))
        self.address = f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()


class _Handler(http.server.BaseHTTPRequestHandler):
    at: FilesServer

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.at.requests.append((self.path, self.headers.get("Range")))
        content = self.at.files.get(self.path)
        if content is None:
            self.send_error(404)
            return
        tag = f'"{hashlib.sha1(content).hexdigest()}"'
        is_same = self.headers.get("If-Range") in (None, tag)
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in self.headers else 0
        start = start if is_same else 0
        if start > len(content):
            self.send_error(416)
            return
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        if self.at.has_tags:
            self.send_header("ETag", tag)
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        rest = content[start:]
        if self.path.endswith(".tar") and self.at.cuts:
            rest = rest[: self.at.cuts.pop(0)]
        self.wfile.write(rest)
