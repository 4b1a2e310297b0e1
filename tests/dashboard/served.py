"""A real server for a store, on a port of its own, and a client that sends exactly what it is given."""

import contextlib
import http.client
import json
import socket
import threading
import time

import numpy as np
import uvicorn

import learnrate
from learnrate.dashboard import access_for, make_app
from processes import HANG

HOSTILE = "<img src=x onerror=alert(1)> & <b>bold</b>"
TOTAL = 2000


class Served:
    """A running dashboard, and requests to it."""

    def __init__(self, app, access, port):
        self.app, self.access, self.port = app, access, port
        self.base = f"http://127.0.0.1:{port}"
        self.url = f"{self.base}/?token={access.token}"
        self.bearer = {"Authorization": f"Bearer {access.token}"}

    def raw(self, method, path, headers=(), body=None):
        """Status, headers and body of the response to a request with only these headers, and Host."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HANG)
        pairs = list(dict(headers).items())
        connection.putrequest(method, path, skip_host=any(k.lower() == "host" for k, _ in pairs))
        for name, value in pairs:
            connection.putheader(name, value)
        data = b"" if body is None else json.dumps(body).encode()
        if method == "POST" or data:
            connection.putheader("Content-Type", "application/json")
            if "Content-Length" not in dict(headers):
                connection.putheader("Content-Length", str(len(data)))
        connection.endheaders(data or None)
        response = connection.getresponse()
        text = response.read().decode()
        connection.close()
        return response.status, response.headers, text

    def ask(self, path, method="GET", body=None, **headers):
        """Status and JSON of the response to a request with the token."""
        status, _, text = self.raw(method, path, {**self.bearer, **headers}, body)
        return status, json.loads(text)


@contextlib.contextmanager
def serving(store, **options):
    """Serve a store."""
    host = options.pop("host", "127.0.0.1")
    read_only = options.pop("read_only", False)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
        access = access_for(host, port, store.place, read_only=read_only)
        app = make_app(store, access, author="the owner", **options)
        config = uvicorn.Config(app, log_level="error", ws="none", http="h11", loop="asyncio")
        server = uvicorn.Server(config)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]})
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        yield Served(app, access, port)
        app.state.dashboard.shutdown.requested = server.should_exit = True
        thread.join(HANG)
        assert not thread.is_alive()


def recorded(store, name, *, rows=1000, status="finished", offset=0.0, more_facts=None, **more):
    """A run with all columns; if it is running, this process counts as its process.

    Args:
        store: to record it in.
        name: of the run.
        rows: how many updates it made.
        status: of the run.
        offset: is added to its losses.
        more_facts: facts that it has besides.
        more: further arguments of `Store.new_run`.
    """
    schedule = learnrate.schedule("1e-3 * warmup(5%) >> cosine()").over(TOTAL)
    facts = {"optimizer": "AdamW", "group_lr": [1e-3], **(more_facts or {})}
    limits = {"highest": 0.01, "factor": 50.0}
    run = store.new_run(
        name=name, total_steps=TOTAL, schedule=schedule, facts=facts, limits=limits, **more
    )
    step = np.arange(rows)
    noise = np.random.default_rng(0).normal(0, 0.02, rows)
    validation = np.full(rows, np.nan)
    validation[::100] = 0.4
    columns = {"lr": schedule(step), "loss": 2 * np.exp(-step / 500) + 0.3 + noise + offset}
    columns |= {
        "validation": validation,
        "gradient_norm": 1 + noise,
        "update_ratio": 1e-3 + 0 * noise,
        "seconds": 0.01 + 0 * noise,
    }
    store.write_points(run, step, columns)
    if status != "running":
        store.set_status(run, status)
    return run
