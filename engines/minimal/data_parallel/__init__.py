"""Data-parallel engine cores after vLLM's: waves, dummies, padding, drafts."""
