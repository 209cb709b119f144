import pytest

from rag.quality import QualityRule, check_quality
from tests.unit.rag.quality.texts import ENGLISH, broken_rules, plain

PLACEHOLDER = [QualityRule.PLACEHOLDER]


@pytest.mark.parametrize(
    "text",
    [
        "404 Not Found\n\nnginx/1.24.0",
        "HTTP Error 503. The service is unavailable.",
        "Error 520\n\nshop.example.com",
        "403 - Forbidden\n\nYou don’t have permission to access /private.\nApache/2.4 Port 443",
        "**Access Denied**\n\nReference #18.2f3c1402.1700000000.1a2b3c4d",
        "We're sorry, but the page you requested could not be found.\n\nCheck the URL or go back.",
        "You need to enable JavaScript to run this app.",
        "Just a moment...\n\nVerify you are human by completing the action.\n\nRay ID: 8d2f0c1e5a7b9c3d",
        "Please complete the CAPTCHA to continue.",
        "Log in\n\nPlease log in to see this.\n\nUser name\nPassword\nForgot password?\n© 2024 Example",
        "Your session has expired. Please sign in again.",
        "Zugriff verweigert\n\nBitte wenden Sie sich an den Betreiber.",
        "Page introuvable\n\nRetour à l'accueil",
        "Доступ запрещён\n\nВернуться на главную",
        "页面不存在\n\n返回首页",
        "Home\nProducts\nBlog\nAbout us\nContact\nLog in\nPrivacy policy\n© 2024 Example Ltd.",
        "[Home](/) | [Shop](/shop) | [Cart](/cart) | [Help](/help) | [FAQ](/faq) | [Contact](/contact)",
        "Startseite · Über uns · Kontakt · Impressum · Datenschutz · Suche · Anmelden · AGB",
    ],
    ids=lambda text: text[:20],
)
def test_what_is_shown_instead_of_a_page(text: str) -> None:
    assert broken_rules(text) == PLACEHOLDER


ABOUT_ACCESS = """Access denied when you open a report

Ask the owner of the report to add your group to its readers. Then wait five minutes, for the permission is
cached, and sign in again.
"""
ABOUT_MISSING_PAGES = """Page not found (404) pages

They tell a visitor that we cannot find what was wanted. Use one when a link is broken, when somebody mistyped
an address, or when a page was removed for good.
"""
ABOUT_JAVASCRIPT = """Enable JavaScript in the browser's settings, under Site permissions.

Without it the calculator on the order page shows no prices, and the form cannot be sent to the branch office.
"""
GAME = """Forbidden Island, a board game

Two to four players gather treasures from an island that sinks. Works for children from ten years of age; a
game takes half an hour.
"""


@pytest.mark.parametrize(
    "text",
    [
        ABOUT_ACCESS,
        ABOUT_MISSING_PAGES,
        ABOUT_JAVASCRIPT,
        GAME,
        "Status codes\n\n404: no such order\n409: the order was changed by another\n429: too many requests",
        "400.01 | 12.50 | 404.00",
        "from defusedxml import dtdforbidden",
        "500 g flour\n4 eggs\n1 l milk\npinch of salt\n\nMix, rest for twenty minutes, and fry in butter.",
        "Contact\nSupport\nTerms\n\nShort letter, with three words at the top that menus have too.",
        f"404 Not Found\n\n{ENGLISH}",
        f"{ENGLISH}\n\nHome\nAbout us\nContact\nPrivacy policy\nTerms of use\nFAQ\nBlog\n© 2024",
        "Home\nGarden\nKitchen\nTools\nToys\nBooks\nMusic\nFilm",
    ],
    ids=lambda text: text[:20],
)
def test_a_text_about_errors_or_with_a_menu_is_good(text: str) -> None:
    assert broken_rules(text) == []


def test_the_message_quotes_the_page() -> None:
    (issue,) = check_quality(plain("# Page not found\n\nGo back home"))
    assert issue.message == 'the document is an error message or a login page: "page not found"'


def test_how_many_words_a_page_needs_can_be_set() -> None:
    text = "Access denied\n\nSeven words of its own are here."
    assert broken_rules(text) == PLACEHOLDER
    assert broken_rules(text, min_own_words=7) == []
