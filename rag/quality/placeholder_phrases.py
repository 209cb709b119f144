"""What error pages, login pages and menus say, in small letters, parted by bars."""

# Instead of the page.
NOTICES = """
access denied | accessdenied | access to this page has been denied |
access to this site has been denied |
access to this resource | permission denied | permission to access | permission to view |
not authorized to | not authorised to | forbidden | you have been blocked | has been blocked |
unable to access | too many requests | not found | page can't be found | page cannot be found |
page could not be found | page does not exist | page doesn't exist | page no longer exists |
page you are looking for | page you're looking for | page you were looking for | page you requested |
requested url | requested page | specified key does not exist | nosuchkey | internal server error |
bad gateway | gateway timeout | gateway time-out | service unavailable | service is unavailable |
service temporarily unavailable | temporarily unavailable | temporarily unable | unable to service |
bad request | something went wrong | an error occurred | unexpected error | under maintenance |
site can't be reached | connection timed out | connection refused | took too long to respond |
javascript is disabled | javascript is required | javascript is not enabled | enable javascript |
requires javascript | turn on javascript | enable cookies | javascript and cookies |
browser is not supported | browser is out of date | unsupported browser | just a moment | please wait |
please stand by | checking your browser | checking if the site connection | verify you are human |
verify you are a human | verify that you are human | verify that you are a human |
verifying you are human | you're not a robot | you are not a robot | are you a robot | robot or human |
captcha | characters you see | unusual traffic | unusual activity | automated access |
automated queries |
automation tools | review the security of your connection | attention required | ddos protection |
performance & security by | performance and security by | sign in to | log in to | login to |
login required | please sign in | please log in | must be logged in | need to be logged in |
session has expired | session expired | subscribe to continue | subscribers only |
already a subscriber |
domain is for sale | domain may be for sale | domain is parked | coming soon | under construction |
loading... | loading… | it works! | welcome to nginx | default page | default web page | index of / |
zugriff verweigert | seite nicht gefunden | seite wurde nicht gefunden |
seite konnte nicht gefunden werden | aktivieren sie javascript | javascript aktivieren |
bitte melden sie sich an | accès refusé | accès interdit | page introuvable | page non trouvée |
activer javascript | veuillez vous connecter | acceso denegado | página no encontrada |
página no existe |
habilite javascript | activar javascript | inicie sesión | accesso negato | pagina non trovata |
abilitare javascript | acesso negado | página não encontrada | доступ запрещ | доступ ограничен |
страница не найдена | страница не существует | включите javascript | 拒绝访问 | 访问被拒绝 |
禁止访问 | 没有权限 | 页面不存在 |
页面未找到 | 页面找不到 | 找不到页面 | 找不到网页 | 启用javascript | 启用 javascript |
开启javascript | 请登录 | 请先登录 | 安全验证 | 验证码 |
アクセスが拒否 | アクセスできません | ページが見つかりません | javascriptを有効 |
ログインしてください | 접근이 거부 | 페이지를 찾을 수 없
"""

# After it.
CLOSINGS = """
moved or deleted | may have been moved | might have been removed | may have been removed |
temporarily unavailable | if you believe this | if you think this | if the problem persists |
contact the site owner | contact the administrator | contact your administrator | contact support |
contact us if | please try again | try again later | try again in a few | check the url |
check the address | check the spelling | refresh the page | reload the page | return to the home |
go back to | visit our home | to our home | take me home | this process is automatic |
you will be redirected | redirect to your requested | allow up to | why did this happen |
why have i been blocked | what can i do | to continue using | to run this app |
security service to protect | security solution | online attacks | don't have an account |
forgot your password | forgot password | new customer | create an account | sign up |
keep me signed in |
vérifiez l'adresse | überprüfen sie die | zur startseite | volver al inicio | вернуться на главную |
返回首页
"""

# The whole line is a label, a link or a button.
LABELS = """
home | home page | homepage | start | menu | main menu | skip to content | skip to main content |
search |
products | product | services | solutions | resources | pricing | features | blog | news | events |
about | about us | contact | contact us | help | help center | help centre | support | faq | faqs |
careers | jobs | press | partners | company | sitemap | site map | shop | store | cart | checkout |
categories | community | documentation | docs | sign in | sign up | sign out | log in | login |
log out |
logout | register | account | my account | subscribe | newsletter | download | downloads | english |
deutsch | français | español | language | email | e-mail | email address | username | user name |
password | remember me | show password | forgot password | forgot your password | create account |
create an account | continue | submit | send | next | previous | back | cancel | ok | close | accept |
accept all | reject all | privacy | privacy policy | privacy notice | privacy statement | terms |
terms of use | terms of service | terms & conditions | terms and conditions | cookies | cookie policy |
cookie settings | cookie preferences | legal | legal notice | imprint | accessibility | disclaimer |
go back | go home | back to top | back to home | return home | reload | refresh | retry | try again |
read more | learn more | view all | see all | more | share | print | facebook | twitter | linkedin |
instagram | youtube | error | sorry | oops | impressum | datenschutz | kontakt | startseite | anmelden |
suche | über uns | agb | accueil | rechercher | connexion | mentions légales | inicio | buscar |
contacto | iniciar sesión | aviso legal | главная | поиск | контакты | войти | о нас | 首页 | 搜索 |
登录 | 注册 |
关于我们 | 联系我们 | 帮助
"""

# The line begins with it.
LABEL_STARTS = """
© | (c) | copyright | all rights reserved | powered by | follow us | share on | nginx | apache |
cloudflare | openresty | reference # | ray id | request id | requestid | hostid | incident |
error code |
your ip
"""
