import re
from pathlib import Path

import pytest

from app.service_settings import ServiceSettings
from app.setting_problems import SettingsError
from app.settings import Settings

EXAMPLE = Path(__file__).parents[3] / ".env.example"


def example() -> dict[str, str]:
    return dict(re.findall(r"^([A-Z_0-9]+)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE))


def test_the_example_documents_every_setting_and_no_other() -> None:
    assert set(example()) == {name.upper() for name in Settings.model_fields}


def test_the_example_states_the_defaults() -> None:
    assert Settings(_env_file=EXAMPLE) == Settings(_env_file=None)


def test_without_a_database_the_embedded_one_is_meant() -> None:
    assert Settings(_env_file=None).database_logins() is None


def test_a_database_may_be_given_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DB_HOST", "db.example")
    monkeypatch.setenv("DB_PASSWORD", "p@ss/word")
    logins = Settings(_env_file=None).database_logins()
    assert logins is not None
    assert logins.owner.url == "postgresql://groundwork:p%40ss%2Fword@db.example:5432/groundwork"
    assert (logins.app.role, logins.system.role) == ("groundwork_app", "groundwork_system")
    assert "p%40ss" not in repr(logins)


def test_an_overlap_as_large_as_the_chunk_is_refused() -> None:
    with pytest.raises(SettingsError, match="CHUNK_OVERLAP_TOKENS"):
        Settings(_env_file=None, chunk_tokens=40, chunk_overlap_tokens=40)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "localhost"])
def test_loopback_needs_no_authentication(host: str) -> None:
    assert ServiceSettings(_env_file=None, host=host).auth_mode is None


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "192.168.1.4", "my-laptop", ""])
def test_any_other_address_is_refused_unless_said_in_so_many_words(host: str) -> None:
    with pytest.raises(SettingsError, match="AUTH_MODE=none"):
        ServiceSettings(_env_file=None, host=host)
    assert ServiceSettings(_env_file=None, host=host, auth_mode="none").auth_modes == set()


@pytest.mark.parametrize("languages", ["eng", "eng+deu", "chi_sim_vert+eng"])
def test_languages_of_scans_are_tesseracts_codes(languages: str) -> None:
    assert Settings(_env_file=None, ocr_languages=languages).ocr_languages == languages


@pytest.mark.parametrize(
    "languages", ["german", "eng,deu", "eng+", "eng deu", "--psm", "script/Latin", "ENG"]
)
def test_other_names_of_languages_are_refused(languages: str) -> None:
    with pytest.raises(SettingsError, match="OCR_LANGUAGES"):
        Settings(_env_file=None, ocr_languages=languages)


def test_docling_needs_an_address() -> None:
    with pytest.raises(SettingsError, match="DOCLING_URL is needed by PARSER=docling"):
        Settings(_env_file=None, parser="docling")
    with pytest.raises(SettingsError, match="DOCLING_URL must be a URL"):
        Settings(_env_file=None, parser="docling", docling_url="docling:5001")
    assert Settings(_env_file=None, parser="docling", docling_url="http://docling:5001").parser == "docling"
