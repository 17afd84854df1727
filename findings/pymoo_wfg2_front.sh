#!/usr/bin/env bash
# Half of the points of the "true" Pareto front of WFG2 that pymoo gives are not on the front.
#
# pymoo 0.6.2, 2026-12-01. `get_problem("wfg2", n_var=6, n_obj=2).pareto_front()` has 100 points, drawn anew in each
# process, of which some 49 to 60 are dominated by others of the same 100, in both objectives and by much more than
# rounding; with three objectives 29 or 30 of 136. WFG2 is the one problem of its family whose front is in pieces (the
# last objective waves), and the points between the pieces stay in. The other eight problems of the family have none.
#
# A measure by distance (IGD) of a search that found the whole front is then not zero, and a search that stops between
# the pieces is rewarded. A hypervolume is not concerned. Dominated points have to be taken out first.
#
# Of 100 and 136 points of the nine problems only those of wfg2 are dominated: 49 of 100, 29 of 136.
# IGD of the points that are not dominated, to the front that is given: 0.1527
#
# It fails if fewer than 35 and 15 are dominated, or if another problem of the family has any.
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/venv"
"$folder/venv/bin/pip" install -q pymoo==0.6.2 moocore==0.3.2 numpy==2.4.6 >/dev/null 2>&1
"$folder/venv/bin/python" - <<'PYTHON'
import numpy as np
from pymoo.problems import get_problem


def dominated(front):
    return np.array([np.any(np.all(front < point - 1e-6, axis=1)) for point in front])


found = {}
for objectives in (2, 3):
    for number in range(1, 10):
        front = get_problem(f"wfg{number}", n_var=6, n_obj=objectives).pareto_front()
        found[number, objectives] = int(dominated(front).sum()), len(front)
print(found)
assert found[2, 2][0] >= 35, found
assert found[2, 3][0] >= 15, found
assert all(count == 0 for (number, _), (count, _) in found.items() if number != 2), found

front = get_problem("wfg2", n_var=6, n_obj=2).pareto_front()
best = front[~dominated(front)]
distance = np.linalg.norm(front[:, None] - best[None], axis=2).min(axis=1).mean()
print("IGD of the points that are not dominated, to the front that is given:", round(float(distance), 4))
assert distance > 0.01, distance
PYTHON
