"""``coldaisle follow``: against a real Prometheus that holds a run's own power, and against servers that misbehave."""

from __future__ import annotations

import json
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, ClassVar
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from ruamel.yaml import YAML

import sim
from sim.errors import ColdaisleError, InputError, RunError
from sim.follow import pull, server
from sim.follow.drift import Drift
from sim.follow.pull import Asked as AskedServer
from sim.follow.pull import pulled
from sim.follow.rounds import Times, following
from sim.follow.server import TOKEN, Server, server_at
from sim.follow.twin import Asked
from sim.units import NS_PER_S
from tests.commands import coldaisle
from tests.prometheus_server import NO_PROMETHEUS, Samples, has_prometheus, prometheus
from tests.small import small

START, END = "2022-07-04T00:00:00Z", "2022-07-04T00:30:00Z"
START_S, MINUTES = 1656892800.0, 30
EVERY_S = 5.0
NODES = ("a", "b")
GPUS, SOCKETS = 8, 2
GAP_S = (600.0, 900.0)
"""Of the window, in which node b's exporters are away in cluster ``gap``: Prometheus would bridge these 5 min."""
WRAP_J = 2**32 * 15.258e-6


def scenario() -> dict[str, Any]:
    return {**small(), "duration": f"{MINUTES} min", "outputs": {"bin": "30 s"}}


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("follow") / "site.yaml"
    with path.open("w") as stream:
        YAML().dump(scenario(), stream)
    return str(path)


class Site:
    """What meters of a site would say whose power is a run's, spread evenly over the devices of its nodes."""

    def __init__(self) -> None:
        self.run = sim.run(scenario())
        self.edges_s = self.run.energy.edges_ns / NS_PER_S
        self.at_s = np.arange(0.0, MINUTES * 60.0 + EVERY_S / 2, EVERY_S)
        self.samples: dict[tuple[str, tuple[tuple[str, str], ...]], list[tuple[float, float]]] = {}

    def joules(self, component: str) -> Any:
        """What all devices of a component have drawn up to each scrape, J."""
        energy = self.run.energy
        rows = zip(energy.keys, energy.energy_j, strict=True)
        own = [row for key, row in rows if component in (key.component, "all")]
        drawn = np.concatenate([[0.0], np.cumsum(np.sum(own, axis=0))])
        return np.interp(self.at_s, self.edges_s, drawn)

    def watts(self, component: str) -> Any:
        return np.gradient(self.joules(component), self.at_s)

    def add(
        self, metric: str, values: Any, labels: dict[str, str], without: tuple[float, float] = (-1.0, -1.0)
    ) -> None:
        there = (self.at_s < without[0]) | (self.at_s > without[1])
        moments = (START_S + self.at_s[there]).tolist()
        self.samples[metric, tuple(labels.items())] = list(zip(moments, values[there].tolist(), strict=True))


def site() -> Samples:
    """Several sites in one server, told apart by ``cluster``."""
    found = Site()
    gpu_w, cpu_j, cpu_w = found.watts("gpu"), found.joules("cpu"), found.watts("cpu")
    for node in NODES:
        for number in range(GPUS):
            own = {"gpu": str(number), "Hostname": node, "instance": f"10.0.0.1{node}:9400"}
            each = gpu_w / (len(NODES) * GPUS)
            for cluster, times in {"same": 1.0, "more": 1.2, "kepler": 1.0, "gap": 1.0}.items():
                away = GAP_S if (cluster, node) == ("gap", "b") else (-1.0, -1.0)
                labels = {"cluster": cluster, "UUID": f"GPU-{cluster}-{node}-{number}", **own}
                found.add("DCGM_FI_DEV_POWER_USAGE", each * times, labels, away)
        for socket in range(SOCKETS):
            each = cpu_j / (len(NODES) * SOCKETS)
            labels = {"index": str(socket), "path": f"intel-rapl:{socket}", "instance": f"{node}:9100"}
            found.add("node_rapl_package_joules_total", each % WRAP_J, {"cluster": "same", **labels})
            found.add("node_rapl_package_joules_total", (each * 1.2 + 6.5e4) % WRAP_J, {"cluster": "more", **labels})
        own = {"cluster": "kepler", "node_name": node, "instance": f"{node}:28282"}
        found.add("kepler_node_cpu_watts", cpu_w / len(NODES), {"zone": "package", **own})
        found.add("kepler_node_cpu_watts", cpu_w / len(NODES) / 2, {"zone": "core", **own})
        for mode, share in {"dynamic": 0.25, "idle": 0.75}.items():
            labels = {"cluster": "old", "mode": mode, "instance": node}
            for socket in range(SOCKETS):
                each = cpu_j * share / (len(NODES) * SOCKETS)
                found.add("kepler_node_package_joules_total", each, {"package": str(socket), **labels})
            platform = found.joules("all") * share / len(NODES)
            found.add("kepler_node_platform_joules_total", platform, labels)
    found.add("room_power_watts", found.watts("all"), {"room": "1"})
    return found.samples


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not has_prometheus():
        pytest.skip(NO_PROMETHEUS)
    with prometheus(tmp_path_factory.mktemp("prometheus") / "server", site(), ["--query.max-samples=20000"]) as found:
        yield found


def followed(url: str, file: str, cluster: str, **times: Any) -> Drift:
    asked = following(
        server_at(url, None), Asked(file), Times(START, END, bin="30 s", **times), match=f'cluster="{cluster}"'
    )
    [(start_ns, end_ns)] = asked.windows()
    return asked.round(start_ns, end_ns)


@pytest.mark.parametrize("step", [None, "5 s"])
def test_a_twin_of_itself_has_not_drifted(url: str, file: str, step: str | None) -> None:
    """RAPL's counters tell every joule; GPUs' watts, sampled every 5 s, those of the means between two samples."""
    found = followed(url, file, "same", step=step)
    assert [one.name for one in found.pools] == ["dgx-a100/cpu", "dgx-a100/gpu"]
    cpu, gpu = found.pools
    assert cpu.drift == pytest.approx(0.0, abs=1e-9 if step is None else 1e-3)
    assert gpu.drift == pytest.approx(0.0, abs=1e-3)
    assert (cpu.metered, cpu.expected, gpu.metered, gpu.expected) == (4, 4, 16, 16)
    assert found.past({"energy": 0.01}) == []
    assert all((one.known == 1.0).all() for one in found.pools)


def test_a_site_that_draws_a_fifth_more_drifts_by_a_sixth(url: str, file: str) -> None:
    """Predicted over measured: 1 / 1.2 - 1, on counters that wrap on the way, too."""
    found = followed(url, file, "more")
    for one in found.pools:
        assert one.drift == pytest.approx(1 / 1.2 - 1, abs=1e-3)
        assert one.errors is not None
        assert one.errors.mape == pytest.approx(1 - 1 / 1.2, abs=0.02)
    assert found.energy == pytest.approx(1 / 1.2 - 1, abs=1e-3)
    assert len(found.past({"energy": 0.1})) == 3
    assert found.past({"energy": 0.2}) == []


def test_nodes_are_held_against_their_pools_mean_node(url: str, file: str) -> None:
    found = followed(url, file, "same")
    nodes = [one for one in found.series if one.node]
    assert {one.node for one in nodes} == {"a", "b"}
    for pool in found.pools:
        own = [one for one in nodes if one.component == pool.component]
        assert sum(one.predicted_j for one in own) == pytest.approx(pool.predicted_j, rel=1e-9)
        assert sum(one.measured_j for one in own) == pytest.approx(pool.measured_j, rel=1e-9)


@pytest.mark.parametrize("step", [None, "5 s"])
def test_a_gap_is_told_and_is_not_0_w(url: str, file: str, step: str | None) -> None:
    """Half the GPUs are away for 5 of 30 minutes: 1/12 of the device-time. What is left has not drifted."""
    [gpu] = followed(url, file, "gap", step=step).pools
    assert float(gpu.known.mean()) == pytest.approx(1 - 1 / 12, abs=0.02)
    assert gpu.known.min() == pytest.approx(0.5)
    assert gpu.drift == pytest.approx(0.0, abs=2e-3)
    assert gpu.measured_w[25] == pytest.approx(gpu.predicted_w[25], rel=0.01)  # in the gap, of node a alone
    told = " ".join(followed(url, file, "gap", step=step).remarks)
    assert "device-time is known; some or all is missing from 600" in told or "from 570" in told


def test_both_generations_of_kepler_are_read(url: str, file: str) -> None:
    new = {one.component: one for one in followed(url, file, "kepler").pools}
    assert new["cpu"].drift == pytest.approx(0.0, abs=1e-3)
    assert (new["cpu"].metered, new["cpu"].expected) == (2, 2)  # zone core lies within the package
    old = {one.component: one for one in followed(url, file, "old").pools}
    assert set(old) == {"cpu", "node"}
    assert old["cpu"].drift == pytest.approx(0.0, abs=1e-9)
    assert old["node"].drift == pytest.approx(0.0, abs=1e-9)
    assert (old["cpu"].metered, old["cpu"].expected) == (4, 4)


def test_what_is_too_much_at_once_is_asked_in_pieces(url: str) -> None:
    """The server takes 20,000 samples a question; all clusters' half hour is more."""
    start_ns = round(START_S) * NS_PER_S
    whole = pulled(server_at(url, None), AskedServer(start_ns, start_ns + 1800 * NS_PER_S))
    stepped = pulled(server_at(url, None), AskedServer(start_ns, start_ns + 1800 * NS_PER_S, step_ns=5 * NS_PER_S))
    assert len(whole.samples) == len(stepped.samples)
    assert whole.samples["power_w"].sum() == pytest.approx(stepped.samples["power_w"].sum(), rel=1e-12)


def test_wrong_names_are_answered_with_what_the_server_has(url: str, file: str) -> None:
    with pytest.raises(InputError, match="fits no series of power; without it there are DCGM_FI_DEV_POWER_USAGE"):
        followed(url, file, "none")
    with pytest.raises(InputError, match=r"bad question: bad_data: .*parse error"):
        followed(url, file, '"}{')
    past = AskedServer(0, 10 * NS_PER_S)
    with pytest.raises(InputError, match="no samples at all in the window"):
        pulled(server_at(url, None), past)


def test_the_command_exits_by_the_drift_and_exports_it(url: str, file: str, tmp_path: Path) -> None:
    out = tmp_path / "twin.prom"

    def run(cluster: str, *words: str) -> subprocess.CompletedProcess[str]:
        command = ["follow", file, "--prometheus", url, "--start", START, "--end", END]
        command += ["--match", f'cluster="{cluster}"', "--tolerance", "10%", *words]
        return coldaisle(*command, cwd=tmp_path)

    same = run("same", "--json", "--metrics", str(out))
    assert same.returncode == 0, same.stderr
    said = json.loads(same.stdout)
    assert said["past"] == []
    text = out.read_text()
    checked = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True, check=False)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
    for one in said["series"]:
        labels = f'pool="{one["pool"]}",node="{one["node"] or ""}",component="{one["component"]}"'
        [shown] = [line for line in text.splitlines() if labels in line and "_drift_ratio{" in line]
        assert float(shown.rpartition(" ")[2]) == one["energy"]
    assert f'coldaisle_follow_window_end_timestamp_seconds{{scenario="small"}} {START_S + 1800.0!r}' in text
    more = run("more", "--metrics", str(out))
    assert more.returncode == 3, more.stderr
    assert "past tolerance: dgx-a100/gpu: energy is -16.7 %, and 10 % was allowed" in more.stdout
    assert "coldaisle_follow_past_tolerance" in out.read_text()


# Servers that misbehave


class Odd(BaseHTTPRequestHandler):
    """Answers what ``answers`` has for a path, else an empty success; keeps what it was asked."""

    answers: ClassVar[dict[str, tuple[int, str]]] = {}
    asked: ClassVar[list[tuple[str, dict[str, list[str]], str]]] = []

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.asked.append((parts.path, parse_qs(parts.query), self.headers.get("Authorization", "")))
        status, body = self.answers.get(parts.path, (200, '{"status": "success", "data": []}'))
        self.send_response(status)
        if 300 <= status < 400:
            self.send_header("Location", "http://192.0.2.1/elsewhere")
        self.end_headers()
        self.wfile.write(body.encode())

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def odd(**answers: tuple[int, str]) -> Iterator[str]:
    Odd.answers = {f"/api/v1/{path}": answer for path, answer in answers.items()}
    Odd.asked.clear()
    with HTTPServer(("127.0.0.1", 0), Odd) as served:
        thread = threading.Thread(target=served.serve_forever, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{served.server_address[1]}"
        served.shutdown()
        thread.join()


WINDOW = AskedServer(10**18, 10**18 + 3600 * NS_PER_S)
FAILED = '{"status": "error", "errorType": "%s", "error": "%s"}'


@pytest.mark.parametrize(
    ("answer", "kind", "says"),
    [
        ((400, FAILED % ("bad_data", "parse error")), InputError, "400, a bad question: bad_data: parse error"),
        ((401, ""), RunError, "401: it wants to know who asks; give --token-file"),
        ((403, "<html>"), RunError, "403: it wants to know who asks"),
        ((404, "404 page not found"), RunError, "answers, but not as Prometheus does"),
        ((422, FAILED % ("execution", "expanding series: oops")), RunError, "422: execution: expanding series"),
        ((503, FAILED % ("timeout", "query timed out")), RunError, "503: timeout: query timed out"),
        ((302, ""), RunError, "302: it leads to http://192.0.2.1/elsewhere; give that URL"),
        ((200, "<html>Grafana</html>"), RunError, "answers, but not as Prometheus does"),
        ((200, "{}"), RunError, "answers, but not as Prometheus does"),
        ((200, '{"status": "success"}'), RunError, "answers, but not as Prometheus does"),
        ((200, '{"status": "success", "data": []}'), InputError, "has no samples at all in the window"),
    ],
)
def test_what_goes_wrong_is_told(answer: tuple[int, str], kind: type[ColdaisleError], says: str) -> None:
    with odd(series=answer) as url, pytest.raises(kind) as caught:
        pulled(server_at(url, None), WINDOW)
    assert says in str(caught.value)


def test_a_server_that_is_away_is_told() -> None:
    with odd() as url:
        pass
    with pytest.raises(RunError, match=r"cannot be reached: .*refused"):
        pulled(server_at(url, None), WINDOW)


def test_an_answer_without_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MOST_BYTES", 1000)
    endless = (200, '{"status": "success", "data": [' + "1," * 1000 + "1]}")
    with odd(series=endless) as url, pytest.raises(RunError, match="at a time; ask for less"):
        pulled(server_at(url, None), WINDOW)


def test_too_many_samples_halve_the_question() -> None:
    """Down to a second, and then it is an error; an hour is halved twelve times."""
    too_many = (422, FAILED % ("execution", "query processing would load too many samples into memory"))
    one = (200, '{"status": "success", "data": [{}]}')
    with odd(series=one, query=too_many) as url, pytest.raises(RunError, match="too many samples"):
        pulled(server_at(url, None), WINDOW)
    ranges = [question["query"][0].rpartition("[")[2] for path, question, _ in Odd.asked if path.endswith("/query")]
    assert ranges[:3] == ["3600000ms]", "1800000ms]", "900000ms]"]
    assert len(ranges) == 12


def test_chunks_of_steps_stay_below_the_limit_and_meet() -> None:
    """A day by the second is nine chunks of ten thousand points; each begins where the last one ended."""
    asked = AskedServer(0, 86_400 * NS_PER_S, step_ns=NS_PER_S)
    chunks = list(pull._chunks(asked, series=8))
    assert all((end - start) / 1000 + 1 <= 11_000 for start, end in chunks)
    assert [start for start, _ in chunks[1:]] == [end for _, end in chunks[:-1]]
    assert (chunks[0][0], chunks[-1][1]) == (0, 86_400_000)


def test_a_token_is_sent_and_never_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "token"
    path.write_text("s3cret\n")
    monkeypatch.setenv(TOKEN, "0ther")
    with odd(series=(403, "s3cret is not allowed")) as url:
        for file, token in ((path, "s3cret"), (None, "0ther")):
            asked = server_at(url, file)
            with pytest.raises(RunError) as caught:
                pulled(asked, WINDOW)
            assert Odd.asked[-1][2] == f"Bearer {token}"
            assert token not in f"{caught.value} {asked!r}"


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("ftp://a", "must be a URL"),
        ("file:///etc/passwd", "must be a URL"),
        ("localhost:9090", "must be a URL"),
        ("http://a:99999", "must be a URL"),
        ("http://me:s3cret@a", "would be logged"),
        ("http://a/?x=1", "must end before"),
    ],
)
def test_a_url_that_is_none_is_refused(url: str, says: str) -> None:
    with pytest.raises(InputError, match=says) as caught:
        server_at(url, None)
    assert "s3cret" not in str(caught.value)


@pytest.mark.parametrize("token", ["two words", "new\nline", "ünicode"])
def test_a_token_that_would_break_a_header_is_refused(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN, token)
    with pytest.raises(InputError, match="one word of ASCII"):
        server_at("http://a", None)


HERE = Server("http://127.0.0.1:9")


@pytest.mark.parametrize(
    ("times", "more", "says"),
    [
        (Times(), {}, "say when: --start and --end, or --once, or --every"),
        (Times(once=True, every="1 min"), {}, "say when"),
        (Times(start=START), {}, "needs both --start and --end"),
        (Times(END, START), {}, "--end: must be later than --start"),
        (Times("2022-07-04T00:00:00", END), {}, "--start: must be a time such as"),
        (Times(START, END, window="1 h"), {}, "--window: is the length of windows that end now"),
        (Times(once=True, bin="fast"), {}, "--bin:"),
        (Times(once=True, rounds=2), {}, "--rounds: counts what --every repeats"),
        (Times(once=True), {"pools": ["x"]}, "--pool: 'x' is no rule"),
        (Times(once=True), {"pools": ["x=*"]}, "x: is no pool of the scenario; there are dgx-a100"),
        (Times(once=True), {"tolerances": ["a lot"]}, "--tolerance: 'energy=a lot' is no tolerance"),
    ],
)
def test_wrong_options_are_refused(file: str, times: Times, more: dict[str, Any], says: str) -> None:
    with pytest.raises(InputError) as caught:
        following(HERE, Asked(file), times, **more)
    assert says in str(caught.value)


def test_several_pools_need_a_rule(tmp_path: Path) -> None:
    data = scenario()
    data["cluster"]["nodes"] = [{"profile": "dgx-a100", "count": 1, "name": name} for name in ("x", "y")]
    data["workloads"] = {"tune": {**data["workloads"]["tune"], "pool": "x"}}
    path = tmp_path / "two.yaml"
    with path.open("w") as stream:
        YAML().dump(data, stream)
    with pytest.raises(InputError, match=r"cluster\.nodes: has several pools"):
        following(HERE, Asked(str(path)), Times(once=True))
    assert following(HERE, Asked(str(path)), Times(once=True), pools=["x=a*", "y=b*"]).length_ns == 1800 * NS_PER_S


def test_windows_that_end_now_come_at_their_time(file: str) -> None:
    """A round that takes longer than the time between two makes the next one late, and not twice."""
    asked = following(HERE, Asked(file), Times(every="60 s", rounds=3, window="10 min"))
    clock = [1000 * NS_PER_S]
    slept: list[float] = []

    def sleep(seconds: float) -> None:
        slept.append(seconds)
        clock[0] += round(seconds * NS_PER_S)

    ends = []
    for start_ns, end_ns in asked.windows(lambda: clock[0], sleep):
        assert end_ns - start_ns == 600 * NS_PER_S
        ends.append(end_ns // NS_PER_S)
        clock[0] += (10 if len(ends) == 1 else 100) * NS_PER_S
    assert ends == [1000, 1060, 1160]
    assert slept == [50.0, 0.0]
