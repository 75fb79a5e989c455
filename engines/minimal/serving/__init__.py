"""The executor: what is scheduled, run and answered after warm-up."""
