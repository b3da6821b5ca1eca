"""Judge a replay against the truth: how well alerts were grouped, how often the named root was right, what it cost.

Reads files only and knows nothing of the engine, so that any method whose output has the same small form is judged by
the same rules. Definitions: docs/quality.md.
"""

from correlator.scoring.inputs import AlertLine, Assignment, Case, IncidentStep, Truth
from correlator.scoring.report import run
from correlator.scoring.scorer import Score, figures, score

__all__ = ["AlertLine", "Assignment", "Case", "IncidentStep", "Score", "Truth", "figures", "run", "score"]
