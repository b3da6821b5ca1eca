"""Scale beyond one worker, on paper and by simulation: the figures of docs/scale.md, one command each."""

import os

# As the command line has it, before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
