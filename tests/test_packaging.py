"""What is declared once must hold everywhere: pyproject, environment.yml, constraints, imports."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
import yaml
from rattler import MatchSpec, Version, VersionSpec

ROOT = Path(__file__).parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
CONDA_NAMES = {"torch": "pytorch"}
BY_PIP = {"fsrs"}  # in the conda environment, too: `pip install -e .` brings it


def read(specs):
    """["numpy>=2.1", ...] -> {"numpy": ">=2.1", ...}, the names in their one normal form."""
    pairs = (re.fullmatch(r"([\w.-]+)\s*(.*)", spec).groups() for spec in specs)
    return {normal(name): versions.replace(" ", "") for name, versions in pairs}


def normal(name):
    return re.sub(r"[-_.]+", "-", name).lower()


RUNTIME = read(PROJECT["dependencies"])
OPTIONAL = {
    name: version
    for extra in ("onnx", "deck")
    for name, version in read(PROJECT["optional-dependencies"][extra]).items()
}
EXTRAS = [spec for specs in PROJECT["optional-dependencies"].values() for spec in specs]
EVERYTHING = RUNTIME | read(EXTRAS)


def test_every_dependency_has_a_floor():
    for name, versions in EVERYTHING.items():
        assert re.fullmatch(r">=[\d.]+(,<[\d.]+)?", versions), name


def test_environment_yml_says_what_pyproject_says():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text("utf-8"))
    *conda, pip = environment["dependencies"]
    assert environment["channels"] == ["conda-forge", "nodefaults"]
    assert pip == {"pip": ["-e ."]}
    specs = [MatchSpec(spec, strict=True) for spec in conda]
    found = {spec.name.normalized: spec.version for spec in specs}
    assert len(found) == len(specs)
    assert found.pop("pip") is None
    assert found.pop("python") == PROJECT["requires-python"]
    assert found == {
        CONDA_NAMES.get(name, name): v for name, v in RUNTIME.items() if name not in BY_PIP
    }


def constraints():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_constraints_pin_every_dependency_within_its_range():
    pins = [re.fullmatch(r"([\w.-]+)==([\w.]+)", line) for line in constraints()]
    assert all(pins), "each line is name==version: no index, no host, no option"
    versions = {normal(pin[1]): pin[2] for pin in pins}
    assert len(versions) == len(pins)
    for name, allowed in EVERYTHING.items():
        assert VersionSpec(allowed).matches(Version(versions[name])), name


@pytest.mark.parametrize("file", ["constraints.txt", "pyproject.toml", "environment.yml"])
def test_no_index_and_no_host(file):
    text = (ROOT / file).read_text("utf-8")
    code = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    assert not re.search(r"https?:|file:|--(extra-)?index|--find-links", code)


def sources(folder):
    """(file name, Python source) of every module and notebook in a folder."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        yield path.name, path.read_text("utf-8")
    for path in sorted((ROOT / folder).glob("*.ipynb")):
        cells = nbformat.read(path, as_version=4).cells
        yield path.name, "\n".join(cell.source for cell in cells if cell.cell_type == "code")


def imports(folder):
    """The outside packages that the files of a folder import: {name: one file}."""
    found = {}
    for file, source in sources(folder):
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module]
            else:
                continue
            found |= {name.split(".")[0]: file for name in names}
    own = {"unet_lesson", *(path.stem for path in (ROOT / "tests").rglob("*.py"))}
    return {name: file for name, file in found.items() if name not in sys.stdlib_module_names | own}


@pytest.mark.parametrize(
    ("folder", "declared"),
    [
        ("unet_lesson", RUNTIME | OPTIONAL),
        ("notebooks", RUNTIME | OPTIONAL),
        ("tests", EVERYTHING),
    ],
)
def test_every_import_is_declared(folder, declared):
    known = packages_distributions()
    found = imports(folder)
    assert "torch" in found
    for name, file in found.items():
        providers = {normal(provider) for provider in known.get(name, [name])}
        assert providers & declared.keys(), f"{file} imports {name}, which pyproject does not list"
