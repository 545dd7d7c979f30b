#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""An S3 server for tests: strict about what a client must get right, and failing on request.

    fake_s3.py --port-file FILE [--fail SHARE --seed N] [--ignore-conditions] [--clock-shift SECONDS] [--tls CERT KEY]

One bucket, "bucket", in memory; keys AKFAKE / SKFAKE, and those that AssumeRoleWithWebIdentity gives for the token
"good-token". Every request's signature, clock, body digest and checksum are verified by code that shares nothing with
the client's. With --fail, that share of requests meets a fault drawn from KINDS. Unsigned, for tests only:
    POST /_fault   {"method","contains","kind","times"}: the next `times` requests that match meet it
    GET  /_stats   {"requests","uploads","faults", "METHOD": count}
It needs nothing but Python's standard library.
"""
import argparse
import base64
import calendar
import hashlib
import hmac
import http.server
import json
import os
import random
import re
import socket
import ssl
import threading
import time
import urllib.parse
import xml.etree.ElementTree
from xml.sax.saxutils import escape

BUCKET = "bucket"
REGION = "us-east-1"
KINDS = ["drop_before", "drop_after", "slow_down", "internal", "request_timeout", "truncate", "damaged"]
MIN_PART = 5 << 20


class Refusal(Exception):
    def __init__(self, status, code, message="", headers=()):
        super().__init__(code)
        self.status, self.code, self.message, self.headers = status, code, message, headers


class Stored:
    def __init__(self, data, checksum=None, etag=None):
        self.data = data
        self.checksum = checksum
        self.etag = etag or '"%s"' % hashlib.md5(data).hexdigest()
        self.modified = time.time()


class World:
    def __init__(self, options):
        self.options = options
        self.lock = threading.Lock()
        self.objects = {}
        self.uploads = {}
        self.finished = {}  # upload id -> etag, so that completing again is answered again
        self.secrets = {"AKFAKE": ("SKFAKE", "")}
        self.faults = []
        self.stats = {"requests": 0, "faults": 0}
        self.random = random.Random(options.seed)

    def now(self):
        return time.time() + self.options.clock_shift

    def draw_fault(self, method, path):
        with self.lock:
            self.stats["requests"] += 1
            self.stats[method] = self.stats.get(method, 0) + 1
            kind = None
            for fault in self.faults:
                if fault["times"] > 0 and fault["method"] in ("", method) and fault["contains"] in path:
                    fault["times"] -= 1
                    kind = fault["kind"]
                    break
            if kind is None and self.random.random() < self.options.fail:
                kind = self.random.choice(KINDS)
            if kind is not None:
                self.stats["faults"] += 1
            return kind


def quote(text, safe="-_.~"):
    return urllib.parse.quote(text, safe=safe)


def derived_key(secret, day):
    key = ("AWS4" + secret).encode()
    for part in (day, REGION, "s3", "aws4_request"):
        key = hmac.new(key, part.encode(), hashlib.sha256).digest()
    return key


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    world = None
    wbufsize = 1 << 16

    def setup(self):
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def log_message(self, *_):
        pass

    # --- what every request goes through -----------------------------------------------------------------------------

    def handle_request(self):
        length = int(self.headers.get("Content-Length", "0"))
        self.body = self.rfile.read(length)
        if len(self.body) != length:
            self.close_connection = True
            return
        path, _, query = self.path.partition("?")
        self.raw_path = path
        self.query = urllib.parse.parse_qsl(query, keep_blank_values=True)
        if path == "/_fault":
            self.world.faults.append({"method": "", "contains": "", "times": 1, **json.loads(self.body)})
            return self.answer(200)
        if path == "/_stats":
            return self.answer(200, json.dumps({**self.world.stats, "uploads": len(self.world.uploads)}).encode())
        self.fault = self.world.draw_fault(self.command, self.path)
        if self.fault == "drop_before":
            return self.hang_up()
        try:
            if self.fault == "slow_down":
                raise Refusal(503, "SlowDown", "reduce your request rate")
            if self.fault == "internal":
                raise Refusal(500, "InternalError")
            if self.fault == "request_timeout":
                raise Refusal(400, "RequestTimeout", "your socket connection was not read from or written to")
            if self.fault == "denied":
                raise Refusal(403, "AccessDenied", "no")
            if self.fault == "expired":
                raise Refusal(400, "ExpiredToken", "the token has expired")
            if self.fault == "redirect":
                raise Refusal(301, "PermanentRedirect", "", [("x-amz-bucket-region", "eu-west-1")])
            if self.command == "POST" and path == "/":
                return self.assume_role()
            self.verify()
            self.route()
        except Refusal as refusal:
            text = "<?xml version='1.0'?><Error><Code>%s</Code><Message>%s</Message></Error>" % (
                refusal.code, escape(refusal.message))
            self.answer(refusal.status, text.encode(), list(refusal.headers))

    do_GET = do_PUT = do_POST = do_DELETE = do_HEAD = handle_request

    def hang_up(self):
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def answer(self, status, body=b"", headers=(), length=None):
        fault = getattr(self, "fault", None)
        if fault == "drop_after":
            return self.hang_up()
        self.send_response_only(status)
        self.send_header("Date", self.date_time_string(self.world.now()))
        for name, value in headers:
            self.send_header(name, value)
        if fault == "lies_short" and len(body) > 1:
            length = len(body) - 1
        if fault == "lies_long":
            length = len(body) + 10
        if fault == "endless":
            length = 1 << 40
        if status not in (204, 304):
            self.send_header("Content-Length", str(len(body) if length is None else length))
        self.end_headers()
        if self.command == "HEAD":
            return None
        if fault == "damaged" and status in (200, 206) and self.command == "GET" and "list-type" not in dict(self.query) and body:
            body = bytes([body[0] ^ 1]) + body[1:]
        if fault == "truncate" and len(body) > 1:
            body = body[:len(body) // 2]
            self.close_connection = True
        if fault in ("lies_short", "lies_long"):
            self.close_connection = True
        if fault == "stall":
            self.wfile.write(body[:1])
            self.wfile.flush()
            self.rfile.read(1)  # until the client hangs up
            self.close_connection = True
            return None
        if fault == "endless":
            try:
                while True:
                    self.wfile.write(b"x" * 65536)
            except OSError:
                self.close_connection = True
                return None
        self.wfile.write(body)
        self.wfile.flush()
        if self.close_connection:
            self.hang_up()
        return None

    # --- signatures ---------------------------------------------------------------------------------------------------

    def verify(self):
        match = re.fullmatch(r"AWS4-HMAC-SHA256 Credential=([^/]+)/(\d{8})/([^/]+)/s3/aws4_request, "
                             r"SignedHeaders=([a-z0-9;-]+), Signature=([0-9a-f]{64})", self.headers.get("Authorization", ""))
        if not match:
            raise Refusal(403, "AccessDenied", "not signed")
        key_id, day, region, names, signature = match.groups()
        if region != REGION:
            raise Refusal(400, "AuthorizationHeaderMalformed", "expecting " + REGION)
        if key_id not in self.world.secrets:
            raise Refusal(403, "InvalidAccessKeyId")
        secret, token = self.world.secrets[key_id]
        if self.headers.get("x-amz-security-token", "") != token:
            raise Refusal(403, "InvalidToken")
        names = names.split(";")
        sent = {name.lower() for name in self.headers.keys()}
        unsigned = {n for n in sent if n.startswith("x-amz-") or n in ("host", "range", "if-match", "if-none-match")} - set(names)
        if unsigned or names != sorted(names):
            raise Refusal(403, "AccessDenied", "not signed: %s" % sorted(unsigned))
        stamp = self.headers["x-amz-date"]
        lines = [self.command, self.raw_path,
                 "&".join(sorted("%s=%s" % (quote(n), quote(v)) for n, v in self.query))]
        lines += ["%s:%s" % (n, " ".join(",".join(self.headers.get_all(n)).split())) for n in names]
        lines += ["", ";".join(names), self.headers["x-amz-content-sha256"]]
        text = "\n".join(["AWS4-HMAC-SHA256", stamp, "%s/%s/s3/aws4_request" % (day, REGION),
                          hashlib.sha256("\n".join(lines).encode()).hexdigest()])
        right = hmac.new(derived_key(secret, day), text.encode(), hashlib.sha256).hexdigest()
        if not hmac.compare_digest(right, signature):
            raise Refusal(403, "SignatureDoesNotMatch", "\n".join(lines))
        if abs(calendar.timegm(time.strptime(stamp, "%Y%m%dT%H%M%SZ")) - self.world.now()) > 900:
            raise Refusal(403, "RequestTimeTooSkewed")
        if hashlib.sha256(self.body).hexdigest() != self.headers["x-amz-content-sha256"]:
            raise Refusal(400, "XAmzContentSHA256Mismatch")
        checksum = self.headers.get("x-amz-checksum-sha256")
        if checksum and base64.b64decode(checksum) != hashlib.sha256(self.body).digest():
            raise Refusal(400, "BadDigest")

    def assume_role(self):
        form = dict(urllib.parse.parse_qsl(self.body.decode()))
        if form.get("Action") != "AssumeRoleWithWebIdentity" or form.get("Version") != "2011-06-15":
            raise Refusal(400, "InvalidAction")
        if form.get("WebIdentityToken") != "good-token" or not form.get("RoleArn", "").startswith("arn:aws:iam::"):
            raise Refusal(400, "InvalidIdentityToken", "the token is not good")
        key_id = "ASIA%d" % len(self.world.secrets)
        self.world.secrets[key_id] = ("temporary-secret", "temporary-token")
        expires = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(self.world.now() + 3600))
        text = ("<AssumeRoleWithWebIdentityResponse xmlns='https://sts.amazonaws.com/doc/2011-06-15/'>"
               "<AssumeRoleWithWebIdentityResult><Credentials><AccessKeyId>%s</AccessKeyId>"
               "<SecretAccessKey>temporary-secret</SecretAccessKey><SessionToken>temporary-token</SessionToken>"
               "<Expiration>%s</Expiration></Credentials></AssumeRoleWithWebIdentityResult>"
               "</AssumeRoleWithWebIdentityResponse>") % (key_id, expires)
        self.answer(200, text.encode())

    # --- S3 -----------------------------------------------------------------------------------------------------------

    def route(self):
        path = urllib.parse.unquote(self.raw_path).lstrip("/")
        if self.headers["Host"].startswith(BUCKET + "."):
            key = path
        else:
            bucket, _, key = path.partition("/")
            if bucket != BUCKET:
                raise Refusal(404, "NoSuchBucket")
        query = dict(self.query)
        with self.world.lock:
            action = self.act(key, query)
        self.answer(*action)

    def act(self, key, query):
        if not key:
            return self.list(query)
        if self.command == "POST":
            return self.complete(key, query) if "uploadId" in query else self.begin(query)
        if self.command == "PUT" and "partNumber" in query:
            return self.part(query)
        if self.command == "DELETE" and "uploadId" in query:
            if self.world.uploads.pop(query["uploadId"], None) is None:
                raise Refusal(404, "NoSuchUpload")
            return (204,)
        if self.command == "PUT":
            return self.put(key)
        if self.command == "DELETE":
            self.world.objects.pop(key, None)
            return (204,)
        return self.get(key)

    def put(self, key):
        objects = self.world.objects
        source = self.headers.get("x-amz-copy-source")
        if source:
            name = urllib.parse.unquote(source).lstrip("/").partition("/")[2]
            if name not in objects:
                raise Refusal(404, "NoSuchKey")
            if name == key and self.headers.get("x-amz-metadata-directive") != "REPLACE":
                raise Refusal(400, "InvalidRequest", "a copy onto itself must change something")
            objects[key] = Stored(objects[name].data, objects[name].checksum, objects[name].etag)
            return 200, b"<CopyObjectResult><ETag>x</ETag></CopyObjectResult>"
        condition = self.headers.get("If-None-Match")
        if condition and condition != "*":
            raise Refusal(501, "NotImplemented")
        if condition and key in objects and not self.world.options.ignore_conditions:
            raise Refusal(412, "PreconditionFailed")
        objects[key] = Stored(self.body, self.headers.get("x-amz-checksum-sha256"))
        return 200, b"", [("ETag", objects[key].etag)]

    def get(self, key):
        if key not in self.world.objects:
            raise Refusal(404, "NoSuchKey")
        stored = self.world.objects[key]
        if self.headers.get("If-Match", stored.etag) != stored.etag:
            raise Refusal(412, "PreconditionFailed")
        headers = [("ETag", stored.etag), ("Last-Modified", self.date_time_string(stored.modified))]
        if stored.checksum and self.headers.get("x-amz-checksum-mode") == "ENABLED":
            headers.append(("x-amz-checksum-sha256", stored.checksum))
        if self.command == "HEAD":
            return 200, b"", headers, len(stored.data)
        asked = re.fullmatch(r"bytes=(\d+)-(\d*)", self.headers.get("Range", ""))
        if not asked or getattr(self, "fault", None) == "ignores_range":
            return 200, stored.data, headers
        begin, end = int(asked[1]), min(int(asked[2] or len(stored.data)), len(stored.data) - 1)
        if begin >= len(stored.data):
            raise Refusal(416, "InvalidRange")
        if getattr(self, "fault", None) == "wrong_range":
            headers.append(("Content-Range", "bytes %d-%d/%d" % (begin + 1, end + 1, len(stored.data) + 1)))
        else:
            headers.append(("Content-Range", "bytes %d-%d/%d" % (begin, end, len(stored.data))))
        return 206, stored.data[begin:end + 1], headers

    def list(self, query):
        if self.command != "GET" or query.get("list-type") != "2":
            raise Refusal(405, "MethodNotAllowed")
        limit = int(query["max-keys"])
        after = query.get("start-after", "")
        keys = sorted((k for k in self.world.objects if k.startswith(query.get("prefix", "")) and k > after),
                      key=lambda k: k.encode())
        text = ["<ListBucketResult><EncodingType>url</EncodingType><IsTruncated>%s</IsTruncated>"
               % ("true" if len(keys) > limit else "false")]
        for key in keys[:limit]:
            stored = self.world.objects[key]
            text.append("<Contents><Key>%s</Key><LastModified>%s</LastModified><ETag>%s</ETag><Size>%d</Size></Contents>" % (
                quote(key, "/-_.~"), time.strftime("%Y-%m-%dT%H:%M:%S.000Z", time.gmtime(stored.modified)),
                escape(stored.etag, {'"': "&quot;"}), len(stored.data)))
        return 200, "".join(text + ["</ListBucketResult>"]).encode()

    def begin(self, query):
        if "uploads" not in query:
            raise Refusal(400, "InvalidRequest")
        upload = "upload-%d" % (len(self.world.uploads) + len(self.world.finished) + self.world.random.randrange(1 << 60))
        self.world.uploads[upload] = {}
        text = "<InitiateMultipartUploadResult><UploadId>%s</UploadId></InitiateMultipartUploadResult>" % upload
        return 200, text.encode()

    def part(self, query):
        parts = self.world.uploads.get(query["uploadId"])
        if parts is None:
            raise Refusal(404, "NoSuchUpload")
        etag = '"%s"' % hashlib.md5(self.body).hexdigest()
        parts[int(query["partNumber"])] = (etag, self.body)
        return 200, b"", [("ETag", etag)]

    def complete(self, key, query):
        upload = query["uploadId"]
        if upload in self.world.finished and self.world.options.forget_uploads:
            raise Refusal(404, "NoSuchUpload")
        done = b"<CompleteMultipartUploadResult><ETag>x</ETag></CompleteMultipartUploadResult>"
        if upload in self.world.finished:
            return 200, done
        parts = self.world.uploads.get(upload)
        if parts is None:
            raise Refusal(404, "NoSuchUpload")
        if getattr(self, "fault", None) == "error_in_200":
            return 200, b"<Error><Code>InternalError</Code><Message>try again</Message></Error>"
        tree = xml.etree.ElementTree.fromstring(self.body)
        named = [(int(part.findtext("{*}PartNumber")), part.findtext("{*}ETag")) for part in tree.iterfind("{*}Part")]
        data = []
        for place, (number, etag) in enumerate(named):
            have = parts.get(number)
            if number != place + 1 or have is None or have[0] != etag:
                raise Refusal(400, "InvalidPart")
            if place + 1 < len(named) and len(have[1]) < MIN_PART:
                raise Refusal(400, "EntityTooSmall")
            data.append(have[1])
        if not named or len(named) != len(parts):
            raise Refusal(400, "InvalidPart")
        del self.world.uploads[upload]
        self.world.objects[key] = Stored(b"".join(data), None, '"%s-%d"' % (hashlib.md5(b"".join(data)).hexdigest(), len(data)))
        self.world.finished[upload] = key
        return 200, done


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--port-file", required=True)
    parser.add_argument("--fail", type=float, default=0)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--ignore-conditions", action="store_true")
    parser.add_argument("--forget-uploads", action="store_true")
    parser.add_argument("--clock-shift", type=int, default=0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"))
    options = parser.parse_args()
    Handler.world = World(options)
    http.server.ThreadingHTTPServer.request_queue_size = 128
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # clients that hang up
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(*options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    with open(options.port_file + ".new", "w") as out:
        out.write("%d\n" % server.server_address[1])
    os.rename(options.port_file + ".new", options.port_file)
    server.serve_forever()


if __name__ == "__main__":
    main()
