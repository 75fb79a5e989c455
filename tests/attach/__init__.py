"""Tests of programs that know nothing of Lockstep, and of the recorder that attaches itself to them."""
