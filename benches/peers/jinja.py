"""jinja.py CSV TEMPLATES OUT SITE NAME…: a plain Jinja2 script that renders, hashes and writes."""

import csv
import hashlib
import os
import sys

import jinja2

table, templates, out, site, *names = sys.argv[1:]
engine = jinja2.Environment(loader=jinja2.FileSystemLoader(templates), keep_trailing_newline=True)
with open(table, newline="") as file:
    rows = list(csv.DictReader(file))
os.makedirs(out)
with open(f"{out}/SHA256SUMS", "w") as sums:
    for name in names:
        data = engine.get_template(f"{name}.tera").render(values={"site": site}, mx=rows).encode()
        with open(f"{out}/{name}", "wb") as file:
            file.write(data)
        sums.write(f"{hashlib.sha256(data).hexdigest()}  {name}\n")
