"""The command `dse data`: a data set downloaded."""

import click


@click.command()
@click.argument("dataset", type=click.Choice(["mnist", "cifar10", "ptb"]))
def data(dataset: str) -> None:
    """Download DATASET, with checksums, into $DSE_DATA_DIR or the user's cache."""
    from dse.data.datasets import download  # noqa: PLC0415

    click.echo(f"{dataset} is in {download(dataset)}")
