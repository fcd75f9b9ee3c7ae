"""A small Hugging Face hub on localhost, with the faults that real ones have."""

import hashlib
import http.server
import threading
import time
from dataclasses import dataclass, field
from urllib.parse import unquote

LARGE = (".safetensors", ".bin", ".pt")  # these lie at another address, as the hub's large files do


@dataclass
class Repo:
    """One repository with one commit; `files` is what is sent, `told` what the hub says of it."""

    files: dict[str, bytes]
    commit: str = "c0ffee" + 34 * "0"
    told: dict[str, bytes] = field(default_factory=dict)

    def sha256(self, name):
        return hashlib.sha256(self.told.get(name, self.files[name])).hexdigest()


class Hub:
    """Serves `repos` (name -> Repo) until the block ends; `requests` says what was asked for."""

    def __init__(self, repos):
        self.repos = repos
        self.requests = []
        self.cuts = []  # after how many bytes each of the next answers with a large file breaks off
        self.slow = False  # a large file stops after its first part, and the connection stays open
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"hub": self}))
        self.port = self._server.server_address[1]
        self.endpoint = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(self, *_):
        self._server.shutdown()
        self._server.server_close()

    def gets(self, ending=""):
        """The range header of every file that was sent: None for a whole one."""
        return [
            headers.get("Range") for method, path, headers in self.requests if method == "GET" and path.endswith(ending)
        ]


class _Handler(http.server.BaseHTTPRequestHandler):
    hub: Hub
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_HEAD(self):
        self.answer(with_body=False)

    def do_GET(self):
        self.answer(with_body=True)

    def answer(self, *, with_body):
        path = unquote(self.path)
        self.hub.requests.append((self.command, path, {name.title(): value for name, value in self.headers.items()}))
        org, name, kind, revision, file = (*path.strip("/").split("/", 4), "", "", "", "")[:5]
        repo = self.hub.repos.get(f"{org}/{name}")
        if repo is None:
            return self.refuse(401, "RepoNotFound")  # what the hub answers to somebody without a token
        if revision not in ("main", repo.commit):
            return self.refuse(404, "RevisionNotFound")
        if file not in repo.files:
            return self.refuse(404, "EntryNotFound")
        if kind == "resolve" and file.endswith(LARGE):
            return self.send_elsewhere(repo, path, file)
        return self.send_file(repo, file, with_body=with_body)

    def refuse(self, status, code):
        self.send_response(status)
        self.send_header("X-Error-Code", code)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_elsewhere(self, repo, path, file):
        self.send_response(302)
        self.send_header("Location", f"http://localhost:{self.hub.port}{path.replace('/resolve/', '/cdn/', 1)}")
        self.send_header("X-Repo-Commit", repo.commit)
        self.send_header("X-Linked-Etag", f'"{repo.sha256(file)}"')
        self.send_header("X-Linked-Size", str(len(repo.told.get(file, repo.files[file]))))
        self.send_header("Content-Length", "0")
        self.end_headers()

    def send_file(self, repo, file, *, with_body):
        content = repo.files[file]
        start = int(self.headers["Range"].removeprefix("bytes=").rstrip("-")) if "Range" in self.headers else 0
        self.send_response(206 if start else 200)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("X-Repo-Commit", repo.commit)
        self.send_header("ETag", f'"{hashlib.sha1(content).hexdigest()}"')
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if not with_body:
            return
        rest = content[start:]
        if file.endswith(LARGE) and self.hub.cuts:
            self.wfile.write(rest[: self.hub.cuts.pop(0)])
            self.wfile.flush()
            self.close_connection = True
            self.connection.shutdown(2)
        elif file.endswith(LARGE) and self.hub.slow:
            self.wfile.write(rest[: len(rest) * 9 // 10])
            self.wfile.flush()
            while self.hub.slow:
                time.sleep(0.05)
        else:
            self.wfile.write(rest)
