"""Tests of the reports: real files, also after kills."""
