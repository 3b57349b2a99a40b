"""The size of an installation: what `pip install .` brings, by package.

    python -m benchmarks.install_size

Makes a fresh virtual environment of this Python in a temporary folder, installs the project into it, and prints the
size of each package, the largest first.
"""

import json
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
SHOWN = 12
MEASURE = """
import importlib.metadata, json
sizes = {}
for package in importlib.metadata.distributions():
    files = [file.locate() for file in package.files or []]
    sizes[package.metadata["Name"]] = sum(file.stat().st_size for file in files if file.is_file())
print(json.dumps(sizes))
"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        python = str(Path(folder) / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", str(ROOT)], check=True)
        printed = subprocess.run([python, "-c", MEASURE], check=True, capture_output=True, text=True).stdout
    sizes: dict[str, int] = json.loads(printed)
    largest = sorted(sizes.items(), key=lambda item: -item[1])
    print(f"total: {sum(sizes.values()) / 1e6:,.0f} MB in {len(sizes)} packages, Python {sys.version.split()[0]}")
    for name, size in largest[:SHOWN]:
        print(f"{size / 1e6:8.1f} MB  {name}")
    print(f"{sum(size for _, size in largest[SHOWN:]) / 1e6:8.1f} MB  the other {len(largest) - SHOWN}")


if __name__ == "__main__":
    main()
