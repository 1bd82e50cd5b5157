#!/usr/bin/python3
"""man5.py README - zabline.json(5) on standard output: the tables of config/README.md as a manual page."""
import re
import sys

HEAD = r""".\" made from config/README.md by config/system/man5.py
.Dd November 26, 2026
.Dt ZABLINE.JSON 5
.Os Zabline
.Sh NAME
.Nm zabline.json
.Nd config of one Zabline replica
.Sh DESCRIPTION
One JSON file (UTF-8) for each node, read once at start by
.Xr zabd 8 .
Unknown keys and keys given twice are errors.
Relative paths are relative to the working directory."""

TAIL = r""".Sh FILES
.Bl -tag -width Ds
.It Pa /etc/zabline/NAME.json
of the service
.Li zabd@NAME
.It Pa @DATADIR@/zabline/schema.json
the same rules as a JSON Schema, for editors
.It Pa @DATADIR@/doc/zabline/examples
whole ensembles
.El
.Sh SEE ALSO
.Xr zabctl 1 ,
.Xr zabd 8"""

TITLES = {"cluster": "Keys", "id": "Each of peers", "name": "Each of ports"}


def roff(text):
    text = text.replace("\\", r"\e").replace("`", "").replace("-", r"\-")
    return re.sub(r"^([.'])", r"\\&\1", text)


def tables(lines):
    """Yields lists of (key, value, default), one for each table."""
    rows = []
    for line in lines + [""]:
        cells = [c.strip() for c in line.strip().strip("|").split("|")]
        if line.startswith("|") and len(cells) == 3 and not set(cells[0]) <= set("-"):
            rows.append(cells)
        elif not line.startswith("|") and rows:
            yield rows[1:]  # without the heading
            rows = []


def main():
    with open(sys.argv[1], encoding="utf-8") as f:
        found = list(tables(f.read().splitlines()))
    titles = [TITLES[rows[0][0].strip("`")] for rows in found]
    assert titles == list(TITLES.values()), titles
    print(HEAD)
    for title, rows in zip(titles, found):
        print(".Ss %s\n.Bl -tag -width Ds" % title)
        for key, value, default in rows:
            print(".It Li %s\n%s." % (roff(key), roff(value)))
            print("Default: %s." % roff(default) if default != "required" else "Required.")
        print(".El")
    print(TAIL)


if __name__ == "__main__":
    main()
