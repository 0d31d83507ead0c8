"""`praxia COMMAND ...`: one file a command; a message of ours ends with exit status 2, never with a traceback."""

import importlib
import os
import sys

from praxia import __version__
from praxia.errors import PraxiaError, unknown

COMMANDS = {
    "quickstart": "the whole story on this machine: data, training in stages, closed-loop test, report.html",
    "data": "make | inspect | stats | verify: demonstrations and datasets",
    "train": "train a recipe, built in or path.py:function",
    "eval": "judge a policy in closed loop, beside controls, or two policies on one plan",
    "serve": "serve a policy to robots and simulators (openpi websocket)",
    "annotate": "features | hands: what a geometry net sees, kept for training; questions and motions from clips of hands",
    "claims": "a paper's central comparison as a controlled experiment, with a verdict",
    "info": "what a recipe is: parameters, token layout, FLOPs, memory, stages, licences",
    "doctor": "what this machine can do, what is missing, the exact fix; --net: what a geometry net may be used for",
}


def main() -> None:
    """Entry point."""
    os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
    arguments = sys.argv[1:]
    if not arguments or arguments[0] in ("-h", "--help"):
        print(_help())
        return
    if arguments[0] == "--version":
        print(__version__)
        return
    command, rest = arguments[0], arguments[1:]
    try:
        if command not in COMMANDS:
            raise PraxiaError(unknown("command", command, COMMANDS) + "; see praxia --help")
        importlib.import_module(f"praxia.cli.{command}").main(rest)
    except PraxiaError as error:
        print(f"praxia {command}: {error}", file=sys.stderr)
        sys.exit(2)
    except KeyboardInterrupt:
        print("\ninterrupted; the same command resumes", file=sys.stderr)
        sys.exit(130)


def _help() -> str:
    width = max(map(len, COMMANDS))
    lines = [f"  {name:<{width}}  {text}" for name, text in COMMANDS.items()]
    return "usage: praxia COMMAND [options]\n\n" + "\n".join(lines) + "\n\npraxia COMMAND --help shows the options of a command."
