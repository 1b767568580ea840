"""`./dev contract`: whether memberd does what its OpenAPI document says, asked by schemathesis on both databases.

CONTRIBUTING.md says what it looks at.
"""

import argparse
import json
import os
import pwd
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import ExitStack, contextmanager
from glob import glob
from pathlib import Path
from urllib.request import urlopen

MEMBERD = os.environ["CONTRACT_MEMBERD"]
SCHEMATHESIS = os.environ["CONTRACT_SCHEMATHESIS"]
HERE = Path(__file__).resolve().parent
READY_SECONDS = 60
MEMBERS = 60
# An address that knows no key is asked to wait; schemathesis sends hundreds of requests without one.
SETTINGS = ["limits.unauthorized_per_minute=1000000"]
# Nothing of the caller's: memberd reads its configuration from variables too, and refuses those that it does not know.
ENVIRONMENT = {name: os.environ[name] for name in ("PATH", "HOME", "LANG") if name in os.environ}


def free_port():
    with socket.socket() as it:
        it.bind(("127.0.0.1", 0))
        return it.getsockname()[1]


def until(what, log, ready, process=None):
    for _ in range(READY_SECONDS * 20):
        if ready():
            return
        if process and process.poll() is not None:
            break
        time.sleep(0.05)
    raise SystemExit(f"error: {what} did not start:\n{Path(log).read_text()[-2000:]}")


@contextmanager
def running(what, command, log, ready, **options):
    with open(log, "w") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, env=ENVIRONMENT, **options)
    try:
        until(what, log, ready, process)
        yield process
    finally:
        process.terminate()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def postgres(folder):
    """A server of its own, as its own user: PostgreSQL refuses to run as root."""
    found = shutil.which("initdb") or max(glob("/usr/lib/postgresql/*/bin/initdb"), default=None)
    if found is None:
        raise SystemExit("error: there is no PostgreSQL: install it with `apt-get install postgresql`")
    programs, port = Path(found).parent, free_port()
    data = folder / "postgres"
    data.mkdir()
    who = {}
    if os.geteuid() == 0:
        owner = pwd.getpwnam("postgres")
        os.chown(data, owner.pw_uid, owner.pw_gid)
        who = {"user": owner.pw_uid, "group": owner.pw_gid, "extra_groups": []}
    made = [programs / "initdb", "--auth=trust", "--username=memberd", "--encoding=UTF8", "-D", data]
    subprocess.run(made, check=True, stdout=subprocess.DEVNULL, cwd="/", **who)
    server = [programs / "postgres", "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", data]
    log = folder / "postgres.log"
    with running("PostgreSQL", server, log, lambda: "ready to accept" in log.read_text(), cwd="/", **who):
        yield f"postgres://memberd@127.0.0.1:{port}/postgres"


@contextmanager
def memberd(folder, database):
    """A daemon with a living world, two organizations, and keys without limits of each."""
    port, keys = free_port(), folder / "keys"
    command = [MEMBERD, "demo", "--members", str(MEMBERS), "--data", folder / "data", "--keys-out", keys]
    command += ["--port", str(port), "--sandbox-port", str(free_port())]
    command += [part for setting in SETTINGS for part in ("--set", setting)]
    command += ["--database", database] if database else []
    log = folder / "memberd.log"
    with running("memberd demo", command, log, lambda: "Ctrl-C stops it" in log.read_text()):
        found = dict(re.findall(r"(\w+)='([^']+)'", keys.read_text()))
        yield f"http://127.0.0.1:{port}", found["K_ADMIN"], found["K_OTHERORG"]


def schemathesis(folder, url, home, other, options):
    identities = [
        {"name": name, "fixedHeaders": [{"name": "Authorization", "value": f"Bearer {key}"}]}
        for name, key in (("home", home), ("other", other))
    ]
    (folder / "identities.json").write_text(json.dumps({"auth": identities}))
    for name in ("schemathesis.toml", "hooks.py"):
        shutil.copy(HERE / name, folder)
    environment = ENVIRONMENT | {
        "SCHEMATHESIS_HOOKS": "hooks",
        "PYTHONPATH": str(folder),
        "CONTRACT_KEYS": " ".join(f"key_{key.split('_')[2]}" for key in (home, other)),
    }
    command = [SCHEMATHESIS, "run", f"{url}/openapi.json", "--checks", "all", "--continue-on-failure", *options]
    return subprocess.call(command, cwd=folder, env=environment)


def look(database, options):
    folder = Path(tempfile.mkdtemp(prefix="memberd-contract-"))
    folder.chmod(0o755)
    print(f"==> schemathesis against memberd on {database}", file=sys.stderr, flush=True)
    with ExitStack() as stack:
        at = stack.enter_context(postgres(folder)) if database == "postgres" else None
        world = stack.enter_context(memberd(folder, at))
        failed = schemathesis(folder, *world, options)
        try:
            answers = json.load(urlopen(f"{world[0]}/readyz"))
        except OSError as error:
            print(f"error: memberd on {database} is not well afterwards: {error}", file=sys.stderr)
            failed = True
    if failed:
        print(f"error: the logs of this run are in {folder}", file=sys.stderr)
        return False
    print(f"memberd on {database} is well afterwards: {json.dumps(answers)}")
    shutil.rmtree(folder)
    return True


def main():
    parser = argparse.ArgumentParser(prog="./dev contract", description=__doc__)
    parser.add_argument("--database", choices=["sqlite", "postgres"], action="append", help="both unless given")
    parser.add_argument("--seed", type=int, default=1, help="what chance begins with; 0: anew each time")
    parser.add_argument("--examples", type=int, default=50, help="requests of each kind for each operation")
    asked = parser.parse_args()
    options = ["--max-examples", str(asked.examples)]
    options += ["--seed", str(asked.seed)] if asked.seed else []
    told = [look(database, options) for database in asked.database or ["sqlite", "postgres"]]
    sys.exit(0 if all(told) else 1)


main()
