"""Good texts of several languages and scripts, and what can go wrong with them."""

import random
import string

from rag.documents import ParsedDocument
from rag.quality import QualityRule, QualityRules, check_quality

ENGLISH = (
    "Employees may carry over up to five days of holiday into the next year. The days must be taken "
    "before the end of March, and the manager has to agree in writing. Whoever leaves the company is "
    "paid for the days that are left. During a notice period, holiday can be taken only when the work "
    "has been handed over to someone."
)
GERMAN = (
    "Die Beschäftigten dürfen bis zu fünf Urlaubstage in das nächste Jahr übernehmen. Die Tage müssen "
    "vor Ende März genommen werden, und die Führungskraft muss schriftlich zustimmen. Für übrige Tage "
    "gibt es Geld, wenn jemand das Haus verlässt. Während der Kündigungsfrist ist Urlaub nur möglich, "
    "wenn alles übergeben ist."
)
SPANISH = (
    "Los empleados pueden trasladar hasta cinco días de vacaciones al año siguiente. Los días deben "
    "disfrutarse antes del último día de marzo y la dirección también tendrá que autorizarlo por "
    "escrito. Quien deje la compañía cobrará los días que queden según la regulación válida en aquel "
    "momento para cada categoría."
)
RUSSIAN = (
    "Сотрудники могут перенести до пяти дней отпуска на следующий год. Эти дни нужно использовать до "
    "конца марта, и руководитель должен дать письменное согласие. Тому, кто увольняется, оплачивают "
    "оставшиеся дни. Во время увольнения отпуск возможен только после передачи всех дел другому "
    "сотруднику отдела или его заместителю."
)
UKRAINIAN = (
    "Працівники можуть перенести до п’яти днів відпустки на наступний рік. Їх слід використати до "
    "кінця березня, і керівник має дати письмову згоду. Ґрунтовні зміни в лінії підприємств узгоджують "
    "із її власниками."
)
CHINESE = (
    "员工每年可以将最多五天的年假结转到下一个日历年度，超过的部分将被取消。结转的假期必须在三月底之前使"
    "用，并且需要经理书面同意。离职的员工可以按照规定领取未使用假期的工资。在通知期内，只有在工作交接完"
    "成以后才可以休假。"
)
JAPANESE = (
    "従業員は最大五日間の休暇を翌年に繰り越すことができます。繰り越した休暇は三月末までに取得しなければ"
    "ならず、上司の書面による同意が必要です。退職する場合は、残りの日数に応じて給与が支払われます。"
)
KOREAN = (
    "직원은 최대 오 일의 휴가를 다음 해로 이월할 수 있습니다. 이월한 휴가는 삼월 말까지 사용해야 하며 "
    "관리자의 서면 동의가 필요합니다. 퇴사하는 경우 남은 일수에 따라 급여가 지급됩니다."
)
ARABIC = (
    "يجوز للموظفين ترحيل خمسة أيام من الإجازة إلى السنة التالية. يجب استخدام هذه الأيام قبل نهاية شهر "
    "مارس بموافقة المدير كتابة."
)
HEBREW = (
    "העובדים רשאים להעביר עד חמישה ימי חופשה לשנה הבאה. יש לנצל את הימים לפני סוף מרץ, והמנהל צריך "
    "להסכים בכתב."
)
THAI = "พนักงานสามารถยกวันลาพักร้อนไปปีถัดไปได้ไม่เกินห้าวัน ต้องใช้วันลาก่อนสิ้นเดือนมีนาคม และผู้จัดการต้องเห็นชอบเป็นลายลักษณ์อักษร"
GREEK = (
    "Οι εργαζόμενοι μπορούν να μεταφέρουν έως πέντε ημέρες άδειας στο επόμενο έτος. Οι ημέρες πρέπει "
    "να ληφθούν πριν από το τέλος Μαρτίου και ο προϊστάμενος πρέπει να συμφωνήσει γραπτώς."
)
HINDI = (
    "कर्मचारी अधिकतम पाँच दिन की छुट्टी अगले वर्ष में ले जा सकते हैं। ये दिन मार्च के अंत से पहले लेने "
    "होंगे और प्रबंधक की लिखित सहमति आवश्यक है।"
)
POLISH = (
    "Pracownicy mogą przenieść do pięciu dni urlopu na następny rok. Urlop należy wykorzystać przed "
    "końcem marca, a kierownik musi wyrazić zgodę na piśmie. Odchodzącym wypłaca się równowartość dni, "
    "które pozostały."
)
VIETNAMESE = (
    "Nhân viên được chuyển tối đa năm ngày nghỉ phép sang năm sau. Các ngày này phải được dùng trước "
    "cuối tháng ba và người quản lý phải đồng ý bằng văn bản. Người thôi việc được trả tiền cho những "
    "ngày còn lại."
)
FRENCH = (
    "« Les salariés, dit-elle, peuvent reporter cinq jours de congé » : l’année suivante, avant la fin "
    "mars, c’est-à-dire après l’accord écrit du responsable… « Ça dépend », répond-il — « où est-ce "
    "déjà réglé ? »"
)
LANGUAGES = {
    "en": ENGLISH,
    "de": GERMAN,
    "es": SPANISH,
    "ru": RUSSIAN,
    "uk": UKRAINIAN,
    "zh": CHINESE,
    "ja": JAPANESE,
    "ko": KOREAN,
    "ar": ARABIC,
    "he": HEBREW,
    "th": THAI,
    "el": GREEK,
    "hi": HINDI,
    "pl": POLISH,
    "vi": VIETNAMESE,
    "fr": FRENCH,
}


def plain(text: str) -> ParsedDocument:
    return ParsedDocument(text=text, mime_type="text/plain")


def broken_rules(document: ParsedDocument | str, **limits: object) -> list[QualityRule]:
    """The rules that a document breaks, with some limits other than the defaults."""
    document = plain(document) if isinstance(document, str) else document
    rules = QualityRules(**limits)  # type: ignore[arg-type]
    return [issue.rule for issue in check_quality(document, rules=rules)]


def shifted(text: str, offset: int) -> str:
    """Each visible ASCII character `offset` further: numbers of glyphs, taken for characters."""
    return text.translate({code: (code - 33 + offset) % 94 + 33 for code in range(33, 127)})


def exchanged(text: str, *, seed: int) -> str:
    """Each letter of the alphabet exchanged for another one."""
    rng = random.Random(seed)  # noqa: S311  # no secret
    other = "".join(rng.sample(string.ascii_lowercase, 26))
    return text.translate(str.maketrans(string.ascii_letters, other + other.upper()))
