"""What other repositories use of this one: the pre-commit hook, the GitHub Action, the workflows that docs/ci.md shows.

Nothing is downloaded. The hook runs under pre-commit in a repository of its own, with `language: system` in place of
`python`, which would install this package from the network first. The action's scripts run as GitHub runs them, with
`cnncalc` installed already and a `python` that says what it would install.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer
import yaml

import cnncalc
from cnncalc.cli import app
from cnncalc.cli.check import Format
from cnncalc.growth import limit

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "ci.md").read_text("utf-8")
HOOKS = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text("utf-8"))
ACTION = yaml.safe_load((ROOT / "action.yml").read_text("utf-8"))
STEPS = {step["name"]: step for step in ACTION["runs"]["steps"]}

GOOD = "input: 9x11x2\nlayers:\n  - conv: {out_channels: 4, kernel_size: 3}\n  - linear: 5\nexpect: {depth: 2}\n"
FAILING = GOOD.replace("depth: 2", "depth: 3")
WRONG = GOOD.replace("kernel_size: 3", "kernel_size: 30")
OTHER = "services: &all {web: {image: nginx}}\nmore: *all\n"  # no document, and YAML that cnncalc refuses


def git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], check=True, capture_output=True, text=True).stdout


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, "utf-8")


def commit() -> str:
    git("add", "--all")
    git("commit", "--quiet", "--message", "a change")
    return git("rev-parse", "HEAD").strip()


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty repository, which is the folder to work in; `cnncalc` is on the path, and is this one."""
    for name in [name for name in os.environ if name.startswith(("GIT_", "GITHUB_", "PRE_COMMIT"))]:
        monkeypatch.delenv(name)
    settings = tmp_path / "gitconfig"
    settings.write_text("[user]\nname = Somebody\nemail = somebody@example.com\n[init]\ndefaultBranch = main\n")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(settings))
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    tools = tmp_path / "bin"
    tools.mkdir()
    command = tools / "cnncalc"
    package = Path(cnncalc.__file__).parent.parent
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{package}" exec "{sys.executable}" -m cnncalc "$@"\n')
    command.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tools}{os.pathsep}{os.environ['PATH']}")
    home = tmp_path / "repository"
    home.mkdir()
    monkeypatch.chdir(home)
    git("init", "--quiet")
    return home


# pre-commit -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def hooked(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository that uses the hook as it is published, but for the way in which it is installed."""
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    monkeypatch.setenv("PRE_COMMIT_HOME", str(tmp_path / "pre-commit"))
    hooks = [{**hook, "language": "system"} for hook in HOOKS]
    write(".pre-commit-config.yaml", yaml.safe_dump({"repos": [{"repo": "local", "hooks": hooks}]}))
    return repository


def pre_commit(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pre_commit", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_the_manifest_is_one(repository: Path) -> None:
    pytest.importorskip("pre_commit", reason="pre-commit is not installed")
    done = pre_commit("validate-manifest", str(ROOT / ".pre-commit-hooks.yaml"))
    assert (done.returncode, done.stdout) == (0, "")
    assert [(hook["id"], hook["language"]) for hook in HOOKS] == [("cnncalc-check", "python")]


def test_the_hook_passes(hooked: Path) -> None:
    write("nets/good.yaml", GOOD)
    write("compose.yaml", OTHER)
    git("add", "--all")
    done = pre_commit("run", "--all-files", "--verbose")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^cnncalc check\.+Passed$", done.stdout, re.MULTILINE)
    assert "1 document: 1 of 1 expectation holds" in done.stdout


@pytest.mark.parametrize(
    ("text", "said"),
    [
        (FAILING, "nets/net.yaml:5:17: error[expectation-failed]: `depth` is 2, expected 3"),
        (WRONG, "nets/net.yaml:3:42: error[window-exceeds-input]"),
        (GOOD.replace("}\n  - linear", "\n  - linear"), "error[not-yaml]"),
    ],
    ids=["an-expectation", "a-mistake", "no-yaml"],
)
def test_the_hook_fails(hooked: Path, text: str, said: str) -> None:
    write("nets/net.yaml", text)
    write("compose.yaml", OTHER)
    git("add", "--all")
    done = pre_commit("run", "--all-files")
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"^cnncalc check\.+Failed$", done.stdout, re.MULTILINE)
    assert said in done.stdout
    assert "compose.yaml" not in done.stdout


def test_the_hook_is_for_changed_files(hooked: Path) -> None:
    """What is committed already is not looked at again, and other files not at all."""
    write("nets/net.yaml", FAILING)
    commit()
    write("notes.txt", FAILING)
    git("add", "--all")
    done = pre_commit("run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.search(r"^cnncalc check\.+\(no files to check\)Skipped$", done.stdout, re.MULTILINE)


# The action -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def runner(repository: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The environment of a step: GitHub's variables, and a `python` that writes down how it was called."""
    summary = tmp_path / "summary.md"
    summary.touch()
    installed = tmp_path / "bin" / "python"
    installed.write_text(f'#!/bin/sh\nprintf "%s\\n" "$@" > "{tmp_path}/python.txt"\n')
    installed.chmod(0o755)
    monkeypatch.setenv("CI", "true")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_WORKSPACE", str(repository))
    monkeypatch.setenv("GITHUB_ACTION_PATH", "/actions/cnncalc")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    return tmp_path


def evaluated(text: str, inputs: dict[str, str], base: str) -> str:
    """An entry of `env` as GitHub fills it in."""

    def value(expression: re.Match[str]) -> str:
        name = expression[1]
        if name == "github.event.pull_request.base.sha":
            return base
        assert name.startswith("inputs.")
        return inputs[name.removeprefix("inputs.")]

    return re.sub(r"\$\{\{ ([\w.-]+) \}\}", value, text)


def step(name: str, base: str = "", **given: str) -> subprocess.CompletedProcess[str]:
    """Run a step's script in the way in which GitHub runs `shell: bash`."""
    known = {key: str(about["default"]) for key, about in ACTION["inputs"].items()}
    inputs = known | {key.replace("_", "-"): value for key, value in given.items()}
    assert inputs.keys() == known.keys()
    one = STEPS[name]
    assert one["shell"] == "bash"
    filled = {key: evaluated(text, inputs, base) for key, text in one["env"].items()}
    script = Path(os.environ["GIT_CONFIG_GLOBAL"]).with_name("step.sh")
    script.write_text(one["run"])
    command = ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", str(script)]
    return subprocess.run(command, env=os.environ | filled, capture_output=True, text=True, timeout=120)


@pytest.mark.parametrize(
    ("given", "what"),
    [
        ({}, "/actions/cnncalc"),
        ({"extra": "torch"}, "/actions/cnncalc[torch]"),
        ({"version": "0.1.0"}, "cnncalc==0.1.0"),
        ({"version": "0.1.0", "extra": "torch"}, "cnncalc[torch]==0.1.0"),
        ({"version": '0"; touch hacked; "'}, 'cnncalc==0"; touch hacked; "'),
    ],
)
def test_what_is_installed(runner: Path, given: dict[str, str], what: str) -> None:
    done = step("Install cnncalc", **given)
    assert done.returncode == 0, done.stderr
    words = (runner / "python.txt").read_text().splitlines()
    assert words == ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", what]
    assert not Path("hacked").exists()


def test_the_check_passes(runner: Path) -> None:
    write("nets/good.yaml", GOOD)
    write("compose.yaml", OTHER)
    done = step("Check")
    assert (done.returncode, done.stdout, done.stderr) == (0, "1 document: 1 of 1 expectation holds\n", "")
    assert "| nets/good.yaml |" in (runner / "summary.md").read_text()


@pytest.mark.parametrize(("text", "code"), [(FAILING, 1), (WRONG, 2)])
def test_the_check_fails(runner: Path, text: str, code: int) -> None:
    write("nets/net.yaml", text)
    done = step("Check")
    assert (done.returncode, done.stderr) == (code, "")
    assert done.stdout.startswith("::error file=nets/net.yaml,line=")


def test_paths_formats_and_locks(runner: Path) -> None:
    write("a folder/good.yaml", GOOD)
    write("-odd.yaml", GOOD)
    write("left out/failing.yaml", FAILING)
    done = step("Check", paths="a folder\n\n-odd.yaml\n", format="text")
    assert (done.returncode, done.stdout) == (0, "2 documents: 2 of 2 expectations hold\n"), done.stderr
    done = step("Check", paths="a folder", lock="true")
    assert done.returncode == 2
    assert "title=no-lock::" in done.stdout
    subprocess.run(["cnncalc", "lock", "a folder/good.yaml"], check=True)
    done = step("Check", paths="a folder", lock="true", format="text")
    assert (done.returncode, done.stdout) == (0, "1 document: 2 of 2 expectations hold\n"), done.stderr


COMPARE = "Compare with the base of the pull request"


def test_when_the_base_is_compared() -> None:
    assert STEPS[COMPARE]["if"] == ("${{ !cancelled() && inputs.diff != '' && github.event_name == 'pull_request' }}")


def test_the_comparison(runner: Path) -> None:
    write("nets/net.yaml", GOOD)
    base = commit()
    write("nets/net.yaml", GOOD.replace("out_channels: 4", "out_channels: 6"))
    write("new.yaml", GOOD)
    commit()
    done = step(COMPARE, base, diff="nets/net.yaml\nnew.yaml\n")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    summary = (runner / "summary.md").read_text()
    assert summary.startswith(f"### git:{base[:12]}:./nets/net.yaml → nets/net.yaml\n")
    assert "The first layer that changed is `conv`, nets/net.yaml:3:5.\n" in summary
    # 4·18 + 4 and 252·5 + 5; 6·18 + 6 and 378·5 + 5
    assert "\n| parameters | 1,341 | 2,009 | +668 | +49.8 % |\n" in summary
    assert summary.endswith("\n\n### new.yaml is new\n\n")


def test_limits_of_the_comparison(runner: Path) -> None:
    write("net.yaml", GOOD)
    write("other.yaml", GOOD)
    base = commit()
    write("net.yaml", GOOD.replace("out_channels: 4", "out_channels: 6"))
    commit()
    done = step(COMPARE, base, diff="net.yaml\nother.yaml", fail_on="depth>+0\n\nparameters>+5%\n")
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.count("error[limit-exceeded]") == 1
    summary = (runner / "summary.md").read_text()
    assert "\n- ✗ `parameters>+5%`: " in summary
    assert "other.yaml\n\nNothing changed: 2 layers" in summary  # the other is compared all the same
    write("other.yaml", WRONG)
    assert step(COMPARE, base, diff="net.yaml\nother.yaml", fail_on="parameters>+5%").returncode == 2


def test_from_a_folder(runner: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("nets/net.yaml", GOOD)
    base = commit()
    monkeypatch.chdir("nets")
    assert step(COMPARE, base, diff="net.yaml").returncode == 0
    assert "Nothing changed: 2 layers" in (runner / "summary.md").read_text()


def test_the_base_is_fetched_into_a_shallow_clone(
    runner: Path, repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As actions/checkout leaves it: the newest commit alone."""
    write("net.yaml", GOOD)
    base = commit()
    write("net.yaml", GOOD.replace("linear: 5", "linear: 6"))
    commit()
    git("clone", "--quiet", "--depth=1", f"file://{repository}", "../clone")
    monkeypatch.chdir("../clone")
    assert git("rev-list", "--count", "HEAD") == "1\n"
    done = step(COMPARE, base, diff="net.yaml")
    assert done.returncode == 0, done.stderr
    assert "The first layer that changed is `linear`, net.yaml:4:5." in (runner / "summary.md").read_text()


def test_inputs_are_used_and_reach_no_script() -> None:
    """Each input is in an `env` or `with`; a script reads variables, so that no value of theirs is run."""
    text = (ROOT / "action.yml").read_text("utf-8")
    assert sorted(set(re.findall(r"inputs\.([\w-]+)", text))) == sorted(ACTION["inputs"])
    for one in STEPS.values():
        assert "${{" not in one.get("run", "")
    for about in ACTION["inputs"].values():
        assert isinstance(about["default"], str)
        assert about["description"].endswith((".", "newer."))


def test_the_page_lists_the_inputs() -> None:
    table = PAGE.partition("| input of the action |")[2].partition("\n\n")[0]
    assert re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE) == list(ACTION["inputs"])


# The page -------------------------------------------------------------------------------------------------------------


def settings() -> Iterator[tuple[str, Any]]:
    """Name and contents of every file that the page shows, but for documents."""
    for text in re.findall(r"^```yaml\n(# \..*?)^```$", PAGE, re.MULTILINE | re.DOTALL):
        name = text.partition("\n")[0].removeprefix("# ")
        yield name, yaml.safe_load(text)


FILES = list(settings())
WORKFLOWS = [one for name, one in FILES if name.startswith(".github/workflows/")]


def commands(workflow: Any) -> Iterator[list[str]]:
    """The words of each `cnncalc` command in the steps of a workflow, as a shell would part them."""
    import shlex

    for job in workflow["jobs"].values():
        for one in job["steps"]:
            for line in one.get("run", "").splitlines():
                if line.startswith("cnncalc "):
                    yield shlex.split(line.partition(" > ")[0])[1:]


def test_there_are_files() -> None:
    assert [name for name, _ in FILES] == [
        ".github/workflows/networks.yml",
        ".github/workflows/networks.yml",
        ".github/workflows/networks.yml",
        ".github/workflows/comment.yml",
        ".pre-commit-config.yaml",
    ]


@pytest.mark.parametrize("workflow", WORKFLOWS)
def test_workflows(workflow: Any) -> None:
    """A workflow has what GitHub wants; of our action it gives inputs that there are, and limits that are some."""
    assert {"name", True, "permissions", "jobs"} == workflow.keys()  # YAML 1.1 reads `on` as a truth
    for job in workflow["jobs"].values():
        assert job["runs-on"] == "ubuntu-latest"
        for one in job["steps"]:
            assert {"uses", "run"} & one.keys()
            assert one.keys() <= {"name", "uses", "with", "run", "env", "if"}
            if one.get("uses", "").startswith("OWNER/cnncalc@"):
                assert one["with"].keys() <= ACTION["inputs"].keys()
                for text in one["with"].get("fail-on", "").splitlines():
                    limit(text)
    assert "actions/checkout@v4" in str(workflow)


def test_commands_in_workflows_have_these_options() -> None:
    found = [words for workflow in WORKFLOWS for words in commands(workflow)]
    assert [words[0] for words in found] == ["check", "diff"]
    group: Any = typer.main.get_command(app)
    for name, *words in found:
        context = group.commands[name].make_context(name, list(words))
        assert context.params["format"] in ("github", "markdown", Format.github)


def test_the_hook_of_the_page() -> None:
    ((name, config),) = [one for one in FILES if one[0] == ".pre-commit-config.yaml"]
    assert name == ".pre-commit-config.yaml"
    (repository,) = config["repos"]
    assert [hook["id"] for hook in repository["hooks"]] == [hook["id"] for hook in HOOKS]


def test_versions_are_this_one() -> None:
    assert set(re.findall(r"cnncalc(?:@v|==)([\d.]+\d)", PAGE)) == {cnncalc.__version__}
    assert re.findall(r"rev: v([\d.]+)", PAGE) == [cnncalc.__version__]


def test_every_total_is_listed() -> None:
    from cnncalc.figures import QUANTITIES

    sentence = PAGE.partition("Totals: ")[2].partition(".\n")[0].partition(". A limit")[0]
    assert re.findall(r"`([\w.]+)`", sentence) == list(QUANTITIES)


def test_every_limit_of_the_page_is_one() -> None:
    table = PAGE.partition("| limit | fails where |")[2].partition("\n\n")[0]
    limits = re.findall(r"^\| `([^`]+)`", table, re.MULTILINE)
    assert len(limits) == 4
    for text in limits:
        limit(text)


def test_tools_are_there() -> None:
    """Otherwise most of the above would not have run."""
    assert shutil.which("git")
    assert shutil.which("bash")
