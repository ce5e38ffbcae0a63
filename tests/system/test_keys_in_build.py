"""No build without keys, and no product with the development key: there is no setting that leaves verification out."""
import pathlib
import shutil
import subprocess

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def tree(tmp_path):
    """As much of the project as decides on keys. The packer is there already."""
    shutil.copy(ROOT / "Makefile", tmp_path)
    shutil.copytree(ROOT / "recovery", tmp_path / "recovery")
    (tmp_path / "keys").mkdir()
    (tmp_path / "build/host").mkdir(parents=True)
    shutil.copy(ROOT / "build/host/lifeboat-pack", tmp_path / "build/host")
    return tmp_path


def build(tree, **settings):
    done = subprocess.run(["make", "-s", "-o", "build/host/lifeboat-pack", *(f"{k}={v}" for k, v in settings.items()),
                           "build/keys.c"], cwd=tree, capture_output=True, text=True)
    return done, (tree / "build/keys.c").exists()


def key(tree, name):
    subprocess.run([ROOT / "build/host/lifeboat-pack", "keygen", tree / "keys" / name], check=True,
                   stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def test_a_product_without_a_key(tree):
    done, made = build(tree, DEVELOPMENT=0)
    assert done.returncode == 2 and not made
    assert "keys/ holds no public key (*.pub), so no package could ever be trusted" in done.stderr


def test_a_product_with_the_development_key(tree):
    key(tree, "development")
    key(tree, "ours")
    done, made = build(tree, DEVELOPMENT=0)
    assert done.returncode == 2 and not made
    assert "keys/development.pub does not belong into a product: remove it" in done.stderr


def test_a_key_that_is_none(tree):
    (tree / "keys/ours.pub").write_text("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n")
    done, made = build(tree, DEVELOPMENT=0)
    assert done.returncode == 2 and not made and "ours.pub" in done.stderr


def test_a_product_with_its_own_key(tree):
    key(tree, "ours")
    done, made = build(tree, DEVELOPMENT=0)
    assert done.returncode == 0 and made, done.stderr
    assert "ours" in (tree / "build/keys.c").read_text()
