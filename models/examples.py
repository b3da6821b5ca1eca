"""What the root ranker is fitted on: candidates of incidents with the true root marked."""

from __future__ import annotations

import msgspec
import numpy as np
import numpy.typing as npt


class Example(msgspec.Struct, frozen=True, kw_only=True):
    """The candidates of one incident at one moment.

    `features` has one row a candidate; `true` marks the root, nothing where it is not among them (the case then counts
    as a miss and teaches nothing).
    """

    #: Systems of one family share the weight of one: the seeds of a preset are systems with the same habits.
    family: str
    system: str
    case: str
    moment: str
    features: npt.NDArray[np.float64]
    true: npt.NDArray[np.bool_]
