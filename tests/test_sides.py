"""What `diff` compares: documents, the zoo, lock files, and all of these as they were in git."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from cnncalc.diagnostics import DocumentError
from cnncalc.language.load import MAX_EXTENDS
from cnncalc.lock import update_lock
from cnncalc.sides import loaded

BASE = "input: 9x7x3\nargs: {width: 4}\nlayers: [{name: only, linear: width}]\n"
WIDER = "extends: base.yaml\nargs: {width: 6}\n"

# 189 values into each.
PARAMETERS = {width: 189 * width + width for width in range(4, 11)}


def git(*arguments: str) -> str:
    """git, with nobody's settings."""
    nobody = {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    person = ["-c", "user.name=Somebody", "-c", "user.email=somebody@example.com", "-c", "init.defaultBranch=main"]
    command = ["git", *person, *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True, env={**os.environ, **nobody}).stdout


def write(name: str, text: str) -> None:
    Path(name).parent.mkdir(parents=True, exist_ok=True)
    Path(name).write_text(text, "utf-8")


def commit() -> None:
    git("add", "--all")
    git("commit", "--quiet", "--message", "some networks")


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with two documents in its root and in a folder, since changed; this folder is its root."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("GIT_DIR", raising=False)
    git("init", "--quiet")
    for folder in (".", "nets"):
        write(f"{folder}/base.yaml", BASE)
        write(f"{folder}/wider.yaml", WIDER)
    commit()
    for folder in (".", "nets"):
        write(f"{folder}/base.yaml", BASE.replace("linear: width", "linear: width + 1"))
    return tmp_path


def parameters(name: str) -> int:
    return loaded(name).figures.totals.parameters


def refused(name: str) -> str:
    with pytest.raises(DocumentError) as error:
        loaded(name)
    return str(error.value)


# Files ----------------------------------------------------------------------------------------------------------------


def test_a_document(repository: Path) -> None:
    side = loaded("nets/wider.yaml")
    assert (side.source, side.figures.totals.parameters) == ("nets/wider.yaml", PARAMETERS[7])
    assert str(side.places["only"].own) == "nets/base.yaml:3:10"


def test_the_zoo() -> None:
    assert parameters("vgg16") == 138_357_544


def test_a_lock(repository: Path) -> None:
    update_lock("wider.yaml")
    side = loaded("wider.lock.json")
    assert (side.figures.totals.parameters, side.places) == (PARAMETERS[7], {})


# git ------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("git:HEAD:base.yaml", 4),
        ("git:main:nets/base.yaml", 4),
        ("git:HEAD:./nets/../base.yaml", 4),
        ("git:HEAD:wider.yaml", 6),  # with its base as it was then
        ("git:HEAD:nets/wider.yaml", 6),
        ("wider.yaml", 7),
    ],
)
def test_as_it_was(repository: Path, name: str, width: int) -> None:
    side = loaded(name)
    assert (side.source, side.figures.totals.parameters) == (name, PARAMETERS[width])


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("git:HEAD:base.yaml", "git:HEAD:./base.yaml:3:10"),
        ("git:HEAD:wider.yaml", "git:HEAD:./base.yaml:3:10"),
        ("git:HEAD:nets/base.yaml", "git:HEAD:nets/base.yaml:3:10"),
        ("git:HEAD:nets/wider.yaml", "git:HEAD:nets/base.yaml:3:10"),
    ],
)
def test_places_are_those_of_the_revision(repository: Path, name: str, place: str) -> None:
    assert str(loaded(name).places["only"].own) == place


def test_paths_from_a_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("nets/base.yaml", BASE.replace("width: 4", "width: 5"))
    commit()
    monkeypatch.chdir("nets")
    assert parameters("git:HEAD:./wider.yaml") == PARAMETERS[6]
    assert parameters("git:HEAD:./base.yaml") == PARAMETERS[5]
    assert parameters("git:HEAD~1:./base.yaml") == PARAMETERS[4]
    assert parameters("git:HEAD~1:../base.yaml") == parameters("git:HEAD~1:base.yaml") == PARAMETERS[4]
    assert str(loaded("git:HEAD:base.yaml").places["only"].own) == "git:HEAD:base.yaml:3:10"


def test_a_lock_as_it_was(repository: Path) -> None:
    update_lock("wider.yaml")
    commit()
    Path("wider.lock.json").unlink()
    assert parameters("git:HEAD:wider.lock.json") == PARAMETERS[7]


def test_a_base_below(repository: Path) -> None:
    write("widest.yaml", "extends: nets/wider.yaml\nargs: {width: 9}\n")
    commit()
    Path("nets/wider.yaml").unlink()
    assert parameters("git:HEAD:widest.yaml") == PARAMETERS[10]


def test_other_line_ends_and_a_mark(repository: Path) -> None:
    Path("base.yaml").write_bytes(b"\xef\xbb\xbf" + BASE.replace("\n", "\r\n").encode())
    git("-c", "core.autocrlf=false", "add", "base.yaml")
    git("commit", "--quiet", "--message", "from Windows")
    assert parameters("git:HEAD:base.yaml") == PARAMETERS[4]


def test_what_is_wrong_there_is_said(repository: Path) -> None:
    write("nets/base.yaml", BASE.replace("linear: width", "linear: wdth"))
    commit()
    assert refused("git:HEAD:nets/wider.yaml").startswith("git:HEAD:nets/base.yaml:3:31: error[unknown-name]: ")


def test_bases_that_are_not_there(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("lost.yaml", "extends: nowhere.yaml\n")
    write("out/side.yaml", "extends: ../base.yaml\n")
    write("round.yaml", "extends: about.yaml\n")
    write("about.yaml", "extends: round.yaml\n")
    write("broken.yaml", "extends: [\n")
    write("listed.yaml", "extends: [base.yaml]\n")
    write("on_broken.yaml", "extends: broken.yaml\n")
    commit()
    temporary = repository / "temporary"
    temporary.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(temporary))
    assert "there is no file `nowhere.yaml` beside this document" in refused("git:HEAD:lost.yaml")
    assert "`../base.yaml` is not in the document's folder" in refused("git:HEAD:out/side.yaml")
    assert "extends itself" in refused("git:HEAD:round.yaml")
    assert refused("git:HEAD:broken.yaml").startswith("git:HEAD:./broken.yaml:2:1: error[not-yaml]")
    assert refused("git:HEAD:on_broken.yaml").startswith("git:HEAD:./broken.yaml:2:1: error[not-yaml]")
    assert "`extends` has to be the name of a file, not a list" in refused("git:HEAD:listed.yaml")
    assert list(temporary.iterdir()) == []  # and nothing is written elsewhere


def test_a_long_row_of_bases(repository: Path) -> None:
    write("0.yaml", BASE)
    for number in range(1, MAX_EXTENDS + 3):
        write(f"{number}.yaml", f"extends: {number - 1}.yaml\n")
    commit()
    assert parameters(f"git:HEAD:{MAX_EXTENDS}.yaml") == PARAMETERS[4]
    assert refused(f"git:HEAD:{MAX_EXTENDS + 2}.yaml") == refused(f"{MAX_EXTENDS + 2}.yaml").replace(
        "2.yaml:", "git:HEAD:./2.yaml:"
    )


# What git does not have -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["git:", "git:HEAD", "git:HEAD:", "git:base.yaml"])
def test_no_name_of_a_file_in_git(name: str) -> None:
    assert refused(name) == (
        f"error[git-name]: `{name}` is not git:REV:PATH\n"
        "  = help: write git:main:net.yaml, or git:HEAD~1:./net.yaml for a path from this folder"
    )


@pytest.mark.parametrize("revision", ["nowhere", "HEAD~7", "--help", "--since=1", "--all", "-c", ""])
def test_no_such_revision(repository: Path, revision: str) -> None:
    assert refused(f"git:{revision}:base.yaml") == (
        f"error[no-such-revision]: git knows no revision `{revision}` here\n"
        "  = help: in a shallow clone it has to be fetched first: `git fetch origin REV`, or fetch-depth: 0"
    )


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (
            "bose.yaml",
            "error[no-such-file]: there is no file bose.yaml at `HEAD`\n  = help: did you mean `git:HEAD:base.yaml`?",
        ),
        (
            "nets/bose.yaml",
            "error[no-such-file]: there is no file nets/bose.yaml at `HEAD`\n"
            "  = help: did you mean `git:HEAD:nets/base.yaml`?",
        ),
        ("b*.yaml", "error[no-such-file]: there is no file b*.yaml at `HEAD`"),
        (":(icase)X.yaml", "error[no-such-file]: there is no file :(icase)X.yaml at `HEAD`"),
        ("nowhere/x.yaml", "error[no-such-file]: there is no file nowhere/x.yaml at `HEAD`"),
        ("nets", "error[is-a-directory]: git:HEAD:nets is a directory, not a document\n  = help: name a file"),
        ("../x.yaml", "error[git-name]: `git:HEAD:../x.yaml` is not a file of this repository"),
        ("/etc/passwd", "error[git-name]: `git:HEAD:/etc/passwd` is not a file of this repository"),
        (".", "error[git-name]: `git:HEAD:.` is not a file of this repository"),
    ],
)
def test_no_such_file(repository: Path, path: str, expected: str) -> None:
    assert refused(f"git:HEAD:{path}") == expected


def test_a_path_that_starts_in_this_folder(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write("nets/own.yaml", BASE)
    commit()
    monkeypatch.chdir("nets")
    assert refused("git:HEAD:own.yaml") == (
        "error[no-such-file]: there is no file own.yaml at `HEAD`\n  = help: did you mean `git:HEAD:./own.yaml`?"
    )


def test_links_and_other_repositories(repository: Path) -> None:
    Path("link.yaml").symlink_to("base.yaml")
    write("linked.yaml", "extends: link.yaml\n")
    commit()
    assert "git:HEAD:link.yaml is a symbolic link, not a document" in refused("git:HEAD:link.yaml")
    assert "there is no file `link.yaml` beside this document" in refused("git:HEAD:linked.yaml")


def test_what_is_too_large(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cnncalc.sides.MAX_BYTES", 20)
    assert refused("git:HEAD:base.yaml") == "error[document-too-large]: git:HEAD:base.yaml has more than 20 bytes"


def test_no_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert refused("git:HEAD:base.yaml") == (
        "error[git-failed]: git says: not a git repository (or any of the parent directories): .git\n"
        "  = help: run this inside the repository"
    )


def test_no_git(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert refused("git:HEAD:base.yaml").startswith("error[no-git]: git cannot be run: ")
