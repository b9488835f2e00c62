"""Run every notebook in place and store it in one normal form: `make notebooks`.

A rerun without a change leaves every file byte for byte as it was.
"""

import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
VIEW = "application/vnd.jupyter.widget-view+json"


def execute(path):
    """Run one notebook from top to bottom and write it back with its outputs."""
    notebook = nbformat.read(path, as_version=4)
    client = NotebookClient(
        notebook, timeout=180, kernel_name="python3", record_timing=False, resources=folder(path)
    )
    client.execute()
    nbformat.write(normal_form(notebook), path)


def folder(path):
    return {"metadata": {"path": str(path.parent)}}


def normal_form(notebook):
    """Drop what differs from machine to machine or breaks a page.

    That is widget state and views, timing, and the paths and line numbers of tracebacks.
    """
    notebook.metadata = nbformat.from_dict(
        {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        }
    )
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        for output in cell.get("outputs", []):
            output.get("data", {}).pop(VIEW, None)
            if output.output_type == "error":
                output.traceback = [f"{output.ename}: {output.evalue}"]
    merge_streams(notebook)
    return notebook


def merge_streams(notebook):
    """Join neighbouring pieces of printed text: how they are cut up depends on timing."""
    for cell in notebook.cells:
        merged = []
        for output in cell.get("outputs", []):
            last = merged[-1] if merged else {}
            if output.output_type == "stream" and last.get("name") == output.name:
                last["text"] += output.text
            else:
                merged.append(output)
        if "outputs" in cell:
            cell.outputs = merged


if __name__ == "__main__":
    chosen = [Path(name) for name in sys.argv[1:]] or sorted(NOTEBOOKS.glob("*.ipynb"))
    for path in chosen:
        print(f"running {path.name}", flush=True)
        execute(path)
