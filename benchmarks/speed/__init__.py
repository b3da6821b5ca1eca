"""Speed: one module a question, one command each; every figure beside a yardstick of the same run."""

import os

# As the command line has it, before numpy is imported.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
