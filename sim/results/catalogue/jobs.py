"""What became of jobs: their work, their steps, the power within these, their faults and their schedules."""

from __future__ import annotations

from sim.results.catalogue.quantity import FLAG, TEXT, At, Quantity, Table, table
from sim.results.formats import hours, percent

JOBS, SCHEDULES, STEPS, RAMPS = "job", "schedule", "step of", "power of"
FAULTS, FAULT_ENERGY = "faults of", "energy of job"
"""Tables of jobs, by the head of their first column."""

ACTIVITIES = (
    ("productive", "at work that was kept", "", ""),
    ("lost", "at work that was lost", "lost", "work done since the checkpoint that a failure went back to"),
    ("checkpoints", "of checkpoints", "checkpoints", "the GPUs stand still while state is saved"),
    ("detection", "until faults were noticed", "detection", "the GPUs wait for one that is gone"),
    ("restarts", "of restarts", "restarts", "replacing nodes, launching, loading and warming up"),
    ("planned_stops", "of planned stops", "", ""),
    ("waiting", "of waiting", "waiting", "booting, the first set-up, and pauses"),
)
"""What a job that recovers from faults spends its time and its energy on."""
PHASES = (
    ("compute", "computing", "compute", 1),
    ("communication", "exposed communication", "exposed", 2),
    ("bubble", "pipeline bubble", "bubble", 3),
    ("optimizer", "optimizer", "optimizer", 4),
    ("stall", "waiting for data", "data", 5),
    ("straggler", "waiting for the slowest", "slowest", 6),
)
"""Of a step: its name, in words, as the head of a column, and the place of that."""
MFU = "FLOP that the model needs of the peak in its products' precision; attention counts its causal half"
HFU = "the same with what is computed again"
BURNED = "of the GPUs' energy at work without it"

OF_EACH_JOB: tuple[Table, ...] = (
    table(
        "jobs.*",
        Quantity("progress", "done", always=True, columns=(At(JOBS, "done"),), form=lambda done: f"{100 * done:.4g} %"),
        Quantity("gpu_hours", "GPU-hours held", "GPU-hours", always=True, columns=(At(JOBS, "GPU-hours"),)),
        Quantity("lost_gpu_hours", "GPU-hours lost", "GPU-hours", always=True, columns=(At(JOBS, "lost"),)),
        Quantity("wait_s", "waited", "s", columns=(At(JOBS, "waited"),), form=hours, absent="never ran"),
        Quantity("goodput", "goodput", columns=(At(JOBS, "goodput"),), form=percent),
        Quantity("interruptions", "failures", always=True, columns=(At(JOBS, "failures"),), form=str),
        Quantity("count", "jobs"),
        Quantity("completed", "finished"),
        Quantity("killed", "killed"),
        Quantity("unfinished", "not finished by the end"),
        Quantity("checkpoints", "checkpoints"),
        Quantity("makespan_s", "makespan", "s"),
        Quantity("cap_changes", "changes of its cap"),
        Quantity("slowed_by_caps_s", "slowed by caps", "s"),
        Quantity("paused_by_limits_s", "paused by limits of power", "s"),
        Quantity("shed_by_limits", "shed by limits of power"),
        Quantity("slowed_by_islands_s", "slowed by links between islands of a node", "s"),
        optional=True,
    ),
    table(
        "jobs.*",
        Quantity(
            "effective_time_share",
            "effective",
            columns=(At(FAULTS, "effective"),),
            form=percent,
            meaning="time at work that was kept, of all time since the job first started (ETTR)",
        ),
        Quantity("expected_mtbf_s", "expected between failures", "s", columns=(At(FAULTS, "MTBF"),), form=hours),
        Quantity(
            "checkpoint_interval_s", "checkpoint after", "s", columns=(At(FAULTS, "checkpoint after"),), form=hours
        ),
        *(
            Quantity(
                f"time_split_s.{name}",
                f"time {word}",
                "s",
                columns=(At(FAULTS, head),) if head else (),
                form=hours,
                meaning=meaning,
            )
            for name, word, head, meaning in ACTIVITIES
        ),
        *(
            Quantity(
                f"energy_split_kwh.{name}",
                f"energy {word}",
                "kWh",
                columns=(At(FAULT_ENERGY, head or name.replace("_", " ")),),
            )
            for name, word, head, _ in ACTIVITIES
        ),
        Quantity("interruptions_by_component.*", "failures of"),
        Quantity("planned_stops", "planned stops"),
        Quantity("slowed_by_stragglers_s", "slowed by stragglers", "s"),
        Quantity("undetected_corruption", "wrong results nobody noticed", kind=FLAG),
        optional=True,
    ),
    table(
        "jobs.*.step",
        Quantity("step_s", "step", "s", always=True, compared=1, columns=(At(STEPS, "takes"),)),
        *(
            Quantity(f"step_split_s.{phase}", word, "s", columns=(At(STEPS, head, place),), absent="-")
            for phase, word, head, place in PHASES
        ),
        Quantity("evaluation_s", "evaluating, a step's part", "s"),
        Quantity(
            "exposed_s.*", "exposed communication for", "s", meaning="by what it is for, each on the critical path"
        ),
        Quantity("hidden_s.*", "communication behind computation for", "s"),
        Quantity("mfu", "MFU", always=True, compared=2, columns=(At(STEPS, "MFU", 7),), form=percent, meaning=MFU),
        Quantity("hfu", "HFU", always=True, columns=(At(STEPS, "HFU", 8),), form=percent, meaning=HFU),
        Quantity("model_tflops_per_gpu", "model TFLOP/s per GPU", "TFLOP/s", always=True),
        Quantity("throughput_tok_per_s", "training throughput", "tokens/s", always=True, compared=3),
        Quantity("throughput_tok_per_s_per_gpu", "throughput of a GPU", "tokens/s", always=True),
        Quantity("steps", "steps done", always=True),
        Quantity("tokens", "tokens trained on", always=True),
        Quantity("memory_gb.*", "memory of a GPU for", "GB", meaning="on the GPU that needs most; `host` beside it"),
        Quantity(
            "gpu_energy_kwh.*",
            "energy of its GPUs for",
            "kWh",
            meaning="phases of steps, bytes between nodes (`network`), evaluation, and, by the state of the meters, "
            "what GPUs drew held and not at work",
        ),
        optional=True,
    ),
    table(
        "jobs.*.ramps",
        Quantity(
            "mean_w", "mean power", "W", columns=(At(RAMPS, "mean W"),), meaning="of all GPUs of the job while it works"
        ),
        Quantity("peak_w", "most power", "W"),
        Quantity("trough_w", "least power", "W"),
        Quantity("swing_w", "swing within a step", "W", always=True, columns=(At(RAMPS, "swing W"),)),
        Quantity("unsmoothed_swing_w", "swing without smoothing", "W"),
        Quantity(
            "stop_w", "drop where it stops", "W", columns=(At(RAMPS, "stop W"),), meaning="from the most to loaded GPUs"
        ),
        Quantity("step_hz", "frequency of steps", "Hz", always=True, columns=(At(RAMPS, "steps Hz"),)),
        Quantity("strongest_hz", "strongest harmonic", "Hz"),
        Quantity("strongest_w", "its amplitude", "W"),
        Quantity(
            "critical_share",
            "share of oscillation in 0.1 to 20 Hz",
            columns=(At(RAMPS, "0.1-20 Hz"),),
            form=percent,
            meaning="of the sum of squares of amplitudes; the band that utilities limit (arXiv:2508.14318)",
        ),
        Quantity("near_mean_share", "share of time within 10 % of the mean"),
        Quantity(
            "largest_ramp_w_per_s.*",
            "largest ramp over",
            "W/s",
            meaning="most change between two instants no further apart, over that time",
        ),
        Quantity("burned_share", "burned by smoothing", columns=(At(RAMPS, "burned"),), form=percent, meaning=BURNED),
        Quantity("floors.[].share", "floor"),
        Quantity("floors.[].swing_w", "swing with the floor", "W"),
        Quantity("floors.[].burned_share", "burned by the floor", meaning=BURNED),
        Quantity("ramp_limits.[].board_w_per_s", "ramp limit of a board", "W/s"),
        Quantity("ramp_limits.[].swing_w", "swing with the ramp limit", "W"),
        Quantity("ramp_limits.[].burned_share", "burned by the ramp limit", meaning=BURNED),
        optional=True,
    ),
    table(
        "jobs.*.schedule",
        Quantity("signal", "signal", kind=TEXT),
        Quantity("unit", "unit of the signal", kind=TEXT, always=True),
        Quantity("immediate_mean", "signal had it begun at once", columns=(At(SCHEDULES, "at once"),), unit_in="unit"),
        Quantity("forecast_mean", "signal as forecast", columns=(At(SCHEDULES, "forecast"),), unit_in="unit"),
        Quantity("actual_mean", "signal as seen at work", columns=(At(SCHEDULES, "seen"),), unit_in="unit"),
        Quantity("waited_s", "waited for the signal", "s"),
        Quantity("pauses", "pauses", always=True, columns=(At(SCHEDULES, "pauses"),), form=str),
        Quantity("restarts", "restarts"),
        Quantity("paused_s", "paused", "s"),
        Quantity("switching_s", "switching", "s"),
        Quantity("finish_delay_s", "delay", "s", columns=(At(SCHEDULES, "delay"),), form=hours),
        Quantity("deadline_met", "deadline met", kind=FLAG),
        optional=True,
    ),
)
