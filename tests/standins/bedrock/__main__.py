"""`python -m tests.standins.bedrock --port N`: the stand-in as a process."""

import argparse

from tests.standins.bedrock.server import serve

parser = argparse.ArgumentParser(prog="python -m tests.standins.bedrock", description=__doc__)
parser.add_argument("--port", type=int, default=0, help="0 for any that is free")
serve(parser.parse_args().port)
