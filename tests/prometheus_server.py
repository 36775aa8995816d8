"""A real Prometheus (Debian's) with a known past, for tests: samples are backfilled by promtool, then it is started."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.error import URLError

PROGRAMS = ("prometheus", "promtool")
NO_PROMETHEUS = "needs prometheus and promtool; on Debian: apt-get install prometheus"
READY_WITHIN_S = 60.0

Samples = Mapping[tuple[str, tuple[tuple[str, str], ...]], Iterable[tuple[float, float]]]
"""(time in s, value) of each metric and its labels."""


def has_prometheus() -> bool:
    return all(shutil.which(name) for name in PROGRAMS)


def exposition(samples: Samples) -> str:
    """OpenMetrics text with times: families together, each with its type."""
    families: dict[str, list[str]] = {}
    for (metric, labels), values in samples.items():
        family = metric.removesuffix("_total")
        shown = ",".join(f'{name}="{value}"' for name, value in labels)
        lines = families.setdefault(f"{family} {'counter' if metric != family else 'gauge'}", [])
        lines += [f"{metric}{{{shown}}} {value!r} {moment!r}" for moment, value in values]
    text = "".join(f"# TYPE {family}\n" + "\n".join(lines) + "\n" for family, lines in families.items())
    return f"{text}# EOF\n"


@contextmanager
def prometheus(
    folder: Path, samples: Samples, options: Sequence[str] = (), scraped: Sequence[str] = ()
) -> Iterator[str]:
    """The URL of a server that has these samples, and scrapes these addresses each second, until the block ends."""
    folder.mkdir(parents=True)
    targets = ", ".join(f"'{address}'" for address in scraped)
    jobs = f"scrape_configs: [{{job_name: site, static_configs: [{{targets: [{targets}]}}]}}]\n" if scraped else ""
    (folder / "prometheus.yml").write_text(f"global: {{scrape_interval: 1s}}\n{jobs}")
    if samples:
        (folder / "past.txt").write_text(exposition(samples))
        blocks = ["promtool", "tsdb", "create-blocks-from", "openmetrics", "past.txt", "data"]
        subprocess.run(blocks, cwd=folder, check=True, capture_output=True, timeout=120)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = ["prometheus", "--config.file=prometheus.yml", "--storage.tsdb.path=data", "--log.level=error"]
    words += ["--storage.tsdb.retention.time=100y", f"--web.listen-address=127.0.0.1:{port}", *options]
    with (folder / "log").open("wb") as log, subprocess.Popen(words, cwd=folder, stdout=log, stderr=log) as server:
        try:
            url = f"http://127.0.0.1:{port}"
            _wait(url, server, folder / "log")
            yield url
        finally:
            server.terminate()


def _wait(url: str, server: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(int(READY_WITHIN_S / 0.2)):
        assert server.poll() is None, log.read_text()
        try:
            with opener.open(f"{url}/-/ready", timeout=5):
                return
        except (URLError, OSError):
            time.sleep(0.2)
    raise AssertionError(f"prometheus is not ready: {log.read_text()}")
