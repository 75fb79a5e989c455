"""The attached recorder: what runs inside a program that knows nothing of it. Standard library only.

`site/sitecustomize.py` is found through PYTHONPATH by every Python process below a supervisor. It watches the imports; the
rest of this package is loaded when a library that communicates is, and wraps what of it can block.
"""
