"""Pages that people look at, made of a run's folder alone: no network, no script, nothing that leads out of the folder."""
