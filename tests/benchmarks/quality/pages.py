"""What servers, browsers and bot checks show instead of a page, what menus hold, and texts next to none.

In two halves: one to set limits on, one to measure with. Pages are parted by lines of equals signs.
"""

_FIRST_HALF = """\
Access Denied

You don't have permission to access "http://shop.example.com/p/8812" on this server.
Reference #18.8f3c1402.1700000000.1a2b3c4d
====
404 Not Found

nginx/1.24.0
====
Just a moment...

shop.example.com

Verify you are human by completing the action below.

shop.example.com needs to review the security of your connection before proceeding.

Ray ID: 8d2f0c1e5a7b9c3d
Performance & security by Cloudflare
====
You need to enable JavaScript to run this app.
====
Sign in to continue

Email address
Password
Remember me
Forgot password?
Sign in

Don't have an account? Sign up
====
Page not found

Sorry, the page you are looking for doesn't exist or has been moved.

Go back home
====
503 Service Unavailable

The server is temporarily unable to service your request due to maintenance downtime or capacity problems.
Please try again later.

Apache/2.4.57 (Debian) Server at example.com Port 443
====
# Seite nicht gefunden

Die gewünschte Seite wurde leider nicht gefunden.

Zur Startseite
====
拒绝访问

您没有权限访问此页面。

返回首页
====
Our systems have detected unusual traffic from your computer network. Please try your request again later.
Why did this happen?
IP address: 203.0.113.7
Time: 2024-03-02T10:11:12Z
"""
_SECOND_HALF = """\
Forbidden

You don't have permission to access this resource.

Apache Server at files.example.org Port 80
====
404. That’s an error.

The requested URL /reports/2021/q3 was not found on this server. That’s all we know.
====
Checking your browser before accessing docs.example.org.

This process is automatic. Your browser will redirect to your requested content shortly.

Please allow up to 5 seconds…

DDoS protection by Cloudflare
====
Please enable JavaScript to view this page.

This site requires JavaScript and cookies. Here are the instructions how to enable them in your web browser.
====
Log in to your account

Username
Password

[ ] Keep me signed in

Log in
Forgot your password?
© 2024 Example Corp. All rights reserved. Privacy policy | Terms of use
====
Oops! Something went wrong.

An unexpected error occurred while loading this page.
Refresh the page or contact support if the problem persists.

Error code: 0x8007f1
====
<Error><Code>AccessDenied</Code><Message>Access Denied</Message><RequestId>4442D0A2F9</RequestId></Error>
====
Página no encontrada

Lo sentimos, la página que busca no existe o ha cambiado de dirección.

Volver al inicio
====
Страница не найдена

Ошибка 404. Такой страницы не существует или она была удалена.

Вернуться на главную
====
Robot or human?

Activate and hold the button to confirm that you're human. Thank you!

Try a different method
"""
ERROR_PAGES = tuple(tuple(half.split("====\n")) for half in (_FIRST_HALF, _SECOND_HALF))

_MENUS = """\
Home|About us|Products|Services|Blog|Contact|Log in|Register|Search|Privacy policy|Terms of use|Cookies\
|Careers|FAQ|Newsletter|Follow us on Twitter|© 2023 Example Ltd.|All rights reserved|Back to top
Startseite|Über uns|Kontakt|Impressum|Datenschutz|Suche|Anmelden|AGB|Warenkorb|Newsletter|Facebook|Instagram\
|© 2022 Beispiel GmbH
Skip to main content|Menu|Shop|Cart (0)|My account|Help|Shipping|Returns|Gift cards|Store finder|Subscribe\
|Legal notice|Accessibility|YouTube|LinkedIn|English|Deutsch|Français
首页|产品|关于我们|联系我们|登录|注册|搜索|帮助|隐私政策
Accueil|Rechercher|Connexion|Panier|Contact|Mentions légales|FAQ|Newsletter|Facebook|Twitter|© 2024
Home|Docs|API|Pricing|Community|Support|Sign in|Sign up|Status|Changelog|Blog|Press|Legal|Privacy|Terms
"""
MENUS = tuple(tuple(labels.split("|")) for labels in _MENUS.splitlines())

EMPTY = (
    (
        "",
        " \n\t\n ",
        "\n\n---\n\n***\n",
        "...... ......",
        "| | |\n|---|---|\n| | |",
        "•\n•\n•\n•",
        "\u200b\u200b",
    ),
    (
        "\xa0\xa0\n\xa0",
        "\f\n\f\n\f",
        "_ _ _ _ _ _",
        "- - - -\n- - - -",
        "[ ] [ ] [ ]",
        "…",
        "┌──┐\n│  │\n└──┘",
    ),
)
NEARLY_EMPTY = (
    ("1", "Page 1", "n/a", "TODO", "- 2 -\n\n- 3 -", "test", "中"),
    ("A", "Seite 4", "null", "# x", "1 / 2", "Untitled", "ok."),
)
