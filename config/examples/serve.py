#!/usr/bin/python3
# SPDX-License-Identifier: Apache-2.0
"""Predictions over HTTP from models that joblib has saved: serve.py DIRECTORY [PORT]

    curl http://127.0.0.1:8080/models
    curl -d '{"instances": [[1, 2]]}' http://127.0.0.1:8080/models/NAME/predict

The directory is a zone of a guarded share, and the guard is what this relies on: whatever a
model's code does when it is loaded, this account reads that zone and changes nothing."""

import http.server
import json
import os
import re
import sys
import threading

import joblib

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,100}")
REQUEST = re.compile(r"/models/([^/]+)/predict")
BODY_MAX = 1 << 20
SUFFIX = ".joblib"


class Models:
    """Each model as it was when its file was opened last; every request opens it, so that every
    request is on record, and is decided by the policy in force."""

    def __init__(self, directory):
        self._directory = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
        self._loaded = {}
        self._lock = threading.Lock()

    def names(self):
        return sorted(name[:-len(SUFFIX)] for name in os.listdir(self._directory)
                      if name.endswith(SUFFIX))

    def get(self, name):
        if not NAME.fullmatch(name):
            raise FileNotFoundError(name)
        fd = os.open(name + SUFFIX, os.O_RDONLY | os.O_NOFOLLOW, dir_fd=self._directory)
        with open(fd, "rb") as file, self._lock:
            st = os.fstat(fd)
            version = (st.st_ino, st.st_size, st.st_mtime_ns)
            if self._loaded.get(name, (None,))[0] != version:
                self._loaded[name] = (version, joblib.load(file))
            return self._loaded[name][1]


class Handler(http.server.BaseHTTPRequestHandler):
    def _answer(self, status, document):
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self):
        if self.path == "/models":
            self._answer(200, {"models": self.server.models.names()})
        else:
            self._answer(404, {"error": "no such page"})

    def _predict(self, name):
        length = int(self.headers.get("Content-Length", 0))
        if not 0 < length <= BODY_MAX:
            raise ValueError("a body of at most 1 MiB is needed")
        model = self.server.models.get(name)
        rows = json.loads(self.rfile.read(length))["instances"]
        return [float(value) for value in model.predict(rows)]

    def do_POST(self):
        match = REQUEST.fullmatch(self.path)
        if not match:
            self._answer(404, {"error": "no such page"})
            return
        try:
            self._answer(200, {"predictions": self._predict(match[1])})
        except OSError:
            self._answer(404, {"error": "no such model"})
        except (ValueError, KeyError, TypeError) as error:
            self._answer(400, {"error": str(error)})
        except Exception:  # the model's own code: whatever it raises
            self._answer(500, {"error": "the model failed"})


def main():
    port = int(sys.argv[2]) if len(sys.argv) > 2 else 8080
    server = http.server.ThreadingHTTPServer(("127.0.0.1", port), Handler)
    server.models = Models(sys.argv[1])
    print(f"serving on port {server.server_address[1]}", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
