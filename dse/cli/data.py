"""The command `dse data`: a data set downloaded."""

import click

from dse.cli.options import echo, plugin_option


@click.command()
@plugin_option
@click.argument("dataset")
def data(dataset: str, plugins: tuple[str, ...]) -> None:  # noqa: ARG001  loaded by the option
    """Download DATASET (mnist, cifar10, ptb), with checksums, into $DSE_DATA_DIR or the user's cache."""
    from dse.data import DATA  # noqa: PLC0415
    from dse.data.base import data_folder  # noqa: PLC0415
    from dse.errors import SettingError, did_you_mean  # noqa: PLC0415

    public = {own.model_fields["dataset"].default: own for own in DATA if own.is_public}
    if dataset not in public:
        raise SettingError(f"no data set {dataset!r} to download{did_you_mean(dataset, public)} ({', '.join(public)})")
    echo(f"{dataset} is in {public[dataset].download(data_folder())}")
