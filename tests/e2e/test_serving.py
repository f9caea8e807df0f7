# SPDX-License-Identifier: Apache-2.0
"""The example of config/examples: a server of models under its own account reads one zone, each
read is on record, and no request, nor a model's own code, reaches another model."""

import contextlib
import http.client
import io
import json
import os
import pickle
import subprocess

import pytest

import world
from guard import CTL
from test_pipeline import control_group

joblib = pytest.importorskip("joblib")
linear_model = pytest.importorskip("sklearn.linear_model")

EXAMPLES = os.path.join(os.path.dirname(__file__), "..", "..", "config", "examples")
SERVER = "outsider"  # who holds no other role
SECRET = "/experiments/secret.joblib"


def example(name):
    with open(os.path.join(EXAMPLES, name), encoding="utf-8") as file:
        return file.read()


def model_of(factor):
    model = linear_model.LinearRegression()
    model.fit([[0], [1], [2]], [0, factor, 2 * factor])
    return model


def saved(model):
    buffer = io.BytesIO()
    joblib.dump(model, buffer)
    return buffer.getvalue()


class Steals:
    """When it is loaded, it is what another model's file holds."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return eval, (f"open({self.path!r}, 'rb').read()",)


class Server:
    """serve.py in the unit's control group, as the account of the role."""

    def __init__(self, guard, procs, user=SERVER):
        script = 'echo $$ > "$1" && shift && exec setpriv --reuid "$1" --regid "$2" ' \
            '--clear-groups /usr/bin/python3 -B -c "$3" "$4" 0'
        self.process = subprocess.Popen(
            ["sh", "-c", script, "sh", procs, str(world.uid_of(user)), str(world.gid_of(user)),
             example("serve.py"), guard.path("serving")],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
            env={"PATH": "/usr/bin:/bin", "HOME": "/nonexistent"}, cwd="/",
            preexec_fn=world.die_with_parent)
        line = self.process.stdout.readline()
        self.port = int(line.split()[-1]) if line else None

    def request(self, method, path, document=None):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        with contextlib.closing(connection):
            body = json.dumps(document) if document is not None else None
            connection.request(method, path, body)
            response = connection.getresponse()
            return response.status, json.loads(response.read())

    def predict(self, name, rows=((3,),)):
        return self.request("POST", f"/models/{name}/predict", {"instances": rows})

    def close(self):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()


@pytest.fixture
def guard(make_guard):
    policy = example("serving.ini").replace("users = model-serving", f"users = {SERVER}")
    guard = make_guard(audit="file", policy=policy)
    guard.put("serving/double.joblib", saved(model_of(2)), owner="mleng1")
    guard.put("experiments/secret.joblib", saved(model_of(99)), owner="mleng1")
    return guard


@pytest.fixture
def server(guard):
    with control_group("system.slice/model-serving.service") as procs:
        server = Server(guard, procs)
        try:
            assert server.port, "it does not start"
            yield server
        finally:
            server.close()


def test_it_predicts_and_each_read_is_on_record(guard, server):
    assert server.request("GET", "/models") == (200, {"models": ["double"]})
    since = guard.mark()
    for _ in range(3):
        status, answer = server.predict("double")
        assert status == 200 and abs(answer["predictions"][0] - 6) < 1e-6
    reads = [record for record in guard.records(since) if record["op"] == "open-read"
             and record["path"] == guard.path("serving/double.joblib")]
    assert len(reads) == 3
    for record in reads:
        assert record["acct"] == SERVER and record["grole"] == "model-server"
        assert record["zone"] == "serving" and record["res"] == "success"


@pytest.mark.parametrize("name", ["secret", "../experiments/secret", "..%2fexperiments%2fsecret",
                                  "%2e%2e/experiments/secret", ".", "double.joblib/x", "evil"])
def test_no_request_reaches_another_model(guard, server, name):
    os.symlink("../experiments/secret.joblib", guard.source("serving/evil.joblib"))
    since = guard.mark()
    status, answer = server.predict(name)
    assert status == 404 and "predictions" not in answer
    assert not [record for record in guard.records(since)
                if record["op"] == "open-read" and record["res"] == "success"
                and "secret" in record["path"]]


def test_a_model_whose_code_reads_another_is_denied_on_record(guard, server):
    guard.put("serving/thief.joblib", saved(Steals(guard.path(SECRET[1:]))), owner="mleng1")
    since = guard.mark()
    status, answer = server.predict("thief")
    assert status == 404 and "predictions" not in answer
    (denial,) = [record for record in guard.failures(since) if "experiments" in record["path"]][:1]
    assert denial["acct"] == SERVER and denial["res"] == "failed"
    assert server.predict("double")[0] == 200


def test_a_model_whose_code_writes_is_denied(guard, server):
    class Changes:
        def __reduce__(self):
            return open, (guard.path("serving/double.joblib"), "ab")

    before = os.path.getsize(guard.source("serving/double.joblib"))
    buffer = io.BytesIO()
    pickle.dump(Changes(), buffer)
    guard.put("serving/vandal.joblib", buffer.getvalue(), owner="mleng1")
    assert server.predict("vandal")[0] == 404
    assert os.path.getsize(guard.source("serving/double.joblib")) == before


@pytest.mark.parametrize("body", [None, "[]", {"instances": "x"}, {}])
def test_a_bad_request_is_told_so(server, body):
    assert server.request("POST", "/models/double/predict", body)[0] in (400, 500)
    assert server.predict("double")[0] == 200


def test_the_account_alone_serves_nothing(guard):
    with control_group("user.slice/user-64109.slice/session-1.scope") as procs:
        server = Server(guard, procs)
        try:
            assert server.port is None and server.process.wait(30) != 0
        finally:
            server.close()
    assert guard.run_as(SERVER, "cat", guard.path("serving/double.joblib")).returncode != 0


def test_a_new_version_is_served_without_a_restart(guard, server):
    assert server.predict("double")[0] == 200
    guard.put("serving/double.joblib", saved(model_of(5)), owner="mleng1")
    assert abs(server.predict("double")[1]["predictions"][0] - 15) < 1e-6


def test_the_policy_of_the_example_is_sound(guard):
    assert subprocess.run([CTL, "check", guard.policy_file], check=False).returncode == 0
