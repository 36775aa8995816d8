#!/usr/bin/env bash
# Guess: a file that already stands where a journal's lock would be is somebody's, and is refused or waited for.
# Found with optuna 5.0.0: JournalFileOpenLock waits for its grace period, then takes whatever file stands at NAME.lock for
# a lock that nobody holds, and removes it. A study that writes to study.log takes a file of yours called study.log.lock.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet --disable-pip-version-check optuna==5.0.0 2>/dev/null
cd "$folder"
"$folder/venv/bin/python" - <<'PYTHON'
import logging
import warnings
from pathlib import Path

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock

optuna.logging.set_verbosity(logging.ERROR)
warnings.simplefilter("ignore")
mine = Path("study.log.lock")
mine.write_text("my notes on this study\n")
lock = JournalFileOpenLock("study.log", grace_period=2)
storage = JournalStorage(JournalFileBackend("study.log", lock_obj=lock))
optuna.create_study(storage=storage).optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
print(f"optuna {optuna.__version__}: after one trial, {mine} {'is there' if mine.exists() else 'is gone'}")
assert not mine.exists(), "changed: a file that is no lock of optuna's is left alone"
PYTHON
