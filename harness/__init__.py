"""Lockstep's instrument: scenarios, launch, events, proof, verdict, reports. It knows no engine."""

__version__ = "0.1.0"
