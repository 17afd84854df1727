"""Examples of variants: what this package brings to the framework, under the names of its lists.

Nothing here loads torch: a study is checked without it.
"""

from lab_variants.autoencoder.spec import Autoencoder
from lab_variants.gdc_median import GdcMedian
from lab_variants.gratings import Gratings
from lab_variants.linear.spec import LinearCell
from lab_variants.manhattan import Manhattan
from lab_variants.mutation import Mutation
from lab_variants.reconstruction.spec import Reconstruction
from lab_variants.sign.spec import Sign
from lab_variants.vit.spec import Vit

NETWORKS = (Vit, Autoencoder)
TASKS = (Reconstruction,)
DATA = (Gratings,)
CELLS = (LinearCell,)
UPDATES = (Manhattan, Sign)
COMPENSATIONS = (GdcMedian,)
SAMPLERS = (Mutation,)
