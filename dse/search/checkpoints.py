"""Where paused trainings lie: beside the table, in RESULTS/paused, a file for each that has further epochs to go.

They save time and decide nothing. One that is lost, damaged or of other code is trained from the start, to the same
bits; one that cannot be written is not missed. A training that has ended needs none.
"""

import logging

from dse.results.place import Place
from dse.search.executor import Job

FOLDER = "paused"
log = logging.getLogger(__name__)


class Checkpoints:
    """Paused trainings of a study.

    Args:
        place: the results.
    """

    def __init__(self, place: Place) -> None:
        self._place = place

    def keep(self, job: Job, content: bytes | None) -> None:
        """Keep what the training of a job needs to go on from where it paused; None where it has ended, or cannot.

        What it paused with before is let go of.
        """
        try:
            if content is not None and job.until is not None:
                self._place.write(_name(job, job.until), content)
            if job.since:
                self._place.remove(_name(job, job.since))
        except OSError as error:
            log.info("a paused training was not kept (%s); it will start anew when it goes on", error)

    def of(self, job: Job) -> bytes | None:
        """Return what the training of a job goes on from; None where there is nothing."""
        if not job.since:
            return None
        try:
            return self._place.read(_name(job, job.since))
        except OSError:
            return None


def _name(job: Job, epoch: int) -> str:
    return f"{FOLDER}/{job.trial}-{job.seed}-{epoch}.npz"
