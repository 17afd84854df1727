"""The pages of the repository: links lead somewhere, files and modules that are named exist, the README stays short."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOTS = ("dse/", "tests/", "pipelines/", "search_spaces/", "device_library/", "findings/")
DATED = {"CHANGELOG.md", "findings/decisions.md"}
"""Pages that tell what was true at a date: files may have moved since."""
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
FENCED_FILE = re.compile(r"^```(?:python|toml) \S+\n.*?^```", re.DOTALL | re.MULTILINE)
"""An example of a file to add: it need not be there."""
MODULE = re.compile(r"`(?:python -m )?((?:dse|pipelines|tests)(?:\.\w+)+)`")


def pages() -> list[str]:
    """Return the pages, apart from those in folders that git does not keep."""
    found = (path.relative_to(ROOT) for path in ROOT.rglob("*.md"))
    return sorted(str(p) for p in found if not any(part.startswith(".") or part == "results" for part in p.parts[:1]))


def text_of(page: str) -> str:
    return (ROOT / page).read_text()


def links(text: str) -> list[str]:
    """Return the relative links of a page, outside of its fenced blocks."""
    return [link for link in LINK.findall(FENCE.sub("", text)) if "://" not in link]


def anchors(text: str) -> set[str]:
    """Return the anchors of the headings of a page, as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: str, text: str) -> list[str]:
    """Return the links of a page that lead nowhere."""
    broken: list[str] = []
    for link in links(text):
        name, _, anchor = link.partition("#")
        target = (ROOT / page).parent / name if name else ROOT / page
        if not target.exists() or (anchor and anchor not in anchors(target.read_text() if name else text)):
            broken.append(link)
    return broken


def named_files(text: str) -> set[str]:
    """Return the files of the repository that a text names."""
    words = re.sub(r"[`()\[\]|,;]", " ", FENCED_FILE.sub("", text)).split()
    found = {word.rstrip(".:").split("#")[0] for word in words if word.startswith(ROOTS)}
    return {name for name in found if "." in name.rpartition("/")[2] and "*" not in name}


def source_of(module: str) -> str | None:
    """Return the source of a module of the repository; None where there is none of this name."""
    stem = ROOT.joinpath(*module.split("."))
    return next((path.read_text() for path in (stem.with_suffix(".py"), stem / "__init__.py") if path.exists()), None)


def exists(name: str) -> bool:
    """Return whether a dotted name is a module, or a class, function or constant of one."""
    if source_of(name) is not None:
        return True
    module, _, own = name.rpartition(".")
    source = source_of(module) if module else None
    return source is not None and re.search(rf"^((class|def) )?{own}\b", source, re.MULTILINE) is not None


@pytest.mark.parametrize("page", pages())
def test_a_relative_link_leads_to_a_file_and_a_heading(page: str) -> None:
    assert broken_links(page, text_of(page)) == []


@pytest.mark.parametrize("page", [page for page in pages() if page not in DATED])
def test_the_files_and_modules_that_a_page_names_exist(page: str) -> None:
    text = text_of(page)
    assert [name for name in sorted(named_files(text)) if not (ROOT / name).exists()] == []
    assert [name for name in sorted(set(MODULE.findall(text))) if not exists(name)] == []


def test_the_checks_see_what_is_wrong() -> None:
    text = "# A heading, here\n[a](README.md) [b](#a-heading-here) [c](nowhere.md) [d](#none)\n```\n[e](x.md)\n```\n"
    assert broken_links("README.md", text) == ["nowhere.md", "#none"]
    assert named_files("see `dse/spec.py`, (tests/x.py) and dse/search/") == {"dse/spec.py", "tests/x.py"}
    assert exists("dse.spec.Spec")
    assert not exists("dse.spec.Speck")
    assert not exists("dse.specs")


def test_the_checks_find_what_there_is() -> None:
    assert {"README.md", "CONTRIBUTING.md", "search_spaces/README.md", "findings/trust.md"} <= set(pages())
    assert len(links(text_of("README.md"))) > 15
    assert len(named_files(text_of("findings/trust.md"))) > 20


def test_the_readme_is_short_and_has_the_two_commands_at_the_beginning_of_a_line() -> None:
    lines = text_of("README.md").splitlines()
    assert len(lines) <= 150
    assert [line.split(" && ")[1] for line in lines if line.startswith("python3 -m venv ")] == [
        ".venv/bin/pip install -q .",
        ".venv-test/bin/pip install -q -e '.[test]'",
    ]


def test_the_package_says_that_it_is_typed() -> None:
    assert (ROOT / "dse" / "py.typed").exists()
