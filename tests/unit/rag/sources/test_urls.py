import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rag.errors import InvalidInputError
from rag.sources.urls import AllowList, page_name, page_url


@pytest.mark.parametrize(
    ("written", "normal"),
    [
        ("https://Docs.Example/Guide", "https://docs.example/Guide"),
        ("https://docs.example", "https://docs.example/"),
        ("https://docs.example:443/a", "https://docs.example/a"),
        ("https://docs.example./a", "https://docs.example/a"),
        ("https://docs.example/a#part", "https://docs.example/a"),
        (" https://docs.example/a\n", "https://docs.example/a"),
        ("https://docs.example/a/../b/./c", "https://docs.example/b/c"),
        ("https://docs.example/a/%2E%2e/b", "https://docs.example/b"),
        ("https://docs.example/%c3%bc", "https://docs.example/%C3%BC"),
        ("https://docs.example/ü?q=ü", "https://docs.example/%C3%BC?q=%C3%BC"),
        ("https://müller.example/", "https://xn--mller-kva.example/"),
        ("https://docs.example/a?b=1&a=2", "https://docs.example/a?b=1&a=2"),
        ("http://[2001:DB8::1]:80/a", "http://[2001:db8::1]/a"),
    ],
)
def test_a_page_has_one_address_however_it_is_written(written: str, normal: str) -> None:
    assert str(page_url(written)) == normal


@pytest.mark.parametrize(
    "text",
    [
        "https://docs.example/guide/..%2fsecret",
        "https://docs.example/guide/..%5Csecret",
        "https://docs.example/guide/%2e%2e%2Fsecret",
        "https://docs.example/" + "a" * 2048,
        "https://docs.example/a\0b",
        "https://docs.example:99999999/",
        "https://[::1/",
        "https://xn--/",
    ],
)
def test_an_address_in_disguise_is_refused(text: str) -> None:
    with pytest.raises(InvalidInputError):
        page_url(text)


def test_a_link_is_read_from_where_it_stands() -> None:
    base = page_url("https://docs.example/guide/a")
    assert str(page_url("../b#c", base=base)) == "https://docs.example/b"
    assert str(page_url("//other.example/x", base=base)) == "https://other.example/x"


def test_a_page_is_named_after_host_path_and_query() -> None:
    names = [
        page_name(page_url(url))
        for url in ("http://docs.example/a/b?c=1", "https://docs.example/a/b?c=1#d", "http://docs.example:81")
    ]
    assert names == ["docs.example/a/b?c=1", "docs.example/a/b?c=1", "docs.example:81/"]


@given(st.text(max_size=40))
def test_the_normal_form_is_stable(path: str) -> None:
    try:
        url = page_url(f"https://docs.example/{path}")
    except InvalidInputError:
        return
    assert page_url(str(url)) == url
    assert page_name(url).isascii()
    assert url.host == "docs.example"


@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("https://docs.example/guide", True),
        ("http://docs.example/guide/a", True),
        ("https://docs.example/guide?page=2", True),
        ("https://docs.example/%67uide/a", True),
        ("https://docs.example/guideline", False),
        ("https://docs.example/", False),
        ("https://docs.example/guide/../secret", False),
        ("https://other.example/a", True),
        ("https://other.example.evil.example/a", False),
        ("https://sub.other.example/a", False),
        ("https://evil.example/docs.example/guide", False),
        ("https://evil.example\\@other.example/", True),
    ],
)
def test_only_hosts_and_paths_on_the_list_may_be_read(url: str, allowed: bool) -> None:
    allow = AllowList(["docs.example/guide/", "https://Other.example:8443"])
    try:
        allow.check(page_url(url))
    except InvalidInputError:
        assert not allowed
    else:
        assert allowed


@pytest.mark.parametrize(
    "hosts", [[], [""], ["https://"], ["user@docs.example"], ["docs.example?a=1"], ["a b"]]
)
def test_a_list_that_names_no_hosts_is_refused(hosts: list[str]) -> None:
    with pytest.raises(InvalidInputError):
        AllowList(hosts)


def test_a_password_is_not_repeated() -> None:
    with pytest.raises(InvalidInputError) as refused:
        AllowList(["user:secret@docs.example"])
    assert "secret" not in str(refused.value)


def test_a_file_for_a_whole_host_needs_only_the_host() -> None:
    allow = AllowList(["docs.example/guide"])
    allow.check_host(httpx.URL("https://docs.example/robots.txt"))
    with pytest.raises(InvalidInputError, match=r"other\.example"):
        allow.check_host(httpx.URL("https://other.example/robots.txt"))
