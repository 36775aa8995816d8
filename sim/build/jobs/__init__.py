"""Jobs as rows, and who may start when: their sources, schedulers, schedules, and the pool that a job chooses."""
