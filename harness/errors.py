"""What ends a command by its own word: one tree of errors, each with the exit code of the command line.

LockstepError              2
├── ScenarioError          2  scenario/errors.py: a scenario, a host list or an option that the user must change
│   ├── FileErrors         2  all the problems of the files at once, each with its place
│   ├── NotInCheckout      2  a checkout that does not have the engine
│   ├── UnknownEngine      2  an engine that is not installed
│   └── EngineError        2  a plug-in that does not keep to the protocol of engines
├── BisectionError         2  bisect/errors.py: what was asked for makes no sense in this repository
│   └── NotJudged          3  an end of the range could not be judged
└── LaunchError            3  launch/errors.py: nothing can be launched here, or not what was asked for
    └── NoSuchLauncher   2  the launcher that was named is not here, or cannot do what it is to do

Whatever else comes out of a command is a fault of Lockstep itself.
"""

from __future__ import annotations


class LockstepError(Exception):
    """Something that the user can do something about; the message says what is wrong, where, and what to do."""

    exit_code = 2
