"""What the end-to-end tests share: a private copy of the project, a private CA, and one run at a time.

Everything is below one temporary folder, on loopback, and gone afterwards. Only Python's standard library is used.
"""

import contextlib
import csv
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
CONFWRIGHT = os.environ.get("CONFWRIGHT", str(ROOT / "target/release/confwright"))
SKIPPED = 77  # the exit status of a test that could not run here


def run(*command, check=True, **options):
    """Runs a command to its end and returns it with its output; a failure carries that output."""
    done = subprocess.run([str(word) for word in command], text=True, timeout=120,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, **options)
    if check and done.returncode:
        raise RuntimeError(f"{' '.join(map(str, command))}: exit {done.returncode}\n{done.stdout}")
    return done


def until(condition, seconds=20, step=0.05):
    """Waits for a condition; whether it came."""
    end = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > end:
            return False
        time.sleep(step)
    return True


def missing(*tools):
    """Why the test cannot run here, or nothing."""
    absent = [tool for tool in tools if not shutil.which(tool)]
    if absent:
        return f"{', '.join(absent)} not installed (scripts/install-test-packages installs it)"
    return None if os.geteuid() == 0 else "a server that changes its user has to be started by root"


@contextlib.contextmanager
def only_run(seconds=600):
    """The lab's addresses are fixed, so a second run waits. An abstract socket leaves nothing behind."""
    with socket.socket(socket.AF_UNIX) as lock:
        def taken():
            try:
                lock.bind("\0confwright-lab")
                return True
            except OSError:
                return False
        if not until(taken, seconds, 0.5):
            raise RuntimeError("another run holds the lab's addresses")
        yield


class Project:
    """A copy of this project's tables, templates and settings, rendered as `lab`."""

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        shutil.copy(ROOT / "confwright.toml", folder)
        for part in ("data", "templates"):
            shutil.copytree(ROOT / part, folder / part)

    def edit(self, path, old, new):
        """Replaces a text that must be there."""
        file = self.folder / path
        before = file.read_text()
        if old not in before:
            raise RuntimeError(f"{path} has no {old!r}")
        file.write_text(before.replace(old, new))

    def set_values(self, **values):
        """Gives values of the project, all of them texts, in place of those that it has."""
        file = self.folder / "confwright.toml"
        text = file.read_text()
        for key, value in values.items():
            text = re.sub(rf"(?m)^{key} = .*\n", "", text)
            text = text.replace("[values]\n", f'[values]\n{key} = "{value}"\n', 1)
        file.write_text(text)

    def rows(self, table):
        """The rows of a lab table, read without confwright."""
        with open(self.folder / f"data/lab/{table}.csv", newline="") as file:
            return list(csv.DictReader(file))

    def render(self):
        """Renders and returns the golden tree of the lab."""
        run(CONFWRIGHT, "-C", self.folder, "render", "--environment", "lab")
        return self.folder / "golden/lab"


class Authority:
    """A private CA with an intermediate; certificates are for this run only."""

    EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-noenc")

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.root = folder / "root.pem"
        self._request("root", "-x509", "-addext", "basicConstraints=critical,CA:TRUE")
        self._request("issuing", "-CA", self.root, "-CAkey", folder / "root.key",
                      "-addext", "basicConstraints=critical,CA:TRUE,pathlen:0")

    def _request(self, name, *options):
        run("openssl", "req", "-x509", *self.EC, "-days", "2", "-subj", f"/CN={name}", *options,
            "-keyout", self.folder / f"{name}.key", "-out", self.folder / f"{name}.pem")

    def issue(self, folder, names):
        """Writes fullchain.pem and privkey.pem of a certificate for these names."""
        folder.mkdir(parents=True)
        issuing = self.folder / "issuing.pem"
        leaf = folder / "leaf.pem"
        run("openssl", "req", "-x509", *self.EC, "-days", "1", "-subj", f"/CN={names[0]}",
            "-CA", issuing, "-CAkey", self.folder / "issuing.key", "-keyout", folder / "privkey.pem", "-out", leaf,
            "-addext", "basicConstraints=critical,CA:FALSE",
            "-addext", "subjectAltName=" + ",".join(f"DNS:{name}" for name in names))
        (folder / "fullchain.pem").write_text(leaf.read_text() + issuing.read_text())
        leaf.unlink()


def temporary():
    """A folder that the servers' users can walk through; /var because Postfix writes its log nowhere else."""
    folder = tempfile.TemporaryDirectory(prefix="confwright-", dir="/var/tmp")
    os.chmod(folder.name, 0o755)
    return folder


def report(problems, name):
    """Prints one check's line and returns whether it passed."""
    print(f"{'FAIL' if problems else 'ok  '} {name}", flush=True)
    for problem in problems[:5]:
        print(f"       {problem}")
    if len(problems) > 5:
        print(f"       … and {len(problems) - 5} more")
    return not problems


def edits(*changes):
    """A fault: texts of the project's files that are replaced."""
    def damage(project):
        for path, old, new in changes:
            project.edit(path, old, new)
    return damage


def main(about, tools, instance, checks, faults):
    """Runs all checks, or with --self-test shows for each seeded fault that the check for it finds it.

    `instance` is a context manager of (authority, folder, fault); each check takes what it yields and returns the
    problems that it found. The first check starts the server. A fault is a phrase, its check, and what it does to
    the project.
    """
    arguments = sys.argv[1:]
    if arguments not in ([], ["--self-test"]):
        sys.exit(f"usage: {sys.argv[0]} [--self-test]")
    if not shutil.which(CONFWRIGHT):
        sys.exit(f"{CONFWRIGHT} does not exist: build it, or name the program in CONFWRIGHT")
    reason = missing(*tools)
    if reason and os.environ.get("CI") == "true":
        sys.exit(f"{about}: {reason}; with CI=true nothing is skipped")
    if reason:
        print(f"skipped {about}: {reason}")
        sys.exit(SKIPPED)
    print(f"{about}, {'seeded faults' if arguments else 'as it is'}", flush=True)
    # Ended from outside, it still stops its servers and removes its files.
    ended = []

    def end(*_):
        ended.append(True)
        sys.exit(143)

    signal.signal(signal.SIGTERM, end)
    passed = True
    with only_run(), temporary() as name:
        folder = pathlib.Path(name)
        authority = Authority(folder / "authority")
        if arguments:
            for number, (phrase, check, damage) in enumerate(faults):
                with instance(authority, folder / f"fault-{number}", damage) as running:
                    if check is not checks[0]:
                        running.start()  # whatever the server's own tools say of it
                    found = check(running)
                if found:
                    report([], f"{phrase}: {found[0].splitlines()[0]}")
                else:
                    passed = report([f"not found by: {check.__doc__}"], phrase)
        else:
            with instance(authority, folder / "run", None) as running:
                for check in checks:
                    try:
                        found = check(running)
                    except (OSError, RuntimeError) as error:  # also smtplib's and ssl's; later checks may say why
                        if ended:  # a connection that was cut short raised in its turn
                            sys.exit(143)
                        found = [f"{type(error).__name__}: {error}"]
                    passed &= report(found, check.__doc__)
    sys.exit(0 if passed else 1)
