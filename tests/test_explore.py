"""The what-if server: who may ask it, and that its answers are those of the commands to the digit."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import sim
from sim.explore.answers import NO_INTERVALS, TO_COME
from sim.explore.guard import KEPT
from sim.explore.pages import folder_page
from sim.explore.shelf import Shelf
from sim.results.catalogue.quantity import value_in
from sim.results.files import write
from sim.results.results import Results
from tests.commands import coldaisle
from tests.explored import Client, served
from tests.hostile import MARKUP, renamed
from tests.small import small

PRICES: dict[str, str] = {
    "site.facility.pue": "1.61",
    "site.grid.intensity": "{kind: average, region: FRA}",
    "site.grid.price": "0.31 USD/kWh",
    "accounting.gpu_lifetime": "3.5 years",
    "site.water.wue": "0.7 L/kWh",
}
RUN: dict[str, str] = {"workloads.tune.work.load.active": "280 W", "workloads.api.arrivals.rate": "0.7 /s"}
LONG_RUN = {"workloads.api.arrivals.rate": "4000 /s"}
"""Some 90 million requests: it is stopped long before its end."""


@pytest.fixture(scope="module")
def base() -> Results:
    return sim.run(small())


@pytest.fixture(scope="module")
def client(base: Results, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    folder = tmp_path_factory.mktemp("open") / "runs"
    write(base, folder / "small")
    with served(folder) as found:
        yield found


@pytest.fixture
def bench(base: Results, tmp_path: Path) -> Iterator[tuple[Client, Path]]:
    """A server of a folder of its own, for what writes."""
    folder = tmp_path / "runs"
    write(base, folder / "small")
    with served(folder) as found:
        yield found, folder


def test_the_address_lets_in_once_and_keeps_the_token_in_a_cookie(client: Client) -> None:
    reply = client.ask("GET", f"/?token={client.token}", {})
    assert (reply.status, reply.headers["location"]) == (303, "/")
    cookie = reply.headers["set-cookie"]
    assert "HttpOnly" in cookie
    assert "SameSite=strict" in cookie
    again = client.ask("GET", "/", {"Cookie": cookie.partition(";")[0]})
    assert again.status == 200
    assert "small" in again.text
    assert all(again.headers[name] == value for name, value in KEPT.items())


@pytest.mark.parametrize(
    "headers",
    [
        {"X-Coldaisle-Token": ""},
        {"X-Coldaisle-Token": "guessed"},
        {"Host": "evil.example"},
        {"Host": "evil.example:@port"},  # a name made to resolve to this machine
        {"Host": "127.0.0.1"},
        {"Host": "127.0.0.1:1"},
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://127.0.0.1:1"},
        {"Origin": "https://127.0.0.1:@port"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/run?at=small"), ("POST", "/answer")])
def test_strangers_are_refused(client: Client, method: str, path: str, headers: dict[str, str]) -> None:
    ours = {"X-Coldaisle-Token": client.token, "Origin": client.base, "Content-Type": "application/json"}
    strange = {name: value.replace("@port", str(client.port)) for name, value in headers.items()}
    body = b'{"run": "small", "set": {}}' if method == "POST" else None
    assert client.ask(method, path, ours, body).status == 200
    refused = client.ask(method, path, {**ours, **strange}, body)
    assert refused.status == 403
    assert "small" not in refused.text


def test_a_change_without_an_origin_and_a_wrong_token_in_an_address_are_refused(client: Client) -> None:
    headers = {"X-Coldaisle-Token": client.token, "Content-Type": "application/json"}
    assert client.ask("POST", "/answer", headers, b"{}").status == 403
    assert client.ask("GET", "/?token=guessed", {}).status == 403
    assert client.ask("GET", "/", {"Cookie": f"coldaisle-{client.port}=guessed"}).status == 403


def test_only_this_machine_is_served(client: Client) -> None:
    """The port is taken on loopback alone: another address of this machine has it free."""
    listening = Path("/proc/net/tcp").read_text(encoding="ascii").splitlines()[1:]
    places = [line.split()[1] for line in listening if line.split()[3] == "0A"]
    assert [place for place in places if place.endswith(f":{client.port:04X}")] == [f"0100007F:{client.port:04X}"]


@pytest.mark.parametrize("path", [*PRICES, None])
def test_prices_are_answered_as_account_answers_them(client: Client, base: Results, path: str | None) -> None:
    changes = PRICES if path is None else {path: PRICES[path]}
    answer = client.post("/answer", {"run": "small", "set": changes}).data["answer"]
    wanted = sim.account(base, set=changes)
    for shown in answer["numbers"]:
        keys = tuple(shown["path"].split("."))
        assert shown["value"] == value_in(wanted.summary, keys)
        assert shown["base"] == value_in(base.summary, keys)
    (compared,) = sim.compare(base, wanted).as_dict()["others"]
    changed = {at: one["other"] for at, one in compared["differences"].items() if one["change"]}
    assert {one["path"]: one["answer"] for one in answer["differences"]} == changed != {}


def test_what_decides_the_run_is_simulated_and_then_priced(client: Client) -> None:
    asked = {"run": "small", "set": {**RUN, **PRICES}}
    assert sorted(client.post("/answer", asked).data["needs"]) == sorted(RUN)
    assert client.simulated(asked).data["state"] == "done"
    ran = sim.run(small(), set=RUN)
    for changes in (RUN, {**RUN, **PRICES}, {**RUN, "site.facility.pue": "1.9"}):  # one simulation for all of them
        wanted = sim.account(ran, set={path: value for path, value in changes.items() if path not in RUN})
        answer = client.post("/answer", {"run": "small", "set": changes}).data["answer"]
        for shown in answer["numbers"]:
            assert shown["value"] == value_in(wanted.summary, tuple(shown["path"].split(".")))
    drawn = client.post("/charts", asked).data["html"]
    assert 'id="beside"' in drawn
    assert 'id="power"' in drawn


def drawing(over: dict[str, Any]) -> Results:
    """A run with intervals."""
    return sim.run({**small(), "uncertainty": {"draws": 12, "seeds": 1, "over": over}})


GRID_DRAWN = {"site.grid.intensity": {"kind": "uniform", "low": "300 gCO2e/kWh", "high": "500 gCO2e/kWh"}}
LOAD_DRAWN = {"workloads.tune.work.load.active": {"kind": "uniform", "low": "300 W", "high": "350 W"}}


def test_intervals_follow_the_numbers_and_are_those_of_account(tmp_path: Path) -> None:
    """Priced ones, and those of a simulation whose draws only price."""
    base = drawing(GRID_DRAWN)
    write(base, tmp_path / "drawn")
    with served(tmp_path) as client:
        for changes in ({"site.facility.pue": "1.61"}, {"workloads.tune.work.load.active": "280 W"}):
            asked = {"run": "drawn", "set": changes}
            if "needs" in client.post("/answer", asked).data:
                assert client.simulated(asked).data["state"] == "done"
            wanted = sim.run({**base.scenario}, set=changes)
            found = client.post("/intervals", asked).data
            low, high = (wanted.summary["intervals"]["carbon_kg.total"][end] for end in ("p05", "p95"))
            assert found == {"intervals": found["intervals"], "without": ""}
            assert found["intervals"]["carbon_kg.total"] == f"{low:.2f} kg to {high:.2f} kg (90 %)"
        first = client.post("/answer", {"run": "drawn", "set": {"site.facility.pue": "1.5"}}).data["answer"]
        assert (first["intervals"], first["without"]) == ({}, TO_COME)


def test_an_answer_says_why_it_has_no_intervals(client: Client, tmp_path: Path) -> None:
    stated = client.post("/answer", {"run": "small", "set": {"site.facility.pue": "1.61"}}).data["answer"]
    assert stated["without"] == NO_INTERVALS
    write(drawing(LOAD_DRAWN), tmp_path / "drawn")
    with served(tmp_path) as other:
        asked = {"run": "drawn", "set": {"site.facility.pue": "1.61"}}
        assert "12 simulations" in other.post("/answer", asked).data["answer"]["without"]
        assert "12 simulations" in other.post("/intervals", asked).data["without"]


def test_a_simulation_is_cancelled_and_its_process_ends(base: Results, tmp_path: Path) -> None:
    from sim.explore.simulating import Simulation

    simulation = Simulation(base.scenario, LONG_RUN)
    processes = list(simulation._processes._pool._processes.values())
    assert processes
    while simulation.stage == "starting":
        assert simulation.look() == "running"
    folder = simulation._folder
    simulation.cancel()
    assert simulation.look() == "cancelled"
    for process in processes:
        process.join(60.0)
        assert not process.is_alive()
    assert not folder.exists()
    assert not [*tmp_path.iterdir()]


def test_a_page_cancels_what_it_began(client: Client) -> None:
    begun = client.post("/simulate", {"run": "small", "set": LONG_RUN}).data["simulation"]
    assert client.post("/cancel", {"simulation": begun}).data == {"state": "cancelled"}
    assert client.post("/progress", {"simulation": begun}).data["state"] == "cancelled"
    assert client.post("/answer", {"run": "small", "set": LONG_RUN}).data["needs"] == [*LONG_RUN]


@pytest.mark.parametrize(
    ("changes", "path", "remedy"),
    [
        ({"site.facility.pue": "0.8"}, "site.facility.pue", "must be at least 1"),
        ({"site.grid.intensity": "57"}, "site.grid.intensity", "gCO2e/kWh"),
        ({"site.grid.intensity": "{kind: average, region: FRX}"}, "site.grid.intensity", "did you mean"),
        ({"cluster.nodes.0.count": "0"}, "cluster.nodes.0.count", "must be at least 1"),
        ({"cluster.nodes.0.profile": "dgx-a1000"}, "cluster.nodes.0.profile", "dgx-a100"),
        ({"accounting.gpu_lifetime": "soon"}, "accounting.gpu_lifetime", "give e.g. '5 years'"),
        ({"no.such": "1"}, "no", "unknown"),
    ],
)
def test_a_bad_value_is_told_with_its_remedy(client: Client, changes: dict[str, str], path: str, remedy: str) -> None:
    reply = client.post("/answer", {"run": "small", "set": changes})
    assert reply.status == 422
    told = [one for one in reply.data["problems"] if one["path"].startswith(path)]
    assert remedy in " ".join(one["message"] for one in told), reply.text


@pytest.mark.parametrize(
    "asked", [b"", b"[]", b"{", b'{"run": 1}', b'{"run": "small", "set": {"a": 1}}', b'{"set": {}}']
)
def test_what_no_page_asks_is_refused(client: Client, asked: bytes) -> None:
    headers = {"X-Coldaisle-Token": client.token, "Origin": client.base, "Content-Type": "application/json"}
    assert client.ask("POST", "/answer", headers, asked).status in (400, 422)
    assert client.ask("POST", "/answer", {**headers, "Content-Type": "text/plain"}, asked).status == 415
    assert client.ask("POST", "/answer", headers, b" " * 1_000_001).status == 413


def test_nothing_outside_of_the_folder_is_read(base: Results, bench: tuple[Client, Path]) -> None:
    client, folder = bench
    write(base, folder.parent / "secret")
    (folder / "link").symlink_to(folder.parent / "secret")
    for at in ("../secret", str(folder.parent / "secret"), "link", "small/../../secret", "%00", "\0"):
        assert client.post("/answer", {"run": at, "set": {}}).status == 422
    for page in ("/run?at=..%2Fsecret", "/run?at=link", "/study?at=..", "/file?at=..%2Fsecret%2Fx.html", "/run?at=%00"):
        assert client.get(page).status == 404
    assert "link" not in client.get("/").text.partition("<main")[2].partition("</main>")[0]


def test_a_kept_scenario_checks_and_runs_to_the_answer(bench: tuple[Client, Path]) -> None:
    client, folder = bench
    asked = {"run": "small", "set": {**PRICES, **RUN}, "name": "mine"}
    assert client.post("/keep", asked).data == {"file": "mine.yaml"}
    kept = folder / "mine.yaml"
    assert sim.check(kept) == ()
    assert sim.run(kept).summary == sim.run(small(), set={**PRICES, **RUN}).summary
    assert client.post("/keep", {**asked, "set": PRICES}).data == {"file": "mine.yaml"}  # its own is written over
    assert sim.run(kept).summary == sim.run(small(), set=PRICES).summary


@pytest.mark.parametrize("name", ["../out", "a/b", "", ".hidden", "x" * 101, "a\nb", "\0"])
def test_a_name_that_leads_elsewhere_is_refused(bench: tuple[Client, Path], name: str) -> None:
    client, folder = bench
    before = sorted(folder.parent.rglob("*"))
    for act in ("/keep", "/share"):
        assert client.post(act, {"run": "small", "set": {}, "name": name}).status == 422
    assert sorted(folder.parent.rglob("*")) == before


def test_nobody_elses_file_is_written_over(bench: tuple[Client, Path]) -> None:
    client, folder = bench
    outside = folder.parent / "outside.yaml"
    (folder / "theirs.yaml").write_text("name: theirs\n")
    (folder / "theirs.html").write_text("<p>theirs</p>\n")
    (folder / "leads.yaml").symlink_to(outside)
    for act, name in (("/keep", "theirs"), ("/share", "theirs"), ("/keep", "leads")):
        reply = client.post(act, {"run": "small", "set": PRICES, "name": name})
        assert reply.status == 422
        assert "another" in reply.text
    assert (folder / "theirs.yaml").read_text() == "name: theirs\n"
    assert (folder / "theirs.html").read_text() == "<p>theirs</p>\n"
    assert not outside.exists()
    assert client.get("/file?at=theirs.html").status == 404


def test_an_answer_is_shared_as_the_report_of_its_results(base: Results, bench: tuple[Client, Path]) -> None:
    client, folder = bench
    assert client.post("/share", {"run": "small", "set": PRICES, "name": "told"}).data == {"file": "told.html"}
    written = (folder / "told.html").read_text(encoding="utf-8")
    total = sim.account(base, set=PRICES).summary["carbon_kg"]["total"]
    assert f'<data value="{total!r}" data-path="carbon_kg.total"' in written
    shown = client.get("/file?at=told.html")
    assert shown.text == written
    assert shown.headers["content-security-policy"].startswith("sandbox")
    assert client.post("/share", {"run": "small", "set": RUN, "name": "more"}).status == 422  # not simulated yet


def test_a_forged_run_is_shown_as_text_and_cannot_be_moved(base: Results, bench: tuple[Client, Path]) -> None:
    client, folder = bench
    write(renamed(base, {"tune": f"{MARKUP}\x07"}), folder / "odd")  # no scenario may have a control character there
    shown = client.get("/run?at=odd")
    assert shown.status == 200
    assert "<script>globalThis.hacked" not in shown.text
    assert "can be looked at and not be changed" in shown.text
    shutil.rmtree(folder / "odd")
    assert client.get("/run?at=odd").status == 404


def test_a_workload_may_be_named_with_markup_and_is_text(base: Results, bench: tuple[Client, Path]) -> None:
    client, folder = bench
    write(renamed(base, {"tune": MARKUP}), folder / "marked")
    shown = client.get("/run?at=marked")
    assert shown.status == 200
    assert "<script>globalThis.hacked" not in shown.text
    assert "can be looked at and not be changed" not in shown.text
    answer = client.post("/answer", {"run": "marked", "set": PRICES}).data["answer"]
    moved = {one["path"]: one["value"] for one in answer["numbers"]}
    priced = sim.account(base, set=PRICES).summary["carbon_kg"]["total"]
    assert moved["carbon_kg.total"] == pytest.approx(priced, rel=1e-12)  # names decide in which order parts are added
    shutil.rmtree(folder / "marked")


def test_a_study_is_shown(bench: tuple[Client, Path]) -> None:
    client, folder = bench
    axes: dict[str, Any] = {"site.facility.pue": [1.1, 1.2, 1.3]}
    sim.sweep({"name": "three <b>", "base": small(), "axes": axes}, folder / "study", workers=1)
    assert "/study?at=study" in client.get("/").text
    shown = client.get("/study?at=study").text
    assert "three &lt;b&gt;" in shown
    assert "site.facility.pue" in shown


def test_without_its_extra_the_command_says_what_to_install(tmp_path: Path) -> None:
    code = "import sys; sys.modules['starlette'] = None; from sim.cli import main; main()"
    words = [sys.executable, "-c", code, "open", str(tmp_path), "--no-browser"]
    done = subprocess.run(words, capture_output=True, text=True, check=False, env={**os.environ, "COLUMNS": "200"})
    assert done.returncode == 2
    assert "pip install 'coldaisle[open]'" in done.stderr


@pytest.mark.parametrize(("given", "says"), [(["nowhere"], "is no folder"), ([".", "--port", "70000"], "65,535")])
def test_what_cannot_be_opened_is_refused(tmp_path: Path, given: list[str], says: str) -> None:
    done = coldaisle("open", *given, "--no-browser", cwd=tmp_path)
    assert done.returncode == 2
    assert says in done.stderr


def test_a_damaged_run_has_its_name_and_is_told(tmp_path: Path) -> None:
    write(sim.run(small()), tmp_path / "mine")
    (tmp_path / "mine" / "summary.json").write_text("{")
    [entry] = Shelf(tmp_path / "mine").entries()
    assert entry.name == "mine"
    assert "<span>damaged; run it again</span>" in folder_page(Shelf(tmp_path / "mine"))
