"""Who is let in, and who is not."""

import stat

import pytest
from served import recorded, serving

from learnrate.dashboard import access_for
from learnrate.dashboard._plotly import script, style_hashes
from learnrate.store import Store

PATHS = ["/", "/api/runs", "/openapi.json", "/static/run.js", "/plans", "/run/last", "/compare"]


@pytest.mark.parametrize("path", PATHS)
def test_without_token_or_cookie_nothing_is_shown(served, path):
    status, headers, text = served.raw("GET", path)
    assert status == 401
    assert "needs a token" in text
    assert "set-cookie" not in headers


@pytest.mark.parametrize("token", ["", "x", "é", "a" * 32])
def test_a_wrong_token_opens_nothing(served, token):
    from urllib.parse import quote

    assert served.raw("GET", f"/?token={quote(token)}")[0] == 401
    bearer = {"Authorization": f"Bearer {token}".encode()}
    assert served.raw("GET", "/api/runs", bearer)[0] == 401
    cookie = {"Cookie": f"{served.access.cookie}={token}".encode()}
    assert served.raw("GET", "/api/runs", cookie)[0] == 401


def test_the_printed_address_becomes_a_cookie_that_scripts_and_other_sites_do_not_get(served):
    status, headers, _ = served.raw("GET", f"/run/last?x=1&token={served.access.token}")
    cookie = headers["set-cookie"]
    assert (status, headers["location"]) == (303, "/run/last?x=1")
    assert "HttpOnly" in cookie
    assert "SameSite=Strict" in cookie
    assert served.access.token not in cookie
    assert served.raw("GET", "/api/runs", {"Cookie": cookie.partition(";")[0]})[0] == 200


@pytest.mark.parametrize(
    "path",
    [
        "//evil.example/",
        "/%5cevil.example",
        "/%5c%5cevil.example/",
        "/%0d%0aX:1",
        "/%E2%98%83",
        "/%ff%00",
        "/http:%2f%2fevil.example",
    ],
)
def test_only_the_address_of_a_page_redirects(served, path):
    status, headers, _ = served.raw("GET", f"{path}?token={served.access.token}")
    assert status == 404
    assert "location" not in headers
    assert "x" not in headers


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/run/%0d%0aX:1", "/run/%0D%0AX%3A1"),
        ("/run/%E2%98%83", "/run/%E2%98%83"),
        ("/run/%5cevil.example?x=%0d%0ay", "/run/%5Cevil.example?x=%0D%0Ay"),
    ],
)
def test_an_address_with_the_token_redirects_within_this_dashboard(served, path, location):
    token = f"{'&' if '?' in path else '?'}token={served.access.token}"
    status, headers, _ = served.raw("GET", f"{path}{token}")
    assert (status, headers["location"]) == (303, location)
    assert "x" not in headers


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:80",
        "127.0.0.1.evil.example",
        "localhost.",
        "",
        "10.0.0.1",
        "localhost:x",
        "localhost:1:2",
        "[::1]x",
    ],
)
def test_another_host_name_is_refused_even_with_the_token(served, host):
    status, _, text = served.raw("GET", "/api/runs", {**served.bearer, "Host": host})
    assert status in {400, 403}
    assert "bad" not in text


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "[::1]:99", "LOCALHOST:1234"])
def test_this_machine_may_be_called_by_its_names_at_any_port(served, host):
    assert served.raw("GET", "/api/runs", {**served.bearer, "Host": host})[0] == 200


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "null",
        "http://127.0.0.1:1",
        "http://localhost",
        "https://127.0.0.1",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_page_of_another_origin_is_refused(served, runs, origin, method):
    path = f"/api/runs/{runs[1]['diverged']}/edits" if method == "POST" else "/api/runs"
    headers = {**served.bearer, "Origin": origin}
    assert served.raw(method, path, headers, {"kind": "stop"})[0] == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
def test_requests_that_a_browser_marks_as_cross_site_are_refused_but_links_are_not(served, site):
    headers = {**served.bearer, "Sec-Fetch-Site": site}
    assert served.raw("GET", "/api/runs", headers)[0] == 403
    assert served.raw("GET", "/", headers)[0] == 200


def test_our_own_origin_may_ask_for_an_edit(served, runs):
    headers = {**served.bearer, "Origin": served.base, "Sec-Fetch-Site": "same-origin"}
    path = f"/api/runs/{runs[1]['diverged']}/edits"
    assert served.raw("POST", path, headers, {"kind": "stop"})[0] == 409  # it has ended


def test_a_body_that_is_long_or_does_not_say_so_is_not_read(served):
    for length in ({"Content-Length": "100000000"}, {"Content-Length": "-1"}):
        headers = {**served.bearer, **length}
        assert served.raw("POST", "/api/runs/a-b/edits", headers)[0] in {400, 413}


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"])
def test_a_read_only_dashboard_changes_nothing(tmp_path, method):
    store = Store(tmp_path / "runs.db")
    run = recorded(store, "a", status="running")
    with serving(store, read_only=True) as served:
        headers = {**served.bearer, "Content-Length": "0"}
        assert served.raw(method, f"/api/runs/{run}/edits", headers)[0] == 403
        assert served.raw("GET", f"/api/runs/{run}", served.bearer)[0] == 200
        page = served.raw("GET", f"/run/{run}", served.bearer)[2]
    assert 'id="steer"' not in page
    assert store.edits(run) == []


@pytest.mark.parametrize("path", ["/", "/run/last", "/api/runs", "/static/plotly.js", "/nothing"])
def test_every_answer_says_what_it_may_load_and_who_may_frame_it(served, path):
    _, headers, _ = served.raw("GET", path, served.bearer)
    policy = headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "script-src 'self';" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"


def test_pages_have_no_inline_script_or_style_and_load_nothing_from_elsewhere(served, runs):
    import re

    for path in ("/", f"/run/{runs[1]['hostile']}", "/plans", "/nothing"):
        text = served.raw("GET", path, served.bearer)[2]
        assert re.findall(r"<script[^>]*>[^<]", text) == []
        assert re.findall(r"<style|\sstyle=|\son\w+=\"", text) == []
        assert re.findall(r"(?:src|href)=\"(?!/|data:,|#)", text) == []


def test_a_name_with_html_is_shown_as_text(served, runs):
    for path in ("/", f"/run/{runs[1]['hostile']}"):
        text = served.raw("GET", path, served.bearer)[2]
        assert "<img" not in text
        assert "&lt;img src=x onerror=alert(1)&gt; &amp; &lt;b&gt;bold" in text


def test_the_styles_allowed_are_those_that_plotly_makes():
    assert len(style_hashes()) == 1 + script().read_text(encoding="utf-8").count(".textContent='")


def test_a_key_is_stored_for_the_next_start_and_belongs_to_one_port_and_store(
    monkeypatch, tmp_path
):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    first, again, other_port, other_store = (
        access_for("127.0.0.1", port, place, read_only=False)
        for port, place in ((1, "a"), (1, "a"), (2, "a"), (1, "b"))
    )
    assert first.key == again.key
    assert first.token != again.token
    assert len({first.key, other_port.key, other_store.key}) == 3
    file = tmp_path / "learnrate" / "dashboard.key"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    file.chmod(0o644)  # others may have read it
    assert access_for("127.0.0.1", 1, "a", read_only=False).key != first.key


@pytest.mark.parametrize("left", [b"", b"short"])
def test_a_secret_that_is_damaged_is_not_used(monkeypatch, tmp_path, left):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    file = tmp_path / "learnrate" / "dashboard.key"
    file.parent.mkdir()
    file.write_bytes(left)
    file.chmod(0o600)
    keys = {access_for("127.0.0.1", 1, "a", read_only=False).key for _ in range(2)}
    assert len(keys) == 2


def test_on_the_network_numeric_addresses_are_accepted_and_other_names_are_not():
    access = access_for("0.0.0.0", 1, "a", read_only=True)
    assert access.is_own_host("192.168.1.7:8321")
    assert access.is_own_host("[2001:db8::1]:8321")
    assert not access.is_own_host("evil.example:8321")
