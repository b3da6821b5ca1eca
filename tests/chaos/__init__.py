"""Chaos: everything really runs, really dies at random, and what came out is compared with an uninterrupted run.

`schedule` says what happens when, `stream` what is alerted, `endpoint` and `processes` are what it happens to, `stage`
makes it happen, `verdicts` judges. One command: `python -m tests.chaos`.
"""
