"""What Lockstep measures. Of the harness engines know the rooms `trace` and `scenario`, nothing else."""
