#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The Hub's HTTP API for tests: two servers on free ports of this machine, the Hub and the storage behind it.

    fake_hub.py --port-file FILE

Repositories are folders of this disk. Files that are large (over 1,000 bytes) or end in .safetensors are "in LFS": the
Hub redirects to the storage by a signed URL, and the storage refuses whoever shows it a token. Tokens: hf_good may read
everything, hf_poor nothing that is gated or private, others are none. Unsigned, for tests only:
    POST /_repo    {"kind": "models", "id", "folder", "branches": ["main"], "private", "gated", "xet", "page", "tree",
                    "move_to"}: the folder as it is now is a new commit of the repository, and the branches lead to it;
                    answers its SHA-1. "tree" is served in place of the true list, "page" entries in each answer.
    POST /_fault   {"server", "method", "contains", "kind", "times", "skip"}: of the requests that match, `times` meet it after `skip`
                    that do not
    POST /_expire  all URLs signed so far are expired
    GET  /_log     requests in order: [{"server", "method", "path", "headers"}]
    GET  /_waiting how many requests are stalled now
It needs nothing but Python's standard library.
"""
import argparse
import hashlib
import http.server
import json
import os
import pathlib
import threading
import urllib.parse


def git_sha1(data):
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


class File:
    def __init__(self, path, data):
        self.path, self.data = path, data
        self.is_lfs = len(data) > 1000 or path.endswith(".safetensors")
        self.sha256 = hashlib.sha256(data).hexdigest()
        if self.is_lfs:
            self.pointer = b"version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n" % (
                self.sha256.encode(), len(data))
            self.oid, self.etag = git_sha1(self.pointer), self.sha256
        else:
            self.oid = self.etag = git_sha1(data)

    def entry(self, xet):
        entry = {"type": "file", "path": self.path, "size": len(self.data), "oid": self.oid}
        if self.is_lfs:
            entry["lfs"] = {"oid": self.sha256, "size": len(self.data), "pointerSize": len(self.pointer)}
            if xet:
                entry["xetHash"] = hashlib.sha256(b"xet" + self.data).hexdigest()
        return entry


class World:
    def __init__(self):
        self.lock = threading.Lock()
        self.repos = {}
        self.by_sha256 = {}
        self.faults = []
        self.log = []
        self.signature = 0
        self.expired_before = 0
        self.waiting = 0
        self.ports = {}

    def origin(self, server):
        # Two names of this machine: another host, as well as another port.
        return "http://%s:%d" % ("127.0.0.1" if server == "hub" else "localhost", self.ports[server])

    def add_repo(self, question):
        folder = pathlib.Path(question["folder"])
        files = {}
        for path in sorted(p for p in folder.rglob("*") if p.is_file()):
            file = File(path.relative_to(folder).as_posix(), path.read_bytes())
            files[file.path] = file
            self.by_sha256[file.sha256] = file
        listing = "".join("%s %s\n" % (f.path, f.etag) for f in files.values())
        commit = hashlib.sha1(listing.encode()).hexdigest()
        repo = self.repos.setdefault((question.get("kind", "models"), question["id"]), {"commits": {}, "branches": {}})
        repo["commits"][commit] = files
        for branch in question.get("branches", ["main"]):
            repo["branches"][branch] = commit
        repo.update({k: question[k] for k in ("private", "gated", "xet", "page", "tree", "move_to") if k in question})
        return commit

    def draw_fault(self, server, method, path):
        with self.lock:
            for fault in self.faults:
                if fault["times"] > 0 and fault["server"] in ("", server) and fault["method"] in ("", method) and \
                        fault["contains"] in path:
                    if fault["skip"] > 0:
                        fault["skip"] -= 1
                        continue
                    fault["times"] -= 1
                    return fault["kind"]
        return None


class Refusal(Exception):
    def __init__(self, status, code="", message="", headers=()):
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world = None
    server_name_ = ""

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", "0"))) or b"{}")
        if self.path == "/_repo":
            return self.answer(200, self.world.add_repo(body).encode())
        if self.path == "/_fault":
            self.world.faults.append({"server": "", "method": "", "contains": "", "times": 1, "skip": 0, **body})
        elif self.path == "/_expire":
            self.world.expired_before = self.world.signature
        return self.answer(200, b"")

    def handle_read(self):
        self.fault = None
        if self.path == "/_log":
            return self.answer(200, json.dumps(self.world.log).encode())
        if self.path == "/_waiting":
            return self.answer(200, str(self.world.waiting).encode())
        if self.path.startswith("/api/agent-harnesses"):
            return self.answer(404)
        self.world.log.append({"server": self.server_name_, "method": self.command, "path": self.path,
                               "headers": {k.lower(): v for k, v in self.headers.items()}})
        self.fault = self.world.draw_fault(self.server_name_, self.command, self.path)
        if self.fault == "drop":
            self.close_connection = True
            return None
        try:
            self.refuse_by_fault()
            path, _, query = self.path.partition("?")
            query = dict(urllib.parse.parse_qsl(query))
            return self.serve_storage(path, query) if self.server_name_ == "storage" else self.serve_hub(path, query)
        except Refusal as refusal:
            headers = list(refusal.headers)
            if refusal.code:
                headers.append(("X-Error-Code", refusal.code))
            if refusal.message:
                headers.append(("X-Error-Message", refusal.message))
            return self.answer(refusal.status, json.dumps({"error": refusal.message}).encode(), headers)

    do_GET = do_HEAD = handle_read

    def refuse_by_fault(self):
        if self.fault in ("500", "503", "403", "404"):
            raise Refusal(int(self.fault))
        if self.fault == "429":
            raise Refusal(429, "", "", [("Retry-After", "2")])
        if self.fault == "ratelimit":
            raise Refusal(429, "", "", [("RateLimit", '"api";r=0;t=3'), ("Retry-After", "100")])
        if self.fault == "html":
            raise Refusal(200)

    def answer(self, status, body=b"", headers=()):
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command == "HEAD":
            return None
        if getattr(self, "fault", None) == "truncate" and status in (200, 206):
            body = body[:len(body) // 2]
            self.close_connection = True
        if getattr(self, "fault", None) == "damaged" and status in (200, 206) and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        if getattr(self, "fault", None) == "stall":
            self.wfile.write(body[:len(body) // 2])
            self.wfile.flush()
            with self.world.lock:
                self.world.waiting += 1
            self.rfile.read(1)  # until the client hangs up
            with self.world.lock:
                self.world.waiting -= 1
            self.close_connection = True
            return None
        self.wfile.write(body)
        self.wfile.flush()
        return None

    def serve_bytes(self, data, headers):
        fault = self.fault
        if fault == "etag":
            headers = [(n, '"another"' if n == "ETag" else v) for n, v in headers]
        if fault == "gzip":
            headers = headers + [("Content-Encoding", "gzip")]
        wanted = self.headers.get("Range")
        if wanted is None or fault == "norange":
            return self.answer(200, data, headers)
        begin, end = wanted.removeprefix("bytes=").split("-")
        begin, end = int(begin), min(int(end or len(data)), len(data) - 1)
        if begin > end:
            return self.answer(416, b"", [("Content-Range", "bytes */%d" % len(data))])
        total = len(data) + (1 if fault == "total" else 0)
        return self.answer(206, data[begin:end + 1], headers + [("Content-Range", "bytes %d-%d/%d" % (begin, end, total))])

    # --- the storage --------------------------------------------------------------------------------------------------

    def serve_storage(self, path, query):
        if "Authorization" in self.headers:
            raise Refusal(400)  # as Amazon's answers to two kinds of authorisation at once
        if int(query.get("signature", "0")) <= self.world.expired_before:
            raise Refusal(403)
        file = self.world.by_sha256[path.rsplit("/", 1)[1]]
        return self.serve_bytes(file.data, [("ETag", '"%s"' % hashlib.md5(file.data).hexdigest())])

    # --- the Hub ------------------------------------------------------------------------------------------------------

    def repo_of(self, kind, repo_id):
        token = self.headers.get("Authorization", "").removeprefix("Bearer ")
        if token not in ("", "hf_good", "hf_poor"):
            raise Refusal(401, "", "Invalid credentials in Authorization header")
        repo = self.world.repos.get((kind, repo_id))
        if repo is None or (repo.get("private") and token != "hf_good"):
            raise Refusal(404 if token else 401, "RepoNotFound", "Repository not found")
        if "move_to" in repo:
            location = self.path.replace(repo_id, repo["move_to"], 1)
            raise Refusal(307, "", "", [("Location", location)])
        if repo.get("gated") and token != "hf_good":
            raise Refusal(403 if token else 401, "GatedRepo", "Access to this repository is restricted")
        return repo

    @staticmethod
    def commit_of(repo, revision):
        commit = repo["branches"].get(revision, revision)
        if commit not in repo["commits"]:
            raise Refusal(404, "RevisionNotFound", "Invalid rev id")
        return commit

    def serve_hub(self, path, query):
        parts = path.split("/")[1:]
        if parts[0] == "api":
            # /api/models/org/name/revision/REV, /api/models/org/name/tree/REV
            kind, repo_id, what = parts[1], "/".join(parts[2:-2]), parts[-2]
            repo = self.repo_of(kind, repo_id)
            commit = self.commit_of(repo, urllib.parse.unquote(parts[-1]))
            if what == "revision":
                return self.answer(200, json.dumps({"_id": "1", "id": repo_id, "sha": commit, "siblings": [], "private": False,
                                                    "downloads": 0, "likes": 0, "tags": []}).encode())
            return self.serve_tree(repo, commit, path, int(query.get("cursor", "0")))
        kind = "datasets" if parts[0] == "datasets" else "models"
        parts = parts[1:] if kind == "datasets" else parts
        at = parts.index("resolve")
        repo = self.repo_of(kind, "/".join(parts[:at]))
        commit = self.commit_of(repo, urllib.parse.unquote(parts[at + 1]))
        file = repo["commits"][commit].get(urllib.parse.unquote("/".join(parts[at + 2:])))
        if file is None:
            raise Refusal(404, "EntryNotFound", "Entry not found", [("X-Repo-Commit", commit)])
        return self.serve_file(repo, commit, file)

    def serve_tree(self, repo, commit, path, cursor):
        entries = repo.get("tree") or [f.entry(repo.get("xet")) for f in repo["commits"][commit].values()]
        page = repo.get("page") or len(entries) or 1
        headers = []
        if cursor + page < len(entries):
            url = "%s%s?recursive=true&expand=false&cursor=%d" % (self.world.origin("hub"), path, cursor + page)
            headers.append(("Link", '<%s>; rel="next"' % url))
        return self.answer(200, json.dumps(entries[cursor:cursor + page]).encode(), headers)

    def serve_file(self, repo, commit, file):
        headers = [("X-Repo-Commit", commit)]
        if not file.is_lfs:
            return self.serve_bytes(file.data, headers + [("ETag", '"%s"' % file.etag), ("Accept-Ranges", "bytes")])
        with self.world.lock:
            self.world.signature += 1
            signature = self.world.signature
        headers += [("X-Linked-Etag", '"%s"' % file.etag), ("X-Linked-Size", str(len(file.data))),
                    ("Location", "%s/blobs/%s?signature=%d" % (self.world.origin("storage"), file.sha256, signature))]
        if repo.get("xet"):
            headers += [("X-Xet-Hash", hashlib.sha256(b"xet" + file.data).hexdigest()),
                        ("Link", '<%s/xet-auth>; rel="xet-auth"' % self.world.origin("hub"))]
        return self.answer(302, b"Found. Redirecting", headers)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", required=True)
    options = parser.parse_args()
    world = World()
    servers = {}
    for name in ("hub", "storage"):
        handler = type(name, (Handler,), {"world": world, "server_name_": name})
        # The storage is found as localhost, which may be ::1 first; clients go on to 127.0.0.1.
        servers[name] = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
        servers[name].daemon_threads = True
        world.ports[name] = servers[name].server_address[1]
    threading.Thread(target=servers["storage"].serve_forever, daemon=True).start()
    with open(options.port_file + ".new", "w", encoding="ascii") as file:
        file.write("%d\n" % world.ports["hub"])
    os.rename(options.port_file + ".new", options.port_file)
    servers["hub"].serve_forever()


if __name__ == "__main__":
    main()
