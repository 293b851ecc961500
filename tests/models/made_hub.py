"""A hub on this machine that answers as huggingface.co does, for the real client to talk to."""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"


def _oid(path):
    """As git names a file's content."""
    content = path.read_bytes()
    return hashlib.sha1(b"blob %d\0" % len(content) + content).hexdigest()


def _large(path):
    return path.suffix in (".safetensors", ".bin")


def _sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *arguments):
        pass

    def _answer(self, status, body=b"", **headers):
        self.send_response(status)
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        for name, value in {"Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _json(self, value):
        self._answer(200, json.dumps(value).encode(), Content_Type="application/json")

    def _refuse(self, status, code):
        self._answer(status, X_Error_Code=code, X_Error_Message=code)

    def do_GET(self):
        path = unquote(urlsplit(self.path).path).strip("/")
        kind = "datasets" if "datasets/" in path else "models"
        parts = path.removeprefix("api/").removeprefix(f"{kind}/").split("/")
        name, rest = "/".join(parts[:2]), parts[2:]
        self.server.seen.append((self.command, path, self.headers.get("Authorization")))
        folder = self.server.repositories.get(name)
        if name == "gated/one":
            return self._refuse(401, "GatedRepo")
        if folder is None:
            return self._refuse(401, "RepoNotFound")
        revision = rest[1] if len(rest) > 1 else "main"
        if revision not in ("main", "v1", COMMIT):
            return self._refuse(404, "RevisionNotFound")
        self._serve(path, name, folder, rest)

    do_HEAD = do_GET

    def do_POST(self):
        asked = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        path = unquote(urlsplit(self.path).path).strip("/").split("/")
        folder = self.server.repositories.get("/".join(path[2:4]))
        if folder is None or path[4] != "paths-info":
            return self._refuse(404, "EntryNotFound")
        wanted = json.loads(asked)["paths"]
        self._json([self._entry(folder, folder / one) for one in wanted if (folder / one).exists()])

    @staticmethod
    def _entry(folder, path):
        name = path.relative_to(folder).as_posix()
        if path.is_dir():
            return {"type": "directory", "oid": "0" * 40, "size": 0, "path": name}
        size = path.stat().st_size
        large = {"lfs": {"oid": _sha256(path), "size": size, "pointerSize": 134}} if _large(path) else {}
        return {"type": "file", "oid": _oid(path), "size": size, "path": name, **large}

    def _serve(self, path, name, folder, rest):
        files = sorted(file for file in folder.rglob("*") if file.is_file())
        if path.startswith("api/") and (not rest or rest[0] == "revision"):
            siblings = [{"rfilename": file.relative_to(folder).as_posix()} for file in files]
            about = {"id": name, "sha": COMMIT, "siblings": siblings, "tags": [], "private": False}
            return self._json(about | {"cardData": {"license": "apache-2.0"}})
        if path.startswith("api/") and rest[0] == "tree":
            root = folder.joinpath(*rest[2:])
            found = sorted(root.rglob("*") if "recursive=True" in self.path else root.glob("*"))
            return self._json([self._entry(folder, one) for one in found])
        file = folder.joinpath(*rest[2:])
        if rest[0] != "resolve" or not file.is_file():
            return self._refuse(404, "EntryNotFound")
        content = file.read_bytes()
        fault = self.server.faults.get(file.name) if self.command == "GET" else None
        if fault == "corrupted":  # of the right size, as a proxy or a disk may damage it
            content = content[:-1] + bytes([content[-1] ^ 1])
        if fault == "forbidden":
            return self._answer(403, b"no", Content_Type="text/plain")
        start = int((self.headers.get("Range") or "bytes=0-").removeprefix("bytes=").split("-")[0])
        more = {"Content-Range": f"bytes {start}-{len(content) - 1}/{len(content)}"} if start else {}
        etag = _sha256(file) if _large(file) else _oid(file)
        body = content[start:]
        if fault == "dropped":  # one connection breaks half way
            del self.server.faults[file.name]
            body = body[: len(body) // 2]
        if self.command == "GET":
            self.server.sent.append((file.name, len(body)))
        more["Content-Length"] = len(content) - start
        self._answer(206 if start else 200, body, X_Repo_Commit=COMMIT, ETag=f'"{etag}"', **more)
        self.close_connection = fault == "dropped"


@contextmanager
def hub(**repositories):
    """Serve folders as repositories (`owner__name=folder`); yields the server: `.url`, `.seen` requests, `.sent` bytes.

    `.faults` {file: what is wrong with it}: corrupted, forbidden, or dropped once half way.
    """
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
    server.repositories = {name.replace("__", "/"): Path(folder) for name, folder in repositories.items()}
    server.seen, server.sent, server.faults = [], [], {}
    server.url = f"http://127.0.0.1:{server.server_port}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
