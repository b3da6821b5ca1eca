"""Speed: one module a question, one command each; every figure beside a yardstick of the same run."""
