"""The smallest engine in which a start-up deadlock is real. Ranks import neither pydantic nor the harness's head."""
