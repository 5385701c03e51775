// What the page says, in English and Korean. Texts of the program itself (reasons, errors) come as they are.
const TEXTS = {
  en: {
    picture: "Live picture", pictureOf: "Live picture, {n} faces in view", pictureOfOne: "Live picture, a face in view", inView: "Faces in view", noFaces: "No face in view.",
    howTo: "Click a face in the picture, or choose it here, to register it.",
    people: "People", noPeople: "Nobody is registered yet.", templates: "{n} templates", templatesOne: "1 template",
    events: "Events", noEvents: "Nothing has happened yet.",
    threshold: "Threshold", set: "Set", thresholdSet: "The threshold is {value} now.",
    thresholdNote: "Cosine from -1 to 1: from here on a face is taken for the person.",
    register: "Register", name: "Registration name", force: "Register although it is not good enough", cancel: "Cancel",
    good: "Good enough to register.", poor: "Not good enough:", face: "Face to register",
    registered: "{name} is registered.", rename: "Rename", renameTitle: "Rename {name}", newName: "New name",
    renamed: "{name} is called {other} now.", delete: "Delete", deleteTitle: "Delete {name}?",
    deleteNote: "All templates of this person are removed. That cannot be undone.", deleted: "{name} is deleted.",
    renameOf: "Rename {name}", deleteOf: "Delete {name}",
    connecting: "Connecting", live: "Live", lost: "Lost", ended: "Ended", closed: "Closed", away: "No connection",
    lostAlarm: "The stream is lost: {reason}", awayAlarm: "The page has no connection to the program. It tries again by itself.",
    denied: "This page's session is not valid any more: open it with the token again.",
    endedAlarm: "The stream has ended.", noLive: "This picture is not live.",
    figures: "{fps} fps · {p50} ms (95 %: {p95} ms)", noFigures: "{fps} fps", losses: "{n} losses", lossesOne: "1 loss",
    recognised: "{name} recognised", recognisedScore: "{name} recognised ({score})", unknown: "Unknown person", left: "{name} left",
    somebody: "Somebody", enrolled: "{name} registered", gallery: "People changed: {name} {reason}", stream: "Stream {reason}",
    track: "track {n}", undecidedFace: "Undecided", unknownFace: "Unknown",
    size: "size", sharpness: "sharpness", yaw: "yaw", pitch: "pitch", roll: "roll", outside: "outside", faces: "faces",
  },
  ko: {
    picture: "실시간 화면", pictureOf: "실시간 화면, 얼굴 {n}개", inView: "화면의 얼굴", noFaces: "화면에 얼굴이 없습니다.",
    howTo: "화면의 얼굴을 누르거나 여기에서 골라 등록하세요.",
    people: "등록된 사람", noPeople: "아직 등록된 사람이 없습니다.", templates: "템플릿 {n}개",
    events: "기록", noEvents: "아직 기록이 없습니다.",
    threshold: "임계값", set: "적용", thresholdSet: "임계값이 {value}(으)로 바뀌었습니다.",
    thresholdNote: "코사인 유사도 -1~1: 이 값 이상이면 같은 사람으로 봅니다.",
    register: "등록", name: "등록 이름", force: "품질이 낮아도 등록", cancel: "취소",
    good: "등록하기에 충분합니다.", poor: "품질이 낮습니다:", face: "등록할 얼굴",
    registered: "{name} 님을 등록했습니다.", rename: "이름 변경", renameTitle: "{name} 이름 변경", newName: "새 이름",
    renamed: "{name} → {other} 이름을 바꿨습니다.", delete: "삭제", deleteTitle: "{name} 님을 삭제할까요?",
    deleteNote: "이 사람의 템플릿이 모두 지워지며 되돌릴 수 없습니다.", deleted: "{name} 님을 삭제했습니다.",
    renameOf: "{name} 이름 변경", deleteOf: "{name} 삭제",
    connecting: "연결 중", live: "실시간", lost: "끊김", ended: "끝남", closed: "닫힘", away: "연결 없음",
    lostAlarm: "영상이 끊겼습니다: {reason}", awayAlarm: "프로그램과 연결이 끊겼습니다. 자동으로 다시 연결합니다.",
    denied: "세션이 만료되었습니다. 토큰이 있는 주소를 다시 여세요.",
    endedAlarm: "영상이 끝났습니다.", noLive: "실시간 화면이 아닙니다.",
    figures: "{fps} fps · {p50} ms (95 %: {p95} ms)", noFigures: "{fps} fps", losses: "끊김 {n}회",
    recognised: "{name} 인식", recognisedScore: "{name} 인식 ({score})", unknown: "모르는 사람", left: "{name} 떠남",
    somebody: "누군가", enrolled: "{name} 등록", gallery: "등록 변경: {name} {reason}", stream: "영상 {reason}",
    track: "트랙 {n}", undecidedFace: "판단 중", unknownFace: "모름",
    size: "크기", sharpness: "선명도", yaw: "좌우 각도", pitch: "상하 각도", roll: "기울기", outside: "화면 밖", faces: "얼굴 수",
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
