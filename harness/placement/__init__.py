"""Hosts, and how ranks are dealt to them and to their GPUs."""
