"""The report's words in English and Korean."""

from typing import Any, Final

from kface.kisa.conditions import Category, Condition
from kface.kisa.database import Note

#: By key: English, Korean.
TEXTS: Final[dict[str, tuple[str, str]]] = {
    "title": ("Face recognition performance test", "얼굴인식 성능 시험 보고서"),
    "subtitle": (
        "after the criteria of KISA's K-NBTC certification",
        "KISA 바이오인식정보시험센터(K-NBTC) 인증 기준",
    ),
    "own_test": (
        "The applicant's own test, run with kface {version}. It is not a certificate.",
        "kface {version}로 신청자가 직접 수행한 시험이며, 인증서가 아닙니다.",
    ),
    "synthetic": (
        "SYNTHETIC SAMPLE: the faces of this data base are drawn by a program. No figure of this "
        "report says how well "
        "real people are recognised.",
        "합성 표본(SYNTHETIC SAMPLE): 이 데이터베이스의 얼굴은 프로그램이 그린 것입니다. 이 보고서의 "
        "수치는 실제 사람에 대한 "
        "인식 성능을 나타내지 않습니다.",
    ),
    "synthetic_mark": ("synthetic sample", "합성 표본"),
    "synthetic_note": (
        "synthetic sample: procedural faces; the figures say nothing about real people",
        "합성 표본: 프로그램이 그린 얼굴이며, 수치는 실제 사람에 대한 성능을 나타내지 않습니다",
    ),
    "trained_synthetic": (
        "The network was trained on the synthetic sample: it has never seen a real face.",
        "이 신경망은 합성 표본으로 학습되었으며, 실제 얼굴을 본 적이 없습니다.",
    ),
    "null_engine": (
        "The null engine looks at no face: this run checks the test itself.",
        "널(null) 엔진은 얼굴을 보지 않습니다. 이 결과는 시험 도구 자체를 점검한 것입니다.",
    ),
    "subject": ("What was tested", "시험 대상"),
    "model": ("Model", "모델"),
    "fingerprint": ("Model fingerprint", "모델 지문"),
    "engine": ("Engine", "엔진"),
    "engine_python": (
        "Python chain, kface {version}, {runtime}, {precision}",
        "Python 체인, kface {version}, {runtime}, {precision}",
    ),
    "engine_library": ("C++ library, version {version}", "C++ 라이브러리, 버전 {version}"),
    "engine_null": ("null engine", "널(null) 엔진"),
    "library_hash": ("Library, SHA-256", "라이브러리 SHA-256"),
    "detector": ("Detector", "검출기"),
    "detector_text": (
        "MTCNN, smallest face {min_face} px, second look: {brighten}",
        "MTCNN, 최소 얼굴 {min_face} px, 재검출: {brighten}",
    ),
    "none": ("none", "없음"),
    "bundle_created": ("Bundle exported", "번들 생성"),
    "licence": ("Licence", "라이선스"),
    "made": ("Date of the test", "시험 일시"),
    "database": ("Data base", "데이터베이스"),
    "form": ("Form", "구성"),
    "form_full": ("full: 500 people by 18 images", "본시험: 500명 × 18장"),
    "form_preliminary": ("preliminary: 50 people by 18 images", "사전시험: 50명 × 18장"),
    "form_other": ("other than KISA's", "KISA 구성과 다름"),
    "people_images": ("{people} people, {images} images", "{people}명, {images}장"),
    "people": ("People, images", "인원, 이미지"),
    "verdict": ("Result", "결과"),
    "verdict_pass": ("PASS", "적합"),
    "verdict_fail": ("FAIL", "부적합"),
    "verdict_not measured": ("NOT MEASURED", "측정 불가"),
    "overall_pass": ("All four categories meet the criteria.", "네 항목 모두 기준을 만족합니다."),
    "overall_fail": ("Not met: {names}.", "기준 미달: {names}."),
    "overall_not measured": (
        "Not all categories could be measured completely.",
        "완전히 측정하지 못한 항목이 있습니다.",
    ),
    "categories": ("The four categories and the criteria", "항목별 결과와 인증 기준"),
    "category": ("Category", "항목"),
    "criterion": ("Criterion", "인증 기준"),
    "criterion_at_most": ("at most {mark}", "{mark} 이하"),
    "eer": ("EER", "EER"),
    "eer_acquired": ("EER*", "EER*"),
    "interval": ("95 % interval", "95 % 신뢰구간"),
    "eer_interval": ("EER with its 95 % interval", "EER과 95 % 신뢰구간"),
    "probes": ("Probes", "프로브"),
    "fta": ("FTA", "FTA"),
    "remarks": ("Remarks", "비고"),
    "straddles": ("the interval holds the criterion", "신뢰구간이 기준을 포함"),
    "straddles_note": (
        "Where the interval holds the criterion, other people might have given the other result.",
        "신뢰구간이 기준을 포함하면 다른 인원에서는 결과가 달라질 수 있습니다.",
    ),
    "no_interval": ("no interval: every draw gives this figure", "신뢰구간 없음(모든 추출에서 같은 값)"),
    "incomplete": ("incomplete: images are missing", "불완전: 이미지 부족"),
    "missing_people": (
        "{people} people instead of 500 (or 50 in the preliminary form)",
        "인원 {people}명 (본시험 500명, 사전시험 50명)",
    ),
    "missing_condition": (
        "{condition}: {count} of {people} people have no such image",
        "{condition}: {people}명 중 {count}명에게 이미지가 없음",
    ),
    "missing_source": ("{condition}: not in this source", "{condition}: 이 자료에 없음"),
    "fixed_fmr": ("FMR, common", "FMR(공통)"),
    "fixed_fnmr": ("FNMR, common", "FNMR(공통)"),
    "fixed_note": ("Common: {threshold}.", "공통: {threshold}."),
    "person": ("Person", "사람"),
    "no face was found": ("no face was found", "얼굴을 찾지 못함"),
    "the landmarks cannot be aligned": ("the landmarks cannot be aligned", "특징점을 정렬할 수 없음"),
    "not_there": ("no images", "이미지 없음"),
    "eer_note": (
        "EER: images without a template count as non-matches. EER*: pairs that lack a template are "
        "left out. Failure to enrol "
        "(FTE): {fte} ({failed} of {people} people). FTA: failure to acquire, probes without a template.",
        "EER: 템플릿을 만들지 못한 이미지는 불일치로 계산합니다. EER*: 템플릿이 없는 쌍을 제외한 "
        "값입니다. 등록 실패율(FTE): {fte} "
        "({people}명 중 {failed}명). FTA: 템플릿을 만들지 못한 프로브의 비율(취득 실패율).",
    ),
    "rates": ("Error rates", "오류율"),
    "at_eer": ("at the category's own EER threshold", "항목별 EER 임계값"),
    "at_fixed": ("one threshold for all, {threshold}", "전체 공통 임계값 {threshold}"),
    "threshold": ("Threshold", "임계값"),
    "genuine": ("genuine", "본인"),
    "impostor": ("impostor", "타인"),
    "genuine_pairs": ("Genuine pairs", "본인 쌍"),
    "impostor_pairs": ("Impostor pairs", "타인 쌍"),
    "failed_pairs": ("of these failed", "그중 실패"),
    "total": ("All", "전체"),
    "method": ("Method", "시험 방법"),
    "method_pairs": ("Pairs", "비교 쌍"),
    "method_genuine": (
        "Genuine: each probe against its own person's enrolment image.",
        "본인 쌍: 각 프로브를 같은 사람의 등록 이미지와 비교합니다.",
    ),
    "policy_full_cross": (
        "Impostor: each probe against the enrolment images of all other people (full cross).",
        "타인 쌍: 각 프로브를 다른 모든 사람의 등록 이미지와 비교합니다(전수 교차).",
    ),
    "policy_one_direction": (
        "Impostor: each pair of people is compared in one direction only.",
        "타인 쌍: 두 사람씩 한 방향으로만 비교합니다.",
    ),
    "policy_random": (
        "Impostor: {pairs} pairs of each category, drawn at random from the full cross (seed {seed}).",
        "타인 쌍: 항목마다 전수 교차에서 무작위로 {pairs}쌍을 뽑습니다(시드 {seed}).",
    ),
    "method_failures": (
        "An image that cannot be read, or without a face, yields a failed template. A match with it "
        "scores -1 and counts as a "
        "non-match.",
        "읽을 수 없거나 얼굴이 없는 이미지는 실패 템플릿이 됩니다. 그 비교는 점수 -1이며 불일치로 계산합니다.",
    ),
    "method_eer": (
        "FMR is the share of impostor pairs that reach the threshold, FNMR that of genuine pairs that "
        "do not (ISO/IEC 19795-1). "
        "EER is the rate where the two are equal; between two thresholds the rates are joined by a line.",
        "FMR은 임계값 이상인 타인 쌍의 비율(타인수락률), FNMR은 임계값 미만인 본인 쌍의 "
        "비율(본인거부율)입니다(ISO/IEC 19795-1). EER은 두 "
        "값이 같아지는 오류율이며, 두 임계값 사이는 직선으로 잇습니다.",
    ),
    "method_intervals": (
        "Intervals: 95 % percentiles of {replicates} bootstrap draws of people, not of pairs (seed "
        "{seed}): a genuine pair counts "
        "as often as its person was drawn, an impostor pair as the product of how often its two people were.",
        "신뢰구간: 쌍이 아니라 사람을 복원추출하는 부트스트랩 {replicates}회의 95 % 백분위 "
        "구간입니다(시드 {seed}). 본인 쌍은 그 사람이 뽑힌 "
        "횟수만큼, 타인 쌍은 두 사람이 뽑힌 횟수의 곱만큼 계산합니다.",
    ),
    "method_no_intervals": ("No intervals were computed.", "신뢰구간은 계산하지 않았습니다."),
    "method_work": (
        "{made} templates were made for this run ({speed} ms an image), {kept} were kept from before "
        "or failed to be read; "
        "{comparisons} comparisons took {seconds} s; the process had at most {peak} MB of memory.",
        "이번 실행에서 만든 템플릿 {made}개(이미지당 {speed} ms), 이전에 만들어 두었거나 읽지 못한 "
        "이미지 {kept}개, 비교 {comparisons}회 "
        "{seconds}초, 최대 메모리 {peak} MB.",
    ),
    "versions": ("Versions and settings", "버전과 설정"),
    "setting": ("Setting", "설정"),
    "value": ("Value", "값"),
    "plots": ("Curves and distributions", "곡선과 점수 분포"),
    "det_caption": (
        "DET curves on normal deviate scales. The circles are the criteria.",
        "DET 곡선(정규 편차 눈금). 원은 인증 기준입니다.",
    ),
    "distribution_caption": ("Distributions of the scores; failed pairs are left out.", "점수 분포(실패한 쌍 제외)."),
    "det_label": (
        "{category} ({genuine:,} genuine, {impostor:,} impostor pairs)",
        "{category} (본인 {genuine:,}쌍, 타인 {impostor:,}쌍)",
    ),
    "det_diagonal": ("FMR = FNMR", "FMR = FNMR"),
    "fmr": ("False match rate (FMR)", "타인수락률(FMR)"),
    "fnmr": ("False non-match rate (FNMR)", "본인거부율(FNMR)"),
    "score": ("similarity", "유사도"),
    "share_of_pairs": ("% of pairs", "쌍의 비율(%)"),
    "threshold_all": ("threshold at the EER of all", "전체 EER 임계값"),
    "conditions": ("Conditions", "조건별 결과"),
    "condition": ("Condition", "조건"),
    "worst": ("Worst pairs", "점수가 가장 나쁜 비교 쌍"),
    "worst_text": (
        "Left: the enrolment image. Right: the probe. Pairs without a template are left out.",
        "왼쪽은 등록 이미지, 오른쪽은 프로브입니다. 템플릿이 없는 쌍은 제외했습니다.",
    ),
    "worst_genuine": ("{category}: lowest genuine scores", "{category}: 점수가 가장 낮은 본인 쌍"),
    "worst_impostor": ("{category}: highest impostor scores", "{category}: 점수가 가장 높은 타인 쌍"),
    "pair_genuine": ("{person}, {condition}: {score:.3f}", "{person}, {condition}: {score:.3f}"),
    "pair_impostor": (
        "{enrolled} and {person}, {condition}: {score:.3f}",
        "{enrolled} / {person}, {condition}: {score:.3f}",
    ),
    "failures": ("Images without a template", "템플릿을 만들지 못한 이미지"),
    "failures_none": ("There are none.", "없습니다."),
    "failures_more": ("{count} more are listed in kisa.json.", "나머지 {count}장은 kisa.json에 있습니다."),
    "image": ("Image", "이미지"),
    "reason": ("Reason", "이유"),
    "notes": ("Notes on the data base", "데이터베이스에 대한 참고 사항"),
    "missing": ("Deviations from KISA's form", "KISA 구성과 다른 점"),
    "faults": ("Faults", "결함"),
    "fault_line": ("{count} x {kind}, the first: {first}", "{kind} {count}건, 첫 번째: {first}"),
    "page": ("{page} / {pages}", "{page} / {pages}"),
}


class Words:
    """Texts in one language.

    Args:
        language: "en" or "ko".

    Example:
        >>> Words("en")("overall_fail", names="light")
        'Not met: light.'
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._place = ("en", "ko").index(language)

    def __call__(self, key: str, **values: Any) -> str:
        """Return the text of a key with its values filled in."""
        return TEXTS[key][self._place].format(**values)

    def reason(self, text: str) -> str:
        """Return why a template failed; what has no translation is as it is."""
        return self(text) if text in TEXTS else text

    def note(self, text: str) -> str:
        """Return a note on a data base; one that a folder brings along is in its own language."""
        if self._place and isinstance(text, Note):
            return text.korean
        return TEXTS["synthetic_note"][self._place] if text == TEXTS["synthetic_note"][0] else text

    def database(self, title: str) -> str:
        """Return a data base's title."""
        return self("synthetic_mark") if title == TEXTS["synthetic_mark"][0] else title

    def category(self, category: Category) -> str:
        """Return a category's name."""
        return category.korean if self._place else category.value.capitalize()

    def condition(self, condition: Condition) -> str:
        """Return a condition's name."""
        return condition.korean if self._place else condition.title
