"""``coldaisle follow`` live: a Prometheus that scrapes exporters, the metrics of its own, and the dashboard of them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any
from urllib.error import HTTPError

import numpy as np
import pytest
from ruamel.yaml import YAML

import sim
from sim.errors import InputError, RunError
from sim.follow.dashboard import dashboard
from sim.follow.drift import Drift, Series
from sim.follow.metrics import PLAIN, Exporter, State, exporter_at, families
from sim.measure.accuracy import errors
from tests.prometheus_server import NO_PROMETHEUS, has_prometheus, prometheus
from tests.small import small

COLDAISLE = str(Path(sys.executable).with_name("coldaisle"))
GPUS = 16
SCRAPED_S = 14
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def series(node: str = "", known: float = 1.0) -> Series:
    """Predicted 100 W, measured 125 W, or nothing known."""
    measured = np.full(4, 125.0 if known else np.nan)
    predicted = np.full(4, 100.0 if known else np.nan)
    found = errors(predicted, measured) if known else None
    energies = (1000.0, 1250.0) if known else (0.0, 0.0)
    return Series("x", node, "gpu", predicted, measured, np.full(4, known), 8, 8, found, *energies)


def state(*found: Series) -> State:
    return State('a "site"', Drift("a", np.arange(5) * 10**10, found), past=True, rounds=3, failed=1)


def test_what_is_not_known_has_no_sample() -> None:
    """No 0 and no NaN: only its share that is known is there, and that is 0."""
    found = families(state(series(), series("silent", known=0.0)))
    samples = {name: [dict(labels)["node"] for labels, *_ in found[f"coldaisle_follow_{name}"].samples] for name in (
        "predicted_watts", "measured_watts", "drift_ratio", "error_ratio", "known_ratio"
    )}  # fmt: skip
    assert samples == {
        **{name: [""] for name in ("predicted_watts", "measured_watts", "drift_ratio", "error_ratio")},
        "known_ratio": ["", "silent"],
    }
    [(_, drift, _)] = found["coldaisle_follow_drift_ratio"].samples
    assert drift == 100 / 125 - 1


def test_a_port_serves_loopback_and_nobody_elses_name() -> None:
    with Exporter(port=0) as exporter:
        exporter.show(state(series()))
        with OPENER.open(exporter.address, timeout=10) as answer:
            assert answer.headers["Content-Type"] == PLAIN
            text = answer.read().decode()
        assert 'coldaisle_follow_rounds{scenario="a \\"site\\""} 3.0' in text
        assert text.endswith("# EOF\n")
        asked = urllib.request.Request(exporter.address, headers={"Accept": "application/openmetrics-text"})
        with OPENER.open(asked, timeout=10) as answer:
            assert answer.headers["Content-Type"].startswith("application/openmetrics-text")
        for address, host in ((exporter.address, "evil.example"), (f"{exporter.address}/../etc/passwd", "localhost")):
            with pytest.raises(HTTPError) as caught:
                OPENER.open(urllib.request.Request(address, headers={"Host": host}), timeout=10)
            caught.value.close()
            assert caught.value.code == (403 if host == "evil.example" else 404)
        with (
            pytest.raises(RunError, match=r"port \d+ of 127\.0\.0\.1 cannot be had"),
            Exporter(port=int(exporter.address.rpartition(":")[2].partition("/")[0])),
        ):
            pass
    with pytest.raises(OSError, match="refused"):
        OPENER.open(exporter.address, timeout=10)


@pytest.mark.parametrize(
    ("place", "says"),
    [
        ("99999", "a port is at most 65535"),
        ("9100", "a port is served while the command lasts"),
        ("x.txt", "must be a port, or a file that ends in .prom"),
    ],
)
def test_a_place_that_cannot_be_is_refused(place: str, says: str) -> None:
    with pytest.raises(InputError, match=says):
        exporter_at(place, lasts=place == "99999")


def test_a_file_of_somebody_else_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "node.prom"
    path.write_text("node_load1 1\n")
    with pytest.raises(InputError):
        exporter_at(str(path), lasts=False)
    path.unlink()
    exporter = exporter_at(str(path), lasts=False)
    exporter.show(state(series()))
    exporter.show(state(series()))
    assert path.read_text().count("# EOF") == 1


# The dashboard


def test_the_dashboard_asks_for_metrics_that_are_exported() -> None:
    """Every metric in a query is exported with the labels it is asked by; every panel has its own place and source."""
    found = dashboard()
    exported = families(state(series(), series("n")))
    panels = found["panels"]
    assert [panel["id"] for panel in panels] == list(range(1, len(panels) + 1))
    cells = [
        (x, y)
        for place in (panel["gridPos"] for panel in panels)
        for x in range(place["x"], place["x"] + place["w"])
        for y in range(place["y"], place["y"] + place["h"])
    ]
    assert len(cells) == len(set(cells))
    assert max(x for x, _ in cells) < 24
    asked = set()
    for panel in panels:
        for target in panel["targets"]:
            assert target["datasource"] == panel["datasource"] == {"type": "prometheus", "uid": "${datasource}"}
            for metric, matchers in re.findall(r"(coldaisle_\w+)\{([^}]*)\}", target["expr"]):
                asked.add(metric)
                labels = {label for sample in exported[metric].samples for label, _ in sample[0]}
                assert set(re.findall(r"(\w+)[=!]", matchers)) <= labels
    variables = {one["name"]: one for one in found["templating"]["list"]}
    assert list(variables) == ["datasource", "scenario", "pool"]
    assert variables["datasource"]["type"] == "datasource"
    assert exported.keys() - asked == {"coldaisle_follow_rounds", "coldaisle_follow_error_ratio"} | {
        "coldaisle_follow_window_start_timestamp_seconds"
    }


@pytest.mark.skipif(not has_prometheus(), reason=NO_PROMETHEUS)
def test_prometheus_takes_every_query_of_the_dashboard(tmp_path: Path) -> None:
    """As rules, whose expressions promtool parses."""
    queries = [target["expr"] for panel in dashboard()["panels"] for target in panel["targets"]]
    rules = [{"record": f"query{i}", "expr": query.replace("$pool", ".*")} for i, query in enumerate(queries)]
    path = tmp_path / "rules.json"
    path.write_text(json.dumps({"groups": [{"name": "all", "rules": rules}]}))
    done = subprocess.run(["promtool", "check", "rules", path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"{len(queries)} rules found" in done.stdout


def test_the_command_prints_the_dashboard() -> None:
    done = subprocess.run([COLDAISLE, "follow", "--dashboard"], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == dashboard()


# Live


def steady() -> dict[str, Any]:
    """Eight GPUs at work and eight at rest, without end."""
    data = small()
    del data["workloads"]["api"]
    return {**data, "outputs": {"bin": "1 s"}, "duration": "10 s"}


@pytest.fixture
def exporter() -> Iterator[str]:
    """The address of an exporter that says what the steady site draws, as DCGM and node_exporter do."""
    energy = sim.run(steady()).energy
    gpu_w, cpu_w = (
        sum(row.sum() for key, row in zip(energy.keys, energy.energy_j, strict=True) if key.component == part) / 10
        for part in ("gpu", "cpu")
    )
    began = time.monotonic()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            lines = [
                f'DCGM_FI_DEV_POWER_USAGE{{gpu="{i % 8}",UUID="GPU-{i}",Hostname="n{i // 8}"}} {gpu_w / GPUS}'
                for i in range(GPUS)
            ]
            joules = cpu_w / 4 * (time.monotonic() - began) + 1.0
            lines += [f'node_rapl_package_joules_total{{index="{i % 2}",node="n{i // 2}"}} {joules}' for i in range(4)]
            body = ("\n".join(lines) + "\n").encode()
            self.send_response(200)
            self.send_header("Content-Type", PLAIN)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as served:
        Thread(target=served.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{served.server_address[1]}"
        served.shutdown()


@pytest.mark.slow
@pytest.mark.skipif(not has_prometheus(), reason=NO_PROMETHEUS)
def test_a_site_that_is_scraped_is_followed(tmp_path: Path, exporter: str) -> None:
    """Two rounds over the last ten seconds. The meters' counters are read late by some ms: 5 % of a second's bin."""
    path = tmp_path / "steady.yaml"
    with path.open("w") as stream:
        YAML().dump(steady(), stream)
    with prometheus(tmp_path / "server", {}, scraped=[exporter]) as url:
        time.sleep(SCRAPED_S)
        words = ["--every", "2 s", "--rounds", "2", "--window", "10 s", "--bin", "2 s", "--tolerance", "5%", "--json"]
        words += ["--metrics", str(tmp_path / "own.prom")]
        done = subprocess.run(
            [COLDAISLE, "follow", path, "--prometheus", url, *words], capture_output=True, text=True, check=False
        )
    assert done.returncode == 0, done.stdout + done.stderr
    rounds = [json.loads(line) for line in done.stdout.splitlines()]
    assert len(rounds) == 2
    for one in rounds:
        pools = {series["component"]: series for series in one["series"] if series["node"] is None}
        assert pools["gpu"]["energy"] == pytest.approx(0.0, abs=1e-9)
        assert pools["cpu"]["energy"] == pytest.approx(0.0, abs=0.05)
        assert pools["gpu"]["devices"] == pools["gpu"]["devices_of_the_twin"] == GPUS
    assert rounds[1]["edges_s"][-1] - rounds[0]["edges_s"][-1] >= 2
    assert 'coldaisle_follow_rounds{scenario="small"} 2.0' in (tmp_path / "own.prom").read_text()
