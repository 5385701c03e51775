// The texts of the page, in English and Korean; /reasons.js has those of the program itself (reasons, errors).
const TEXTS = {
  en: {
    picture: "Live picture", pictureOf: "Live picture, {n} faces in view", pictureOfOne: "Live picture, 1 face in view", inView: "Faces in view", noFaces: "No face in view.",
    howTo: "To register a face, click it in the picture or choose it here.",
    people: "People", noPeople: "No one is registered yet.", templates: "{n} templates", templatesOne: "1 template",
    events: "Events", noEvents: "No events yet.",
    threshold: "Threshold", set: "Set", thresholdSet: "Threshold set to {value}.",
    thresholdNote: "Cosine similarity, -1 to 1. A face that reaches it is recognised.",
    register: "Register", name: "Name", force: "Register despite low quality", cancel: "Cancel",
    good: "Good enough to register.", poor: "Not good enough:", face: "Face to register",
    registered: "{name} registered.", rename: "Rename", renameTitle: "Rename {name}", newName: "New name",
    renamed: "{name} renamed to {other}.", delete: "Delete", deleteTitle: "Delete {name}?",
    deleteNote: "This removes all templates of the person and cannot be undone.", deleted: "{name} deleted.",
    renameOf: "Rename {name}", deleteOf: "Delete {name}",
    connecting: "Connecting", live: "Live", lost: "Lost", ended: "Ended", closed: "Closed", away: "Disconnected",
    lostAlarm: "Stream lost: {reason}", awayAlarm: "No connection to kface. Reconnecting automatically.",
    denied: "The session has expired. Open the page with its token again.",
    endedAlarm: "The stream has ended.", noLive: "This picture is not live.",
    figures: "{fps} fps · {p50} ms (95 %: {p95} ms)", noFigures: "{fps} fps", losses: "{n} losses", lossesOne: "1 loss",
    dropped: "{n} frames missing from slow outputs", droppedOne: "1 frame missing from a slow output",
    dark: "Dark picture: brightened copies are searched too",
    recognised: "{name} recognised", recognisedScore: "{name} recognised ({score})", unknown: "Unknown person", left: "{name} left",
    somebody: "Someone", enrolled: "{name} registered", gallery: "Gallery: {name} {reason}", stream: "Stream {reason}", output: "Output {reason}",
    track: "track {n}", undecidedFace: "Undecided", unknownFace: "Unknown",
    size: "size", sharpness: "sharpness", yaw: "yaw", pitch: "pitch", roll: "roll", outside: "outside", faces: "faces",
  },
  ko: {
    picture: "실시간 화면", pictureOf: "실시간 화면, 얼굴 {n}개", inView: "검출된 얼굴", noFaces: "검출된 얼굴이 없습니다.",
    howTo: "화면에서 얼굴을 클릭하거나 목록에서 선택해 등록하세요.",
    people: "등록된 사람", noPeople: "아직 등록된 사람이 없습니다.", templates: "템플릿 {n}개",
    events: "이벤트", noEvents: "아직 이벤트가 없습니다.",
    threshold: "임계값", set: "적용", thresholdSet: "임계값을 {value}(으)로 변경했습니다.",
    thresholdNote: "코사인 유사도(-1~1)가 이 값 이상이면 동일인으로 판정합니다.",
    register: "등록", name: "이름", force: "품질이 낮아도 등록", cancel: "취소",
    good: "등록할 수 있는 품질입니다.", poor: "품질 미달:", face: "등록할 얼굴",
    registered: "{name} 님을 등록했습니다.", rename: "이름 변경", renameTitle: "{name} 이름 변경", newName: "새 이름",
    renamed: "이름을 변경했습니다: {name} → {other}", delete: "삭제", deleteTitle: "{name} 님을 삭제할까요?",
    deleteNote: "이 사람의 템플릿이 모두 삭제되며 되돌릴 수 없습니다.", deleted: "{name} 님을 삭제했습니다.",
    renameOf: "{name} 이름 변경", deleteOf: "{name} 삭제",
    connecting: "연결 중", live: "실시간", lost: "끊김", ended: "종료", closed: "닫힘", away: "연결 끊김",
    lostAlarm: "스트림이 끊겼습니다: {reason}", awayAlarm: "kface와 연결이 끊겼습니다. 자동으로 다시 연결합니다.",
    denied: "세션이 만료되었습니다. 토큰이 포함된 주소로 다시 접속하세요.",
    endedAlarm: "스트림이 종료되었습니다.", noLive: "실시간 화면이 아닙니다.",
    figures: "{fps} fps · {p50} ms (95 %: {p95} ms)", noFigures: "{fps} fps", losses: "끊김 {n}회",
    dropped: "느린 출력에서 프레임 {n}개 누락", dark: "어두운 화면: 밝게 보정한 영상에서도 검색",
    recognised: "{name} 인식", recognisedScore: "{name} 인식 ({score})", unknown: "미등록자", left: "{name} 사라짐",
    somebody: "누군가", enrolled: "{name} 등록", gallery: "갤러리: {name} {reason}", stream: "스트림 {reason}", output: "출력 {reason}",
    track: "트랙 {n}", undecidedFace: "판정 중", unknownFace: "미등록",
    size: "크기", sharpness: "선명도", yaw: "좌우 회전(yaw)", pitch: "상하 회전(pitch)", roll: "기울기(roll)", outside: "화면 밖", faces: "얼굴 수",
  },
};

export const LANGUAGE = (navigator.languages || [navigator.language]).map((one) => one.slice(0, 2).toLowerCase())
  .find((one) => one in TEXTS) || "en";

/** The text of a key, with {fields} filled in; fields are never markup, for everything ends in textContent. */
export function text(key, fields = {}) {
  const found = TEXTS[LANGUAGE][key];
  return found === undefined ? key : found.replace(/\{(\w+)\}/g, (_, field) => String(fields[field] ?? ""));
}

/** A text about n things. */
export function count(key, n) {
  return text(n === 1 && has(key + "One") ? key + "One" : key, { n });
}

export function has(key) {
  return Object.hasOwn(TEXTS[LANGUAGE], key);
}

/** Put the fixed texts into the page. */
export function translate(root) {
  root.documentElement.lang = LANGUAGE;
  for (const element of root.querySelectorAll("[data-text]")) element.textContent = text(element.dataset.text);
}
