"""Lockstep: reproduces, proves and bisects start-up deadlocks of distributed LLM engines.

The one name that an installation claims. In the checkout its two parts are links to the top-level folders `harness` and
`engines`; a wheel holds the files themselves.
"""
