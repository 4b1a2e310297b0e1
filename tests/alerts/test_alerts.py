"""Alerts reach a local server, a program and a mail server, once each, and never in quiet times."""

import http.server
import json
import socketserver
import sys
import threading
from datetime import UTC, datetime

import pytest

from command import command_in
from learnrate import Store
from learnrate.alerts import Alert, AlertFormat, Command, Email, QuietTimes, Webhook, send_alerts
from learnrate.alerts._alert import payload_of
from learnrate.store import AlertTargets, LabelChange, alert_targets, change_labels
from learnrate.watch import Finding, Severity


class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.bodies.append(json.loads(body))
        self.send_response(self.server.status)
        self.end_headers()

    def log_message(self, *_):
        pass


class MailReceiver(socketserver.StreamRequestHandler):
    """As much of a mail server as a client needs."""

    def handle(self):
        self.wfile.write(b"220 here\r\n")
        in_data = False
        for line in self.rfile:
            if in_data:
                self.server.lines.append(line.decode().rstrip("\r\n"))
                in_data = line != b".\r\n"
                if not in_data:
                    self.wfile.write(b"250 taken\r\n")
                continue
            word = line[:4].upper()
            in_data = word == b"DATA"
            answers = {b"DATA": b"354 go on\r\n", b"QUIT": b"221 bye\r\n"}
            self.wfile.write(answers.get(word, b"250 fine\r\n"))
            if word == b"QUIT":
                return


@pytest.fixture
def serve():
    """A function that starts a server on a free port of this machine."""
    servers = []

    def serve(kind, handler):
        server = kind(("127.0.0.1", 0), handler)
        server.bodies, server.lines, server.status = [], [], 200
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}).start()
        servers.append(server)
        return server

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "learnrate.db")


def add_finding(store, run, severity=Severity.WARNING, message="too high"):
    finding = Finding(
        code="LR101", severity=severity, step=7, message=message, evidence={}, remedy="Halve it."
    )
    store.add_finding(run, finding)


def test_a_webhook_gets_what_is_new_once_and_what_failed_again(store, serve):
    server = serve(http.server.HTTPServer, Receiver)
    hook = Webhook(f"http://127.0.0.1:{server.server_port}/secret")
    run = store.new_run(name="mine")
    add_finding(store, run, message="old")
    assert alert_targets(store) == AlertTargets(count=0, latest=None)
    assert send_alerts(store, hook) == 0  # it was there before the first call
    add_finding(store, run)
    add_finding(store, run, Severity.ADVICE)
    server.status = 503
    with pytest.raises(Exception, match="not reached: 503") as raised:
        send_alerts(store, hook)
    assert "secret" not in str(raised.value)
    server.status = 200
    assert send_alerts(store, hook) == 1
    assert send_alerts(store, hook) == 0
    (alert,) = server.bodies[-1]["alerts"]
    assert alert["run"] == run
    assert alert["severity"] == "warning"
    line = f"warning LR101 in mine ({run}) at step 7: too high Halve it."
    assert server.bodies[-1]["text"] == line
    store.set_status(run, "failed")
    store.set_status(store.new_run(name="good"), "finished")
    assert send_alerts(store, hook, severity="error") == 1
    assert server.bodies[-1]["alerts"][0]["code"] == "failed"
    assert len(server.bodies) == 3
    other = Webhook(f"http://127.0.0.1:{server.server_port}/other")
    assert send_alerts(store, other, earlier=True) == 3  # another target begins anew
    assert alert_targets(store).count == 2


def test_alerts_in_quiet_times_are_sent_afterwards(store, tmp_path):
    program = tmp_path / "program.py"
    program.write_text(f"import sys; open({str(tmp_path / 'out')!r}, 'a').write(sys.stdin.read())")
    target, quiet = Command(f"{sys.executable} {program}"), QuietTimes.of("22:00-07:00")
    run = store.new_run()
    assert send_alerts(store, target) == 0
    add_finding(store, run)
    night, morning = datetime(2026, 1, 1, 23, tzinfo=UTC), datetime(2026, 1, 2, 7, tzinfo=UTC)
    assert send_alerts(store, target, quiet=quiet, now=night) == 0
    assert send_alerts(store, target, quiet=quiet, now=morning) == 1
    assert json.loads((tmp_path / "out").read_text())["alerts"][0]["code"] == "LR101"
    with pytest.raises(Exception, match="ended with status 3"):
        Command(f"{sys.executable} -c 'raise SystemExit(3)'").send([alert()])


def test_a_mail_has_the_alerts_and_no_header_of_the_user(store, serve):
    server = serve(socketserver.ThreadingTCPServer, MailReceiver)
    server.daemon_threads = True
    port = server.server_address[1]
    mail = Email(to="ann@example.org", sender="bo@example.org", server=f"127.0.0.1:{port}")
    mail.send([alert(name="a\nBcc: eve@example.org")])
    text = "\n".join(server.lines)
    assert "Subject: learnrate: error LR101 in kobu" in text
    assert "error LR101 in a Bcc: eve@example.org (kobu): flat" in text
    assert not any(line.startswith("Bcc") for line in server.lines)


def alert(**more):
    fields = {
        "run": "kobu",
        "name": "a",
        "code": "LR101",
        "severity": Severity.ERROR,
        "step": None,
    }
    return Alert(**{**fields, "message": "flat", "remedy": "", "time": 0.0, **more})


def test_texts_of_users_mention_nobody_in_a_chat():
    hostile = [alert(name="<!channel> @everyone")] * 500
    slack = json.loads(payload_of(hostile, AlertFormat.SLACK))["text"]
    discord = json.loads(payload_of(hostile, AlertFormat.DISCORD))
    assert "&lt;!channel&gt;" in slack
    assert slack.endswith("and 480 more; see learnrate runs.")
    assert discord["allowed_mentions"] == {"parse": []}
    assert len(discord["content"]) <= 2000


MISUSE = {
    ("--once",): "Give one of",
    ("--webhook", "ftp://a", "--once"): "must be an address",
    ("--email", "ann", "--once"): "must be like",
    ("--email", "a@b", "--smtp", "b:x", "--once"): "host or host:port",
    ("--command", "", "--once"): "is empty",
    ("--command", "a 'b", "--once"): "cannot be read",
    ("--command", "true", "--quiet", "25:00-1:00", "--once"): "two times of the day",
    ("--command", "true", "--level", "high", "--once"): "must be one of",
    ("--command", "true", "--format", "slack", "--once"): "with --webhook",
    ("--command", "no-such-program", "--once", "--earlier"): "failed",
}


def test_the_command_sends_once_and_refuses_misuse(store, tmp_path, monkeypatch, capsys):
    monkeypatch.delenv("LEARNRATE_STORE", raising=False)
    run = command_in(tmp_path, monkeypatch, capsys, "alerts")
    add_finding(store, store.new_run())
    assert run("--command", "true", "--once", "--json")[:2] == (0, '{"sent": 0}\n')
    add_finding(store, store.new_run())
    assert run("--command", "true", "--once")[:2] == (0, "1 alert sent\n")
    for options, words in MISUSE.items():
        code, out, err = run(*options)
        assert (code, out) == (2, ""), options
        assert words in " ".join(err.replace("│", " ").split())


def test_a_deleted_run_raises_no_alert(store):
    run = store.new_run()
    assert send_alerts(store, Command("true")) == 0
    change_labels(store, [LabelChange(run=run, lifecycle="deleted")])
    add_finding(store, run)
    assert send_alerts(store, Command("false")) == 0
