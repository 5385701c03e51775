<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ko_KR" sourcelanguage="en">
<context>
    <name>CurveView</name>
    <message>
        <source>missed (FNMR)</source>
        <translation>놓침 (FNMR)</translation>
    </message>
    <message>
        <source>seen live: not recognised</source>
        <translation>실시간: 인식 안 됨</translation>
    </message>
    <message>
        <source>seen live: recognised</source>
        <translation>실시간: 인식됨</translation>
    </message>
    <message>
        <source>wrongly accepted (FMR)</source>
        <translation>잘못 인정 (FMR)</translation>
    </message>
</context>
<context>
    <name>DetectionPage</name>
    <message>
        <source> pictures</source>
        <translation>장</translation>
    </message>
    <message>
        <source> pixels</source>
        <translation> 픽셀</translation>
    </message>
    <message>
        <source> views</source>
        <translation>회</translation>
    </message>
    <message>
        <source>&amp;Apply</source>
        <translation>적용(&amp;A)</translation>
    </message>
    <message>
        <source>&amp;Defaults</source>
        <translation>기본값(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;Follow faces from picture to picture</source>
        <translation>화면이 바뀌어도 얼굴을 따라가기(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;Smallest face</source>
        <translation>가장 작은 얼굴(&amp;S)</translation>
    </message>
    <message>
        <source>Applied. Everyone in the picture is recognised again.</source>
        <translation>적용했습니다. 화면의 모든 사람을 다시 확인합니다.</translation>
    </message>
    <message>
        <source>Decide after</source>
        <translation>판정에 필요한 관찰 횟수</translation>
    </message>
    <message>
        <source>Detection</source>
        <translation>검출</translation>
    </message>
    <message>
        <source>Keep a &amp;lost face for</source>
        <translation>놓친 얼굴을 유지하는 화면 수(&amp;L)</translation>
    </message>
    <message>
        <source>Look again at a known face after</source>
        <translation>아는 얼굴을 다시 확인하는 간격</translation>
    </message>
    <message>
        <source>Look for &amp;new faces at least every</source>
        <translation>새 얼굴을 찾는 최대 간격(&amp;N)</translation>
    </message>
    <message>
        <source>Remember at most</source>
        <translation>기억하는 최대 관찰 횟수</translation>
    </message>
    <message>
        <source>Smaller faces are found from further away, but take more time for each picture.</source>
        <translation>작은 얼굴까지 찾으면 더 먼 사람도 보이지만, 화면마다 시간이 더 걸립니다.</translation>
    </message>
    <message>
        <source>Smallest face</source>
        <translation>가장 작은 얼굴</translation>
    </message>
    <message>
        <source>Tracks</source>
        <translation>추적</translation>
    </message>
</context>
<context>
    <name>ErrorLine</name>
    <message>
        <source>Error: none</source>
        <translation>오류 없음</translation>
    </message>
    <message>
        <source>Error: {}</source>
        <translation>오류: {}</translation>
    </message>
</context>
<context>
    <name>FaceAddDialog</name>
    <message>
        <source>%v of %m pictures</source>
        <translation>사진 %m장 중 %v장</translation>
    </message>
    <message>
        <source>&amp;Cancel</source>
        <translation>취소(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Name</source>
        <translation>이름(&amp;N)</translation>
    </message>
    <message>
        <source>Add &amp;anyway</source>
        <translation>그래도 추가(&amp;A)</translation>
    </message>
    <message>
        <source>Add pictures</source>
        <translation>사진 추가</translation>
    </message>
    <message>
        <source>Adds this face although it is not good enough</source>
        <translation>품질이 부족하지만 이 얼굴을 추가합니다</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>모든 파일</translation>
    </message>
    <message>
        <source>C&amp;lose</source>
        <translation>닫기(&amp;L)</translation>
    </message>
    <message>
        <source>Choose &amp;files...</source>
        <translation>파일 선택(&amp;F)...</translation>
    </message>
    <message>
        <source>Choose pictures</source>
        <translation>사진 선택</translation>
    </message>
    <message>
        <source>Choose pictures of this person, or drop them here. Sharp ones from the front work best.</source>
        <translation>이 사람의 사진을 고르거나 여기에 끌어다 놓으세요. 정면에서 찍은 선명한 사진이 가장 좋습니다.</translation>
    </message>
    <message>
        <source>Face {}</source>
        <translation>얼굴 {}</translation>
    </message>
    <message>
        <source>Faces of the picture: choose the one to add</source>
        <translation>사진 속 얼굴: 추가할 얼굴을 고르세요</translation>
    </message>
    <message>
        <source>Name of the person</source>
        <translation>사람 이름</translation>
    </message>
    <message>
        <source>New, or already enrolled</source>
        <translation>새 이름 또는 등록된 이름</translation>
    </message>
    <message>
        <source>Picture</source>
        <translation>사진</translation>
    </message>
    <message>
        <source>Pictures</source>
        <translation>사진</translation>
    </message>
    <message>
        <source>Pictures that are done</source>
        <translation>처리한 사진</translation>
    </message>
    <message>
        <source>Result</source>
        <translation>결과</translation>
    </message>
    <message>
        <source>This face was refused. If it is the best there is, add it anyway.</source>
        <translation>이 얼굴은 거부되었습니다. 더 좋은 사진이 없으면 그래도 추가할 수 있습니다.</translation>
    </message>
    <message>
        <source>Wait until the pictures before are done, or cancel them.</source>
        <translation>앞의 사진이 끝날 때까지 기다리거나 취소하세요.</translation>
    </message>
    <message>
        <source>What became of each picture</source>
        <translation>사진별 결과</translation>
    </message>
    <message>
        <source>Which of these faces is it? Click it, or choose it with the arrow keys and Enter.</source>
        <translation>어느 얼굴인가요? 클릭하거나 화살표 키와 Enter로 고르세요.</translation>
    </message>
    <message>
        <source>Pictures that wait: {}. Enter the name, and press Enter.</source>
        <translation>사진 {}장이 기다립니다. 이름을 입력하고 Enter를 누르세요.</translation>
    </message>
</context>
<context>
    <name>FaceDialog</name>
    <message>
        <source>Check</source>
        <translation>점검</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>닫기</translation>
    </message>
    <message>
        <source>Detection and tracks</source>
        <translation>검출과 추적</translation>
    </message>
    <message>
        <source>Face settings</source>
        <translation>얼굴 설정</translation>
    </message>
    <message>
        <source>Pages of the face settings</source>
        <translation>얼굴 설정의 쪽</translation>
    </message>
    <message>
        <source>People</source>
        <translation>사람</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>임계값</translation>
    </message>
</context>
<context>
    <name>Faults</name>
    <message>
        <source>A file of this model is damaged or missing. Copy or export the model again.</source>
        <translation>이 모델의 파일이 손상되었거나 없습니다. 모델을 다시 복사하거나 내보내세요.</translation>
    </message>
    <message>
        <source>Cancelled. What was not finished has not changed.</source>
        <translation>취소했습니다. 끝나지 않은 작업은 반영되지 않았습니다.</translation>
    </message>
    <message>
        <source>Choose two different people.</source>
        <translation>서로 다른 두 사람을 고르세요.</translation>
    </message>
    <message>
        <source>Please enter a name.</source>
        <translation>이름을 입력하세요.</translation>
    </message>
    <message>
        <source>Some people have no kept picture, so they cannot be computed again for this model.</source>
        <translation>보관된 사진이 없는 사람이 있어 이 모델로 다시 계산할 수 없습니다.</translation>
    </message>
    <message>
        <source>Someone else has this name by now. Rename that person, then undo again.</source>
        <translation>그사이 다른 사람이 이 이름을 쓰고 있습니다. 그 사람의 이름을 바꾼 뒤 다시 되돌리세요.</translation>
    </message>
    <message>
        <source>The database of people cannot be written. Check the free space and the permissions.</source>
        <translation>사람 데이터베이스에 쓸 수 없습니다. 남은 공간과 권한을 확인하세요.</translation>
    </message>
    <message>
        <source>The database of people is damaged. Restore a copy, import an export, or look at it with: kface gallery check</source>
        <translation>사람 데이터베이스가 손상되었습니다. 복사본을 되돌리거나 내보낸 파일을 가져오거나 다음으로 확인하세요: kface gallery check</translation>
    </message>
    <message>
        <source>The database of people is in use by another program. Close that program, or try again.</source>
        <translation>다른 프로그램이 사람 데이터베이스를 사용하고 있습니다. 그 프로그램을 닫거나 다시 시도하세요.</translation>
    </message>
    <message>
        <source>The database of people was replaced by an older or another file. Put the right file back, or accept this one with: kface gallery accept</source>
        <translation>사람 데이터베이스가 예전 파일이나 다른 파일로 바뀌었습니다. 올바른 파일로 되돌리거나 다음으로 받아들이세요: kface gallery accept</translation>
    </message>
    <message>
        <source>The file is not there any more. It may have been moved or deleted.</source>
        <translation>파일이 없습니다. 옮겨졌거나 삭제되었을 수 있습니다.</translation>
    </message>
    <message>
        <source>The file may not be read. Change its permissions, or copy it elsewhere.</source>
        <translation>파일을 읽을 권한이 없습니다. 권한을 바꾸거나 다른 곳에 복사하세요.</translation>
    </message>
    <message>
        <source>The key does not open this database of people. Use the key it was created with.</source>
        <translation>이 키로는 사람 데이터베이스를 열 수 없습니다. 만들 때 쓴 키를 사용하세요.</translation>
    </message>
    <message>
        <source>The people were enrolled with another model. Choose their model, or compute them again.</source>
        <translation>사람들이 다른 모델로 등록되었습니다. 그 모델을 고르거나 다시 계산하세요.</translation>
    </message>
    <message>
        <source>The picture is too large. Reduce its size.</source>
        <translation>사진이 너무 큽니다. 크기를 줄이세요.</translation>
    </message>
    <message>
        <source>The recognition has ended. Start it again.</source>
        <translation>인식이 끝났습니다. 다시 시작하세요.</translation>
    </message>
    <message>
        <source>This can no longer be undone. Enrol the person again.</source>
        <translation>더 이상 되돌릴 수 없습니다. 다시 등록하세요.</translation>
    </message>
    <message>
        <source>This cannot be a name: it has characters that are not seen.</source>
        <translation>이름으로 쓸 수 없습니다. 보이지 않는 문자가 들어 있습니다.</translation>
    </message>
    <message>
        <source>This folder is not a model. Choose a folder that has a manifest.json.</source>
        <translation>이 폴더는 모델이 아닙니다. manifest.json이 있는 폴더를 고르세요.</translation>
    </message>
    <message>
        <source>This is not a picture that can be read, or it is damaged. Use a JPEG or PNG file.</source>
        <translation>읽을 수 없거나 손상된 사진입니다. JPEG 또는 PNG 파일을 사용하세요.</translation>
    </message>
    <message>
        <source>This model has no measured threshold, so it cannot recognise people.</source>
        <translation>이 모델에는 측정된 임계값이 없어 사람을 인식할 수 없습니다.</translation>
    </message>
    <message>
        <source>This name is taken. Choose another name, or merge the two people.</source>
        <translation>이미 있는 이름입니다. 다른 이름을 고르거나 두 사람을 합치세요.</translation>
    </message>
    <message>
        <source>This person is not enrolled any more. Someone may have deleted or renamed them.</source>
        <translation>이 사람은 더 이상 등록되어 있지 않습니다. 누군가 삭제했거나 이름을 바꿨을 수 있습니다.</translation>
    </message>
</context>
<context>
    <name>FileResults</name>
    <message>
        <source>added to {}</source>
        <translation>{}에 추가함</translation>
    </message>
    <message>
        <source>not looked at: cancelled</source>
        <translation>확인하지 않음: 취소됨</translation>
    </message>
    <message>
        <source>refused: {}</source>
        <translation>거부: {}</translation>
    </message>
    <message>
        <source>warning: looks like {}, score {}</source>
        <translation>주의: {} 님과 닮음, 점수 {}</translation>
    </message>
    <message>
        <source>warning: the same picture is enrolled as {}</source>
        <translation>주의: 같은 사진이 {} 이름으로 등록되어 있음</translation>
    </message>
    <message>
        <source>{} faces: choose one below</source>
        <translation>얼굴 {}개: 아래에서 하나를 고르세요</translation>
    </message>
</context>
<context>
    <name>Findings</name>
    <message>
        <source>A picture of {name} resembles {other} ({score:.2f}) more than {name}'s own pictures ({own:.2f}). If it shows {other}, delete it.</source>
        <translation>{name} 님의 사진 한 장이 {name} 님의 다른 사진({own:.2f})보다 {other} 님({score:.2f})과 더 닮았습니다. {other} 님의 사진이면 삭제하세요.</translation>
    </message>
    <message>
        <source>One picture is enrolled as {name} and as {other}. Delete it where it is wrong.</source>
        <translation>사진 한 장이 {name} 님과 {other} 님 모두에게 등록되어 있습니다. 잘못된 쪽에서 삭제하세요.</translation>
    </message>
    <message>
        <source>One picture of {name} is enrolled twice. One of the two can be deleted.</source>
        <translation>{name} 님의 같은 사진이 두 번 등록되어 있습니다. 하나는 삭제해도 됩니다.</translation>
    </message>
    <message>
        <source>{name} and {other} are alike ({score:.2f}, above the threshold): one may be taken for the other. If they are one person, merge them; if not, add more pictures or raise the threshold.</source>
        <translation>{name} 님과 {other} 님이 닮았습니다({score:.2f}, 임계값 이상). 서로 잘못 인식될 수 있습니다. 같은 사람이면 합치고, 아니면 사진을 더 추가하거나 임계값을 높이세요.</translation>
    </message>
    <message>
        <source>{name} has one picture only, and it is blurred ({score:.0f}). Add a sharper one.</source>
        <translation>{name} 님은 사진이 한 장뿐이고 흐릿합니다({score:.0f}). 더 선명한 사진을 추가하세요.</translation>
    </message>
    <message>
        <source>{name} has one template only, and its picture was not kept. Add one or two more.</source>
        <translation>{name} 님은 템플릿이 하나뿐이고 사진이 보관되지 않았습니다. 한두 장 더 추가하세요.</translation>
    </message>
</context>
<context>
    <name>LiveView</name>
    <message>
        <source>Click a face to register it. With the keyboard: arrow keys, then Enter.</source>
        <translation>얼굴을 클릭하면 등록할 수 있습니다. 키보드: 화살표 키로 고르고 Enter를 누르세요.</translation>
    </message>
    <message>
        <source>Live view</source>
        <translation>실시간 화면</translation>
    </message>
    <message>
        <source>undecided</source>
        <translation>판단 중</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>미등록</translation>
    </message>
</context>
<context>
    <name>MainWindow</name>
    <message>
        <source>&amp;Face settings…</source>
        <translation>얼굴 설정(&amp;F)…</translation>
    </message>
    <message>
        <source>&amp;Full screen</source>
        <translation>전체 화면(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;Language</source>
        <translation>언어(&amp;L)</translation>
    </message>
    <message>
        <source>&amp;Model…</source>
        <translation>모델(&amp;M)…</translation>
    </message>
    <message>
        <source>&amp;Pictures</source>
        <translation>촬영(&amp;P)</translation>
    </message>
    <message>
        <source>&amp;Quit</source>
        <translation>끝내기(&amp;Q)</translation>
    </message>
    <message>
        <source>&amp;Record a video</source>
        <translation>동영상 녹화(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Save a picture</source>
        <translation>사진 저장(&amp;S)</translation>
    </message>
    <message>
        <source>&amp;Settings</source>
        <translation>설정(&amp;S)</translation>
    </message>
    <message>
        <source>&amp;Stream settings…</source>
        <translation>스트림 설정(&amp;S)…</translation>
    </message>
    <message>
        <source>&amp;View</source>
        <translation>보기(&amp;V)</translation>
    </message>
    <message>
        <source>As the &amp;system</source>
        <translation>시스템 언어(&amp;S)</translation>
    </message>
    <message>
        <source>Model…</source>
        <translation>모델…</translation>
    </message>
    <message>
        <source>Opening the model and the stream…</source>
        <translation>모델과 스트림을 여는 중…</translation>
    </message>
    <message>
        <source>Saved: {}</source>
        <translation>저장됨: {}</translation>
    </message>
    <message>
        <source>Stream settings…</source>
        <translation>스트림 설정…</translation>
    </message>
    <message>
        <source>The video has ended; choose another stream.</source>
        <translation>동영상이 끝났습니다. 다른 스트림을 선택하세요.</translation>
    </message>
    <message>
        <source>There is no live picture.</source>
        <translation>실시간 화면이 없습니다.</translation>
    </message>
    <message>
        <source>Try again</source>
        <translation>다시 시도</translation>
    </message>
    <message>
        <source>{} is registered.</source>
        <translation>{} 님을 등록했습니다.</translation>
    </message>
</context>
<context>
    <name>ModelDialog</name>
    <message>
        <source>&amp;Compute the people again from their kept pictures</source>
        <translation>보관된 사진으로 사람들을 다시 계산(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Keep the model in use</source>
        <translation>지금 모델을 그대로 사용(&amp;K)</translation>
    </message>
    <message>
        <source>&amp;Other folder...</source>
        <translation>다른 폴더(&amp;O)...</translation>
    </message>
    <message>
        <source>&amp;Use this model</source>
        <translation>이 모델 사용(&amp;U)</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>모든 파일</translation>
    </message>
    <message>
        <source>All {templates} pictures were kept: everyone stays enrolled.</source>
        <translation>사진 {templates}장이 모두 보관되어 있어 아무도 빠지지 않습니다.</translation>
    </message>
    <message>
        <source>Ca&amp;ncel</source>
        <translation>취소(&amp;N)</translation>
    </message>
    <message>
        <source>Card of the model</source>
        <translation>모델 설명</translation>
    </message>
    <message>
        <source>Choose a database of people, or enter the name of a new one</source>
        <translation>사람 데이터베이스를 고르거나 새 이름을 입력하세요</translation>
    </message>
    <message>
        <source>Choose or make another file. The people of this one stay in it, for their own model.</source>
        <translation>다른 파일을 고르거나 새로 만듭니다. 지금 파일의 사람들은 자기 모델과 함께 그대로 남습니다.</translation>
    </message>
    <message>
        <source>Choose the folder of a model</source>
        <translation>모델 폴더 선택</translation>
    </message>
    <message>
        <source>Close</source>
        <translation>닫기</translation>
    </message>
    <message>
        <source>Databases of people</source>
        <translation>사람 데이터베이스</translation>
    </message>
    <message>
        <source>Model</source>
        <translation>모델</translation>
    </message>
    <message>
        <source>Models, the newest first</source>
        <translation>모델, 최신순</translation>
    </message>
    <message>
        <source>Not possible: no picture was kept when these people were enrolled.</source>
        <translation>할 수 없습니다. 등록할 때 사진을 보관하지 않았습니다.</translation>
    </message>
    <message>
        <source>Nothing changes.</source>
        <translation>아무것도 바뀌지 않습니다.</translation>
    </message>
    <message>
        <source>Pictures that are computed again</source>
        <translation>다시 계산한 사진</translation>
    </message>
    <message>
        <source>The new model is in use.</source>
        <translation>새 모델을 사용하고 있습니다.</translation>
    </message>
    <message>
        <source>This model does not know the people enrolled</source>
        <translation>이 모델은 등록된 사람들을 알지 못합니다</translation>
    </message>
    <message>
        <source>Use &amp;another database of people</source>
        <translation>다른 사람 데이터베이스 사용(&amp;A)</translation>
    </message>
    <message>
        <source>cannot be used</source>
        <translation>사용할 수 없음</translation>
    </message>
    <message>
        <source>in use</source>
        <translation>사용 중</translation>
    </message>
    <message>
        <source>knows drawn faces only</source>
        <translation>그린 얼굴만 학습함</translation>
    </message>
    <message>
        <source>People enrolled with another model: {people}. The two models cannot be compared. You can:</source>
        <translation>{people}명이 다른 모델로 등록되어 있어 서로 비교할 수 없습니다. 선택:</translation>
    </message>
    <message>
        <source>Pictures kept: {crops} of {templates}. The others ({without}) are deleted for good. People who then have no picture left, and have to be enrolled again: {lost}.</source>
        <translation>사진 {templates}장 중 {crops}장이 보관되어 있습니다. 나머지 {without}장은 영구히 삭제되며, 사진이 남지 않는 {lost}명은 다시 등록해야 합니다.</translation>
    </message>
</context>
<context>
    <name>PeoplePage</name>
    <message>
        <source>&amp;Add pictures...</source>
        <translation>사진 추가(&amp;A)...</translation>
    </message>
    <message>
        <source>&amp;Undo</source>
        <translation>되돌리기(&amp;U)</translation>
    </message>
    <message>
        <source>A picture of {} was deleted.</source>
        <translation>{} 님의 사진을 삭제했습니다.</translation>
    </message>
    <message>
        <source>Add pictures</source>
        <translation>사진 추가</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>취소</translation>
    </message>
    <message>
        <source>Delete</source>
        <translation>삭제</translation>
    </message>
    <message>
        <source>Enrol from picture files; they can be dropped here</source>
        <translation>사진 파일로 등록합니다. 여기에 끌어다 놓아도 됩니다</translation>
    </message>
    <message>
        <source>Give all pictures of {name} to {other}?</source>
        <translation>{name} 님의 모든 사진을 {other} 님에게 옮길까요?</translation>
    </message>
    <message>
        <source>Merge</source>
        <translation>합치기</translation>
    </message>
    <message>
        <source>People enrolled</source>
        <translation>등록된 사람</translation>
    </message>
    <message>
        <source>Possible for five minutes after a deletion</source>
        <translation>삭제한 뒤 5분 동안 가능합니다</translation>
    </message>
    <message>
        <source>Search</source>
        <translation>검색</translation>
    </message>
    <message>
        <source>Search people</source>
        <translation>사람 검색</translation>
    </message>
    <message>
        <source>Undo</source>
        <translation>되돌리기</translation>
    </message>
    <message>
        <source>You can undo this for five minutes, until the program is closed.</source>
        <translation>프로그램을 닫기 전까지 5분 동안 되돌릴 수 있습니다.</translation>
    </message>
    <message>
        <source>{name}  ({count})</source>
        <translation>{name}  ({count})</translation>
    </message>
    <message>
        <source>{} is then no longer a name of its own. This cannot be undone.</source>
        <translation>{} 이름은 없어지며, 되돌릴 수 없습니다.</translation>
    </message>
    <message>
        <source>{} was deleted.</source>
        <translation>{} 님을 삭제했습니다.</translation>
    </message>
    <message>
        <source>Delete {name}? Pictures: {count}</source>
        <translation>{name} 님과 사진 {count}장을 삭제할까요?</translation>
    </message>
    <message>
        <source>{name}, pictures: {count}</source>
        <translation>{name}, 사진 {count}장</translation>
    </message>
</context>
<context>
    <name>PeopleStrip</name>
    <message>
        <source>Last seen people</source>
        <translation>최근에 보인 사람</translation>
    </message>
    <message>
        <source>The last people: click one to register the face</source>
        <translation>최근에 보인 사람입니다. 클릭하면 얼굴을 등록할 수 있습니다.</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>미등록</translation>
    </message>
    <message>
        <source>{name}, {time}; click to register</source>
        <translation>{name}, {time}; 클릭하여 등록</translation>
    </message>
</context>
<context>
    <name>PersonDetails</name>
    <message>
        <source>&amp;Delete person...</source>
        <translation>사람 삭제(&amp;D)...</translation>
    </message>
    <message>
        <source>&amp;Merge...</source>
        <translation>합치기(&amp;M)...</translation>
    </message>
    <message>
        <source>&amp;Name</source>
        <translation>이름(&amp;N)</translation>
    </message>
    <message>
        <source>&amp;Rename</source>
        <translation>이름 변경(&amp;R)</translation>
    </message>
    <message>
        <source>Delete p&amp;icture</source>
        <translation>사진 삭제(&amp;I)</translation>
    </message>
    <message>
        <source>Gives all pictures to the other name, and forgets this one</source>
        <translation>모든 사진을 다른 이름으로 옮기고 이 이름은 지웁니다</translation>
    </message>
    <message>
        <source>Its picture was not kept.</source>
        <translation>사진이 보관되지 않았습니다.</translation>
    </message>
    <message>
        <source>Merge</source>
        <translation>합치기</translation>
    </message>
    <message>
        <source>New name</source>
        <translation>새 이름</translation>
    </message>
    <message>
        <source>Nobody is enrolled yet. Add pictures, drop them here, or click a face in the live picture.</source>
        <translation>아직 등록된 사람이 없습니다. 사진을 추가하거나 끌어다 놓거나, 실시간 화면의 얼굴을 클릭하세요.</translation>
    </message>
    <message>
        <source>Pictures of this person</source>
        <translation>이 사람의 사진</translation>
    </message>
    <message>
        <source>Same &amp;person as</source>
        <translation>같은 사람(&amp;P)</translation>
    </message>
    <message>
        <source>Same person as</source>
        <translation>같은 사람</translation>
    </message>
    <message>
        <source>Template {}, enrolled {}</source>
        <translation>템플릿 {}, 등록 {}</translation>
    </message>
</context>
<context>
    <name>Refusals</name>
    <message>
        <source>a part of the face is outside the picture</source>
        <translation>얼굴 일부가 사진 밖에 있음</translation>
    </message>
    <message>
        <source>at least {}</source>
        <translation>{} 이상</translation>
    </message>
    <message>
        <source>at least {} pixels</source>
        <translation>{} 픽셀 이상</translation>
    </message>
    <message>
        <source>at most {}</source>
        <translation>{} 이하</translation>
    </message>
    <message>
        <source>from {} to {}</source>
        <translation>{} ~ {}</translation>
    </message>
    <message>
        <source>no face was found</source>
        <translation>얼굴을 찾지 못함</translation>
    </message>
    <message>
        <source>the face is blurred</source>
        <translation>얼굴이 흐릿함</translation>
    </message>
    <message>
        <source>the face is not upright</source>
        <translation>얼굴이 똑바르지 않음</translation>
    </message>
    <message>
        <source>the face is too small</source>
        <translation>얼굴이 너무 작음</translation>
    </message>
    <message>
        <source>the face looks to the side</source>
        <translation>얼굴이 옆을 봄</translation>
    </message>
    <message>
        <source>the face looks up or down</source>
        <translation>얼굴이 위나 아래를 봄</translation>
    </message>
    <message>
        <source>{} faces were found</source>
        <translation>얼굴 {}개를 찾음</translation>
    </message>
</context>
<context>
    <name>RegistrationPanel</name>
    <message>
        <source>&amp;Drop</source>
        <translation>취소(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;Registration</source>
        <translation>등록(&amp;R)</translation>
    </message>
    <message>
        <source>A face that is not good enough is missed, or mistaken for another person, later.</source>
        <translation>품질이 부족한 얼굴은 나중에 인식되지 않거나 다른 사람으로 잘못 인식될 수 있습니다.</translation>
    </message>
    <message>
        <source>Click a face in the live view or in the strip below.</source>
        <translation>실시간 화면이나 아래 목록에서 얼굴을 클릭하세요.</translation>
    </message>
    <message>
        <source>Drop</source>
        <translation>취소</translation>
    </message>
    <message>
        <source>Drop the face (Esc)</source>
        <translation>얼굴 선택 취소(Esc)</translation>
    </message>
    <message>
        <source>No face</source>
        <translation>얼굴 없음</translation>
    </message>
    <message>
        <source>Pose: looking down (nose at {:.2f}, {:.2f} too low); chin up.</source>
        <translation>자세: 아래를 보고 있음(코 위치 {:.2f}, {:.2f}만큼 낮음). 턱을 드세요.</translation>
    </message>
    <message>
        <source>Pose: looking up (nose at {:.2f}, {:.2f} too high); chin down.</source>
        <translation>자세: 위를 보고 있음(코 위치 {:.2f}, {:.2f}만큼 높음). 턱을 내리세요.</translation>
    </message>
    <message>
        <source>Pose: the face cannot be seen from the front; look into the camera.</source>
        <translation>자세: 정면 얼굴이 아닙니다. 카메라를 바라보세요.</translation>
    </message>
    <message>
        <source>Pose: tilted by {:.0f}°, {:.0f}° too far; hold the head upright.</source>
        <translation>자세: {:.0f}° 기울어짐({:.0f}° 초과). 고개를 바로 세우세요.</translation>
    </message>
    <message>
        <source>Pose: turned aside by {:.0f}°, {:.0f}° too far; look into the camera.</source>
        <translation>자세: 옆으로 {:.0f}° 돌아감({:.0f}° 초과). 카메라를 바라보세요.</translation>
    </message>
    <message>
        <source>Register &amp;anyway</source>
        <translation>그래도 등록(&amp;A)</translation>
    </message>
    <message>
        <source>Register anyway</source>
        <translation>그래도 등록</translation>
    </message>
    <message>
        <source>Register the face (Enter)</source>
        <translation>얼굴 등록(Enter)</translation>
    </message>
    <message>
        <source>Registration</source>
        <translation>등록</translation>
    </message>
    <message>
        <source>Registration &amp;Name</source>
        <translation>등록 이름(&amp;N)</translation>
    </message>
    <message>
        <source>Registration Name</source>
        <translation>등록 이름</translation>
    </message>
    <message>
        <source>Registration View</source>
        <translation>등록 화면</translation>
    </message>
    <message>
        <source>Sharpness: {:.0f}, {:.0f} too little; hold still, in more light.</source>
        <translation>선명도: {:.0f}({:.0f} 부족). 밝은 곳에서 움직이지 마세요.</translation>
    </message>
    <message>
        <source>Size: {:.0f} pixels, {:.0f} too few; come nearer.</source>
        <translation>크기: {:.0f}픽셀({:.0f}픽셀 부족). 더 가까이 오세요.</translation>
    </message>
    <message>
        <source>The face extends beyond the picture by {:.0f} %, {:.0f} % too much.</source>
        <translation>얼굴이 화면 밖으로 {:.0f}% 벗어남({:.0f}% 초과).</translation>
    </message>
    <message>
        <source>The face to register</source>
        <translation>등록할 얼굴</translation>
    </message>
    <message>
        <source>The person's name. A known name adds this face to that person.</source>
        <translation>사람의 이름입니다. 이미 등록된 이름이면 그 사람에게 이 얼굴이 추가됩니다.</translation>
    </message>
    <message>
        <source>✓ Size, sharpness and pose are good enough.</source>
        <translation>✓ 크기, 선명도, 자세가 충분합니다.</translation>
    </message>
</context>
<context>
    <name>ReviewPage</name>
    <message>
        <source>&amp;Cancel</source>
        <translation>취소(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Show this person</source>
        <translation>이 사람 보기(&amp;S)</translation>
    </message>
    <message>
        <source>Check &amp;my gallery</source>
        <translation>내 갤러리 점검(&amp;M)</translation>
    </message>
    <message>
        <source>Looks for pictures that resemble another person more than their own, for people who are too much alike, for pictures enrolled twice, and for people with one poor picture.</source>
        <translation>다른 사람과 더 닮은 사진, 서로 너무 닮은 사람, 두 번 등록된 사진, 흐릿한 사진 한 장뿐인 사람을 찾습니다.</translation>
    </message>
    <message>
        <source>Progress of the check</source>
        <translation>점검 진행</translation>
    </message>
    <message>
        <source>What was found</source>
        <translation>점검 결과</translation>
    </message>
    <message>
        <source>People: {people}, pictures: {templates}. Nothing is wrong.</source>
        <translation>{people}명의 사진 {templates}장을 비교했습니다. 문제가 없습니다.</translation>
    </message>
    <message>
        <source>People: {people}, pictures: {templates}. To look at: {count}.</source>
        <translation>{people}명의 사진 {templates}장을 비교했습니다. 확인할 것: {count}건</translation>
    </message>
</context>
<context>
    <name>StatusLine</name>
    <message>
        <source>Faces: {}</source>
        <translation>얼굴: {}</translation>
    </message>
    <message>
        <source>Latency: {:.0f} ms</source>
        <translation>지연: {:.0f} ms</translation>
    </message>
    <message>
        <source>Latency: –</source>
        <translation>지연: –</translation>
    </message>
    <message>
        <source>No live picture. Stream: {}</source>
        <translation>실시간 화면이 없습니다. 스트림: {}</translation>
    </message>
    <message>
        <source>Registered people: {}</source>
        <translation>등록된 사람: {}</translation>
    </message>
    <message>
        <source>Waiting for the first picture…</source>
        <translation>첫 화면을 기다리는 중…</translation>
    </message>
    <message>
        <source>closed</source>
        <translation>닫힘</translation>
    </message>
    <message>
        <source>connecting</source>
        <translation>연결 중</translation>
    </message>
    <message>
        <source>damaged in the gallery: {}</source>
        <translation>갤러리 손상: {}</translation>
    </message>
    <message>
        <source>dark picture: brightened copies are searched too</source>
        <translation>어두운 화면: 밝게 보정하여 함께 탐색</translation>
    </message>
    <message>
        <source>ended</source>
        <translation>종료</translation>
    </message>
    <message>
        <source>frames missing from slow outputs: {}</source>
        <translation>출력 지연으로 빠진 프레임: {}</translation>
    </message>
    <message>
        <source>live</source>
        <translation>실시간</translation>
    </message>
    <message>
        <source>lost</source>
        <translation>끊김</translation>
    </message>
    <message>
        <source>{:.1f} fps</source>
        <translation>{:.1f} fps</translation>
    </message>
    <message>
        <source>● Recording</source>
        <translation>● 녹화 중</translation>
    </message>
</context>
<context>
    <name>StreamDialog</name>
    <message>
        <source>&amp;Address</source>
        <translation>주소(&amp;A)</translation>
    </message>
    <message>
        <source>&amp;Browse…</source>
        <translation>찾아보기(&amp;B)…</translation>
    </message>
    <message>
        <source>&amp;CSI camera</source>
        <translation>CSI 카메라(&amp;C)</translation>
    </message>
    <message>
        <source>&amp;Device</source>
        <translation>장치(&amp;D)</translation>
    </message>
    <message>
        <source>&amp;File</source>
        <translation>파일(&amp;F)</translation>
    </message>
    <message>
        <source>&amp;Hide</source>
        <translation>숨기기(&amp;H)</translation>
    </message>
    <message>
        <source>&amp;IP camera</source>
        <translation>IP 카메라(&amp;I)</translation>
    </message>
    <message>
        <source>&amp;Resolution</source>
        <translation>해상도(&amp;R)</translation>
    </message>
    <message>
        <source>&amp;Test connection</source>
        <translation>연결 시험(&amp;T)</translation>
    </message>
    <message>
        <source>&amp;USB camera</source>
        <translation>USB 카메라(&amp;U)</translation>
    </message>
    <message>
        <source>&amp;Video file</source>
        <translation>동영상 파일(&amp;V)</translation>
    </message>
    <message>
        <source>A CSI camera needs a Jetson whose OpenCV has GStreamer: choose another kind.</source>
        <translation>CSI 카메라에는 OpenCV가 GStreamer를 지원하는 Jetson이 필요합니다. 다른 종류를 고르세요.</translation>
    </message>
    <message>
        <source>A clip of drawn people, for trying the application without a camera.</source>
        <translation>그려 만든 사람들이 나오는 영상으로, 카메라 없이 프로그램을 시험해 볼 수 있습니다.</translation>
    </message>
    <message>
        <source>All</source>
        <translation>전체</translation>
    </message>
    <message>
        <source>All files</source>
        <translation>모든 파일</translation>
    </message>
    <message>
        <source>As the source has it</source>
        <translation>원본 그대로</translation>
    </message>
    <message>
        <source>Camera num&amp;ber</source>
        <translation>카메라 번호(&amp;B)</translation>
    </message>
    <message>
        <source>Cancel</source>
        <translation>취소</translation>
    </message>
    <message>
        <source>Cancel &amp;test</source>
        <translation>시험 취소(&amp;T)</translation>
    </message>
    <message>
        <source>Choose 1 to 30 frames a second, or all.</source>
        <translation>초당 1~30 프레임 또는 전체를 고르세요.</translation>
    </message>
    <message>
        <source>Choose a video file</source>
        <translation>동영상 파일 선택</translation>
    </message>
    <message>
        <source>Choose a video file.</source>
        <translation>동영상 파일을 선택하세요.</translation>
    </message>
    <message>
        <source>Choose one of the sizes.</source>
        <translation>크기 중 하나를 고르세요.</translation>
    </message>
    <message>
        <source>Choose what to watch.</source>
        <translation>볼 입력을 고르세요.</translation>
    </message>
    <message>
        <source>Connect once and show a picture, or the reason</source>
        <translation>한 번 연결하여 영상이나 실패한 이유를 보여 줍니다</translation>
    </message>
    <message>
        <source>Connecting</source>
        <translation>연결 중</translation>
    </message>
    <message>
        <source>Connecting: this takes {} seconds at most.</source>
        <translation>연결하는 중입니다. 길어야 {}초 걸립니다.</translation>
    </message>
    <message>
        <source>Connection</source>
        <translation>연결</translation>
    </message>
    <message>
        <source>D&amp;NN resize</source>
        <translation>DNN 크기 조정(&amp;N)</translation>
    </message>
    <message>
        <source>Device of the USB camera, or its number</source>
        <translation>USB 카메라의 장치 이름 또는 번호</translation>
    </message>
    <message>
        <source>Enter a port from 1 to 65535; most cameras use 554.</source>
        <translation>포트를 1에서 65535까지 입력하세요. 대부분의 카메라는 554입니다.</translation>
    </message>
    <message>
        <source>Enter an id without a colon.</source>
        <translation>콜론이 없는 아이디를 입력하세요.</translation>
    </message>
    <message>
        <source>Enter the RTSP path from the camera's manual, such as /live.</source>
        <translation>카메라 설명서의 RTSP 경로를 입력하세요(예: /live).</translation>
    </message>
    <message>
        <source>Enter the camera's name or IP address, such as 192.168.0.10.</source>
        <translation>카메라의 이름이나 IP 주소를 입력하세요(예: 192.168.0.10).</translation>
    </message>
    <message>
        <source>Enter the camera's number or device, such as 0 or /dev/video0.</source>
        <translation>카메라의 번호나 장치를 입력하세요(예: 0 또는 /dev/video0).</translation>
    </message>
    <message>
        <source>Enter the id that the password belongs to.</source>
        <translation>비밀번호에 해당하는 아이디를 입력하세요.</translation>
    </message>
    <message>
        <source>Enter the number of the CSI camera, 0 to 9.</source>
        <translation>CSI 카메라의 번호를 0에서 9까지 입력하세요.</translation>
    </message>
    <message>
        <source>Enter the password itself, in visible characters.</source>
        <translation>보이는 문자로 된 실제 비밀번호를 입력하세요.</translation>
    </message>
    <message>
        <source>Enter width and height such as 1280x720, each from 16 to 8192.</source>
        <translation>너비와 높이를 1280x720처럼 입력하세요(각각 16~8192).</translation>
    </message>
    <message>
        <source>Enter width and height such as 640x360, each from 12 to 8192.</source>
        <translation>너비와 높이를 640x360처럼 입력하세요(각각 12~8192).</translation>
    </message>
    <message>
        <source>Frames a &amp;second</source>
        <translation>초당 프레임 수(&amp;S)</translation>
    </message>
    <message>
        <source>Frames a second that are taken at most</source>
        <translation>1초에 받아들일 최대 프레임 수</translation>
    </message>
    <message>
        <source>Hide the password</source>
        <translation>비밀번호 숨기기</translation>
    </message>
    <message>
        <source>I&amp;D</source>
        <translation>아이디(&amp;D)</translation>
    </message>
    <message>
        <source>Name or IP address of the camera; a whole rtsp:// URL can be pasted here</source>
        <translation>카메라의 이름 또는 IP 주소. rtsp:// URL 전체를 붙여 넣어도 됩니다</translation>
    </message>
    <message>
        <source>No picture</source>
        <translation>영상이 없습니다</translation>
    </message>
    <message>
        <source>No picture yet</source>
        <translation>아직 영상이 없습니다</translation>
    </message>
    <message>
        <source>Number of the CSI camera</source>
        <translation>CSI 카메라의 번호</translation>
    </message>
    <message>
        <source>OK</source>
        <translation>확인</translation>
    </message>
    <message>
        <source>On</source>
        <translation>사용</translation>
    </message>
    <message>
        <source>P&amp;ort</source>
        <translation>포트(&amp;O)</translation>
    </message>
    <message>
        <source>Pass&amp;word</source>
        <translation>비밀번호(&amp;W)</translation>
    </message>
    <message>
        <source>Password of the camera's user</source>
        <translation>카메라 사용자의 비밀번호</translation>
    </message>
    <message>
        <source>Path of the stream, from the camera's manual</source>
        <translation>카메라 설명서에 나오는 스트림 경로</translation>
    </message>
    <message>
        <source>Path of the video file</source>
        <translation>동영상 파일의 경로</translation>
    </message>
    <message>
        <source>Picture</source>
        <translation>영상</translation>
    </message>
    <message>
        <source>Picture of the stream, {} pixels</source>
        <translation>스트림의 영상, {} 픽셀</translation>
    </message>
    <message>
        <source>RTSP &amp;path</source>
        <translation>RTSP 경로(&amp;P)</translation>
    </message>
    <message>
        <source>Reduce frames for finding faces</source>
        <translation>얼굴을 찾을 때 프레임 줄이기</translation>
    </message>
    <message>
        <source>Resulting URL, without the password: {}</source>
        <translation>만들어진 URL(비밀번호 제외): {}</translation>
    </message>
    <message>
        <source>S&amp;how</source>
        <translation>표시(&amp;H)</translation>
    </message>
    <message>
        <source>Sa&amp;mple clip</source>
        <translation>예제 영상(&amp;M)</translation>
    </message>
    <message>
        <source>Show the password</source>
        <translation>비밀번호 표시</translation>
    </message>
    <message>
        <source>Size of the live view in pixels</source>
        <translation>실시간 화면의 크기(픽셀)</translation>
    </message>
    <message>
        <source>Source</source>
        <translation>입력</translation>
    </message>
    <message>
        <source>Stream settings</source>
        <translation>스트림 설정</translation>
    </message>
    <message>
        <source>TCP port of the camera, most often 554</source>
        <translation>카메라의 TCP 포트. 대개 554입니다</translation>
    </message>
    <message>
        <source>The connection works: the picture has {} pixels.</source>
        <translation>연결되었습니다. 영상은 {} 픽셀입니다.</translation>
    </message>
    <message>
        <source>The password is kept encrypted with the gallery's key.</source>
        <translation>비밀번호는 갤러리의 키로 암호화하여 보관됩니다.</translation>
    </message>
    <message>
        <source>The password is kept in the system's keyring.</source>
        <translation>비밀번호는 시스템 키링에 보관됩니다.</translation>
    </message>
    <message>
        <source>The stream was changed, but it cannot be remembered: {}</source>
        <translation>스트림은 바뀌었지만 저장할 수 없습니다: {}</translation>
    </message>
    <message>
        <source>The test was cancelled.</source>
        <translation>시험을 취소했습니다.</translation>
    </message>
    <message>
        <source>There is no such file: choose another one.</source>
        <translation>파일이 없습니다. 다른 파일을 선택하세요.</translation>
    </message>
    <message>
        <source>This file is empty or cannot be opened: choose another one.</source>
        <translation>파일이 비었거나 열 수 없습니다. 다른 파일을 선택하세요.</translation>
    </message>
    <message>
        <source>This is a camera's address: choose the IP camera and enter it there.</source>
        <translation>카메라 주소입니다. IP 카메라를 고르고 그곳에 입력하세요.</translation>
    </message>
    <message>
        <source>URL</source>
        <translation>URL</translation>
    </message>
    <message>
        <source>User of the camera</source>
        <translation>카메라의 사용자</translation>
    </message>
    <message>
        <source>Vi&amp;ew size</source>
        <translation>화면 크기(&amp;E)</translation>
    </message>
    <message>
        <source>Videos</source>
        <translation>동영상</translation>
    </message>
    <message>
        <source>Watch this stream now, and after the next start</source>
        <translation>지금부터, 그리고 다음에 시작할 때도 이 스트림을 봅니다</translation>
    </message>
    <message>
        <source>Width and height that a camera is asked for and frames are fitted into</source>
        <translation>카메라에 요청하고 프레임을 맞출 너비와 높이</translation>
    </message>
    <message>
        <source>Width and height that frames are reduced to for finding faces</source>
        <translation>얼굴을 찾을 때 프레임을 줄일 너비와 높이</translation>
    </message>
</context>
<context>
    <name>StreamReason</name>
    <message>
        <source>A CSI camera needs a Jetson whose OpenCV has GStreamer: choose another kind.</source>
        <translation>CSI 카메라에는 OpenCV가 GStreamer를 지원하는 Jetson이 필요합니다. 다른 종류를 고르세요.</translation>
    </message>
    <message>
        <source>Id and password are too long for the decoder: use shorter ones.</source>
        <translation>아이디와 비밀번호가 디코더에는 너무 깁니다. 더 짧은 것을 쓰세요.</translation>
    </message>
    <message>
        <source>No camera is known by this name: correct the address, or enter the IP address.</source>
        <translation>이 이름의 카메라를 찾을 수 없습니다. 주소를 고치거나 IP 주소를 입력하세요.</translation>
    </message>
    <message>
        <source>No picture came for {0} seconds: check the camera and the network.</source>
        <translation>{0}초 동안 영상이 오지 않았습니다. 카메라와 네트워크를 확인하세요.</translation>
    </message>
    <message>
        <source>Nothing listens at this address and port: correct the port, or switch the camera on.</source>
        <translation>이 주소와 포트에서 응답하는 장치가 없습니다. 포트를 고치거나 카메라를 켜세요.</translation>
    </message>
    <message>
        <source>The camera cannot be opened: check its cable, and that no other program uses it.</source>
        <translation>카메라를 열 수 없습니다. 케이블을 확인하고, 다른 프로그램이 쓰고 있는지 보세요.</translation>
    </message>
    <message>
        <source>The camera cannot be reached: check address, port and network.</source>
        <translation>카메라에 연결할 수 없습니다. 주소, 포트, 네트워크를 확인하세요.</translation>
    </message>
    <message>
        <source>The camera does not answer: check address, port and network.</source>
        <translation>카메라가 응답하지 않습니다. 주소, 포트, 네트워크를 확인하세요.</translation>
    </message>
    <message>
        <source>The camera has no stream at this RTSP path: correct the path.</source>
        <translation>카메라에 이 RTSP 경로의 스트림이 없습니다. 경로를 고치세요.</translation>
    </message>
    <message>
        <source>The camera has stopped: check that it is on.</source>
        <translation>카메라가 멈췄습니다. 켜져 있는지 확인하세요.</translation>
    </message>
    <message>
        <source>The camera refused with code {0}: check its settings.</source>
        <translation>카메라가 코드 {0}(으)로 거부했습니다. 카메라 설정을 확인하세요.</translation>
    </message>
    <message>
        <source>The camera rejected the id or the password: correct them.</source>
        <translation>카메라가 아이디 또는 비밀번호를 거부했습니다. 바르게 고치세요.</translation>
    </message>
    <message>
        <source>The camera sends us to another address: enter that address.</source>
        <translation>카메라가 다른 주소로 보냅니다. 그 주소를 입력하세요.</translation>
    </message>
    <message>
        <source>The camera wants an id and a password: enter them.</source>
        <translation>카메라가 아이디와 비밀번호를 요구합니다. 입력하세요.</translation>
    </message>
    <message>
        <source>The camera wants an unknown kind of login: choose Basic or Digest in its settings.</source>
        <translation>카메라가 알 수 없는 로그인 방식을 요구합니다. 카메라 설정에서 Basic 또는 Digest를 고르세요.</translation>
    </message>
    <message>
        <source>The camera's pictures cannot be decoded: choose H.264 in its settings.</source>
        <translation>카메라 영상을 해독할 수 없습니다. 카메라 설정에서 H.264를 고르세요.</translation>
    </message>
    <message>
        <source>The video is interlaced, which this OpenCV cannot play: convert it to progressive video.</source>
        <translation>비월 주사 영상이라 이 OpenCV로는 재생할 수 없습니다. 순차 주사 영상으로 바꾸세요.</translation>
    </message>
    <message>
        <source>There is no such camera: plug it in, or choose another one.</source>
        <translation>카메라가 없습니다. 연결하거나 다른 카메라를 고르세요.</translation>
    </message>
    <message>
        <source>There is no such file: choose another one.</source>
        <translation>파일이 없습니다. 다른 파일을 선택하세요.</translation>
    </message>
    <message>
        <source>This file is empty: choose another one.</source>
        <translation>빈 파일입니다. 다른 파일을 선택하세요.</translation>
    </message>
    <message>
        <source>This file is not a video that can be played: convert it, for instance to MP4.</source>
        <translation>재생할 수 있는 동영상 파일이 아닙니다. MP4 등으로 변환하세요.</translation>
    </message>
    <message>
        <source>This file may not be read: change its permissions, or choose another one.</source>
        <translation>파일을 읽을 권한이 없습니다. 권한을 바꾸거나 다른 파일을 선택하세요.</translation>
    </message>
    <message>
        <source>This is a folder or a device, not a file: choose a video file.</source>
        <translation>파일이 아니라 폴더나 장치입니다. 동영상 파일을 선택하세요.</translation>
    </message>
    <message>
        <source>This is not an RTSP camera: check address and port.</source>
        <translation>RTSP 카메라가 아닙니다. 주소와 포트를 확인하세요.</translation>
    </message>
    <message>
        <source>You may not use this camera: your user must be in the group video.</source>
        <translation>이 카메라를 쓸 권한이 없습니다. 사용자가 video 그룹에 있어야 합니다.</translation>
    </message>
</context>
<context>
    <name>Threshold</name>
    <message>
        <source>1 in {}</source>
        <translation>{} 중 1</translation>
    </message>
    <message>
        <source>A picture of an enrolled person is missed (FNMR): {}</source>
        <translation>등록된 사람의 사진을 놓침 (FNMR): {}</translation>
    </message>
    <message>
        <source>Measured on drawn faces: these figures say nothing about real ones.</source>
        <translation>그린 얼굴로 측정했습니다. 실제 얼굴에 대해서는 아무것도 알려 주지 않습니다.</translation>
    </message>
    <message>
        <source>Measured on {}, for single pictures. Other cameras and other light have other rates; a stream decides by several pictures and errs less often.</source>
        <translation>{}에서 사진 한 장씩 측정한 값입니다. 카메라와 조명이 다르면 달라집니다. 실시간 인식은 여러 장으로 판정하므로 오류가 더 적습니다.</translation>
    </message>
    <message>
        <source>This model was not measured, so that nothing is known about its errors.</source>
        <translation>이 모델은 측정되지 않아 오류율을 알 수 없습니다.</translation>
    </message>
    <message>
        <source>Two different people are taken for one (FMR): {}</source>
        <translation>서로 다른 두 사람을 같은 사람으로 봄 (FMR): {}</translation>
    </message>
    <message>
        <source>about {}</source>
        <translation>약 {}</translation>
    </message>
    <message>
        <source>at least {}</source>
        <translation>{} 이상</translation>
    </message>
    <message>
        <source>at most {}</source>
        <translation>{} 이하</translation>
    </message>
    <message>
        <source>unknown</source>
        <translation>알 수 없음</translation>
    </message>
    <message>
        <source>A stranger is taken for somebody (people enrolled: {people}): {chance}</source>
        <translation>낯선 사람이 등록된 {people}명 중 누군가로 인식됨: {chance}</translation>
    </message>
</context>
<context>
    <name>ThresholdPage</name>
    <message>
        <source>&lt;- knows more people, errs more often</source>
        <translation>← 더 많이 알아보지만 더 자주 틀림</translation>
    </message>
    <message>
        <source>Error rates along the threshold, and the scores seen live</source>
        <translation>임계값에 따른 오류율과 실시간 점수</translation>
    </message>
    <message>
        <source>How alike a face and an enrolled picture must be, as a cosine</source>
        <translation>얼굴과 등록된 사진이 얼마나 닮아야 하는지(코사인)</translation>
    </message>
    <message>
        <source>No face has been compared with the people enrolled yet.</source>
        <translation>아직 등록된 사람과 비교한 얼굴이 없습니다.</translation>
    </message>
    <message>
        <source>Of the last {count} faces seen live, {reach} reach this threshold.</source>
        <translation>최근 실시간으로 본 얼굴 {count}개 중 {reach}개가 이 임계값에 도달합니다.</translation>
    </message>
    <message>
        <source>Threshold</source>
        <translation>임계값</translation>
    </message>
    <message>
        <source>Use the &amp;recommended threshold ({:.3f})</source>
        <translation>권장 임계값 사용(&amp;R) ({:.3f})</translation>
    </message>
    <message>
        <source>Use the recommended threshold</source>
        <translation>권장 임계값 사용</translation>
    </message>
    <message>
        <source>errs less often, misses more people -&gt;</source>
        <translation>덜 틀리지만 더 많이 놓침 →</translation>
    </message>
</context>
</TS>
