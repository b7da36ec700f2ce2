"""The sample file and the reference page are fresh, complete and true."""

import re
from pathlib import Path

from oriz_matrix.base.config.describe import option_paths
from oriz_matrix.base.config.load import check_text, load
from oriz_matrix.base.config.model import Config
from oriz_matrix.base.config.sample import reference, sample

ROOT = Path(__file__).parents[3]


def test_the_committed_files_are_fresh() -> None:
    advice = "write it anew with `oriz config sample`"
    assert (ROOT / "config.example.yaml").read_text() == sample(), advice
    assert (ROOT / "docs/configuration.md").read_text() == reference(), advice + " --reference"


def test_the_sample_changes_no_default(tmp_path: Path) -> None:
    for name, text in {"sample": sample(), "least": "server_name: example.org\n"}.items():
        (tmp_path / name).write_text(text)
    assert load(tmp_path / "sample", {}) == load(tmp_path / "least", {})


def test_every_option_of_the_sample_can_be_switched_on() -> None:
    """All at once they contradict each other, which is all that is wrong with them."""
    text = re.sub(r"^( *)#(?=\S|  )", r"\1", sample(), flags=re.MULTILINE)
    problems = check_text(text, "/nowhere/c.yaml", {})
    assert [problem.option for problem in problems] == [
        "database.url",
        "listeners[0]",
        "listeners[0].tls.certificate",
        "listeners[0].tls.key",
        "registration.shared_secret",
        "federation.proxy",
    ]


def test_every_option_is_in_both() -> None:
    text, page = sample(), reference()
    for option in option_paths(Config):
        name = option.rpartition(".")[2]
        assert f"{name}:" in text, option
        assert f"`{name}`" in page or re.search(rf"^#+ .*{name}", page, re.MULTILINE), option


def test_the_reference_names_the_variables_of_secrets() -> None:
    assert "`ORIZ_DATABASE_URL`" in reference()
    assert "`ORIZ_REGISTRATION_SHARED_SECRET`" in reference()
