"""What generator and discriminator minimise.

loss                 discriminator                              generator
non_saturating       softplus(-D(x)) + softplus(D(G(z)))        softplus(-D(G(z)))
hinge                relu(1 - D(x)) + relu(1 + D(G(z)))         -D(G(z))                 (Lim and Ye 2017)
least_squares        ((D(x) - 1)^2 + D(G(z))^2) / 2             (D(G(z)) - 1)^2 / 2      (Mao et al. 2017)
"""

from collections.abc import Callable

from torch import Tensor
from torch.nn import functional

Losses = tuple[Callable[[Tensor, Tensor], Tensor], Callable[[Tensor], Tensor]]
LOSSES: dict[str, Losses] = {
    "non_saturating": (
        lambda real, fake: functional.softplus(-real).mean() + functional.softplus(fake).mean(),
        lambda fake: functional.softplus(-fake).mean(),
    ),
    "hinge": (
        lambda real, fake: functional.relu(1.0 - real).mean() + functional.relu(1.0 + fake).mean(),
        lambda fake: -fake.mean(),
    ),
    "least_squares": (
        lambda real, fake: 0.5 * ((real - 1.0).square().mean() + fake.square().mean()),
        lambda fake: 0.5 * (fake - 1.0).square().mean(),
    ),
}
"""Name -> what discriminator (outputs for real and generated images) and generator minimise."""
