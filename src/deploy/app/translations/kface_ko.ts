<?xml version="1.0" encoding="utf-8"?>
<!DOCTYPE TS>
<TS version="2.1" language="ko_KR" sourcelanguage="en">
<context>
    <name>ErrorLine</name>
    <message>
        <source>Error: {}</source>
        <translation>오류: {}</translation>
    </message>
    <message>
        <source>Error: none</source>
        <translation>오류 없음</translation>
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
</TS>
